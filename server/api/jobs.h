/* jobs.h - the jobs in memory: what a lease needs to know of a job, and the ready answer to GET /jobs/{id}.
 *
 * The store has the truth about a job; this is a cache of it. Whatever changes a job (a chunk, a lease, a
 * beat) calls jobs_touch; the next reader finds the answer stale, has it read anew, and later ones share that
 * answer until the next touch. So a job that many look at costs one read for each change, not for each look.
 * The same touch sends the job to those who listen, at most twice a second. Jobs that have not ended are
 * always here; of the others only the last few hundred that somebody looked at. */
#ifndef TENGEN_API_JOBS_H
#define TENGEN_API_JOBS_H

#include "proto/kinds/kind.h"
#include "server/api/core.h"

struct live_task;
struct pace;
struct stream_call;

struct job {
    int64_t id;
    bool open;                    /* not ended: the scheduler knows it */
    char *name, *config, *inputs; /* of open jobs: JSON text as tasks get it; name is quoted */
    const struct kind *kind;      /* of open jobs; NULL when this program does not know it */
    char kind_name[32];
    uint64_t seed;
    int patience_s;              /* how long its runners may be silent */
    bool sprt;                   /* may end early, by its score */
    bool sprt_asked;             /* its score is being read */
    struct live_task *tasks;     /* that have sent a beat */
    int64_t units_done;          /* stored; of open jobs */
    struct pace *pace;           /* NULL until it has got on */
    struct stream_call *readers; /* that wait for its next chunk, see streams.c */

    uint64_t version, ready_version; /* ready is of ready_version; it is stale when version has moved on */
    uint64_t ready_weather;          /* the same for what is not of one job (workers, disk) */
    struct http_canned *ready;

    bool to_publish;
    int64_t published_ms, live_published_ms;
    bool live_to_publish;
    struct job *next_to_publish;
    uint64_t looked_at; /* for eviction */
};

struct jobs *jobs_create(struct api *api);
void jobs_close(struct jobs *jobs); /* closes its timer */
void jobs_destroy(struct jobs *jobs);

struct job *jobs_find(struct jobs *jobs, int64_t id); /* NULL when not in memory */
/* An open job, from its row. */
int jobs_open(struct jobs *jobs, const struct job_row *row, struct job **out);
/* It has ended: tells the listeners, forgets what only open jobs have. */
void jobs_ended(struct jobs *jobs, int64_t id);
void jobs_touch(struct jobs *jobs, int64_t id);
/* It has more units stored now, or its tasks say that theirs are further on: its rate follows from that. */
void jobs_advanced(struct job *job);
void jobs_touch_live(struct jobs *jobs, struct job *job);
void jobs_weather(struct jobs *jobs); /* why jobs wait may have changed for all */

/* Reads {"chunks": N, "seconds": S}, both optional; NULL: everything is kept. Problems name
 * "retention.chunks" and so on. */
int retention_read(const json_t *value, struct retention *out, struct problem *problem);

/* Replies with the job. */
void jobs_reply(struct http_request *request, struct api *api, int64_t id);

/* ---- documents ---- */

/* A job as docs/protocol.md shows it, as far as the store knows it. Any thread, inside a transaction. NULL
 * with *error set. with_config: config and inputs too. */
json_t *job_document(struct store_tx *tx, const struct job_row *row, bool with_config, int *error);
/* Puts in what only the loop knows: reason, rate, eta. */
void job_overlay(struct api *api, json_t *document);
/* The score of a job of this kind with these totals; null when it has none. */
json_t *job_score(const struct kind *kind, const json_t *config, const json_t *totals);
/* Whether the SPRT that the config asks for has decided. */
bool job_sprt_decided(const struct kind *kind, const json_t *config, const json_t *totals);

#endif
