/* tasks.c - tasks: lease, lapse, done, fail. The picture and the fence are described in store_tx.h.
 *
 * Every transition reads the row first (read_brief), checks the fence, and only then writes: a function that
 * returns an error has changed nothing but what its savepoint takes back. All of them may be sent twice, by
 * an agent whose answer was lost:
 *
 *     lease again     refused: the attempt's number is not one more than the row's
 *     regrant again   fine, it is leased already
 *     lapse again     fine, nothing fits any more
 *     done again      "repeated": the row is done and still names this holder
 *     fail again      lease_lost, for a failed attempt clears its worker. The agent then lets it go, which is
 *                     right: it has nothing more to tell
 *
 * Three kinds of failure (fail_attempt):
 *     counted        the task failed; with the max_failures-th its job fails
 *     not counted    the attempt has brought the task on, or the worker is to blame
 *     hopeless       the job asks for something that no attempt can do: the first one is enough
 *
 * An attempt with nothing left to do is complete, whatever it says: task_fail after the last chunk ends as
 * done.
 *
 * Done tasks keep their row for ever: with the chunks they are what store_check proves sums from.
 *
 * Not done: a table of attempts. What people ask about (how often, by whom last, why it failed) is in the
 * row, the rest is in the job's log.
 */
#include "server/store/db.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_names[TASK_STATE_COUNT] = {"pending", "leased", "done", "failed", "cancelled"};

const char *task_state_name(enum task_state state) {
    TG_ASSERT((unsigned)state < TASK_STATE_COUNT);
    return state_names[state];
}

int task_state_parse(const char *name, enum task_state *state) {
    for (int i = 0; i < TASK_STATE_COUNT; i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *state = (enum task_state)i;
            return 0;
        }
    }
    return TG_EINVALID;
}

/* ---- read ---- */

#define TASK_COLUMNS                                                                                         \
    "t.id, t.job, t.id - j.first_task, t.first_unit, t.units, t.units_done, t.state, t.attempt, t.failures," \
    " t.worker, w.name, t.leased_ms, t.ended_ms, t.beat_sequence, t.error"
#define TASK_SELECT                                                                                          \
    "SELECT " TASK_COLUMNS " FROM tasks t JOIN jobs j ON j.id = t.job LEFT JOIN workers w ON w.id = "        \
    "t.worker "

struct task_sink {
    task_row_fn fn;
    void *arg;
};

static int give_task(sqlite3_stmt *row, void *context) {
    struct task_sink *sink = context;
    struct task_row task = {
        .id = db_i64(row, 0),
        .job = db_i64(row, 1),
        .index = db_i64(row, 2),
        .first_unit = db_i64(row, 3),
        .units = db_i64(row, 4),
        .units_done = db_i64(row, 5),
        .state = (enum task_state)db_i64(row, 6),
        .attempt = (int)db_i64(row, 7),
        .failures = (int)db_i64(row, 8),
        .worker = db_i64(row, 9),
        .worker_name = db_text(row, 10),
        .leased_ms = db_i64(row, 11),
        .ended_ms = db_i64(row, 12),
        .beat_sequence = db_i64(row, 13),
        .error = db_text(row, 14),
    };
    return sink->fn(sink->arg, &task);
}

int task_get(struct store_tx *tx, int64_t id, task_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, TASK_SELECT "WHERE t.id = ?", "i", id);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    error = give_task(stmt, &(struct task_sink){fn, arg});
    db_reset(stmt);
    return error;
}

