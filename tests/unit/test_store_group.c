/* The store's threads: group commit, order, errors inside a group, a full disk, closing, and SIGKILL in the
 * middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "server/store/store_tx.h"
#include "tests/unit/store_fixture.h"

struct write_one {
    int number, error;
    struct store *store;
    struct problem problem;
    int *order, *order_count;
    atomic_int *gate; /* the write waits until it is set */
    bool fails;
    const void *data;
    size_t size;
};

static int work_setting(struct store_tx *tx, void *arg, struct problem *problem) {
    struct write_one *write = arg;
    char name[32], value[32];
    while (write->gate != NULL && !atomic_load(write->gate))
        usleep(1000);
    snprintf(name, sizeof name, "w%d", write->number);
    snprintf(value, sizeof value, "%d", write->number);
    int error = setting_set(tx, name, value);
    return error ? error : write->fails ? problem_set(problem, TG_EINVALID, "x", "on purpose") : 0;
}

static int work_blob(struct store_tx *tx, void *arg, struct problem *problem) {
    struct write_one *write = arg;
    int64_t upload = 0;
    int error = content_begin(tx, 1, &upload);
    return error ? error : content_piece(tx, upload, 0, write->data, write->size);
}

static void done_setting(void *arg, int error, const struct problem *problem) {
    struct write_one *write = arg;
    write->error = error;
    write->problem = *problem;
    if (write->order != NULL)
        write->order[(*write->order_count)++] = write->number;
}

static void deliver_all(struct store *store) {
    while (store_pending(store) > 0) {
        if (store_deliver(store) == 0)
            usleep(1000);
    }
}

struct find_setting {
    char name[32];
    bool found;
};

static int work_find(struct store_tx *tx, void *arg, struct problem *problem) {
    struct find_setting *find = arg;
    struct buf value = BUF_INIT;
    int error = setting_get(tx, find->name, &value);
    buf_free(&value);
    find->found = error == 0;
    return error == TG_ENOT_FOUND ? 0 : error;
}

static bool stored(struct store *store, int number) {
    struct find_setting find = {0};
    snprintf(find.name, sizeof find.name, "w%d", number);
    must(store_read_now(store, work_find, &find, NULL));
    return find.found;
}

/* ---- group commit ---- */

enum { WRITES = 100 };

static int64_t size_of(const char *folder, const char *name) {
    char path[512];
    struct stat of;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &of) == 0 ? (int64_t)of.st_size : -1;
}

/* 96 MiB go through a log that is folded into the database at 16 MiB, and at 32 whatever else is going on. */
static void the_log_does_not_grow_for_ever(void **state) {
    enum { PIECES = 384 };
    struct store *store = fixture_open(*state);
    char *piece = calloc(1, CONTENT_PIECE_BYTES);
    for (int i = 0; i < PIECES; i++) {
        struct write_one write = {.data = piece, .size = CONTENT_PIECE_BYTES};
        must(store_write_now(store, work_blob, &write, NULL));
    }
    assert_in_range(size_of(*state, "tengen.db-wal"), 1, 40 << 20);
    assert_true(size_of(*state, "tengen.db") >= ((int64_t)PIECES * CONTENT_PIECE_BYTES) - (40 << 20));
    fixture_check_clean(store);
    store_close(store);
    assert_int_equal(size_of(*state, "tengen.db-wal"), -1);
    assert_true(size_of(*state, "tengen.db") >= (int64_t)PIECES * CONTENT_PIECE_BYTES);
    free(piece);
}

static int work_many_blobs(struct store_tx *tx, void *arg, struct problem *problem) {
    struct write_one *write = arg;
    int error = 0;
    for (int i = 0; i < write->number && !error; i++)
        error = work_blob(tx, arg, problem);
    return !error && write->fails ? problem_set(problem, TG_EINVALID, "x", "on purpose") : error;
}

/* SQLite then writes pages to the log before the commit, reads them again, and after a rollback writes others
 * over them. */
static void a_transaction_may_be_larger_than_the_cache(void **state) {
    enum { PIECES = 64 }; /* 16 MiB; the cache has 8 */
    struct store *store = fixture_open(*state);
    char *piece = malloc(CONTENT_PIECE_BYTES);
    for (int round = 0; round < 4; round++) {
        memset(piece, 'a' + round, CONTENT_PIECE_BYTES);
        struct write_one write = {
            .number = PIECES, .fails = round % 2 == 0, .data = piece, .size = CONTENT_PIECE_BYTES};
        assert_int_equal(store_write_now(store, work_many_blobs, &write, NULL),
                         write.fails ? TG_EINVALID : 0);
        write = (struct write_one){.number = round};
        must(store_write_now(store, work_setting, &write, NULL));
        fixture_check_clean(store);
    }
    for (int round = 0; round < 4; round++)
        assert_true(stored(store, round));
    store_close(store);
    free(piece);
}

