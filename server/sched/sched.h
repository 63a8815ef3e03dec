/* sched.h - who works on what. Plain data in memory: no sockets, no clock, no disk, no threads of its own.
 *
 * The loop thread owns a struct sched. It asks sched_decide (which changes nothing) what a worker should do
 * next, and tells it by the sched_... mutations what has happened. The store is the durable copy of the same
 * facts; the order is:
 *
 *   lease    sched_decide -> sched_lease (reserved in memory) -> store task_lease -> answer the worker
 *            when the store refuses: sched_lease_undo
 *   done     store task_done -> sched_task_done        fail  store task_fail -> sched_task_failed
 *   lapse    sched_advance -> event TASK_LAPSED -> store task_lapse
 *   end      store job_end -> sched_job_end            (a job that ends early, is cancelled, or has failed)
 *
 * So memory never promises what the disk does not know, and mutations that report stored facts may arrive
 * late or twice: what no longer fits is ignored. Make them from the store's completions, in their order: then
 * a job is added before anything is reported that its transaction did not see yet. After a restart the state
 * is rebuilt from the store (in this order: sched_worker_set, sched_job_add by ascending id,
 * sched_task_restore); leases then run a full period again.
 *
 * Data. A job is counters, not tasks: indices below next_index were leased at least once, of those only the
 * tasks that are leased, lapsed or waiting for another attempt are in memory. Jobs that have a task to give
 * away now are "ready" and kept in a tree per group, a group being a set of needed capabilities; a worker
 * matches groups, not jobs. sched_decide looks at the first job of each group that fits the worker, so it
 * costs the same for a thousand and for a million tasks or jobs.
 *
 * Which job: the highest priority; among these the one with the fewest tasks at work; among these the oldest.
 * Which task: one that waits for another attempt, the lowest index first; else the next new one.
 *
 * An attempt can fail through no fault of its task: an engine that cannot be started on that machine, memory
 * or disk that is not there, an input that does not get there. The task then goes back at once and uncounted,
 * and the worker is "unable": it gets nothing more that needs this capability (or, where no capability is to
 * blame, no task of this job) for SCHED_UNABLE_MS, twice as long each time it fails again. It is tried anew
 * after that, and at once when it registers or is enabled: then somebody has mended it. Units that it stores
 * prove it able. This is known in memory only: a restarted coordinator tries everybody once more.
 *
 * Time is a parameter: any monotonic milliseconds. sched_advance must be called at least as often as
 * sched_next_due says.
 */
#ifndef TENGEN_SCHED_SCHED_H
#define TENGEN_SCHED_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

struct sched;

enum {
    SCHED_LEASE_MS = 30000,
    SCHED_FAILURES_MAX = 5,
    SCHED_BACKOFF_MS = 1000,
    SCHED_UNABLE_MS = 10000,
    SCHED_UNABLE_DOUBLINGS = 8, /* 43 minutes at most */
    SCHED_UNABLE_MAX = 16, /* things that one worker is unable to do; then the one tried soonest gives way */
};

struct sched_options {
    int64_t lease_ms;   /* three beats; 0: SCHED_LEASE_MS */
    int64_t backoff_ms; /* before the second attempt; doubles with each failure, at most 32 times; 0:
                           SCHED_BACKOFF_MS */
    int64_t unable_ms;  /* 0: SCHED_UNABLE_MS */
};

/* NULL only when out of memory. Mutations return TG_ENO_MEMORY where they need memory and have then changed
 * nothing. */
struct sched *sched_create(const struct sched_options *options);
void sched_destroy(struct sched *sched);

/* ---- workers ---- */

enum sched_worker_state { SCHED_WORKER_ENABLED, SCHED_WORKER_DRAIN, SCHED_WORKER_DISABLED };
struct sched_worker {
    int64_t id;
    enum sched_worker_state state;
    const char *const *capabilities; /* "kind:selfplay", "engine:gnugo", ...; copied */
    size_t capability_count;
};
/* Adds the worker or changes it. Its leases stay as they are, whatever its state: drained means "no new
 * ones". */
int sched_worker_set(struct sched *sched, const struct sched_worker *worker);
/* Forgets a worker that holds no lease; what it might have taken back it may not any more. */
void sched_worker_remove(struct sched *sched, int64_t worker);
int sched_worker_state(struct sched *sched, int64_t worker,
                       enum sched_worker_state state); /* TG_ENOT_FOUND */
/* Whether it has been heard of lately; only for what the reasons say. Online after sched_worker_set.
 * TG_ENOT_FOUND. */
int sched_worker_online(struct sched *sched, int64_t worker, bool online);
int sched_worker_leases(const struct sched *sched, int64_t worker); /* how many it holds */

/* What a worker turned out to be unable to do. The texts are the scheduler's, until the next mutation. */
struct sched_unable {
    const char *need; /* a capability; NULL: the tasks of `job` */
    int64_t job;      /* whose task has shown it last */
    const char *reason;
    int failures;  /* in a row */
    int64_t until; /* when it is tried again */
    bool
        tried_anew; /* `until` is over: it gets such tasks again, and has not yet stored any of their units */
};
/* The index-th; false when there are fewer. */
bool sched_worker_unable(const struct sched *sched, int64_t worker, size_t index, struct sched_unable *out);

/* ---- jobs ---- */

struct sched_job {
    int64_t id;
    int priority;
    int64_t first_task, task_count, units_total, task_units; /* as in server/store/store_tx.h */
    int64_t next_index;                                      /* 0 for a new job */
    int64_t tasks_done;
    const char *const *needs; /* capabilities, among them "kind:..."; copied, order does not matter */
    size_t need_count;
    const int64_t *after; /* jobs that have not succeeded yet; each must be known here (else the job fails,
                             see events) */
    size_t after_count;
    bool paused;
};
/* TG_EINVALID when the id is known already. Add jobs in the order of their ids, so that `after` finds its
 * jobs. */
