/* db.h - one SQLite connection with its prepared statements; inside server/store only.
 *
 * A connection belongs to one thread at a time and is opened without SQLite's own mutex. Statements are
 * prepared once for each SQL literal (found again by the literal's address) and always reset before control
 * leaves this folder. */
#ifndef TENGEN_STORE_DB_H
#define TENGEN_STORE_DB_H

#include <sqlite3.h>
#include "server/store/store_tx.h"
#include "server/store/sums.h"

enum { DB_STATEMENTS = 256 }; /* slots; a power of two above twice the number of statements */

struct store_tx {
    sqlite3 *sqlite;
    bool writable;
    struct {
        const char *sql; /* a literal: identity is its address */
        sqlite3_stmt *stmt;
    } cache[DB_STATEMENTS];
    bool appending; /* the running request came by store_append: sums are written later */
    struct sums sums;
};

/* Opens FOLDER/tengen.db with our settings. The problem names the path. */
int db_open(struct store_tx *db, const char *path, bool writable, bool create, struct problem *problem);
void db_close(struct store_tx *db);

/* The TG_E... of the last failed call on this connection. */
int db_error(struct store_tx *db);
/* The same, with a sentence for people. */
int db_problem(struct store_tx *db, const char *path, struct problem *problem);
/* The sentence for a storage error that comes without one. */
int db_describe(int error, const char *path, const char *detail, struct problem *problem);

/* Prepares (or finds) and binds. `types` has a letter for each ?: i int64_t, d double, t text (NULL: null), b
 * blob (pointer, size_t; borrowed until the reset), n null. */
int db_bind(struct store_tx *db, sqlite3_stmt **out, const char *sql, const char *types, ...);
/* 1: a row; 0: no more rows (the statement is reset); negative: TG_E... (reset as well). */
int db_step(struct store_tx *db, sqlite3_stmt *stmt);
void db_reset(sqlite3_stmt *stmt);
/* Binds and runs to the end. */
int db_run(struct store_tx *db, const char *sql, const char *types, ...);
/* Binds and reads the first column of the first row; TG_ENOT_FOUND when there is none. */
int db_int(struct store_tx *db, int64_t *out, const char *sql, const char *types, ...);
/* Runs several statements of constant text (schema, pragmas), uncached. */
int db_script(struct store_tx *db, const char *sql);
int64_t db_inserted(struct store_tx *db); /* id of the last inserted row */
int db_changed(struct store_tx *db);      /* rows changed by the last statement */
bool db_in_transaction(struct store_tx *db);

/* Calls fn for each row until the end, or until fn returns non-zero, which is returned. */
typedef int (*db_row_fn)(sqlite3_stmt *row, void *context);
int db_each(struct store_tx *db, sqlite3_stmt *stmt, db_row_fn fn, void *context);

/* Copies a column of SHA256_BYTES; TG_ECORRUPT when it has another size. */
int db_digest(sqlite3_stmt *row, int column, uint8_t digest[SHA256_BYTES]);

static inline const char *db_text(sqlite3_stmt *row, int column) {
    return (const char *)sqlite3_column_text(row, column);
}
static inline int64_t db_i64(sqlite3_stmt *row, int column) {
    return sqlite3_column_int64(row, column);
}
/* A list's limit, kept in 1 .. LIST_LIMIT_MAX. */
static inline int db_limit(int limit) {
    return limit < 1 ? 1 : limit > LIST_LIMIT_MAX ? LIST_LIMIT_MAX : limit;
}

/* schema.c: brings the database up to date. TG_ENEWER_SCHEMA, TG_ECORRUPT (not ours), storage errors. */
int schema_migrate(struct store_tx *db, const char *path, struct problem *problem);
/* Gives the database its random id, the setting "coordinator" of 32 hex digits: `anew` in any case, else only
 * when it has none. */
int schema_identify(struct store_tx *db, bool anew);
/* The same check as schema_migrate's without changing anything (an older schema is refused too: the
 * coordinator must migrate it).
 */
int schema_verify(struct store_tx *db, const char *path, struct problem *problem);

/* jobs.c: a problem document as JSON text (free()); NULL when out of memory. */
char *problem_text(const struct problem *reason);

/* chunk_body.c: the digest of a chunk's row. `old`: the row's id is at most blake2b_chunks_until. */
void chunk_digest(const void *data, size_t size, bool old, uint8_t digest[CHUNK_DIGEST_BYTES]);
int blake2b_chunks_until(struct store_tx *db, int64_t *id);

/* check.c and backup.c work on a connection of their own. */
int check_database(struct store_tx *db, void (*fault)(void *arg, const char *text), void *arg, int *faults);
int backup_database(struct store_tx *db, const char *file, struct problem *problem);

#endif
