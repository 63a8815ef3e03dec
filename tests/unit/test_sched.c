/* The scheduler on a simulated clock: each rule by itself, then a randomized model of many workers that
 * crash. */
#include "tests/unit/sched_fixture.h"

#include <stdlib.h>
#include <string.h>
#include "proto/base/rng.h"

/* ---- the choice ---- */

static void priority_then_fewest_at_work_then_oldest(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    add(sched, job_spec(1, 10));
    add(sched, job_spec(2, 10));
    struct sched_job urgent = job_spec(3, 1);
    urgent.priority = 5;
    add(sched, urgent);
    assert_int_equal(lease(sched, 1, 0), 3000);
    assert_int_equal(lease(sched, 1, 0), 1000);
    assert_int_equal(lease(sched, 1, 0), 2000);
    assert_int_equal(lease(sched, 1, 0), 1001);
    assert_int_equal(lease(sched, 1, 0), 2001);
    sched_task_done(sched, 2000); /* now 2 has one at work, 1 has two */
    assert_int_equal(lease(sched, 1, 0), 2002);
    sched_destroy(sched);
}

static void a_worker_gets_only_what_it_can_do(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    struct sched_job lessons = job_spec(1, 1);
    lessons.needs = teacher;
    lessons.need_count = 2;
    add(sched, lessons);
    assert_int_equal(lease(sched, 1, 0), 0);
    assert_string_equal(sched_decide(sched, 1, false).reason,
                        "this worker offers nothing that a job with free tasks needs");
    expect_reason(sched, 1, "no worker offers engine:gnugo");
    assert_int_equal(
        sched_worker_set(sched,
                         &(struct sched_worker){.id = 2, .capabilities = teacher, .capability_count = 1}),
        0);
    assert_int_equal(
        sched_worker_set(sched,
                         &(struct sched_worker){.id = 3, .capabilities = teacher + 1, .capability_count = 1}),
        0);
    expect_reason(sched, 1, "no single worker offers engine:gnugo and kind:teacher");
    assert_int_equal(
        sched_worker_set(sched, &(struct sched_worker){.id = 4, .capabilities = all, .capability_count = 3}),
        0);
    expect_reason(sched, 1, "waits for a free runner");
    assert_int_equal(sched_worker_online(sched, 4, false), 0);
    expect_reason(sched, 1, "every worker that could do it is offline, drained or disabled");
    assert_int_equal(lease(sched, 4, 0), 1000);
    expect_reason(sched, 1, "");
    /* A group that comes later is known to workers that were there before, and a freed one's place is used
     * again. */
    sched_task_done(sched, 1000);
    struct sched_job play = job_spec(2, 1);
    add(sched, play);
    assert_int_equal(lease(sched, 1, 0), 2000);
    sched_destroy(sched);
}

static void drained_disabled_unknown_and_full(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    assert_string_equal(sched_decide(sched, 1, false).reason, "no job is queued");
    add(sched, job_spec(1, 2));
    assert_string_equal(sched_decide(sched, 9, false).reason, "this worker is not registered");
    assert_string_equal(sched_decide(sched, 1, true).reason, "the coordinator's disk is nearly full");
    sched_worker_state(sched, 1, SCHED_WORKER_DRAIN);
    struct sched_decision decision = sched_decide(sched, 1, false);
    assert_false(decision.found);
    assert_true(decision.drain);
    sched_worker_state(sched, 1, SCHED_WORKER_DISABLED);
    assert_true(sched_decide(sched, 1, false).drain);
    sched_worker_state(sched, 1, SCHED_WORKER_ENABLED);
    assert_int_equal(lease(sched, 1, 0), 1000);
    sched_destroy(sched);
}

static void the_last_task_may_be_shorter(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    struct sched_job spec = job_spec(1, 3);
    spec.units_total = 9;
    add(sched, spec);
    lease(sched, 1, 0);
    lease(sched, 1, 0);
    struct sched_decision decision = sched_decide(sched, 1, false);
    assert_int_equal(decision.lease.first_unit, 8);
    assert_int_equal(decision.lease.units, 1);
    sched_destroy(sched);
}

