/* attempt_private.h - shared by the files that make up an attempt, and by nobody else:
 *     attempt.c         making, steps that concern the spool, and the loop over task_next
 *     attempt_runner.c  the runner: its task document, its frames, its end
 *     attempt_calls.c   uploads, beats, done and fail */
#ifndef TENGEN_AGENT_ATTEMPT_PRIVATE_H
#define TENGEN_AGENT_ATTEMPT_PRIVATE_H

#include "workers/agent/attempt.h"
#include "workers/agent/call.h"
#include "workers/agent/inputs.h"
#include "workers/agent/outbox.h"
#include "workers/agent/runner.h"
#include "workers/agent/spool_job.h"
#include "workers/agent/wait.h"

struct attempt {
    struct services *services;
    attempt_changed_fn changed;
    void *context;
    struct spool_key key;
    struct task task;
    json_t *lease;
    int jobs; /* spool jobs and fetches under way: it lives until they are back */
    int open_timers;
    /* chunks on disk: numbers first_chunk .. task.stored-1 */
    struct spool_chunk *chunks;
    uint32_t first_chunk;
    bool set_aside;             /* what was not sent goes to refused/ before the rest is forgotten */
    struct wait disk;           /* "spool: waiting, the disk is full" */
    uv_timer_t retry;           /* of a spool job that failed */
    struct spool_job *retrying; /* that job; NULL: none waits */
    /* inputs and runner */
    struct inputs *inputs;
    json_t *local_inputs; /* {"inputs", "resume"}, with paths */
    struct runner *runner;
    uint32_t frames_base; /* number of the runner's chunk 0 */
    int64_t started_ms;
    /* calls */
    struct outbox *outbox;
    uv_timer_t beat_timer;
    struct call *beat, *upload, *tell;
    struct buf beat_body, tell_body;
    struct spool_job *uploading; /* holds the bytes on their way */
};

void attempt_log(const struct attempt *attempt, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const struct spool_chunk *attempt_chunk(const struct attempt *attempt, uint32_t number);
struct spool_job *attempt_job(struct attempt *attempt, enum spool_operation operation,
                              void (*done)(struct spool_job *job));
void attempt_job_start(struct attempt *attempt, struct spool_job *job);
void attempt_job_over(struct attempt *attempt, struct spool_job *job); /* counts and frees it */
/* A job that failed for a passing reason (a full disk): tried again later, with a line in the log. */
void attempt_job_retry(struct attempt *attempt, struct spool_job *job);
/* The coordinator says that the lease is gone: what is not stored there is dropped, or set aside for a person
 * when it does not even know the task (`unknown`). */
void attempt_lost(struct attempt *attempt, const char *why, bool unknown);

/* attempt_runner.c */
void attempt_start_runner(struct attempt *attempt);
void attempt_remove_sent(struct attempt *attempt, uint32_t number); /* its file, unless it is the bookmark */
/* attempt_calls.c */
void attempt_upload(struct attempt *attempt);
void attempt_tell(struct attempt *attempt);
void attempt_beats_start(struct attempt *attempt);
void attempt_calls_cancel(struct attempt *attempt);

#endif
