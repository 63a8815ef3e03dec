/* live.c - see live.h. An entry is found by its task, and listed with its job (job->tasks).
 *
 * So it must go before its job does (jobs_ended calls live_forget_job), or it would point to freed memory. An
 * entry of an older attempt is replaced by the newer one's, and a beat of an older attempt does not find
 * itself (server/api/beats.c).
 */
#include "server/api/live.h"

#include <stdlib.h>
#include "server/api/fleet.h"
#include "server/api/idmap.h"
#include "server/api/jobs.h"

enum { GAMES_SHOWN = 64 };

struct live {
    struct idmap tasks;
};

struct live *live_create(void) {
    return calloc(1, sizeof(struct live));
}

static void release(struct live_task *entry) {
    *(entry->previous ? &entry->previous->next : &entry->job->tasks) = entry->next;
    if (entry->next) {
        entry->next->previous = entry->previous;
    }
    json_decref(entry->games);
    free(entry);
}

void live_forget(struct live *live, int64_t task) {
    struct live_task *entry = idmap_remove(&live->tasks, task);
    if (entry) {
        release(entry);
    }
}

void live_forget_job(struct live *live, struct job *job) {
    while (job->tasks) {
        live_forget(live, job->tasks->task);
    }
}

void live_quiet(struct live *live, int64_t task, int attempt) {
    struct live_task *entry = live_find(live, task);
    if (entry && entry->attempt == attempt) {
        entry->rate_per_s = entry->share = 0;
        json_decref(entry->games);
        entry->games = NULL;
    }
}

void live_destroy(struct live *live) {
    if (!live) {
        return;
    }
    size_t at = 0;
    struct live_task *entry;
    while ((entry = idmap_next(&live->tasks, &at))) {
        release(entry);
    }
    idmap_free(&live->tasks);
    free(live);
}

struct live_task *live_find(struct live *live, int64_t task) {
    return idmap_get(&live->tasks, task);
}

struct live_task *live_task(struct live *live, struct job *job, int64_t task, int attempt, int64_t worker) {
    struct live_task *entry = idmap_get(&live->tasks, task);
    if (entry && entry->attempt == attempt && entry->job == job) {
        return entry;
    }
    live_forget(live, task);
    entry = calloc(1, sizeof *entry);
    if (!entry || idmap_put(&live->tasks, task, entry) != TG_OK) {
        free(entry);
        return NULL;
    }
    *entry = (struct live_task){
        .task = task, .worker = worker, .attempt = attempt, .job = job, .next = job->tasks};
    if (job->tasks) {
        job->tasks->previous = entry;
    }
    job->tasks = entry;
    return entry;
}

double live_rate(struct live *live, const struct job *job) {
    double sum = 0;
    for (const struct live_task *entry = job ? job->tasks : NULL; entry; entry = entry->next) {
        sum += entry->rate_per_s;
    }
    return sum;
}

double live_share(const struct job *job) {
    double sum = 0;
    for (const struct live_task *entry = job->tasks; entry; entry = entry->next) {
        sum += entry->share;
    }
    return sum;
}

json_t *live_games(struct api *api, const struct job *job) {
    json_t *all = json_array();
    for (const struct live_task *entry = job ? job->tasks : NULL; entry; entry = entry->next) {
        const struct worker *worker = fleet_find(api->fleet, entry->worker);
        size_t index;
        json_t *game;
        json_array_foreach(entry->games, index, game) {
            if (json_array_size(all) == GAMES_SHOWN) {
                return all;
            }
            json_t *copy = json_copy(game);
            json_object_set_new(copy, "task", json_integer(entry->task));
            json_object_set_new(copy, "worker_name", json_string(worker ? worker->name : ""));
            json_array_append_new(all, copy);
        }
    }
    return all;
}
