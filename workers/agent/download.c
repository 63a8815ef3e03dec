#include "workers/agent/download.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/buf.h"
#include "proto/base/log.h"

enum { PENDING_MAX = 1 << 20, DIGEST_TRIES = 2 };

enum work_kind { WORK_OPEN, WORK_WRITE, WORK_FINISH };

struct download {
    uv_loop_t *loop;
    struct caller *caller;
    download_done_fn done;
    void *context;
    struct part part;
    char etag[HTTP_ETAG_MAX];
    uint64_t received;  /* bytes of the file that came, written or not */
    struct buf pending; /* the newest of them, not yet being written */
    bool restart;       /* the pending bytes begin the file anew */
    bool answer_began;  /* data of the present answer came */
    bool paused, loaded, cancelled;
    int wrong_digests;
    struct call *call;
    /* the job under way */
    bool working;
    uv_work_t work;
    enum work_kind kind;
    struct buf writing;
    uint64_t offset;
    bool writing_restart;
    struct problem problem;
};

static void go_on(struct download *download);

static void download_free(struct download *download) {
    part_close(&download->part);
    buf_free(&download->pending);
    buf_free(&download->writing);
    free(download);
}

static void finish(struct download *download, const struct problem *problem) {
    download_done_fn done = download->done;
    void *context = download->context;
    struct problem copy = problem ? *problem : (struct problem){0};
    call_cancel(download->call);
    download_free(download);
    done(context, problem ? &copy : NULL);
}

/* ---- on the thread pool ---- */

static void work(uv_work_t *request) {
    struct download *download = request->data;
    struct problem *problem = &download->problem;
    switch (download->kind) {
    case WORK_OPEN:
        part_open(&download->part, &download->received, download->etag, problem);
        break;
    case WORK_WRITE:
        if (download->writing_restart && part_restart(&download->part, download->etag, problem) != 0)
            break;
        part_write(&download->part, download->offset, download->writing.data, download->writing.size,
                   problem);
        break;
    case WORK_FINISH:
        part_finish(&download->part, problem);
        break;
    }
}

static void start_over(struct download *download) {
    log_warn("cache", "%s; loading it anew", download->problem.detail);
    download->received = 0;
    download->loaded = false;
    go_on(download);
}

static void after(uv_work_t *request, int status) {
    struct download *download = request->data;
    download->working = false;
    buf_clear(&download->writing);
    if (download->cancelled) {
        download_free(download);
        return;
    }
    if (download->problem.error == TG_EDIGEST && ++download->wrong_digests < DIGEST_TRIES)
        start_over(download);
    else if (download->problem.error)
        finish(download, &download->problem);
    else if (download->kind == WORK_FINISH)
        finish(download, NULL);
    else
        go_on(download);
}

static void start_work(struct download *download, enum work_kind kind) {
    download->kind = kind;
    download->working = true;
    download->problem = (struct problem){0};
    download->work.data = download;
    TG_ASSERT(uv_queue_work(download->loop, &download->work, work, after) == 0);
}

static void start_write(struct download *download) {
    struct buf swap = download->writing;
    download->writing = download->pending;
    download->pending = swap;
    download->offset = download->received - download->writing.size;
    download->writing_restart = download->restart;
    download->restart = false;
    start_work(download, WORK_WRITE);
    if (download->paused) {
        download->paused = false;
        call_resume(download->call);
    }
}

/* ---- the transfer ---- */

static void prepare(void *context, struct http_request *request) {
    struct download *download = context;
    download->answer_began = false;
    request->range_from = download->received;
    request->if_range = download->etag[0] ? download->etag : NULL;
}

/* 206 goes on behind what we have; 200 is the whole file, perhaps another than the one we had a part of. */
static bool on_data(void *context, int status, const char *etag, const void *data, size_t size) {
    struct download *download = context;
    if (download->pending.size >= PENDING_MAX) {
        download->paused = true;
        return false;
    }
    if (!download->answer_began && status != 206) {
        buf_clear(&download->pending);
        download->received = 0;
        download->restart = true;
        /* A job under way may read the old one: it belongs to bytes that the restart discards. */
        if (!download->working)
            snprintf(download->etag, sizeof download->etag, "%s", etag);
    }
    download->answer_began = true;
    if (buf_append(&download->pending, data, size) != 0) {
        download->paused = true;
        return false;
    }
    download->received += size;
    if (!download->working)
        start_write(download);
    return true;
}

static void on_answer(void *context, const struct http_answer *answer) {
    struct download *download = context;
    download->call = NULL;
    bool whole = (answer->status >= 200 && answer->status < 300) || answer->status == 416;
    if (whole) { /* 416: we had all of it, or another file; the digest tells */
        download->loaded = true;
        go_on(download);
    } else if (download->working) {
        download->problem = answer->problem;
        download->loaded = true;
        download->cancelled = true;
        download->done(download->context, &answer->problem);
    } else {
        finish(download, &answer->problem);
    }
}

static void start_call(struct download *download) {
    char path[128];
    snprintf(path, sizeof path, "/api/v1/checkpoints/%s", download->part.digest);
    struct http_request request = {.method = "GET", .path = path, .lane = HTTP_BULK, .on_data = on_data};
    struct call_options options = {.prepare = prepare};
    struct problem problem = {0};
    if (call_start(download->caller, &request, &options, on_answer, download, &download->call) != 0) {
        problem_set(&problem, TG_ENO_MEMORY, NULL, "out of memory");
        finish(download, &problem);
    }
}

static void go_on(struct download *download) {
    if (download->working)
        return;
    if (download->part.fd < 0)
        start_work(download, WORK_OPEN);
    else if (download->pending.size > 0 || download->restart)
        start_write(download);
    else if (download->loaded)
        start_work(download, WORK_FINISH);
    else if (!download->call)
        start_call(download);
}

struct download *download_start(uv_loop_t *loop, struct caller *caller, const char *folder,
                                const char digest[SHA256_HEX], download_done_fn done, void *context) {
    struct download *download = calloc(1, sizeof *download);
    if (!download)
        return NULL;
    download->loop = loop;
    download->caller = caller;
    download->done = done;
    download->context = context;
    download->part = (struct part){.folder = folder, .fd = -1};
    memcpy(download->part.digest, digest, SHA256_HEX);
    go_on(download);
    return download;
}

void download_cancel(struct download *download) {
    call_cancel(download->call);
    download->call = NULL;
    if (download->working)
        download->cancelled = true;
    else
        download_free(download);
}
