/* store_tx.h - what can be done inside a transaction: the typed operations of the store.
 *
 * To be called only from a store_work function (store.h). Functions marked W need a write transaction. All
 * return 0 or TG_E...; those with a `problem` fill it. Times are wall-clock milliseconds. Ids are positive;
 * cursors are ids, 0 meaning "from the start of the list". Strings that a row callback gets live until it
 * returns. A callback that returns non-zero ends the list with that value. Text that the store does not look
 * into (config, inputs, machine) is JSON text that the caller has checked.
 *
 * Jobs and their tasks
 *     A job of N units is cut into task_count tasks of task_units units (the last one may be shorter). Their
 *     ids are the range first_task .. first_task + task_count - 1, reserved when the job is inserted: task id =
 *     first_task + index. A task's row is written when it is first leased, so a job of a million tasks is one
 *     row; rows are dense: 0 .. next_index - 1 exist. pending = task_count - leased - done - failed, and 0 once
 *     the job has ended: what is left then counts as cancelled.
 *
 *          (no row) --lease--> leased --done---> done
 *                     ^          |  \---fail---> pending (failures + 1), or failed with its job after
 *                     |          |               max_failures
 *                     |          \----lapse----> pending, keeps worker and attempt: that worker may come back
 *                     |                          (regrant)
 *                     +--lease (attempt + 1)---- pending
 *
 *     The fence: results are taken from (worker, attempt) as long as the row names that pair and is not done
 *     or failed. Leasing again changes the pair, so there are never two holders. A failed or returned attempt
 *     clears worker.
 */
#ifndef TENGEN_STORE_STORE_TX_H
#define TENGEN_STORE_STORE_TX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"
#include "proto/base/hash.h"
#include "server/store/store.h"

enum { LIST_LIMIT_MAX = 10000 };

/* ---- jobs ---- */

enum job_state {
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_PAUSED,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_STATE_COUNT
};
const char *job_state_name(enum job_state state);             /* "queued" ... */
int job_state_parse(const char *name, enum job_state *state); /* 0 or TG_EINVALID */
bool job_state_ended(enum job_state state);

/* Whose chunks keep their bytes: the newest `chunks` of a job (0: all), for `seconds` (0: for ever). */
struct retention {
    int64_t chunks, seconds;
};

struct job_new {
    const char *kind, *name;
    int priority;
    const char *document; /* the job as it was submitted */
    const char *config;   /* checked, every option present */
    const char *inputs;   /* JSON object */
    const int64_t
        *after; /* jobs that must succeed first; they must exist and not have failed or been cancelled */
    size_t after_count;
    int64_t units_total, task_units; /* both at least 1 */
    struct retention retention;
    int64_t now_ms;
};
int job_insert(struct store_tx *tx, const struct job_new *job, int64_t *id, struct problem *problem); /* W */

struct job_row {
    int64_t id;
    const char *kind, *name, *document, *config, *inputs, *after; /* after: JSON array of ids */
    int priority;
    enum job_state state;
    int64_t units_total, units_done;
    int64_t first_task, task_count, task_units, next_index;
    int64_t tasks_done;
    int64_t chunk_count, chunk_bytes, game_count; /* ever stored, whatever retention has dropped */
    int64_t created_ms, started_ms, ended_ms;     /* 0: not yet */
    const char *error;                            /* problem document as JSON text; NULL when none */
    struct retention retention;
};
typedef int (*job_row_fn)(void *arg, const struct job_row *row);

int job_get(struct store_tx *tx, int64_t id, job_row_fn fn, void *arg); /* TG_ENOT_FOUND */
struct job_query {
    unsigned states;  /* bit mask 1u << JOB_...; 0: all */
    const char *kind; /* NULL: all */
    int64_t cursor;   /* ids below (oldest_first: above) this one */
    int limit;
    bool oldest_first;
};
int job_list(struct store_tx *tx, const struct job_query *query, job_row_fn fn, void *arg);
int job_totals(struct store_tx *tx, int64_t id, json_t **out); /* {"games": 740, ...}: the caller owns it */
struct job_task_counts {
    int64_t pending, leased, done, failed;
    int64_t cancelled;    /* what the job's end cut off or never began */
    int64_t leased_units; /* units of leased tasks that are not done yet */
};
int job_task_counts(struct store_tx *tx, int64_t id, struct job_task_counts *out);
int job_state_counts(struct store_tx *tx, int64_t counts[JOB_STATE_COUNT]);
/* The jobs of `after` that have not succeeded, each with its state. */
int job_unmet(struct store_tx *tx, int64_t id, int (*fn)(void *arg, int64_t job, enum job_state state),
              void *arg);