/* ---- leases ---- */

static void a_lease_lapses_and_its_holder_may_come_back(void **state) {
    struct sched *sched = sched_with(2, selfplay, 1);
    add(sched, job_spec(1, 1));
    assert_int_equal(lease(sched, 1, 0), 1000);
    assert_int_equal(sched_next_due(sched), SCHED_LEASE_MS);
    assert_int_equal(sched_beat(sched, 1000, 1, 1, 10000), SCHED_HELD);
    assert_int_equal(sched_next_due(sched), 10000 + SCHED_LEASE_MS);
    assert_int_equal(sched_beat(sched, 1000, 2, 1, 10000), SCHED_LOST);
    assert_int_equal(sched_beat(sched, 1000, 1, 2, 10000), SCHED_LOST);
    sched_advance(sched, 39999);
    expect_no_event(sched);
    sched_advance(sched, 40000);
    expect_event(sched, SCHED_TASK_LAPSED, 1);
    assert_int_equal(sched_beat(sched, 1000, 1, 1, 41000), SCHED_REGRANTED);
    assert_int_equal(lease(sched, 2, 41000), 0);
    sched_advance(sched, 71000);
    expect_event(sched, SCHED_TASK_LAPSED, 1);
    struct sched_decision decision = sched_decide(sched, 2, false);
    assert_int_equal(decision.lease.attempt, 2);
    assert_int_equal(lease(sched, 2, 71000), 1000);
    assert_int_equal(sched_beat(sched, 1000, 1, 1, 72000), SCHED_LOST);
    assert_int_equal(sched_worker_leases(sched, 1), 0);
    assert_int_equal(sched_worker_leases(sched, 2), 1);
    sched_destroy(sched);
}

static void what_a_worker_does_not_hold_lapses_at_once(void **state) {
    struct sched *sched = sched_with(2, selfplay, 1);
    add(sched, job_spec(1, 3));
    for (int i = 0; i < 3; i++)
        lease(sched, 1, 0);
    sched_worker_holds(sched, 1, (int64_t[]){1001}, 1);
    struct sched_event event;
    assert_true(sched_next_event(sched, &event));
    assert_int_equal(event.task, 1000);
    assert_true(event.forget);
    expect_event(sched, SCHED_TASK_LAPSED, 1);
    expect_no_event(sched);
    assert_int_equal(sched_beat(sched, 1000, 1, 1, 6), SCHED_LOST);
    assert_int_equal(sched_beat(sched, 1001, 1, 1, 6), SCHED_HELD);
    assert_int_equal(lease(sched, 2, 7), 1000); /* the lowest index first */
    assert_int_equal(lease(sched, 2, 7), 1002);
    sched_destroy(sched);
}

static void an_undone_lease_never_was(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    add(sched, job_spec(1, 2));
    lease(sched, 1, 0);
    sched_lease_undo(sched, 1000, 1);
    sched_lease_undo(sched, 1000, 1);
    struct sched_decision decision = sched_decide(sched, 1, false);
    assert_int_equal(decision.lease.task, 1000);
    assert_int_equal(decision.lease.attempt, 1);
    struct sched_job_info info;
    assert_int_equal(sched_job_info(sched, 1, &info), 0);
    assert_int_equal(info.leased, 0);
    assert_int_equal(info.pending, 2);
    sched_destroy(sched);
}

static void failures_back_off_and_put_back_does_not(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    add(sched, job_spec(1, 1));
    int64_t now = 0;
    for (int failure = 0; failure < 7; failure++) {
        assert_int_equal(lease(sched, 1, now), 1000);
        sched_task_failed(sched, 1000, failure + 1, "worker pc: it died", now);
        int64_t delay = SCHED_BACKOFF_MS << (failure < 5 ? failure : 5);
        expect_reason(
            sched, 1,
            "waits a little before another attempt, because the last one failed: worker pc: it died");
        sched_advance(sched, now + delay - 1);
        assert_int_equal(lease(sched, 1, now), 0);
        now += delay;
        sched_advance(sched, now);
    }
    assert_int_equal(lease(sched, 1, now), 1000);
    sched_task_failed(sched, 1000, 7, NULL, now); /* of an older attempt: ignored */
    assert_int_equal(sched_worker_leases(sched, 1), 1);
    sched_task_failed(sched, 1000, 8, NULL, now);
    assert_int_equal(lease(sched, 1, now), 1000);
    expect_no_event(sched);
    sched_destroy(sched);
}

