/* sched.c - the mutations: workers, jobs, leases, time. See sched.h and internal.h.
 *
 * Each mutation of a task has the same form, and the order matters:
 *
 *     timers_reserve, map_reserve    what can fail, while nothing has changed yet
 *     job_unqueue                    the key of the job in its tree is about to change (leased)
 *     task_leave ... task_enter_*    from one place to another, with the sums that go with it (tasks.c)
 *     job_requeue                    back into the tree, if it still has something to give away; `more` wakes
 *                                    the workers that wait for it
 *
 * Late and repeated reports are told by the attempt's number: what is of another attempt than the present one
 * is ignored. So the callers need not know whether a completion of the store has been overtaken by a lapse.
 *
 * A lapsed task stays its last worker's to take back (LAPSED) until it is leased again; task->worker says
 * whose. An undone lease restores that too (last_worker): the attempt never was.
 *
 * Nothing here calls out. What others must hear of is an event in a ring, taken by the owner after each
 * mutation: so no mutation finds another one under way.
 */
#include "server/sched/internal.h"

#include <stdlib.h>
#include <string.h>

enum { BACKOFF_DOUBLINGS = 5 };

struct sched *sched_create(const struct sched_options *options) {
    struct sched *sched = calloc(1, sizeof *sched);
    if (sched == NULL)
        return NULL;
    if (options != NULL)
        sched->options = *options;
    if (sched->options.lease_ms <= 0)
        sched->options.lease_ms = SCHED_LEASE_MS;
    if (sched->options.backoff_ms <= 0)
        sched->options.backoff_ms = SCHED_BACKOFF_MS;
    if (sched->options.unable_ms <= 0)
        sched->options.unable_ms = SCHED_UNABLE_MS;
    sched->unable_due = INT64_MAX;
    return sched;
}

static void job_free(struct sched *sched, struct job *job) {
    while (job->tasks != NULL)
        task_destroy(sched, job->tasks);
    map_remove(&sched->jobs, job->id);
    group_release(sched, job->group);
    free(job->unmet);
    free(job->dependents);
    free(job->failure);
    free(job);
}

static void worker_free(struct worker *worker) {
    unable_clear(worker);
    names_free(worker->capabilities, worker->capability_count);
    free(worker->fits);
    free(worker);
}

void sched_destroy(struct sched *sched) {
    if (sched == NULL)
        return;
    /* A removal may move another job into the slot: look at it again, but never from the start. */
    for (size_t i, at = 0; (i = map_next(&sched->jobs, at)) != 0; at = i - 1) {
        struct job *job = sched->jobs.slots[i - 1].value;
        job_unqueue(sched, job);
        job_free(sched, job);
    }
    for (size_t i = 0; (i = map_next(&sched->workers, i)) != 0;)
        worker_free(sched->workers.slots[i - 1].value);
    map_free(&sched->jobs);
    map_free(&sched->tasks);
    map_free(&sched->workers);
    free(sched->groups);
    free(sched->timers);
    free(sched->events);
    free(sched);
}

/* ---- workers ---- */

static struct worker *worker_add(struct sched *sched, int64_t id) {
    if (map_reserve(&sched->workers) != 0)
        return NULL;
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return NULL;
    worker->id = id;
    worker->fits = calloc(sched->group_room + 1, sizeof *worker->fits); /* never of size 0 */
    if (worker->fits == NULL) {
        free(worker);
        return NULL;
    }
    map_put(&sched->workers, id, worker);
    return worker;
}

