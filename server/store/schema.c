/* schema.c - the tables, as numbered migrations.
 *
 * PRAGMA user_version counts the migrations that a database has had; each runs in one transaction together
 * with its number, so a crash leaves the database at one version or the next. A migration that was released
 * is never changed: new ones are added at the end. PRAGMA application_id tells our databases from strangers'.
 *
 * Enumerations are stored as the numbers of their C enums (store_tx.h): their values are part of the schema.
 */
#include "server/store/db.h"

#include <stdio.h>

enum { APPLICATION_ID = 0x54474e31 /* "TGN1" */ };

/* clang-format off */
static const char *const schema_1[] = {
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",

    "CREATE TABLE tokens (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, role INTEGER NOT NULL, name TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL, revoked_ms INTEGER NOT NULL DEFAULT 0, used_ms INTEGER NOT NULL DEFAULT 0);",

    "CREATE TABLE workers (id INTEGER PRIMARY KEY, instance TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    "  machine TEXT NOT NULL, capabilities TEXT NOT NULL, runners INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,"
    "  created_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL);",

    "CREATE TABLE jobs (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, priority INTEGER NOT NULL,"
    "  state INTEGER NOT NULL, units_total INTEGER NOT NULL, units_done INTEGER NOT NULL DEFAULT 0,"
    "  first_task INTEGER NOT NULL, task_count INTEGER NOT NULL, task_units INTEGER NOT NULL,"
    "  next_index INTEGER NOT NULL DEFAULT 0, tasks_done INTEGER NOT NULL DEFAULT 0,"
    "  chunk_count INTEGER NOT NULL DEFAULT 0, chunk_bytes INTEGER NOT NULL DEFAULT 0,"
    "  game_count INTEGER NOT NULL DEFAULT 0,"
    "  retain_chunks INTEGER NOT NULL, retain_s INTEGER NOT NULL,"
    "  retained_from INTEGER NOT NULL DEFAULT 0," /* chunks with smaller ids have no bytes any more */
    "  created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL DEFAULT 0, ended_ms INTEGER NOT NULL DEFAULT 0,"
    "  error TEXT, after TEXT NOT NULL, inputs TEXT NOT NULL, config TEXT NOT NULL, document TEXT NOT NULL);"
    "CREATE INDEX jobs_by_state ON jobs (state);" /* an index ends with the rowid: these page by id */
    "CREATE INDEX jobs_by_kind ON jobs (kind);"
    "CREATE UNIQUE INDEX jobs_by_first_task ON jobs (first_task);"
    "CREATE TABLE job_after (job INTEGER NOT NULL REFERENCES jobs, needs INTEGER NOT NULL REFERENCES jobs,"
    "  PRIMARY KEY (job, needs)) WITHOUT ROWID;"
    "CREATE TABLE totals (job INTEGER NOT NULL REFERENCES jobs, name TEXT NOT NULL, value NUMERIC NOT NULL,"
    "  PRIMARY KEY (job, name)) WITHOUT ROWID;",

    "CREATE TABLE tasks (id INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs, first_unit INTEGER NOT NULL,"
    "  units INTEGER NOT NULL, units_done INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, worker INTEGER REFERENCES workers,"
    "  leased_ms INTEGER NOT NULL DEFAULT 0, ended_ms INTEGER NOT NULL DEFAULT 0,"
    "  beat_sequence INTEGER NOT NULL DEFAULT -1, error TEXT);"
    "CREATE INDEX tasks_by_job ON tasks (job, state);"
    "CREATE INDEX tasks_leased ON tasks (worker) WHERE state = 1;",

    /* Rows of chunks are never deleted, so an id, which is a cursor, is never used again. */
    "CREATE TABLE chunks (id INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs,"
    "  task INTEGER NOT NULL REFERENCES tasks, attempt INTEGER NOT NULL, seq INTEGER NOT NULL, units INTEGER NOT NULL,"
    "  size INTEGER NOT NULL, created_ms INTEGER NOT NULL, digest BLOB NOT NULL, counters TEXT NOT NULL, data BLOB);"
    "CREATE UNIQUE INDEX chunks_by_number ON chunks (task, attempt, seq);"
    "CREATE INDEX chunks_by_job ON chunks (job);",

    /* A game has the id of its chunk. */
    "CREATE TABLE games (id INTEGER PRIMARY KEY REFERENCES chunks,"
    "  job INTEGER NOT NULL REFERENCES jobs, task INTEGER NOT NULL, created_ms INTEGER NOT NULL, board INTEGER NOT NULL,"
    "  komi REAL NOT NULL, rules TEXT NOT NULL, black TEXT NOT NULL, white TEXT NOT NULL, result TEXT NOT NULL,"
    "  moves INTEGER NOT NULL, reason TEXT NOT NULL, note TEXT NOT NULL, sgf TEXT NOT NULL);"
    "CREATE INDEX games_by_job ON games (job);"
    "CREATE INDEX games_by_black ON games (black);"
    "CREATE INDEX games_by_white ON games (white);",

    "CREATE TABLE metrics (id INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs, name TEXT NOT NULL,"
    "  step INTEGER NOT NULL, value REAL NOT NULL, time_ms INTEGER NOT NULL);"
    "CREATE INDEX metrics_by_job ON metrics (job);"
    "CREATE INDEX metrics_by_name ON metrics (job, name);"
    "CREATE TABLE log_lines (id INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs, task INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, time_ms INTEGER NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL);"
    "CREATE INDEX log_lines_by_job ON log_lines (job);",

    /* An upload in progress is a content without a digest. */
    "CREATE TABLE contents (id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB UNIQUE, bytes INTEGER NOT NULL DEFAULT 0,"
    "  created_ms INTEGER NOT NULL);"
    "CREATE TABLE pieces (content INTEGER NOT NULL REFERENCES contents ON DELETE CASCADE, piece INTEGER NOT NULL,"
    "  data BLOB NOT NULL);"
    "CREATE UNIQUE INDEX pieces_by_number ON pieces (content, piece);"
    "CREATE TABLE checkpoints (id INTEGER PRIMARY KEY, content INTEGER NOT NULL REFERENCES contents,"
    "  job INTEGER NOT NULL, task INTEGER NOT NULL, name TEXT NOT NULL, metadata TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL, UNIQUE (content, job));"
    "CREATE INDEX checkpoints_by_job ON checkpoints (job);"
    "CREATE TABLE datasets (id INTEGER PRIMARY KEY, content INTEGER NOT NULL REFERENCES contents, name TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL);"
    "CREATE INDEX datasets_by_content ON datasets (content);",

    "CREATE TABLE idempotency (owner INTEGER NOT NULL, key TEXT NOT NULL, request BLOB NOT NULL, status INTEGER NOT NULL,"
    "  answer BLOB NOT NULL, created_ms INTEGER NOT NULL, PRIMARY KEY (owner, key)) WITHOUT ROWID;"
    "CREATE INDEX idempotency_by_time ON idempotency (created_ms);",
    NULL,
};

