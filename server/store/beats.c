/* beats.c - what beats carry: metrics and log lines. A beat's sequence makes a repeated beat harmless. */
#include "server/store/db.h"

static int check_holder(struct store_tx *tx, const struct beat_new *beat, int64_t *job, bool *repeated,
                        struct problem *problem) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt,
                        "SELECT job, beat_sequence FROM tasks WHERE id = ? AND worker = ? AND attempt = ? "
                        "AND state IN (0, 1)",
                        "iii", beat->holder.task, beat->holder.worker, (int64_t)beat->holder.attempt);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got < 0)
        return got;
    if (got == 0)
        return problem_set(problem, TG_ELEASE_LOST, NULL,
                           "attempt %d of task %lld is not (any more) this worker's", beat->holder.attempt,
                           (long long)beat->holder.task);
    *job = db_i64(stmt, 0);
    *repeated = beat->sequence <= db_i64(stmt, 1);
    db_reset(stmt);
    return 0;
}

static int insert_metric(struct store_tx *tx, int64_t job, const struct metric_new *metric) {
    return db_run(tx, "INSERT INTO metrics (job, name, step, value, time_ms) VALUES (?, ?, ?, ?, ?)", "itidi",
                  job, metric->name, metric->step, metric->value, metric->time_ms);
}

static int insert_line(struct store_tx *tx, int64_t job, int64_t task, int attempt,
                       const struct log_new *line) {
    return db_run(
        tx, "INSERT INTO log_lines (job, task, attempt, time_ms, level, text) VALUES (?, ?, ?, ?, ?, ?)",
        "iiiitt", job, task, (int64_t)attempt, line->time_ms, line->level, line->text);
}

int beat_insert(struct store_tx *tx, const struct beat_new *beat, bool *repeated, struct problem *problem) {
    TG_ASSERT(tx->writable);
    int64_t job = 0;
    int error = check_holder(tx, beat, &job, repeated, problem);
    if (error || *repeated)
        return error;
    for (size_t i = 0; !error && i < beat->metric_count; i++)
        error = insert_metric(tx, job, &beat->metrics[i]);
    for (size_t i = 0; !error && i < beat->line_count; i++)
        error = insert_line(tx, job, beat->holder.task, beat->holder.attempt, &beat->lines[i]);
    return error ? error
                 : db_run(tx, "UPDATE tasks SET beat_sequence = ? WHERE id = ?", "ii", beat->sequence,
                          beat->holder.task);
}

int job_log_insert(struct store_tx *tx, int64_t job, const struct log_new *line) {
    TG_ASSERT(tx->writable);
    return insert_line(tx, job, 0, 0, line);
}

struct metric_sink {
    int (*fn)(void *arg, const struct metric_row *row);
    void *arg;
};

static int give_metric(sqlite3_stmt *row, void *context) {
    struct metric_sink *sink = context;
    struct metric_row metric = {.cursor = db_i64(row, 0),
                                .name = db_text(row, 1),
                                .step = db_i64(row, 2),
                                .value = sqlite3_column_double(row, 3),
                                .time_ms = db_i64(row, 4)};
    return sink->fn(sink->arg, &metric);
}

int metric_list(struct store_tx *tx, int64_t job, const char *name, int64_t cursor, int limit,
                int (*fn)(void *arg, const struct metric_row *row), void *arg) {
    static const char *const all =
        "SELECT id, name, step, value, time_ms FROM metrics WHERE job = ?1 AND id > ?2"
        " AND ?3 IS NULL ORDER BY id LIMIT ?4";
    static const char *const named =
        "SELECT id, name, step, value, time_ms FROM metrics WHERE job = ?1 AND id > ?2"
        " AND name = ?3 ORDER BY id LIMIT ?4";
    sqlite3_stmt *stmt;
    int error =
        db_bind(tx, &stmt, name == NULL ? all : named, "iiti", job, cursor, name, (int64_t)db_limit(limit));
    return error ? error : db_each(tx, stmt, give_metric, &(struct metric_sink){fn, arg});
}

struct log_sink {
    int (*fn)(void *arg, const struct log_row *row);
    void *arg;
};

static int give_line(sqlite3_stmt *row, void *context) {
    struct log_sink *sink = context;
    struct log_row line = {.cursor = db_i64(row, 0),
                           .task = db_i64(row, 1),
                           .attempt = (int)db_i64(row, 2),
                           .time_ms = db_i64(row, 3),
                           .level = db_text(row, 4),
                           .text = db_text(row, 5)};
    return sink->fn(sink->arg, &line);
}

int log_list(struct store_tx *tx, int64_t job, int64_t cursor, int limit,
             int (*fn)(void *arg, const struct log_row *row), void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt,
                        "SELECT id, task, attempt, time_ms, level, text FROM log_lines WHERE job = ? AND id "
                        "> ? ORDER BY id LIMIT ?",
                        "iii", job, cursor, (int64_t)db_limit(limit));
    return error ? error : db_each(tx, stmt, give_line, &(struct log_sink){fn, arg});
}
