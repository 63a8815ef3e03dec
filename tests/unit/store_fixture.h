/* A store in a fresh temporary folder, for the tests of the store. Include after cmocka.h. */
#ifndef TENGEN_TESTS_STORE_FIXTURE_H
#define TENGEN_TESTS_STORE_FIXTURE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/wire/chunk.h"
#include "server/store/store_tx.h"

static inline void must(int error) {
    if (error)
        print_message("# error %s\n", tg_error_code(error));
    assert_int_equal(error, 0);
}

static inline int fixture_remove(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    return remove(path);
}

static inline int fixture_setup(void **state) {
    const char *base = getenv("TMPDIR");
    char *folder = NULL;
    if (asprintf(&folder, "%s/tengen-store-XXXXXX", base != NULL ? base : "/tmp") < 0)
        return -1;
    *state = mkdtemp(folder);
    return *state == NULL ? -1 : 0;
}

static inline int fixture_teardown(void **state) {
    nftw(*state, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

static inline struct store *fixture_open(const char *folder) {
    struct store *store = NULL;
    struct problem problem = {0};
    int error = store_open(&(struct store_options){.folder = folder}, &store, &problem);
    if (error)
        print_message("# %s\n", problem.detail);
    assert_int_equal(error, 0);
    return store;
}

static inline struct job_new fixture_job(int64_t units, int64_t task_units) {
    return (struct job_new){.kind = "selfplay",
                            .name = "test",
                            .document = "{}",
                            .config = "{}",
                            .inputs = "{}",
                            .units_total = units,
                            .task_units = task_units,
                            .now_ms = 1};
}

static inline int fixture_work_worker(struct store_tx *tx, void *arg, struct problem *problem) {
    struct worker_new *worker = arg;
    int64_t id = 0;
    bool created;
    int error = worker_register(tx, worker, &id, &created);
    worker->now_ms = id;
    return error;
}

static inline int64_t fixture_worker(struct store *store, const char *instance) {
    struct worker_new worker = {
        .instance = instance, .name = "w", .machine = "{}", .capabilities = "[]", .runners = 1, .now_ms = 1};
    must(store_write_now(store, fixture_work_worker, &worker, NULL));
    return worker.now_ms;
}

/* A game chunk of one unit with the text as its body. */
static inline void fixture_chunk(struct buf *out, const char *body, int units) {
    json_t *header = json_pack("{s:s, s:i, s:{s:i, s:i, s:f}, s:{s:i, s:f, s:s, s:s, s:s, s:s, s:i, s:s}}",
                               "type", "game", "units", units, "counters", "games", 1, "moves", 57, "seconds",
                               0.25, "game", "board", 9, "komi", 7.0, "rules", "chinese", "black", "uct 10",
                               "white", "uct 20", "result", "B+3", "moves", 57, "sgf", "(;FF[4])");
    assert_non_null(header);
    must(chunk_encode(out, header, body, strlen(body)));
    json_decref(header);
}

static inline void fixture_print_fault(void *arg, const char *text) {
    print_message("# fault: %s\n", text);
}

static inline void fixture_check_clean(struct store *store) {
    int faults = -1;
    must(store_check(store, fixture_print_fault, NULL, &faults, NULL));
    assert_int_equal(faults, 0);
}

#endif
