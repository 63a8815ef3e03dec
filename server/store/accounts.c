/* accounts.c - who may talk to us and what was answered: workers, tokens, idempotency keys, settings. */
#include "server/store/db.h"

#include <string.h>

static int index_of(const char *const *names, int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return -1;
}

/* An UPDATE by id that finds no row. */
static int must_change(struct store_tx *tx, int error) {
    return error ? error : db_changed(tx) > 0 ? 0 : TG_ENOT_FOUND;
}

/* ---- workers ---- */

const char *worker_state_name(enum worker_state state) {
    static const char *const names[WORKER_STATE_COUNT] = {"enabled", "drain", "disabled"};
    TG_ASSERT((unsigned)state < WORKER_STATE_COUNT);
    return names[state];
}

int worker_register(struct store_tx *tx, const struct worker_new *worker, int64_t *id, bool *created) {
    TG_ASSERT(tx->writable);
    int error = db_int(tx, id, "SELECT id FROM workers WHERE instance = ?", "t", worker->instance);
    *created = error == TG_ENOT_FOUND;
    if (error == 0)
        return db_run(tx,
                      "UPDATE workers SET name = ?, machine = ?, capabilities = ?, runners = ?, seen_ms = ? "
                      "WHERE id = ?",
                      "tttiii", worker->name, worker->machine, worker->capabilities, (int64_t)worker->runners,
                      worker->now_ms, *id);
    if (!*created)
        return error;
    error = db_run(tx,
                   "INSERT INTO workers (instance, name, machine, capabilities, runners, created_ms, seen_ms)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)",
                   "ttttiii", worker->instance, worker->name, worker->machine, worker->capabilities,
                   (int64_t)worker->runners, worker->now_ms, worker->now_ms);
    *id = db_inserted(tx);
    return error;
}

int worker_forget(struct store_tx *tx, int64_t id) {
    TG_ASSERT(tx->writable);
    int error = db_run(tx, "UPDATE tasks SET worker = NULL WHERE worker = ?", "i", id);
    return error ? error : db_run(tx, "DELETE FROM workers WHERE id = ?", "i", id);
}

#define WORKERS                                                                                              \
    "SELECT id, instance, name, machine, capabilities, runners, state, created_ms, seen_ms FROM workers "

struct worker_sink {
    worker_row_fn fn;
    void *arg;
};

static int give_worker(sqlite3_stmt *row, void *context) {
    struct worker_sink *sink = context;
    struct worker_row worker = {.id = db_i64(row, 0),
                                .instance = db_text(row, 1),
                                .name = db_text(row, 2),
                                .machine = db_text(row, 3),
                                .capabilities = db_text(row, 4),
                                .runners = (int)db_i64(row, 5),
                                .state = (enum worker_state)db_i64(row, 6),
                                .created_ms = db_i64(row, 7),
                                .seen_ms = db_i64(row, 8)};
    return sink->fn(sink->arg, &worker);
}

int worker_get(struct store_tx *tx, int64_t id, worker_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, WORKERS "WHERE id = ?", "i", id);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    error = give_worker(stmt, &(struct worker_sink){fn, arg});
    db_reset(stmt);
    return error;
}

int worker_list(struct store_tx *tx, int64_t cursor, int limit, worker_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, WORKERS "WHERE id < ? ORDER BY id DESC LIMIT ?", "ii",
                        cursor ? cursor : INT64_MAX, (int64_t)db_limit(limit));
    return error ? error : db_each(tx, stmt, give_worker, &(struct worker_sink){fn, arg});
}

int worker_set_state(struct store_tx *tx, int64_t id, enum worker_state state) {
    TG_ASSERT(tx->writable && (unsigned)state < WORKER_STATE_COUNT);
    return must_change(tx, db_run(tx, "UPDATE workers SET state = ? WHERE id = ?", "ii", (int64_t)state, id));
}

int worker_seen(struct store_tx *tx, int64_t id, int64_t seen_ms) {
    TG_ASSERT(tx->writable);
    return must_change(
        tx, db_run(tx, "UPDATE workers SET seen_ms = max(seen_ms, ?) WHERE id = ?", "ii", seen_ms, id));
}

/* ---- tokens ---- */

static const char *const role_names[ROLE_COUNT] = {"view", "submit", "worker", "admin"};

const char *token_role_name(enum token_role role) {
    TG_ASSERT((unsigned)role < ROLE_COUNT);
    return role_names[role];
}

int token_role_parse(const char *name, enum token_role *role) {
    int index = index_of(role_names, ROLE_COUNT, name);
    *role = index < 0 ? ROLE_VIEW : (enum token_role)index;
    return index < 0 ? TG_EINVALID : 0;
}

