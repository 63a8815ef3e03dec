/* A failure that is the worker's: who gets what after it, and for how long. */
#include "tests/unit/sched_fixture.h"

static struct sched_job lessons(int64_t id, int64_t tasks) {
    struct sched_job spec = job_spec(id, tasks);
    spec.needs = teacher;
    spec.need_count = 2;
    return spec;
}

static void fail_as_unable(struct sched *sched, int64_t task, int attempt, const char *need, int64_t now) {
    sched_task_unable(sched, task, attempt, need, "worker pc: gnugo does not start", now);
}

static struct sched_unable unable_of(struct sched *sched, int64_t worker, size_t index) {
    struct sched_unable unable = {0};
    assert_true(sched_worker_unable(sched, worker, index, &unable));
    return unable;
}

#define RETRIED_TEXT                                                                                         \
    ". It is tried again now and then; when this is mended, start that worker again or say: tengen worker "  \
    "enable "

static void an_unable_worker_gets_nothing_of_the_kind(void **state) {
    struct sched *sched = sched_with(2, all, 3);
    add(sched, lessons(1, 4));
    add(sched, job_spec(2, 4));
    assert_int_equal(lease(sched, 1, 0), 1000);
    fail_as_unable(sched, 1000, 1, "engine:gnugo", 5);
    /* The task is free at once, but not for worker 1, who gets what does not need the engine. */
    assert_int_equal(lease(sched, 1, 5), 2000);
    assert_int_equal(lease(sched, 1, 5), 2001);
    assert_int_equal(lease(sched, 2, 5), 1000);
    assert_int_equal(lease(sched, 2, 5), 1001);
    struct sched_unable unable = unable_of(sched, 1, 0);
    assert_string_equal(unable.need, "engine:gnugo");
    assert_string_equal(unable.reason, "worker pc: gnugo does not start");
    assert_int_equal(unable.until, 5 + SCHED_UNABLE_MS);
    assert_false(unable.tried_anew);
    struct sched_unable none;
    assert_false(sched_worker_unable(sched, 2, 0, &none));
    assert_false(sched_worker_unable(sched, 1, 1, &none));
    assert_false(sched_worker_unable(sched, 3, 0, &none));
    sched_destroy(sched);
}

static void a_task_that_nobody_can_do_says_why(void **state) {
    struct sched *sched = sched_with(2, teacher, 2);
    add(sched, lessons(1, 1));
    assert_int_equal(lease(sched, 2, 0), 1000);
    fail_as_unable(sched, 1000, 1, "engine:gnugo", 0);
    expect_reason(sched, 1, "waits for a free runner");
    assert_int_equal(sched_worker_online(sched, 1, false), 0);
    expect_reason(sched, 1, "worker pc: gnugo does not start" RETRIED_TEXT "2");
    assert_string_equal(sched_decide(sched, 2, false).reason,
                        "what the jobs with free tasks need has failed on this worker; it is tried again "
                        "later");
    assert_int_equal(sched_worker_online(sched, 1, true), 0);
    assert_int_equal(lease(sched, 1, 0), 1000);
    fail_as_unable(sched, 1000, 2, "engine:gnugo", 0);
    expect_reason(sched, 1, "worker pc: gnugo does not start (and 1 more)" RETRIED_TEXT "1");
    assert_int_equal(lease(sched, 1, SCHED_UNABLE_MS - 1), 0);
    sched_destroy(sched);
}

static void it_is_tried_again_less_and_less_often(void **state) {
    struct sched *sched = sched_with(1, teacher, 2);
    int64_t now = 100, wait = SCHED_UNABLE_MS;
    add(sched, lessons(1, 2));
    for (int failures = 1; failures <= SCHED_UNABLE_DOUBLINGS + 3; failures++) {
        assert_int_equal(lease(sched, 1, now), 1000);
        assert_int_equal(lease(sched, 1, now), 1001);
        fail_as_unable(sched, 1000, failures, "engine:gnugo", now);
        fail_as_unable(sched, 1001, failures, "engine:gnugo", now + 3); /* of the same time: counts once */
        assert_int_equal(unable_of(sched, 1, 0).failures, failures);
        assert_int_equal(sched_next_due(sched), now + wait);
        sched_advance(sched, now + wait - 1);
        assert_int_equal(lease(sched, 1, now + wait - 1), 0);
        expect_no_event(sched);
        uint64_t before = sched_generation(sched);
        sched_advance(sched, now += wait);
        assert_true(sched_generation(sched) > before);
        struct sched_event event;
        assert_true(sched_next_event(sched, &event));
        assert_int_equal(event.type, SCHED_WORKER_RETRIED);
        assert_int_equal(event.worker, 1);
        assert_true(unable_of(sched, 1, 0).tried_anew);
        wait *= failures <= SCHED_UNABLE_DOUBLINGS ? 2 : 1;
    }
    /* Units prove it able: the next failure is the first again. */
    assert_int_equal(lease(sched, 1, now), 1000);
    sched_units_stored(sched, 1000, 1);
    struct sched_unable none;
    assert_false(sched_worker_unable(sched, 1, 0, &none));
    fail_as_unable(sched, 1000, SCHED_UNABLE_DOUBLINGS + 4, "engine:gnugo", now);
    assert_int_equal(unable_of(sched, 1, 0).until, now + SCHED_UNABLE_MS);
    sched_destroy(sched);
}

