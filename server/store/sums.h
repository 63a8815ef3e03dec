/* sums.h - what the chunks of one transaction add up to; inside server/store only. See sums.c. */
#ifndef TENGEN_STORE_SUMS_H
#define TENGEN_STORE_SUMS_H

#include "server/store/store_tx.h"

enum { SUMS_TASKS = 32, SUMS_JOBS = 8, SUMS_TOTALS = 64, SUMS_NAME = 48 };

/* A task as the transaction sees it: its row and what was added since. */
struct sums_task {
    int64_t id, job, worker, units, units_done, added;
    int attempt;
    bool open;
};

struct sums_job {
    int64_t id, units_done; /* with what was added */
    int64_t units, chunks, bytes, games;
};

struct sums_total {
    int64_t job, whole;
    double real;
    bool is_real;
    char name[SUMS_NAME];
};

struct sums {
    int task_count, job_count, total_count;
    struct sums_task tasks[SUMS_TASKS];
    struct sums_job jobs[SUMS_JOBS];
    struct sums_total totals[SUMS_TOTALS];
};

/* The task and its job, read when they are not there yet; valid until the next call of this or of sums_flush.
 * TG_ENOT_FOUND. */
int sums_begin(struct store_tx *tx, int64_t task, struct sums_task **out_task, struct sums_job **out_job);
/* Adds a counter to the job's total of that name. */
int sums_add_total(struct store_tx *tx, int64_t job, const char *name, const json_t *value);
/* Writes all that was added, and forgets what was read: to be called before anybody else looks. */
int sums_flush(struct store_tx *tx);
/* After a rollback. */
void sums_drop(struct store_tx *tx);

#endif
