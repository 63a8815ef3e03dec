/* sched_fixture.h - a scheduler with workers and jobs, for the tests of it. */
#ifndef TENGEN_TEST_SCHED_FIXTURE_H
#define TENGEN_TEST_SCHED_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/buf.h"
#include "server/sched/sched.h"

static const char *const selfplay[] = {"kind:selfplay"};
static const char *const teacher[] = {"kind:teacher", "engine:gnugo"};
static const char *const all[] = {"engine:gnugo", "kind:teacher", "kind:selfplay"};

static inline struct sched *sched_with(int workers, const char *const *capabilities, size_t count) {
    struct sched *sched = sched_create(NULL);
    assert_non_null(sched);
    for (int i = 1; i <= workers; i++)
        assert_int_equal(sched_worker_set(sched, &(struct sched_worker){.id = i,
                                                                        .capabilities = capabilities,
                                                                        .capability_count = count}),
                         0);
    return sched;
}

/* Job `id` owns the tasks from 1000 * id on. */
static inline struct sched_job job_spec(int64_t id, int64_t tasks) {
    return (struct sched_job){.id = id,
                              .first_task = 1000 * id,
                              .task_count = tasks,
                              .units_total = tasks * 4,
                              .task_units = 4,
                              .needs = selfplay,
                              .need_count = 1};
}

static inline void add(struct sched *sched, struct sched_job spec) {
    assert_int_equal(sched_job_add(sched, &spec), 0);
}

/* Decides and leases; the task's id, or 0. */
static inline int64_t lease(struct sched *sched, int64_t worker, int64_t now) {
    struct sched_decision decision = sched_decide(sched, worker, false);
    if (!decision.found)
        return 0;
    assert_int_equal(sched_lease(sched, &decision.lease, worker, now), 0);
    return decision.lease.task;
}

static inline void expect_event(struct sched *sched, enum sched_event_type type, int64_t job) {
    struct sched_event event;
    assert_true(sched_next_event(sched, &event));
    assert_int_equal(event.type, type);
    assert_int_equal(event.job, job);
}

static inline void expect_no_event(struct sched *sched) {
    struct sched_event event;
    assert_false(sched_next_event(sched, &event));
}

static inline void expect_reason(struct sched *sched, int64_t job, const char *reason) {
    struct buf text = BUF_INIT;
    assert_int_equal(sched_job_reason(sched, job, &text), 0);
    assert_string_equal(text.size > 0 ? (char *)text.data : "", reason);
    buf_free(&text);
}

#endif
