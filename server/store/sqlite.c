/* sqlite.c - see db.h. A connection's settings and why; statements that are prepared once; SQLite's errors as
 * ours.
 *
 *     journal_mode = WAL       readers and the writer do not wait for each other
 *     synchronous = FULL       a commit is on disk when it returns: with NORMAL the last ones could be lost
 *                              in a power cut, and a 2xx would be a lie
 *     trusted_schema = OFF     a database from somebody else cannot call functions by its schema
 *     foreign_keys = ON        and --check asks for them once more
 *     temp_store = MEMORY      nothing of ours is written beside the data folder
 *     mmap_size = 0            an error of the disk is an error of ours, and not a signal
 *     secure_delete = FAST     what is freed becomes zeros only where that costs no write of its own
 *     busy_timeout             for other programs (--backup, sqlite3): our writer is one thread
 *
 * Statements are found by the address of their literal, in an open table; so a literal that is built at run
 * time, or two of the same text, would each take a place: DB_STATEMENTS must be well above their number, and
 * running out is our own bug. A statement is always reset before control leaves the folder, because one that
 * is not keeps its transaction's snapshot alive, and with it the whole log.
 *
 * Bound text and blobs are borrowed until that reset (SQLITE_STATIC): nothing is copied on its way into the
 * database. */
#include "server/store/db.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include "server/store/gather.h"

static int map_error(int code, int system_errno) {
    switch (code & 0xff) {
    case SQLITE_FULL:
        return TG_ESTORAGE_FULL;
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM)
            return TG_ENO_MEMORY;
        if (code == SQLITE_IOERR_CORRUPTFS || code == SQLITE_IOERR_DATA)
            return TG_ECORRUPT;
        return system_errno == ENOSPC || system_errno == EDQUOT ? TG_ESTORAGE_FULL : TG_EIO;
    case SQLITE_CANTOPEN:
        return system_errno == ENOSPC || system_errno == EDQUOT ? TG_ESTORAGE_FULL : TG_EIO;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return TG_EIO;
    case SQLITE_NOMEM:
        return TG_ENO_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return TG_ECORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TG_EBUSY;
    case SQLITE_TOOBIG:
        return TG_ETOO_LARGE;
    default:
        return TG_EINTERNAL;
    }
}

int db_error(struct store_tx *db) {
    return map_error(sqlite3_extended_errcode(db->sqlite), sqlite3_system_errno(db->sqlite));
}

int db_describe(int error, const char *path, const char *detail, struct problem *problem) {
    switch (error) {
    case TG_ESTORAGE_FULL:
        return problem_set(problem, error, NULL,
                           "%s: the disk is full; nothing was stored. Free some space and try again", path);
    case TG_EIO:
        return problem_set(problem, error, NULL,
                           "%s: cannot be read or written (%s). Check the disk and the folder's permissions",
                           path, detail);
    case TG_ECORRUPT:
        return problem_set(problem, error, NULL,
                           "%s: is damaged or no database of tengen-server (%s). Restore a backup "
                           "(tengen-server --backup FILE makes them) or move it away to start anew",
                           path, detail);
    case TG_EBUSY:
        return problem_set(problem, error, NULL,
                           "%s: is locked by another program (%s). Stop it and try again", path, detail);
    case TG_ENO_MEMORY:
        return problem_set(problem, error, NULL, "out of memory");
    case TG_ENOT_FOUND:
        return problem_set(problem, error, NULL, "no such thing");
    default:
        return problem_set(problem, error, NULL, "%s: %s", path, detail);
    }
}

int db_problem(struct store_tx *db, const char *path, struct problem *problem) {
    return db_describe(db_error(db), path, sqlite3_errmsg(db->sqlite), problem);
}

/* SQLite's own count of its memory would cost every allocation a lock. Refused, and left as it is, when the
 * program has used SQLite before. */
static void configure(void) {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int db_open(struct store_tx *db, const char *path, bool writable, bool create, struct problem *problem) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    *db = (struct store_tx){.writable = writable};
    /* Readers open for writing too: a WAL database needs its shared memory; query_only keeps them readers. */
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &db->sqlite, flags, gather_vfs()) != SQLITE_OK)
        goto fail;
    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_timeout(db->sqlite, 10000);
    if (db_script(db, "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
                      "PRAGMA mmap_size = 0") != 0)
        goto fail;
    if (db_script(
            db, writable ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                           "PRAGMA secure_delete = FAST;" /* training states come and go: no zeros for them */
                           "PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 67108864"
                         : "PRAGMA cache_size = -2048; PRAGMA query_only = ON") != 0)
        goto fail;
    return 0;
