/* results.c - how attempts end: done and fail. A 2xx is sent after the commit, never before.
 *
 *     done, fail ---> the store decides (task_done, task_fail) ---> take_outcome: the scheduler, memory and
 *                                                                   listeners hear of it ---> the answer
 *
 * The store alone decides what an end means (done, put back, to be tried again, failed with its job), because
 * it knows the chunks. What is done here is to tell the scheduler that outcome, in three forms:
 * sched_task_done; sched_task_failed, with a reason (back-off) or without (a drain, or a failure that does
 * not count); sched_task_unable, when the worker says that it is its own.
 *
 * A repeated done changes nothing here either: the scheduler has heard of it the first time, and may have
 * given the task's place away since. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/json.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"
#include "server/api/live.h"

struct outcome_call {
    struct call call;
    struct task_holder holder;
    int64_t chunks, now_ms;
    bool partial;
    struct problem reason;
    const char *unable; /* what the worker says that it cannot do; NULL: it is the task's own failure */
    struct task_outcome outcome;
};

static int read_holder(struct outcome_call *call, const json_t *body, struct problem *problem) {
    int64_t attempt = 0;
    int error = json_get_int(body, "worker", 1, INT64_MAX / 16, &call->holder.worker, problem);
    error = error ? error : json_get_int(body, "attempt", 1, 1000000, &attempt, problem);
    call->holder.attempt = (int)attempt;
    return error;
}

static void publish_task(struct outcome_call *call) {
    struct api *api = call->call.api;
    if (events_wanted(api->events, EVENTS_JOB, call->outcome.job)) {
        events_publish(api->events, EVENTS_JOB, call->outcome.job, "task",
                       json_pack("{s:I, s:I, s:s, s:i, s:I}", "id", (json_int_t)call->holder.task, "job",
                                 (json_int_t)call->outcome.job, "state",
                                 task_state_name(call->outcome.task_state), "attempt", call->holder.attempt,
                                 "ended_ms", (json_int_t)call->now_ms));
    }
}

/* The worker will not get such tasks for a while: it is shown with the reason, and so are the jobs that wait.
 */
static void worker_unable(struct outcome_call *call) {
    struct api *api = call->call.api;
    struct worker *worker = fleet_find(api->fleet, call->holder.worker);
    sched_task_unable(api->sched, call->holder.task, call->holder.attempt, call->unable,
                      call->outcome.reason.detail, api_now());
    log_warn("api", "task %lld goes back: %s", (long long)call->holder.task, call->outcome.reason.detail);
    jobs_weather(api->jobs);
    if (worker) {
        fleet_publish(api, worker);
    }
}

/* The scheduler hears what the store has decided. */
static void take_outcome(struct outcome_call *call, bool failed) {
    struct api *api = call->call.api;
    const struct task_outcome *outcome = &call->outcome;
    if (outcome->repeated) {
        return;
    }
    live_forget(api->live, call->holder.task);
    if (outcome->task_state == TASK_DONE) {
        sched_task_done(api->sched, call->holder.task);
        api->counters.tasks_done++;
    } else if (outcome->task_state == TASK_PENDING && call->unable) {
        worker_unable(call);
    } else if (outcome->task_state == TASK_PENDING) {
        bool put_back = failed ? outcome->uncounted : call->partial;
        sched_task_failed(api->sched, call->holder.task, call->holder.attempt,
                          put_back ? NULL : outcome->reason.detail, api_now());
    }
    api->counters.tasks_failed += failed;
    if (outcome->job_ended) {
        sched_job_end(api->sched, outcome->job, outcome->job_state == JOB_SUCCEEDED);
        struct job *job = jobs_find(api->jobs, outcome->job);
        jobs_ended(api->jobs, outcome->job);
        if (job) {
            streams_wake(api, job);
        }
    }
    jobs_touch(api->jobs, outcome->job);
    publish_task(call);
    api_changed(api);
}