int task_list(struct store_tx *tx, int64_t job, unsigned states, int64_t cursor, int limit, task_row_fn fn,
              void *arg) {
    /* By the range of ids, which the primary key has in order: sorting a million rows for a page would not
     * do. */
    static const char *const of_job =
        "SELECT " TASK_COLUMNS " FROM jobs j CROSS JOIN tasks t ON t.id > max(?2, j.first_task - 1)"
        " AND t.id < j.first_task + j.task_count LEFT JOIN workers w ON w.id = t.worker"
        " WHERE j.id = ?1 AND (?3 >> t.state) & 1 ORDER BY t.id LIMIT ?4";
    static const char *const one_state = TASK_SELECT "WHERE t.job = ?1 AND t.id > ?2 AND t.state = ?3"
                                                     " ORDER BY t.id LIMIT ?4";
    static const char *const all = TASK_SELECT "WHERE ?1 = 0 AND t.id > ?2 AND (?3 >> t.state) & 1"
                                               " ORDER BY t.id LIMIT ?4";
    bool one = states != 0 && (states & (states - 1)) == 0;
    int64_t filter = states == 0 ? ~INT64_C(0) : states;
    if (one && job != 0)
        filter = __builtin_ctz(states);
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt,
                        job == 0 ? all
                        : one    ? one_state
                                 : of_job,
                        "iiii", job, cursor, filter, (int64_t)db_limit(limit));
    return error ? error : db_each(tx, stmt, give_task, &(struct task_sink){fn, arg});
}

/* ---- what the transitions need to know of a task ---- */

struct brief {
    int64_t job, worker, units, units_done;
    enum task_state state;
    enum job_state job_state;
    int attempt, failures;
};

static int read_brief(struct store_tx *tx, int64_t task, struct brief *out) {
    sqlite3_stmt *stmt;
    int error =
        db_bind(tx, &stmt,
                "SELECT t.job, t.worker, t.units, t.units_done, t.state, t.attempt, t.failures, j.state"
                " FROM tasks t JOIN jobs j ON j.id = t.job WHERE t.id = ?",
                "i", task);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    *out = (struct brief){
        .job = db_i64(stmt, 0),
        .worker = db_i64(stmt, 1),
        .units = db_i64(stmt, 2),
        .units_done = db_i64(stmt, 3),
        .state = (enum task_state)db_i64(stmt, 4),
        .attempt = (int)db_i64(stmt, 5),
        .failures = (int)db_i64(stmt, 6),
        .job_state = (enum job_state)db_i64(stmt, 7),
    };
    db_reset(stmt);
    return 0;
}

static bool same_holder(const struct brief *task, const struct task_holder *holder) {
    return task->worker == holder->worker && task->attempt == holder->attempt;
}

/* PENDING as well: a lease that has lapsed but that nobody else has got is still as good as its holder's
 * work. */
static bool holds(const struct brief *task, const struct task_holder *holder) {
    return same_holder(task, holder) && (task->state == TASK_LEASED || task->state == TASK_PENDING);
}

static int lease_lost(const struct task_holder *holder, struct problem *problem) {
    return problem_set(problem, TG_ELEASE_LOST, NULL,
                       "attempt %d of task %lld is not (any more) this worker's", holder->attempt,
                       (long long)holder->task);
}

static int read_held(struct store_tx *tx, const struct task_holder *holder, struct brief *out,
                     struct problem *problem) {
    int error = read_brief(tx, holder->task, out);
    if (error == TG_ENOT_FOUND || (!error && !holds(out, holder)))
        return lease_lost(holder, problem);
    return error;
}

/* ---- lease, regrant, lapse ---- */

static int cannot_lease(const struct task_holder *holder, const char *why, struct problem *problem) {
    return problem_set(problem, TG_EWRONG_STATE, NULL, "task %lld cannot be leased: %s",
                       (long long)holder->task, why);
}

struct job_range {
    int64_t job, first_task, task_count, task_units, units_total, next_index;
    enum job_state state;
};

