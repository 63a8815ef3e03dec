/* turn.c - what follows from a change in the scheduler, and what is done from time to time.
 *
 * Handlers change the scheduler and call api_changed. At the next turn of the loop the scheduler's events are
 * carried to the store, parked workers are offered what has become leasable, and the timer is set to the next
 * lapse. */
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"
#include "server/api/live.h"
#include "server/api/tokens.h"

#include <stdlib.h>

enum {
    CHORES_MS = 60000,
    SPACE_MS = 5000,
    RETAIN_ROWS = 256,
    RETAIN_STATES = 4,
    KEEP_KEYS_MS = 24 * 3600 * 1000
};

/* ---- lapses ---- */

struct lapse {
    struct task_holder holder;
    bool forget;
};

static int write_lapse(struct store_tx *tx, void *arg, struct problem *problem) {
    const struct lapse *lapse = arg;
    return task_lapse(tx, &lapse->holder, lapse->forget);
}

static void lapse_written(void *arg, int error, const struct problem *problem) {
    free(arg);
}

static void publish_worker(struct api *api, int64_t id) {
    struct worker *worker = fleet_find(api->fleet, id);
    if (worker) {
        fleet_publish(api, worker);
    }
}

/* Should the disk refuse it, nothing is wrong: the task's row still names its old holder until it is leased
 * again. */
static void lapsed(struct api *api, const struct sched_event *event) {
    struct lapse *lapse = calloc(1, sizeof *lapse);
    api->counters.leases_lapsed++;
    log_info("sched", "the lease of task %lld (job %lld, attempt %d, worker %lld) has lapsed",
             (long long)event->task, (long long)event->job, event->attempt, (long long)event->worker);
    live_quiet(api->live, event->task, event->attempt);
    jobs_touch(api->jobs, event->job);
    publish_worker(api, event->worker);
    if (!lapse) {
        return;
    }
    lapse->holder = (struct task_holder){event->task, event->worker, event->attempt};
    lapse->forget = event->forget;
    if (store_write(api->store, write_lapse, lapse_written, lapse) != TG_OK) {
        free(lapse);
    }
}

static void handle_event(struct api *api, const struct sched_event *event) {
    struct problem reason = {0};
    switch (event->type) {
    case SCHED_TASK_LAPSED:
        lapsed(api, event);
        break;
    case SCHED_JOB_COMPLETE:
        jobs_ended(api->jobs, event->job);
        break;
    case SCHED_JOB_BLOCKED:
        problem_set(&reason, TG_ECANCELLED, "after", "job %lld, which it waited for, did not succeed",
                    (long long)event->other);
        job_end_by_itself(api, event->job, JOB_FAILED, &reason);
        break;
    case SCHED_JOB_RELEASED:
        jobs_touch(api->jobs, event->job);
        break;
    case SCHED_WORKER_RETRIED:
        publish_worker(api, event->worker);
        break;
    }
}

static void on_clock(uv_timer_t *timer) {
    struct api *api = timer->data;
    sched_advance(api->sched, api_now());
    api_changed(api);
}

static void arm_clock(struct api *api) {
    int64_t due = sched_next_due(api->sched), now = api_now();
    if (due == INT64_MAX) {
        uv_timer_stop(&api->clock);
    } else {
        uv_timer_start(&api->clock, on_clock, due > now ? (uint64_t)(due - now) : 0, 0);
    }
}

static void on_turn(uv_idle_t *idle) {
    struct api *api = idle->data;
    struct sched_event event;
    uv_idle_stop(idle);
    while (sched_next_event(api->sched, &event)) {
        handle_event(api, &event);
    }
    if (sched_generation(api->sched) != api->generation) {
        api->generation = sched_generation(api->sched);
        jobs_weather(api->jobs);
        leases_offer(api);
    }
    if (api->disk_changed) {
        api->disk_changed = false;
        jobs_weather(api->jobs);
        leases_answer(api);
    }
    arm_clock(api);
}

void api_changed(struct api *api) {
    if (!uv_is_active((uv_handle_t *)&api->turn)) {
        uv_idle_start(&api->turn, on_turn);
    }
}

/* ---- from time to time ---- */

struct note {
    int64_t id, time_ms;
};

struct write_back {
    struct api *api;
    struct note *tokens, *workers;
    size_t token_count, worker_count, token_room, worker_room;
    int64_t now_ms;
    int dropped, states_dropped;
};

