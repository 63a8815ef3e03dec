/* chunks.c - the experience log: chunks in, chunks out, retention, and the games that chunks carry.
 *
 * One chunk_insert keeps, in its transaction: the chunk's row, the task's and the job's units, the job's
 * totals (one row a counter), its counts and its game. The sums are written once for all chunks of a
 * transaction (sums.c). store_check recomputes each of these sums from the chunks' rows.
 *
 *     chunks   id = cursor | job task attempt seq (unique) | units size digest counters | data, or NULL
 *     games    id = the cursor of the chunk that brought it | what lists show | sgf
 *
 * Exactly once. (task, attempt, seq) is a chunk's name; the row is never deleted, so a name is known for
 * ever:
 *
 *     name is new, the lease is the sender's        stored, counted             201
 *     name is known, same size and digest           nothing changes             200, also without the lease
 *     name is known, another chunk                  TG_ECHUNK_CONFLICT
 *     name is new, the lease is not the sender's    TG_ELEASE_LOST
 *
 * The usual case is the first one, and it costs one INSERT ... ON CONFLICT DO NOTHING and no look-up: the
 * unique index is asked by the INSERT itself. Only when that did nothing, or the fence refuses, is the name
 * looked up.
 *
 * Most chunks come by store_append, without a savepoint, which asks that a chunk_insert that fails has
 * changed nothing. So whatever can refuse is asked before the INSERT: the task, the fence, the units. What
 * comes after it (a checkpoint's or report's rows, which can refuse) is therefore never sent by that way; see
 * server/api/chunks.c.
 *
 * The id is the cursor of the log, and readers tail it by "id > cursor". There is one writer, so ids become
 * visible in their order and a reader cannot overtake one that is still being written.
 *
 * Retention drops bytes, never rows: a replayed chunk is still recognized by its digest, and sums stay
 * provable. A job's retained_from is a watermark: chunks below it have no bytes. SQLite reuses the freed
 * pages; the file does not shrink.
 */
#include "proto/wire/json.h"
#include "server/store/db.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- insert ---- */

int blake2b_chunks_until(struct store_tx *tx, int64_t *id) {
    return db_int(tx, id, "SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'blake2b_chunks'", "");
}

/* Chunks of an older schema have BLAKE2b digests. The new ones' digest is known already; only a replay of an
 * old one is hashed again. */
static int digest_as_stored(struct store_tx *tx, int64_t cursor, const struct chunk_ready *chunk,
                            uint8_t digest[CHUNK_DIGEST_BYTES]) {
    int64_t until;
    int error = blake2b_chunks_until(tx, &until);
    if (error)
        return error;
    if (cursor <= until)
        chunk_digest(chunk->data, chunk->size, true, digest);
    else
        memcpy(digest, chunk->digest, CHUNK_DIGEST_BYTES);
    return 0;
}

/* 0: that very chunk is stored; TG_ECHUNK_CONFLICT: another is; TG_ENOT_FOUND: none is. */
static int find_stored(struct store_tx *tx, const struct task_holder *holder, int64_t seq,
                       const struct chunk_ready *chunk, int64_t *cursor, struct problem *problem) {
    sqlite3_stmt *stmt;
    int error =
        db_bind(tx, &stmt, "SELECT id, size, digest FROM chunks WHERE task = ? AND attempt = ? AND seq = ?",
                "iii", holder->task, (int64_t)holder->attempt, seq);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    *cursor = db_i64(stmt, 0);
    uint8_t stored[CHUNK_DIGEST_BYTES], digest[CHUNK_DIGEST_BYTES];
    bool same = db_i64(stmt, 1) == (int64_t)chunk->size;
    error = db_digest(stmt, 2, stored);
    db_reset(stmt);
    error = error ? error : digest_as_stored(tx, *cursor, chunk, digest);
    if (error)
        return error;
    if (same && memcmp(stored, digest, sizeof digest) == 0)
        return 0;
    return problem_set(problem, TG_ECHUNK_CONFLICT, "seq",
                       "attempt %d of task %lld has another chunk %lld already", holder->attempt,
                       (long long)holder->task, (long long)seq);
}

int chunk_is_stored(struct store_tx *tx, const struct task_holder *holder, int64_t seq,
                    const struct chunk_ready *chunk, bool *stored) {
    int64_t cursor;
    int error = find_stored(tx, holder, seq, chunk, &cursor, NULL);
    *stored = error == 0;
    return error == TG_ENOT_FOUND || error == TG_ECHUNK_CONFLICT ? 0 : error;
}

