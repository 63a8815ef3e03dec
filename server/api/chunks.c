/* chunks.c - POST /tasks/{id}/chunks: finished work comes in. A 2xx is sent after the commit, never before.
 *
 *      small experience      checked on the loop ──────────────────────────────────────┐
 *      anything large        checked on a reader thread ───────────────────────────────┤
 *      a report              unfolded on a reader thread ──────────────────────────────┼──> chunk_insert
 *      a checkpoint          unfolded on a reader thread ──> its content is new ──> pieces, a few at a time
 *
 * A checkpoint's bytes go to the store in several commits, so that other writers are not held up; they count
 * only with the commit of the chunk itself. What breaks off in between is removed: here, or when the store is
 * opened again.
 *
 * Small experience is most of all chunks, and goes by store_append: a chunk_insert of it that fails has
 * changed nothing (server/store/chunks.c). A checkpoint or report may be refused after its row was written,
 * so those need a savepoint and go by store_write.
 *
 * A chunk that is stored already (`known`) is not unfolded again, however large: an agent that lost the
 * answer to a network of 100 MB does not cost a second unpacking. It still goes through chunk_insert, which
 * alone decides.
 *
 * That the sender is alive is noted before the chunk is stored, whatever becomes of it: one that is refused
 * is a sign of life as well.
 *
 * After the commit, and only then, memory follows (tell_stored): the scheduler's units, the job's rate,
 * learners that wait for the stream, pages that watch. A repeated chunk tells nobody anything. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/wire/chunk.h"
#include "proto/wire/json.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"
#include "server/api/live.h"

enum { INLINE_MAX = 256 << 10 }; /* larger chunks are checked on a store thread, not on the loop */
enum { PIECES_OF_A_WRITE = 16 }; /* 4 MiB */

struct chunk_call {
    struct call call;
    struct task_holder holder;
    int64_t seq, now_ms;
    struct chunk_ready ready;
    bool prepared, known;
    bool has_content;   /* of a checkpoint: its content is stored already */
    int64_t next_piece; /* of the content that is being stored */
    struct chunk_stored stored;
};

static int prepare(struct chunk_call *call, struct problem *problem) {
    size_t size;
    const uint8_t *body = http_body(call->call.request, &size);
    int error = chunk_prepare(body, size, &call->ready, problem);
    call->prepared = error == TG_OK;
    return error;
}

/* What takes long, on a reader thread. A chunk that is stored already need not be looked into. */
static int prepare_work(struct store_tx *tx, void *arg, struct problem *problem) {
    struct chunk_call *call = arg;
    int64_t content, bytes;
    int error = call->prepared ? TG_OK : prepare(call, problem);
    if (!error) {
        error = chunk_is_stored(tx, &call->holder, call->seq, &call->ready, &call->known);
    }
    if (error || call->known) {
        return error;
    }
    error = chunk_unfold(&call->ready, problem);
    if (!error && call->ready.brings == CHUNK_CHECKPOINT) {
        error = content_find(tx, call->ready.sha256, &content, &bytes);
        call->has_content = error == TG_OK;
        error = error == TG_ENOT_FOUND ? TG_OK : error;
    }
    return error;
}

static int insert_chunk(struct store_tx *tx, void *arg, struct problem *problem) {
    struct chunk_call *call = arg;
    return chunk_insert(tx, &call->holder, call->seq, &call->ready, call->now_ms, &call->stored, problem);
}

/* The members that the games list has, and no other that a worker may have put there. */
static json_t *game_json(const struct chunk_call *call) {
    static const char *const members[] = {"board",  "komi",  "rules",  "black", "white",
                                          "result", "moves", "reason", "note"};
    const json_t *game = json_object_get(call->ready.header, "game");
    json_t *shown = json_pack("{s:I, s:I, s:I, s:I}", "id", (json_int_t)call->stored.game, "job",
                              (json_int_t)call->stored.job, "task", (json_int_t)call->holder.task,
                              "created_ms", (json_int_t)call->now_ms);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_t *value = json_object_get(game, members[i]);
        if (value) {
            json_object_set(shown, members[i], value);
        }
    }
    return shown;
}

struct sprt_check {
    struct api *api;
    int64_t id;
    bool decided;
};