/* ---- jobs ---- */

static void jobs_wait_for_jobs(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    add(sched, job_spec(1, 1));
    add(sched, job_spec(2, 1));
    struct sched_job third = job_spec(3, 1);
    third.after = (int64_t[]){1, 2, 1};
    third.after_count = 3;
    add(sched, third);
    expect_reason(sched, 3, "waits for job 1 and 1 more");
    assert_int_equal(lease(sched, 1, 0), 1000);
    assert_int_equal(lease(sched, 1, 0), 2000);
    assert_int_equal(lease(sched, 1, 0), 0);
    sched_task_done(sched, 1000);
    expect_event(sched, SCHED_JOB_COMPLETE, 1);
    expect_no_event(sched);
    expect_reason(sched, 3, "waits for job 2");
    uint64_t before = sched_generation(sched);
    sched_task_done(sched, 2000);
    expect_event(sched, SCHED_JOB_COMPLETE, 2);
    expect_event(sched, SCHED_JOB_RELEASED, 3);
    assert_true(sched_generation(sched) > before);
    assert_int_equal(lease(sched, 1, 0), 3000);
    sched_destroy(sched);
}

static void what_waits_for_a_failed_job_fails_with_it(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    add(sched, job_spec(1, 2));
    for (int64_t id = 2; id <= 4; id++) { /* 2 waits for 1; 3 for 1 and 2; 4 for 3 */
        struct sched_job spec = job_spec(id, 1);
        spec.after = (int64_t[]){id == 4 ? 3 : 1, 2};
        spec.after_count = id == 3 ? 2 : 1;
        add(sched, spec);
    }
    lease(sched, 1, 0);
    sched_job_end(sched, 1, false);
    int64_t blocked = 0;
    for (struct sched_event event; sched_next_event(sched, &event); blocked += event.job)
        assert_int_equal(event.type, SCHED_JOB_BLOCKED);
    assert_int_equal(blocked, 2 + 3 + 4);
    struct sched_stats stats;
    sched_stats(sched, &stats);
    assert_int_equal(stats.jobs, 0);
    assert_int_equal(stats.leased, 0);
    assert_int_equal(stats.groups, 0);
    struct sched_job late = job_spec(5, 1);
    late.after = (int64_t[]){1};
    late.after_count = 1;
    add(sched, late);
    expect_event(sched, SCHED_JOB_BLOCKED, 5);
    assert_int_equal(lease(sched, 1, 0), 0);
    sched_destroy(sched);
}

static void a_paused_job_lets_its_tasks_end(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    add(sched, job_spec(1, 3));
    lease(sched, 1, 0);
    sched_job_pause(sched, 1, true);
    assert_int_equal(lease(sched, 1, 0), 0);
    expect_reason(sched, 1, "1 task may still end; resume it to go on");
    assert_int_equal(sched_beat(sched, 1000, 1, 1, 100), SCHED_HELD);
    sched_task_done(sched, 1000);
    expect_reason(sched, 1, "resume it to go on");
    sched_job_pause(sched, 1, false);
    assert_int_equal(lease(sched, 1, 0), 1001);
    sched_destroy(sched);
}

static void a_worker_that_is_forgotten_gets_nothing_back(void **state) {
    struct sched *sched = sched_with(2, selfplay, 1);
    add(sched, job_spec(1, 2));
    assert_int_equal(lease(sched, 1, 0), 1000);
    sched_advance(sched, 1000000);
    assert_int_equal(sched_worker_leases(sched, 1), 0);
    sched_worker_remove(sched, 1);
    sched_worker_remove(sched, 7); /* was never there */
    assert_int_equal(sched_beat(sched, 1000, 1, 1, 1000001), SCHED_LOST);
    assert_int_equal(lease(sched, 1, 1000002), 0);
    assert_int_equal(lease(sched, 2, 1000002), 1000);
    assert_int_equal(
        sched_worker_set(sched,
                         &(struct sched_worker){.id = 1, .capabilities = selfplay, .capability_count = 1}),
        0);
    assert_int_equal(lease(sched, 1, 1000003), 1001);
    sched_destroy(sched);
}