int job_pause(struct store_tx *tx, int64_t id,
              struct problem *problem); /* W; TG_EWRONG_STATE, TG_ENOT_FOUND */
int job_resume(struct store_tx *tx, int64_t id, struct problem *problem); /* W */
/* W. In any state. Takes effect with the next chunk_retain; what was dropped stays dropped. */
int job_set_retention(struct store_tx *tx, int64_t id, const struct retention *retention,
                      struct problem *problem);
/* W. Ends the job as succeeded (an SPRT has decided), failed or cancelled. Tasks that are still open become
 * cancelled. reason: why, for failed; NULL else. Ending it in the state it has is fine
 * (*changed false); in another ended state TG_EWRONG_STATE. changed may be NULL. */
int job_end(struct store_tx *tx, int64_t id, enum job_state state, const struct problem *reason,
            int64_t now_ms, bool *changed, struct problem *problem);

/* ---- tasks ---- */

/* TASK_CANCELLED: its job ended before it did. */
enum task_state { TASK_PENDING, TASK_LEASED, TASK_DONE, TASK_FAILED, TASK_CANCELLED, TASK_STATE_COUNT };
const char *task_state_name(enum task_state state);
int task_state_parse(const char *name, enum task_state *state);

struct task_row {
    int64_t id, job, index, first_unit, units, units_done;
    enum task_state state;
    int attempt, failures;
    int64_t worker;              /* who holds it or held it last; 0: nobody who may come back */
    const char *worker_name;     /* NULL when worker is 0 */
    int64_t leased_ms, ended_ms; /* 0: not yet */
    int64_t beat_sequence;       /* the last beat that was stored for this attempt; -1: none */
    const char *error;           /* of the last failure; NULL */
};
typedef int (*task_row_fn)(void *arg, const struct task_row *row);
int task_get(struct store_tx *tx, int64_t id, task_row_fn fn, void *arg);
/* Rows that exist, oldest (lowest index) first. states: bit mask, 0: all. job 0: of all jobs, by id. */
int task_list(struct store_tx *tx, int64_t job, unsigned states, int64_t cursor, int limit, task_row_fn fn,
              void *arg);

struct task_holder { /* who speaks: every result carries it */
    int64_t task, worker;
    int attempt;
};

/* W. Writes the lease: holder->attempt must be one more than the row's (1 for a task without a row). The job
 * becomes running. *units_done: what earlier attempts have stored. TG_EWRONG_STATE: the task or its job has
 * ended or moved on. */
int task_lease(struct store_tx *tx, const struct task_holder *holder, int64_t now_ms, int64_t *units_done,
               struct problem *problem);
/* W. The lapsed lease of this holder is on again. TG_ELEASE_LOST. Fine when it is still leased to it. */
int task_regrant(struct store_tx *tx, const struct task_holder *holder, struct problem *problem);
/* W. The lease has lapsed. forget: the holder said that it does not have it (any more), so it may not come
 * back. No effect when the task has moved on. */
int task_lapse(struct store_tx *tx, const struct task_holder *holder, bool forget);

struct task_outcome {
    int64_t job;
    bool repeated;  /* this was already so: nothing changed */
    bool job_ended; /* by this call; job_state says how */
    enum job_state job_state;
    enum task_state task_state; /* done; pending: put back or to be tried again; failed */
    int failures;
    bool uncounted;        /* the attempt failed and is not counted as a failure of the task */
    struct problem reason; /* why it failed, with the worker's name; error 0: it did not */
    int64_t units_left;
};
/* W. The attempt is over. chunks: how many it has sent; missing ones give TG_ECHUNKS_MISSING. partial: it was
 * drained, so units that are left are put back; without it, units left count as a failure of the attempt.
 * TG_ELEASE_LOST. */
