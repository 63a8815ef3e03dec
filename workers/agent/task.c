/* task.c - see task.h for the states. Why the rules below are as they are.
 *
 * task_next() looks at the state and at what is under way (`busy`), never at what has happened before; what
 * has happened is in the counters. So what has come too late, for a state that no longer wants it, only takes
 * back its `busy` and changes nothing else.
 *
 * An end is settled once (set_end): the first one counts. A runner that says `done` and then crashes is done;
 * one that we kill because its lease is lost does not fail by that. The one exception is a refused chunk
 * (task_on_refused): the coordinator does not have what that end counts, so it can no longer be told. (A `done`
 * that is refused as a whole becomes a fail in attempt_calls.c.)
 *
 * The end goes to disk (CLOSING) before the last chunks are sent (FLUSHING), not after: an agent that is
 * killed in between then knows that the attempt is over, and does not start a runner for work that is
 * finished.
 *
 * FORGETTING waits until nothing is busy and no runner lives: a file written by a job that is still under way
 * would be found at the next start as an attempt that goes on. (Chunks on their way to the disk are not
 * steps; attempt.c waits for those.)
 */
#include "workers/agent/task.h"

#include <string.h>

const char *task_state_name(enum task_state state) {
    static const char *const names[] = {"storing",  "reclaiming", "fetching",   "running", "closing",
                                        "flushing", "telling",    "forgetting", "gone",    "leaving"};
    return names[state];
}

void task_init_leased(struct task *task, int64_t units, int64_t units_before) {
    *task = (struct task){.state = TASK_STORING, .units = units, .units_before = units_before};
}

/* Only the first end counts: a crash after `done` changes nothing, nor does a kill that we ordered ourselves.
 */
static void set_end(struct task *task, int64_t units, const struct problem *problem) {
    if (task->end.known)
        return;
    task->end.known = true;
    task->end.units = units;
    task->end.chunks = task->stored;
    if (problem)
        task->end.problem = *problem;
}

void task_init_found(struct task *task, int64_t units, int64_t units_before, const struct task_past *past) {
    *task = (struct task){.state = TASK_RECLAIMING, .units = units, .units_before = units_before};
    task->stored = past->next;
    task->sent = past->first;
    task->units_stored = task->units_base = past->units_after;
    struct problem problem = {0};
    if (past->end) {
        task->end = *past->end;
        /* Fewer than it had: killed while its files were being removed, so all had been sent. */
        if (task->stored < task->end.chunks)
            task->stored = task->sent = task->end.chunks;
        return;
    }
    if (past->broken)
        problem_set(&problem, TG_ECORRUPT, "spool",
                    "files of this attempt were damaged on the worker's disk");
    else if (!past->newest_ends_unit)
        problem_set(&problem, TG_ERUNNER, NULL, "the worker was stopped within a unit of work");
    if (problem.error)
        set_end(task, past->units_after, &problem);
}

/* ---- what to do next ---- */

static bool may_upload(const struct task *task) {
    return task->state >= TASK_FETCHING && task->state <= TASK_FLUSHING && task->sent < task->stored;
}

static enum task_step step_of_state(const struct task *task) {
    switch (task->state) {
    case TASK_STORING:
        return STEP_STORE_LEASE;
    case TASK_FETCHING:
        return STEP_FETCH;
    case TASK_RUNNING:
        return task->runner_alive ? STEP_NONE : STEP_START;
    case TASK_CLOSING:
        return STEP_STORE_END;
    case TASK_TELLING:
        return STEP_TELL;
    case TASK_FORGETTING:
        return STEP_FORGET;
    default:
        return STEP_NONE;
    }
}

static bool any_busy(const struct task *task) {
    for (int step = 0; step < STEP_COUNT; step++)
        if (step != STEP_KILL && task->busy[step])
            return true;
    return false;
}

enum task_step task_next(const struct task *task) {
    /* A runner that has said its last word ends by itself, in its grace (runner_expect_exit). */
    bool unwanted = task->state >= TASK_CLOSING && !task->runner_reported;
    if (task->runner_alive && unwanted && !task->busy[STEP_KILL])
        return STEP_KILL;
    if (may_upload(task) && !task->busy[STEP_UPLOAD])
        return STEP_UPLOAD;
    enum task_step step = step_of_state(task);
    if (task->busy[step])
        return STEP_NONE;
    if (step == STEP_FORGET && (any_busy(task) || task->runner_alive))
        return STEP_NONE;
    return step;
}

void task_begin(struct task *task, enum task_step step) {
    TG_ASSERT(!task->busy[step]);
    task->busy[step] = true;
}

void task_again(struct task *task, enum task_step step) {
    task->busy[step] = false;
}

/* ---- what came of it ---- */