static void units_at_work_are_counted(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    add(sched, job_spec(1, 3));
    lease(sched, 1, 0);
    lease(sched, 1, 0);
    sched_units_stored(sched, 1000, 3);
    sched_units_stored(sched, 1000, 2); /* an older report */
    struct sched_job_info info;
    sched_job_info(sched, 1, &info);
    assert_int_equal(info.leased_units, 5);
    sched_task_failed(sched, 1000, 1, NULL, 0);
    sched_job_info(sched, 1, &info);
    assert_int_equal(info.leased_units, 4);
    assert_int_equal(lease(sched, 1, 0), 1000);
    sched_job_info(sched, 1, &info);
    assert_int_equal(info.leased_units, 5);
    sched_destroy(sched);
}

static void state_is_rebuilt_after_a_restart(void **state) {
    struct sched *sched = sched_with(2, selfplay, 1);
    struct sched_job spec = job_spec(1, 5);
    spec.next_index = 4;
    spec.tasks_done = 1; /* index 0 */
    add(sched, spec);
    struct sched_task leased = {
        .task = 1001, .job = 1, .index = 1, .attempt = 2, .worker = 1, .leased = true};
    struct sched_task lapsed = {.task = 1002, .job = 1, .index = 2, .attempt = 1, .worker = 2};
    struct sched_task returned = {.task = 1003, .job = 1, .index = 3, .attempt = 3, .failures = 2};
    assert_int_equal(sched_task_restore(sched, &returned, 100), 0);
    assert_int_equal(sched_task_restore(sched, &leased, 100), 0);
    assert_int_equal(sched_task_restore(sched, &lapsed, 100), 0);
    assert_int_equal(sched_task_restore(sched, &lapsed, 100), TG_EINVALID);
    assert_int_equal(sched_next_due(sched), 100 + SCHED_LEASE_MS);
    assert_int_equal(sched_beat(sched, 1001, 2, 1, 200), SCHED_HELD);
    assert_int_equal(sched_beat(sched, 1002, 1, 2, 200), SCHED_REGRANTED);
    struct sched_decision decision = sched_decide(sched, 1, false);
    assert_int_equal(decision.lease.task, 1003);
    assert_int_equal(decision.lease.attempt, 4);
    lease(sched, 1, 200);
    assert_int_equal(lease(sched, 1, 200), 1004);
    assert_int_equal(lease(sched, 1, 200), 0);
    for (int64_t task = 1001; task <= 1004; task++)
        sched_task_done(sched, task);
    expect_event(sched, SCHED_JOB_COMPLETE, 1);
    sched_destroy(sched);
}

static void returned_tasks_come_lowest_first(void **state) {
    struct sched *sched = sched_with(1, selfplay, 1);
    add(sched, job_spec(1, 6));
    for (int i = 0; i < 5; i++)
        lease(sched, 1, 0);
    static const int64_t order[] = {1003, 1001, 1004, 1000, 1002};
    for (int i = 0; i < 5; i++)
        sched_task_failed(sched, order[i], 1, NULL, 0);
    for (int64_t task = 1000; task <= 1005; task++)
        assert_int_equal(lease(sched, 1, 0), task);
    sched_destroy(sched);
}