/* The job whose range the task's id lies in: a task need not have a row yet. */
static int read_range(struct store_tx *tx, int64_t task, struct job_range *out) {
    sqlite3_stmt *stmt;
    int error =
        db_bind(tx, &stmt,
                "SELECT id, first_task, task_count, task_units, units_total, next_index, state FROM jobs"
                " WHERE first_task <= ? ORDER BY first_task DESC LIMIT 1",
                "i", task);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    *out = (struct job_range){db_i64(stmt, 0),
                              db_i64(stmt, 1),
                              db_i64(stmt, 2),
                              db_i64(stmt, 3),
                              db_i64(stmt, 4),
                              db_i64(stmt, 5),
                              (enum job_state)db_i64(stmt, 6)};
    db_reset(stmt);
    return task - out->first_task < out->task_count ? 0 : TG_ENOT_FOUND;
}

/* Writes the rows up to and including `index`, pending and never leased, so that rows stay dense. */
static int add_rows(struct store_tx *tx, const struct job_range *range, int64_t index) {
    for (int64_t i = range->next_index; i <= index; i++) {
        int64_t first = i * range->task_units, left = range->units_total - first;
        int error = db_run(tx, "INSERT INTO tasks (id, job, first_unit, units, state) VALUES (?, ?, ?, ?, 0)",
                           "iiii", range->first_task + i, range->job, first,
                           left < range->task_units ? left : range->task_units);
        if (error)
            return error;
    }
    return db_run(tx, "UPDATE jobs SET next_index = ? WHERE id = ?", "ii", index + 1, range->job);
}

static int start_job(struct store_tx *tx, const struct job_range *range, int64_t now_ms) {
    if (range->state != JOB_QUEUED)
        return 0;
    return db_run(tx, "UPDATE jobs SET state = 1, started_ms = ? WHERE id = ?", "ii", now_ms, range->job);
}

int task_lease(struct store_tx *tx, const struct task_holder *holder, int64_t now_ms, int64_t *units_done,
               struct problem *problem) {
    TG_ASSERT(tx->writable);
    struct job_range range;
    struct brief task = {0};
    int error = read_range(tx, holder->task, &range);
    if (error)
        return error == TG_ENOT_FOUND ? cannot_lease(holder, "there is no such task", problem) : error;
    if (job_state_ended(range.state))
        return cannot_lease(holder, "its job has ended", problem);
    int64_t index = holder->task - range.first_task;
    error = index >= range.next_index ? add_rows(tx, &range, index) : 0;
    if (!error)
        error = read_brief(tx, holder->task, &task);
    if (error)
        return error;
    if (task.state != TASK_PENDING && task.state != TASK_LEASED)
        return cannot_lease(holder, "it has ended", problem);
    if (task.attempt + 1 != holder->attempt)
        return cannot_lease(holder, "another attempt has begun", problem);
    *units_done = task.units_done;
    /* beat_sequence: each attempt counts its beats anew. */
    error = db_run(
        tx,
        "UPDATE tasks SET state = 1, attempt = ?, worker = ?, leased_ms = ?, beat_sequence = -1 WHERE id = ?",
        "iiii", (int64_t)holder->attempt, holder->worker, now_ms, holder->task);
    if (!error)
        error = attempt_begins(tx, holder->task);
    return error ? error : start_job(tx, &range, now_ms);
}

int task_regrant(struct store_tx *tx, const struct task_holder *holder, struct problem *problem) {
    TG_ASSERT(tx->writable);
    struct brief task = {0};
    int error = read_held(tx, holder, &task, problem);
    return error ? error : db_run(tx, "UPDATE tasks SET state = 1 WHERE id = ?", "i", holder->task);
}

int task_lapse(struct store_tx *tx, const struct task_holder *holder, bool forget) {
    TG_ASSERT(tx->writable);
    return db_run(tx,
                  "UPDATE tasks SET state = 0, worker = iif(?, NULL, worker)"
                  " WHERE id = ? AND attempt = ? AND worker = ? AND state IN (0, 1)",
                  "iiii", (int64_t)forget, holder->task, (int64_t)holder->attempt, holder->worker);
}

/* ---- done and fail ---- */