int sched_worker_set(struct sched *sched, const struct sched_worker *spec) {
    size_t count = 0;
    char **capabilities = names_copy(spec->capabilities, spec->capability_count, &count);
    struct worker *worker = map_get(&sched->workers, spec->id);
    if (capabilities != NULL && worker == NULL)
        worker = worker_add(sched, spec->id);
    if (capabilities == NULL || worker == NULL) {
        names_free(capabilities, count);
        return TG_ENO_MEMORY;
    }
    unable_clear(worker); /* and what it says of its capabilities */
    names_free(worker->capabilities, worker->capability_count);
    worker->capabilities = capabilities;
    worker->capability_count = count;
    worker->state = spec->state;
    worker->online = true;
    for (size_t i = 0; i < sched->group_count; i++) {
        const struct group *group = sched->groups[i];
        worker->fits[i] = group != NULL && names_cover(capabilities, count, group->needs, group->need_count);
    }
    sched->generation++;
    return 0;
}

void sched_worker_remove(struct sched *sched, int64_t id) {
    struct worker *worker = map_get(&sched->workers, id);
    if (worker == NULL)
        return;
    TG_ASSERT(worker->leases.count == 0);
    map_remove(&sched->workers, id);
    worker_free(worker);
    sched->generation++;
}

int sched_worker_state(struct sched *sched, int64_t id, enum sched_worker_state state) {
    struct worker *worker = map_get(&sched->workers, id);
    if (worker == NULL)
        return TG_ENOT_FOUND;
    worker->state = state;
    if (state == SCHED_WORKER_ENABLED)
        unable_clear(worker);
    sched->generation++;
    return 0;
}

int sched_worker_online(struct sched *sched, int64_t id, bool online) {
    struct worker *worker = map_get(&sched->workers, id);
    if (worker == NULL)
        return TG_ENOT_FOUND;
    worker->online = online;
    return 0;
}

int sched_worker_leases(const struct sched *sched, int64_t id) {
    const struct worker *worker = map_get(&sched->workers, id);
    return worker == NULL ? 0 : (int)worker->leases.count;
}

/* ---- jobs: add ---- */

static int add_dependent(struct job *job, int64_t dependent) {
    if (job->dependent_count == job->dependent_room) {
        size_t room = job->dependent_room ? job->dependent_room * 2 : 4;
        int64_t *grown = realloc(job->dependents, room * sizeof *grown);
        if (grown == NULL)
            return TG_ENO_MEMORY;
        job->dependents = grown;
        job->dependent_room = room;
    }
    job->dependents[job->dependent_count++] = dependent;
    return 0;
}

static bool waits_for(const struct job *job, int64_t other) {
    for (size_t i = 0; i < job->unmet_count; i++) {
        if (job->unmet[i] == other)
            return true;
    }
    return false;
}

/* Notes what the job waits for. *blocked: a job that is not here and so can never succeed. A dependent that
 * is noted when memory runs out later does no harm: ids that are not known are passed over. */
static int add_unmet(struct sched *sched, struct job *job, const struct sched_job *spec, int64_t *blocked) {
    *blocked = 0;
    if (spec->after_count == 0)
        return 0;
    job->unmet = calloc(spec->after_count, sizeof *job->unmet);
    if (job->unmet == NULL)
        return TG_ENO_MEMORY;
    for (size_t i = 0; i < spec->after_count; i++) {
        struct job *other = map_get(&sched->jobs, spec->after[i]);
        if (other == NULL || spec->after[i] == spec->id) {
            *blocked = spec->after[i];
            continue;
        }
        if (waits_for(job, other->id))
            continue;
        if (add_dependent(other, spec->id) != 0)
            return TG_ENO_MEMORY;
        job->unmet[job->unmet_count++] = other->id;
    }
    return 0;
}

static struct job *job_create(struct sched *sched, const struct sched_job *spec) {
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->group = group_take(sched, spec->needs, spec->need_count);
    if (job->group == NULL) {
        free(job);
        return NULL;
    }
    job->id = spec->id;
    job->priority = spec->priority;
    job->paused = spec->paused;
    job->first_task = spec->first_task;
    job->task_count = spec->task_count;
    job->units_total = spec->units_total;
    job->task_units = spec->task_units;
    job->next_index = spec->next_index;
    job->tasks_done = spec->tasks_done;
    return job;
}