/* The next due time against a plain search, while leases are taken, prolonged and ended at random. */
static void the_earliest_deadline_is_known(void **state) {
    enum { TASKS = 300 };
    struct sched *sched = sched_with(1, selfplay, 1);
    int64_t due[TASKS] = {0}; /* 0: not leased */
    struct rng rng;
    rng_seed(&rng, 3);
    add(sched, job_spec(1, TASKS));
    int leased = 0;
    for (int64_t now = 1; leased < TASKS || rng_below(&rng, 1000) > 0; now++) {
        int at = (int)rng_below(&rng, TASKS);
        int64_t jitter = (int64_t)rng_below(
            &rng, 100000); /* beats arrive with any time, so that deadlines are in no order */
        if (leased < TASKS && rng_below(&rng, 3) > 0) {
            assert_int_equal(lease(sched, 1, jitter), 1000 + leased);
            due[leased++] = jitter + SCHED_LEASE_MS;
        } else if (due[at] != 0 && rng_below(&rng, 2) > 0) {
            assert_int_equal(sched_beat(sched, 1000 + at, 1, 1, jitter), SCHED_HELD);
            due[at] = jitter + SCHED_LEASE_MS;
        } else if (due[at] != 0) {
            sched_task_done(sched, 1000 + at);
            due[at] = 0;
        }
        int64_t earliest = INT64_MAX;
        for (int i = 0; i < TASKS; i++)
            earliest = due[i] != 0 && due[i] < earliest ? due[i] : earliest;
        assert_true(sched_next_due(sched) == earliest);
    }
    sched_destroy(sched);
}

/* ---- a model of everything at once ---- */

enum { MODEL_WORKERS = 12, MODEL_JOBS = 30, MODEL_TASKS_MAX = 12, TASK_UNITS = 4 };

/* What the store would know of a task: the truth that the scheduler must never contradict. */
struct truth {
    int64_t worker;
    int attempt, units_done;
    bool done;
};

struct model_worker {
    int64_t task; /* 0: idle */
    int attempt;
    bool dead; /* says nothing; it may wake up with its task, or without */
};

struct model {
    struct sched *sched;
    struct rng rng;
    int64_t now;
    struct truth truth[MODEL_JOBS + 1][MODEL_TASKS_MAX];
    int tasks[MODEL_JOBS + 1];
    int64_t after[MODEL_JOBS + 1]; /* the job it waits for; 0: none */
    bool ended[MODEL_JOBS + 1];
    struct model_worker workers[MODEL_WORKERS + 1];
    int jobs_added, jobs_ended;
    int64_t regrants, lapses, second_attempts;
};

static struct truth *truth_of(struct model *model, int64_t task) {
    return &model->truth[task / 1000][task % 1000];
}

static bool chance(struct model *model, uint32_t one_in) {
    return rng_below(&model->rng, one_in) == 0;
}

static void take_events(struct model *model) {
    struct sched_event event;
    while (sched_next_event(model->sched, &event)) {
        if (event.type == SCHED_TASK_LAPSED) {
            model->lapses++;
            struct truth *truth = truth_of(model, event.task);
            assert_false(truth->done);
            if (truth->attempt == event.attempt && event.forget)
                truth->worker = 0;
        } else if (event.type == SCHED_JOB_COMPLETE) {
            assert_false(model->ended[event.job]);
            for (int i = 0; i < model->tasks[event.job]; i++)
                assert_true(model->truth[event.job][i].done);
            model->ended[event.job] = true;
            model->jobs_ended++;
        } else {
            assert_int_equal(event.type, SCHED_JOB_RELEASED);
        }
    }
}

static void model_add_job(struct model *model) {
    int64_t id = ++model->jobs_added;
    model->tasks[id] = 1 + (int)rng_below(&model->rng, MODEL_TASKS_MAX);
    struct sched_job spec = job_spec(id, model->tasks[id]);
    spec.priority = (int)rng_below(&model->rng, 3);
    if (id > 2 && !model->ended[id - 2] && chance(model, 2))
        model->after[id] = id - 2;
    spec.after = &model->after[id];
    spec.after_count = model->after[id] != 0;
    add(model->sched, spec);
}

static void model_lease(struct model *model, int64_t id) {
    struct model_worker *worker = &model->workers[id];
    sched_worker_holds(model->sched, id, NULL, 0);
    take_events(model);
    struct sched_decision decision = sched_decide(model->sched, id, false);
    if (!decision.found)
        return;
    struct truth *truth = truth_of(model, decision.lease.task);
    assert_false(truth->done);
    assert_int_equal(decision.lease.attempt, truth->attempt + 1);
    assert_int_equal(sched_lease(model->sched, &decision.lease, id, model->now), 0);
    if (chance(model, 10)) { /* the store refuses */
        sched_lease_undo(model->sched, decision.lease.task, decision.lease.attempt);
        return;
    }
    model->second_attempts += truth->attempt > 0;
    truth->attempt++;
    truth->worker = id;
    *worker = (struct model_worker){.task = decision.lease.task, .attempt = decision.lease.attempt};
}

