/* leases.c - POST /workers/{id}/lease: what a worker is to do next.
 *
 *     confirm_all: what the worker still has, or gets back after a lapse
 *        |
 *        v
 *     grant: decide, reserve in memory ---> store task_lease, each its own write ---> all written: answer
 *        |                                                                                   ^
 *        | nothing to do                                                                     |
 *        v                                                                                   |
 *     parked ---- the scheduler's generation has moved and there is something (offer) -------+
 *        |
 *        +------- wait_s over, its state changed, another call of this worker --> answer, empty
 *        |
 *        +------- the disk has become nearly full, or has room again --> answer with work or the new reason
 *
 * The order of confirm and grant matters: what a worker names in `holding` must be known as held before it is
 * decided whether anything is free, or it could be given its own lapsed task as a new attempt.
 *
 * Memory first, then the disk (sched.h): the task is reserved before the write is queued, so that two workers
 * who ask in one turn of the loop do not get the same one. Each lease is a write of its own and not one for
 * all, so that one that is refused (its job was cancelled meanwhile) does not take the others with it; they
 * share a commit anyhow.
 *
 * What can have changed when the writes come back: the job may have ended (append_tasks leaves it out), the
 * client may have hung up (the answer goes nowhere, and its next `holding` gives the tasks back). The call's
 * memory is the request's, and a request with writes under way has not been replied to, so it is still there.
 *
 * A worker has one call here at a time: a new one answers the one before it, which nobody reads any more.
 * A worker that ends says so ("leaving"): it is offline from then on, and what it does not name in `holding`
 * is handed out again at once; what it names is kept for its next start until the lease lapses. Before a
 * parked call is given work its connection is looked at, so that a task does not go to a caller who has hung
 * up; a task whose answer is lost all the same is not in the worker's next `holding` and is handed out again
 * at once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/rng.h"
#include "proto/wire/json.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"
#include "server/api/inputs.h"
#include "server/api/jobs.h"
#include "server/api/live.h"

enum { FREE_MAX = 256, HOLDING_MAX = 1024, WAIT_MAX_S = 60 };

struct lease_call;

struct grant {
    struct lease_call *lease;
    struct sched_lease what;
    int64_t units_done;
    char *inputs, *resume; /* JSON text; NULL: it has none */
    bool failed;
    bool missing; /* an input that is not there: the job cannot go on */
};

struct regrant {
    struct lease_call *lease;
    struct task_holder holder;
    bool failed;
};

struct parked {
    struct wait wait; /* first: the wait is the parked call */
    struct lease_call *lease;
};

struct lease_call {
    struct call call;
    int64_t worker;
    int64_t free, wait_s;
    bool leaving;
    struct grant *grants;
    int grant_count;
    struct regrant *holding;
    int holding_count;
    int writing; /* writes that have not come back */
    bool full;   /* everything was queued: when `writing` is 0 the answer can be made */
    const char *reason;
    bool drain;
    struct problem problem; /* why a lease could not be stored */
    struct parked parked;
};

/* ---- the answer ---- */

/* From the job's seed and the task's place in it alone: every attempt gets the same. */
static uint64_t task_seed(const struct job *job, int64_t index) {
    struct rng rng;
    rng_seed_stream(&rng, job->seed, (uint64_t)index);
    return rng_next(&rng) >> 11; /* 53 bits: exact in every JSON reader */
}

/* By hand, because config and inputs are JSON text already. */
static int append_task(struct buf *out, const struct job *job, const struct grant *grant) {
    const struct sched_lease *lease = &grant->what;
    return buf_printf(
        out,
        "{\"id\":%" PRId64 ",\"job\":%" PRId64 ",\"job_name\":%s,\"kind\":\"%s\",\"attempt\":%d,"
        "\"index\":%" PRId64 ",\"units\":%" PRId64 ",\"units_done\":%" PRId64 ",\"seed\":%" PRIu64
        ",\"config\":%s,\"inputs\":%s,\"resume\":%s,\"hang_s\":%d,\"memory_bytes\":0}",
        lease->task, lease->job, job->name, job->kind_name, lease->attempt, lease->index, lease->units,
        grant->units_done, task_seed(job, lease->index), job->config, grant->inputs ? grant->inputs : "{}",
        grant->resume ? grant->resume : "null", job->patience_s);
}

static int append_tasks(struct lease_call *call, struct buf *out) {
    struct api *api = call->call.api;
    int count = 0, error = buf_append_text(out, "{\"tasks\":[");
    for (int i = 0; i < call->grant_count && !error; i++) {
        const struct job *job = jobs_find(api->jobs, call->grants[i].what.job);
        if (call->grants[i].failed || !job || !job->open) {
            continue; /* cancelled meanwhile: the store has refused it or will tell the worker at its first
                         beat */
        }
        error = count++ ? buf_append_text(out, ",") : TG_OK;
        error = error ? error : append_task(out, job, &call->grants[i]);
    }
    return error ? error : buf_append_text(out, "]");
}

