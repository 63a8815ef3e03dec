/* sums.c - see sums.h.
 *
 * A chunk changes sums of its task, its job and the job's totals: six or more rows that the next chunk of the
 * same transaction mostly changes again. So the changes of a transaction are added up here and each row is
 * written once, before the commit and before any other request of the group looks (store.c). What is read of
 * a task or job on the way is kept as long. A place that runs out is made by writing what is there.
 *
 * So a sum in memory is either already in the database or of this transaction:
 *
 *     sums_begin ... count ... sums_add_total      chunk after chunk, nothing written
 *     sums_flush     before a savepoint and before COMMIT: written, forgotten
 *     sums_drop      the transaction is given up: forgotten
 *
 * Two sorts of numbers are kept of a task and a job, and must not be mixed up: what is to be added to the row
 * (`added`, `units`, ...) and what the row will then say (`units_done`), which the fence and the answer use.
 *
 * The tables are small and searched from the front: a group of chunks has few tasks and jobs.
 *
 * The order of a sum of reals is another one than chunk by chunk; store_check allows for that. */
#include "server/store/db.h"

#include <string.h>

static int write_tasks(struct store_tx *tx) {
    struct sums *sums = &tx->sums;
    for (int i = 0; i < sums->task_count; i++) {
        const struct sums_task *task = &sums->tasks[i];
        int error = task->added ? db_run(tx, "UPDATE tasks SET units_done = units_done + ? WHERE id = ?",
                                         "ii", task->added, task->id)
                                : 0;
        if (error)
            return error;
    }
    return 0;
}

static int write_jobs(struct store_tx *tx) {
    struct sums *sums = &tx->sums;
    for (int i = 0; i < sums->job_count; i++) {
        const struct sums_job *job = &sums->jobs[i];
        int error = job->chunks ? db_run(tx,
                                         "UPDATE jobs SET units_done = units_done + ?, chunk_count ="
                                         " chunk_count + ?, chunk_bytes = chunk_bytes + ?,"
                                         " game_count = game_count + ? WHERE id = ?",
                                         "iiiii", job->units, job->chunks, job->bytes, job->games, job->id)
                                : 0;
        if (error)
            return error;
    }
    return 0;
}

static int write_totals(struct store_tx *tx) {
    static const char *const sql = "INSERT INTO totals (job, name, value) VALUES (?, ?, ?)"
                                   " ON CONFLICT DO UPDATE SET value = value + excluded.value";
    struct sums *sums = &tx->sums;
    for (int i = 0; i < sums->total_count; i++) {
        const struct sums_total *total = &sums->totals[i];
        int error = total->is_real ? db_run(tx, sql, "itd", total->job, total->name, total->real)
                                   : db_run(tx, sql, "iti", total->job, total->name, total->whole);
        if (error)
            return error;
    }
    return 0;
}

int sums_flush(struct store_tx *tx) {
    int error = write_tasks(tx);
    error = error ? error : write_jobs(tx);
    error = error ? error : write_totals(tx);
    sums_drop(tx);
    return error;
}

void sums_drop(struct store_tx *tx) {
    tx->sums.task_count = tx->sums.job_count = tx->sums.total_count = 0;
}

/* ---- what is read ---- */

static int read_task(struct store_tx *tx, int64_t id, struct sums_task *out) {
    sqlite3_stmt *stmt;
    int error = db_bind(
        tx, &stmt, "SELECT job, worker, units, units_done, attempt, state FROM tasks WHERE id = ?", "i", id);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    int64_t state = db_i64(stmt, 5);
    *out = (struct sums_task){.id = id,
                              .job = db_i64(stmt, 0),
                              .worker = db_i64(stmt, 1),
                              .units = db_i64(stmt, 2),
                              .units_done = db_i64(stmt, 3),
                              .attempt = (int)db_i64(stmt, 4),
                              .open = state == TASK_LEASED || state == TASK_PENDING};
    db_reset(stmt);
    return 0;
}

static int find_task(struct store_tx *tx, int64_t id, struct sums_task **out) {
    struct sums *sums = &tx->sums;
    for (int i = 0; i < sums->task_count; i++) {
        if (sums->tasks[i].id == id) {
            *out = &sums->tasks[i];
            return 0;
        }
    }
    *out = &sums->tasks[sums->task_count];
    int error = read_task(tx, id, *out);
    sums->task_count += !error;
    return error;
}

static int find_job(struct store_tx *tx, int64_t id, struct sums_job **out) {
    struct sums *sums = &tx->sums;
    for (int i = 0; i < sums->job_count; i++) {
        if (sums->jobs[i].id == id) {
            *out = &sums->jobs[i];
            return 0;
        }
    }
    struct sums_job *job = *out = &sums->jobs[sums->job_count];
    *job = (struct sums_job){.id = id};
    int error = db_int(tx, &job->units_done, "SELECT units_done FROM jobs WHERE id = ?", "i", id);
    sums->job_count += !error;
    return error;
}

int sums_begin(struct store_tx *tx, int64_t task, struct sums_task **out_task, struct sums_job **out_job) {
    bool room = tx->sums.task_count < SUMS_TASKS && tx->sums.job_count < SUMS_JOBS;
    int error = room ? 0 : sums_flush(tx);
    error = error ? error : find_task(tx, task, out_task);
    return error ? error : find_job(tx, (*out_task)->job, out_job);
}

/* ---- totals ---- */

static struct sums_total *find_total(struct sums *sums, int64_t job, const char *name) {
    for (int i = 0; i < sums->total_count; i++)
        if (sums->totals[i].job == job && strcmp(sums->totals[i].name, name) == 0)
            return &sums->totals[i];
    return NULL;
}

/* False: it does not go into the sum that is there, being of another type or too large. */
static bool add_value(struct sums_total *total, const json_t *value) {
    if (total->is_real != !json_is_integer(value))
        return false;
    if (total->is_real) {
        total->real += json_number_value(value);
        return true;
    }
    int64_t sum;
    if (__builtin_add_overflow(total->whole, (int64_t)json_integer_value(value), &sum))
        return false;
    total->whole = sum;
    return true;
}

/* A name too long for a place here: written at once. */
static int write_value(struct store_tx *tx, int64_t job, const char *name, const json_t *value) {
    static const char *const sql = "INSERT INTO totals (job, name, value) VALUES (?, ?, ?)"
                                   " ON CONFLICT DO UPDATE SET value = excluded.value + value";
    return json_is_integer(value) ? db_run(tx, sql, "iti", job, name, (int64_t)json_integer_value(value))
                                  : db_run(tx, sql, "itd", job, name, json_number_value(value));
}

int sums_add_total(struct store_tx *tx, int64_t job, const char *name, const json_t *value) {
    struct sums *sums = &tx->sums;
    if (strlen(name) >= SUMS_NAME)
        return write_value(tx, job, name, value);
    struct sums_total *total = find_total(sums, job, name);
    if (total != NULL && add_value(total, value))
        return 0;
    if (total != NULL || sums->total_count == SUMS_TOTALS) {
        int error = write_totals(tx);
        sums->total_count = 0;
        if (error)
            return error;
    }
    total = &sums->totals[sums->total_count++];
    *total = (struct sums_total){.job = job, .is_real = !json_is_integer(value)};
    memcpy(total->name, name, strlen(name) + 1);
    add_value(total, value);
    return 0;
}
