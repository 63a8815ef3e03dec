#include "cli/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct names {
    char **list;
    size_t count, room;
    size_t skip; /* of each path: the folder itself */
    bool full;
};

static struct names *walking; /* nftw has no argument of its own; one thread */

static bool is_hidden(const char *name) {
    return name[0] == '.' || strstr(name, "/.");
}

static int note_file(const char *path, const struct stat *status, int type, struct FTW *where) {
    struct names *names = walking;
    const char *name = path + names->skip;
    if (type != FTW_F || !S_ISREG(status->st_mode) || is_hidden(name))
        return 0;
    if (names->count == names->room) {
        size_t room = names->room ? 2 * names->room : 256;
        char **more = realloc(names->list, room * sizeof *more);
        if (!more)
            return names->full = true;
        names->list = more;
        names->room = room;
    }
    names->list[names->count] = strdup(name);
    names->full = !names->list[names->count];
    names->count += !names->full;
    return names->full;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_files(const char *folder, struct names *names, struct problem *problem) {
    names->skip = strlen(folder) + 1;
    walking = names;
    if (nftw(folder, note_file, 32, FTW_PHYS) < 0)
        return problem_set(problem, TG_EIO, folder, "cannot be read: %s", strerror(errno));
    if (names->full)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    if (names->count == 0)
        return problem_set(problem, TG_ENOT_FOUND, folder, "holds no file");
    qsort(names->list, names->count, sizeof *names->list, by_bytes);
    return 0;
}

static int copy_bytes(struct archive *archive, FILE *file, int64_t size, const char *path,
                      struct problem *problem) {
    char bytes[1 << 16];
    while (size > 0) {
        size_t want = size < (int64_t)sizeof bytes ? (size_t)size : sizeof bytes;
        size_t got = fread(bytes, 1, want, file);
        if (got == 0)
            return problem_set(problem, TG_EIO, path, "became shorter while it was read");
        if (archive_write_data(archive, bytes, got) < 0)
            return problem_set(problem, TG_EIO, path, "cannot be packed: %s", archive_error_string(archive));
        size -= (int64_t)got;
    }
    return 0;
}

static int add_file(struct archive *archive, const char *path, const char *name, struct problem *problem) {
    struct stat status;
    FILE *file = fopen(path, "rbe");
    if (!file || fstat(fileno(file), &status) < 0) {
        problem_set(problem, TG_EIO, path, "cannot be read: %s", strerror(errno));
        if (file)
            fclose(file);
        return TG_EIO;
    }
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, status.st_size);
    archive_entry_set_mtime(entry, 0, 0);
    int error =
        archive_write_header(archive, entry) < ARCHIVE_WARN
            ? problem_set(problem, TG_EIO, path, "cannot be packed: %s", archive_error_string(archive))
            : copy_bytes(archive, file, status.st_size, path, problem);
    archive_entry_free(entry);
    fclose(file);
    return error;
}

static int write_all(struct archive *archive, const char *folder, const struct names *names,
                     struct problem *problem) {
    int error = 0;
    for (size_t i = 0; i < names->count && !error; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", folder, names->list[i]) < 0)
            return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
        error = add_file(archive, path, names->list[i], problem);
        free(path);
    }
    if (!error && archive_write_close(archive) != ARCHIVE_OK)
        error = problem_set(problem, TG_EIO, folder, "cannot be packed: %s", archive_error_string(archive));
    return error;
}

static int pack(const char *folder, const struct names *names, FILE *out, struct problem *problem) {
    struct archive *archive = archive_write_new();
    if (!archive)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    archive_write_set_format_pax_restricted(archive);
    archive_write_set_bytes_in_last_block(archive, 1);
    int error =
        archive_write_open_FILE(archive, out) == ARCHIVE_OK
            ? write_all(archive, folder, names, problem)
            : problem_set(problem, TG_EIO, folder, "cannot be packed: %s", archive_error_string(archive));
    archive_write_free(archive);
    return error;
}

int pack_folder(const char *folder, FILE **out, int64_t *size, struct problem *problem) {
    struct names names = {0};
    char *place = strdup(folder);
    for (size_t n = place ? strlen(place) : 0; n > 1 && place[n - 1] == '/'; n--)
        place[n - 1] = 0;
    *out = place ? tmpfile() : NULL;
    int error = *out ? list_files(place, &names, problem)
                     : problem_set(problem, TG_EIO, "TMPDIR", "no temporary file: %s", strerror(errno));
    if (!error)
        error = pack(place, &names, *out, problem);
    if (!error && (fflush(*out) || (*size = ftello(*out)) < 0))
        error = problem_set(problem, TG_EIO, folder, "cannot be packed: %s", strerror(errno));
    if (error && *out) {
        fclose(*out);
        *out = NULL;
    }
    for (size_t i = 0; i < names.count; i++)
        free(names.list[i]);
    free(names.list);
    free(place);
    return error;
}