fail:;
    int error = db->sqlite == NULL ? problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory")
                                   : db_problem(db, path, problem);
    db_close(db);
    return error;
}

void db_close(struct store_tx *db) {
    for (size_t i = 0; i < DB_STATEMENTS; i++)
        sqlite3_finalize(db->cache[i].stmt);
    sqlite3_close(db->sqlite);
    *db = (struct store_tx){0};
}

static int prepare(struct store_tx *db, const char *sql, sqlite3_stmt **out) {
    size_t at = ((uintptr_t)sql * 0x9e3779b97f4a7c15u) >> 56;
    for (size_t tries = 0; tries < DB_STATEMENTS; tries++, at = (at + 1) % DB_STATEMENTS) {
        if (db->cache[at].sql == sql) {
            *out = db->cache[at].stmt;
            TG_ASSERT(!sqlite3_stmt_busy(*out)); /* a row callback must not start its own list again */
            return 0;
        }
        if (db->cache[at].sql == NULL) {
            if (sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &db->cache[at].stmt,
                                   NULL) != SQLITE_OK)
                return db_error(db);
            db->cache[at].sql = sql;
            *out = db->cache[at].stmt;
            return 0;
        }
    }
    TG_ASSERT(!"more statements than DB_STATEMENTS");
    return TG_EINTERNAL;
}

static int bind_all(struct store_tx *db, sqlite3_stmt **out, const char *sql, const char *types,
                    va_list values) {
    sqlite3_stmt *stmt = NULL;
    int error = prepare(db, sql, &stmt);
    if (error)
        return error;
    for (int i = 0, code = SQLITE_OK; types[i] != 0; i++) {
        switch (types[i]) {
        case 'i':
            code = sqlite3_bind_int64(stmt, i + 1, va_arg(values, int64_t));
            break;
        case 'd':
            code = sqlite3_bind_double(stmt, i + 1, va_arg(values, double));
            break;
        case 't':
            code = sqlite3_bind_text(stmt, i + 1, va_arg(values, const char *), -1, SQLITE_STATIC);
            break;
        case 'b': {
            const void *data = va_arg(values, const void *);
            code = sqlite3_bind_blob64(stmt, i + 1, data, va_arg(values, size_t), SQLITE_STATIC);
            break;
        }
        default:
            TG_ASSERT(types[i] == 'n');
            code = sqlite3_bind_null(stmt, i + 1);
        }
        if (code != SQLITE_OK) {
            error = map_error(code, 0);
            db_reset(stmt);
            return error;
        }
    }
    *out = stmt;
    return 0;
}

int db_bind(struct store_tx *db, sqlite3_stmt **out, const char *sql, const char *types, ...) {
    va_list values;
    va_start(values, types);
    int error = bind_all(db, out, sql, types, values);
    va_end(values);
    return error;
}

void db_reset(sqlite3_stmt *stmt) {
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

int db_step(struct store_tx *db, sqlite3_stmt *stmt) {
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return 1;
    int error = code == SQLITE_DONE ? 0 : db_error(db);
    db_reset(stmt);
    return error;
}

int db_run(struct store_tx *db, const char *sql, const char *types, ...) {
    sqlite3_stmt *stmt;
    va_list values;
    va_start(values, types);
    int error = bind_all(db, &stmt, sql, types, values);
    va_end(values);
    if (error)
        return error;
    int got = db_step(db, stmt);
    if (got > 0)
        db_reset(stmt);
    return got < 0 ? got : 0;
}

int db_int(struct store_tx *db, int64_t *out, const char *sql, const char *types, ...) {
    sqlite3_stmt *stmt = NULL;
    va_list values;
    va_start(values, types);
    int error = bind_all(db, &stmt, sql, types, values);
    va_end(values);
    if (error)
        return error;
    int got = db_step(db, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    *out = db_i64(stmt, 0);
    db_reset(stmt);
    return 0;
}

int db_script(struct store_tx *db, const char *sql) {
    return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_error(db);
}

int64_t db_inserted(struct store_tx *db) {
    return sqlite3_last_insert_rowid(db->sqlite);
}

int db_changed(struct store_tx *db) {
    return sqlite3_changes(db->sqlite);
}

bool db_in_transaction(struct store_tx *db) {
    return sqlite3_get_autocommit(db->sqlite) == 0;
}

int db_each(struct store_tx *db, sqlite3_stmt *stmt, db_row_fn fn, void *context) {
    int got;
    while ((got = db_step(db, stmt)) > 0) {
        int stop = fn(stmt, context);
        if (stop) {
            db_reset(stmt);
            return stop;
        }
    }
    return got;
}
