/* beats.c - POST /tasks/{id}/beat: the task is alive, and this is how far it is.
 *
 * A beat without metrics or log lines touches only memory and is answered at once; one with them is answered
 * after they are on disk. A repeated sequence adds nothing twice.
 *
 * Everything is read and checked before anything is done, and unknown members are refused: a beat is taken
 * whole or not at all. The lease is moved on (sched_beat) before the write is queued, because it is the
 * beat's arrival that shows life, not the disk's speed.
 *
 * Progress is what a beat says last, so it is kept in memory only (live.h) and is not counted in any sum:
 * units count when their chunk is stored. After a restart of the coordinator the next beat brings it back.
 *
 * The answer is how the coordinator speaks to a runner: drain, or how soon it wants the next beat. A third of
 * the lease, so that two beats may be lost; each second while somebody watches a game of the job. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/wire/json.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"
#include "server/api/live.h"

enum { METRICS_MAX = 10000, LINES_MAX = 10000, LIVE_MAX = 64, TEXT_MAX = 16384 };

struct beat_call {
    struct call call;
    struct task_holder holder;
    struct worker *worker;
    int64_t sequence, done;
    double rate_per_s;
    json_t *games;
    json_t *shown_metrics, *shown_lines; /* for the listeners; borrowed from the body */
    struct metric_new *metrics;
    struct log_new *lines;
    size_t metric_count, line_count;
    bool regrant, repeated;
    int64_t job;
};

/* ---- reading ---- */

static int number_of(const json_t *object, const char *name, double *out, struct problem *problem) {
    const json_t *value = json_object_get(object, name);
    *out = json_number_value(value);
    return json_is_number(value) && isfinite(*out)
               ? TG_OK
               : problem_set(problem, value ? TG_EWRONG_TYPE : TG_EMISSING_FIELD, name,
                             "must be a finite number");
}

static int read_metrics(struct beat_call *call, const json_t *list, struct problem *problem) {
    static const char *const names[] = {"name", "step", "value", NULL};
    if (list && (!json_is_array(list) || json_array_size(list) > METRICS_MAX)) {
        return problem_set(problem, TG_EWRONG_TYPE, "metrics", "must be a list of at most %d", METRICS_MAX);
    }
    size_t count = json_array_size(list);
    call->metrics = http_alloc(call->call.request, count * sizeof *call->metrics + 1);
    int error = call->metrics ? TG_OK : TG_ENO_MEMORY;
    for (size_t i = 0; i < count && !error; i++) {
        const json_t *one = json_array_get(list, i);
        struct metric_new *metric = &call->metrics[i];
        metric->time_ms = clock_wall_ms();
        error = json_is_object(one) ? json_only(one, names, problem)
                                    : problem_set(problem, TG_EWRONG_TYPE, NULL, "must hold objects");
        error = error ? error : json_get_string(one, "name", 100, &metric->name, problem);
        error = error ? error : json_get_int(one, "step", 0, INT64_MAX / 16, &metric->step, problem);
        error = error ? error : number_of(one, "value", &metric->value, problem);
        if (error) {
            problem_prefix(problem, "metrics");
        }
    }
    call->metric_count = count;
    return error;
}

static int read_level(const char *level, struct problem *problem) {
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(level, levels[i]) == 0) {
            return TG_OK;
        }
    }
    return problem_set(problem, TG_EINVALID, "level", "must be debug, info, warn or error, is %.20s", level);
}

static int read_lines(struct beat_call *call, const json_t *list, struct problem *problem) {
    static const char *const names[] = {"time_ms", "level", "text", NULL};
    if (list && (!json_is_array(list) || json_array_size(list) > LINES_MAX)) {
        return problem_set(problem, TG_EWRONG_TYPE, "log", "must be a list of at most %d", LINES_MAX);
    }
    size_t count = json_array_size(list);
    call->lines = http_alloc(call->call.request, count * sizeof *call->lines + 1);
    int error = call->lines ? TG_OK : TG_ENO_MEMORY;
    for (size_t i = 0; i < count && !error; i++) {
        const json_t *one = json_array_get(list, i);
        struct log_new *line = &call->lines[i];
        error = json_is_object(one) ? json_only(one, names, problem)
                                    : problem_set(problem, TG_EWRONG_TYPE, NULL, "must hold objects");
        error = error ? error : json_get_int(one, "time_ms", 0, INT64_MAX / 16, &line->time_ms, problem);
        error = error ? error : json_get_string(one, "level", 8, &line->level, problem);
        error = error ? error : read_level(line->level, problem);
        error = error ? error : json_get_string(one, "text", TEXT_MAX, &line->text, problem);
        if (error) {
            problem_prefix(problem, "log");
        }
    }
    call->line_count = count;
    return error;
}

