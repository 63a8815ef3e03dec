#include "workers/agent/spool_job.h"

#include <stdlib.h>

struct spool_job *spool_job_create(struct spool *spool, enum spool_operation operation, struct spool_key key,
                                   void (*done)(struct spool_job *job), void *context) {
    struct spool_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->work.data = job;
    job->spool = spool;
    job->operation = operation;
    job->key = key;
    job->done = done;
    job->context = context;
    return job;
}

/* On a thread of the pool. */
static void work(uv_work_t *work) {
    struct spool_job *job = work->data;
    struct problem *problem = &job->problem;
    switch (job->operation) {
    case SPOOL_PUT_LEASE:
        spool_put_lease(job->spool, job->key, job->json, problem);
        break;
    case SPOOL_PUT_CHUNK:
        spool_put_chunk(job->spool, job->key, job->chunk, job->data, job->size, problem);
        break;
    case SPOOL_PUT_END:
        spool_put_end(job->spool, job->key, job->json, problem);
        break;
    case SPOOL_READ_CHUNK:
        spool_read_chunk(job->spool, job->key, job->chunk, &job->read, problem);
        break;
    case SPOOL_REMOVE_CHUNK:
        spool_remove_chunk(job->spool, job->key, job->chunk);
        break;
    case SPOOL_SET_ASIDE:
        spool_set_aside(job->spool, job->key, job->chunk);
        break;
    case SPOOL_SET_ASIDE_FROM:
        spool_set_aside_from(job->spool, job->key, job->chunk.number);
        break;
    case SPOOL_FORGET:
        spool_forget(job->spool, job->key);
        break;
    }
}

static void after(uv_work_t *work, int status) {
    struct spool_job *job = work->data;
    job->done(job);
}

void spool_job_start(uv_loop_t *loop, struct spool_job *job) {
    job->problem = (struct problem){0};
    TG_ASSERT(uv_queue_work(loop, &job->work, work, after) == 0);
}

void spool_job_free(struct spool_job *job) {
    json_decref(job->json);
    free(job->data);
    buf_free(&job->read);
    free(job);
}
