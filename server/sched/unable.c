/* unable.c - what workers turned out to be unable to do. See the head of sched.h.
 *
 * Each worker has a short list, mostly empty. An entry waits (the worker gets nothing of the kind) until its
 * time is over; then it stays, with its count of failures, as long as nothing has proved it wrong. Of many
 * tasks that fail at once, because they were begun together, the first counts alone: the others say nothing
 * new.
 *
 *     none --unable_note--> waiting --time over--> tried anew --unable_note--> waiting, twice as long
 *
 * From either back to none: the worker stores units of the kind, registers or is enabled; or the job has
 * ended. While it waits another failure changes the reason alone.
 *
 * unable_due is the earliest end of all waiting entries or earlier, never later: entries that go leave it as
 * it is, and unable_advance then looks once for nothing.
 */
#include "server/sched/internal.h"

#include <stdlib.h>
#include <string.h>

static bool concerns(const struct sched_unable *what, const struct job *job) {
    return what->need == NULL ? what->job == job->id
                              : names_contain(job->group->needs, job->group->need_count, what->need);
}

const struct unable *unable_to_do(const struct worker *worker, const struct job *job) {
    for (size_t i = 0; i < worker->unable_count; i++) {
        if (worker->unable[i].waiting && concerns(&worker->unable[i].what, job))
            return &worker->unable[i];
    }
    return NULL;
}

const struct job *unable_first(const struct worker *worker, const struct group *group) {
    const struct job *job = group->first;
    const struct unable *unable;
    while (job != NULL && (unable = unable_to_do(worker, job)) != NULL)
        job = unable->what.need == NULL ? job_after(job) : NULL; /* all jobs of a group have the same needs */
    return job;
}

/* The need as the worker's own list has it; NULL when it is none that both job and worker have. */
static const char *own_need(const struct worker *worker, const struct job *job, const char *need) {
    if (need == NULL || !names_contain(job->group->needs, job->group->need_count, need))
        return NULL;
    for (size_t i = 0; i < worker->capability_count; i++) {
        if (strcmp(worker->capabilities[i], need) == 0)
            return worker->capabilities[i];
    }
    return NULL;
}

static void drop(struct worker *worker, size_t at) {
    free((char *)(uintptr_t)worker->unable[at].what.reason);
    worker->unable[at] = worker->unable[--worker->unable_count];
}

/* The entry for this, empty when it is new. */
static struct unable *entry(struct worker *worker, const char *need, int64_t job) {
    size_t soonest = 0;
    for (size_t i = 0; i < worker->unable_count; i++) {
        const struct sched_unable *what = &worker->unable[i].what;
        if (what->need == need && (need != NULL || what->job == job))
            return &worker->unable[i];
        if (what->until < worker->unable[soonest].what.until)
            soonest = i;
    }
    if (worker->unable_count == SCHED_UNABLE_MAX)
        drop(worker, soonest);
    struct unable *added = &worker->unable[worker->unable_count++];
    *added = (struct unable){.what = {.need = need}};
    return added;
}

int unable_note(struct sched *sched, struct worker *worker, const struct job *job, const char *need,
                const char *reason, int64_t now) {
    char *copy = strdup(reason);
    if (worker->unable == NULL)
        worker->unable = calloc(SCHED_UNABLE_MAX, sizeof *worker->unable);
    if (copy == NULL || worker->unable == NULL) {
        free(copy);
        return TG_ENO_MEMORY;
    }
    struct unable *unable = entry(worker, own_need(worker, job, need), job->id);
    struct sched_unable *what = &unable->what;
    free((char *)(uintptr_t)what->reason);
    what->reason = copy;
    what->job = job->id;
    if (!unable->waiting) {
        int doublings = what->failures < SCHED_UNABLE_DOUBLINGS ? what->failures : SCHED_UNABLE_DOUBLINGS;
        what->failures++;
        what->until = now + (sched->options.unable_ms << doublings);
        unable->waiting = true;
    }
    if (what->until < sched->unable_due)
        sched->unable_due = what->until;
    return 0;
}

void unable_disprove(struct worker *worker, const struct job *job) {
    for (size_t i = worker->unable_count; i-- > 0;) {
        if (concerns(&worker->unable[i].what, job))
            drop(worker, i);
    }
}

void unable_clear(struct worker *worker) {
    while (worker->unable_count > 0)
        drop(worker, worker->unable_count - 1);
    free(worker->unable);
    worker->unable = NULL;
}

void unable_forget_job(struct sched *sched, int64_t job) {
    for (size_t i = 0; (i = map_next(&sched->workers, i)) != 0;) {
        struct worker *worker = sched->workers.slots[i - 1].value;
        for (size_t k = worker->unable_count; k-- > 0;) {
            if (worker->unable[k].what.need == NULL && worker->unable[k].what.job == job)
                drop(worker, k);
        }
    }
}

/* Whether anything of it is given to the worker again; *due becomes the earliest time that is left. */
static bool retry(struct worker *worker, int64_t now, int64_t *due) {
    bool any = false;
    for (size_t i = 0; i < worker->unable_count; i++) {
        struct unable *unable = &worker->unable[i];
        bool over = unable->waiting && unable->what.until <= now;
        unable->waiting &= !over;
        any |= over;
        if (unable->waiting && unable->what.until < *due)
            *due = unable->what.until;
    }
    return any;
}

void unable_advance(struct sched *sched, int64_t now) {
    if (now < sched->unable_due)
        return;
    sched->unable_due = INT64_MAX;
    for (size_t i = 0; (i = map_next(&sched->workers, i)) != 0;) {
        struct worker *worker = sched->workers.slots[i - 1].value;
        if (retry(worker, now, &sched->unable_due)) {
            event_push(sched, (struct sched_event){.type = SCHED_WORKER_RETRIED, .worker = worker->id});
            sched->generation++;
        }
    }
}

bool sched_worker_unable(const struct sched *sched, int64_t id, size_t index, struct sched_unable *out) {
    const struct worker *worker = map_get(&sched->workers, id);
    if (worker == NULL || index >= worker->unable_count)
        return false;
    *out = worker->unable[index].what;
    out->tried_anew = !worker->unable[index].waiting;
    return true;
}