static void reply_outcome(struct outcome_call *call) {
    http_reply_json(call->call.request, 200,
                    json_pack("{s:s, s:I}", "state", task_state_name(call->outcome.task_state), "units_left",
                              (json_int_t)call->outcome.units_left));
}

static int write_done(struct store_tx *tx, void *arg, struct problem *problem) {
    struct outcome_call *call = arg;
    return task_done(tx, &call->holder, call->chunks, call->partial, SCHED_FAILURES_MAX, call->now_ms,
                     &call->outcome, problem);
}

static void done_written(void *arg, int error, const struct problem *problem) {
    struct outcome_call *call = arg;
    if (!call_failed(&call->call, error, problem)) {
        take_outcome(call, false);
        reply_outcome(call);
    }
}

static int write_fail(struct store_tx *tx, void *arg, struct problem *problem) {
    struct outcome_call *call = arg;
    return task_fail(tx, &call->holder, &call->reason, call->unable != NULL, SCHED_FAILURES_MAX, call->now_ms,
                     &call->outcome, problem);
}

static void fail_written(void *arg, int error, const struct problem *problem) {
    struct outcome_call *call = arg;
    if (!call_failed(&call->call, error, problem)) {
        take_outcome(call, true);
        reply_outcome(call);
    }
}

static struct outcome_call *begin_outcome(struct http_request *request, void *context, json_t **body) {
    *body = call_json(request);
    struct outcome_call *call = *body ? call_begin(request, context, sizeof *call) : NULL;
    if (!call || call_param_id(request, &call->holder.task) != TG_OK) {
        return NULL;
    }
    call->now_ms = clock_wall_ms();
    return call;
}

void handle_task_done(struct http_request *request, void *context) {
    static const char *const names[] = {"worker", "attempt", "chunks", "units", NULL};
    struct problem problem = {0};
    struct worker *worker;
    json_t *body;
    int64_t units = 0;
    struct outcome_call *call = begin_outcome(request, context, &body);
    if (!call) {
        return;
    }
    int error = json_only(body, names, &problem);
    error = error ? error : read_holder(call, body, &problem);
    error = error ? error : json_get_int(body, "chunks", 0, INT64_MAX / 16, &call->chunks, &problem);
    call->partial = json_object_get(body, "units") != NULL;
    error = error ? error : json_get_int_or(body, "units", 0, INT64_MAX / 16, 0, &units, &problem);
    error = error ? error : fleet_speaker(context, request, call->holder.worker, &worker, &problem);
    if (!call_failed(&call->call, error, &problem)) {
        call_write(&call->call, write_done, done_written);
    }
}

void handle_task_fail(struct http_request *request, void *context) {
    static const char *const names[] = {"worker", "attempt", "code", "detail", "field", "unable", NULL};
    struct problem problem = {0};
    struct worker *worker;
    json_t *body;
    const char *code = "", *detail = "", *field = "";
    struct outcome_call *call = begin_outcome(request, context, &body);
    if (!call) {
        return;
    }
    int error = json_only(body, names, &problem);
    error = error ? error : read_holder(call, body, &problem);
    error = error ? error : json_get_string(body, "code", 64, &code, &problem);
    if (!error && json_object_get(body, "detail")) {
        error = json_get_string(body, "detail", 4096, &detail, &problem);
    }
    if (!error && json_object_get(body, "field")) {
        error = json_get_string(body, "field", 256, &field, &problem);
    }
    if (!error && json_object_get(body, "unable")) {
        error = json_get_string(body, "unable", 100, &call->unable, &problem);
    }
    error = error ? error : fleet_speaker(context, request, call->holder.worker, &worker, &problem);
    if (call_failed(&call->call, error, &problem)) {
        return;
    }
    problem_set(&call->reason, tg_error_from_code(code), field, "%s", detail);
    call_write(&call->call, write_fail, fail_written);
}