static int append_held(const struct lease_call *call, struct buf *out) {
    int count = 0, error = buf_append_text(out, ",\"held\":[");
    for (int i = 0; i < call->holding_count && !error; i++) {
        const struct regrant *held = &call->holding[i];
        if (!held->failed) {
            error = buf_printf(out, "%s{\"task\":%" PRId64 ",\"attempt\":%d}", count++ ? "," : "",
                               held->holder.task, held->holder.attempt);
        }
    }
    return error ? error : buf_append_text(out, "]");
}

/* The disk is in trouble: an error makes the worker back off, where an empty answer would make it ask again.
 */
static bool refused_by_store(const struct lease_call *call) {
    for (int i = 0; i < call->grant_count; i++) {
        if (!call->grants[i].failed) {
            return false;
        }
    }
    return call->problem.error && call->problem.error != TG_EWRONG_STATE &&
           call->problem.error != TG_ENOT_FOUND;
}

static void answer(struct lease_call *call) {
    struct buf out = BUF_INIT;
    if (refused_by_store(call)) {
        call_failed(&call->call, call->problem.error, &call->problem);
        return;
    }
    int error = append_tasks(call, &out);
    error = error ? error : append_held(call, &out);
    if (!error && call->reason) {
        error = buf_printf(&out, ",\"wait_reason\":\"%s\"", call->reason);
    }
    error = error ? error : buf_printf(&out, ",\"drain\":%s}", call->drain ? "true" : "false");
    if (error) {
        buf_free(&out);
        http_reply_error(call->call.request, TG_ENO_MEMORY, NULL,
                         "the server is out of memory; try again later");
        return;
    }
    http_reply_buf(call->call.request, 200, "application/json", &out);
}

static void answer_when_written(struct lease_call *call) {
    if (call->full && call->writing == 0) {
        answer(call);
    }
}

/* ---- granting ---- */

struct job_inputs {
    struct store_tx *tx;
    json_t *resolved;
    struct problem *problem;
};

static int resolve_inputs(void *arg, const struct job_row *row) {
    struct job_inputs *inputs = arg;
    return inputs_resolve(inputs->tx, row->inputs, &inputs->resolved, inputs->problem);
}

/* What an earlier attempt has reached. */
static int find_resume(struct store_tx *tx, struct grant *grant) {
    struct resume_pair pair;
    char checkpoint[SHA256_HEX], state[SHA256_HEX];
    int error = grant->what.attempt > 1 ? resume_find(tx, grant->what.task, &pair) : TG_ENOT_FOUND;
    if (error) {
        return error == TG_ENOT_FOUND ? TG_OK : error;
    }
    sha256_hex(pair.checkpoint, checkpoint);
    sha256_hex(pair.state, state);
    json_t *resume =
        json_pack("{s:{s:s}, s:{s:s}}", "checkpoint", "sha256", checkpoint, "state", "sha256", state);
    grant->resume = resume ? json_dumps(resume, JSON_COMPACT) : NULL;
    json_decref(resume);
    return grant->resume ? TG_OK : TG_ENO_MEMORY;
}

static int write_lease(struct store_tx *tx, void *arg, struct problem *problem) {
    struct grant *grant = arg;
    struct task_holder holder = {grant->what.task, grant->lease->worker, grant->what.attempt};
    struct job_inputs inputs = {.tx = tx, .problem = problem};
    int error = task_lease(tx, &holder, clock_wall_ms(), &grant->units_done, problem);
    if (!error) {
        error = job_get(tx, grant->what.job, resolve_inputs, &inputs);
        grant->missing = error == TG_ENOT_FOUND;
    }
    if (!error) {
        grant->inputs = json_dumps(inputs.resolved, JSON_COMPACT);
        error = grant->inputs ? find_resume(tx, grant) : TG_ENO_MEMORY;
    }
    json_decref(inputs.resolved);
    return error;
}

static void release_grants(void *arg) {
    struct lease_call *call = arg;
    for (int i = 0; i < call->grant_count; i++) {
        free(call->grants[i].inputs);
        free(call->grants[i].resume);
    }
}

static void lease_written(void *arg, int error, const struct problem *problem) {
    struct grant *grant = arg;
    struct lease_call *call = grant->lease;
    struct api *api = call->call.api;
    grant->failed = error != TG_OK;
    if (error) {
        sched_lease_undo(api->sched, grant->what.task, grant->what.attempt);
        call->reason = "the coordinator could not store the lease";
        call->problem = *problem;
        call->problem.error = error;
        if (grant->missing) {
            call->reason = "an input of the job is missing";
            job_end_by_itself(api, grant->what.job, JOB_FAILED, problem);
        }
        api_changed(api);
    } else {
        struct job *job = jobs_find(api->jobs, grant->what.job);
        api->counters.leases_granted++;
        if (job && job->open) {
            live_task(api->live, job, grant->what.task, grant->what.attempt, call->worker);
        }
        jobs_touch(api->jobs, grant->what.job);
    }
    call->writing--;
    answer_when_written(call);
}