/* Checkpoints and reports out of tasks. A checkpoint is there once for each chunk that brought it; uploaded ones
 * (job 0) once for each content. */
static const char *const schema_2[] = {
    "CREATE TABLE checkpoints_2 (id INTEGER PRIMARY KEY, content INTEGER NOT NULL REFERENCES contents,"
    "  job INTEGER NOT NULL, task INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,"
    "  chunk INTEGER UNIQUE REFERENCES chunks, name TEXT NOT NULL, step INTEGER NOT NULL DEFAULT 0,"
    "  metadata TEXT NOT NULL, created_ms INTEGER NOT NULL);"
    "INSERT INTO checkpoints_2 (id, content, job, task, name, metadata, created_ms)"
    "  SELECT id, content, job, task, name, metadata, created_ms FROM checkpoints;"
    "DROP TABLE checkpoints;"
    "ALTER TABLE checkpoints_2 RENAME TO checkpoints;"
    "CREATE UNIQUE INDEX checkpoints_uploaded ON checkpoints (content) WHERE job = 0;"
    "CREATE INDEX checkpoints_by_content ON checkpoints (content);"
    "CREATE INDEX checkpoints_by_job ON checkpoints (job);"
    "CREATE INDEX checkpoints_by_task ON checkpoints (task, name, step);",

    "CREATE TABLE reports (id INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs, name TEXT NOT NULL,"
    "  step INTEGER NOT NULL, chunk INTEGER NOT NULL REFERENCES chunks, time_ms INTEGER NOT NULL, data TEXT NOT NULL);"
    "CREATE UNIQUE INDEX reports_by_name ON reports (job, name);",

    "ALTER TABLE tasks ADD COLUMN resumed_step INTEGER NOT NULL DEFAULT -1;", /* where the present attempt began */
    "ALTER TABLE datasets ADD COLUMN info TEXT NOT NULL DEFAULT 'null';",
    NULL,
};

