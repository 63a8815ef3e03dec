/* checkpoints.c - networks and training states by job, task and step; reports; and which of them stay.
 *
 * Each row names a content (content.c), and several rows may name one: "best" and "checkpoint" are often the
 * same bytes. A content goes with the last row that names it.
 *
 * Pairs. A training run sends its "state" and then the "checkpoint" of the same step; where both are stored,
 * by one attempt, the task can be resumed. The pair with the highest step is the one that counts.
 *
 * What stays, decided anew whenever a task brings a checkpoint, so that no job fills the disk:
 *     "state"     the newest one, and that of the pair that counts (which may be older: the newest one's
 *                 checkpoint has not come yet, and never will when its worker is lost). When the task or its
 *                 job is over, nothing will go on from them, and retention drops them too
 *     all others  the newest of each step; of one name at most CHECKPOINT_ROWS_MAX rows and
 *                 CHECKPOINT_BYTES_MAX bytes. When there are more, one goes whose steps before and after lie
 *                 closest together, so that those left are spread evenly over the run. The newest
 *                 CHECKPOINT_ROWS_MIN, and those that an open job takes as its input, always stay.
 */
#include "server/store/db.h"

#include <string.h>

/* ---- insert and list ---- */

static int insert_uploaded(struct store_tx *tx, const struct checkpoint_new *checkpoint, int64_t *id) {
    int error =
        db_run(tx,
               "INSERT OR IGNORE INTO checkpoints (content, job, task, name, step, metadata, created_ms)"
               " VALUES (?, 0, 0, ?, ?, ?, ?)",
               "ititi", checkpoint->content, checkpoint->name, checkpoint->step, checkpoint->metadata,
               checkpoint->now_ms);
    return error ? error
                 : db_int(tx, id, "SELECT id FROM checkpoints WHERE content = ? AND job = 0", "i",
                          checkpoint->content);
}

int checkpoint_insert(struct store_tx *tx, const struct checkpoint_new *checkpoint, int64_t *id) {
    TG_ASSERT(tx->writable);
    if (checkpoint->job == 0)
        return insert_uploaded(tx, checkpoint, id);
    int error = db_run(tx,
                       "INSERT INTO checkpoints (content, job, task, attempt, chunk, name, step, metadata,"
                       " created_ms) VALUES (?, ?, ?, ?, nullif(?, 0), ?, ?, ?, ?)",
                       "iiiiititi", checkpoint->content, checkpoint->job, checkpoint->task,
                       (int64_t)checkpoint->attempt, checkpoint->chunk, checkpoint->name, checkpoint->step,
                       checkpoint->metadata, checkpoint->now_ms);
    *id = db_inserted(tx);
    return error;
}

struct checkpoint_sink {
    checkpoint_row_fn fn;
    void *arg;
};

static int give_checkpoint(sqlite3_stmt *row, void *context) {
    struct checkpoint_sink *sink = context;
    struct checkpoint_row checkpoint = {.id = db_i64(row, 0),
                                        .content = db_i64(row, 1),
                                        .bytes = db_i64(row, 2),
                                        .job = db_i64(row, 3),
                                        .task = db_i64(row, 4),
                                        .created_ms = db_i64(row, 5),
                                        .name = db_text(row, 6),
                                        .metadata = db_text(row, 7),
                                        .step = db_i64(row, 9)};
    int error = db_digest(row, 8, checkpoint.digest);
    return error ? error : sink->fn(sink->arg, &checkpoint);
}

#define CHECKPOINTS                                                                                          \
    "SELECT k.id, k.content, c.bytes, k.job, k.task, k.created_ms, k.name, k.metadata, c.digest, k.step"     \
    " FROM checkpoints k JOIN contents c ON c.id = k.content "

