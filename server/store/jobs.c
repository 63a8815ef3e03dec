/* jobs.c - jobs: insert, read, list, change of state. The picture is in store_tx.h.
 *
 *     queued --first lease--> running --last task done--> succeeded
 *        |  ^                  |  |
 *        |  +--resume----+     |  +--- a task failed for good, or job_end ---> failed, succeeded, cancelled
 *        +--pause--> paused <--+       (from queued and paused, too)
 *
 * An ended state is never left. Resuming goes to running when the job had begun (started_ms), else to queued.
 *
 * A job is one row until its tasks are leased. The ids of its tasks are a range that begins where the range
 * of the job before it ended, so task ids rise with job ids and a task's job is found by its id alone
 * (read_range in tasks.c). That holds because the writer is one thread and jobs are never deleted.
 *
 * Lists have a statement for each index that can serve them, chosen by what is asked for: SQLite plans
 * without knowing the values, and a million jobs are not to be read for a page of fifty.
 */
#include "proto/wire/json.h"
#include "server/store/db.h"

#include <stdlib.h>
#include <string.h>
#include "proto/wire/problem.h"

static const char *const state_names[JOB_STATE_COUNT] = {"queued",    "running", "paused",
                                                         "succeeded", "failed",  "cancelled"};

const char *job_state_name(enum job_state state) {
    TG_ASSERT((unsigned)state < JOB_STATE_COUNT);
    return state_names[state];
}

int job_state_parse(const char *name, enum job_state *state) {
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *state = (enum job_state)i;
            return 0;
        }
    }
    return TG_EINVALID;
}

bool job_state_ended(enum job_state state) {
    return state == JOB_SUCCEEDED || state == JOB_FAILED || state == JOB_CANCELLED;
}

static int job_state_of(struct store_tx *tx, int64_t id, enum job_state *state) {
    int64_t value = 0;
    int error = db_int(tx, &value, "SELECT state FROM jobs WHERE id = ?", "i", id);
    *state = (enum job_state)value;
    return error;
}

/* ---- insert ---- */

/* A job can only wait for jobs that are there, and they had smaller ids; so there are no circles. */
static int insert_after(struct store_tx *tx, int64_t id, const struct job_new *job, struct problem *problem) {
    for (size_t i = 0; i < job->after_count; i++) {
        enum job_state state;
        int error = job->after[i] == id ? TG_ENOT_FOUND : job_state_of(tx, job->after[i], &state);
        if (error == TG_ENOT_FOUND)
            return problem_set(problem, TG_EINVALID, "after", "there is no job %lld to wait for",
                               (long long)job->after[i]);
        if (error)
            return error;
        if (state == JOB_FAILED || state == JOB_CANCELLED)
            return problem_set(problem, TG_EWRONG_STATE, "after",
                               "job %lld has %s, so a job that waits for it could never start",
                               (long long)job->after[i], state == JOB_FAILED ? "failed" : "been cancelled");
        error =
            db_run(tx, "INSERT OR IGNORE INTO job_after (job, needs) VALUES (?, ?)", "ii", id, job->after[i]);
        if (error)
            return error;
    }
    return 0;
}

static char *after_text(const struct job_new *job) {
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < job->after_count; i++)
        json_array_append_new(array, json_integer(job->after[i]));
    char *text = json_text(array);
    json_decref(array);
    return text;
}

static int insert_row(struct store_tx *tx, const struct job_new *job, int64_t first_task,
                      int64_t task_count) {
    char *after = after_text(job);
    if (after == NULL)
        return TG_ENO_MEMORY;
    int error = db_run(
        tx,
        "INSERT INTO jobs (kind, name, priority, state, units_total, first_task, task_count, task_units,"
        " retain_chunks, retain_s, created_ms, after, inputs, config, document)"
        " VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "ttiiiiiiiitttt", job->kind, job->name, (int64_t)job->priority, job->units_total, first_task,
        task_count, job->task_units, job->retention.chunks, job->retention.seconds, job->now_ms, after,
        job->inputs, job->config, job->document);
    free(after);
    return error;
}

