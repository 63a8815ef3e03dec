/* fleet.c - see fleet.h.
 *
 * Three notions of being there, which must not be mixed up:
 *     state    what people have ordered (enabled, drain, disabled): stored, and the scheduler's
 *     online   heard of within two leases' time, or with a call parked here: for what people are shown
 *     leases   who holds what: the scheduler's alone. A silent worker loses them by their own time, not by
 *              being shown as offline
 *
 * Who speaks. A worker's id is no secret, so the first token that speaks for it is remembered, and another
 * one is refused until it registers anew. That is in memory: after a restart whoever comes first is it, which
 * the roles of tokens bound.
 *
 * The coordinator's id is checked before the worker is looked up: an agent that means another coordinator has
 * a number that may be anybody's here.
 */
#include "server/api/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/api/idmap.h"
#include "server/api/jobs.h"

struct fleet {
    struct idmap workers;
};

struct fleet *fleet_create(void) {
    return calloc(1, sizeof(struct fleet));
}

static void release(struct worker *worker) {
    free(worker->name);
    json_decref(worker->machine);
    json_decref(worker->capabilities);
    free(worker);
}

void fleet_destroy(struct fleet *fleet) {
    if (!fleet) {
        return;
    }
    size_t at = 0;
    struct worker *worker;
    while ((worker = idmap_next(&fleet->workers, &at))) {
        release(worker);
    }
    idmap_free(&fleet->workers);
    free(fleet);
}

struct worker *fleet_find(struct fleet *fleet, int64_t id) {
    return idmap_get(&fleet->workers, id);
}

struct worker *fleet_next(struct fleet *fleet, size_t *at) {
    return idmap_next(&fleet->workers, at);
}

/* ---- changes ---- */

static enum sched_worker_state sched_state(enum worker_state state) {
    return state == WORKER_DRAIN      ? SCHED_WORKER_DRAIN
           : state == WORKER_DISABLED ? SCHED_WORKER_DISABLED
                                      : SCHED_WORKER_ENABLED;
}

static int tell_sched(struct api *api, const struct worker *worker) {
    size_t count = json_array_size(worker->capabilities);
    const char **names = calloc(count + 1, sizeof *names);
    if (!names) {
        return TG_ENO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = json_string_value(json_array_get(worker->capabilities, i));
    }
    struct sched_worker told = {.id = worker->id,
                                .state = sched_state(worker->state),
                                .capabilities = names,
                                .capability_count = count};
    int error = sched_worker_set(api->sched, &told);
    if (!error) {
        error = sched_worker_online(api->sched, worker->id, fleet_is_online(api, worker));
    }
    free(names);
    return error;
}

static struct worker *add(struct fleet *fleet, int64_t id) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker && idmap_put(&fleet->workers, id, worker) != TG_OK) {
        free(worker);
        return NULL;
    }
    if (worker) {
        worker->id = id;
    }
    return worker;
}

int fleet_set(struct api *api, const struct worker_row *row) {
    struct worker *worker = fleet_find(api->fleet, row->id);
    char *name = strdup(row->name);
    if (!worker && name) {
        worker = add(api->fleet, row->id);
    }
    if (!worker || !name) {
        free(name);
        return TG_ENO_MEMORY;
    }
    free(worker->name);
    json_decref(worker->machine);
    json_decref(worker->capabilities);
    worker->name = name;
    worker->machine = null_or_text_json(row->machine);
    worker->capabilities = null_or_text_json(row->capabilities);
    worker->runners = row->runners;
    worker->state = row->state;
    worker->created_ms = row->created_ms;
    worker->seen_ms = row->seen_ms;
    snprintf(worker->instance, sizeof worker->instance, "%s", row->instance);
    return tell_sched(api, worker);
}

/* ---- room ---- */

enum { GONE_MS = 24 * 3600 * 1000 };

static bool is_gone(struct api *api, const struct worker *worker, int64_t now_ms) {
    return worker->seen_ms < now_ms - GONE_MS && !fleet_is_online(api, worker) &&
           sched_worker_leases(api->sched, worker->id) == 0;
}

static struct worker *longest_gone(struct api *api) {
    struct worker *found = NULL, *worker;
    int64_t now_ms = clock_wall_ms();
    size_t at = 0;
    while ((worker = fleet_next(api->fleet, &at))) {
        if (is_gone(api, worker, now_ms) && (!found || worker->seen_ms < found->seen_ms)) {
            found = worker;
        }
    }
    return found;
}

static bool is_known(struct fleet *fleet, const char *instance) {
    const struct worker *worker;
    size_t at = 0;
    while ((worker = fleet_next(fleet, &at))) {
        if (strcmp(worker->instance, instance) == 0) {
            return true;
        }
    }
    return false;
}

static void forget(struct api *api, struct worker *worker) {
    log_info("api", "worker %lld (%s) has been away for long and is forgotten", (long long)worker->id,
             worker->name);
    idmap_remove(&api->fleet->workers, worker->id);
    sched_worker_remove(api->sched, worker->id);
    release(worker);
}

