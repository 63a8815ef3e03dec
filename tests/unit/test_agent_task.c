/* The state machine of an attempt, and the back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "proto/base/rng.h"
#include "workers/agent/backoff.h"
#include "workers/agent/task.h"

/* Expects the step, begins it. */
static void expect(struct task *task, enum task_step step) {
    assert_int_equal(task_next(task), step);
    if (step != STEP_NONE)
        task_begin(task, step);
}

static void bring_to_running(struct task *task, int64_t units) {
    task_init_leased(task, units, 0);
    expect(task, STEP_STORE_LEASE);
    assert_int_equal(task_next(task), STEP_NONE); /* no runner before the lease is on disk */
    task_on_lease_stored(task);
    expect(task, STEP_FETCH);
    task_on_inputs(task, NULL);
    expect(task, STEP_START);
    task_on_runner_started(task, NULL);
    expect(task, STEP_NONE);
}

static void bring_to_end(struct task *task) {
    expect(task, STEP_STORE_END);
    task_on_end_stored(task);
    expect(task, STEP_TELL);
    task_on_told(task);
    expect(task, STEP_FORGET);
    task_on_forgotten(task);
    assert_true(task_is_over(task));
}

static void test_from_lease_to_done(void **state) {
    struct task task;
    bring_to_running(&task, 2);
    assert_true(task_needs_runner(&task));
    for (int i = 0; i < 2; i++) {
        task_on_chunk(&task, 1);
        expect(&task, STEP_UPLOAD);
        expect(&task, STEP_NONE); /* one at a time */
        task_on_sent(&task);
    }
    task_on_report(&task, 2, NULL);
    task_on_runner_gone(&task, NULL);
    assert_false(task_needs_runner(&task));
    assert_int_equal(task.end.chunks, 2);
    assert_int_equal(task.end.units, 2);
    bring_to_end(&task);
}

static void test_the_end_waits_for_the_chunks(void **state) {
    struct task task;
    bring_to_running(&task, 1);
    task_on_chunk(&task, 1);
    expect(&task, STEP_UPLOAD);
    task_on_report(&task, 1, NULL);
    task_on_runner_gone(&task, NULL);
    expect(&task, STEP_STORE_END);
    task_on_end_stored(&task);
    assert_int_equal(task.state, TASK_FLUSHING);
    expect(&task, STEP_NONE);
    task_on_sent(&task);
    expect(&task, STEP_TELL);
}

static void test_a_crash_delivers_what_is_finished(void **state) {
    struct task task;
    struct problem crash = {0};
    problem_set(&crash, TG_ERUNNER, NULL, "crashed");
    bring_to_running(&task, 3);
    task_on_chunk(&task, 1);
    task_on_runner_gone(&task, &crash);
    expect(&task, STEP_UPLOAD);
    task_on_sent(&task);
    assert_int_equal(task.end.problem.error, TG_ERUNNER);
    bring_to_end(&task);
}

static void test_only_the_first_end_counts(void **state) {
    struct task task;
    struct problem crash = {0};
    problem_set(&crash, TG_ERUNNER, NULL, "crashed after its last word");
    bring_to_running(&task, 1);
    task_on_report(&task, 0, NULL);
    task_on_runner_gone(&task, &crash);
    assert_int_equal(task.end.problem.error, 0);
}

static void test_a_lost_lease_kills_and_forgets(void **state) {
    struct task task;
    bring_to_running(&task, 3);
    task_on_chunk(&task, 1);
    expect(&task, STEP_UPLOAD);
    task_on_lost(&task);
    expect(&task, STEP_KILL);
    expect(&task, STEP_NONE); /* not forgotten while the runner lives */
    task_on_runner_gone(&task, NULL);
    expect(&task, STEP_FORGET);
    task_on_forgotten(&task);
    assert_true(task_is_over(&task));
}

static void test_a_refused_chunk_fails_the_attempt(void **state) {
    struct task task;
    struct problem refused = {0};
    problem_set(&refused, TG_ECHUNK_CONFLICT, NULL, "refused");
    bring_to_running(&task, 3);
    task_on_chunk(&task, 1);
    task_on_chunk(&task, 1);
    expect(&task, STEP_UPLOAD);
    task_on_refused(&task, &refused);
    expect(&task, STEP_KILL);
    expect(&task, STEP_STORE_END);
    task_on_runner_gone(&task, NULL);
    task_on_end_stored(&task);
    expect(&task, STEP_TELL); /* the chunks behind it are not sent */
    assert_int_equal(task.end.problem.error, TG_ECHUNK_CONFLICT);
}

