/* start.c - from the store to a running coordinator, and back.
 *
 *     api_open     parts and handles, the store (which locks and migrates), then all that is in memory is
 *                  made anew from it; no request is served yet
 *     api_serve    the HTTP server is there: the clocks start
 *     api_stop     parked calls and streams are answered and take no more; requests under way go on
 *     api_finish   what was only noted is written, the store finishes its queue and closes: `store` is NULL
 *                  from here on, which the handlers that are still called see (call_write and its like)
 *     api_close    the handles; the last one frees the rest
 *
 * Restoring follows sched.h: workers before jobs, jobs by rising id (a job's `after` must be known), tasks
 * with their job. A lease that was alive keeps its holder and gets a full period from now: nobody could beat
 * while we were away.
 *
 * Nothing is read that memory does not hold all the time: jobs that have ended, chunks, games stay where they
 * are, so a start takes as long as there is work, not as there was. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"
#include "server/api/live.h"
#include "server/api/tokens.h"

/* ---- restoring: the loop does not run yet, so the store's threads may touch everything while we wait for
 * them ---- */

struct restore {
    struct api *api;
    struct store_tx *tx;
    int64_t job, cursor;
    int count;
    int64_t after[256];
    size_t after_count;
};

static int restore_token(void *arg, const struct token_row *row) {
    struct restore *restore = arg;
    restore->cursor = row->id;
    restore->count++;
    return tokens_add(restore->api->tokens, row);
}

static int restore_worker(void *arg, const struct worker_row *row) {
    struct restore *restore = arg;
    restore->cursor = row->id;
    restore->count++;
    return fleet_set(restore->api, row);
}

static int restore_task(void *arg, const struct task_row *row) {
    struct restore *restore = arg;
    struct api *api = restore->api;
    restore->cursor = row->id;
    restore->count++;
    struct sched_task task = {.task = row->id,
                              .job = row->job,
                              .index = row->index,
                              .units_done = row->units_done,
                              .attempt = row->attempt,
                              .failures = row->failures,
                              .worker = row->worker,
                              .leased = row->state == TASK_LEASED};
    struct job *job = jobs_find(api->jobs, row->job);
    if (job && row->worker) {
        live_task(api->live, job, row->id, row->attempt, row->worker);
    }
    return sched_task_restore(api->sched, &task, api_now());
}

static int take_unmet(void *arg, int64_t job, enum job_state state) {
    struct restore *restore = arg;
    if (restore->after_count < 256) {
        restore->after[restore->after_count++] = job;
    }
    return 0;
}

static int restore_tasks(struct restore *of_jobs, int64_t job) {
    struct restore restore = {.api = of_jobs->api, .tx = of_jobs->tx};
    int error;
    do {
        restore.count = 0;
        error = task_list(restore.tx, job, 1u << TASK_LEASED | 1u << TASK_PENDING, restore.cursor,
                          LIST_LIMIT_MAX, restore_task, &restore);
    } while (!error && restore.count == LIST_LIMIT_MAX);
    return error;
}

static int restore_job(void *arg, const struct job_row *row) {
    struct restore *restore = arg;
    struct job *job;
    restore->cursor = row->id;
    restore->count++;
    restore->after_count = 0;
    int error = job_unmet(restore->tx, row->id, take_unmet, restore);
    error = error ? error : jobs_open(restore->api->jobs, row, &job);
    error = error ? error : schedule_job(restore->api, row, restore->after, restore->after_count);
    return error ? error : restore_tasks(restore, row->id);
}

/* Calls list(...) until it has given everything. */
static int all(struct restore *restore, int (*list)(struct restore *restore)) {
    int error;
    restore->cursor = 0;
    do {
        restore->count = 0;
        error = list(restore);
    } while (!error && restore->count == LIST_LIMIT_MAX);
    return error;
}

static int list_tokens(struct restore *restore) {
    return token_list(restore->tx, restore->cursor, LIST_LIMIT_MAX, restore_token, restore);
}

static int list_workers(struct restore *restore) {
    return worker_list(restore->tx, restore->cursor, LIST_LIMIT_MAX, restore_worker, restore);
}

static int list_jobs(struct restore *restore) {
    struct job_query query = {.states = 1u << JOB_QUEUED | 1u << JOB_RUNNING | 1u << JOB_PAUSED,
                              .cursor = restore->cursor,
                              .limit = LIST_LIMIT_MAX,
                              .oldest_first = true};
    return job_list(restore->tx, &query, restore_job, restore);
}

static int restore_identity(struct restore *restore) {
    struct buf id = BUF_INIT;
    int error = setting_get(restore->tx, "coordinator", &id);
    error = error ? error : buf_append(&id, "", 1);
    if (!error) {
        restore->api->coordinator = strdup((const char *)id.data);
        error = restore->api->coordinator ? TG_OK : TG_ENO_MEMORY;
    }
    buf_free(&id);
    return error;
}

static int restore_all(struct store_tx *tx, void *arg, struct problem *problem) {
    struct restore *restore = arg;
    restore->tx = tx;
    int error = restore_identity(restore);
    error = error ? error : all(restore, list_tokens);
    error = error ? error : all(restore, list_workers);
    return error ? error : all(restore, list_jobs);
}