int task_done(struct store_tx *tx, const struct task_holder *holder, int64_t chunks, bool partial,
              int max_failures, int64_t now_ms, struct task_outcome *out, struct problem *problem);
/* W. The attempt has failed for `reason`. Unless it has brought the task on (attempt_advanced) or failed by
 * its worker's fault, that is a failure; with the max_failures-th the job fails, and with the first
 * whose reason says that what it asks for is wrong (HTTP status 400 or 413, but for damaged files and unknown
 * names). */
int task_fail(struct store_tx *tx, const struct task_holder *holder, const struct problem *reason,
              bool workers_fault, int max_failures, int64_t now_ms, struct task_outcome *out,
              struct problem *problem);

/* ---- beats: metrics and log lines ---- */

struct metric_new {
    const char *name;
    int64_t step;
    double value;
    int64_t time_ms;
};
struct log_new {
    int64_t time_ms;
    const char *level, *text;
};
struct beat_new {
    struct task_holder holder;
    int64_t sequence; /* counts up within an attempt; what is not above the stored one adds nothing */
    const struct metric_new *metrics;
    size_t metric_count;
    const struct log_new *lines;
    size_t line_count;
};
/* W. *repeated: the sequence was known. Worth calling only when there are metrics or lines. TG_ELEASE_LOST.
 */
int beat_insert(struct store_tx *tx, const struct beat_new *beat, bool *repeated, struct problem *problem);
/* W. Lines that the coordinator itself adds to a job's log (task and attempt 0). */
int job_log_insert(struct store_tx *tx, int64_t job, const struct log_new *line);

struct metric_row {
    int64_t cursor, step, time_ms;
    const char *name;
    double value;
};
int metric_list(struct store_tx *tx, int64_t job, const char *name, int64_t cursor, int limit,
                int (*fn)(void *arg, const struct metric_row *row),
                void *arg); /* oldest first; name NULL: all */
struct log_row {
    int64_t cursor, time_ms, task;
    int attempt;
    const char *level, *text;
};
int log_list(struct store_tx *tx, int64_t job, int64_t cursor, int limit,
             int (*fn)(void *arg, const struct log_row *row), void *arg); /* oldest first */

/* ---- chunks and games ---- */

enum { CHUNK_DIGEST_BYTES = 32 };
/* By the type in a chunk's header. Only experience is kept as it came; the others leave a row without bytes
 * in the log, so that they too are stored exactly once. */
enum chunk_brings {
    CHUNK_EXPERIENCE, /* "game", ...: kept as it came, given to learners */
    CHUNK_CHECKPOINT, /* "checkpoint": its body becomes content and a row of checkpoints */
    CHUNK_REPORT,     /* "report": its body becomes the job's report of that name */
    CHUNK_UNITS,      /* "units": nothing but units */
};
/* A chunk that was checked and hashed, ready for chunk_insert. Needs no transaction: prepare it on any
 * thread. */
struct chunk_ready {
    const void *data; /* borrowed */
    size_t size;
    uint8_t digest[CHUNK_DIGEST_BYTES]; /* SHA-256 of data */
    int64_t units;
    json_t *header; /* owned */
    enum chunk_brings brings;
    /* of checkpoints and reports: */
    const char *name; /* the header's */
    int64_t step;
    struct buf body;              /* owned; once unfolded: the file, or the JSON text */
    uint8_t sha256[SHA256_BYTES]; /* of a checkpoint's body */
    char *metadata;               /* of a checkpoint, as JSON text; owned */
    int64_t upload; /* content_begin's id under which the body is stored; 0: it is there already */
};
int chunk_prepare(const void *data, size_t size, struct chunk_ready *out, struct problem *problem);
/* Unpacks and checks the body of a checkpoint (a sound safetensors file) or report (a JSON object). Takes
 * long for a large one: not on the loop thread. */
