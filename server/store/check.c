/* check.c - proves that a database is whole: SQLite's own check, then every digest, then every sum that is
 * kept twice.
 *
 * Everything runs in one read transaction, so a live coordinator may go on writing meanwhile.
 *
 *     the file      PRAGMA integrity_check, foreign_key_check
 *     bytes         each chunk and each content against its digest, and a chunk's header against its row
 *     sums          recomputed from the chunks' rows: units, counts, bytes, totals; dense task rows
 *     states        what no transition makes: a job that has ended with an open task, a lease of nobody
 *
 * Each query returns the rows that are wrong and no others, so that a sound database costs no memory however
 * large it is; contents are hashed piece by piece as the rows come by, in one pass.
 *
 * An error (a file that cannot be read) ends the check and is returned; a fault is told and counted, and the
 * check goes on: whoever repairs wants to see all of them.
 *
 * Chunks whose bytes retention has dropped cannot be hashed; their rows still count in the sums.
 */
#include "server/store/db.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "proto/wire/chunk.h"
#include "proto/wire/json.h"

struct check {
    struct store_tx *db;
    void (*report)(void *arg, const char *text);
    void *arg;
    int faults;
    int64_t blake2b_chunks; /* see chunk_digest */
};

static void fault(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fault(struct check *check, const char *format, ...) {
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    check->faults++;
    if (check->report != NULL)
        check->report(check->arg, text);
}

static int each(struct check *check, const char *sql, db_row_fn fn) {
    sqlite3_stmt *stmt;
    int error = db_bind(check->db, &stmt, sql, "");
    return error ? error : db_each(check->db, stmt, fn, check);
}

/* ---- the file ---- */

static int integrity_line(sqlite3_stmt *row, void *context) {
    const char *line = db_text(row, 0);
    if (line == NULL || strcmp(line, "ok") != 0)
        fault(context, "file: %s", line == NULL ? "?" : line);
    return 0;
}

static int foreign_key_line(sqlite3_stmt *row, void *context) {
    fault(context, "%s row %lld refers to a row of %s that does not exist", db_text(row, 0),
          (long long)db_i64(row, 1), db_text(row, 2));
    return 0;
}

/* ---- chunks ---- */

static int check_chunk(sqlite3_stmt *row, void *context) {
    int64_t id = db_i64(row, 0), units = db_i64(row, 1), size = db_i64(row, 2);
    const void *data = sqlite3_column_blob(row, 3);
    size_t bytes = (size_t)sqlite3_column_bytes(row, 3);
    uint8_t digest[CHUNK_DIGEST_BYTES];
    chunk_digest(data, bytes, id <= ((struct check *)context)->blake2b_chunks, digest);
    if ((int64_t)bytes != size)
        fault(context, "chunk %lld: has %zu bytes, should have %lld", (long long)id, bytes, (long long)size);
    else if (sqlite3_column_bytes(row, 4) != CHUNK_DIGEST_BYTES ||
             memcmp(sqlite3_column_blob(row, 4), digest, sizeof digest) != 0)
        fault(context, "chunk %lld: its digest does not match its bytes", (long long)id);
    struct chunk_view view;
    struct problem problem = {0};
    if (chunk_open(data, bytes, &view, &problem) != 0) {
        fault(context, "chunk %lld: cannot be opened: %s", (long long)id, problem.detail);
        return 0;
    }
    if (json_integer_value(json_object_get(view.header, "units")) != units)
        fault(context, "chunk %lld: its row counts %lld units, its header does not", (long long)id,
              (long long)units);
    chunk_view_free(&view);
    return 0;
}

/* ---- contents ---- */

struct content_hash {
    struct check *check;
    int64_t content, next_piece, bytes, bytes_wanted;
    uint8_t wanted[SHA256_BYTES];
    struct sha256 hash;
};

/* The rows of one content have come to their end. */
static void close_content(struct content_hash *state) {
    uint8_t digest[SHA256_BYTES];
    if (state->content == 0)
        return;
    sha256_final(&state->hash, digest);
    if (state->bytes != state->bytes_wanted)
        fault(state->check, "content %lld: has %lld bytes, should have %lld", (long long)state->content,
              (long long)state->bytes, (long long)state->bytes_wanted);
    else if (memcmp(digest, state->wanted, sizeof digest) != 0)
        fault(state->check, "content %lld: its SHA-256 does not match its bytes", (long long)state->content);
}

static int check_piece(sqlite3_stmt *row, void *context) {
    struct content_hash *state = context;
    if (db_i64(row, 0) != state->content) {
        close_content(state);
        state->content = db_i64(row, 0);
        state->next_piece = state->bytes = 0;
        state->bytes_wanted = db_i64(row, 1);
        memset(state->wanted, 0, sizeof state->wanted);
        if (sqlite3_column_bytes(row, 2) == SHA256_BYTES)
            memcpy(state->wanted, sqlite3_column_blob(row, 2), SHA256_BYTES);
        sha256_init(&state->hash);
    }
    if (sqlite3_column_type(row, 3) == SQLITE_NULL) /* content of no bytes */
        return 0;
    if (db_i64(row, 3) != state->next_piece++)
        fault(state->check, "content %lld: piece %lld is missing", (long long)state->content,
              (long long)state->next_piece - 1);
    size_t size = (size_t)sqlite3_column_bytes(row, 4);
    sha256_update(&state->hash, sqlite3_column_blob(row, 4), size);
    state->bytes += (int64_t)size;
    return 0;
}

static int content_unused(sqlite3_stmt *row, void *context) {
    fault(context, "content %lld: no checkpoint and no data set is made of it", (long long)db_i64(row, 0));
    return 0;
}

static int check_contents(struct check *check) {
    struct content_hash state = {.check = check};
    sqlite3_stmt *stmt;
    int error = db_bind(check->db, &stmt,
                        "SELECT c.id, c.bytes, c.digest, p.piece, p.data FROM contents c LEFT JOIN pieces p "
                        "ON p.content = c.id"
                        " WHERE c.digest IS NOT NULL ORDER BY c.id, p.piece",
                        "");
    if (!error)
        error = db_each(check->db, stmt, check_piece, &state);
    if (!error)
        close_content(&state);
    if (!error)
        error = each(check,
                     "SELECT id FROM contents WHERE digest IS NOT NULL AND id NOT IN (SELECT content FROM"
                     " checkpoints UNION SELECT content FROM datasets)",
                     content_unused);
    return error;
}

/* ---- sums ---- */

static int task_sum(sqlite3_stmt *row, void *context) {
    fault(context, "task %lld: counts %lld units, its chunks have %lld (of %lld)", (long long)db_i64(row, 0),
          (long long)db_i64(row, 1), (long long)db_i64(row, 2), (long long)db_i64(row, 3));
    return 0;
}

static int job_sum(sqlite3_stmt *row, void *context) {
    fault(context, "job %lld: its %s is %lld, should be %lld", (long long)db_i64(row, 0), db_text(row, 1),
          (long long)db_i64(row, 2), (long long)db_i64(row, 3));
    return 0;
}

static int job_fault(sqlite3_stmt *row, void *context) {
    fault(context, "job %lld: %s", (long long)db_i64(row, 0), db_text(row, 1));
    return 0;
}

static int total_sum(sqlite3_stmt *row, void *context) {
    double have = sqlite3_column_double(row, 2), want = sqlite3_column_double(row, 3);
    /* Whole numbers must agree exactly; sums of fractions depend on their order in the last bits. */
    bool whole =
        sqlite3_column_type(row, 2) == SQLITE_INTEGER && sqlite3_column_type(row, 3) == SQLITE_INTEGER;
    bool null = sqlite3_column_type(row, 2) == SQLITE_NULL || sqlite3_column_type(row, 3) == SQLITE_NULL;
    if (null || (whole ? db_i64(row, 2) != db_i64(row, 3)
                       : fabs(have - want) > 1e-9 * fmax(1, sqlite3_column_double(row, 4))))
        fault(context, "job %lld: its total of %s is %.17g, its chunks have %.17g", (long long)db_i64(row, 0),
              db_text(row, 1), have, want);
    return 0;
}

#define JOB_SUM(column, sum)                                                                                 \
    "SELECT j.id, '" column "', j." column ", s.n FROM jobs j JOIN (SELECT j2.id AS job, (" sum              \
    ") AS n FROM jobs j2) s ON s.job = j.id WHERE j." column " <> s.n"

/* Each sum that is kept, beside the same computed from the rows that it is a sum of. */
static int check_sums(struct check *check) {
    static const char *const job_sums[] = {
        JOB_SUM("units_done", "SELECT coalesce(sum(units), 0) FROM chunks WHERE job = j2.id"),
        JOB_SUM("chunk_count", "SELECT count(*) FROM chunks WHERE job = j2.id"),
        JOB_SUM("chunk_bytes", "SELECT coalesce(sum(size), 0) FROM chunks WHERE job = j2.id"),
        JOB_SUM("game_count", "SELECT count(*) FROM games WHERE job = j2.id"),
        JOB_SUM("next_index", "SELECT count(*) FROM tasks WHERE job = j2.id"),
        JOB_SUM("tasks_done", "SELECT count(*) FROM tasks WHERE job = j2.id AND state = 2"),
    };
    int error = 0;
    for (size_t i = 0; !error && i < sizeof job_sums / sizeof job_sums[0]; i++)
        error = each(check, job_sums[i], job_sum);
    if (!error)
        error = each(check,
                     "SELECT t.id, t.units_done, coalesce(c.n, 0), t.units FROM tasks t LEFT JOIN"
                     " (SELECT task, sum(units) AS n FROM chunks GROUP BY task) c ON c.task = t.id"
                     " WHERE t.units_done <> coalesce(c.n, 0) OR t.units_done > t.units OR (t.state = 2 AND "
                     "t.units_done <> t.units)",
                     task_sum);
    if (!error)
        error = each(check,
                     "WITH sums AS (SELECT c.job, e.key AS name, sum(e.value) AS n, sum(abs(e.value)) AS "
                     "size FROM chunks c,"
                     " json_each(c.counters) e GROUP BY c.job, e.key)"
                     " SELECT job, name, value, n, size FROM totals LEFT JOIN sums USING (job, name)"
                     " UNION ALL SELECT job, name, NULL, n, size FROM sums WHERE (job, name) NOT IN (SELECT "
                     "job, name FROM totals)",
                     total_sum);
    return error;
}

static int check_states(struct check *check) {
    int error =
        each(check,
             "SELECT id, 'has succeeded with ' || tasks_done || ' of ' || task_count || ' tasks done "
             "and ended no task early'"
             " FROM jobs j WHERE state = 3 AND tasks_done <> task_count AND NOT EXISTS"
             " (SELECT 1 FROM tasks WHERE job = j.id AND state IN (3, 4)) AND next_index = task_count",
             job_fault);
    if (!error)
        error = each(check,
                     "SELECT id, 'all its tasks are done, but it has not ended' FROM jobs"
                     " WHERE tasks_done = task_count AND state NOT IN (3, 4, 5)",
                     job_fault);
    if (!error)
        error =
            each(check,
                 "SELECT DISTINCT j.id, 'has ended, but task ' || t.id || ' is open' FROM jobs j JOIN tasks t"
                 " ON t.job = j.id AND t.state IN (0, 1) WHERE j.state IN (3, 4, 5)",
                 job_fault);
    if (!error)
        error =
            each(check,
                 "SELECT k.job, 'checkpoint ' || k.id || ' does not belong to the chunk that brought it' FROM"
                 " checkpoints k LEFT JOIN chunks c ON c.id = k.chunk WHERE k.job <> 0 AND k.chunk IS NOT"
                 " NULL AND (c.job, c.task, c.attempt) IS NOT (k.job, k.task, k.attempt)"
                 " UNION ALL SELECT r.job, 'its report ' || r.name || ' is of another job''s chunk' FROM"
                 " reports r LEFT JOIN chunks c ON c.id = r.chunk WHERE c.job IS NOT r.job",
                 job_fault);
    if (!error)
        error = each(
            check,
            "SELECT j.id, 'task ' || t.id || ' is leased to nobody' FROM tasks t JOIN jobs j ON j.id = t.job"
            " WHERE t.state = 1 AND t.worker IS NULL",
            job_fault);
    if (!error)
        error = each(
            check,
            "SELECT c.job, 'chunk ' || c.id || ' names task ' || c.task || ' of job ' || t.job FROM chunks c"
            " JOIN tasks t ON t.id = c.task WHERE t.job <> c.job",
            job_fault);
    return error;
}

int check_database(struct store_tx *db, void (*report)(void *arg, const char *text), void *arg, int *faults) {
    struct check check = {.db = db, .report = report, .arg = arg};
    int error = db_run(db, "BEGIN", "");
    if (!error)
        error = blake2b_chunks_until(db, &check.blake2b_chunks);
    if (!error)
        error = each(&check, "PRAGMA integrity_check", integrity_line);
    if (!error)
        error = each(&check, "PRAGMA foreign_key_check", foreign_key_line);
    if (!error)
        error = each(&check,
                     "SELECT id, units, size, data, digest FROM chunks WHERE data IS NOT NULL ORDER BY id",
                     check_chunk);
    if (!error)
        error = check_contents(&check);
    if (!error)
        error = check_sums(&check);
    if (!error)
        error = check_states(&check);
    if (db_in_transaction(db))
        db_run(db, "COMMIT", "");
    *faults = check.faults;
    return error;
}