static void queued_writes_share_a_commit(void **state) {
    struct store *store = fixture_open(*state);
    static struct write_one writes[WRITES];
    int order[WRITES], order_count = 0;
    atomic_int gate = 0;
    struct store_counts before, after;
    store_counts(store, &before);
    for (int i = 0; i < WRITES; i++) {
        writes[i] = (struct write_one){.number = i,
                                       .error = 99,
                                       .order = order,
                                       .order_count = &order_count,
                                       .gate = i == 0 ? &gate : NULL,
                                       .fails = i % 10 == 3};
        must(store_write(store, work_setting, done_setting, &writes[i]));
    }
    assert_int_equal(store_deliver(store), 0); /* nothing is answered before its commit */
    atomic_store(&gate, 1);
    deliver_all(store);
    store_counts(store, &after);
    assert_int_equal(after.commits - before.commits, 1);
    assert_int_equal(after.writes - before.writes, WRITES);
    assert_int_equal(after.failed - before.failed, WRITES / 10);
    assert_int_equal(order_count, WRITES);
    for (int i = 0; i < WRITES; i++) {
        assert_int_equal(order[i], i);
        assert_int_equal(writes[i].error, i % 10 == 3 ? TG_EINVALID : 0);
        assert_int_equal(stored(store, i), i % 10 != 3); /* a failed one leaves no trace and spoils nothing */
    }
    assert_string_equal(writes[3].problem.detail, "on purpose");
    store_close(store);
}

static void a_group_has_a_limit(void **state) {
    struct store *store = NULL;
    must(store_open(&(struct store_options){.folder = *state, .group_max = 10}, &store, NULL));
    static struct write_one writes[WRITES];
    atomic_int gate = 0;
    for (int i = 0; i < WRITES; i++) {
        writes[i] = (struct write_one){.number = i, .gate = i == 0 ? &gate : NULL};
        must(store_write(store, work_setting, done_setting, &writes[i]));
    }
    atomic_store(&gate, 1);
    deliver_all(store);
    struct store_counts counts;
    store_counts(store, &counts);
    assert_int_equal(counts.commits, WRITES / 10);
    store_close(store);
}

static void a_full_queue_says_busy(void **state) {
    struct store *store = NULL;
    must(store_open(&(struct store_options){.folder = *state, .queue_max = 4}, &store, NULL));
    static struct write_one writes[8];
    atomic_int gate = 0;
    int accepted = 0, error = 0;
    for (; accepted < 8; accepted++) {
        writes[accepted] = (struct write_one){.number = accepted, .error = 99, .gate = &gate};
        error = store_write(store, work_setting, done_setting, &writes[accepted]);
        if (error)
            break;
    }
    assert_int_equal(error, TG_EBUSY);
    assert_in_range(accepted, 4, 5); /* the writer may have taken the first */
    atomic_store(&gate, 1);
    deliver_all(store);
    for (int i = 0; i < accepted; i++)
        assert_int_equal(writes[i].error, 0);
    assert_int_equal(writes[accepted].error, 99);
    store_close(store);
}

static void closing_completes_what_was_accepted(void **state) {
    struct store *store = fixture_open(*state);
    static struct write_one writes[WRITES];
    for (int i = 0; i < WRITES; i++) {
        writes[i] = (struct write_one){.number = i, .error = 99};
        must(store_write(store, work_setting, done_setting, &writes[i]));
    }
    store_close(store);
    for (int i = 0; i < WRITES; i++)
        assert_int_equal(writes[i].error, 0);
    store = fixture_open(*state);
    assert_true(stored(store, WRITES - 1));
    store_close(store);
}

struct flood {
    struct store *store;
    pthread_mutex_t mutex;
    pthread_cond_t signal;
    bool notified;
};

static void notify(void *arg) {
    struct flood *flood = arg;
    pthread_mutex_lock(&flood->mutex);
    flood->notified = true;
    pthread_cond_signal(&flood->signal);
    pthread_mutex_unlock(&flood->mutex);
}

static void *flood_main(void *arg) {
    struct flood *flood = arg;
    for (int i = 0; i < 50; i++) {
        struct write_one write = {.number = i};
        must(store_write_now(flood->store, work_setting, &write, NULL));
        assert_true(stored(flood->store, i)); /* a read after the write sees it */
    }
    return NULL;
}

/* Threads that write and read, and completions that queue further writes, driven by notify alone. */
static struct flood flood;