static int take_config(void *arg, const struct job_row *row) {
    struct sprt_check *check = ((void **)arg)[0];
    struct store_tx *tx = ((void **)arg)[1];
    json_t *totals = NULL, *config = null_or_text_json(row->config);
    int error = job_totals(tx, row->id, &totals);
    if (!error) {
        check->decided = job_sprt_decided(kind_find(row->kind), config, totals);
    }
    json_decref(totals);
    json_decref(config);
    return error;
}

static int read_score(struct store_tx *tx, void *arg, struct problem *problem) {
    void *into[2] = {arg, tx};
    return job_get(tx, ((struct sprt_check *)arg)->id, take_config, into);
}

static void score_read(void *arg, int error, const struct problem *problem) {
    struct sprt_check *check = arg;
    struct job *job = jobs_find(check->api->jobs, check->id);
    if (job) {
        job->sprt_asked = false;
    }
    if (!error && check->decided) {
        job_end_by_itself(check->api, check->id, JOB_SUCCEEDED, NULL);
    }
    free(check);
}

/* A match that tests a hypothesis ends as soon as the test has decided. */
static void check_sprt(struct api *api, struct job *job) {
    struct sprt_check *check = job->sprt && job->open && !job->sprt_asked ? calloc(1, sizeof *check) : NULL;
    if (!check) {
        return;
    }
    *check = (struct sprt_check){.api = api, .id = job->id};
    job->sprt_asked = true;
    if (store_read(api->store, read_score, score_read, check) != TG_OK) {
        job->sprt_asked = false;
        free(check);
    }
}

/* A page that shows the job hears of its new checkpoint or report and asks for it. */
static void tell_named(struct chunk_call *call) {
    struct api *api = call->call.api;
    const struct chunk_ready *ready = &call->ready;
    bool checkpoint = ready->brings == CHUNK_CHECKPOINT;
    if ((!checkpoint && ready->brings != CHUNK_REPORT) ||
        !events_wanted(api->events, EVENTS_JOB, call->stored.job)) {
        return;
    }
    json_t *shown = json_pack("{s:I, s:I, s:s, s:I, s:I}", "job", (json_int_t)call->stored.job, "task",
                              (json_int_t)call->holder.task, "name", ready->name, "step",
                              (json_int_t)ready->step, "time_ms", (json_int_t)call->now_ms);
    if (shown && checkpoint) {
        char hex[SHA256_HEX];
        sha256_hex(ready->sha256, hex);
        json_object_set_new(shown, "sha256", json_string(hex));
        json_object_set_new(shown, "id", json_integer(call->stored.checkpoint));
    }
    events_publish(api->events, EVENTS_JOB, call->stored.job, checkpoint ? "checkpoint" : "report", shown);
}

/* More of the job is stored, and what of it was in hand is in hand no more. */
static void advance(struct api *api, struct job *job, const struct chunk_call *call) {
    struct live_task *entry = live_find(api->live, call->holder.task);
    if (entry && call->stored.job_units_done > job->units_done) {
        entry->share = 0;
    }
    job->units_done = call->stored.job_units_done;
    jobs_advanced(job);
}

static void tell_stored(struct chunk_call *call) {
    struct api *api = call->call.api;
    struct job *job = jobs_find(api->jobs, call->stored.job);
    sched_units_stored(api->sched, call->holder.task, call->stored.task_units_done);
    api->counters.chunks++;
    api->counters.chunk_bytes += call->ready.size;
    jobs_touch(api->jobs, call->stored.job);
    if (job) {
        advance(api, job, call);
        check_sprt(api, job);
        streams_wake(api, job);
    }
    tell_named(call);
    if (call->stored.game && events_wanted(api->events, EVENTS_GAMES | EVENTS_JOB, call->stored.job)) {
        events_publish(api->events, EVENTS_GAMES | EVENTS_JOB, call->stored.job, "game", game_json(call));
    }
}

/* The content whose chunk was not taken goes. When this cannot be queued it goes at the next start. */
static int abort_work(struct store_tx *tx, void *arg, struct problem *problem) {
    return content_abort(tx, *(int64_t *)arg);
}

static void aborted(void *arg, int error, const struct problem *problem) {
    free(arg);
}

static void abort_content(struct chunk_call *call) {
    int64_t *id = call->ready.upload ? malloc(sizeof *id) : NULL;
    if (!id) {
        return;
    }
    *id = call->ready.upload;
    if (!call->call.api->store || store_write(call->call.api->store, abort_work, aborted, id) != TG_OK) {
        free(id);
    }
}