int sched_job_add(struct sched *sched, const struct sched_job *spec) {
    TG_ASSERT(spec->id > 0 && spec->first_task > 0 && spec->task_count > 0 && spec->task_units > 0);
    int64_t blocked = 0;
    if (map_get(&sched->jobs, spec->id) != NULL)
        return TG_EINVALID;
    if (map_reserve(&sched->jobs) != 0)
        return TG_ENO_MEMORY;
    struct job *job = job_create(sched, spec);
    if (job == NULL)
        return TG_ENO_MEMORY;
    int error = add_unmet(sched, job, spec, &blocked);
    if (error) {
        job_free(sched, job);
        return error;
    }
    map_put(&sched->jobs, job->id, job);
    if (blocked != 0) {
        event_push(sched, (struct sched_event){.type = SCHED_JOB_BLOCKED, .job = job->id, .other = blocked});
        job_free(sched, job);
        return 0;
    }
    job_requeue(sched, job, true);
    return 0;
}

/* Its leased tasks go on: pausing takes nothing away from anybody. */
int sched_job_pause(struct sched *sched, int64_t id, bool paused) {
    struct job *job = map_get(&sched->jobs, id);
    if (job == NULL)
        return TG_ENOT_FOUND;
    job_unqueue(sched, job);
    job->paused = paused;
    job_requeue(sched, job, true);
    return 0;
}

/* ---- jobs: end ---- */

/* A job that ends badly takes with it all that wait for it, and all that wait for those. As a list of work
 * and not by recursion: a chain may be as long as there are jobs. */

static void release_dependent(struct sched *sched, struct job *dependent, int64_t succeeded) {
    for (size_t i = 0; i < dependent->unmet_count; i++) {
        if (dependent->unmet[i] == succeeded) {
            memmove(&dependent->unmet[i], &dependent->unmet[i + 1],
                    (dependent->unmet_count - i - 1) * sizeof *dependent->unmet);
            dependent->unmet_count--;
            break;
        }
    }
    if (dependent->unmet_count > 0)
        return;
    event_push(sched, (struct sched_event){.type = SCHED_JOB_RELEASED, .job = dependent->id});
    job_unqueue(sched, dependent);
    job_requeue(sched, dependent, true);
}

/* Removes the job; those that waited for it are released, or join the list of jobs that end with it. */
static struct job *end_one(struct sched *sched, struct job *job, bool succeeded, struct job *ending) {
    job_unqueue(sched, job);
    unable_forget_job(sched, job->id);
    for (size_t i = 0; i < job->dependent_count; i++) {
        struct job *dependent = map_get(&sched->jobs, job->dependents[i]);
        if (dependent == NULL || !waits_for(dependent, job->id))
            continue;
        if (succeeded) {
            release_dependent(sched, dependent, job->id);
            continue;
        }
        event_push(sched,
                   (struct sched_event){.type = SCHED_JOB_BLOCKED, .job = dependent->id, .other = job->id});
        dependent->unmet_count = 0; /* so that it is listed once, whatever else it waits for */
        dependent->paused = true;   /* and is not ready meanwhile */
        dependent->next_ending = ending;
        ending = dependent;
    }
    job_free(sched, job);
    return ending;
}

void sched_job_end(struct sched *sched, int64_t id, bool succeeded) {
    struct job *job = map_get(&sched->jobs, id);
    struct job *ending = job == NULL ? NULL : end_one(sched, job, succeeded, NULL);
    while (ending != NULL) {
        job = ending;
        ending = end_one(sched, job, false, job->next_ending);
    }
}

/* ---- leases ---- */

