/* task.h - one attempt at a task as a state machine, without sockets, files or processes.
 *
 *       leased                              found in the spool at start
 *         |                                        |
 *         v                                        v
 *      STORING  the lease goes to disk         RECLAIMING  the lease is asked back ("holding")
 *         |                                    |       |
 *         v                        held        |       | has its end already, or not held, or cannot go on
 *      FETCHING  inputs into the cache <-------+       |
 *         |   \                                        |
 *         v    \ an input is not to be had             |
 *      RUNNING  \ a runner is alive                    |
 *         |      \                                     |
 *         v       v                                    |
 *      CLOSING  the end goes to disk                   |
 *         |                                            |
 *         v                                            |
 *      FLUSHING until every chunk has its 2xx <--------+
 *         |
 *         v
 *      TELLING  done or fail, until it has its 2xx
 *         |
 *         v
 *      FORGETTING the files are removed ---> GONE
 *
 *   A lost lease leads from any state to FORGETTING (with the runner killed first). LEAVING is where an agent
 *   that stops parks an attempt whose files stay for the next start.
 *
 * Chunks are stored one at a time and uploaded one at a time, in order, in every state from RUNNING to
 * FLUSHING. Invariants: sent <= stored; a chunk counts as stored only when it is on disk; the end is told
 * only when sent == stored; after a restart the numbers go on where the spool ends.
 *
 * The owner (attempt.c) loops: it asks task_next() for a step, tells task_begin(), does it, and reports what
 * came of it with one of the task_on_... functions. Loop thread only.
 */
#ifndef TENGEN_AGENT_TASK_H
#define TENGEN_AGENT_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/error.h"

enum task_state {
    TASK_STORING,
    TASK_RECLAIMING,
    TASK_FETCHING,
    TASK_RUNNING,
    TASK_CLOSING,
    TASK_FLUSHING,
    TASK_TELLING,
    TASK_FORGETTING,
    TASK_GONE,
    TASK_LEAVING
};

enum task_step {
    STEP_NONE,
    STEP_STORE_LEASE,
    STEP_FETCH,
    STEP_START,  /* the runner */
    STEP_KILL,   /* the runner: its lease is lost or its chunk was refused */
    STEP_UPLOAD, /* chunk number task->sent */
    STEP_STORE_END,
    STEP_TELL,
    STEP_FORGET,
    STEP_COUNT
};

/* How an attempt ended: error 0 is `done`. */
struct task_end {
    bool known;
    int64_t units;          /* finished in this attempt */
    uint32_t chunks;        /* that they are in */
    struct problem problem; /* error 0: done */
};

struct task {
    enum task_state state;
    int64_t units;        /* of the whole task */
    int64_t units_before; /* finished and stored by earlier attempts */
    int64_t units_base;   /* finished in this attempt by runners before the present one (after a restart) */
    int64_t units_stored; /* finished in this attempt, by the chunks on disk */
    uint32_t stored;      /* chunks 0 .. stored-1 are or were on disk */
    uint32_t sent;        /* chunks 0 .. sent-1 have their 2xx */
    bool runner_alive;
    bool runner_reported; /* its done or fail frame came */
    bool draining;        /* end early: no new runner is started */
    bool busy[STEP_COUNT];
    struct task_end end;
};

/* What the spool knows about an attempt. */
struct task_past {
    uint32_t first, next;  /* chunks first .. next-1 are in the spool */
    int64_t units_after;   /* units finished after the newest; 0 without any */
    bool newest_ends_unit; /* the newest chunk finished at least one unit (true without any chunk) */
    bool broken;
    const struct task_end *end; /* NULL: it had none */
};

const char *task_state_name(enum task_state state);

void task_init_leased(struct task *task, int64_t units, int64_t units_before);
/* An attempt whose newest chunk lies within a unit cannot be resumed (the unit's first part would be there
 * twice), nor can a broken one: both get a `fail` as their end, so that the task is handed out again at once.
 */
void task_init_found(struct task *task, int64_t units, int64_t units_before, const struct task_past *past);

/* The next thing to do now, STEP_NONE when everything waits for something under way. */
enum task_step task_next(const struct task *task);
void task_begin(struct task *task, enum task_step step);
/* The step could not be done for a passing reason (the disk is full): it will be asked for again. */
void task_again(struct task *task, enum task_step step);

void task_on_lease_stored(struct task *task);
void task_on_held(struct task *task, bool held);
void task_on_inputs(struct task *task, const struct problem *problem); /* NULL: all are here */
void task_on_runner_started(struct task *task, const struct problem *problem);
/* A chunk is on disk, finishing `units`. */
void task_on_chunk(struct task *task, int64_t units);
/* The runner's last word: `problem` NULL for done, with the units that this process finished. (A kind whose
 * work is not in chunks counts more units than its chunks hold, never fewer.) */
void task_on_report(struct task *task, int64_t units, const struct problem *problem);
/* The process is gone and its pipes are empty; `problem` says why when it had not reported. */
void task_on_runner_gone(struct task *task, const struct problem *problem);
void task_on_sent(struct task *task);
/* A chunk was refused for good or is damaged: the attempt fails with this, the rest is not sent. */
void task_on_refused(struct task *task, const struct problem *problem);
void task_on_end_stored(struct task *task);
void task_on_told(struct task *task);
void task_on_forgotten(struct task *task);
void task_on_lost(struct task *task);
/* The coordinator (or a failure that is not the runner's) ends the attempt with this problem; the runner is
 * killed, what is on disk is still sent. */
void task_on_stop(struct task *task, const struct problem *problem);
/* The agent stops now: whatever is on disk stays there. The runner is killed. */
void task_on_leave(struct task *task);

/* Whether it takes up one of the runners' places. */
bool task_needs_runner(const struct task *task);
/* No step is under way any more. */
bool task_is_over(const struct task *task);

#endif
