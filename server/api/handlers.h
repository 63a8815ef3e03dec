/* handlers.h - every call's handler, by resource. routes.c has their URLs. */
#ifndef TENGEN_API_HANDLERS_H
#define TENGEN_API_HANDLERS_H

#include "server/api/core.h"

struct job;
struct parked;

#define HANDLER(name) void handle_##name(struct http_request *request, void *context)

HANDLER(whoami); /* auth.c */
HANDLER(session_open);
HANDLER(session_close);
HANDLER(tokens_list);
HANDLER(tokens_create);
HANDLER(tokens_revoke);

HANDLER(jobs_submit); /* submit.c */

HANDLER(jobs_list); /* job_calls.c */
HANDLER(job_get);
HANDLER(job_cancel);
HANDLER(job_pause);
HANDLER(job_resume);
HANDLER(job_live);

HANDLER(job_retention); /* retention.c */

HANDLER(job_tasks); /* job_lists.c */
HANDLER(job_metrics);
HANDLER(job_log);

HANDLER(job_games); /* games.c */
HANDLER(games_list);
HANDLER(game_get);
HANDLER(game_sgf);

HANDLER(job_checkpoints); /* content.c */
HANDLER(checkpoints_list);
HANDLER(checkpoint_get);
HANDLER(checkpoint_put);
HANDLER(datasets_list);
HANDLER(dataset_get);
HANDLER(dataset_post);
HANDLER(dataset_delete);

HANDLER(workers_list); /* workers.c */
HANDLER(worker_register);
HANDLER(worker_drain);
HANDLER(worker_disable);
HANDLER(worker_enable);

HANDLER(worker_lease); /* leases.c */
HANDLER(task_beat);    /* beats.c */
HANDLER(task_chunk);   /* chunks.c */
HANDLER(job_reports);  /* reports.c */
HANDLER(task_done);    /* results.c */
HANDLER(task_fail);
HANDLER(stream_get); /* streams.c */

HANDLER(kinds); /* service.c */
HANDLER(stats);
HANDLER(events);
HANDLER(openapi);
HANDLER(healthz);
HANDLER(readyz);
HANDLER(asset);
HANDLER(not_implemented);

HANDLER(metrics); /* metrics.c */

#undef HANDLER

/* What one file tells another. */
void leases_offer(struct api *api);  /* leases.c: parked workers ask again */
void leases_answer(struct api *api); /* leases.c: no parked call waits any longer, work or not */
void leases_refuse(struct api *api, struct parked *parked); /* the worker has gone another way */
void streams_wake(struct api *api, struct job *job); /* streams.c: a chunk was stored, or the job ended */
int schedule_job(struct api *api, const struct job_row *row, const int64_t *after,
                 size_t after_count); /* submit.c */
void job_end_by_itself(struct api *api, int64_t id, enum job_state state, const struct problem *reason);

#endif