static int read_live(struct beat_call *call, json_t *list, struct problem *problem) {
    if (list && (!json_is_array(list) || json_array_size(list) > LIVE_MAX)) {
        return problem_set(problem, TG_EWRONG_TYPE, "progress.live", "must be a list of at most %d",
                           LIVE_MAX);
    }
    size_t index;
    json_t *game;
    json_array_foreach(list, index, game) {
        if (!json_is_object(game)) {
            return problem_set(problem, TG_EWRONG_TYPE, "progress.live", "must hold objects");
        }
    }
    call->games = list;
    return TG_OK;
}

static int read_progress(struct beat_call *call, const json_t *body, struct problem *problem) {
    static const char *const names[] = {"done", "rate_per_s", "live", NULL};
    const json_t *progress = json_object_get(body, "progress");
    if (!progress) {
        return TG_OK;
    }
    if (!json_is_object(progress)) {
        return problem_set(problem, TG_EWRONG_TYPE, "progress", "must be an object");
    }
    int error = json_only(progress, names, problem);
    error = error ? error : json_get_int_or(progress, "done", 0, INT64_MAX / 16, 0, &call->done, problem);
    if (!error && json_object_get(progress, "rate_per_s")) {
        error = number_of(progress, "rate_per_s", &call->rate_per_s, problem);
    }
    if (error) {
        problem_prefix(problem, "progress");
        return error;
    }
    return read_live(call, json_object_get(progress, "live"), problem);
}

static int read_beat(struct beat_call *call, const json_t *body, struct problem *problem) {
    static const char *const names[] = {"worker", "attempt", "progress", "metrics", "log", "sequence", NULL};
    int64_t attempt = 0;
    int error = json_only(body, names, problem);
    error = error ? error : json_get_int(body, "worker", 1, INT64_MAX / 16, &call->holder.worker, problem);
    error = error ? error : json_get_int(body, "attempt", 1, 1000000, &attempt, problem);
    error = error ? error : json_get_int_or(body, "sequence", 0, INT64_MAX / 16, 0, &call->sequence, problem);
    error = error ? error : read_progress(call, body, problem);
    call->shown_metrics = json_object_get(body, "metrics");
    call->shown_lines = json_object_get(body, "log");
    error = error ? error : read_metrics(call, call->shown_metrics, problem);
    error = error ? error : read_lines(call, call->shown_lines, problem);
    call->holder.attempt = (int)attempt;
    return error;
}

/* ---- answering ---- */

static void reply(struct beat_call *call) {
    struct api *api = call->call.api;
    int normal = api->settings.lease_s / 3;
    bool watched = events_watched(api->events, EVENTS_LIVE, call->job);
    http_reply_json(call->call.request, 200,
                    json_pack("{s:s, s:i}", "action",
                              call->worker->state == WORKER_DRAIN ? "drain" : "continue", "beat_s",
                              watched || normal < 1 ? 1 : normal));
}

/* A lease that had lapsed is on again first, or the lines of its holder would be refused. */
static int write_beat(struct store_tx *tx, void *arg, struct problem *problem) {
    struct beat_call *call = arg;
    int error = call->regrant ? task_regrant(tx, &call->holder, problem) : TG_OK;
    if (error || call->metric_count + call->line_count == 0) {
        return error;
    }
    struct beat_new beat = {.holder = call->holder,
                            .sequence = call->sequence,
                            .metrics = call->metrics,
                            .metric_count = call->metric_count,
                            .lines = call->lines,
                            .line_count = call->line_count};
    return beat_insert(tx, &beat, &call->repeated, problem);
}