int chunk_unfold(struct chunk_ready *chunk, struct problem *problem);
void chunk_ready_free(struct chunk_ready *chunk);
/* Whether that very chunk is stored: then it need not be unfolded. */
int chunk_is_stored(struct store_tx *tx, const struct task_holder *holder, int64_t seq,
                    const struct chunk_ready *chunk, bool *stored);

struct chunk_stored {
    bool existed;       /* that very chunk was there already: a success that changed nothing */
    int64_t cursor;     /* the chunk's place in the log */
    int64_t job, game;  /* game: 0 when the chunk has none */
    int64_t checkpoint; /* the new row of checkpoints; 0: none */
    int64_t task_units_done, job_units_done;
};
/* W. Checks the lease, stores the chunk, its game, checkpoint or report, its counters and units. TG_EBUSY: a
 * checkpoint's content went meanwhile, send it again. The same chunk again is a success,
 * also after the lease was lost. TG_ECHUNK_CONFLICT, TG_ELEASE_LOST, TG_EINVALID (more units than the task
 * has left), TG_ENOT_FOUND (no such task). */
int chunk_insert(struct store_tx *tx, const struct task_holder *holder, int64_t seq,
                 const struct chunk_ready *chunk, int64_t now_ms, struct chunk_stored *out,
                 struct problem *problem);
/* The log, in order: chunks with cursors above `cursor`, until `limit` chunks or `max_bytes` were given (at
 * least one chunk). Chunks whose bytes retention has dropped are skipped. job 0: of all jobs. */
int chunk_list(struct store_tx *tx, int64_t job, int64_t cursor, int limit, size_t max_bytes,
               int (*fn)(void *arg, int64_t cursor, const void *data, size_t size), void *arg);
/* The cursor of the job's last chunk that has its bytes. TG_ENOT_FOUND: there is none. */
int chunk_last(struct store_tx *tx, int64_t job, int64_t *cursor);
/* W. Drops the bytes of at most `limit` chunks that their jobs' retention no longer keeps. Rows, sums and
 * games stay. Call again while *dropped == limit. */
int chunk_retain(struct store_tx *tx, int64_t now_ms, int limit, int *dropped);

struct game_row {
    int64_t id, job, task, created_ms;
    int board, moves;
    double komi;
    const char *rules, *black, *white, *result, *reason, *note;
    const char *sgf; /* only from game_get; NULL in lists */
};
typedef int (*game_row_fn)(void *arg, const struct game_row *row);
int game_get(struct store_tx *tx, int64_t id, game_row_fn fn, void *arg); /* TG_ENOT_FOUND */
/* Newest first. job 0: all; player NULL: all. */
int game_list(struct store_tx *tx, int64_t job, const char *player, int64_t cursor, int limit, game_row_fn fn,
              void *arg);

struct store_totals {
    int64_t games, chunks, chunk_bytes, checkpoints;
};
int store_totals(struct store_tx *tx, struct store_totals *out);

/* ---- content: checkpoints and data sets, stored once by SHA-256, in pieces ---- */

enum { CONTENT_PIECE_BYTES = 256 << 10 };
/* W. An upload is a row of its own, so that pieces can be committed as they arrive. Uploads that were never
 * finished are removed when the store is opened. The caller hashes (proto/base/hash.h) while it sends pieces:
 * each but the last must have exactly CONTENT_PIECE_BYTES. */
int content_begin(struct store_tx *tx, int64_t now_ms, int64_t *upload);                              /* W */
int content_piece(struct store_tx *tx, int64_t upload, int64_t index, const void *data, size_t size); /* W */
int content_abort(struct store_tx *tx, int64_t upload);                                               /* W */
/* W. Turns the upload into content *content; when there is such content already the upload is dropped and
 * *existed set. */
int content_finish(struct store_tx *tx, int64_t upload, const uint8_t digest[SHA256_BYTES], int64_t bytes,
                   int64_t *content, bool *existed, struct problem *problem);
int content_find(struct store_tx *tx, const uint8_t digest[SHA256_BYTES], int64_t *content, int64_t *bytes);
/* Copies up to `size` bytes from `offset`; *got is less only at the end. */
int content_read(struct store_tx *tx, int64_t content, int64_t offset, void *data, size_t size, size_t *got);
/* Reads what was sent of an upload that is not finished. TG_ECORRUPT: that does not have these bytes. */
int content_read_upload(struct store_tx *tx, int64_t upload, int64_t offset, void *data, size_t size);