int checkpoint_list(struct store_tx *tx, int64_t job, int64_t cursor, int limit, checkpoint_row_fn fn,
                    void *arg) {
    static const char *const all = CHECKPOINTS "WHERE k.id < ?1 AND ?2 = 0 ORDER BY k.id DESC LIMIT ?3";
    static const char *const of_job =
        CHECKPOINTS "WHERE k.id < ?1 AND k.job = ?2 ORDER BY k.id DESC LIMIT ?3";
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, job == 0 ? all : of_job, "iii", cursor ? cursor : INT64_MAX, job,
                        (int64_t)db_limit(limit));
    return error ? error : db_each(tx, stmt, give_checkpoint, &(struct checkpoint_sink){fn, arg});
}

/* ---- what a later attempt or another job takes ---- */

static int take_digest(sqlite3_stmt *row, void *context) {
    return db_digest(row, 0, context);
}

int checkpoint_newest(struct store_tx *tx, int64_t job, const char *name, uint8_t digest[SHA256_BYTES]) {
    static const uint8_t none[SHA256_BYTES];
    sqlite3_stmt *stmt;
    memcpy(digest, none, SHA256_BYTES);
    int error = db_bind(tx, &stmt,
                        "SELECT c.digest FROM checkpoints k JOIN contents c ON c.id = k.content"
                        " WHERE k.job = ? AND k.name = ? ORDER BY k.id DESC LIMIT 1",
                        "it", job, name);
    if (!error)
        error = db_each(tx, stmt, take_digest, digest);
    return error ? error : memcmp(digest, none, SHA256_BYTES) == 0 ? TG_ENOT_FOUND : 0;
}

static int take_pair(sqlite3_stmt *row, void *context) {
    struct resume_pair *pair = context;
    pair->state_row = db_i64(row, 0);
    pair->checkpoint_row = db_i64(row, 1);
    pair->step = db_i64(row, 2);
    int error = db_digest(row, 3, pair->state);
    return error ? error : db_digest(row, 4, pair->checkpoint);
}

int resume_find(struct store_tx *tx, int64_t task, struct resume_pair *out) {
    sqlite3_stmt *stmt;
    *out = (struct resume_pair){0};
    int error =
        db_bind(tx, &stmt,
                "SELECT s.id, k.id, s.step, cs.digest, ck.digest FROM checkpoints s JOIN checkpoints k"
                " ON k.task = s.task AND k.name = 'checkpoint' AND k.step = s.step AND k.attempt ="
                " s.attempt JOIN contents cs ON cs.id = s.content JOIN contents ck ON ck.id = k.content"
                " WHERE s.task = ? AND s.name = 'state'"
                " ORDER BY s.step DESC, s.id DESC, k.id DESC LIMIT 1",
                "i", task);
    if (!error)
        error = db_each(tx, stmt, take_pair, out);
    return error ? error : out->state_row == 0 ? TG_ENOT_FOUND : 0;
}

/* Remembers what the attempt starts from, so that attempt_advanced can tell whether it got further. -1: from
 * nothing, so that a first pair at step 0 counts. */
int attempt_begins(struct store_tx *tx, int64_t task) {
    struct resume_pair pair;
    int error = resume_find(tx, task, &pair);
    if (error && error != TG_ENOT_FOUND)
        return error;
    return db_run(tx, "UPDATE tasks SET resumed_step = ? WHERE id = ?", "ii", error ? INT64_C(-1) : pair.step,
                  task);
}

int attempt_advanced(struct store_tx *tx, int64_t task, int attempt, bool *advanced) {
    int64_t began = 0, units = 0;
    struct resume_pair pair;
    int error = db_int(tx, &began, "SELECT resumed_step FROM tasks WHERE id = ?", "i", task);
    if (!error)
        error = db_int(tx, &units,
                       "SELECT EXISTS (SELECT 1 FROM chunks WHERE task = ? AND attempt = ? AND units > 0)",
                       "ii", task, (int64_t)attempt);
    if (error)
        return error;
    error = resume_find(tx, task, &pair);
    *advanced = units != 0 || (!error && pair.step > began);
    return error == TG_ENOT_FOUND ? 0 : error;
}

/* ---- what stays ---- */