static void add_note(struct note **list, size_t *count, size_t *room, int64_t id, int64_t time_ms) {
    if (*count == *room) {
        size_t more = *room ? 2 * *room : 16;
        struct note *bigger = realloc(*list, more * sizeof **list);
        if (!bigger) {
            return; /* "last used" is for people: one that is missed is no harm */
        }
        *list = bigger;
        *room = more;
    }
    (*list)[(*count)++] = (struct note){id, time_ms};
}

static void note_token(void *arg, int64_t id, int64_t used_ms) {
    struct write_back *back = arg;
    add_note(&back->tokens, &back->token_count, &back->token_room, id, used_ms);
}

static int write_notes(struct store_tx *tx, void *arg, struct problem *problem) {
    struct write_back *back = arg;
    int error = TG_OK;
    for (size_t i = 0; i < back->token_count && !error; i++) {
        error = token_used(tx, back->tokens[i].id, back->tokens[i].time_ms);
    }
    for (size_t i = 0; i < back->worker_count && !error; i++) {
        error = worker_seen(tx, back->workers[i].id, back->workers[i].time_ms);
    }
    error = error ? error : idempotency_purge(tx, back->now_ms - KEEP_KEYS_MS);
    error = error ? error : checkpoint_retain(tx, RETAIN_STATES, &back->states_dropped);
    return error ? error : chunk_retain(tx, back->now_ms, RETAIN_ROWS, &back->dropped);
}

static void notes_written(void *arg, int error, const struct problem *problem) {
    struct write_back *back = arg;
    bool more = back->dropped == RETAIN_ROWS || back->states_dropped == RETAIN_STATES;
    if (!error && more && !back->api->stopping) {
        api_write_back(back->api); /* more to drop */
    }
    free(back->tokens);
    free(back->workers);
    free(back);
}

void api_write_back(struct api *api) {
    struct write_back *back = calloc(1, sizeof *back);
    if (!back) {
        return;
    }
    back->api = api;
    back->now_ms = clock_wall_ms();
    tokens_take_used(api->tokens, note_token, back);
    size_t at = 0;
    struct worker *worker;
    while ((worker = fleet_next(api->fleet, &at))) {
        if (worker->seen) {
            worker->seen = false;
            add_note(&back->workers, &back->worker_count, &back->worker_room, worker->id, worker->seen_ms);
        }
    }
    if (store_write(api->store, write_notes, notes_written, back) != TG_OK) {
        free(back->tokens);
        free(back->workers);
        free(back);
    }
}

/* Workers that have fallen silent are shown as offline. */
static bool look_for_silent(struct api *api) {
    bool any = false;
    size_t at = 0;
    struct worker *worker;
    while ((worker = fleet_next(api->fleet, &at))) {
        bool online = fleet_is_online(api, worker);
        any |= online;
        if (worker->online && !online) {
            fleet_publish(api, worker);
            jobs_weather(api->jobs);
        }
    }
    return any;
}

bool api_disk_full(struct api *api) {
    struct store_space space;
    if (store_space(api->store, &space) != TG_OK) {
        return false;
    }
    unsigned long long free_mib = space.free_bytes >> 20, floor_mib = api->settings.free_floor >> 20;
    if (space.full != api->disk_full) {
        api->disk_changed = true;
        api_changed(api);
    }
    if (space.full && !api->disk_full) {
        log_warn("api", "%llu MiB are free on the disk, less than %llu: no new work is handed out", free_mib,
                 floor_mib);
    } else if (!space.full && api->disk_full) {
        log_info("api", "%llu MiB are free on the disk: work is handed out again", free_mib);
    }
    api->disk_full = space.full;
    return space.full;
}

static void on_space(uv_timer_t *timer) {
    api_disk_full(timer->data);
}

void api_watch_space(struct api *api) {
    uv_timer_start(&api->space, on_space, 0, SPACE_MS);
}

/* Chunks grow too old also while nobody works, so the timer always runs. */
static void on_chores(uv_timer_t *timer) {
    struct api *api = timer->data;
    api_write_back(api);
    uv_timer_start(&api->chores, on_chores, CHORES_MS, 0);
    if (look_for_silent(api)) {
        api_chore(api);
    }
}

void api_chore(struct api *api) {
    uint64_t lease_ms = 1000 * (uint64_t)api->settings.lease_s; /* silence shows that soon */
    uint64_t wait_ms = lease_ms < CHORES_MS ? lease_ms : CHORES_MS;
    if (!uv_is_active((uv_handle_t *)&api->chores) || uv_timer_get_due_in(&api->chores) > wait_ms) {
        uv_timer_start(&api->chores, on_chores, wait_ms, 0);
    }
}
