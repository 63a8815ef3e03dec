/* jobs.c - see jobs.h. One entry a job, and three sorts of readers that are kept from asking the store too
 * often.
 *
 *     leases      read job->config, inputs, seed: of open jobs, always here
 *     GET         a ready answer, good while job->version and the weather are what they were when it was read
 *     listeners   told at most every PUBLISH_MS, and what changes within COALESCE_MS is told together
 *
 * version counts what changes the one job (a chunk, a lease, a beat), weather what changes the reasons of all
 * (a worker comes or goes). Both are noted before the store is asked, so an answer that was overtaken while
 * it was read is stale at once, and never the other way round.
 *
 * To be published is a flag in the entry and a place in one list, so that a job with a thousand chunks a
 * second costs the loop one assignment for each.
 *
 * Ended jobs are kept while people look at them, READY_MAX at most; the one not looked at for longest goes.
 * Open ones never go: the scheduler may give out their tasks at any time.
 */
#include "server/api/jobs.h"

#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/json.h"
#include "server/api/idmap.h"
#include "server/api/live.h"
#include "server/api/pace.h"

enum {
    READY_MAX = 1024, /* answers kept */
    PUBLISH_MS = 500, /* a job is sent to listeners at most this often */
    COALESCE_MS = 20, /* what changes together is sent together */
};

struct jobs {
    struct api *api;
    struct idmap table;
    size_t ended; /* jobs in the table that are not open */
    uint64_t weather, looks;
    uv_timer_t timer; /* runs while there is something to publish */
    struct job *to_publish;
    bool closing;
};

struct jobs *jobs_create(struct api *api) {
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs) {
        jobs->api = api;
        uv_timer_init(api->loop, &jobs->timer);
        jobs->timer.data = jobs;
    }
    return jobs;
}

void jobs_close(struct jobs *jobs) {
    if (jobs && !jobs->closing) {
        jobs->closing = true;
        uv_close((uv_handle_t *)&jobs->timer, NULL);
    }
}

static void release(struct job *job) {
    free(job->name);
    free(job->config);
    free(job->inputs);
    free(job->pace);
    http_canned_free(job->ready);
    free(job);
}

void jobs_destroy(struct jobs *jobs) {
    if (!jobs) {
        return;
    }
    size_t at = 0;
    struct job *job;
    while ((job = idmap_next(&jobs->table, &at))) {
        release(job);
    }
    idmap_free(&jobs->table);
    free(jobs);
}

struct job *jobs_find(struct jobs *jobs, int64_t id) {
    return idmap_get(&jobs->table, id);
}

/* ---- entries ---- */

/* The ended job that nobody has looked at for longest makes room. */
static void evict(struct jobs *jobs) {
    struct job *oldest = NULL, *job;
    size_t at = 0;
    while ((job = idmap_next(&jobs->table, &at))) {
        if (!job->open && !job->to_publish && !job->live_to_publish && !job->readers &&
            (!oldest || job->looked_at < oldest->looked_at)) {
            oldest = job;
        }
    }
    if (oldest) {
        idmap_remove(&jobs->table, oldest->id);
        jobs->ended--;
        release(oldest);
    }
}

static struct job *entry(struct jobs *jobs, int64_t id) {
    struct job *job = jobs_find(jobs, id);
    if (job) {
        return job;
    }
    if (jobs->ended >= READY_MAX) {
        evict(jobs);
    }
    job = calloc(1, sizeof *job);
    if (!job || idmap_put(&jobs->table, id, job) != TG_OK) {
        free(job);
        return NULL;
    }
    job->id = id;
    job->version = 1;
    jobs->ended++;
    return job;
}

static void read_config(struct job *job, const char *config) {
    json_t *object = null_or_text_json(config);
    job->seed = (uint64_t)json_integer_value(json_object_get(object, "seed"));
    if (job->kind && job->kind->score && job->kind->score->sprt_option) {
        job->sprt =
            json_is_true(json_object_get(json_object_get(object, job->kind->score->sprt_option), "enabled"));
    }
    job->patience_s = job->kind && job->kind->patience_s ? job->kind->patience_s(object) : KIND_PATIENCE_S;
    json_decref(object);
}

