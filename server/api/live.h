/* live.h - the tasks at work: whose job each is, and what its last beat has said (progress, rate, the games
 * being played). An entry is made with the lease and goes with the attempt's end. Never stored: the next beat
 * says it again. */
#ifndef TENGEN_API_LIVE_H
#define TENGEN_API_LIVE_H

#include "server/api/core.h"

struct job;

struct live_task {
    int64_t task, worker;
    int attempt;
    struct job *job;
    struct live_task *previous, *next; /* of the same job */
    double rate_per_s;
    double share; /* 0 to 1: how far the unit in hand is, where its metric "progress" says so */
    int64_t done;
    json_t *games; /* array, or NULL */
};

struct live *live_create(void);
void live_destroy(struct live *live);
/* The entry of this attempt, made when there is none; an entry of another attempt is replaced. NULL when out
 * of memory. */
struct live_task *live_task(struct live *live, struct job *job, int64_t task, int attempt, int64_t worker);
struct live_task *live_find(struct live *live, int64_t task);
void live_quiet(struct live *live, int64_t task, int attempt); /* its lease has lapsed: it may come back */
void live_forget(struct live *live, int64_t task);
void live_forget_job(struct live *live, struct job *job);
double live_rate(struct live *live, const struct job *job); /* sum of its tasks' rates; job may be NULL */
double live_share(const struct job *job);                   /* sum of its tasks' shares, in units */
json_t *live_games(struct api *api, const struct job *job); /* array of the games of all its tasks */

#endif