int api_restore(struct api *api, struct problem *problem) {
    struct restore restore = {.api = api};
    int error = store_read_now(api->store, restore_all, &restore, problem);
    if (error && !problem->detail[0]) {
        problem_set(problem, error, "data", "the database could not be read: %s", tg_error_title(error));
    }
    return error;
}

/* ---- open ---- */

/* An eventfd of our own instead of a uv_async: the loop of that one spins while the sender is not yet back
 * from its write, which on two busy processors is often. */
static void on_notify(void *arg) {
    eventfd_write(((struct api *)arg)->deliver_fd, 1);
}

static void on_deliver(uv_poll_t *poll, int status, int events) {
    struct api *api = poll->data;
    eventfd_t count;
    eventfd_read(api->deliver_fd, &count);
    if (api->store) {
        store_deliver(api->store);
    }
}

static void free_api(struct api *api) {
    close(api->deliver_fd);
    live_destroy(api->live); /* its entries are linked to their jobs */
    jobs_destroy(api->jobs);
    fleet_destroy(api->fleet);
    tokens_destroy(api->tokens);
    sched_destroy(api->sched);
    free(api->coordinator);
    free(api);
}

enum { HANDLES = 6 };

static void on_closed(uv_handle_t *handle) {
    struct api *api = handle->data;
    if (--api->open_handles == 0) {
        free_api(api);
    }
}

static void on_waits_closed(uv_handle_t *handle) {
    struct waits *waits = handle->data;
    handle->data = (char *)waits - offsetof(struct api, waits);
    on_closed(handle);
}

static void close_handles(struct api *api) {
    api->open_handles = HANDLES;
    jobs_close(api->jobs);
    events_destroy(api->events);
    api->events = NULL;
    uv_close((uv_handle_t *)&api->deliver, on_closed);
    uv_close((uv_handle_t *)&api->clock, on_closed);
    uv_close((uv_handle_t *)&api->space, on_closed);
    uv_close((uv_handle_t *)&api->chores, on_closed);
    uv_close((uv_handle_t *)&api->turn, on_closed);
    uv_close((uv_handle_t *)&api->waits.timer, on_waits_closed);
}

static bool make_parts(struct api *api) {
    int64_t lease_ms = 1000 * (int64_t)api->settings.lease_s;
    struct sched_options options = {.lease_ms = lease_ms, .unable_ms = lease_ms / 3};
    api->sched = sched_create(&options);
    api->events = events_create(api->loop);
    api->tokens = tokens_create();
    api->jobs = jobs_create(api);
    api->fleet = fleet_create();
    api->live = live_create();
    return api->sched && api->events && api->tokens && api->jobs && api->fleet && api->live;
}

static void make_handles(struct api *api) {
    uv_poll_init(api->loop, &api->deliver, api->deliver_fd);
    uv_poll_start(&api->deliver, UV_READABLE, on_deliver);
    uv_timer_init(api->loop, &api->clock);
    uv_timer_init(api->loop, &api->space);
    uv_timer_init(api->loop, &api->chores);
    uv_idle_init(api->loop, &api->turn);
    api->deliver.data = api->clock.data = api->space.data = api->chores.data = api->turn.data = api;
    waits_init(&api->waits, api->loop);
}

/* An agent that follows a live game is told to beat every second with its next beat; this makes that soon
 * enough. */
static void on_watch(void *arg, int64_t job) {
    struct api *api = arg;
    struct job *entry = jobs_find(api->jobs, job);
    if (entry) {
        jobs_touch_live(api->jobs, entry);
    }
}

int api_open(uv_loop_t *loop, const struct api_settings *settings, struct api **out,
             struct problem *problem) {
    struct api *api = calloc(1, sizeof *api);
    if (!api) {
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    }
    api->loop = loop;
    api->deliver_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (api->deliver_fd < 0) {
        free(api);
        return problem_set(problem, TG_EIO, NULL, "no event descriptor: %s", strerror(errno));
    }
    api->settings = *settings;
    api->started_ms = clock_wall_ms();
    api_limit_bodies(settings);
    make_handles(api);
    int error = make_parts(api) ? TG_OK : problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    struct store_options options = {.folder = settings->data,
                                    .mode = STORE_SERVE,
                                    .free_floor = settings->free_floor,
                                    .notify = on_notify,
                                    .notify_arg = api};
    if (!error) {
        error = store_open(&options, &api->store, problem);
    }
    if (!error) {
        error = api_restore(api, problem);
    }
    if (error) {
        store_close(api->store);
        api->store = NULL;
        close_handles(api);
        return error;
    }
    events_on_watch(api->events, on_watch, api);
    *out = api;
    return TG_OK;
}

void api_serve(struct api *api, struct http_server *http) {
    api->http = http;
    api_changed(api);
    api_watch_space(api);
    api_chore(api);
}

void api_stop(struct api *api) {
    api->stopping = true;
    waits_expire_all(&api->waits);
    events_stop(api->events);
}

void api_finish(struct api *api) {
    struct store *store = api->store;
    api->stopping = true;
    api_write_back(api);
    store_close(store);
    api->store = NULL;
}

void api_close(struct api *api) {
    close_handles(api);
}