static void done_chain(void *arg, int error, const struct problem *problem) {
    struct write_one *write = arg;
    write->error = error;
    if (++write->number < 200)
        must(store_write(write->store, work_setting, done_chain, write));
}

static void many_threads(void **state) {
    flood = (struct flood){.mutex = PTHREAD_MUTEX_INITIALIZER, .signal = PTHREAD_COND_INITIALIZER};
    must(store_open(&(struct store_options){.folder = *state, .notify = notify, .notify_arg = &flood},
                    &flood.store, NULL));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flood_main, &flood), 0);
    struct write_one chain = {.number = 100, .store = flood.store};
    must(store_write(flood.store, work_setting, done_chain, &chain));
    while (store_pending(flood.store) > 0) {
        pthread_mutex_lock(&flood.mutex);
        while (!flood.notified)
            pthread_cond_wait(&flood.signal, &flood.mutex);
        flood.notified = false;
        pthread_mutex_unlock(&flood.mutex);
        store_deliver(flood.store);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(chain.number, 200);
    assert_true(stored(flood.store, 199));
    store_close(flood.store);
}

/* ---- crash ---- */

/* The child stores numbers and writes each to the pipe once its completion has run. */
static _Noreturn void child_writes(const char *folder, int pipe_fd) {
    static struct write_one writes[100000];
    struct store *store = NULL;
    if (store_open(&(struct store_options){.folder = folder}, &store, NULL) != 0)
        _exit(1);
    for (int sent = 0, seen = 0; sent < 100000; sent++) {
        writes[sent] = (struct write_one){.number = sent, .error = 99};
        while (store_write(store, work_setting, done_setting, &writes[sent]) == TG_EBUSY)
            store_deliver(store);
        if (sent % 7 == 0)
            store_deliver(store);
        while (seen < sent && writes[seen].error == 0) {
            if (write(pipe_fd, &seen, sizeof seen) != sizeof seen)
                _exit(2);
            seen++;
        }
    }
    _exit(0);
}

static int kill_in_the_middle(const char *folder, unsigned pause_us) {
    int ends[2], number, acknowledged = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        child_writes(folder, ends[1]);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &number, sizeof number), sizeof number); /* it is at work */
    acknowledged = 1;
    usleep(pause_us);
    kill(child, SIGKILL);
    while (read(ends[0], &number, sizeof number) == sizeof number)
        acknowledged = number + 1;
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return acknowledged;
}

static void what_was_acknowledged_survives_sigkill(void **state) {
    for (unsigned round = 0; round < 5; round++) {
        int acknowledged = kill_in_the_middle(*state, 3000 + 7000 * round);
        struct store *store = fixture_open(*state);
        for (int i = 0; i < acknowledged; i++)
            assert_true(stored(store, i));
        print_message("# %d acknowledged, all there\n", acknowledged);
        fixture_check_clean(store);
        store_close(store);
    }
}

/* ---- a full disk ---- */

static void a_full_disk_is_survived(void **state) {
    char folder[256];
    snprintf(folder, sizeof folder, "%s/small", (char *)*state);
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("tmpfs", folder, "tmpfs", 0, "size=2m") != 0) {
        print_message("# skipped: mounting a small tmpfs is not permitted here\n");
        skip();
    }
    struct store *store = fixture_open(folder);
    static uint8_t data[CONTENT_PIECE_BYTES];
    memset(data, 7, sizeof data);
    struct write_one blob = {.data = data, .size = sizeof data}, small = {.number = 1};
    struct problem problem = {0};
    must(store_write_now(store, work_setting, &small, NULL));
    int error = 0, count = 0;
    while (error == 0 && count++ < 100)
        error = store_write_now(store, work_blob, &blob, &problem);
    assert_int_equal(error, TG_ESTORAGE_FULL);
    assert_non_null(strstr(problem.detail, "disk is full"));
    assert_true(stored(store, 1));
    struct store_space space;
    must(store_space(store, &space));
    assert_true(space.full); /* the floor of 256 MiB is above the whole of it */
    assert_int_equal(mount("tmpfs", folder, "tmpfs", MS_REMOUNT, "size=32m"), 0);
    small.number = 2;
    must(store_write_now(store, work_setting, &small, NULL));
    must(store_write_now(store, work_blob, &blob, NULL));
    assert_true(stored(store, 2));
    fixture_check_clean(store);
    store_close(store);
    assert_int_equal(umount(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_log_does_not_grow_for_ever, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_transaction_may_be_larger_than_the_cache, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(queued_writes_share_a_commit, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_group_has_a_limit, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_says_busy, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(closing_completes_what_was_accepted, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(many_threads, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_sigkill, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_survived, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