/* Takes one task for the worker. False when there is none. */
static bool grant_one(struct lease_call *call, bool storage_full) {
    struct api *api = call->call.api;
    struct sched_decision decision = sched_decide(api->sched, call->worker, storage_full);
    call->drain = decision.drain;
    if (!decision.found) {
        call->reason = decision.reason;
        return false;
    }
    struct grant *grant = &call->grants[call->grant_count];
    if (sched_lease(api->sched, &decision.lease, call->worker, api_now()) != TG_OK) {
        call->reason = "the coordinator is out of memory";
        return false;
    }
    *grant = (struct grant){.lease = call, .what = decision.lease};
    if (store_write(api->store, write_lease, lease_written, grant) != TG_OK) {
        sched_lease_undo(api->sched, grant->what.task, grant->what.attempt);
        call->reason = "too much is waiting for the coordinator's disk";
        return false;
    }
    call->grant_count++;
    call->writing++;
    return true;
}

static void grant(struct lease_call *call) {
    bool full = api_disk_full(call->call.api);
    if (call->free == 0) { /* it only wants to hear whether it is to stop */
        call->reason = "the worker has no runner free";
        call->drain = sched_decide(call->call.api->sched, call->worker, full).drain;
        return;
    }
    call->reason = NULL;
    while (call->grant_count < call->free && grant_one(call, full)) {
    }
    if (call->grant_count > 0) {
        call->reason = NULL;
        api_changed(call->call.api);
    }
}

/* ---- parking ---- */

static void unpark(struct lease_call *call) {
    struct worker *worker = fleet_find(call->call.api->fleet, call->worker);
    waits_remove(&call->call.api->waits, &call->parked.wait);
    if (worker && worker->parked == &call->parked) {
        worker->parked = NULL;
        worker->contact_ms = api_now();
    }
}

static void parked_expired(struct wait *wait) {
    struct lease_call *call = ((struct parked *)wait)->lease;
    unpark(call);
    if (call->call.api->stopping) {
        http_reply_error(call->call.request, TG_ESHUTTING_DOWN, NULL,
                         "the server is stopping; try again in a few seconds");
    } else {
        answer(call);
    }
}

static void park(struct lease_call *call, struct worker *worker) {
    call->parked.lease = call;
    call->parked.wait.expired = parked_expired;
    worker->parked = &call->parked;
    waits_add(&call->call.api->waits, &call->parked.wait, 1000 * call->wait_s);
}

void leases_refuse(struct api *api, struct parked *parked) {
    unpark(parked->lease);
    answer(parked->lease);
}

/* Asked without storage_full: that is looked up only when there is something to grant (grant). */
static void offer(struct api *api, struct parked *parked) {
    struct lease_call *call = parked->lease;
    struct sched_decision decision = sched_decide(api->sched, call->worker, false);
    if (!decision.drain && (call->free == 0 || !decision.found)) {
        call->reason = call->free ? decision.reason : call->reason;
        return;
    }
    if (http_peer_is_gone(call->call.request)) {
        leases_refuse(api, parked);
        return;
    }
    grant(call);
    if (call->grant_count > 0 || call->drain) {
        unpark(call);
        call->full = true;
        answer_when_written(call);
    }
}

void leases_offer(struct api *api) {
    size_t at = 0;
    struct worker *worker;
    while ((worker = fleet_next(api->fleet, &at))) {
        if (worker->parked) {
            offer(api, worker->parked);
        }
    }
}

void leases_answer(struct api *api) {
    size_t at = 0;
    struct worker *worker;
    while ((worker = fleet_next(api->fleet, &at))) {
        if (worker->parked) {
            struct lease_call *call = worker->parked->lease;
            if (!http_peer_is_gone(call->call.request)) {
                grant(call);
            }
            unpark(call);
            call->full = true;
            answer_when_written(call);
        }
    }
}

/* ---- what the worker still has ---- */

static int write_regrant(struct store_tx *tx, void *arg, struct problem *problem) {
    return task_regrant(tx, &((struct regrant *)arg)->holder, problem);
}

static void regranted(void *arg, int error, const struct problem *problem) {
    struct regrant *held = arg;
    struct lease_call *call = held->lease;
    held->failed = error != TG_OK;
    /* The scheduler holds it for leased until it lapses again, which the store knows already. */
    call->call.api->counters.leases_regranted += !held->failed;
    call->writing--;
    answer_when_written(call);
}