/* Moves on, but never out of an end that was reached meanwhile (a lost lease, a stopping agent). */
static void move(struct task *task, enum task_state from, enum task_state to) {
    if (task->state == from)
        task->state = to;
}

/* From an attempt that has its end to the next thing that must happen. */
static void settle(struct task *task) {
    if (task->state == TASK_FLUSHING && task->sent == task->stored)
        task->state = task->end.known ? TASK_TELLING : TASK_FORGETTING;
}

void task_on_lease_stored(struct task *task) {
    task->busy[STEP_STORE_LEASE] = false;
    move(task, TASK_STORING, TASK_FETCHING);
}

void task_on_held(struct task *task, bool held) {
    if (task->state != TASK_RECLAIMING)
        return;
    /* Killed after the last unit and before its runner's `done`: there is nothing to start a runner for. */
    bool all_done = task->units_before + task->units_stored >= task->units;
    if (held && !task->end.known && all_done && task->units > 0) {
        set_end(task, task->units_stored, NULL);
        task->state = TASK_CLOSING;
        return;
    }
    task->state = held && !task->end.known ? TASK_FETCHING : TASK_FLUSHING;
    settle(task);
}

static void close_with(struct task *task, int64_t units, const struct problem *problem) {
    set_end(task, units, problem);
    if (task->state < TASK_CLOSING)
        task->state = TASK_CLOSING;
}

void task_on_inputs(struct task *task, const struct problem *problem) {
    task->busy[STEP_FETCH] = false;
    if (problem)
        close_with(task, task->units_stored, problem);
    else if (task->draining)
        close_with(task, task->units_stored, NULL);
    else
        move(task, TASK_FETCHING, TASK_RUNNING);
}

void task_on_runner_started(struct task *task, const struct problem *problem) {
    task->busy[STEP_START] = false;
    if (problem) {
        close_with(task, task->units_stored, problem);
        return;
    }
    task->runner_alive = true;
    task->runner_reported = false;
    task->units_base = task->units_stored;
}

void task_on_chunk(struct task *task, int64_t units) {
    task->stored++;
    task->units_stored += units;
}

/* Does not change the state: the process must be gone first (task_on_runner_gone), for a chunk that it has
 * written may still be in the pipe. */
void task_on_report(struct task *task, int64_t units, const struct problem *problem) {
    int64_t total = task->units_base + units;
    task->runner_reported = true;
    set_end(task, total > task->units_stored ? total : task->units_stored, problem);
}

void task_on_runner_gone(struct task *task, const struct problem *problem) {
    TG_ASSERT(task->runner_alive);
    task->runner_alive = false;
    task->busy[STEP_KILL] = false;
    close_with(task, task->units_stored, problem);
}

void task_on_sent(struct task *task) {
    task->busy[STEP_UPLOAD] = false;
    if (task->state == TASK_FORGETTING || task->state == TASK_LEAVING)
        return;
    TG_ASSERT(task->sent < task->stored);
    task->sent++;
    settle(task);
}

void task_on_refused(struct task *task, const struct problem *problem) {
    task->busy[STEP_UPLOAD] = false;
    if (task->state >= TASK_FORGETTING)
        return;
    task->end = (struct task_end){0};
    set_end(task, task->units_stored, problem);
    task->sent = task->stored;
    task->state = TASK_CLOSING;
}

void task_on_end_stored(struct task *task) {
    task->busy[STEP_STORE_END] = false;
    move(task, TASK_CLOSING, TASK_FLUSHING);
    settle(task);
}

void task_on_told(struct task *task) {
    task->busy[STEP_TELL] = false;
    move(task, TASK_TELLING, TASK_FORGETTING);
}

void task_on_forgotten(struct task *task) {
    task->busy[STEP_FORGET] = false;
    move(task, TASK_FORGETTING, TASK_GONE);
}

void task_on_lost(struct task *task) {
    task->busy[STEP_UPLOAD] = false;
    task->busy[STEP_TELL] = false;
    if (task->state < TASK_FORGETTING)
        task->state = TASK_FORGETTING;
}

void task_on_stop(struct task *task, const struct problem *problem) {
    close_with(task, task->units_stored, problem);
}

void task_on_leave(struct task *task) {
    task->busy[STEP_UPLOAD] = false;
    task->busy[STEP_TELL] = false;
    if (task->state != TASK_GONE)
        task->state = TASK_LEAVING;
}

bool task_needs_runner(const struct task *task) {
    if (task->runner_alive)
        return true;
    return task->state < TASK_CLOSING && !(task->state == TASK_RECLAIMING && task->end.known);
}

bool task_is_over(const struct task *task) {
    bool parked = task->state == TASK_GONE || task->state == TASK_LEAVING;
    return parked && !task->runner_alive && !any_busy(task);
}