int job_insert(struct store_tx *tx, const struct job_new *job, int64_t *id, struct problem *problem) {
    TG_ASSERT(tx->writable && job->units_total >= 1 && job->task_units >= 1);
    int64_t first_task = 1;
    int error =
        db_int(tx, &first_task, "SELECT first_task + task_count FROM jobs ORDER BY id DESC LIMIT 1", "");
    if (error && error != TG_ENOT_FOUND)
        return error;
    int64_t task_count = (job->units_total - 1) / job->task_units + 1;
    error = insert_row(tx, job, first_task, task_count);
    if (error)
        return error;
    *id = db_inserted(tx);
    return insert_after(tx, *id, job, problem);
}

/* ---- read ---- */

#define JOB_COLUMNS                                                                                          \
    "id, kind, name, document, config, inputs, after, priority, state, units_total, units_done, first_task," \
    " task_count, task_units, next_index, tasks_done, chunk_count, chunk_bytes, game_count, created_ms, "    \
    "started_ms,"                                                                                            \
    " ended_ms, error, retain_chunks, retain_s"

struct job_sink {
    job_row_fn fn;
    void *arg;
};

static int give_job(sqlite3_stmt *row, void *context) {
    struct job_sink *sink = context;
    struct job_row job = {
        .id = db_i64(row, 0),
        .kind = db_text(row, 1),
        .name = db_text(row, 2),
        .document = db_text(row, 3),
        .config = db_text(row, 4),
        .inputs = db_text(row, 5),
        .after = db_text(row, 6),
        .priority = (int)db_i64(row, 7),
        .state = (enum job_state)db_i64(row, 8),
        .units_total = db_i64(row, 9),
        .units_done = db_i64(row, 10),
        .first_task = db_i64(row, 11),
        .task_count = db_i64(row, 12),
        .task_units = db_i64(row, 13),
        .next_index = db_i64(row, 14),
        .tasks_done = db_i64(row, 15),
        .chunk_count = db_i64(row, 16),
        .chunk_bytes = db_i64(row, 17),
        .game_count = db_i64(row, 18),
        .created_ms = db_i64(row, 19),
        .started_ms = db_i64(row, 20),
        .ended_ms = db_i64(row, 21),
        .error = db_text(row, 22),
        .retention = {db_i64(row, 23), db_i64(row, 24)},
    };
    return sink->fn(sink->arg, &job);
}

int job_get(struct store_tx *tx, int64_t id, job_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?", "i", id);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    error = give_job(stmt, &(struct job_sink){fn, arg});
    db_reset(stmt);
    return error;
}

/* The state when exactly one is asked for, so that its index can serve; -1 else. */
static int single_state(unsigned states) {
    return states != 0 && (states & (states - 1)) == 0 ? __builtin_ctz(states) : -1;
}

int job_list(struct store_tx *tx, const struct job_query *query, job_row_fn fn, void *arg) {
    static const char *const up = "SELECT " JOB_COLUMNS " FROM jobs WHERE id > ?1 AND (?2 >> state) & 1"
                                  " AND (?3 IS NULL OR kind = ?3) ORDER BY id LIMIT ?4";
    static const char *const down = "SELECT " JOB_COLUMNS " FROM jobs WHERE id < ?1 AND (?2 >> state) & 1"
                                    " AND (?3 IS NULL OR kind = ?3) ORDER BY id DESC LIMIT ?4";
    static const char *const down_state = "SELECT " JOB_COLUMNS " FROM jobs WHERE id < ?1 AND state = ?2"
                                          " AND (?3 IS NULL OR kind = ?3) ORDER BY id DESC LIMIT ?4";
    static const char *const down_kind =
        "SELECT " JOB_COLUMNS " FROM jobs WHERE id < ?1 AND (?2 >> state) & 1"
        " AND kind = ?3 ORDER BY id DESC LIMIT ?4";
    int64_t cursor = query->cursor, states = query->states ? (int64_t)query->states : ~INT64_C(0);
    int state = single_state(query->states);
    const char *sql = up;
    if (!query->oldest_first) {
        cursor = cursor ? cursor : INT64_MAX;
        sql = state >= 0 ? down_state : query->kind != NULL ? down_kind : down;
        states = state >= 0 ? state : states;
    }
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, sql, "iiti", cursor, states, query->kind, (int64_t)db_limit(query->limit));
    return error ? error : db_each(tx, stmt, give_job, &(struct job_sink){fn, arg});
}