static struct task found(uint32_t first, uint32_t next, int64_t units_after, bool ends_unit, bool broken,
                         const struct task_end *end) {
    struct task task;
    struct task_past past = {first, next, units_after, ends_unit, broken, end};
    task_init_found(&task, 8, 2, &past);
    assert_int_equal(task_next(&task), STEP_NONE); /* nothing before the lease is asked back */
    return task;
}

static void test_resuming_goes_on_where_the_spool_ends(void **state) {
    struct task task = found(3, 5, 4, true, false, NULL);
    task_on_held(&task, true);
    expect(&task, STEP_UPLOAD); /* what is not confirmed goes at once */
    expect(&task, STEP_FETCH);
    task_on_inputs(&task, NULL);
    expect(&task, STEP_START);
    task_on_runner_started(&task, NULL);
    assert_int_equal(task.stored, 5);
    assert_int_equal(task.units_before + task.units_stored, 6);
    task_on_chunk(&task, 1);
    task_on_chunk(&task, 1);
    task_on_report(&task, 2, NULL);
    assert_int_equal(task.end.units, 6);
    assert_int_equal(task.end.chunks, 7);
}

static void test_resuming_what_had_ended_delivers_it(void **state) {
    struct task_end end = {.known = true, .units = 2, .chunks = 2};
    struct task task = found(1, 2, 2, true, false, &end);
    assert_false(task_needs_runner(&task));
    task_on_held(&task, true);
    expect(&task, STEP_UPLOAD);
    task_on_sent(&task);
    expect(&task, STEP_TELL);
    task = found(0, 0, 0, true, false, &end); /* killed while its files were removed */
    task_on_held(&task, false);
    expect(&task, STEP_TELL);
    assert_int_equal(task.end.chunks, 2);
}

static void test_resuming_when_all_units_are_finished_needs_no_runner(void **state) {
    struct task task = found(0, 6, 6, true, false, NULL);
    task_on_held(&task, true);
    assert_int_equal(task.end.problem.error, 0);
    assert_false(task_needs_runner(&task));
    expect(&task, STEP_UPLOAD);
    expect(&task, STEP_STORE_END);
}

static void test_resuming_within_a_unit_fails_fast(void **state) {
    struct task task = found(0, 2, 1, false, false, NULL);
    assert_int_equal(task.end.problem.error, TG_ERUNNER);
    task_on_held(&task, true);
    expect(&task, STEP_UPLOAD);
    task = found(0, 2, 1, true, true, NULL);
    assert_int_equal(task.end.problem.error, TG_ECORRUPT);
}

static void test_a_lease_not_given_back_offers_its_chunks(void **state) {
    struct task task = found(0, 1, 1, true, false, NULL);
    task_on_held(&task, false);
    expect(&task, STEP_UPLOAD);
    task_on_lost(&task);
    expect(&task, STEP_FORGET);
    task = found(0, 0, 0, true, false, NULL);
    task_on_held(&task, false);
    expect(&task, STEP_FORGET); /* nothing to offer */
}

static void test_leaving_keeps_everything(void **state) {
    struct task task;
    bring_to_running(&task, 3);
    task_on_chunk(&task, 1);
    expect(&task, STEP_UPLOAD);
    task_on_leave(&task);
    expect(&task, STEP_KILL);
    assert_false(task_is_over(&task));
    task_on_runner_gone(&task, NULL);
    expect(&task, STEP_NONE);
    assert_true(task_is_over(&task));
}

/* Random events in any legal order: the invariants of task.h hold in every state. */
static void test_invariants_under_random_events(void **state) {
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct rng rng;
        struct task task;
        struct problem problem = {0};
        rng_seed(&rng, seed);
        problem_set(&problem, TG_ERUNNER, NULL, "x");
        task_init_leased(&task, 4, 0);
        for (int i = 0; i < 60 && !task_is_over(&task); i++) {
            enum task_step step = task_next(&task);
            if (step != STEP_NONE) {
                assert_false(step == STEP_TELL && task.sent != task.stored);
                assert_false(step == STEP_FORGET && task.runner_alive);
                task_begin(&task, step);
                continue;
            }
            switch (rng_below(&rng, 9)) {
            case 0:
                if (task.busy[STEP_STORE_LEASE])
                    task_on_lease_stored(&task);
                break;
            case 1:
                if (task.busy[STEP_FETCH])
                    task_on_inputs(&task, rng_below(&rng, 5) ? NULL : &problem);
                break;
            case 2:
                if (task.busy[STEP_START] && !task.runner_alive)
                    task_on_runner_started(&task, rng_below(&rng, 5) ? NULL : &problem);
                break;
            case 3:
                if (task.state == TASK_RUNNING && task.runner_alive && !task.runner_reported)
                    task_on_chunk(&task, 1);
                break;
            case 4:
                if (task.busy[STEP_UPLOAD])
                    rng_below(&rng, 8) ? task_on_sent(&task) : task_on_refused(&task, &problem);
                break;
            case 5:
                if (task.runner_alive)
                    task_on_runner_gone(&task, rng_below(&rng, 2) ? NULL : &problem);
                break;
            case 6:
                if (task.busy[STEP_STORE_END])
                    task_on_end_stored(&task);
                break;
            case 7:
                if (task.busy[STEP_TELL])
                    task_on_told(&task);
                if (task.busy[STEP_FORGET])
                    task_on_forgotten(&task);
                break;
            default:
                if (rng_below(&rng, 20) == 0)
                    task_on_lost(&task);
            }
            assert_true(task.sent <= task.stored);
        }
    }
}