static void without_a_capability_it_is_the_job(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    for (int64_t job = 1; job <= 4; job++)
        add(sched, job_spec(job, 8));
    assert_int_equal(lease(sched, 1, 0), 1000);
    assert_int_equal(lease(sched, 1, 0), 2000);
    fail_as_unable(sched, 1000, 1, NULL, 0);
    fail_as_unable(sched, 2000, 1, "engine:never-heard-of", 0); /* not a need of the job: the job as well */
    assert_null(unable_of(sched, 1, 1).need);
    assert_int_equal(unable_of(sched, 1, 1).job, 2);
    assert_int_equal(lease(sched, 1, 0), 3000);
    assert_int_equal(lease(sched, 1, 0), 4000);
    assert_int_equal(lease(sched, 1, 0), 3001);
    expect_reason(sched, 1, "worker pc: gnugo does not start" RETRIED_TEXT "1");
    /* What is known of a job is forgotten with it. */
    sched_job_end(sched, 1, false);
    assert_int_equal(unable_of(sched, 1, 0).job, 2);
    struct sched_unable none;
    assert_false(sched_worker_unable(sched, 1, 1, &none));
    sched_destroy(sched);
}

static void registering_and_enabling_try_at_once(void **state) {
    struct sched *sched = sched_with(1, teacher, 2);
    add(sched, lessons(1, 1));
    for (int attempt = 1; attempt <= 2; attempt++) {
        assert_int_equal(lease(sched, 1, 0), 1000);
        fail_as_unable(sched, 1000, attempt, "engine:gnugo", 0);
        assert_int_equal(lease(sched, 1, 0), 0);
        uint64_t before = sched_generation(sched);
        if (attempt == 1)
            assert_int_equal(sched_worker_state(sched, 1, SCHED_WORKER_ENABLED), 0);
        else
            assert_int_equal(
                sched_worker_set(
                    sched, &(struct sched_worker){.id = 1, .capabilities = teacher, .capability_count = 2}),
                0);
        assert_true(sched_generation(sched) > before);
    }
    assert_int_equal(lease(sched, 1, 0), 1000);
    /* A late word of an attempt that is over changes nothing. */
    fail_as_unable(sched, 1000, 2, "engine:gnugo", 0);
    struct sched_unable none;
    assert_false(sched_worker_unable(sched, 1, 0, &none));
    sched_destroy(sched);
}

static void the_list_of_what_it_is_unable_to_do_is_short(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    struct sched_unable unable;
    for (int64_t job = 1; job <= SCHED_UNABLE_MAX + 1; job++) {
        add(sched, job_spec(job, 1));
        assert_int_equal(lease(sched, 1, 0), 1000 * job);
        fail_as_unable(sched, 1000 * job, 1, NULL, job); /* each is tried again later than the one before */
    }
    assert_true(sched_worker_unable(sched, 1, SCHED_UNABLE_MAX - 1, &unable));
    assert_false(sched_worker_unable(sched, 1, SCHED_UNABLE_MAX, &unable));
    assert_int_equal(lease(sched, 1, SCHED_UNABLE_MAX + 2), 1000); /* the first has given way */
    sched_destroy(sched);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unable_worker_gets_nothing_of_the_kind),
        cmocka_unit_test(a_task_that_nobody_can_do_says_why),
        cmocka_unit_test(it_is_tried_again_less_and_less_often),
        cmocka_unit_test(without_a_capability_it_is_the_job),
        cmocka_unit_test(registering_and_enabling_try_at_once),
        cmocka_unit_test(the_list_of_what_it_is_unable_to_do_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