static int check_fence(const struct task_holder *holder, const struct sums_task *task,
                       const struct chunk_ready *chunk, struct problem *problem) {
    if (!task->open || task->worker != holder->worker || task->attempt != holder->attempt)
        return problem_set(problem, TG_ELEASE_LOST, NULL,
                           "attempt %d of task %lld is not (any more) this worker's", holder->attempt,
                           (long long)holder->task);
    if (chunk->units > task->units - task->units_done)
        return problem_set(problem, TG_EINVALID, "units",
                           "the chunk finishes %lld units, but only %lld of the task are left",
                           (long long)chunk->units, (long long)(task->units - task->units_done));
    return 0;
}

static int insert_chunk(struct store_tx *tx, int64_t job, const struct task_holder *holder, int64_t seq,
                        const struct chunk_ready *chunk, int64_t now_ms, bool *inserted) {
    char *counters = json_text(json_object_get(chunk->header, "counters"));
    int error =
        db_run(tx,
               "INSERT INTO chunks (job, task, attempt, seq, units, size, created_ms, digest, counters, data)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (task, attempt, seq) DO NOTHING",
               "iiiiiiibtb", job, holder->task, (int64_t)holder->attempt, seq, chunk->units,
               (int64_t)chunk->size, now_ms, chunk->digest, sizeof chunk->digest,
               counters == NULL ? "{}" : counters, chunk->brings == CHUNK_EXPERIENCE ? chunk->data : NULL,
               chunk->brings == CHUNK_EXPERIENCE ? chunk->size : 0);
    free(counters);
    *inserted = !error && db_changed(tx) == 1;
    return error;
}

static int add_totals(struct store_tx *tx, int64_t job, const json_t *counters) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)counters, name, value) {
        int error = sums_add_total(tx, job, name, value);
        if (error)
            return error;
    }
    return 0;
}

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

/* With the chunk's id: a chunk has one game at most, and a game's page needs no second index. */
static int insert_game(struct store_tx *tx, int64_t chunk, int64_t job, int64_t task, const json_t *game,
                       int64_t now_ms) {
    return db_run(tx,
                  "INSERT INTO games (id, job, task, created_ms, board, komi, rules, black, white, "
                  "result, moves, reason,"
                  " note, sgf) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  "iiiiidttttittt", chunk, job, task, now_ms,
                  (int64_t)json_integer_value(json_object_get(game, "board")),
                  json_number_value(json_object_get(game, "komi")), text_of(game, "rules"),
                  text_of(game, "black"), text_of(game, "white"), text_of(game, "result"),
                  (int64_t)json_integer_value(json_object_get(game, "moves")), text_of(game, "reason"),
                  text_of(game, "note"), text_of(game, "sgf"));
}

static void count_units(const struct chunk_ready *chunk, bool has_game, struct sums_task *task,
                        struct sums_job *job, struct chunk_stored *out) {
    task->added += chunk->units;
    task->units_done += chunk->units;
    job->units += chunk->units;
    job->units_done += chunk->units;
    job->chunks++;
    job->bytes += (int64_t)chunk->size;
    job->games += has_game;
    out->task_units_done = task->units_done;
    out->job_units_done = job->units_done;
}

/* What the answer about a chunk tells that was stored before. */
static int describe_stored(struct store_tx *tx, const struct sums_task *task, const struct sums_job *job,
                           struct chunk_stored *out) {
    out->existed = true;
    out->task_units_done = task->units_done;
    out->job_units_done = job->units_done;
    int error = db_int(tx, &out->game, "SELECT id FROM games WHERE id = ?", "i", out->cursor);
    return error == TG_ENOT_FOUND ? 0 : error;
}

