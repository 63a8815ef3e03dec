/* job_calls.c - GET /jobs, GET /jobs/{id}, cancel, pause, resume, live; and jobs that end by themselves. */
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/kinds/kind.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"
#include "server/api/live.h"

/* ---- the list ---- */

struct jobs_list {
    struct list_call list;
    struct store_tx *tx;
    unsigned states;
    const char *kind;
};

static int add_job(void *arg, const struct job_row *row) {
    struct jobs_list *call = arg;
    int error;
    json_t *document = job_document(call->tx, row, true, &error);
    return document ? list_add(&call->list, row->id, document) : error;
}

static int list_jobs(struct store_tx *tx, void *arg, struct problem *problem) {
    struct jobs_list *call = arg;
    call->tx = tx;
    struct job_query query = {.states = call->states,
                              .kind = call->kind,
                              .cursor = call->list.cursor,
                              .limit = (int)call->list.limit + 1};
    return list_work_result(job_list(tx, &query, add_job, call));
}

static void jobs_listed(void *arg, int error, const struct problem *problem) {
    struct jobs_list *call = arg;
    size_t index;
    json_t *document;
    if (!error) {
        json_array_foreach(call->list.items, index, document) {
            job_overlay(call->list.call.api, document);
        }
    }
    list_done(&call->list, error, problem);
}

static int parse_states(const char *text, unsigned *out, struct problem *problem) {
    enum job_state state;
    *out = 0;
    if (text && job_state_parse(text, &state) != TG_OK) {
        return problem_set(problem, TG_EOUT_OF_RANGE, "state",
                           "must be queued, running, paused, succeeded, failed or cancelled, is %.40s", text);
    }
    if (text) {
        *out = 1u << state;
    }
    return TG_OK;
}

void handle_jobs_list(struct http_request *request, void *context) {
    struct problem problem = {0};
    struct jobs_list *call = (struct jobs_list *)list_begin(request, context, sizeof *call);
    if (!call) {
        return;
    }
    call->kind = http_query(request, "kind");
    if (call->kind && !kind_find(call->kind)) {
        kind_unknown(call->kind, &problem);
        http_reply_problem(request, &problem);
        return;
    }
    if (parse_states(http_query(request, "state"), &call->states, &problem) != TG_OK) {
        http_reply_problem(request, &problem);
        return;
    }
    call_read(&call->list.call, list_jobs, jobs_listed);
}

void handle_job_get(struct http_request *request, void *context) {
    int64_t id;
    if (call_param_id(request, &id) == TG_OK) {
        jobs_reply(request, context, id);
    }
}

/* ---- steering ---- */

struct steer_call {
    struct call call;
    int64_t id, now_ms;
    bool changed;
};

static int cancel(struct store_tx *tx, void *arg, struct problem *problem) {
    struct steer_call *call = arg;
    return job_end(tx, call->id, JOB_CANCELLED, NULL, call->now_ms, &call->changed, problem);
}

static void cancelled(void *arg, int error, const struct problem *problem) {
    struct steer_call *call = arg;
    struct api *api = call->call.api;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    if (call->changed) {
        sched_job_end(api->sched, call->id, false);
        struct job *job = jobs_find(api->jobs, call->id);
        jobs_ended(api->jobs, call->id);
        if (job) {
            streams_wake(api, job);
        }
        api_changed(api);
    }
    jobs_reply(call->call.request, api, call->id);
}

static int pause_job(struct store_tx *tx, void *arg, struct problem *problem) {
    return job_pause(tx, ((struct steer_call *)arg)->id, problem);
}

static int resume_job(struct store_tx *tx, void *arg, struct problem *problem) {
    return job_resume(tx, ((struct steer_call *)arg)->id, problem);
}

static void steered(struct steer_call *call, int error, const struct problem *problem, bool paused) {
    struct api *api = call->call.api;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    sched_job_pause(api->sched, call->id, paused);
    jobs_touch(api->jobs, call->id);
    api_changed(api);
    jobs_reply(call->call.request, api, call->id);
}

static void paused(void *arg, int error, const struct problem *problem) {
    steered(arg, error, problem, true);
}

static void resumed(void *arg, int error, const struct problem *problem) {
    steered(arg, error, problem, false);
}

static void steer(struct http_request *request, void *context, store_work work, store_done done) {
    struct steer_call *call = call_begin(request, context, sizeof *call);
    if (call && call_param_id(request, &call->id) == TG_OK) {
        call->now_ms = clock_wall_ms();
        call_write(&call->call, work, done);
    }
}

void handle_job_cancel(struct http_request *request, void *context) {
    steer(request, context, cancel, cancelled);
}

void handle_job_pause(struct http_request *request, void *context) {
    steer(request, context, pause_job, paused);
}

void handle_job_resume(struct http_request *request, void *context) {
    steer(request, context, resume_job, resumed);
}

/* Only that it exists is asked of the store; one that is not in memory has no game under way. */
struct live_call {
    struct call call;
    int64_t id;
};

static int find_job(struct store_tx *tx, void *arg, struct problem *problem) {
    return call_job_exists(tx, ((struct live_call *)arg)->id, problem);
}

static void job_found(void *arg, int error, const struct problem *problem) {
    struct live_call *call = arg;
    struct api *api = call->call.api;
    if (!call_failed(&call->call, error, problem)) {
        http_reply_json(call->call.request, 200,
                        json_pack("{s:o}", "games", live_games(api, jobs_find(api->jobs, call->id))));
    }
}

void handle_job_live(struct http_request *request, void *context) {
    struct live_call *call = call_begin(request, context, sizeof *call);
    if (call && call_param_id(request, &call->id) == TG_OK) {
        call_read(&call->call, find_job, job_found);
    }
}

/* ---- jobs that end without a person ---- */

struct ending {
    struct api *api;
    int64_t id, now_ms;
    enum job_state state;
    bool changed, has_reason;
    struct problem reason;
};

static int write_end(struct store_tx *tx, void *arg, struct problem *problem) {
    struct ending *ending = arg;
    int error = job_end(tx, ending->id, ending->state, ending->has_reason ? &ending->reason : NULL,
                        ending->now_ms, &ending->changed, problem);
    return error == TG_EWRONG_STATE ? TG_OK : error; /* somebody was faster */
}

static void end_written(void *arg, int error, const struct problem *problem) {
    struct ending *ending = arg;
    if (!error && ending->changed) {
        sched_job_end(ending->api->sched, ending->id, ending->state == JOB_SUCCEEDED);
        jobs_ended(ending->api->jobs, ending->id);
        api_changed(ending->api);
    }
    free(ending);
}

void job_end_by_itself(struct api *api, int64_t id, enum job_state state, const struct problem *reason) {
    struct ending *ending = calloc(1, sizeof *ending);
    if (!ending) {
        return; /* it is found again when the server is started the next time */
    }
    *ending = (struct ending){
        .api = api, .id = id, .now_ms = clock_wall_ms(), .state = state, .has_reason = reason != NULL};
    if (reason) {
        ending->reason = *reason;
    }
    if (store_write(api->store, write_end, end_written, ending) != TG_OK) {
        free(ending);
    }
}