/* The task has done all its units; with the last task its job has succeeded. */
static int complete_task(struct store_tx *tx, int64_t task, const struct brief *brief, int64_t now_ms,
                         struct task_outcome *out) {
    out->task_state = TASK_DONE;
    out->units_left = 0;
    int error =
        db_run(tx, "UPDATE tasks SET state = 2, ended_ms = ?, error = NULL WHERE id = ?", "ii", now_ms, task);
    if (!error)
        error = db_run(tx, "UPDATE jobs SET tasks_done = tasks_done + 1 WHERE id = ?", "i", brief->job);
    if (!error)
        error = db_run(tx, "UPDATE jobs SET state = 3, ended_ms = ? WHERE id = ? AND tasks_done = task_count",
                       "ii", now_ms, brief->job);
    if (!error && db_changed(tx) > 0) {
        out->job_ended = true;
        out->job_state = JOB_SUCCEEDED;
    }
    return error;
}

/* Without its worker, unlike a lapse: a drained one has said that it does not come back. */
static int put_back(struct store_tx *tx, int64_t task, struct task_outcome *out) {
    out->task_state = TASK_PENDING;
    return db_run(tx, "UPDATE tasks SET state = 0, worker = NULL WHERE id = ?", "i", task);
}

static int fail_job(struct store_tx *tx, int64_t task, const struct brief *brief,
                    const struct problem *reason, int64_t now_ms, struct task_outcome *out) {
    struct problem why = {0};
    if (out->failures > 1)
        problem_set(&why, reason->error, reason->field, "task %lld failed %d times, the last time: %s",
                    (long long)task, out->failures, reason->detail);
    else
        problem_set(&why, reason->error, reason->field, "task %lld failed: %s", (long long)task,
                    reason->detail);
    out->job_ended = true;
    out->job_state = JOB_FAILED;
    return job_end(tx, brief->job, JOB_FAILED, &why, now_ms, NULL, NULL);
}

/* An attempt that has brought the task on is no failure: a training run may be killed a hundred times. */
static int count_failure(struct store_tx *tx, int64_t task, const struct brief *brief, bool workers_fault,
                         struct task_outcome *out) {
    int error = attempt_advanced(tx, task, brief->attempt, &out->uncounted);
    out->uncounted |= workers_fault;
    out->failures = brief->failures + !out->uncounted;
    return error;
}

/* What the job asks for is wrong: another attempt would end the same. But a damaged file may be so on that
 * machine alone, and what an older worker does not know another may. */
static bool is_hopeless(int error) {
    static const int others[] = {TG_ETRUNCATED, TG_ECORRUPT, TG_EUNKNOWN_KIND, TG_EUNKNOWN_OPTION};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (error == others[i])
            return false;
    return tg_error_status(error) == 400 || error == TG_ETOO_LARGE;
}

/* The row forgets its worker, so the reason says which it was, and what it was about. */
static int name_worker(struct store_tx *tx, int64_t worker, const struct problem *reason, bool workers_fault,
                       struct problem *out) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, "SELECT name FROM workers WHERE id = ?", "i", worker);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    const char *about =
        workers_fault ? "" : reason->field; /* else a capability, which the detail says better */
    problem_set(out, reason->error, reason->field, "worker %s: %s%s%s", got > 0 ? db_text(stmt, 0) : "?",
                about, about[0] ? ": " : "",
                reason->detail[0] ? reason->detail : tg_error_title(reason->error));
    if (got > 0)
        db_reset(stmt);
    return got < 0 ? got : 0;
}