static void chunk_inserted(void *arg, int error, const struct problem *problem) {
    struct chunk_call *call = arg;
    if (error || call->stored.existed) {
        abort_content(call);
    }
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    if (!call->stored.existed) {
        tell_stored(call);
    }
    http_reply_json(call->call.request, call->stored.existed ? 200 : 201, json_pack("{s:b}", "stored", 1));
}

/* ---- the content of a checkpoint ---- */

static int pieces_work(struct store_tx *tx, void *arg, struct problem *problem) {
    struct chunk_call *call = arg;
    const struct buf *body = &call->ready.body;
    int error = call->ready.upload ? TG_OK : content_begin(tx, call->now_ms, &call->ready.upload);
    for (int i = 0; i < PIECES_OF_A_WRITE && !error; i++) {
        size_t at = (size_t)(call->next_piece + i) * CONTENT_PIECE_BYTES;
        if (at >= body->size) {
            break;
        }
        size_t size = body->size - at < CONTENT_PIECE_BYTES ? body->size - at : CONTENT_PIECE_BYTES;
        error = content_piece(tx, call->ready.upload, call->next_piece + i, body->data + at, size);
    }
    return error;
}

static void pieces_written(void *arg, int error, const struct problem *problem) {
    struct chunk_call *call = arg;
    if (error) {
        /* The first write also began the upload, which was rolled back with it: its id is nobody's now. */
        call->ready.upload = call->next_piece ? call->ready.upload : 0;
        abort_content(call);
    }
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    call->next_piece += PIECES_OF_A_WRITE;
    bool more = (size_t)call->next_piece * CONTENT_PIECE_BYTES < call->ready.body.size;
    call_write(&call->call, more ? pieces_work : insert_chunk, more ? pieces_written : chunk_inserted);
}

static void chunk_prepared(void *arg, int error, const struct problem *problem) {
    struct chunk_call *call = arg;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    bool pieces = call->ready.brings == CHUNK_CHECKPOINT && !call->known && !call->has_content;
    call_write(&call->call, pieces ? pieces_work : insert_chunk, pieces ? pieces_written : chunk_inserted);
}

/* ---- the call ---- */

static void release_chunk(void *arg) {
    struct chunk_call *call = arg;
    if (call->prepared) {
        chunk_ready_free(&call->ready);
    }
}

static int query_needed(const struct http_request *request, const char *name, int64_t min, int64_t max,
                        int64_t *out, struct problem *problem) {
    if (!http_query(request, name)) {
        return problem_set(problem, TG_EMISSING_FIELD, name,
                           "is needed in the query (?worker=&attempt=&seq=)");
    }
    return http_query_int(request, name, min, max, 0, out, problem);
}

void handle_task_chunk(struct http_request *request, void *context) {
    struct api *api = context;
    struct problem problem = {0};
    struct worker *worker;
    int64_t attempt = 0;
    size_t size;
    const uint8_t *body;
    struct chunk_call *call = call_begin(request, context, sizeof *call);
    if (!call || call_param_id(request, &call->holder.task) != TG_OK) {
        return;
    }
    int error = query_needed(request, "worker", 1, INT64_MAX / 16, &call->holder.worker, &problem);
    error = error ? error : query_needed(request, "attempt", 1, 1000000, &attempt, &problem);
    error = error ? error : query_needed(request, "seq", 0, INT64_MAX / 16, &call->seq, &problem);
    error = error ? error : fleet_speaker(api, request, call->holder.worker, &worker, &problem);
    error = error ? error : http_on_free(request, release_chunk, call);
    call->holder.attempt = (int)attempt;
    call->now_ms = clock_wall_ms();
    body = http_body(request, &size);
    if (!error && size <= INLINE_MAX) {
        error = prepare(call, &problem);
    }
    bool whole =
        call->prepared && call->ready.brings != CHUNK_CHECKPOINT && call->ready.brings != CHUNK_REPORT;
    if (!error && !whole) { /* may be unpacked */
        error = http_hold(request, chunk_raw_size(body, size), &problem);
    }
    if (call_failed(&call->call, error, &problem)) {
        return;
    }
    sched_beat(api->sched, call->holder.task, call->holder.attempt, call->holder.worker, api_now());
    if (whole) {
        call_append(&call->call, insert_chunk, chunk_inserted);
    } else {
        call_read(&call->call, prepare_work, chunk_prepared);
    }
}