int jobs_open(struct jobs *jobs, const struct job_row *row, struct job **out) {
    struct job *job = entry(jobs, row->id);
    json_t *name = job ? json_string(row->name) : NULL;
    if (!name) {
        return TG_ENO_MEMORY;
    }
    jobs->ended -= !job->open;
    job->open = true;
    job->kind = kind_find(row->kind);
    strncpy(job->kind_name, row->kind, sizeof job->kind_name - 1);
    job->name = json_text(name);
    job->config = strdup(row->config);
    job->inputs = strdup(row->inputs);
    json_decref(name);
    if (!job->name || !job->config || !job->inputs) {
        return TG_ENO_MEMORY;
    }
    job->units_done = row->units_done;
    read_config(job, row->config);
    *out = job;
    return TG_OK;
}

void jobs_ended(struct jobs *jobs, int64_t id) {
    struct job *job = jobs_find(jobs, id);
    if (!job || !job->open) {
        return;
    }
    log_info("api", "job %lld has ended", (long long)id);
    live_forget_job(jobs->api->live, job);
    job->open = false;
    jobs->ended++;
    free(job->name);
    free(job->config);
    free(job->inputs);
    job->name = job->config = job->inputs = NULL;
    jobs_touch_live(jobs, job);
    jobs_touch(jobs, id);
}

/* ---- publishing ---- */

struct publish {
    struct api *api;
    int64_t id;
    json_t *document;
};

static int take_document(void *arg, const struct job_row *row) {
    json_t **out = ((void **)arg)[0];
    struct store_tx *tx = ((void **)arg)[1];
    int error;
    *out = job_document(tx, row, false, &error);
    return error;
}

static int read_document(struct store_tx *tx, void *arg, struct problem *problem) {
    struct publish *publish = arg;
    void *into[2] = {&publish->document, tx};
    return job_get(tx, publish->id, take_document, into);
}

static void publish_document(void *arg, int error, const struct problem *problem) {
    struct publish *publish = arg;
    if (!error) {
        job_overlay(publish->api, publish->document);
        events_publish(publish->api->events, EVENTS_JOBS | EVENTS_JOB, publish->id, "job", publish->document);
    }
    free(publish);
}

static void publish(struct jobs *jobs, struct job *job) {
    struct publish *publish = calloc(1, sizeof *publish);
    if (!publish) {
        return;
    }
    publish->api = jobs->api;
    publish->id = job->id;
    if (store_read(jobs->api->store, read_document, publish_document, publish) != TG_OK) {
        free(publish);
    }
}

static void publish_live(struct jobs *jobs, struct job *job) {
    json_t *data = json_pack("{s:I, s:o}", "job", (json_int_t)job->id, "games", live_games(jobs->api, job));
    events_publish(jobs->api->events, EVENTS_LIVE, job->id, "live", data);
}

static int64_t due_of(const struct job *job) {
    int64_t due = INT64_MAX;
    if (job->to_publish) {
        due = job->published_ms + PUBLISH_MS;
    }
    if (job->live_to_publish && job->live_published_ms + PUBLISH_MS < due) {
        due = job->live_published_ms + PUBLISH_MS;
    }
    return due;
}

static void on_timer(uv_timer_t *timer);

static void arm(struct jobs *jobs) {
    int64_t due = INT64_MAX, now_ms = clock_monotonic_ms();
    for (const struct job *job = jobs->to_publish; job; job = job->next_to_publish) {
        due = due_of(job) < due ? due_of(job) : due;
    }
    if (due != INT64_MAX && !jobs->closing) {
        uv_timer_start(&jobs->timer, on_timer,
                       due - now_ms > COALESCE_MS ? (uint64_t)(due - now_ms) : COALESCE_MS, 0);
    }
}

