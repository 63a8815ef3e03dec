#include "workers/agent/stream_download.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/buf.h"

/* The coordinator sends at most 16 MiB a page, but always one whole chunk. */
enum { PAGE_MAX = 96 << 20 };

enum work_kind { WORK_OPEN, WORK_PAGE, WORK_NAME };

struct stream_download {
    uv_loop_t *loop;
    struct caller *caller;
    stream_done_fn done;
    void *context;
    struct stream_source source;
    struct part part;
    uint64_t size;  /* of the file: whole records */
    int64_t cursor; /* of the last of them */
    struct buf page;
    bool last_page; /* an empty one came, or the last chunk */
    bool cancelled;
    struct call *call;
    bool working;
    uv_work_t work;
    enum work_kind kind;
    struct problem problem;
};

static void free_download(struct stream_download *download) {
    part_close(&download->part);
    buf_free(&download->page);
    free(download);
}

static void finish(struct stream_download *download, const struct problem *problem) {
    stream_done_fn done = download->done;
    void *context = download->context;
    struct problem copy = problem ? *problem : (struct problem){0};
    free_download(download);
    done(context, problem ? &copy : NULL);
}

/* ---- on the thread pool ---- */

static int write_page(struct stream_download *download) {
    struct problem *problem = &download->problem;
    size_t sound = 0;
    int64_t cursor = download->cursor;
    int error = records_check(download->page.data, download->page.size, download->source.until, &cursor,
                              &sound, problem);
    if (!error)
        error = part_write(&download->part, download->size, download->page.data, sound, problem);
    if (error)
        return error;
    download->last_page = sound == 0 || cursor >= download->source.until;
    download->size += sound;
    download->cursor = cursor;
    return 0;
}

static void work(uv_work_t *request) {
    struct stream_download *download = request->data;
    if (download->kind == WORK_OPEN)
        part_open_records(&download->part, download->source.until, &download->size, &download->cursor,
                          &download->problem);
    else if (download->kind == WORK_PAGE)
        write_page(download);
    else
        part_publish(&download->part, &download->problem);
}

static void start_work(struct stream_download *download, enum work_kind kind);
static void start_call(struct stream_download *download);

static void after(uv_work_t *request, int status) {
    struct stream_download *download = request->data;
    download->working = false;
    buf_clear(&download->page);
    if (download->cancelled) {
        free_download(download);
        return;
    }
    if (download->problem.error)
        finish(download, &download->problem);
    else if (download->kind == WORK_NAME)
        finish(download, NULL);
    else if (download->last_page || download->cursor >= download->source.until)
        start_work(download, WORK_NAME);
    else
        start_call(download);
}

static void start_work(struct stream_download *download, enum work_kind kind) {
    download->kind = kind;
    download->working = true;
    download->work.data = download;
    TG_ASSERT(uv_queue_work(download->loop, &download->work, work, after) == 0);
}

/* ---- the calls ---- */

/* A page begins anew with each try. */
static void prepare(void *context, struct http_request *request) {
    struct stream_download *download = context;
    buf_clear(&download->page);
}

static bool on_data(void *context, int status, const char *etag, const void *data, size_t size) {
    struct stream_download *download = context;
    int error = buf_append(&download->page, data, size);
    if (error && !download->problem.error)
        problem_set(&download->problem, error, "inputs", "a page of job %lld's chunks does not fit",
                    (long long)download->source.job);
    return true; /* what does not fit ends the download when the answer is complete */
}

static void on_answer(void *context, const struct http_answer *answer) {
    struct stream_download *download = context;
    download->call = NULL;
    if (answer->status / 100 != 2)
        finish(download, &answer->problem);
    else if (download->problem.error)
        finish(download, &download->problem);
    else
        start_work(download, WORK_PAGE);
}

static void start_call(struct stream_download *download) {
    char path[128];
    snprintf(path, sizeof path, "/api/v1/streams/%lld?after=%lld", (long long)download->source.job,
             (long long)download->cursor);
    struct http_request request = {.method = "GET", .path = path, .lane = HTTP_BULK, .on_data = on_data};
    struct call_options options = {.prepare = prepare};
    struct problem problem = {0};
    if (call_start(download->caller, &request, &options, on_answer, download, &download->call) != 0) {
        problem_set(&problem, TG_ENO_MEMORY, NULL, "out of memory");
        finish(download, &problem);
    }
}

struct stream_download *stream_download_start(uv_loop_t *loop, struct caller *caller, const char *folder,
                                              const char name[SHA256_HEX], struct stream_source source,
                                              stream_done_fn done, void *context) {
    struct stream_download *download = calloc(1, sizeof *download);
    if (!download)
        return NULL;
    *download = (struct stream_download){.loop = loop,
                                         .caller = caller,
                                         .done = done,
                                         .context = context,
                                         .source = source,
                                         .part = {.folder = folder, .fd = -1},
                                         .page = {.limit = PAGE_MAX}};
    memcpy(download->part.digest, name, SHA256_HEX);
    start_work(download, WORK_OPEN);
    return download;
}

void stream_download_cancel(struct stream_download *download) {
    call_cancel(download->call);
    download->call = NULL;
    if (download->working)
        download->cancelled = true;
    else
        free_download(download);
}
