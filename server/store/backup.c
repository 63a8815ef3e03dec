/* backup.c - a copy of the live database: SQLite's online backup into FILE.tmp, fsync, rename, fsync of the
 * folder.
 *
 * The whole copy is one step of the backup API: in WAL mode a reader, which the backup is, blocks nobody, and
 * copying in several steps would start anew whenever the writer commits in between.
 *
 * The copy gets an id of its own (schema_identify): a coordinator that is restored from it has numbers for
 * tasks and attempts that the lost one gave to others, so it must not be taken for it by the workers.
 */
#include "server/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int copy_into(struct store_tx *db, const char *path, struct problem *problem) {
    struct store_tx target = {0};
    if (sqlite3_open_v2(path, &target.sqlite,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        int error = db_problem(&target, path, problem);
        sqlite3_close(target.sqlite);
        return error;
    }
    sqlite3_extended_result_codes(target.sqlite, 1);
    int error = db_script(&target, "PRAGMA synchronous = OFF"); /* one fsync follows */
    sqlite3_backup *backup = error ? NULL : sqlite3_backup_init(target.sqlite, "main", db->sqlite, "main");
    if (backup != NULL) {
        sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
    }
    if (sqlite3_errcode(target.sqlite) != SQLITE_OK)
        error = db_problem(&target, path, problem);
    else if (!error) /* the copy would ask for a WAL file of its own: a backup should be one file */
        error = db_script(&target, "PRAGMA journal_mode = DELETE") || schema_identify(&target, true)
                    ? db_problem(&target, path, problem)
                    : 0;
    sqlite3_close(target.sqlite);
    return error;
}

static int sync_path(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int failed = fsync(fd);
    int code = errno;
    close(fd);
    errno = code;
    return failed;
}

static int sync_folder_of(const char *file) {
    char *copy = strdup(file);
    if (copy == NULL) {
        errno = ENOMEM;
        return -1;
    }
    int failed = sync_path(dirname(copy), O_RDONLY | O_DIRECTORY);
    int code = errno;
    free(copy);
    errno = code;
    return failed;
}

int backup_database(struct store_tx *db, const char *file, struct problem *problem) {
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.tmp", file) < 0)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    const char *step = "remove an old";
    int error = 0;
    if (unlink(temporary) != 0 && errno != ENOENT)
        goto failed;
    error = copy_into(db, temporary, problem);
    if (error)
        goto done;
    step = "sync";
    if (sync_path(temporary, O_RDWR) != 0)
        goto failed;
    step = "rename";
    if (rename(temporary, file) != 0)
        goto failed;
    step = "sync the folder of";
    if (sync_folder_of(file) != 0)
        goto failed;
    goto done;
failed:
    error = errno == ENOSPC || errno == EDQUOT ? TG_ESTORAGE_FULL : TG_EIO;
    problem_set(problem, error, NULL, "%s: cannot %s the copy (%s)", temporary, step, strerror(errno));
done:
    if (error)
        unlink(temporary);
    free(temporary);
    return error;
}