static int add_total(sqlite3_stmt *row, void *context) {
    json_t *value = sqlite3_column_type(row, 1) == SQLITE_INTEGER ? json_integer(db_i64(row, 1))
                                                                  : json_real(sqlite3_column_double(row, 1));
    return json_object_set_new(context, db_text(row, 0), value) == 0 ? 0 : TG_ENO_MEMORY;
}

int job_totals(struct store_tx *tx, int64_t id, json_t **out) {
    *out = json_object();
    if (*out == NULL)
        return TG_ENO_MEMORY;
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, "SELECT name, value FROM totals WHERE job = ? ORDER BY name", "i", id);
    if (!error)
        error = db_each(tx, stmt, add_total, *out);
    if (error) {
        json_decref(*out);
        *out = NULL;
    }
    return error;
}

static int add_task_count(sqlite3_stmt *row, void *context) {
    struct job_task_counts *out = context;
    int64_t count = db_i64(row, 1);
    switch ((enum task_state)db_i64(row, 0)) {
    case TASK_LEASED:
        out->leased = count;
        out->leased_units = db_i64(row, 2);
        break;
    case TASK_DONE:
        out->done = count;
        break;
    case TASK_FAILED:
        out->failed = count;
        break;
    default:
        break; /* pending is what remains */
    }
    return 0;
}

int job_task_counts(struct store_tx *tx, int64_t id, struct job_task_counts *out) {
    *out = (struct job_task_counts){0};
    int64_t task_count = 0;
    enum job_state state;
    int error = job_state_of(tx, id, &state);
    if (!error)
        error = db_int(tx, &task_count, "SELECT task_count FROM jobs WHERE id = ?", "i", id);
    if (error)
        return error;
    /* Done tasks can be a million: their number is in the job. */
    sqlite3_stmt *stmt;
    error =
        db_bind(tx, &stmt,
                "SELECT state, count(*), sum(units - units_done) FROM tasks WHERE job = ? AND state IN (1, 3)"
                " GROUP BY state",
                "i", id);
    if (!error)
        error = db_each(tx, stmt, add_task_count, out);
    if (!error)
        error = db_int(tx, &out->done, "SELECT tasks_done FROM jobs WHERE id = ?", "i", id);
    int64_t left = task_count - out->leased - out->done - out->failed;
    *(job_state_ended(state) ? &out->cancelled : &out->pending) = left;
    return error;
}

static int add_state_count(sqlite3_stmt *row, void *context) {
    int64_t *counts = context, state = db_i64(row, 0);
    if (state < 0 || state >= JOB_STATE_COUNT)
        return TG_ECORRUPT;
    counts[state] = db_i64(row, 1);
    return 0;
}

int job_state_counts(struct store_tx *tx, int64_t counts[JOB_STATE_COUNT]) {
    memset(counts, 0, sizeof(int64_t[JOB_STATE_COUNT]));
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, "SELECT state, count(*) FROM jobs GROUP BY state", "");
    return error ? error : db_each(tx, stmt, add_state_count, counts);
}

struct unmet_sink {
    int (*fn)(void *arg, int64_t job, enum job_state state);
    void *arg;
};

static int give_unmet(sqlite3_stmt *row, void *context) {
    struct unmet_sink *sink = context;
    return sink->fn(sink->arg, db_i64(row, 0), (enum job_state)db_i64(row, 1));
}