static void confirm(struct lease_call *call, struct regrant *held) {
    struct api *api = call->call.api;
    held->lease = call;
    enum sched_held state =
        sched_beat(api->sched, held->holder.task, held->holder.attempt, call->worker, api_now());
    held->failed = state == SCHED_LOST;
    if (state == SCHED_REGRANTED) {
        if (store_write(api->store, write_regrant, regranted, held) == TG_OK) {
            call->writing++;
        } else {
            held->failed = true; /* confirm_all gives it up: it is not among what the worker holds */
        }
    }
}

static void confirm_all(struct lease_call *call) {
    int64_t tasks[HOLDING_MAX];
    size_t count = 0;
    for (int i = 0; i < call->holding_count; i++) {
        confirm(call, &call->holding[i]);
        if (!call->holding[i].failed) {
            tasks[count++] = call->holding[i].holder.task;
        }
    }
    sched_worker_holds(call->call.api->sched, call->worker, tasks, count);
    api_changed(call->call.api);
}

/* ---- the call ---- */

static int read_holding(struct lease_call *call, const json_t *list, struct problem *problem) {
    if (list && (!json_is_array(list) || json_array_size(list) > HOLDING_MAX)) {
        return problem_set(problem, TG_EWRONG_TYPE, "holding", "must be a list of at most %d", HOLDING_MAX);
    }
    call->holding_count = (int)json_array_size(list);
    call->holding = http_alloc(call->call.request, (size_t)call->holding_count * sizeof *call->holding + 1);
    int error = call->holding ? TG_OK : TG_ENO_MEMORY;
    for (int i = 0; i < call->holding_count && !error; i++) {
        const json_t *one = json_array_get(list, (size_t)i);
        struct task_holder *holder = &call->holding[i].holder;
        int64_t attempt = 0;
        error = json_is_object(one) ? json_get_int(one, "task", 1, INT64_MAX / 16, &holder->task, problem)
                                    : problem_set(problem, TG_EWRONG_TYPE, NULL, "must hold objects");
        if (!error) {
            error = json_get_int(one, "attempt", 1, 1000000, &attempt, problem);
        }
        if (error) {
            problem_prefix(problem, "holding");
        }
        holder->attempt = (int)attempt;
        holder->worker = call->worker;
    }
    return error;
}

static int read_leaving(struct lease_call *call, const json_t *leaving, struct problem *problem) {
    if (leaving && !json_is_boolean(leaving)) {
        return problem_set(problem, TG_EWRONG_TYPE, "leaving", "must be true or false");
    }
    call->leaving = json_is_true(leaving);
    if (call->leaving) {
        call->free = call->wait_s = 0;
    }
    return TG_OK;
}

static int read_call(struct lease_call *call, const json_t *body, struct problem *problem) {
    static const char *const names[] = {"free", "wait_s", "holding", "leaving", NULL};
    int error = json_only(body, names, problem);
    if (!error) {
        error = json_get_int(body, "free", 0, FREE_MAX, &call->free, problem);
    }
    if (!error) {
        error = json_get_int_or(body, "wait_s", 0, 3600, 0, &call->wait_s, problem);
    }
    call->wait_s = call->wait_s < WAIT_MAX_S ? call->wait_s : WAIT_MAX_S;
    if (!error) {
        error = read_leaving(call, json_object_get(body, "leaving"), problem);
    }
    if (!error) {
        error = read_holding(call, json_object_get(body, "holding"), problem);
    }
    if (!error) {
        call->grants = http_alloc(call->call.request, (size_t)call->free * sizeof *call->grants + 1);
        error = call->grants ? http_on_free(call->call.request, release_grants, call) : TG_ENO_MEMORY;
    }
    return error;
}

void handle_worker_lease(struct http_request *request, void *context) {
    struct api *api = context;
    struct problem problem = {0};
    struct worker *worker = NULL;
    json_t *body = call_json(request);
    struct lease_call *call;
    if (!body || !(call = call_begin(request, context, sizeof *call)) ||
        call_param_id(request, &call->worker) != TG_OK) {
        return;
    }
    int error = read_call(call, body, &problem);
    if (!error) {
        error = fleet_speaker(api, request, call->worker, &worker, &problem);
    }
    if (call_failed(&call->call, error, &problem)) {
        return;
    }
    TG_ASSERT(worker);
    if (worker->parked) {
        leases_refuse(api, worker->parked);
    }
    confirm_all(call);
    if (call->leaving) {
        fleet_left(api, worker);
    }
    grant(call);
    if (call->grant_count == 0 && call->writing == 0 && call->wait_s > 0 && !call->drain && !api->stopping) {
        park(call, worker);
        return;
    }
    call->full = true;
    answer_when_written(call);
}