enum { FREED_MAX = 64 };

struct freed {
    int64_t contents[FREED_MAX];
    int count;
};

static int note_freed(sqlite3_stmt *row, void *context) {
    struct freed *freed = context;
    if (freed->count <
        FREED_MAX) /* more than one or two never come; what is over stays for --check to tell */
        freed->contents[freed->count++] = db_i64(row, 0);
    return 0;
}

static int free_contents(struct store_tx *tx, const struct freed *freed) {
    int error = 0;
    for (int i = 0; i < freed->count && !error; i++)
        error = content_free(tx, freed->contents[i]);
    return error;
}

static int drop_states(struct store_tx *tx, int64_t task, const struct resume_pair *pair,
                       struct freed *freed) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt,
                        "DELETE FROM checkpoints WHERE task = ?1 AND name = 'state' AND id <> ?2 AND id <>"
                        " (SELECT max(id) FROM checkpoints WHERE task = ?1 AND name = 'state')"
                        " RETURNING content",
                        "ii", task, pair->state_row);
    return error ? error : db_each(tx, stmt, note_freed, freed);
}

/* A later attempt has reached the step again. */
static int drop_repeated(struct store_tx *tx, const struct checkpoint_new *newest, int64_t id,
                         const struct resume_pair *pair, struct freed *freed) {
    sqlite3_stmt *stmt;
    int error =
        db_bind(tx, &stmt,
                "DELETE FROM checkpoints WHERE task = ? AND name = ? AND step = ? AND id < ? AND id <> ?"
                " RETURNING content",
                "itiii", newest->task, newest->name, newest->step, id, pair->checkpoint_row);
    return error ? error : db_each(tx, stmt, note_freed, freed);
}

static int too_many(struct store_tx *tx, const struct checkpoint_new *newest, bool *out) {
    int64_t over = 0;
    int error = db_int(tx, &over,
                       "SELECT count(*) > ?3 AND (count(*) > ?4 OR sum(c.bytes) > ?5) FROM checkpoints k JOIN"
                       " contents c ON c.id = k.content WHERE k.task = ?1 AND k.name = ?2",
                       "itiii", newest->task, newest->name, (int64_t)CHECKPOINT_ROWS_MIN,
                       (int64_t)CHECKPOINT_ROWS_MAX, CHECKPOINT_BYTES_MAX);
    *out = over != 0;
    return error;
}

/* The one whose neighbours in step lie closest together goes. The first and the last have one neighbour only,
 * so their gap is NULL and they stay. The row numbers by age keep the newest CHECKPOINT_ROWS_MIN out of it.
 * Window functions and not a loop over rows: the choice and the removal are one statement. */
static int drop_one(struct store_tx *tx, const struct checkpoint_new *newest, struct freed *freed) {
    sqlite3_stmt *stmt;
    int error = db_bind(
        tx, &stmt,
        "DELETE FROM checkpoints WHERE id = (SELECT id FROM (SELECT k.id, row_number() OVER (ORDER BY k.id "
        "DESC)"
        " AS age, lead(k.step) OVER w - lag(k.step) OVER w AS gap, lower(hex(c.digest)) AS hex FROM "
        "checkpoints k"
        " JOIN contents c ON c.id = k.content WHERE k.task = ?1 AND k.name = ?2 WINDOW w AS (ORDER BY k.step,"
        " k.id)) WHERE age > ?3 AND gap IS NOT NULL AND NOT EXISTS (SELECT 1 FROM jobs j, "
        "json_each(j.inputs) e"
        " WHERE j.state IN (0, 1, 2) AND e.type = 'object' AND json_extract(e.value, '$.checkpoint') = hex)"
        " ORDER BY gap, id LIMIT 1) RETURNING content",
        "iti", newest->task, newest->name, (int64_t)CHECKPOINT_ROWS_MIN);
    return error ? error : db_each(tx, stmt, note_freed, freed);
}