static void publish_items(struct beat_call *call, const char *name, json_t *items) {
    struct api *api = call->call.api;
    if (json_array_size(items) && events_wanted(api->events, EVENTS_JOB, call->job)) {
        events_publish(api->events, EVENTS_JOB, call->job, name,
                       json_pack("{s:I, s:I, s:O}", "job", (json_int_t)call->job, "task",
                                 (json_int_t)call->holder.task, "items", items));
    }
}

static void beat_written(void *arg, int error, const struct problem *problem) {
    struct beat_call *call = arg;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    if (!call->repeated) {
        publish_items(call, "metric", call->shown_metrics);
        publish_items(call, "log", call->shown_lines);
    }
    reply(call);
}

/* A unit that has used its budget still has an end to come: what it learned is measured and stored. */
#define SHARE_MAX 0.99

/* The last word on how far the unit in hand is; `before` when this beat says nothing of it. */
static double share_of(const struct beat_call *call, double before) {
    double share = before;
    for (size_t i = 0; i < call->metric_count; i++) {
        if (strcmp(call->metrics[i].name, "progress") == 0) {
            share = fmin(fmax(call->metrics[i].value, 0), SHARE_MAX);
        }
    }
    return share;
}

/* What is shown of the task from now on. Another attempt's entry is left alone: this beat was on its way when
 * the task went to somebody else. */
static void remember(struct beat_call *call) {
    struct api *api = call->call.api;
    struct live_task *entry = live_find(api->live, call->holder.task);
    if (!entry || entry->attempt != call->holder.attempt) {
        return;
    }
    call->job = entry->job->id;
    entry->done = call->done;
    entry->rate_per_s = call->rate_per_s;
    double share = share_of(call, entry->share);
    if (share != entry->share) {
        entry->share = share;
        jobs_advanced(entry->job);
    }
    if (call->games) {
        json_decref(entry->games);
        entry->games = json_incref(call->games);
        jobs_touch_live(api->jobs, entry->job);
    }
    jobs_touch(api->jobs, call->job);
}

/* ---- a lease that its worker does not have ---- */

static int ignore_row(void *arg, const struct task_row *row) {
    return 0;
}

/* The scheduler forgets tasks that are over, and cannot tell one of them from one that never was: a task that
 * another database knew (404). Only of those does an agent keep what it has finished (docs/agent.md). */
static int look_for_task(struct store_tx *tx, void *arg, struct problem *problem) {
    const struct beat_call *call = arg;
    int error = task_get(tx, call->holder.task, ignore_row, NULL);
    if (error == TG_ENOT_FOUND)
        return problem_set(problem, error, "id", "there is no task %lld", (long long)call->holder.task);
    return error ? error
                 : problem_set(problem, TG_ELEASE_LOST, NULL,
                               "attempt %d of task %lld is not (any more) worker %lld's; stop it",
                               call->holder.attempt, (long long)call->holder.task,
                               (long long)call->holder.worker);
}

static void task_looked_for(void *arg, int error, const struct problem *problem) {
    struct beat_call *call = arg;
    call_failed(&call->call, error, problem); /* it always has: the lease is not there */
}

void handle_task_beat(struct http_request *request, void *context) {
    struct api *api = context;
    struct problem problem = {0};
    json_t *body = call_json(request);
    struct beat_call *call;
    if (!body || !(call = call_begin(request, context, sizeof *call)) ||
        call_param_id(request, &call->holder.task) != TG_OK) {
        return;
    }
    int error = read_beat(call, body, &problem);
    error = error ? error : fleet_speaker(api, request, call->holder.worker, &call->worker, &problem);
    if (call_failed(&call->call, error, &problem)) {
        return;
    }
    enum sched_held held =
        sched_beat(api->sched, call->holder.task, call->holder.attempt, call->holder.worker, api_now());
    if (held == SCHED_LOST) {
        call_read(&call->call, look_for_task, task_looked_for);
        return;
    }
    api->counters.beats++;
    call->regrant = held == SCHED_REGRANTED;
    remember(call);
    if (call->regrant || call->metric_count + call->line_count > 0) {
        call_write(&call->call, write_beat, beat_written);
    } else {
        reply(call);
    }
}
