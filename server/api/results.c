/* results.c - what a worker brings home: chunks, done, fail. A 2xx is sent after the commit, never before. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/wire/json.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"
#include "server/api/live.h"

enum { INLINE_MAX = 256 << 10 }; /* larger chunks are checked on a store thread, not on the loop */

/* ---- chunks ---- */

struct chunk_call {
    struct call call;
    struct task_holder holder;
    int64_t seq, now_ms;
    struct chunk_ready ready;
    bool prepared;
    struct chunk_stored stored;
};

static int prepare(struct chunk_call *call, struct problem *problem) {
    size_t size;
    const uint8_t *body = http_body(call->call.request, &size);
    int error = chunk_prepare(body, size, &call->ready, problem);
    call->prepared = error == TG_OK;
    return error;
}

static int prepare_work(struct store_tx *tx, void *arg, struct problem *problem) {
    return prepare(arg, problem);
}

static int insert_chunk(struct store_tx *tx, void *arg, struct problem *problem) {
    struct chunk_call *call = arg;
    return chunk_insert(tx, &call->holder, call->seq, &call->ready, call->now_ms, &call->stored, problem);
}

/* The members that the games list has, and no other that a worker may have put there. */
static json_t *game_json(const struct chunk_call *call) {
    static const char *const members[] = {"board",  "komi",  "rules",  "black", "white",
                                          "result", "moves", "reason", "note"};
    const json_t *game = json_object_get(call->ready.header, "game");
    json_t *shown = json_pack("{s:I, s:I, s:I, s:I}", "id", (json_int_t)call->stored.game, "job",
                              (json_int_t)call->stored.job, "task", (json_int_t)call->holder.task,
                              "created_ms", (json_int_t)call->now_ms);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_t *value = json_object_get(game, members[i]);
        if (value) {
            json_object_set(shown, members[i], value);
        }
    }
    return shown;
}

struct sprt_check {
    struct api *api;
    int64_t id;
    bool decided;
};

static int take_config(void *arg, const struct job_row *row) {
    struct sprt_check *check = ((void **)arg)[0];
    struct store_tx *tx = ((void **)arg)[1];
    json_t *totals = NULL, *config = null_or_text_json(row->config);
    int error = job_totals(tx, row->id, &totals);
    if (!error) {
        check->decided = job_sprt_decided(kind_find(row->kind), config, totals);
    }
    json_decref(totals);
    json_decref(config);
    return error;
}

static int read_score(struct store_tx *tx, void *arg, struct problem *problem) {
    void *into[2] = {arg, tx};
    return job_get(tx, ((struct sprt_check *)arg)->id, take_config, into);
}

static void score_read(void *arg, int error, const struct problem *problem) {
    struct sprt_check *check = arg;
    struct job *job = jobs_find(check->api->jobs, check->id);
    if (job) {
        job->sprt_asked = false;
    }
    if (!error && check->decided) {
        job_end_by_itself(check->api, check->id, JOB_SUCCEEDED, NULL);
    }
    free(check);
}

/* A match that tests a hypothesis ends as soon as the test has decided. */
static void check_sprt(struct api *api, struct job *job) {
    struct sprt_check *check = job->sprt && job->open && !job->sprt_asked ? calloc(1, sizeof *check) : NULL;
    if (!check) {
        return;
    }
    *check = (struct sprt_check){.api = api, .id = job->id};
    job->sprt_asked = true;
    if (store_read(api->store, read_score, score_read, check) != TG_OK) {
        job->sprt_asked = false;
        free(check);
    }
}

static void tell_stored(struct chunk_call *call) {
    struct api *api = call->call.api;
    struct job *job = jobs_find(api->jobs, call->stored.job);
    sched_units_stored(api->sched, call->holder.task, call->stored.task_units_done);
    api->counters.chunks++;
    api->counters.chunk_bytes += call->ready.size;
    jobs_touch(api->jobs, call->stored.job);
    if (job) {
        check_sprt(api, job);
        streams_wake(api, job);
    }
    if (call->stored.game && events_wanted(api->events, EVENTS_GAMES | EVENTS_JOB, call->stored.job)) {
        events_publish(api->events, EVENTS_GAMES | EVENTS_JOB, call->stored.job, "game", game_json(call));
    }
}

static void chunk_inserted(void *arg, int error, const struct problem *problem) {
    struct chunk_call *call = arg;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    if (!call->stored.existed) {
        tell_stored(call);
    }
    http_reply_json(call->call.request, call->stored.existed ? 200 : 201, json_pack("{s:b}", "stored", 1));
}

static void chunk_prepared(void *arg, int error, const struct problem *problem) {
    struct chunk_call *call = arg;
    if (!call_failed(&call->call, error, problem)) {
        call_write(&call->call, insert_chunk, chunk_inserted);
    }
}

static void release_chunk(void *arg) {
    struct chunk_call *call = arg;
    if (call->prepared) {
        chunk_ready_free(&call->ready);
    }
}

static int query_needed(const struct http_request *request, const char *name, int64_t min, int64_t max,
                        int64_t *out, struct problem *problem) {
    if (!http_query(request, name)) {
        return problem_set(problem, TG_EMISSING_FIELD, name,
                           "is needed in the query (?worker=&attempt=&seq=)");
    }
    return http_query_int(request, name, min, max, 0, out, problem);
}

void handle_task_chunk(struct http_request *request, void *context) {
    struct api *api = context;
    struct problem problem = {0};
    struct worker *worker;
    int64_t attempt = 0;
    size_t size;
    struct chunk_call *call = call_begin(request, context, sizeof *call);
    if (!call || call_param_id(request, &call->holder.task) != TG_OK) {
        return;
    }
    int error = query_needed(request, "worker", 1, INT64_MAX / 16, &call->holder.worker, &problem);
    error = error ? error : query_needed(request, "attempt", 1, 1000000, &attempt, &problem);
    error = error ? error : query_needed(request, "seq", 0, INT64_MAX / 16, &call->seq, &problem);
    error = error ? error : fleet_speaker(api, request, call->holder.worker, &worker, &problem);
    error = error ? error : http_on_free(request, release_chunk, call);
    call->holder.attempt = (int)attempt;
    call->now_ms = clock_wall_ms();
    http_body(request, &size);
    if (!error && size <= INLINE_MAX) {
        error = prepare(call, &problem);
    }
    if (call_failed(&call->call, error, &problem)) {
        return;
    }
    sched_beat(api->sched, call->holder.task, call->holder.attempt, call->holder.worker, api_now());
    if (call->prepared) {
        call_write(&call->call, insert_chunk, chunk_inserted);
    } else {
        call_read(&call->call, prepare_work, chunk_prepared);
    }
}

/* ---- done and fail ---- */

struct outcome_call {
    struct call call;
    struct task_holder holder;
    int64_t chunks, now_ms;
    bool partial;
    struct problem reason;
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
    } else if (outcome->task_state == TASK_PENDING) {
        sched_task_failed(api->sched, call->holder.task, call->holder.attempt, !failed && call->partial,
                          api_now());
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
    return task_fail(tx, &call->holder, &call->reason, SCHED_FAILURES_MAX, call->now_ms, &call->outcome,
                     problem);
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
    static const char *const names[] = {"worker", "attempt", "code", "detail", "field", NULL};
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
    error = error ? error : fleet_speaker(context, request, call->holder.worker, &worker, &problem);
    if (call_failed(&call->call, error, &problem)) {
        return;
    }
    problem_set(&call->reason, tg_error_from_code(code), field, "%s", detail);
    call_write(&call->call, write_fail, fail_written);
}
