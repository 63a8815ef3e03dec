/* tasks.c - the places a task can be in, and the sums that go with them. See internal.h.
 *
 *              task_enter_lease        task_enter_returned(may_come_back)
 *     (made) ------------------> LEASED <-----------> LAPSED, RETURNED
 *                                  |                     ^
 *                                  +------> BACKOFF -----+      task_leave takes it out of any of them
 *
 * job->leased, job->leased_units, job->backing_off, sched->leased and the length of the returned list are
 * changed here and nowhere else, each by the place that is entered or left: so they cannot come apart from
 * the places. leased_units follows units_done while the task is leased (sched_units_stored), hence the
 * subtraction when it leaves.
 */
#include "server/sched/internal.h"

#include <stdlib.h>

int64_t task_units(const struct job *job, int64_t index) {
    int64_t left = job->units_total - index * job->task_units;
    return left < job->task_units ? left : job->task_units;
}

/* Inserts behind `after` (NULL: at the front). */
static void list_insert(struct task_list *list, struct task *after, struct task *task) {
    task->previous = after;
    task->next = after == NULL ? list->first : after->next;
    *(after == NULL ? &list->first : &after->next) = task;
    *(task->next == NULL ? &list->last : &task->next->previous) = task;
    list->count++;
}

static void list_remove(struct task_list *list, struct task *task) {
    *(task->previous == NULL ? &list->first : &task->previous->next) = task->next;
    *(task->next == NULL ? &list->last : &task->next->previous) = task->previous;
    task->previous = task->next = NULL;
    list->count--;
}

struct task *task_create(struct sched *sched, struct job *job, int64_t index) {
    if (map_reserve(&sched->tasks) != 0 || timers_reserve(sched) != 0)
        return NULL;
    struct task *task = malloc(sizeof *task);
    if (task == NULL)
        return NULL;
    *task = (struct task){.id = job->first_task + index, .index = index, .job = job, .job_next = job->tasks};
    if (job->tasks != NULL)
        job->tasks->job_previous = task;
    job->tasks = task;
    map_put(&sched->tasks, task->id, task);
    /* In no place that the sums know of: as if returned, but in no list. The caller puts it somewhere at
     * once. */
    task->place = PLACE_RETURNED;
    return task;
}

void task_destroy(struct sched *sched, struct task *task) {
    struct job *job = task->job;
    task_leave(sched, task);
    *(task->job_previous == NULL ? &job->tasks : &task->job_previous->job_next) = task->job_next;
    if (task->job_next != NULL)
        task->job_next->job_previous = task->job_previous;
    map_remove(&sched->tasks, task->id);
    free(task);
}

void task_leave(struct sched *sched, struct task *task) {
    struct job *job = task->job;
    switch (task->place) {
    case PLACE_LEASED: {
        struct worker *worker = map_get(&sched->workers, task->worker);
        list_remove(&worker->leases, task);
        timers_remove(sched, task);
        job->leased--;
        sched->leased--;
        job->leased_units -= task_units(job, task->index) - task->units_done;
        break;
    }
    case PLACE_LAPSED:
    case PLACE_RETURNED:
        list_remove(&job->returned, task);
        break;
    case PLACE_BACKOFF:
        timers_remove(sched, task);
        job->backing_off--;
        break;
    }
}

void task_enter_lease(struct sched *sched, struct task *task, struct worker *worker, int64_t due) {
    struct job *job = task->job;
    task->place = PLACE_LEASED;
    task->worker = worker->id;
    list_insert(&worker->leases, worker->leases.last, task);
    timers_add(sched, task, due);
    job->leased++;
    sched->leased++;
    job->leased_units += task_units(job, task->index) - task->units_done;
}

void task_enter_returned(struct task *task, bool may_come_back) {
    struct task_list *list = &task->job->returned;
    struct task *after = list->last;
    task->place = may_come_back ? PLACE_LAPSED : PLACE_RETURNED;
    if (!may_come_back)
        task->worker = 0;
    while (after != NULL && after->index > task->index) /* they mostly come in order */
        after = after->previous;
    list_insert(list, after, task); /* by index: the first is the one to hand out next */
}

void task_enter_backoff(struct sched *sched, struct task *task, int64_t due) {
    task->place = PLACE_BACKOFF;
    task->worker = 0;
    task->job->backing_off++;
    timers_add(sched, task, due);
}