/* Ends also when nothing can go: all that is left is the newest, an end of the run, or an open job's input. */
static int thin_out(struct store_tx *tx, const struct checkpoint_new *newest, struct freed *freed) {
    bool more = true;
    int error = 0;
    while (!error && more && freed->count < FREED_MAX) {
        int before = freed->count;
        error = too_many(tx, newest, &more);
        if (!error && more)
            error = drop_one(tx, newest, freed);
        if (freed->count == before)
            break;
    }
    return error;
}

int checkpoint_tidy(struct store_tx *tx, const struct checkpoint_new *newest, int64_t id) {
    TG_ASSERT(tx->writable);
    struct freed freed = {.count = 0};
    struct resume_pair pair;
    int error = resume_find(tx, newest->task, &pair);
    if (error && error != TG_ENOT_FOUND)
        return error;
    error = drop_states(tx, newest->task, &pair, &freed);
    if (!error && strcmp(newest->name, "state") != 0) {
        error = drop_repeated(tx, newest, id, &pair, &freed);
        if (!error)
            error = thin_out(tx, newest, &freed);
    }
    return error ? error : free_contents(tx, &freed);
}

/* Training states of what is over, but for those that an open job was given by their digest. */
int checkpoint_retain(struct store_tx *tx, int limit, int *dropped) {
    TG_ASSERT(tx->writable);
    struct freed freed = {.count = 0};
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt,
                        "DELETE FROM checkpoints WHERE id IN (SELECT k.id FROM checkpoints k JOIN tasks t ON"
                        " t.id = k.task JOIN jobs o ON o.id = k.job JOIN contents c ON c.id = k.content"
                        " WHERE k.name = 'state' AND (t.state IN (2, 3, 4) OR o.state IN (3, 4, 5))"
                        " AND NOT EXISTS (SELECT 1 FROM jobs j, json_each(j.inputs) e WHERE j.state IN"
                        " (0, 1, 2) AND e.type = 'object' AND json_extract(e.value, '$.checkpoint') ="
                        " lower(hex(c.digest))) LIMIT ?) RETURNING content",
                        "i", (int64_t)(limit < FREED_MAX ? limit : FREED_MAX));
    if (!error)
        error = db_each(tx, stmt, note_freed, &freed);
    *dropped = freed.count;
    return error ? error : free_contents(tx, &freed);
}

/* ---- reports ---- */

int report_put(struct store_tx *tx, const struct report_new *report, struct problem *problem) {
    TG_ASSERT(tx->writable);
    int64_t others = 0;
    int error = db_int(tx, &others, "SELECT count(*) FROM reports WHERE job = ? AND name <> ?", "it",
                       report->job, report->name);
    if (!error && others >= REPORT_NAMES_MAX)
        return problem_set(problem, TG_EINVALID, "report.name", "a job has at most %d reports",
                           REPORT_NAMES_MAX);
    return error ? error
                 : db_run(
                       tx,
                       "INSERT INTO reports (job, name, step, chunk, time_ms, data) VALUES (?, ?, ?, ?, ?, ?)"
                       " ON CONFLICT (job, name) DO UPDATE SET step = excluded.step, chunk = excluded.chunk,"
                       " time_ms = excluded.time_ms, data = excluded.data",
                       "itiiit", report->job, report->name, report->step, report->chunk, report->now_ms,
                       report->data);
}

struct report_sink {
    report_row_fn fn;
    void *arg;
};

static int give_report(sqlite3_stmt *row, void *context) {
    struct report_sink *sink = context;
    struct report_row report = {
        .name = db_text(row, 0), .step = db_i64(row, 1), .time_ms = db_i64(row, 2), .data = db_text(row, 3)};
    return sink->fn(sink->arg, &report);
}

int report_list(struct store_tx *tx, int64_t job, report_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(
        tx, &stmt, "SELECT name, step, time_ms, data FROM reports WHERE job = ? ORDER BY name", "i", job);
    return error ? error : db_each(tx, stmt, give_report, &(struct report_sink){fn, arg});
}