int sched_lease(struct sched *sched, const struct sched_lease *lease, int64_t worker_id, int64_t now) {
    struct job *job = map_get(&sched->jobs, lease->job);
    struct worker *worker = map_get(&sched->workers, worker_id);
    TG_ASSERT(job != NULL && worker != NULL && job->queued); /* it was decided just now */
    struct task *task = map_get(&sched->tasks, lease->task);
    bool fresh = task == NULL;
    TG_ASSERT(fresh ? lease->index == job->next_index : task == job->returned.first);
    if (timers_reserve(sched) != 0)
        return TG_ENO_MEMORY;
    if (fresh && (task = task_create(sched, job, lease->index)) == NULL)
        return TG_ENO_MEMORY;
    job_unqueue(sched, job);
    if (fresh)
        job->next_index++;
    else
        task_leave(sched, task);
    task->attempt = lease->attempt;
    task->last_worker = task->worker;
    task_enter_lease(sched, task, worker, now + sched->options.lease_ms);
    job_requeue(sched, job, false);
    return 0;
}

/* From wherever it is to the returned tasks of its job. */
static void give_back(struct sched *sched, struct task *task, bool may_come_back) {
    struct job *job = task->job;
    job_unqueue(sched, job);
    task_leave(sched, task);
    task_enter_returned(task, may_come_back);
    job_requeue(sched, job, true);
}

void sched_lease_undo(struct sched *sched, int64_t id, int attempt) {
    struct task *task = map_get(&sched->tasks, id);
    if (task == NULL || task->attempt != attempt ||
        (task->place != PLACE_LEASED && task->place != PLACE_LAPSED))
        return;
    task->attempt--;
    give_back(sched, task, task->last_worker != 0);
    task->worker = task->last_worker;
}

/* A lapsed lease is taken up again by the same attempt as long as nobody else has begun another: what its
 * runner has done meanwhile is still good. */
enum sched_held sched_beat(struct sched *sched, int64_t id, int attempt, int64_t worker_id, int64_t now) {
    struct task *task = map_get(&sched->tasks, id);
    if (task == NULL || task->attempt != attempt || task->worker != worker_id || worker_id == 0)
        return SCHED_LOST;
    int64_t due = now + sched->options.lease_ms;
    if (task->place == PLACE_LEASED) {
        timers_move(sched, task, due);
        return SCHED_HELD;
    }
    TG_ASSERT(task->place == PLACE_LAPSED); /* in the other places worker is 0 */
    struct worker *worker = map_get(&sched->workers, worker_id);
    if (worker == NULL || timers_reserve(sched) != 0)
        return SCHED_LOST;
    job_unqueue(sched, task->job);
    task_leave(sched, task);
    task_enter_lease(sched, task, worker, due);
    job_requeue(sched, task->job, false);
    return SCHED_REGRANTED;
}

static void lapse(struct sched *sched, struct task *task, bool forget) {
    event_push(sched, (struct sched_event){.type = SCHED_TASK_LAPSED,
                                           .job = task->job->id,
                                           .task = task->id,
                                           .worker = task->worker,
                                           .attempt = task->attempt,
                                           .forget = forget});
    give_back(sched, task, !forget);
}

static bool listed(const int64_t *tasks, size_t count, int64_t task) {
    for (size_t i = 0; i < count; i++) {
        if (tasks[i] == task)
            return true;
    }
    return false;
}

void sched_worker_holds(struct sched *sched, int64_t id, const int64_t *tasks, size_t count) {
    struct worker *worker = map_get(&sched->workers, id);
    if (worker == NULL)
        return;
    for (struct task *task = worker->leases.first, *next; task != NULL; task = next) {
        next = task->next;
        if (!listed(tasks, count, task->id))
            lapse(sched, task, true);
    }
}

int sched_task_restore(struct sched *sched, const struct sched_task *spec, int64_t now) {
    struct job *job = map_get(&sched->jobs, spec->job);
    if (job == NULL || spec->index < 0 || spec->index >= job->next_index ||
        map_get(&sched->tasks, spec->task) != NULL || spec->task != job->first_task + spec->index)
        return TG_EINVALID;
    struct worker *worker = map_get(&sched->workers, spec->worker);
    struct task *task = task_create(sched, job, spec->index);
    if (task == NULL)
        return TG_ENO_MEMORY;
    task->attempt = spec->attempt;
    task->failures = spec->failures;
    task->units_done = spec->units_done;
    task->worker = spec->worker;
    job_unqueue(sched, job);
    if (spec->leased && worker != NULL)
        task_enter_lease(sched, task, worker, now + sched->options.lease_ms);
    else
        task_enter_returned(task, worker != NULL);
    job_requeue(sched, job, true);
    return 0;
}