/* ---- back-off ---- */

static void test_backoff_grows_to_its_cap(void **state) {
    struct backoff backoff = {0};
    struct rng rng;
    rng_seed(&rng, 1);
    int64_t base = BACKOFF_FIRST_MS;
    for (int i = 0; i < 50; i++) {
        int64_t delay = backoff_next_ms(&backoff, BACKOFF_CAP_MS, 0, rng_next(&rng));
        assert_in_range(delay, base / 2, base);
        base = base * 2 > BACKOFF_CAP_MS ? BACKOFF_CAP_MS : base * 2;
    }
    backoff_reset(&backoff);
    assert_in_range(backoff_next_ms(&backoff, BACKOFF_CAP_MS, 0, UINT64_MAX), BACKOFF_FIRST_MS / 2,
                    BACKOFF_FIRST_MS);
}

static void test_backoff_jitters(void **state) {
    struct backoff low = {5}, high = {5};
    assert_int_equal(backoff_next_ms(&low, BACKOFF_CAP_MS, 0, 0), 8000);
    assert_in_range(backoff_next_ms(&high, BACKOFF_CAP_MS, 0, UINT64_MAX), 15900, 16000);
}

static void test_backoff_obeys(void **state) {
    struct backoff backoff = {0};
    assert_in_range(backoff_next_ms(&backoff, 1000, 300, UINT64_MAX), 300000, 330000); /* beyond the cap */
    assert_int_equal(backoff_next_ms(&backoff, 1000, 7, 0), 7000);
    assert_in_range(backoff_next_ms(&backoff, 1000, INT64_MAX, 0), 1, BACKOFF_OBEY_MAX_S * 1100LL);
}

static void test_verdicts(void **state) {
    static const int final[] = {200, 201, 400, 404, 409, 413, 416, 422, 501},
                     retry[] = {0, 408, 425, 429, 500, 502, 503, 504, 507};
    for (size_t i = 0; i < sizeof final / sizeof *final; i++)
        assert_int_equal(verdict_of(final[i]), VERDICT_FINAL);
    for (size_t i = 0; i < sizeof retry / sizeof *retry; i++)
        assert_int_equal(verdict_of(retry[i]), VERDICT_RETRY);
    assert_int_equal(verdict_of(401), VERDICT_DENIED);
    assert_int_equal(verdict_of(403), VERDICT_DENIED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_lease_to_done),
        cmocka_unit_test(test_the_end_waits_for_the_chunks),
        cmocka_unit_test(test_a_crash_delivers_what_is_finished),
        cmocka_unit_test(test_only_the_first_end_counts),
        cmocka_unit_test(test_a_lost_lease_kills_and_forgets),
        cmocka_unit_test(test_a_refused_chunk_fails_the_attempt),
        cmocka_unit_test(test_resuming_goes_on_where_the_spool_ends),
        cmocka_unit_test(test_resuming_what_had_ended_delivers_it),
        cmocka_unit_test(test_resuming_when_all_units_are_finished_needs_no_runner),
        cmocka_unit_test(test_resuming_within_a_unit_fails_fast),
        cmocka_unit_test(test_a_lease_not_given_back_offers_its_chunks),
        cmocka_unit_test(test_leaving_keeps_everything),
        cmocka_unit_test(test_invariants_under_random_events),
        cmocka_unit_test(test_backoff_grows_to_its_cap),
        cmocka_unit_test(test_backoff_jitters),
        cmocka_unit_test(test_backoff_obeys),
        cmocka_unit_test(test_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