static int store_checkpoint(struct store_tx *tx, const struct task_holder *holder,
                            const struct chunk_ready *chunk, int64_t now_ms, struct chunk_stored *out,
                            struct problem *problem) {
    struct checkpoint_new checkpoint = {.job = out->job,
                                        .task = holder->task,
                                        .attempt = holder->attempt,
                                        .chunk = out->cursor,
                                        .step = chunk->step,
                                        .name = chunk->name,
                                        .metadata = chunk->metadata,
                                        .now_ms = now_ms};
    int64_t bytes;
    bool existed;
    int error = chunk->upload ? content_finish(tx, chunk->upload, chunk->sha256, (int64_t)chunk->body.size,
                                               &checkpoint.content, &existed, problem)
                              : content_find(tx, chunk->sha256, &checkpoint.content, &bytes);
    /* It was there when the caller looked (server/api/chunks.c), in a transaction before this one. */
    if (error == TG_ENOT_FOUND)
        return problem_set(problem, TG_EBUSY, NULL, "the same content was just removed; send it again");
    if (!error)
        error = checkpoint_insert(tx, &checkpoint, &out->checkpoint);
    return error ? error : checkpoint_tidy(tx, &checkpoint, out->checkpoint);
}

static int store_report(struct store_tx *tx, const struct chunk_ready *chunk, int64_t now_ms,
                        const struct chunk_stored *out, struct problem *problem) {
    struct report_new report = {.job = out->job,
                                .step = chunk->step,
                                .chunk = out->cursor,
                                .now_ms = now_ms,
                                .name = chunk->name,
                                .data = (const char *)chunk->body.data};
    return report_put(tx, &report, problem);
}

/* What a new chunk brings beside its row. */
static int store_rest(struct store_tx *tx, const struct task_holder *holder, const struct chunk_ready *chunk,
                      int64_t now_ms, struct chunk_stored *out, struct problem *problem) {
    const json_t *game = chunk->brings == CHUNK_EXPERIENCE ? json_object_get(chunk->header, "game") : NULL;
    int error = 0;
    if (json_is_object(game)) {
        error = insert_game(tx, out->cursor, out->job, holder->task, game, now_ms);
        out->game = out->cursor;
    }
    if (!error && chunk->brings == CHUNK_CHECKPOINT)
        error = store_checkpoint(tx, holder, chunk, now_ms, out, problem);
    if (!error && chunk->brings == CHUNK_REPORT)
        error = store_report(tx, chunk, now_ms, out, problem);
    return error ? error : add_totals(tx, out->job, json_object_get(chunk->header, "counters"));
}

/* A replay is known by its number: that is looked up only where it may be one, because the lease is not (any
 * more) the worker's or the row was there. */
static int insert_or_find(struct store_tx *tx, const struct task_holder *holder, int64_t seq,
                          const struct chunk_ready *chunk, int64_t now_ms, struct chunk_stored *out,
                          struct problem *problem) {
    struct sums_task *task;
    struct sums_job *job;
    struct problem fence = {0};
    bool inserted = false;
    int error = sums_begin(tx, holder->task, &task, &job);
    if (error == TG_ENOT_FOUND)
        return problem_set(problem, error, "id", "there is no task %lld", (long long)holder->task);
    if (error)
        return error;
    out->job = task->job;
    int refused = check_fence(holder, task, chunk, &fence);
    error = refused ? 0 : insert_chunk(tx, out->job, holder, seq, chunk, now_ms, &inserted);
    if (error)
        return error;
    if (!inserted) {
        error = find_stored(tx, holder, seq, chunk, &out->cursor, problem);
        if (error == TG_ENOT_FOUND) {
            TG_ASSERT(refused);
            return problem_set(problem, refused, fence.field, "%s", fence.detail);
        }
        return error ? error : describe_stored(tx, task, job, out);
    }
    out->cursor = db_inserted(tx);
    error = store_rest(tx, holder, chunk, now_ms, out, problem);
    if (!error)
        count_units(chunk, out->game != 0, task, job, out);
    return error;
}

int chunk_insert(struct store_tx *tx, const struct task_holder *holder, int64_t seq,
                 const struct chunk_ready *chunk, int64_t now_ms, struct chunk_stored *out,
                 struct problem *problem) {
    TG_ASSERT(tx->writable && chunk->header != NULL);
    *out = (struct chunk_stored){0};
    int error = insert_or_find(tx, holder, seq, chunk, now_ms, out, problem);
    if (tx->appending) /* store.c writes the sums, once for the whole group */
        return error;
    if (error) {
        sums_drop(tx);
        return error;
    }
    return sums_flush(tx);
}

/* ---- the log ---- */

struct chunk_sink {
    int (*fn)(void *arg, int64_t cursor, const void *data, size_t size);
    void *arg;
    size_t left;
    bool first;
};

enum { STOP_FULL = 1 };