int sched_job_add(struct sched *sched, const struct sched_job *job);
int sched_job_pause(struct sched *sched, int64_t job, bool paused); /* TG_ENOT_FOUND */
/* The job has ended for whatever reason: its tasks are forgotten. succeeded frees the jobs that wait for it;
 * else they fail (events). No effect when it is unknown. */
void sched_job_end(struct sched *sched, int64_t job, bool succeeded);

/* A task with a row that is not done: leased (now or lapsed: worker may come back) or pending. At start-up
 * only. */
struct sched_task {
    int64_t task, job, index;
    int64_t units_done;
    int attempt, failures;
    int64_t worker; /* 0: nobody */
    bool leased;
};
int sched_task_restore(struct sched *sched, const struct sched_task *task, int64_t now);

struct sched_job_info {
    int64_t leased;       /* tasks at work */
    int64_t leased_units; /* their units that are not stored yet */
    int64_t pending;      /* tasks that nobody holds */
    int64_t backing_off;  /* of these: waiting after a failure */
    int64_t waiting_for;  /* the first job of `after` that it waits for; 0: none */
    bool paused;
};
int sched_job_info(const struct sched *sched, int64_t job, struct sched_job_info *out); /* TG_ENOT_FOUND */
/* Appends why the job is where it is, for people ("no worker offers engine:gnugo"); nothing when it just
 * runs. */
int sched_job_reason(const struct sched *sched, int64_t job, struct buf *out);

/* ---- decide and lease ---- */

struct sched_lease {
    int64_t task, job, index;
    int64_t first_unit, units; /* what the task covers */
    int attempt;
};
struct sched_decision {
    bool found;
    struct sched_lease lease; /* when found */
    const char *reason;       /* when not: why, for people; a constant string */
    bool drain;               /* the worker is to finish what it has and stop */
};
/* Numbered steps over plain data; changes nothing. storage_full: hand out nothing.
 */
struct sched_decision sched_decide(const struct sched *sched, int64_t worker, bool storage_full);

/* Gives the decided task to the worker. Must follow sched_decide without another mutation in between. */
int sched_lease(struct sched *sched, const struct sched_lease *lease, int64_t worker, int64_t now);
/* The store has refused the lease: the attempt never was. (A worker that is gone before it could be told has
 * the lease all the same: it lapses, or the worker's next `holding` gives it up.) */
void sched_lease_undo(struct sched *sched, int64_t task, int attempt);

enum sched_held {
    SCHED_LOST,      /* not (any more) this worker's: answer lease_lost */
    SCHED_HELD,      /* its deadline was moved */
    SCHED_REGRANTED, /* it had lapsed and nobody else had got it: it is this worker's again (store:
                        task_regrant) */
};
/* A sign of life for one lease: a beat, a chunk, `holding` of a worker that came back. */
enum sched_held sched_beat(struct sched *sched, int64_t task, int attempt, int64_t worker, int64_t now);
/* The worker (re)registered or asked for work and holds exactly these: its other leases lapse at once, as
 * forgotten. Tasks in the list are not touched: call sched_beat for each first. */
void sched_worker_holds(struct sched *sched, int64_t worker, const int64_t *tasks, size_t count);

/* ---- what the store has confirmed ---- */

void sched_units_stored(struct sched *sched, int64_t task, int64_t units_done); /* the task's new sum */
void sched_task_done(struct sched *sched, int64_t task);
/* The attempt failed for this reason, which people are told while the task waits for another one, with
 * back-off; NULL: it ended early after a drain, or is not counted, and the task waits without. Ignored when
 * another attempt has begun. That the job fails in the end comes from the store (sched_job_end). */
void sched_task_failed(struct sched *sched, int64_t task, int attempt, const char *reason, int64_t now);

/* The attempt failed because of its worker: the task waits for another attempt, without back-off; see
 * the head. need: the capability at fault; what the job does not need (or NULL) means the job itself. reason:
 * for people, who are told which worker it is by this text alone; copied. Ignored when another attempt has
 * begun. */
void sched_task_unable(struct sched *sched, int64_t task, int attempt, const char *need, const char *reason,
                       int64_t now);

/* ---- time and events ---- */

void sched_advance(struct sched *sched, int64_t now); /* lapses, ends of back-off, workers tried anew */
int64_t
sched_next_due(const struct sched *sched); /* when sched_advance has something to do; INT64_MAX: never */
/* Goes up whenever something became leasable: parked lease calls should ask again. */
uint64_t sched_generation(const struct sched *sched);

enum sched_event_type {
    SCHED_TASK_LAPSED,  /* job, task, attempt, worker; forget: see task_lapse */
    SCHED_JOB_COMPLETE, /* job: every task is done (the store has it as succeeded already); it has left the
                           scheduler */
    SCHED_JOB_BLOCKED, /* job: `other`, which it waits for, did not succeed: end it as failed; it has left the
                          scheduler */
    SCHED_JOB_RELEASED,   /* job: the last job it waited for has succeeded */
    SCHED_WORKER_RETRIED, /* worker: something that it was unable to do is given to it again */
};
struct sched_event {
    enum sched_event_type type;
    int64_t job, task, worker, other;
    int attempt;
    bool forget;
};
/* Takes the next event; false when there is none. Take them after every mutation. */
bool sched_next_event(struct sched *sched, struct sched_event *out);

struct sched_stats {
    int64_t jobs, ready_jobs, workers, groups, leased, waiting;
};
void sched_stats(const struct sched *sched, struct sched_stats *out);

#endif