/* The worker has something to say about its task. Whatever the scheduler answers must agree with the truth.
 */
static void model_work(struct model *model, int64_t id) {
    struct model_worker *worker = &model->workers[id];
    struct truth *truth = truth_of(model, worker->task);
    bool mine = !truth->done && truth->worker == id && truth->attempt == worker->attempt;
    enum sched_held held = sched_beat(model->sched, worker->task, worker->attempt, id, model->now);
    assert_int_equal(held != SCHED_LOST, mine);
    model->regrants += held == SCHED_REGRANTED;
    if (!mine) {
        worker->task = 0;
        return;
    }
    if (chance(model, 12)) {
        bool put_back = chance(model, 2);
        sched_task_failed(model->sched, worker->task, worker->attempt, put_back ? NULL : "on purpose",
                          model->now);
        truth->worker = 0;
        worker->task = 0;
    } else if (truth->units_done < TASK_UNITS) {
        truth->units_done++;
        sched_units_stored(model->sched, worker->task, truth->units_done);
    } else {
        truth->done = true;
        sched_task_done(model->sched, worker->task);
        worker->task = 0;
    }
    take_events(model);
}

static void model_step_worker(struct model *model, int64_t id) {
    struct model_worker *worker = &model->workers[id];
    if (worker->dead) {
        if (!chance(model, 16))
            return;
        worker->dead = false;
        if (chance(model, 2))
            worker->task = 0; /* it has forgotten */
    } else if (chance(model, 15)) {
        worker->dead = true;
        return;
    }
    if (worker->task == 0)
        model_lease(model, id);
    else
        model_work(model, id);
}

/* The coordinator was killed: a new scheduler from what the store would tell. */
static void model_restart(struct model *model) {
    sched_destroy(model->sched);
    model->sched = sched_with(MODEL_WORKERS, selfplay, 1);
    for (int64_t id = 1; id <= model->jobs_added; id++) {
        if (model->ended[id])
            continue;
        struct sched_job spec = job_spec(id, model->tasks[id]);
        for (int i = 0; i < model->tasks[id]; i++) {
            spec.tasks_done += model->truth[id][i].done;
            if (model->truth[id][i].attempt > 0)
                spec.next_index = i + 1;
        }
        int64_t after = model->after[id];
        spec.after = &after;
        spec.after_count = after != 0 && !model->ended[after];
        add(model->sched, spec);
        for (int i = 0; i < spec.next_index; i++) {
            const struct truth *truth = &model->truth[id][i];
            struct sched_task task = {.task = spec.first_task + i,
                                      .job = id,
                                      .index = i,
                                      .attempt = truth->attempt,
                                      .units_done = truth->units_done,
                                      .worker = truth->worker,
                                      .leased = truth->worker != 0 && chance(model, 2)};
            if (!truth->done)
                assert_int_equal(sched_task_restore(model->sched, &task, model->now), 0);
        }
    }
    take_events(model);
}

/* No worker list, no counter may disagree with what the truth says. */
static void model_check(struct model *model) {
    struct sched_stats stats;
    sched_stats(model->sched, &stats);
    int64_t leases = 0;
    for (int64_t id = 1; id <= MODEL_WORKERS; id++)
        leases += sched_worker_leases(model->sched, id);
    assert_int_equal(stats.leased, leases);
    assert_int_equal(stats.jobs, model->jobs_added - model->jobs_ended);
    for (int64_t job = 1; job <= model->jobs_added; job++) {
        struct sched_job_info info;
        int done = 0;
        for (int i = 0; i < model->tasks[job]; i++)
            done += model->truth[job][i].done;
        if (model->ended[job])
            assert_int_equal(done, model->tasks[job]);
        else {
            assert_int_equal(sched_job_info(model->sched, job, &info), 0);
            assert_int_equal(info.pending + info.leased + done, model->tasks[job]);
        }
    }
}