int fleet_make_room(struct api *api, const char *instance, int64_t *forgotten, struct problem *problem) {
    *forgotten = 0;
    if (api->fleet->workers.count < (size_t)api->settings.workers_max || is_known(api->fleet, instance)) {
        return TG_OK;
    }
    struct worker *gone = longest_gone(api);
    if (!gone) {
        return problem_set(
            problem, TG_EBUSY, "instance",
            "%lld workers are known, as many as may be, and none has been away for a day; whoever "
            "runs the coordinator can allow more (--workers)",
            (long long)api->settings.workers_max);
    }
    *forgotten = gone->id;
    forget(api, gone);
    return TG_OK;
}

int fleet_set_state(struct api *api, struct worker *worker, enum worker_state state) {
    worker->state = state;
    int error = sched_worker_state(api->sched, worker->id, sched_state(state));
    jobs_weather(api->jobs);
    fleet_publish(api, worker);
    api_changed(api);
    return error;
}

bool fleet_is_online(const struct api *api, const struct worker *worker) {
    return worker->parked ||
           (worker->contact_ms && api_now() - worker->contact_ms < 2000 * (int64_t)api->settings.lease_s);
}

void fleet_seen(struct api *api, struct worker *worker) {
    worker->contact_ms = api_now();
    worker->seen_ms = clock_wall_ms();
    worker->seen = true;
    api_chore(api);
    if (!worker->online) {
        fleet_publish(api, worker);
        jobs_weather(api->jobs);
    }
}

void fleet_left(struct api *api, struct worker *worker) {
    log_info("api", "worker %lld (%s) has left", (long long)worker->id, worker->name);
    worker->contact_ms = 0;
    fleet_publish(api, worker);
    jobs_weather(api->jobs);
    api_changed(api);
}

int fleet_speaker(struct api *api, struct http_request *request, int64_t id, struct worker **out,
                  struct problem *problem) {
    const char *meant = http_header(request, "X-Tengen-Coordinator");
    if (meant && strcmp(meant, api->coordinator) != 0) {
        return problem_set(problem, TG_EOTHER_COORDINATOR, "X-Tengen-Coordinator",
                           "this is coordinator %s, the worker means another; register with POST "
                           "/api/v1/workers",
                           api->coordinator);
    }
    struct worker *worker = fleet_find(api->fleet, id);
    if (!worker) {
        return problem_set(problem, TG_ENOT_FOUND, "worker",
                           "there is no worker %lld; register with POST "
                           "/api/v1/workers",
                           (long long)id);
    }
    int64_t token = http_user_id(request);
    if (worker->token && worker->token != token) {
        return problem_set(
            problem, TG_EWRONG_ROLE, "worker",
            "worker %lld was registered with another token; register with POST /api/v1/workers",
            (long long)id);
    }
    worker->token = token;
    fleet_seen(api, worker);
    *out = worker;
    return TG_OK;
}

/* ---- for people ---- */

static const char *state_name(const struct api *api, const struct worker *worker, int leases) {
    if (worker->state == WORKER_DISABLED) {
        return "disabled";
    }
    if (worker->state == WORKER_DRAIN) {
        return leases ? "draining" : "drained";
    }
    return fleet_is_online(api, worker) ? "online" : "offline";
}

/* The scheduler's clock is not the wall's. */
static json_t *unable_json(const struct sched_unable *unable) {
    char job[32];
    snprintf(job, sizeof job, "job:%lld", (long long)unable->job);
    return json_pack("{s:s, s:s, s:i, s:o}", "what", unable->need ? unable->need : job, "reason",
                     unable->reason, "failures", unable->failures, "retry_ms",
                     unable->tried_anew ? json_null()
                                        : json_integer(clock_wall_ms() + unable->until - api_now()));
}

static json_t *unables_json(const struct api *api, const struct worker *worker) {
    json_t *list = json_array();
    struct sched_unable unable;
    for (size_t i = 0; list && sched_worker_unable(api->sched, worker->id, i, &unable); i++) {
        json_array_append_new(list, unable_json(&unable));
    }
    return list;
}

json_t *worker_json(struct api *api, const struct worker *worker) {
    int leases = sched_worker_leases(api->sched, worker->id);
    return json_pack("{s:I, s:s, s:s, s:b, s:i, s:i, s:O, s:o, s:O, s:I, s:o}", "id", (json_int_t)worker->id,
                     "name", worker->name, "state", state_name(api, worker, leases), "online",
                     (int)fleet_is_online(api, worker), "runners", worker->runners, "leased", leases,
                     "capabilities", worker->capabilities, "unable", unables_json(api, worker), "machine",
                     worker->machine, "created_ms", (json_int_t)worker->created_ms, "seen_ms",
                     null_or_ms(worker->seen_ms));
}

void fleet_publish(struct api *api, struct worker *worker) {
    worker->online = fleet_is_online(api, worker);
    sched_worker_online(api->sched, worker->id, worker->online);
    if (events_wanted(api->events, EVENTS_WORKERS, 0)) {
        events_publish(api->events, EVENTS_WORKERS, 0, "worker", worker_json(api, worker));
    }
}
