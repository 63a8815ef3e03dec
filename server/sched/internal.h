/* internal.h - the scheduler's data; inside server/sched only. sched.h has the outside view.
 *
 *      worker --leases--> task --job--> job --group--> group (a set of needed capabilities)
 *                          |             |                |
 *                     timers (heap       returned tasks,  tree of its ready jobs,
 *                     by due time)       lowest index     first = the one to serve
 *                                        first
 *
 * A task in memory is in exactly one of these states:
 *      LEASED    in its worker's list and in the timers (due: when the lease lapses)
 *      LAPSED    in its job's returned list; `worker` may take it back while it is there
 *      RETURNED  in its job's returned list; nobody may
 *      BACKOFF   in the timers (due: when it becomes RETURNED)
 * All tasks of a job, in whatever state, are in job->tasks.
 *
 * A job is in its group's tree if and only if it is ready: not paused, waiting for no job, and with a task to
 * give away. The tree's key (priority, leased, id) must not change while the job is in it: job_unqueue
 * before, job_requeue after.
 */
#ifndef TENGEN_SCHED_INTERNAL_H
#define TENGEN_SCHED_INTERNAL_H

#include "server/sched/map.h"
#include "server/sched/sched.h"

enum task_place { PLACE_LEASED, PLACE_LAPSED, PLACE_RETURNED, PLACE_BACKOFF };

struct task {
    int64_t last_worker;       /* `worker` before the present attempt, for when that is undone */
    int64_t id, index, worker; /* worker: who holds it or may come back; 0: nobody */
    struct job *job;
    int64_t units_done, due;
    size_t timer_at; /* position in the timers while LEASED or BACKOFF */
    int attempt, failures;
    enum task_place place;
    struct task *previous, *next;         /* in the worker's leases or the job's returned list */
    struct task *job_previous, *job_next; /* in job->tasks */
};

struct task_list {
    struct task *first, *last;
    int64_t count;
};

struct job {
    int64_t id;
    int priority;
    bool paused, queued;
    uint32_t tree_rank; /* heap order of the treap */
    int64_t leased;     /* tasks at work */
    struct job *left, *right;
    struct group *group;
    int64_t first_task, task_count, units_total, task_units, next_index, tasks_done;
    int64_t leased_units, backing_off;
    struct task_list returned;
    struct task *tasks;
    int64_t *unmet; /* jobs that this one waits for */
    size_t unmet_count;
    int64_t *dependents; /* jobs that wait for this one */
    size_t dependent_count, dependent_room;
    char *failure;           /* why an attempt failed last; NULL: none has */
    struct job *next_ending; /* in sched_job_end's work list */
};

struct group {
    char **needs; /* sorted, without repetition */
    size_t need_count;
    size_t slot;  /* in sched->groups and in every worker's `fits` */
    int64_t jobs; /* that refer to it; freed with the last */
    struct job *root, *first;
    int64_t ready;
};

struct unable {
    struct sched_unable what; /* need: borrowed from the worker's capabilities; reason: owned */
    bool waiting;             /* now < until: the worker gets nothing of the kind */
};

struct worker {
    int64_t id;
    enum sched_worker_state state;
    bool online;
    char **capabilities; /* sorted */
    size_t capability_count;
    bool *fits; /* by group slot */
    struct task_list leases;
    struct unable *unable; /* room for SCHED_UNABLE_MAX; NULL: it never was */
    size_t unable_count;
};

struct sched {
    struct sched_options options;
    struct map jobs, tasks, workers; /* id -> struct */
    struct group **groups;           /* NULL: a free slot */
    size_t group_count, group_room;
    struct task **timers; /* binary heap by due */
    size_t timer_count, timer_room;
    struct sched_event *events; /* ring */
    size_t event_first, event_count, event_room;
    int64_t ready_jobs, leased;
    int64_t unable_due; /* not later than the first `until` of a worker that waits; INT64_MAX: none does */
    uint64_t generation;
};

/* ---- names.c: sets of capabilities ---- */

char **names_copy(const char *const *names, size_t count,
                  size_t *out_count); /* sorted; NULL: out of memory */
void names_free(char **names, size_t count);
bool names_contain(char *const *names, size_t count, const char *name);
bool names_cover(char *const *offered, size_t offered_count, char *const *needed, size_t needed_count);

/* ---- ready.c: groups and their trees ---- */

struct group *group_take(struct sched *sched, const char *const *needs,
                         size_t count); /* NULL: out of memory */
void group_release(struct sched *sched, struct group *group);
bool job_is_ready(const struct job *job);
bool job_before(const struct job *a, const struct job *b); /* a is served first */
void job_unqueue(struct sched *sched, struct job *job);
/* Puts it into its tree when it is ready. more: it has got something that it could not give away before. */
void job_requeue(struct sched *sched, struct job *job, bool more);

/* ---- timers.c ---- */

int timers_reserve(struct sched *sched); /* room for one more; 0 or TG_ENO_MEMORY */
void timers_add(struct sched *sched, struct task *task, int64_t due);
void timers_move(struct sched *sched, struct task *task, int64_t due);
void timers_remove(struct sched *sched, struct task *task);

/* ---- tasks.c: moving tasks between places ---- */

struct task *task_create(struct sched *sched, struct job *job,
                         int64_t index);                   /* in no place yet; NULL: out of memory */
void task_destroy(struct sched *sched, struct task *task); /* leaves its place first */
void task_leave(struct sched *sched,
                struct task *task); /* its place; the job's key changes: unqueue before */
void task_enter_lease(struct sched *sched, struct task *task, struct worker *worker, int64_t due);
void task_enter_returned(struct task *task, bool may_come_back);
void task_enter_backoff(struct sched *sched, struct task *task, int64_t due);
int64_t task_units(const struct job *job, int64_t index);

/* The job that is served next after this one, of those of its group that are ready; NULL: none. */
const struct job *job_after(const struct job *job);

/* ---- unable.c ---- */

/* What keeps the worker from the job for now; NULL: nothing. */
const struct unable *unable_to_do(const struct worker *worker, const struct job *job);
/* The first ready job of the group that the worker is able to do; NULL: none. */
const struct job *unable_first(const struct worker *worker, const struct group *group);
int unable_note(struct sched *sched, struct worker *worker, const struct job *job, const char *need,
                const char *reason, int64_t now); /* 0 or TG_ENO_MEMORY */
/* What this job's task, done by the worker, proves. */
void unable_disprove(struct worker *worker, const struct job *job);
void unable_clear(struct worker *worker);
void unable_forget_job(struct sched *sched, int64_t job);
void unable_advance(struct sched *sched, int64_t now);

/* ---- events.c ---- */

void event_push(struct sched *sched, struct sched_event event);

#endif
