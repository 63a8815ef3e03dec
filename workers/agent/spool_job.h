/* spool_job.h - the spool's operations on libuv's thread pool, so that the loop never waits for the disk.
 *
 * A job is filled in by its owner, started, and comes back on the loop thread through done(), which frees
 * what it keeps with spool_job_free. Jobs of one attempt that depend on each other are started one after the
 * other.
 */
#ifndef TENGEN_AGENT_SPOOL_JOB_H
#define TENGEN_AGENT_SPOOL_JOB_H

#include <uv.h>
#include "workers/agent/spool.h"

enum spool_operation {
    SPOOL_PUT_LEASE, /* json */
    SPOOL_PUT_CHUNK, /* chunk, data */
    SPOOL_PUT_END,   /* json */
    SPOOL_READ_CHUNK,
    SPOOL_REMOVE_CHUNK,
    SPOOL_SET_ASIDE,
    SPOOL_SET_ASIDE_FROM, /* chunk.number */
    SPOOL_FORGET
};

struct spool_job {
    uv_work_t work;
    struct spool *spool;
    enum spool_operation operation;
    struct spool_key key;
    struct spool_chunk chunk;
    json_t *json;  /* the job's own reference */
    uint8_t *data; /* the job's own */
    size_t size;
    struct buf read;        /* result of SPOOL_READ_CHUNK */
    struct problem problem; /* error 0: it worked */
    void (*done)(struct spool_job *job);
    void *context;
};

/* NULL when out of memory. */
struct spool_job *spool_job_create(struct spool *spool, enum spool_operation operation, struct spool_key key,
                                   void (*done)(struct spool_job *job), void *context);
void spool_job_start(uv_loop_t *loop, struct spool_job *job);
void spool_job_free(struct spool_job *job);

#endif