int token_insert(struct store_tx *tx, const uint8_t hash[TOKEN_HASH_BYTES], enum token_role role,
                 const char *name, int64_t now_ms, int64_t *id) {
    TG_ASSERT(tx->writable && (unsigned)role < ROLE_COUNT);
    int error = db_run(tx, "INSERT INTO tokens (hash, role, name, created_ms) VALUES (?, ?, ?, ?)", "biti",
                       hash, (size_t)TOKEN_HASH_BYTES, (int64_t)role, name, now_ms);
    *id = db_inserted(tx);
    return error;
}

#define TOKENS "SELECT id, role, name, hash, created_ms, revoked_ms, used_ms FROM tokens "

struct token_sink {
    token_row_fn fn;
    void *arg;
};

static int give_token(sqlite3_stmt *row, void *context) {
    struct token_sink *sink = context;
    struct token_row token = {.id = db_i64(row, 0),
                              .role = (enum token_role)db_i64(row, 1),
                              .name = db_text(row, 2),
                              .hash = sqlite3_column_blob(row, 3),
                              .created_ms = db_i64(row, 4),
                              .revoked_ms = db_i64(row, 5),
                              .used_ms = db_i64(row, 6)};
    if (sqlite3_column_bytes(row, 3) != TOKEN_HASH_BYTES || (unsigned)token.role >= ROLE_COUNT)
        return TG_ECORRUPT;
    return sink->fn(sink->arg, &token);
}

int token_find(struct store_tx *tx, const uint8_t hash[TOKEN_HASH_BYTES], token_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, TOKENS "WHERE hash = ?", "b", hash, (size_t)TOKEN_HASH_BYTES);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    error = give_token(stmt, &(struct token_sink){fn, arg});
    db_reset(stmt);
    return error;
}

int token_list(struct store_tx *tx, int64_t cursor, int limit, token_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, TOKENS "WHERE id < ? ORDER BY id DESC LIMIT ?", "ii",
                        cursor ? cursor : INT64_MAX, (int64_t)db_limit(limit));
    return error ? error : db_each(tx, stmt, give_token, &(struct token_sink){fn, arg});
}

int token_revoke(struct store_tx *tx, int64_t id, int64_t now_ms) {
    TG_ASSERT(tx->writable);
    return must_change(
        tx, db_run(tx, "UPDATE tokens SET revoked_ms = iif(revoked_ms = 0, ?, revoked_ms) WHERE id = ?", "ii",
                   now_ms, id));
}

int token_used(struct store_tx *tx, int64_t id, int64_t now_ms) {
    TG_ASSERT(tx->writable);
    return must_change(
        tx, db_run(tx, "UPDATE tokens SET used_ms = max(used_ms, ?) WHERE id = ?", "ii", now_ms, id));
}

/* ---- idempotency keys ---- */

int idempotency_get(struct store_tx *tx, int64_t owner, const char *key, const uint8_t request[SHA256_BYTES],
                    int *status, struct buf *answer, struct problem *problem) {
    sqlite3_stmt *stmt;
    int error =
        db_bind(tx, &stmt, "SELECT request, status, answer FROM idempotency WHERE owner = ? AND key = ?",
                "it", owner, key);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    bool same = sqlite3_column_bytes(stmt, 0) == SHA256_BYTES &&
                memcmp(sqlite3_column_blob(stmt, 0), request, SHA256_BYTES) == 0;
    *status = (int)db_i64(stmt, 1);
    error = same ? buf_append(answer, sqlite3_column_blob(stmt, 2), (size_t)sqlite3_column_bytes(stmt, 2))
                 : problem_set(problem, TG_EIDEMPOTENCY, "Idempotency-Key",
                               "this key was used for another request: choose a new one");
    db_reset(stmt);
    return error;
}

int idempotency_put(struct store_tx *tx, int64_t owner, const char *key, const uint8_t request[SHA256_BYTES],
                    int status, const void *answer, size_t size, int64_t now_ms) {
    TG_ASSERT(tx->writable);
    return db_run(
        tx,
        "INSERT INTO idempotency (owner, key, request, status, answer, created_ms) VALUES (?, ?, ?, ?, ?, ?)",
        "itbibi", owner, key, request, (size_t)SHA256_BYTES, (int64_t)status, size > 0 ? answer : "", size,
        now_ms);
}

int idempotency_purge(struct store_tx *tx, int64_t older_than_ms) {
    TG_ASSERT(tx->writable);
    return db_run(tx, "DELETE FROM idempotency WHERE created_ms < ?", "i", older_than_ms);
}

/* ---- settings ---- */

int setting_get(struct store_tx *tx, const char *name, struct buf *value) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, "SELECT value FROM settings WHERE name = ?", "t", name);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    error = buf_append_text(value, db_text(stmt, 0));
    db_reset(stmt);
    return error;
}

int setting_set(struct store_tx *tx, const char *name, const char *value) {
    TG_ASSERT(tx->writable);
    return db_run(
        tx,
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        "tt", name, value);
}