/* W. Removes the content when no checkpoint and no data set names it (any more). */
int content_free(struct store_tx *tx, int64_t content);

struct checkpoint_new {
    int64_t content, job, task; /* job, task 0: uploaded by a person, once a content */
    int attempt;
    int64_t chunk; /* that brought it; 0: none */
    int64_t step;
    const char *name;     /* "" when it has none */
    const char *metadata; /* JSON object text */
    int64_t now_ms;
};
struct checkpoint_row {
    int64_t id, content, bytes, job, task, step, created_ms;
    uint8_t digest[SHA256_BYTES];
    const char *name, *metadata;
};
typedef int (*checkpoint_row_fn)(void *arg, const struct checkpoint_row *row);
int checkpoint_insert(struct store_tx *tx, const struct checkpoint_new *checkpoint, int64_t *id); /* W */
int checkpoint_list(struct store_tx *tx, int64_t job, int64_t cursor, int limit, checkpoint_row_fn fn,
                    void *arg);
/* The job's newest of this name: what other jobs take as its output. TG_ENOT_FOUND. */
int checkpoint_newest(struct store_tx *tx, int64_t job, const char *name, uint8_t digest[SHA256_BYTES]);

/* checkpoints.c says what stays. */
enum { CHECKPOINT_ROWS_MIN = 8, CHECKPOINT_ROWS_MAX = 64 };
#define CHECKPOINT_BYTES_MAX (INT64_C(1) << 30)
/* W. After a task brought `newest`, now row `id`: drops what is not to stay. */
int checkpoint_tidy(struct store_tx *tx, const struct checkpoint_new *newest, int64_t id);

/* W. Drops at most `limit` states of tasks that are over. Call again while *dropped == limit. */
int checkpoint_retain(struct store_tx *tx, int limit, int *dropped);

/* What a task goes on from: its checkpoint and its state of one step, by one attempt. */
struct resume_pair {
    int64_t step, state_row, checkpoint_row;
    uint8_t state[SHA256_BYTES], checkpoint[SHA256_BYTES];
};
int resume_find(struct store_tx *tx, int64_t task, struct resume_pair *out); /* TG_ENOT_FOUND */
/* W. Notes where the attempt that was just leased begins. */
int attempt_begins(struct store_tx *tx, int64_t task);
/* Whether the attempt has brought the task on: it has stored units, or a pair of a higher step than that
 * which it began with. */
int attempt_advanced(struct store_tx *tx, int64_t task, int attempt, bool *advanced);

enum { REPORT_NAMES_MAX = 64, REPORT_BYTES_MAX = 8 << 20 };
struct report_new {
    int64_t job, step, chunk, now_ms;
    const char *name, *data; /* JSON object text */
};
int report_put(struct store_tx *tx, const struct report_new *report,
               struct problem *problem); /* W; replaces the one of this name */
struct report_row {
    const char *name, *data;
    int64_t step, time_ms;
};
typedef int (*report_row_fn)(void *arg, const struct report_row *row);
int report_list(struct store_tx *tx, int64_t job, report_row_fn fn, void *arg);

struct dataset_row {
    int64_t id, content, bytes, created_ms;
    uint8_t digest[SHA256_BYTES];
    const char *name;
    const char *info; /* what its check has found, JSON text; "null": it was not checked */
};
typedef int (*dataset_row_fn)(void *arg, const struct dataset_row *row);
struct dataset_new {
    int64_t content, now_ms;
    const char *name, *info;
};
/* W. A name stands for one content: with the same one again, *id is what it was. TG_ENAME_TAKEN: for another.
 */
int dataset_insert(struct store_tx *tx, const struct dataset_new *dataset, int64_t *id,
                   struct problem *problem);