static void publish_due(struct jobs *jobs, struct job *job, int64_t now_ms) {
    if (job->to_publish && job->published_ms + PUBLISH_MS <= now_ms) {
        job->to_publish = false;
        job->published_ms = now_ms;
        publish(jobs, job);
    }
    if (job->live_to_publish && job->live_published_ms + PUBLISH_MS <= now_ms) {
        job->live_to_publish = false;
        job->live_published_ms = now_ms;
        publish_live(jobs, job);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct jobs *jobs = timer->data;
    int64_t now_ms = clock_monotonic_ms();
    struct job **at = &jobs->to_publish;
    while (*at) {
        struct job *job = *at;
        publish_due(jobs, job, now_ms);
        if (job->to_publish || job->live_to_publish) {
            at = &job->next_to_publish;
        } else {
            *at = job->next_to_publish;
            job->next_to_publish = NULL;
        }
    }
    arm(jobs);
}

static void want_publish(struct jobs *jobs, struct job *job, bool *what) {
    bool listed = job->to_publish || job->live_to_publish;
    *what = true;
    if (!listed) {
        job->next_to_publish = jobs->to_publish;
        jobs->to_publish = job;
    }
    if (!uv_is_active((uv_handle_t *)&jobs->timer)) {
        arm(jobs);
    }
}

void jobs_advanced(struct job *job) {
    if (!job->pace) {
        job->pace = calloc(1, sizeof *job->pace);
    }
    if (job->pace) {
        pace_note(job->pace, (double)job->units_done + live_share(job), clock_monotonic_ms());
    }
}

void jobs_touch(struct jobs *jobs, int64_t id) {
    struct job *job = jobs_find(jobs, id);
    if (!job) {
        return;
    }
    job->version++;
    if (!job->to_publish && events_wanted(jobs->api->events, EVENTS_JOBS | EVENTS_JOB, id)) {
        want_publish(jobs, job, &job->to_publish);
    }
}

void jobs_touch_live(struct jobs *jobs, struct job *job) {
    if (!job->live_to_publish && events_watched(jobs->api->events, EVENTS_LIVE, job->id)) {
        want_publish(jobs, job, &job->live_to_publish);
    }
}

void jobs_weather(struct jobs *jobs) {
    jobs->weather++;
}

/* ---- GET /jobs/{id} ---- */

struct job_call {
    struct call call;
    int64_t id;
    uint64_t version, weather;
    json_t *document;
};

static int take_whole(void *arg, const struct job_row *row) {
    struct job_call *call = ((void **)arg)[0];
    struct store_tx *tx = ((void **)arg)[1];
    int error;
    call->document = job_document(tx, row, true, &error);
    return error;
}

static int read_whole(struct store_tx *tx, void *arg, struct problem *problem) {
    struct job_call *call = arg;
    void *into[2] = {call, tx};
    int error = job_get(tx, call->id, take_whole, into);
    return error == TG_ENOT_FOUND
               ? problem_set(problem, error, "id", "there is no job %lld", (long long)call->id)
               : error;
}

static void keep_ready(struct job_call *call, struct http_canned *ready) {
    struct job *job = entry(call->call.api->jobs, call->id);
    if (!job || job->ready_version > call->version) {
        http_canned_free(ready);
        return;
    }
    http_canned_free(job->ready);
    job->ready = ready;
    job->ready_version = call->version ? call->version : job->version;
    job->ready_weather = call->weather;
    job->looked_at = ++call->call.api->jobs->looks;
}

static void reply_whole(void *arg, int error, const struct problem *problem) {
    struct job_call *call = arg;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    job_overlay(call->call.api, call->document);
    struct http_canned *ready = http_canned_json(call->document);
    json_decref(call->document);
    if (!ready) {
        http_reply_error(call->call.request, TG_ENO_MEMORY, NULL,
                         "the server is out of memory; try again later");
        return;
    }
    http_reply_canned(call->call.request, 200, ready);
    keep_ready(call, ready);
}

void jobs_reply(struct http_request *request, struct api *api, int64_t id) {
    struct jobs *jobs = api->jobs;
    struct job *job = jobs_find(jobs, id);
    if (job && job->ready && job->ready_version == job->version && job->ready_weather == jobs->weather) {
        job->looked_at = ++jobs->looks;
        http_reply_canned(request, 200, job->ready);
        return;
    }
    struct job_call *call = call_begin(request, api, sizeof *call);
    if (call) {
        call->id = id;
        call->version = job ? job->version : 0;
        call->weather = jobs->weather;
        call_read(&call->call, read_whole, reply_whole);
    }
}
