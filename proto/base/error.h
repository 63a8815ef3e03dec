/* error.h - every way in which Tengen can fail, in one table.
 *
 * A function that can fail returns an int: 0 (TG_OK) or a negative TG_E... from this table. Where a person or
 * a peer will read the reason, the function also takes a `struct problem *` and fills it: the code, the field
 * at fault and a sentence that says what is wrong and what to do about it. The server renders a problem as
 * RFC 9457 application/problem+json (proto/wire/problem.h) with the table's HTTP status; programs print it.
 *
 * Libraries never print and never exit. The names are part of the API ("code" in a problem document): they
 * may be added to, never renamed.
 */
#ifndef TENGEN_BASE_ERROR_H
#define TENGEN_BASE_ERROR_H

/* X(NAME, "stable_code", HTTP status, "title") */
#define TG_ERROR_MAP(X)                                                                                      \
    X(INTERNAL, "internal", 500, "Internal error")                                                           \
    X(NO_MEMORY, "no_memory", 503, "Out of memory")                                                          \
    X(IO, "io", 500, "Input or output failed")                                                               \
    X(INVALID, "invalid", 400, "Invalid request")                                                            \
    X(BAD_JSON, "bad_json", 400, "Not valid JSON")                                                           \
    X(BAD_UTF8, "bad_utf8", 400, "Not valid UTF-8")                                                          \
    X(DUPLICATE_KEY, "duplicate_key", 400, "Duplicate key in a JSON object")                                 \
    X(TOO_DEEP, "too_deep", 400, "Nested too deeply")                                                        \
    X(MISSING_FIELD, "missing_field", 400, "A required field is missing")                                    \
    X(UNKNOWN_OPTION, "unknown_option", 400, "Unknown option")                                               \
    X(WRONG_TYPE, "wrong_type", 400, "Wrong type")                                                           \
    X(OUT_OF_RANGE, "out_of_range", 400, "Out of range")                                                     \
    X(UNKNOWN_KIND, "unknown_kind", 400, "Unknown job kind")                                                 \
    X(TRUNCATED, "truncated", 400, "Truncated")                                                              \
    X(CORRUPT, "corrupt", 400, "Damaged data")                                                               \
    X(TOKEN_MISSING, "token_missing", 401, "A token is required")                                            \
    X(TOKEN_UNKNOWN, "token_unknown", 401, "Unknown token")                                                  \
    X(TOKEN_REVOKED, "token_revoked", 401, "Revoked token")                                                  \
    X(WRONG_ROLE, "wrong_role", 403, "The token's role does not allow this")                                 \
    X(NOT_FOUND, "not_found", 404, "Not found")                                                              \
    X(METHOD, "method_not_allowed", 405, "Method not allowed")                                               \
    X(TIMEOUT, "timeout", 408, "Request timeout")                                                            \
    X(WRONG_STATE, "wrong_state", 409, "Not possible in this state")                                         \
    X(OTHER_COORDINATOR, "other_coordinator", 421, "This is another coordinator")                            \
    X(LEASE_LOST, "lease_lost", 409, "The lease was lost")                                                   \
    X(CHUNK_CONFLICT, "chunk_conflict", 409, "A different chunk is stored under this number")                \
    X(CHUNKS_MISSING, "chunks_missing", 409, "Chunks of this attempt are missing")                           \
    X(PROTOCOL, "protocol_mismatch", 409, "No common protocol version")                                      \
    X(IDEMPOTENCY, "idempotency_conflict", 422, "The Idempotency-Key was used for another request")          \
    X(TOO_LARGE, "too_large", 413, "Too large")                                                              \
    X(URI_TOO_LONG, "uri_too_long", 414, "URI too long")                                                     \
    X(MEDIA_TYPE, "unsupported_media_type", 415, "Unsupported content type")                                 \
    X(RANGE, "range_not_satisfiable", 416, "Range not satisfiable")                                          \
    X(DIGEST, "digest_mismatch", 422, "The digest does not match")                                           \
    X(HEADER_TOO_LARGE, "header_too_large", 431, "Header too large")                                         \
    X(RATE_LIMITED, "rate_limited", 429, "Too many requests")                                                \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "Not implemented")                                            \
    X(BUSY, "busy", 503, "Busy")                                                                             \
    X(UNAVAILABLE, "unavailable", 503, "Not available here")                                                 \
    X(SHUTTING_DOWN, "shutting_down", 503, "Shutting down")                                                  \
    X(STORAGE_FULL, "storage_full", 507, "Storage full")                                                     \
    X(NEWER_SCHEMA, "newer_schema", 500, "Written by a newer version")                                       \
    X(ILLEGAL_MOVE, "illegal_move", 400, "Illegal move")                                                     \
    X(ENGINE, "engine_failed", 500, "A game engine failed")                                                  \
    X(RUNNER, "runner_failed", 500, "A runner failed")                                                       \
    X(HANG, "hang", 500, "No progress")                                                                      \
    X(UNREACHABLE, "unreachable", 503, "No connection")                                                      \
    X(CANCELLED, "cancelled", 409, "Cancelled")                                                              \
    X(HTTP_VERSION, "http_version", 505, "HTTP version not supported")                                       \
    X(COMPUTATION, "computation_failed", 500, "A computation gave a wrong result")                           \
    X(NAME_TAKEN, "name_taken", 409, "The name is taken")

enum tg_error_index {
#define X(name, code, status, title) TG_INDEX_##name,
    TG_ERROR_MAP(X)
#undef X
        TG_ERROR_COUNT
};

enum tg_error {
    TG_OK = 0,
#define X(name, code, status, title) TG_E##name = -1 - (int)TG_INDEX_##name,
    TG_ERROR_MAP(X)
#undef X
};

const char *
tg_error_code(int error); /* "out_of_range"; "ok" for 0; "internal" for what is not in the table */
const char *tg_error_title(int error);    /* "Out of range" */
int tg_error_status(int error);           /* the HTTP status, 200 for 0 */
int tg_error_from_code(const char *code); /* the error of a stable code, TG_EINTERNAL when unknown */

enum { PROBLEM_FIELD_MAX = 128, PROBLEM_DETAIL_MAX = 512 };

/* What went wrong, for a reader. Zero-initialized means "nothing". */
struct problem {
    int error;                     /* TG_E... */
    char field[PROBLEM_FIELD_MAX]; /* dotted path ("config.a.playouts"), header or file name; "" when none */
    char detail[PROBLEM_DETAIL_MAX]; /* one sentence or two: what is wrong, what to do */
};

/* Fills *problem (which may be NULL; field may be NULL) and returns error, so that callers can write
 * `return problem_set(problem, TG_EOUT_OF_RANGE, "games", "must be 1 to 1000000, is %ld", n);` */
int problem_set(struct problem *problem, int error, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts `prefix` and a dot before the field ("a" + "playouts" -> "a.playouts"). */
void problem_prefix(struct problem *problem, const char *prefix);

/* For a problem in a file, whose field is a place there: the file becomes the field, and the place goes before
 * the detail. */
void problem_in_file(struct problem *problem, const char *file);

/* A check of our own bookkeeping that stays in release builds: prints file, line and expression, and aborts.
 */
#define TG_ASSERT(condition)                                                                                 \
    ((condition) ? (void)0 : tg_assert_failed(#condition, __FILE__, __LINE__, __func__))
_Noreturn void tg_assert_failed(const char *expression, const char *file, int line, const char *function);

#endif