static int give_chunk(sqlite3_stmt *row, void *context) {
    struct chunk_sink *sink = context;
    size_t size = (size_t)db_i64(row, 1);
    if (!sink->first && size > sink->left)
        return STOP_FULL;
    sink->first = false;
    sink->left -= size < sink->left ? size : sink->left;
    return sink->fn(sink->arg, db_i64(row, 0), sqlite3_column_blob(row, 2), size);
}

int chunk_list(struct store_tx *tx, int64_t job, int64_t cursor, int limit, size_t max_bytes,
               int (*fn)(void *arg, int64_t cursor, const void *data, size_t size), void *arg) {
    static const char *const of_job =
        "SELECT id, size, data FROM chunks WHERE job = ? AND id > ? AND data IS NOT NULL"
        " ORDER BY id LIMIT ?";
    static const char *const of_all =
        "SELECT id, size, data FROM chunks WHERE id > ? AND data IS NOT NULL ORDER BY id LIMIT ?";
    int64_t from = 0, rows = db_limit(limit);
    int error = 0;
    if (job != 0) {
        error = db_int(tx, &from, "SELECT retained_from - 1 FROM jobs WHERE id = ?", "i", job);
        if (error)
            return error;
    }
    if (cursor > from)
        from = cursor;
    sqlite3_stmt *stmt;
    error = job != 0 ? db_bind(tx, &stmt, of_job, "iii", job, from, rows)
                     : db_bind(tx, &stmt, of_all, "ii", from, rows);
    if (error)
        return error;
    struct chunk_sink sink = {fn, arg, max_bytes, true};
    error = db_each(tx, stmt, give_chunk, &sink);
    return error == STOP_FULL ? 0 : error;
}

int chunk_last(struct store_tx *tx, int64_t job, int64_t *cursor) {
    return db_int(tx, cursor,
                  "SELECT id FROM chunks WHERE job = ? AND data IS NOT NULL ORDER BY id DESC LIMIT 1", "i",
                  job);
}

/* ---- retention ---- */

struct retain_job {
    int64_t id, keep_count, keep_ms, from;
};

/* The smallest chunk id of the job that is to keep its bytes. */
static int keep_from(struct store_tx *tx, const struct retain_job *job, int64_t now_ms, int64_t *keep) {
    int64_t by_count = 0, by_age = 0;
    int error = 0;
    if (job->keep_count > 0) {
        error = db_int(tx, &by_count,
                       "SELECT id FROM chunks WHERE job = ? AND data IS NOT NULL ORDER BY id DESC LIMIT 1"
                       " OFFSET ?",
                       "ii", job->id, job->keep_count - 1);
        error = error == TG_ENOT_FOUND ? 0 : error;
    }
    if (!error && job->keep_ms > 0) {
        /* The last chunk that is too old; those behind the watermark need no look. */
        error = db_int(
            tx, &by_age,
            "SELECT id + 1 FROM chunks WHERE job = ? AND id >= ? AND created_ms < ? ORDER BY id DESC LIMIT 1",
            "iii", job->id, job->from, now_ms - job->keep_ms);
        error = error == TG_ENOT_FOUND ? 0 : error;
    }
    *keep = by_count > by_age ? by_count : by_age;
    return error;
}

static int drop_bytes(struct store_tx *tx, const struct retain_job *job, int64_t keep, int limit,
                      int *dropped) {
    /* The watermark moves to the first chunk that stays, or to where the limit stopped us. */
    int64_t to = keep;
    int error = db_int(
        tx, &to, "SELECT id FROM chunks WHERE job = ? AND id >= ? AND id < ? ORDER BY id LIMIT 1 OFFSET ?",
        "iiii", job->id, job->from, keep, (int64_t)limit);
    if (error && error != TG_ENOT_FOUND)
        return error;
    error = db_run(tx, "UPDATE chunks SET data = NULL WHERE job = ? AND id >= ? AND id < ?", "iii", job->id,
                   job->from, to);
    if (!error) {
        *dropped += db_changed(tx);
        error = db_run(tx, "UPDATE jobs SET retained_from = ? WHERE id = ?", "ii", to, job->id);
    }
    return error;
}