/* Who is forgotten is looked for among the holders of tasks. */
static const char *const schema_3[] = {
    "CREATE INDEX tasks_by_worker ON tasks (worker) WHERE worker IS NOT NULL;",
    NULL,
};

/* The digests of chunks are SHA-256 from now on (processors compute it); those of chunks up to this one are
 * BLAKE2b-256. */
static const char *const schema_4[] = {
    "INSERT INTO settings (name, value) SELECT 'blake2b_chunks', coalesce(max(id), 0) FROM chunks;",
    NULL,
};

/* Among many checkpoints the few states are looked for every minute. */
static const char *const schema_5[] = {
    "CREATE INDEX checkpoints_states ON checkpoints (task) WHERE name = 'state';",
    NULL,
};
/* clang-format on */

static const char *const *const migrations[] = {schema_1, schema_2, schema_3, schema_4, schema_5};
enum { SCHEMA_VERSION = sizeof migrations / sizeof migrations[0] };

static int pragma(struct store_tx *db, const char *sql, int64_t *out) {
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
        return db_error(db);
    int error = sqlite3_step(stmt) == SQLITE_ROW ? 0 : db_error(db);
    *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return error;
}

/* Reads the version and refuses what is not ours or too new. An empty database has version 0. */
static int read_version(struct store_tx *db, const char *path, int64_t *version, struct problem *problem) {
    int64_t application = 0, tables = 0;
    if (pragma(db, "PRAGMA user_version", version) || pragma(db, "PRAGMA application_id", &application) ||
        pragma(db, "SELECT count(*) FROM sqlite_schema", &tables))
        return db_problem(db, path, problem);
    if (application != APPLICATION_ID && (application != 0 || tables != 0))
        return problem_set(problem, TG_ECORRUPT, NULL,
                           "%s: is a database of another program. Choose another data folder", path);
    if (*version > SCHEMA_VERSION)
        return problem_set(problem, TG_ENEWER_SCHEMA, NULL,
                           "%s: was written by a newer tengen-server (schema %lld, this one knows %d). Run "
                           "that version, or choose another data folder",
                           path, (long long)*version, SCHEMA_VERSION);
    return 0;
}

static int migrate_one(struct store_tx *db, int number) {
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version = %d; PRAGMA application_id = %d", number,
             APPLICATION_ID);
    int error = db_script(db, "BEGIN IMMEDIATE");
    for (const char *const *part = migrations[number - 1]; !error && *part != NULL; part++)
        error = db_script(db, *part);
    if (!error)
        error = db_script(db, version);
    if (!error)
        error = db_script(db, "COMMIT");
    return error;
}

/* The id by which workers tell this database from every other; an older one gets its own now. */
int schema_identify(struct store_tx *db, bool anew) {
    return db_script(db, anew ? "INSERT OR REPLACE INTO settings (name, value)"
                                " VALUES ('coordinator', lower(hex(randomblob(16))))"
                              : "INSERT OR IGNORE INTO settings (name, value)"
                                " VALUES ('coordinator', lower(hex(randomblob(16))))");
}

int schema_migrate(struct store_tx *db, const char *path, struct problem *problem) {
    int64_t version = 0;
    int error = read_version(db, path, &version, problem);
    while (!error && version < SCHEMA_VERSION) {
        version++;
        if (migrate_one(db, (int)version) != 0) {
            error = db_problem(db, path, problem);
            if (db_in_transaction(db))
                db_script(db, "ROLLBACK");
        }
    }
    if (!error && schema_identify(db, false) != 0)
        error = db_problem(db, path, problem);
    return error;
}

int schema_verify(struct store_tx *db, const char *path, struct problem *problem) {
    int64_t version = 0;
    int error = read_version(db, path, &version, problem);
    if (!error && version < SCHEMA_VERSION)
        return problem_set(
            problem, TG_EWRONG_STATE, NULL,
            "%s: has schema %lld, this version needs %d. Start tengen-server once to migrate it", path,
            (long long)version, SCHEMA_VERSION);
    return error;
}