int job_unmet(struct store_tx *tx, int64_t id, int (*fn)(void *arg, int64_t job, enum job_state state),
              void *arg) {
    sqlite3_stmt *stmt;
    int error =
        db_bind(tx, &stmt,
                "SELECT needs, state FROM job_after JOIN jobs ON jobs.id = needs WHERE job = ? AND state <> 3"
                " ORDER BY needs",
                "i", id);
    return error ? error : db_each(tx, stmt, give_unmet, &(struct unmet_sink){fn, arg});
}

/* ---- changes of state ---- */

static int no_job(int64_t id, struct problem *problem) {
    return problem_set(problem, TG_ENOT_FOUND, "id", "there is no job %lld", (long long)id);
}

int job_pause(struct store_tx *tx, int64_t id, struct problem *problem) {
    enum job_state state;
    int error = job_state_of(tx, id, &state);
    if (error)
        return error == TG_ENOT_FOUND ? no_job(id, problem) : error;
    if (job_state_ended(state))
        return problem_set(problem, TG_EWRONG_STATE, NULL, "job %lld has %s already", (long long)id,
                           state == JOB_CANCELLED ? "been cancelled" : job_state_name(state));
    return db_run(tx, "UPDATE jobs SET state = 2 WHERE id = ?", "i", id);
}

int job_resume(struct store_tx *tx, int64_t id, struct problem *problem) {
    enum job_state state;
    int error = job_state_of(tx, id, &state);
    if (error)
        return error == TG_ENOT_FOUND ? no_job(id, problem) : error;
    if (state != JOB_PAUSED)
        return problem_set(problem, TG_EWRONG_STATE, NULL, "job %lld is not paused, it is %s", (long long)id,
                           job_state_name(state));
    return db_run(tx, "UPDATE jobs SET state = iif(started_ms > 0, 1, 0) WHERE id = ?", "i", id);
}

int job_set_retention(struct store_tx *tx, int64_t id, const struct retention *retention,
                      struct problem *problem) {
    TG_ASSERT(tx->writable);
    int error = db_run(tx, "UPDATE jobs SET retain_chunks = ?, retain_s = ? WHERE id = ?", "iii",
                       retention->chunks, retention->seconds, id);
    return error || db_changed(tx) > 0 ? error : no_job(id, problem);
}

char *problem_text(const struct problem *reason) {
    json_t *document = problem_to_json(reason);
    char *text = json_text(document);
    json_decref(document);
    return text;
}

/* Tasks that are open when their job ends. */
static int close_tasks(struct store_tx *tx, int64_t job, int64_t now_ms) {
    struct problem reason = {0};
    problem_set(&reason, TG_ECANCELLED, NULL, "the job has ended");
    char *text = problem_text(&reason);
    if (text == NULL)
        return TG_ENO_MEMORY;
    int error =
        db_run(tx, "UPDATE tasks SET state = 4, ended_ms = ?, error = ? WHERE job = ? AND state IN (0, 1)",
               "iti", now_ms, text, job);
    free(text);
    return error;
}

/* Rows of tasks that were never made stay unmade: an ended job counts them as cancelled (job_task_counts). */
int job_end(struct store_tx *tx, int64_t id, enum job_state state, const struct problem *reason,
            int64_t now_ms, bool *changed, struct problem *problem) {
    TG_ASSERT(tx->writable && job_state_ended(state));
    if (changed != NULL)
        *changed = false;
    enum job_state before;
    int error = job_state_of(tx, id, &before);
    if (error)
        return error == TG_ENOT_FOUND ? no_job(id, problem) : error;
    if (before == state)
        return 0;
    if (job_state_ended(before))
        return problem_set(problem, TG_EWRONG_STATE, NULL, "job %lld has %s already", (long long)id,
                           before == JOB_CANCELLED ? "been cancelled" : job_state_name(before));
    char *text = reason == NULL ? NULL : problem_text(reason);
    if (reason != NULL && text == NULL)
        return TG_ENO_MEMORY;
    error = db_run(tx, "UPDATE jobs SET state = ?, ended_ms = ?, error = ? WHERE id = ?", "iiti",
                   (int64_t)state, now_ms, text, id);
    free(text);
    if (changed != NULL)
        *changed = true;
    return error ? error : close_tasks(tx, id, now_ms);
}