static int next_retaining_job(struct store_tx *tx, int64_t after, struct retain_job *out) {
    sqlite3_stmt *stmt;
    int error =
        db_bind(tx, &stmt,
                "SELECT id, retain_chunks, retain_s, retained_from FROM jobs WHERE id > ? AND chunk_count > 0"
                " AND (retain_chunks > 0 OR retain_s > 0) ORDER BY id LIMIT 1",
                "i", after);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    *out = (struct retain_job){db_i64(stmt, 0), db_i64(stmt, 1), db_i64(stmt, 2) * 1000, db_i64(stmt, 3)};
    db_reset(stmt);
    return 0;
}

/* A bounded piece of work, so that other writers are not held up; the caller comes again. */
int chunk_retain(struct store_tx *tx, int64_t now_ms, int limit, int *dropped) {
    TG_ASSERT(tx->writable);
    *dropped = 0;
    struct retain_job job = {0};
    int error = 0;
    while (!error && *dropped < limit) {
        int64_t keep = 0;
        error = next_retaining_job(tx, job.id, &job);
        if (!error)
            error = keep_from(tx, &job, now_ms, &keep);
        if (!error && keep > job.from)
            error = drop_bytes(tx, &job, keep, limit - *dropped, dropped);
    }
    return error == TG_ENOT_FOUND ? 0 : error;
}

/* ---- games ---- */

#define GAME_COLUMNS                                                                                         \
    "id, job, task, created_ms, board, komi, rules, black, white, result, moves, reason, note"

struct game_sink {
    game_row_fn fn;
    void *arg;
    bool with_sgf;
};

static int give_game(sqlite3_stmt *row, void *context) {
    struct game_sink *sink = context;
    struct game_row game = {
        .id = db_i64(row, 0),
        .job = db_i64(row, 1),
        .task = db_i64(row, 2),
        .created_ms = db_i64(row, 3),
        .board = (int)db_i64(row, 4),
        .komi = sqlite3_column_double(row, 5),
        .rules = db_text(row, 6),
        .black = db_text(row, 7),
        .white = db_text(row, 8),
        .result = db_text(row, 9),
        .moves = (int)db_i64(row, 10),
        .reason = db_text(row, 11),
        .note = db_text(row, 12),
        .sgf = sink->with_sgf ? db_text(row, 13) : NULL,
    };
    return sink->fn(sink->arg, &game);
}

int game_get(struct store_tx *tx, int64_t id, game_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, "SELECT " GAME_COLUMNS ", sgf FROM games WHERE id = ?", "i", id);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    error = give_game(stmt, &(struct game_sink){fn, arg, true});
    db_reset(stmt);
    return error;
}

int game_list(struct store_tx *tx, int64_t job, const char *player, int64_t cursor, int limit, game_row_fn fn,
              void *arg) {
    static const char *const all = "SELECT " GAME_COLUMNS " FROM games WHERE id < ?1 AND (?2 = 0 OR job = ?2)"
                                   " AND (?3 IS NULL OR black = ?3 OR white = ?3) ORDER BY id DESC LIMIT ?4";
    static const char *const of_job =
        "SELECT " GAME_COLUMNS " FROM games WHERE id < ?1 AND job = ?2"
        " AND (?3 IS NULL OR black = ?3 OR white = ?3) ORDER BY id DESC LIMIT ?4";
    /* Each side comes in order from its index; the union is merged. */
    static const char *const of_player =
        "SELECT " GAME_COLUMNS " FROM (SELECT * FROM games WHERE black = ?3 AND id < ?1 AND ?2 = 0 UNION ALL"
        " SELECT * FROM games WHERE white = ?3 AND black <> ?3 AND id < ?1 AND ?2 = 0) ORDER BY id DESC "
        "LIMIT ?4";
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt,
                        job != 0         ? of_job
                        : player != NULL ? of_player
                                         : all,
                        "iiti", cursor ? cursor : INT64_MAX, job, player, (int64_t)db_limit(limit));
    return error ? error : db_each(tx, stmt, give_game, &(struct game_sink){fn, arg, false});
}

int store_totals(struct store_tx *tx, struct store_totals *out) {
    int error = db_int(tx, &out->games, "SELECT coalesce(sum(game_count), 0) FROM jobs", "");
    if (!error)
        error = db_int(tx, &out->chunks, "SELECT coalesce(sum(chunk_count), 0) FROM jobs", "");
    if (!error)
        error = db_int(tx, &out->chunk_bytes, "SELECT coalesce(sum(chunk_bytes), 0) FROM jobs", "");
    if (!error)
        error = db_int(tx, &out->checkpoints, "SELECT count(*) FROM checkpoints", "");
    return error;
}
