/* Chunks that are appended in one transaction: their sums are written once, and come out as if each had been
 * written by itself, whatever else is in the group. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <unistd.h>
#include "server/store/sums.h"
#include "tests/unit/store_fixture.h"

enum { TASKS = SUMS_TASKS + 8, UNITS = 10, CHUNKS = 5 * TASKS };

struct append {
    struct task_holder holder;
    int64_t seq;
    struct chunk_ready ready;
    struct buf bytes;
    struct chunk_stored stored;
    int error;
    bool then_fails; /* which it must not */
};

static int work_append(struct store_tx *tx, void *arg, struct problem *problem) {
    struct append *append = arg;
    int error = chunk_insert(tx, &append->holder, append->seq, &append->ready, 5, &append->stored, problem);
    return !error && append->then_fails ? problem_set(problem, TG_EINVALID, "x", "on purpose") : error;
}

static void done_append(void *arg, int error, const struct problem *problem) {
    ((struct append *)arg)->error = error;
}

static void prepare(struct append *append, int64_t task, int64_t seq, const json_t *counters) {
    json_t *header = json_pack("{s:s, s:i, s:O}", "type", "game", "units", 1, "counters", counters);
    *append = (struct append){.holder = {task, 1, 1}, .seq = seq, .error = 99};
    must(chunk_encode(&append->bytes, header, "x", 1));
    must(chunk_prepare(append->bytes.data, append->bytes.size, &append->ready, NULL));
    json_decref(header);
}

static void release(struct append *append) {
    chunk_ready_free(&append->ready);
    buf_free(&append->bytes);
}

/* A few counters; some tasks count with reals what others count in whole numbers. */
static json_t *counters_of(int i) {
    json_t *counters = json_pack("{s:i, s:f}", "games", 1, "seconds", 0.5 * i);
    json_object_set_new(counters, "mixed", i % 3 ? json_integer(i) : json_real(0.25 * i));
    json_object_set_new(counters,
                        "a name that is far longer than the place that is meant for the names of totals",
                        json_integer(2));
    return counters;
}

static int work_set_up(struct store_tx *tx, void *arg, struct problem *problem) {
    struct job_new job = fixture_job((int64_t)TASKS * UNITS, UNITS);
    int64_t id, units_done;
    int error = job_insert(tx, &job, &id, problem);
    for (int64_t task = 1; task <= TASKS && !error; task++)
        error = task_lease(tx, &(struct task_holder){task, 1, 1}, 1, &units_done, problem);
    return error;
}

struct gate {
    atomic_bool open;
    int64_t seen; /* units of the job when the write ran */
};

static int take_units(void *arg, const struct job_row *row) {
    *(int64_t *)arg = row->units_done;
    return 0;
}

static int work_gate(struct store_tx *tx, void *arg, struct problem *problem) {
    struct gate *gate = arg;
    while (!atomic_load(&gate->open))
        usleep(1000);
    return job_get(tx, 1, take_units, &gate->seen);
}

static void deliver_all(struct store *store) {
    while (store_pending(store) > 0)
        if (store_deliver(store) == 0)
            usleep(1000);
}

static struct store *open_with_tasks(const char *folder) {
    struct store *store = fixture_open(folder);
    fixture_worker(store, "00");
    must(store_write_now(store, work_set_up, NULL, NULL));
    return store;
}

static void every_sum_is_right(void **state) {
    static struct append appends[CHUNKS];
    struct store *store = open_with_tasks(*state);
    struct gate first = {0}, middle = {.open = true}, last = {.open = true};
    struct store_counts before, after;
    store_counts(store, &before);
    must(store_write(store, work_gate, NULL, &first));
    for (int i = 0; i < CHUNKS; i++) {
        json_t *counters = counters_of(i);
        prepare(&appends[i], 1 + i % TASKS, i / TASKS, counters);
        json_decref(counters);
        must(store_append(store, work_append, done_append, &appends[i]));
        if (i == CHUNKS / 2 - 1)
            must(store_write(store, work_gate, NULL, &middle));
    }
    must(store_append(store, work_append, done_append, &appends[7])); /* again: changes nothing */
    must(store_write(store, work_gate, NULL, &last));
    atomic_store(&first.open, true);
    deliver_all(store);
    store_counts(store, &after);
    assert_int_equal(after.commits - before.commits, 1);
    assert_int_equal(middle.seen, CHUNKS / 2);
    assert_int_equal(last.seen, CHUNKS);
    for (int i = 0; i < CHUNKS; i++) {
        assert_int_equal(appends[i].error, 0);
        if (i == 7)
            continue;
        assert_int_equal(appends[i].stored.task_units_done, 1 + i / TASKS);
        assert_int_equal(appends[i].stored.job_units_done, 1 + i);
    }
    assert_true(appends[7].stored.existed);
    fixture_check_clean(store);
    store_close(store);
    for (int i = 0; i < CHUNKS; i++)
        release(&appends[i]);
}

/* Refused before anything was changed: the others of the group stay. */
static void a_refused_append_spoils_nothing(void **state) {
    struct store *store = open_with_tasks(*state);
    struct append good[2], stranger;
    struct gate first = {0}, last = {.open = true};
    json_t *counters = counters_of(1);
    prepare(&good[0], 1, 0, counters);
    prepare(&good[1], 1, 1, counters);
    prepare(&stranger, 2, 0, counters);
    stranger.holder.attempt = 2;
    must(store_write(store, work_gate, NULL, &first));
    must(store_append(store, work_append, done_append, &good[0]));
    must(store_append(store, work_append, done_append, &stranger));
    must(store_append(store, work_append, done_append, &good[1]));
    must(store_write(store, work_gate, NULL, &last));
    atomic_store(&first.open, true);
    deliver_all(store);
    assert_int_equal(good[0].error, 0);
    assert_int_equal(stranger.error, TG_ELEASE_LOST);
    assert_int_equal(good[1].error, 0);
    assert_int_equal(last.seen, 2);
    fixture_check_clean(store);
    store_close(store);
    json_decref(counters);
    release(&good[0]);
    release(&good[1]);
    release(&stranger);
}

/* One that changes something and then fails takes its whole group with it, sums and all. */
static void a_group_with_a_half_done_append_leaves_nothing(void **state) {
    struct store *store = open_with_tasks(*state);
    struct append good, bad;
    struct gate first = {0}, after = {.open = true};
    json_t *counters = counters_of(1);
    prepare(&good, 1, 0, counters);
    prepare(&bad, 1, 1, counters);
    bad.then_fails = true;
    must(store_write(store, work_gate, NULL, &first));
    must(store_append(store, work_append, done_append, &good));
    must(store_append(store, work_append, done_append, &bad));
    atomic_store(&first.open, true);
    deliver_all(store);
    assert_int_equal(good.error, TG_EINVALID);
    assert_int_equal(bad.error, TG_EINVALID);
    must(store_write_now(store, work_gate, &after, NULL));
    assert_int_equal(after.seen, 0);
    must(store_append(store, work_append, done_append, &good)); /* sent again */
    deliver_all(store);
    assert_int_equal(good.error, 0);
    assert_int_equal(good.stored.job_units_done, 1);
    fixture_check_clean(store);
    store_close(store);
    json_decref(counters);
    release(&good);
    release(&bad);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_sum_is_right, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_refused_append_spoils_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_group_with_a_half_done_append_leaves_nothing, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
