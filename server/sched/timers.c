/* timers.c - a binary heap of tasks by due time that knows each task's position (timer_at), so that a beat
 * can move it without looking for it. One heap for both what lapses and what backs off: sched_advance asks
 * the task which.
 *
 * timers_reserve comes before any change of a task's place, so that entering can no longer fail once the task
 * has left where it was.
 */
#include "server/sched/internal.h"

#include <stdlib.h>

int timers_reserve(struct sched *sched) {
    if (sched->timer_count < sched->timer_room)
        return 0;
    size_t room = sched->timer_room ? sched->timer_room * 2 : 64;
    struct task **timers = realloc(sched->timers, room * sizeof *timers);
    if (timers == NULL)
        return TG_ENO_MEMORY;
    sched->timers = timers;
    sched->timer_room = room;
    return 0;
}

static void place(struct sched *sched, struct task *task, size_t at) {
    sched->timers[at] = task;
    task->timer_at = at;
}

static void sift_up(struct sched *sched, struct task *task, size_t at) {
    for (size_t parent; at > 0 && sched->timers[parent = (at - 1) / 2]->due > task->due; at = parent)
        place(sched, sched->timers[parent], at);
    place(sched, task, at);
}

static void sift_down(struct sched *sched, struct task *task, size_t at) {
    for (size_t child; (child = 2 * at + 1) < sched->timer_count; at = child) {
        if (child + 1 < sched->timer_count && sched->timers[child + 1]->due < sched->timers[child]->due)
            child++;
        if (sched->timers[child]->due >= task->due)
            break;
        place(sched, sched->timers[child], at);
    }
    place(sched, task, at);
}

void timers_add(struct sched *sched, struct task *task, int64_t due) {
    TG_ASSERT(sched->timer_count < sched->timer_room);
    task->due = due;
    sift_up(sched, task, sched->timer_count++);
}

void timers_move(struct sched *sched, struct task *task, int64_t due) {
    bool later = due > task->due;
    task->due = due;
    if (later)
        sift_down(sched, task, task->timer_at);
    else
        sift_up(sched, task, task->timer_at);
}

void timers_remove(struct sched *sched, struct task *task) {
    TG_ASSERT(sched->timers[task->timer_at] == task);
    size_t at = task->timer_at;
    struct task *last = sched->timers[--sched->timer_count];
    if (last == task)
        return;
    /* The last one takes the hole; it may belong above or below it. */
    sift_up(sched, last, at);
    sift_down(sched, last, last->timer_at);
}
