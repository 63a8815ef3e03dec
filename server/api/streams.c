/* streams.c - GET /streams/{job}: a job's chunks in the order of the log, for learners.
 *
 * The answer is a sequence of  u64 cursor | u32 size | chunk  records. When there is nothing after the cursor
 * the call may wait: it is woken by the next chunk of the job, by its end, or by its time being over.
 *
 *     read ---> something ------------------------------------------------> answer
 *      ^  |---> nothing, and the job has changed while we read: again
 *      |  +---> nothing: a reader of the job ---its time is over----------> answer, empty
 *      |                          |
 *      +---- streams_wake --------+
 *
 * The version is taken before the store is asked. Without that a chunk that is stored between the read and
 * the waiting would wake nobody, and the call would sleep beside it until its time is over. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "server/api/handlers.h"
#include "server/api/jobs.h"

enum { ANSWER_BYTES = 16 << 20, WAIT_MAX_S = 60 };

struct stream_call {
    struct wait wait; /* first: the wait is the call */
    struct stream_call *next_reader;
    struct call call;
    int64_t job, cursor, limit, wait_s, last;
    struct buf chunks;
    bool open; /* the job may still produce */
    uint64_t version;
};

static void read_now(struct stream_call *call);

static int add_chunk(void *arg, int64_t cursor, const void *data, size_t size) {
    struct stream_call *call = arg;
    call->last = cursor;
    int error = buf_append_u64(&call->chunks, (uint64_t)cursor);
    error = error ? error : buf_append_u32(&call->chunks, (uint32_t)size);
    return error ? error : buf_append(&call->chunks, data, size);
}

static int no_row(void *arg, const struct job_row *row) {
    *(bool *)arg = !job_state_ended(row->state);
    return 0;
}

static int list_chunks(struct store_tx *tx, void *arg, struct problem *problem) {
    struct stream_call *call = arg;
    int error = job_get(tx, call->job, no_row, &call->open);
    if (error == TG_ENOT_FOUND) {
        return problem_set(problem, error, "id", "there is no job %lld", (long long)call->job);
    }
    return error ? error
                 : chunk_list(tx, call->job, call->cursor, (int)call->limit, ANSWER_BYTES, add_chunk, call);
}

static void answer(struct stream_call *call) {
    char cursor[24];
    snprintf(cursor, sizeof cursor, "%" PRId64, call->last);
    http_add_header(call->call.request, "X-Tengen-Cursor", cursor);
    http_reply_buf(call->call.request, 200, "application/vnd.tengen.chunks", &call->chunks);
}

static void leave(struct stream_call *call) {
    struct job *job = jobs_find(call->call.api->jobs, call->job);
    struct stream_call **at = job ? &job->readers : NULL;
    while (at && *at && *at != call) {
        at = &(*at)->next_reader;
    }
    if (at && *at) {
        *at = call->next_reader;
    }
}

static void waited(struct wait *wait) {
    struct stream_call *call = (struct stream_call *)wait;
    leave(call);
    answer(call);
}

static void chunks_listed(void *arg, int error, const struct problem *problem) {
    struct stream_call *call = arg;
    struct api *api = call->call.api;
    struct job *job = jobs_find(api->jobs, call->job);
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    bool changed = job && job->version != call->version; /* while we were reading */
    if (call->chunks.size == 0 && call->wait_s > 0 && call->open && job && job->open && !api->stopping) {
        if (changed) {
            read_now(call);
            return;
        }
        call->next_reader = job->readers;
        job->readers = call;
        call->wait.expired = waited;
        waits_add(&api->waits, &call->wait, 1000 * call->wait_s);
        return;
    }
    answer(call);
}

static void read_now(struct stream_call *call) {
    struct api *api = call->call.api;
    struct job *job = jobs_find(api->jobs, call->job);
    call->version = job ? job->version : 0;
    int error = store_read(api->store, list_chunks, chunks_listed, call);
    if (error) {
        http_reply_error(call->call.request, error, NULL,
                         "too much is waiting for the disk; try again in a moment");
    }
}

void streams_wake(struct api *api, struct job *job) {
    while (job->readers) {
        struct stream_call *call = job->readers;
        job->readers = call->next_reader;
        waits_remove(&api->waits, &call->wait);
        read_now(call);
    }
}

static void release_chunks(void *arg) {
    buf_free(&((struct stream_call *)arg)->chunks);
}

void handle_stream_get(struct http_request *request, void *context) {
    struct problem problem = {0};
    struct stream_call *call = http_alloc(request, sizeof *call);
    if (!call || http_on_free(request, release_chunks, call) != TG_OK) {
        http_reply_error(request, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
        return;
    }
    call->call = (struct call){.api = context, .request = request};
    if (call_param_id(request, &call->job) != TG_OK) {
        return;
    }
    int error = http_query_int(request, "after", 0, INT64_MAX / 16, 0, &call->cursor, &problem);
    error = error ? error : http_query_int(request, "limit", 1, 10000, 1000, &call->limit, &problem);
    error = error ? error : http_query_int(request, "wait_s", 0, 3600, 0, &call->wait_s, &problem);
    if (call_failed(&call->call, error, &problem)) {
        return;
    }
    call->wait_s = call->wait_s < WAIT_MAX_S ? call->wait_s : WAIT_MAX_S;
    call->last = call->cursor;
    read_now(call);
}