static int fail_attempt(struct store_tx *tx, int64_t task, const struct brief *brief,
                        const struct problem *reason, bool workers_fault, int max_failures, int64_t now_ms,
                        struct task_outcome *out) {
    int error = name_worker(tx, brief->worker, reason, workers_fault, &out->reason);
    if (!error)
        error = count_failure(tx, task, brief, workers_fault, out);
    char *text = error ? NULL : problem_text(&out->reason);
    if (text == NULL)
        return error ? error : TG_ENO_MEMORY;
    bool last = !out->uncounted && (out->failures >= max_failures || is_hopeless(reason->error));
    out->task_state = last ? TASK_FAILED : TASK_PENDING;
    error = db_run(
        tx, "UPDATE tasks SET state = ?, worker = NULL, failures = ?, ended_ms = ?, error = ? WHERE id = ?",
        "iiiti", (int64_t)out->task_state, (int64_t)out->failures, last ? now_ms : INT64_C(0), text, task);
    free(text);
    return error || !last ? error : fail_job(tx, task, brief, &out->reason, now_ms, out);
}

static void outcome_of(const struct brief *task, struct task_outcome *out) {
    *out = (struct task_outcome){.job = task->job,
                                 .job_state = task->job_state,
                                 .task_state = task->state,
                                 .failures = task->failures,
                                 .units_left = task->units - task->units_done};
}

/* TG_ECHUNKS_MISSING, naming the first of 0 .. chunks - 1 that is not stored for the attempt. */
static int require_chunks(struct store_tx *tx, const struct task_holder *holder, int64_t chunks,
                          struct problem *problem) {
    int64_t have = 0, missing = 0;
    int error = db_int(tx, &have, "SELECT count(*) FROM chunks WHERE task = ? AND attempt = ? AND seq < ?",
                       "iii", holder->task, (int64_t)holder->attempt, chunks);
    if (error || have == chunks)
        return error;
    error = db_int(tx, &missing,
                   "WITH RECURSIVE n(seq) AS (SELECT 0 UNION ALL SELECT seq + 1 FROM n WHERE EXISTS"
                   " (SELECT 1 FROM chunks c WHERE c.task = ?1 AND c.attempt = ?2 AND c.seq = n.seq)) SELECT "
                   "max(seq) FROM n",
                   "ii", holder->task, (int64_t)holder->attempt);
    return error ? error
                 : problem_set(problem, TG_ECHUNKS_MISSING, "chunks",
                               "chunk %lld of attempt %d is missing: send it, then say done again",
                               (long long)missing, holder->attempt);
}

int task_done(struct store_tx *tx, const struct task_holder *holder, int64_t chunks, bool partial,
              int max_failures, int64_t now_ms, struct task_outcome *out, struct problem *problem) {
    TG_ASSERT(tx->writable);
    struct brief task = {0};
    int error = read_brief(tx, holder->task, &task);
    if (error)
        return error == TG_ENOT_FOUND ? lease_lost(holder, problem) : error;
    outcome_of(&task, out);
    if (task.state == TASK_DONE && same_holder(&task, holder)) {
        out->repeated = true;
        return 0;
    }
    if (!holds(&task, holder))
        return lease_lost(holder, problem);
    error = require_chunks(tx, holder, chunks, problem);
    if (error)
        return error;
    if (out->units_left == 0)
        return complete_task(tx, holder->task, &task, now_ms, out);
    if (partial)
        return put_back(tx, holder->task, out);
    struct problem reason = {0};
    problem_set(&reason, TG_ERUNNER, NULL, "the runner said it was done with %lld of %lld units missing",
                (long long)out->units_left, (long long)task.units);
    return fail_attempt(tx, holder->task, &task, &reason, false, max_failures, now_ms, out);
}

int task_fail(struct store_tx *tx, const struct task_holder *holder, const struct problem *reason,
              bool workers_fault, int max_failures, int64_t now_ms, struct task_outcome *out,
              struct problem *problem) {
    TG_ASSERT(tx->writable);
    struct brief task = {0};
    int error = read_held(tx, holder, &task, problem);
    if (error)
        return error;
    outcome_of(&task, out);
    if (out->units_left == 0) /* it failed after its last chunk: nothing is left to be tried again */
        return complete_task(tx, holder->task, &task, now_ms, out);
    return fail_attempt(tx, holder->task, &task, reason, workers_fault, max_failures, now_ms, out);
}