/* ---- what the store has confirmed ---- */

void sched_units_stored(struct sched *sched, int64_t id, int64_t units_done) {
    struct task *task = map_get(&sched->tasks, id);
    if (task == NULL || units_done <= task->units_done)
        return;
    if (task->place == PLACE_LEASED) {
        task->job->leased_units -= units_done - task->units_done;
        unable_disprove(map_get(&sched->workers, task->worker), task->job);
    }
    task->units_done = units_done;
}

void sched_task_done(struct sched *sched, int64_t id) {
    struct task *task = map_get(&sched->tasks, id);
    if (task == NULL)
        return;
    struct job *job = task->job;
    job_unqueue(sched, job);
    task_destroy(sched, task);
    job->tasks_done++;
    if (job->tasks_done < job->task_count) {
        job_requeue(sched, job, false);
        return;
    }
    event_push(sched, (struct sched_event){.type = SCHED_JOB_COMPLETE, .job = job->id});
    sched_job_end(sched, job->id, true);
}

static void note_failure(struct job *job, const char *reason) {
    char *copy = strdup(reason);
    if (copy == NULL)
        return; /* the one before is better than none */
    free(job->failure);
    job->failure = copy;
}

void sched_task_failed(struct sched *sched, int64_t id, int attempt, const char *reason, int64_t now) {
    struct task *task = map_get(&sched->tasks, id);
    if (task == NULL || task->attempt != attempt ||
        (task->place != PLACE_LEASED && task->place != PLACE_LAPSED))
        return;
    if (reason == NULL) {
        give_back(sched, task, false);
        return;
    }
    note_failure(task->job, reason);
    int doublings = task->failures < BACKOFF_DOUBLINGS ? task->failures : BACKOFF_DOUBLINGS;
    task->failures++;
    if (timers_reserve(sched) != 0) { /* no room to wait in: try again at once */
        give_back(sched, task, false);
        return;
    }
    job_unqueue(sched, task->job);
    task_leave(sched, task);
    task_enter_backoff(sched, task, now + (sched->options.backoff_ms << doublings));
    job_requeue(sched, task->job, false);
}

/* Noted against the worker, so the task need not wait: it cannot come back to the same one at once. Where it
 * cannot be noted (the worker is gone, no memory) it backs off like any failure, or it might go round in a
 * circle. */
void sched_task_unable(struct sched *sched, int64_t id, int attempt, const char *need, const char *reason,
                       int64_t now) {
    struct task *task = map_get(&sched->tasks, id);
    if (task == NULL || task->attempt != attempt ||
        (task->place != PLACE_LEASED && task->place != PLACE_LAPSED))
        return;
    struct worker *worker = map_get(&sched->workers, task->worker);
    bool noted = worker != NULL && unable_note(sched, worker, task->job, need, reason, now) == 0;
    sched_task_failed(sched, id, attempt, noted ? NULL : reason, now);
}

/* ---- time ---- */

void sched_advance(struct sched *sched, int64_t now) {
    while (sched->timer_count > 0 && sched->timers[0]->due <= now) {
        struct task *task = sched->timers[0];
        if (task->place == PLACE_LEASED)
            lapse(sched, task, false);
        else
            give_back(sched, task, false);
    }
    unable_advance(sched, now);
}

int64_t sched_next_due(const struct sched *sched) {
    int64_t due = sched->timer_count > 0 ? sched->timers[0]->due : INT64_MAX;
    return due < sched->unable_due ? due : sched->unable_due;
}
