/* Opening what cannot be opened, each with a problem that names path and remedy; --check finds every kind of
 * damage; backups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include "server/store/store_tx.h"
#include "tests/unit/store_fixture.h"

static char *in(const char *folder, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Runs SQL behind the store's back. */
static void meddle(const char *folder, const char *sql) {
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(in(folder, "tengen.db"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        print_message("# %s: %s\n", sql, message);
    assert_null(message);
    sqlite3_close(db);
}

static void refused(const char *folder, enum store_mode mode, int error, const char *words) {
    struct store *store = NULL;
    struct problem problem = {0};
    assert_int_equal(store_open(&(struct store_options){.folder = folder, .mode = mode}, &store, &problem),
                     error);
    assert_null(store);
    if (strstr(problem.detail, words) == NULL)
        print_message("# '%s' should contain '%s'\n", problem.detail, words);
    assert_non_null(strstr(problem.detail, words));
    assert_non_null(strstr(problem.detail, folder));
}

static void put_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* ---- opening ---- */

static void one_coordinator_a_folder(void **state) {
    struct store *store = fixture_open(*state);
    refused(*state, STORE_SERVE, TG_EBUSY, "another tengen-server (process ");
    struct store *look = NULL;
    must(store_open(&(struct store_options){.folder = *state, .mode = STORE_LOOK}, &look, NULL));
    fixture_check_clean(look);
    store_close(look);
    store_close(store);
    store = fixture_open(*state); /* the lock is gone with its holder */
    store_close(store);
}

static int schema_version(const char *folder) {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(in(folder, "tengen.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return version;
}

static void a_newer_database_is_left_alone(void **state) {
    char restore[64];
    store_close(fixture_open(*state));
    snprintf(restore, sizeof restore, "PRAGMA user_version = %d", schema_version(*state));
    meddle(*state, "PRAGMA user_version = 999");
    refused(*state, STORE_SERVE, TG_ENEWER_SCHEMA, "newer tengen-server (schema 999");
    meddle(*state, restore);
    store_close(fixture_open(*state));
}

static void strangers_are_refused(void **state) {
    put_file(
        in(*state, "tengen.db"),
        "This is no database, but long enough to be looked at as one. It says nothing to SQLite at all.");
    refused(*state, STORE_SERVE, TG_ECORRUPT, "Restore a backup");
    unlink(in(*state, "tengen.db"));
    meddle(*state, "CREATE TABLE theirs (x)");
    refused(*state, STORE_SERVE, TG_ECORRUPT, "another program");
    unlink(in(*state, "tengen.db"));
    refused(*state, STORE_LOOK, TG_ENOT_FOUND, "does not exist");
}

static void folders_that_cannot_be(void **state) {
    put_file(in(*state, "file"), "x");
    char inside[512];
    snprintf(inside, sizeof inside, "%s/file/data", (char *)*state);
    refused(inside, STORE_SERVE, TG_EIO, "Choose another data folder");
    char deep[512];
    snprintf(deep, sizeof deep, "%s/a/b/c", (char *)*state);
    store_close(fixture_open(deep)); /* missing parents are made */
}

static void a_read_only_folder(void **state) {
    char folder[512];
    snprintf(folder, sizeof folder, "%s/ro", (char *)*state);
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("tmpfs", folder, "tmpfs", MS_RDONLY, "size=1m") != 0) {
        print_message("# skipped: mounting is not permitted here\n");
        skip();
    }
    refused(folder, STORE_SERVE, TG_EIO, "Make the data folder writable");
    assert_int_equal(umount(folder), 0);
}

/* ---- check ---- */

struct fill {
    int64_t job, worker;
};

static int work_fill(struct store_tx *tx, void *arg, struct problem *problem) {
    struct fill *fill = arg;
    struct job_new job = fixture_job(4, 2);
    must(job_insert(tx, &job, &fill->job, problem));
    for (int task = 1; task <= 2; task++) {
        struct task_holder holder = {.task = task, .worker = fill->worker, .attempt = 1};
        int64_t units_done;
        must(task_lease(tx, &holder, 5, &units_done, problem));
        for (int seq = 0; seq < 2; seq++) {
            struct buf bytes = BUF_INIT;
            struct chunk_ready ready;
            struct chunk_stored stored;
            fixture_chunk(&bytes, seq == 0 ? "one" : "two", 1);
            must(chunk_prepare(bytes.data, bytes.size, &ready, problem));
            must(chunk_insert(tx, &holder, seq, &ready, 6, &stored, problem));
            chunk_ready_free(&ready);
            buf_free(&bytes);
        }
        struct task_outcome outcome;
        if (task == 1)
            must(task_done(tx, &holder, 2, false, 5, 7, &outcome, problem));
    }
    int64_t upload, content;
    bool existed;
    uint8_t digest[SHA256_BYTES];
    sha256("weights", 7, digest);
    must(content_begin(tx, 8, &upload));
    must(content_piece(tx, upload, 0, "weights", 7));
    must(content_finish(tx, upload, digest, 7, &content, &existed, problem));
    struct checkpoint_new checkpoint = {.content = content,
                                        .job = 1,
                                        .task = 1,
                                        .attempt = 1,
                                        .chunk = 1,
                                        .step = 3,
                                        .name = "checkpoint",
                                        .metadata = "{}",
                                        .now_ms = 8};
    return checkpoint_insert(tx, &checkpoint, &content);
}

static struct store *filled(const char *folder) {
    struct store *store = fixture_open(folder);
    struct fill fill = {.worker = fixture_worker(store, "1")};
    must(store_write_now(store, work_fill, &fill, NULL));
    return store;
}

struct found {
    int faults;
    char text[4096]; /* one after the other */
};

static void note_fault(void *arg, const char *text) {
    struct found *found = arg;
    found->faults++;
    size_t used = strlen(found->text);
    snprintf(found->text + used, sizeof found->text - used, "%s; ", text);
}

static void every_damage_is_found(void **state) {
    static const char *const damages[][2] = {
        {"UPDATE jobs SET units_done = units_done + 1", "units_done"},
        {"UPDATE jobs SET tasks_done = 2", "tasks_done"},
        {"UPDATE jobs SET chunk_bytes = chunk_bytes - 1", "chunk_bytes"},
        {"UPDATE tasks SET units_done = 1 WHERE id = 2", "task 2"},
        {"UPDATE totals SET value = value + 1 WHERE name = 'moves'", "moves"},
        {"DELETE FROM totals WHERE name = 'seconds'", "seconds"},
        {"UPDATE totals SET value = value + 0.001 WHERE name = 'seconds'", "seconds"},
        {"UPDATE chunks SET data = zeroblob(length(data)) WHERE id = 3", "chunk 3"},
        {"UPDATE chunks SET data = substr(data, 1, length(data) - 1) WHERE id = 3", "chunk 3"},
        {"UPDATE pieces SET data = CAST('Weights' AS BLOB)", "SHA-256"},
        {"DELETE FROM pieces", "content 1"},
        {"DELETE FROM checkpoints", "content 1"},
        {"UPDATE checkpoints SET attempt = 2", "checkpoint 1"},
        {"UPDATE checkpoints SET chunk = 3", "checkpoint 1"},
        {"DELETE FROM games WHERE id = 1", "game_count"},
        {"DELETE FROM chunks WHERE id = 4", "its"},
        {"UPDATE tasks SET worker = NULL WHERE id = 2", "leased to nobody"},
        {"UPDATE jobs SET state = 4", "is open"},
        {"UPDATE tasks SET state = 3 WHERE id = 2; UPDATE jobs SET state = 3, next_index = 1", "next_index"},
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        char folder[512];
        snprintf(folder, sizeof folder, "%s/%zu", (char *)*state, i);
        struct store *store = filled(folder);
        fixture_check_clean(store);
        store_close(store);
        meddle(folder, damages[i][0]);
        must(store_open(&(struct store_options){.folder = folder, .mode = STORE_LOOK}, &store, NULL));
        struct found found = {0};
        int faults = 0;
        must(store_check(store, note_fault, &found, &faults, NULL));
        if (strstr(found.text, damages[i][1]) == NULL)
            print_message("# %s: %d faults: %s\n", damages[i][0], faults, found.text);
        assert_non_null(strstr(found.text, damages[i][1]));
        assert_true(faults > 0);
        assert_int_equal(faults, found.faults);
        store_close(store);
    }
}

static void a_damaged_page_is_found(void **state) {
    store_close(filled(*state));
    int fd = open(in(*state, "tengen.db"), O_RDWR);
    assert_true(fd >= 0);
    off_t size = lseek(fd, 0, SEEK_END);
    char garbage[512];
    memset(garbage, 0x5a, sizeof garbage);
    for (off_t at = 4096 * (size / 4096 * 3 / 4); at < size; at += 4096) /* leaves the schema readable */
        assert_int_equal(pwrite(fd, garbage, sizeof garbage, at), sizeof garbage);
    close(fd);
    struct store *store = NULL;
    must(store_open(&(struct store_options){.folder = *state, .mode = STORE_LOOK}, &store, NULL));
    struct found found = {0};
    struct problem problem = {0};
    int faults = 0, error = store_check(store, note_fault, &found, &faults, &problem);
    assert_true(faults > 0 || error == TG_ECORRUPT);
    if (error)
        assert_non_null(strstr(problem.detail, "damaged"));
    store_close(store);
}

/* ---- backup ---- */

static int work_id(struct store_tx *tx, void *arg, struct problem *problem) {
    return setting_get(tx, "coordinator", arg);
}

/* The database's id, 32 digits. */
static void read_id(struct store *store, struct buf *id) {
    buf_clear(id);
    must(store_read_now(store, work_id, id, NULL));
    assert_int_equal(id->size, 32);
}

static void a_backup_of_a_live_database_is_whole(void **state) {
    struct store *store = filled(*state);
    struct buf id = BUF_INIT, copied = BUF_INIT;
    char folder[512], copy[600];
    read_id(store, &id);
    snprintf(folder, sizeof folder, "%s/copy", (char *)*state);
    snprintf(copy, sizeof copy, "%s/tengen.db", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    must(store_backup(store, copy, NULL));
    must(store_backup(store, copy, NULL)); /* over an older one */
    snprintf(copy, sizeof copy, "%s/tengen.db.tmp", folder);
    assert_int_not_equal(access(copy, F_OK), 0);
    store_close(store);
    store = fixture_open(folder);
    fixture_check_clean(store);
    read_id(store, &copied);
    assert_memory_not_equal(copied.data, id.data, 32); /* workers must not take the copy for the original */
    store_close(store);
    struct problem problem = {0};
    store = fixture_open(*state);
    read_id(store, &copied);
    assert_memory_equal(copied.data, id.data, 32); /* which keeps its own */
    buf_free(&id);
    buf_free(&copied);
    assert_int_equal(store_backup(store, "/proc/nowhere/x.db", &problem), TG_EIO);
    assert_non_null(strstr(problem.detail, "/proc/nowhere/x.db.tmp"));
    store_close(store);
}

static int work_upload_half(struct store_tx *tx, void *arg, struct problem *problem) {
    int64_t upload;
    must(content_begin(tx, 8, &upload));
    return content_piece(tx, upload, 0, "half", 4);
}

static int work_count_pieces(struct store_tx *tx, void *arg, struct problem *problem) {
    uint8_t out[8];
    size_t got = 0;
    *(int *)arg = content_read(tx, 1, 0, out, sizeof out, &got);
    return 0;
}

static void unfinished_uploads_are_removed(void **state) {
    struct store *store = fixture_open(*state);
    must(store_write_now(store, work_upload_half, NULL, NULL));
    store_close(store);
    store = fixture_open(*state);
    int error = 0;
    must(store_read_now(store, work_count_pieces, &error, NULL));
    assert_int_equal(error, TG_ENOT_FOUND);
    store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_coordinator_a_folder, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_newer_database_is_left_alone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(strangers_are_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(folders_that_cannot_be, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_read_only_folder, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(every_damage_is_found, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_page_is_found, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_backup_of_a_live_database_is_whole, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(unfinished_uploads_are_removed, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