int dataset_get(struct store_tx *tx, int64_t id, dataset_row_fn fn, void *arg); /* TG_ENOT_FOUND */
/* The newest of this name (older databases may have several). TG_ENOT_FOUND. */
int dataset_named(struct store_tx *tx, const char *name, dataset_row_fn fn, void *arg);
int dataset_list(struct store_tx *tx, int64_t cursor, int limit, dataset_row_fn fn, void *arg);
/* W. TG_EWRONG_STATE: a job that is not over takes it; TG_ENOT_FOUND. */
int dataset_delete(struct store_tx *tx, int64_t id, struct problem *problem);

/* ---- workers ---- */

enum worker_state { WORKER_ENABLED, WORKER_DRAIN, WORKER_DISABLED, WORKER_STATE_COUNT };
const char *worker_state_name(enum worker_state state);

struct worker_new {
    const char *instance; /* 32 hex digits: the same instance keeps its id and state */
    const char *name;
    const char *machine, *capabilities; /* JSON object, JSON array of strings */
    int runners;
    int64_t now_ms;
};
struct worker_row {
    int64_t id;
    const char *instance, *name, *machine, *capabilities;
    int runners;
    enum worker_state state;
    int64_t created_ms, seen_ms;
};
typedef int (*worker_row_fn)(void *arg, const struct worker_row *row);
int worker_register(struct store_tx *tx, const struct worker_new *worker, int64_t *id, bool *created); /* W */
/* W. Nobody held its last tasks, from now on. Fine when there is none such. */
int worker_forget(struct store_tx *tx, int64_t id);
int worker_get(struct store_tx *tx, int64_t id, worker_row_fn fn, void *arg);
int worker_list(struct store_tx *tx, int64_t cursor, int limit, worker_row_fn fn,
                void *arg);                                                     /* newest first */
int worker_set_state(struct store_tx *tx, int64_t id, enum worker_state state); /* W; TG_ENOT_FOUND */
int worker_seen(struct store_tx *tx, int64_t id, int64_t seen_ms); /* W; batch them, say once a minute */

/* ---- tokens ---- */

enum { TOKEN_HASH_BYTES = 32 };
enum token_role { ROLE_VIEW, ROLE_SUBMIT, ROLE_WORKER, ROLE_ADMIN, ROLE_COUNT };
const char *token_role_name(enum token_role role);
int token_role_parse(const char *name, enum token_role *role);

struct token_row {
    int64_t id, created_ms, revoked_ms, used_ms; /* 0: never */
    enum token_role role;
    const char *name;
    const uint8_t *hash;
};
typedef int (*token_row_fn)(void *arg, const struct token_row *row);
int token_insert(struct store_tx *tx, const uint8_t hash[TOKEN_HASH_BYTES], enum token_role role,
                 const char *name, int64_t now_ms, int64_t *id); /* W */
int token_find(struct store_tx *tx, const uint8_t hash[TOKEN_HASH_BYTES], token_row_fn fn,
               void *arg); /* TG_ENOT_FOUND */
int token_list(struct store_tx *tx, int64_t cursor, int limit, token_row_fn fn,
               void *arg);                                         /* newest first, with revoked ones */
int token_revoke(struct store_tx *tx, int64_t id, int64_t now_ms); /* W; TG_ENOT_FOUND; twice is fine */
int token_used(struct store_tx *tx, int64_t id, int64_t now_ms);   /* W; batch them */

/* ---- idempotency keys and settings ---- */

/* Looks the key up. TG_ENOT_FOUND: new. TG_EIDEMPOTENCY: used for another request. Else 0 and the first
 * answer. Call it in the write transaction that also does the work and idempotency_put. `owner`: the token's
 * id, 0 without tokens. */
int idempotency_get(struct store_tx *tx, int64_t owner, const char *key, const uint8_t request[SHA256_BYTES],
                    int *status, struct buf *answer, struct problem *problem);
int idempotency_put(struct store_tx *tx, int64_t owner, const char *key, const uint8_t request[SHA256_BYTES],
                    int status, const void *answer, size_t size, int64_t now_ms); /* W */
int idempotency_purge(struct store_tx *tx, int64_t older_than_ms);                /* W */

int setting_get(struct store_tx *tx, const char *name, struct buf *value); /* appends; TG_ENOT_FOUND */
int setting_set(struct store_tx *tx, const char *name, const char *value); /* W */

#endif