static int64_t run_model(uint64_t seed) {
    struct model *model = test_calloc(1, sizeof *model);
    model->sched = sched_with(MODEL_WORKERS, selfplay, 1);
    rng_seed(&model->rng, seed);
    for (int step = 0; model->jobs_ended < MODEL_JOBS; step++) {
        assert_true(step < 20000); /* it terminates */
        model->now += 2000;
        sched_advance(model->sched, model->now);
        take_events(model);
        if (model->jobs_added < MODEL_JOBS && chance(model, 3))
            model_add_job(model);
        if (chance(model, 40))
            model_restart(model);
        for (int64_t id = 1; id <= MODEL_WORKERS; id++)
            model_step_worker(model, id);
        model_check(model);
    }
    assert_true(model->lapses > 0 && model->second_attempts > 0);
    struct sched_stats stats;
    sched_stats(model->sched, &stats);
    assert_int_equal(stats.leased + stats.waiting + stats.jobs + stats.groups, 0);
    sched_destroy(model->sched);
    print_message("# seed %llu: %lld lapses, %lld taken back, %lld further attempts\n",
                  (unsigned long long)seed, (long long)model->lapses, (long long)model->regrants,
                  (long long)model->second_attempts);
    int64_t regrants = model->regrants;
    test_free(model);
    return regrants;
}

static void many_workers_that_crash(void **state) {
    int64_t regrants = 0;
    for (uint64_t seed = 1; seed <= 20; seed++)
        regrants += run_model(seed);
    assert_true(regrants > 0);
}

/* Priorities and ends in random order: the tree keeps its order and loses nobody. */
static void jobs_come_in_order_from_a_large_tree(void **state) {
    enum { JOBS = 20000 };
    struct sched *sched = sched_with(1, selfplay, 1);
    int *priority = test_calloc(JOBS + 1, sizeof *priority);
    struct rng rng;
    rng_seed(&rng, 7);
    for (int64_t id = 1; id <= JOBS; id++) {
        struct sched_job spec = job_spec(id, 1);
        spec.first_task = id;
        spec.priority = priority[id] = (int)rng_below(&rng, 10);
        add(sched, spec);
    }
    int64_t expected = JOBS, served = 0, last = 0;
    for (int64_t id = 1; id <= JOBS; id++) {
        if (rng_below(&rng, 3) == 0) {
            sched_job_end(sched, id, false);
            expected--;
        }
    }
    for (int64_t task; (task = lease(sched, 1, 0)) != 0; served++, last = task) {
        if (last != 0) /* of the higher priority, or as high and younger */
            assert_true(priority[last] > priority[task] || (priority[last] == priority[task] && last < task));
    }
    assert_int_equal(served, expected);
    test_free(priority);
    sched_destroy(sched);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priority_then_fewest_at_work_then_oldest),
        cmocka_unit_test(a_worker_gets_only_what_it_can_do),
        cmocka_unit_test(drained_disabled_unknown_and_full),
        cmocka_unit_test(the_last_task_may_be_shorter),
        cmocka_unit_test(a_lease_lapses_and_its_holder_may_come_back),
        cmocka_unit_test(what_a_worker_does_not_hold_lapses_at_once),
        cmocka_unit_test(an_undone_lease_never_was),
        cmocka_unit_test(failures_back_off_and_put_back_does_not),
        cmocka_unit_test(jobs_wait_for_jobs),
        cmocka_unit_test(what_waits_for_a_failed_job_fails_with_it),
        cmocka_unit_test(a_paused_job_lets_its_tasks_end),
        cmocka_unit_test(a_worker_that_is_forgotten_gets_nothing_back),
        cmocka_unit_test(units_at_work_are_counted),
        cmocka_unit_test(state_is_rebuilt_after_a_restart),
        cmocka_unit_test(returned_tasks_come_lowest_first),
        cmocka_unit_test(the_earliest_deadline_is_known),
        cmocka_unit_test(many_workers_that_crash),
        cmocka_unit_test(jobs_come_in_order_from_a_large_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
