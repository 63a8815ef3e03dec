/* content.c - checkpoints and data sets: large bodies in and out, in pieces, without ever holding one whole.
 * A data set also goes, piece by piece, to the child that checks it (dataset_check.h), whose word is waited
 * for.
 *
 *      body ──> piece of 256 KiB ──> store_write(content_piece)   at most 4 on their way, else the
 *       │                                    │ all stored          upload waits
 *       └──> SHA-256                         v
 *                       (a checkpoint is read back: are its values numbers?)
 *                                            │
 *                       content_finish + checkpoint_insert or dataset_insert ──> 201
 *
 * An upload ends when three things have come: the whole body (`complete`), all its writes (in_flight 0), and
 * the word of its check (`check` NULL). Whichever is last calls finish(); each of them looks whether the
 * others are there.
 *
 * An upload outlives its request when the client hangs up while pieces are being written: it is freed when
 * both are gone (maybe_free). `replied` says that nobody waits for an answer any more, because there was one
 * or the client is gone; from then on what comes back is only counted.
 *
 * The id of the upload is written by begin_work on the writer thread and read there by the pieces and the
 * abort, which were queued after it: writes run in the order in which they were queued, so the loop need
 * never know it.
 *
 * Back-pressure: take_data takes less than it is offered, MHD then reads no more from that socket
 * (http_sink), and TCP tells the client. go_on and check_has_room ask for more.
 *
 * Downloads are the same the other way round: one piece in memory, the next one read when MHD asks for it.
 *
 * What was never finished is removed by the store. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "proto/base/clock.h"
#include "proto/base/hash.h"
#include "proto/model/safetensors.h"
#include "proto/wire/json.h"
#include "server/api/dataset_check.h"
#include "server/api/handlers.h"

enum {
    IN_FLIGHT_MAX = 4,
    SCAN_BYTES = CONTENT_PIECE_BYTES, /* of a tensor, at a time */
    SCAN_PARTS = 64,                  /* so many before readers look at the queue again */
};

/* ---- upload ---- */

struct upload {
    struct api *api;
    struct http_request *request; /* NULL: gone */
    bool dataset;
    char *name;
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES], expected[SHA256_BYTES];
    bool check_digest;
    uint64_t bytes;
    struct buf piece;
    struct buf head; /* a checkpoint's header, to be looked at */
    int in_flight;   /* writes that have not come back, the first one (begin) too */
    int64_t next_index, id;
    bool complete;               /* the body has come */
    bool replied;                /* or the client is gone: nobody waits for an answer */
    char *metadata;              /* of a checkpoint; of a data set: what its check has found */
    struct dataset_check *check; /* under way; NULL: none, or it has ended well */
    int64_t content, row;
    bool existed;
    int64_t now_ms;
    /* A checkpoint whose values are looked at: its header in an empty mapping of the file's size, and where the
     * reader is. */
    void *map;
    struct safetensors *file;
    size_t tensor;
    uint64_t at; /* bytes into that tensor */
};

struct piece {
    struct upload *upload;
    int64_t index;
    uint8_t *data;
    size_t size;
};

static void abort_stored(struct upload *upload);

static void maybe_free(struct upload *upload) {
    if (upload->request || upload->in_flight > 0) {
        return;
    }
    safetensors_close(upload->file);
    if (upload->map) {
        munmap(upload->map, (size_t)upload->bytes);
    }
    buf_free(&upload->piece);
    buf_free(&upload->head);
    free(upload->name);
    free(upload->metadata);
    free(upload);
}

/* Replies once, and has what was stored removed. The upload itself stays until its writes are back. */
static void fail(struct upload *upload, const struct problem *problem) {
    if (!upload->replied) {
        upload->replied = true;
        abort_stored(upload);
        http_reply_problem(upload->request, problem);
    }
}

static int abort_work(struct store_tx *tx, void *arg, struct problem *problem) {
    return content_abort(tx, ((struct upload *)arg)->id);
}

static void write_ended(void *arg, int error, const struct problem *problem) {
    struct upload *upload = arg;
    upload->in_flight--;
    maybe_free(upload);
}

static void abort_stored(struct upload *upload) {
    dataset_check_cancel(upload->check);
    upload->check = NULL;
    if (upload->api->store && store_write(upload->api->store, abort_work, write_ended, upload) == TG_OK) {
        upload->in_flight++;
    }
}

static int begin_work(struct store_tx *tx, void *arg, struct problem *problem) {
    struct upload *upload = arg;
    return content_begin(tx, upload->now_ms, &upload->id);
}

static int piece_work(struct store_tx *tx, void *arg, struct problem *problem) {
    struct piece *piece = arg;
    return content_piece(tx, piece->upload->id, piece->index, piece->data, piece->size);
}

static void finish(struct upload *upload);

/* A write has come back: go on with the body, or finish. */
static void go_on(struct upload *upload, int error, const struct problem *problem) {
    upload->in_flight--;
    if (error && !upload->replied) {
        struct problem said = *problem;
        if (!said.detail[0]) {
            problem_set(&said, error, NULL, "the upload could not be stored");
        }
        fail(upload, &said);
    } else if (!upload->replied && upload->complete && upload->in_flight == 0 && !upload->check) {
        finish(upload);
        return;
    } else if (!upload->replied && !upload->complete) {
        http_receive_more(upload->request);
    }
    maybe_free(upload);
}

static void begun(void *arg, int error, const struct problem *problem) {
    go_on(arg, error, problem);
}

static void piece_written(void *arg, int error, const struct problem *problem) {
    struct piece *piece = arg;
    struct upload *upload = piece->upload;
    free(piece->data);
    free(piece);
    go_on(upload, error, problem);
}

static int send_piece(struct upload *upload) {
    struct piece *piece = calloc(1, sizeof *piece);
    if (!piece) {
        return TG_ENO_MEMORY;
    }
    piece->upload = upload;
    piece->index = upload->next_index++;
    piece->data = buf_take(&upload->piece, &piece->size);
    int fed = upload->check ? dataset_check_feed(upload->check, piece->data, piece->size) : TG_OK;
    int error = fed                  ? fed
                : upload->api->store ? store_write(upload->api->store, piece_work, piece_written, piece)
                                     : TG_ESHUTTING_DOWN;
    if (error) {
        free(piece->data);
        free(piece);
        return error;
    }
    upload->in_flight++;
    return TG_OK;
}

/* Keeps the first bytes, as many as the file says its header has: 8 bytes of length, then that many, but no
 * more than a header may have, whatever the file says. */
static int keep_head(struct upload *upload, const uint8_t *data, size_t size) {
    uint64_t wanted = 8;
    if (upload->dataset) {
        return TG_OK;
    }
    if (upload->head.size >= 8) {
        uint64_t header = read_u64(upload->head.data);
        wanted = 8 + (header < SAFETENSORS_HEADER_MAX ? header : 0);
    }
    if (upload->head.size >= wanted) {
        return TG_OK;
    }
    size_t take = (size_t)(wanted - upload->head.size) < size ? (size_t)(wanted - upload->head.size) : size;
    int error = buf_append(&upload->head, data, take);
    return error || take == size || upload->head.size > 8 ? error
                                                          : keep_head(upload, data + take, size - take);
}

/* Cuts the body into pieces. A full piece is sent only when the next byte comes, so that the last one, which
 * may be shorter, is always sent by body_ended. */
static size_t take_data(void *arg, const uint8_t *data, size_t size) {
    struct upload *upload = arg;
    size_t taken = 0;
    while (taken < size && !upload->replied) {
        size_t room = CONTENT_PIECE_BYTES - upload->piece.size,
               part = size - taken < room ? size - taken : room;
        int error = TG_OK;
        if (room == 0) {
            if (upload->in_flight >= IN_FLIGHT_MAX ||
                (upload->check && !dataset_check_has_room(upload->check))) {
                return taken;
            }
            error = send_piece(upload);
        } else {
            upload->bytes += part;
            error = upload->bytes > upload->api->settings.upload_max
                        ? TG_ETOO_LARGE
                        : buf_append(&upload->piece, data + taken, part);
            error = error ? error : keep_head(upload, data + taken, part);
            sha256_update(&upload->hash, data + taken, part);
            taken += part;
        }
        if (error) {
            struct problem problem = {0};
            problem_set(&problem, error, "body", "the upload cannot be taken: %s", tg_error_title(error));
            fail(upload, &problem);
        }
    }
    return size;
}

/* ---- the end of an upload ---- */

/* The file is not here as a whole, and need not be: its header alone says whether it is sound, given its
 * size. So the header is laid into an empty mapping of that size. */
static int look_into(struct upload *upload, struct problem *problem) {
    if (upload->bytes < 8 || upload->head.size > upload->bytes) {
        return problem_set(problem, TG_ETRUNCATED, "body", "a safetensors file has at least 8 bytes");
    }
    size_t size = (size_t)upload->bytes;
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        return problem_set(problem, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
    }
    upload->map = map;
    memcpy(map, upload->head.data, upload->head.size);
    upload->file = safetensors_open_memory(map, size, problem);
    int error = upload->file ? TG_OK : problem->error;
    if (error == TG_ETOO_LARGE) { /* a number in the file, not what was sent */
        problem->error = error = TG_ECORRUPT;
    }
    if (!error) {
        upload->metadata = json_text(safetensors_metadata(upload->file));
        error = upload->metadata ? TG_OK : TG_ENO_MEMORY;
    }
    return error;
}

/* The next part of the tensor at hand, into `buffer`. */
static int scan_part(struct store_tx *tx, struct upload *upload, uint8_t *buffer, struct problem *problem) {
    const struct tensor_view *tensor = safetensors_at(upload->file, upload->tensor);
    const uint64_t start = (uint64_t)((const uint8_t *)tensor->data - (const uint8_t *)upload->map);
    const size_t left = (size_t)(tensor->bytes - upload->at), size = left < SCAN_BYTES ? left : SCAN_BYTES;
    int error = TG_OK;
    if (dtype_is_float(tensor->dtype) && size > 0) {
        const size_t element = dtype_size(tensor->dtype);
        error = content_read_upload(tx, upload->id, (int64_t)(start + upload->at), buffer, size);
        error = error ? error
                      : tensor_check_finite(tensor->name, tensor->dtype, buffer, size / element,
                                            upload->at / element, problem);
    }
    upload->at += size;
    if (upload->at == tensor->bytes || !dtype_is_float(tensor->dtype)) {
        upload->tensor++;
        upload->at = 0;
    }
    return error;
}

/* On a reader's thread: a network that computes nothing is refused now and not by each job that takes it. */
static int scan_work(struct store_tx *tx, void *arg, struct problem *problem) {
    struct upload *upload = arg;
    uint8_t *buffer = malloc(SCAN_BYTES);
    int error = buffer ? TG_OK : TG_ENO_MEMORY;
    for (int i = 0; i < SCAN_PARTS && upload->tensor < safetensors_count(upload->file) && !error; i++) {
        error = scan_part(tx, upload, buffer, problem);
    }
    free(buffer);
    return error;
}

static int finish_work(struct store_tx *tx, void *arg, struct problem *problem) {
    struct upload *upload = arg;
    int error = content_finish(tx, upload->id, upload->digest, (int64_t)upload->bytes, &upload->content,
                               &upload->existed, problem);
    if (error) {
        return error;
    }
    if (upload->dataset) {
        struct dataset_new dataset = {.content = upload->content,
                                      .now_ms = upload->now_ms,
                                      .name = upload->name,
                                      .info = upload->metadata};
        return dataset_insert(tx, &dataset, &upload->row, problem);
    }
    struct checkpoint_new checkpoint = {.content = upload->content,
                                        .name = upload->name,
                                        .metadata = upload->metadata,
                                        .now_ms = upload->now_ms};
    return checkpoint_insert(tx, &checkpoint, &upload->row);
}

static json_t *stored_json(const struct upload *upload) {
    char hex[SHA256_HEX];
    sha256_hex(upload->digest, hex);
    return upload->dataset
               ? json_pack("{s:I, s:s, s:s, s:I, s:b, s:o}", "id", (json_int_t)upload->row, "name",
                           upload->name, "sha256", hex, "bytes", (json_int_t)upload->bytes, "existed",
                           (int)upload->existed, "info", null_or_text_json(upload->metadata))
               : json_pack("{s:s, s:I, s:b}", "sha256", hex, "bytes", (json_int_t)upload->bytes, "existed",
                           (int)upload->existed);
}

/* Pages that show the data sets hear of one that came or went; whoever stored it may be gone by now. */
static void tell_dataset(struct api *api, const char *event, json_t *data) {
    events_publish(api->events, EVENTS_DATASETS, 0, event, data);
}

static void finished(void *arg, int error, const struct problem *problem) {
    struct upload *upload = arg;
    upload->in_flight--;
    if (!error && upload->dataset) {
        tell_dataset(upload->api, "dataset", stored_json(upload));
    }
    if (error && !upload->replied) {
        fail(upload, problem);
    } else if (!upload->replied) {
        upload->replied = true;
        http_reply_json(upload->request, 201, stored_json(upload));
    }
    maybe_free(upload);
}

static void give_up(struct upload *upload, int error, struct problem *problem) {
    problem->error = error;
    if (!problem->detail[0]) {
        problem_set(problem, error, NULL, "%s", tg_error_title(error));
    }
    fail(upload, problem);
}

static void store_row(struct upload *upload) {
    struct problem problem = {0};
    int error = upload->api->store ? store_write(upload->api->store, finish_work, finished, upload)
                                   : TG_ESHUTTING_DOWN;
    upload->in_flight += error == TG_OK;
    if (error) {
        give_up(upload, error, &problem);
    }
}

static void scan(struct upload *upload);

static void scanned(void *arg, int error, const struct problem *problem) {
    struct upload *upload = arg;
    upload->in_flight--;
    if (error && !upload->replied) {
        struct problem said = *problem;
        give_up(upload, error, &said);
    } else if (!upload->replied) {
        scan(upload);
    }
    maybe_free(upload);
}

static void scan(struct upload *upload) {
    struct problem problem = {0};
    if (upload->tensor == safetensors_count(upload->file)) {
        store_row(upload);
        return;
    }
    int error =
        upload->api->store ? store_read(upload->api->store, scan_work, scanned, upload) : TG_ESHUTTING_DOWN;
    upload->in_flight += error == TG_OK;
    if (error) {
        give_up(upload, error, &problem);
    }
}

static void finish(struct upload *upload) {
    struct problem problem = {0};
    int error = upload->dataset ? TG_OK : look_into(upload, &problem);
    if (!error && upload->check_digest && memcmp(upload->digest, upload->expected, SHA256_BYTES) != 0) {
        char hex[SHA256_HEX];
        sha256_hex(upload->digest, hex);
        error = problem_set(&problem, TG_EDIGEST, "X-Tengen-Sha256",
                            "the body's digest is %s; it was damaged on its way, send it again", hex);
    }
    if (error) {
        give_up(upload, error, &problem);
    } else if (upload->dataset) {
        store_row(upload);
    } else {
        scan(upload);
    }
}

static void body_ended(void *arg, bool complete) {
    struct upload *upload = arg;
    if (!complete) {
        if (!upload->replied) {
            upload->replied = true;
            abort_stored(upload);
        }
        return; /* the request is freed next: forget_request */
    }
    upload->complete = true;
    sha256_final(&upload->hash, upload->digest);
    int error = upload->piece.size ? send_piece(upload) : TG_OK;
    if (error) {
        struct problem problem = {0};
        problem_set(&problem, error, NULL, "the upload could not be stored; try again later");
        fail(upload, &problem);
        return;
    }
    if (upload->check) {
        dataset_check_finish(upload->check);
    } else if (upload->in_flight == 0) {
        finish(upload);
    }
}

/* ---- the check of a data set ---- */

static void check_has_room(void *arg) {
    struct upload *upload = arg;
    if (!upload->replied && !upload->complete && upload->request) {
        http_receive_more(upload->request);
    }
}

static void check_ended(void *arg, const json_t *info, const struct problem *problem) {
    struct upload *upload = arg;
    struct problem said = {0};
    upload->check = NULL; /* it frees itself */
    upload->metadata = info ? json_dumps(info, JSON_COMPACT) : NULL;
    if (!problem && !upload->metadata) {
        problem_set(&said, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
        problem = &said;
    }
    if (upload->replied) {
        return;
    }
    if (problem) {
        fail(upload, problem);
    } else if (upload->complete && upload->in_flight == 0) {
        finish(upload);
    } else {
        check_has_room(upload);
    }
}

static int start_check(struct upload *upload, struct problem *problem) {
    static const struct dataset_check_events events = {.room = check_has_room, .ended = check_ended};
    return dataset_check_start(upload->api->loop, upload->api->settings.runner, &events, upload,
                               &upload->check, problem);
}

static void forget_request(void *arg) {
    struct upload *upload = arg;
    upload->request = NULL;
    maybe_free(upload);
}

static int read_expected(struct upload *upload, struct problem *problem) {
    const char *hex = http_header(upload->request, "X-Tengen-Sha256");
    upload->check_digest = hex != NULL;
    if (hex && sha256_parse(hex, upload->expected) != TG_OK) {
        return problem_set(problem, TG_EINVALID, "X-Tengen-Sha256",
                           "must be 64 lower-case hexadecimal digits");
    }
    return TG_OK;
}

static void receive(struct http_request *request, struct api *api, bool dataset, const char *name) {
    struct problem problem = {0};
    struct upload *upload = calloc(1, sizeof *upload);
    char *copy = strdup(name);
    if (!upload || !copy) {
        free(upload);
        free(copy);
        http_reply_error(request, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
        return;
    }
    *upload = (struct upload){
        .api = api, .request = request, .dataset = dataset, .name = copy, .now_ms = clock_wall_ms()};
    sha256_init(&upload->hash);
    int error = http_on_free(request, forget_request, upload);
    if (error) {
        http_reply_error(request, error, NULL, "the server is out of memory; try again later");
        return;
    }
    error = read_expected(upload, &problem);
    if (!error && dataset) {
        error = start_check(upload, &problem);
    }
    error = error ? error : store_write(api->store, begin_work, begun, upload);
    if (error) {
        dataset_check_cancel(upload->check);
        upload->check = NULL;
        upload->replied = true;
        if (!problem.detail[0]) {
            problem_set(&problem, error, NULL, "too much is waiting for the disk; try again in a moment");
        }
        http_reply_problem(request, &problem);
        return;
    }
    upload->in_flight++;
    http_receive(request, &(struct http_sink){.data = take_data, .end = body_ended, .arg = upload});
}

void handle_checkpoint_put(struct http_request *request, void *context) {
    const char *name = http_query(request, "name");
    receive(request, context, false, name ? name : "");
}

void handle_dataset_post(struct http_request *request, void *context) {
    const char *name = http_query(request, "name");
    if (!name || !name[0] || strlen(name) > 200) {
        http_reply_error(request, name ? TG_EOUT_OF_RANGE : TG_EMISSING_FIELD, "name",
                         "a data set needs a name of 1 to 200 bytes (?name=)");
        return;
    }
    receive(request, context, true, name);
}

/* ---- download ---- */

struct download {
    struct api *api;
    struct http_source *source;
    int64_t content, at, end;
    uint8_t *piece;
    size_t size, used;
    bool reading, broken, gone;
};

static void free_download(struct download *download) {
    free(download->piece);
    free(download);
}

static int read_piece(struct store_tx *tx, void *arg, struct problem *problem) {
    struct download *download = arg;
    size_t left = (size_t)(download->end - download->at);
    return content_read(tx, download->content, download->at, download->piece,
                        left < CONTENT_PIECE_BYTES ? left : CONTENT_PIECE_BYTES, &download->size);
}

static void piece_read(void *arg, int error, const struct problem *problem) {
    struct download *download = arg;
    download->reading = false;
    if (download->gone) {
        free_download(download);
        return;
    }
    download->broken = error != TG_OK || download->size == 0;
    download->used = 0;
    download->at += (int64_t)download->size;
    http_source_wake(download->source);
}

/* A piece that cannot be read ends the reply as broken: its length was promised, so the client sees that it
 * is cut. */
static ssize_t pull(void *arg, uint64_t offset, void *data, size_t size) {
    struct download *download = arg;
    size_t have = download->size - download->used;
    if (download->broken) {
        return HTTP_SOURCE_BROKEN;
    }
    if (have > 0) {
        size_t part = have < size ? have : size;
        memcpy(data, download->piece + download->used, part);
        download->used += part;
        return (ssize_t)part;
    }
    if (download->at >= download->end) {
        return HTTP_SOURCE_END;
    }
    if (!download->reading) {
        download->size = download->used = 0;
        if (!download->api->store ||
            store_read(download->api->store, read_piece, piece_read, download) != TG_OK) {
            return HTTP_SOURCE_BROKEN;
        }
        download->reading = true;
    }
    return HTTP_SOURCE_WAIT;
}

/* A read that is under way writes into our memory: then piece_read frees it. */
static void release_download(void *arg) {
    struct download *download = arg;
    download->gone = true;
    if (!download->reading) {
        free_download(download);
    }
}

struct find_call {
    struct call call;
    uint8_t digest[SHA256_BYTES];
    int64_t id; /* of a data set */
    int64_t content, bytes;
};

static void send_content(struct find_call *call) {
    static const struct http_source_ops ops = {.pull = pull, .release = release_download};
    char hex[SHA256_HEX], etag[SHA256_HEX + 2];
    int status;
    int64_t offset, length;
    sha256_hex(call->digest, hex);
    snprintf(etag, sizeof etag, "\"%s\"", hex);
    http_add_header(call->call.request, "Cache-Control", "private, immutable, max-age=31536000");
    if (!http_select_range(call->call.request, etag, call->bytes, &status, &offset, &length)) {
        return;
    }
    struct download *download = calloc(1, sizeof *download);
    uint8_t *piece = malloc(CONTENT_PIECE_BYTES);
    if (!download || !piece) {
        free(download);
        free(piece);
        http_reply_error(call->call.request, TG_ENO_MEMORY, NULL,
                         "the server is out of memory; try again later");
        return;
    }
    *download = (struct download){.api = call->call.api,
                                  .content = call->content,
                                  .at = offset,
                                  .end = offset + length,
                                  .piece = piece};
    struct http_source *source =
        http_reply_source(call->call.request, status, "application/octet-stream", length, &ops, download);
    if (source) { /* else the download was released with it */
        download->source = source;
    }
}

static int find_content(struct store_tx *tx, void *arg, struct problem *problem) {
    struct find_call *call = arg;
    int error = content_find(tx, call->digest, &call->content, &call->bytes);
    return error == TG_ENOT_FOUND
               ? problem_set(problem, error, "sha256", "there is no content with this digest")
               : error;
}

static void content_found(void *arg, int error, const struct problem *problem) {
    struct find_call *call = arg;
    if (!call_failed(&call->call, error, problem)) {
        send_content(call);
    }
}

void handle_checkpoint_get(struct http_request *request, void *context) {
    struct find_call *call = call_begin(request, context, sizeof *call);
    if (!call) {
        return;
    }
    if (sha256_parse(http_param(request, 0), call->digest) != TG_OK) {
        http_reply_error(request, TG_ENOT_FOUND, "sha256", "a digest has 64 lower-case hexadecimal digits");
        return;
    }
    call_read(&call->call, find_content, content_found);
}

static int take_dataset(void *arg, const struct dataset_row *row) {
    struct find_call *call = arg;
    call->content = row->content;
    call->bytes = row->bytes;
    memcpy(call->digest, row->digest, sizeof call->digest);
    return 0;
}

static int find_dataset(struct store_tx *tx, void *arg, struct problem *problem) {
    struct find_call *call = arg;
    int error = dataset_get(tx, call->id, take_dataset, call);
    return error == TG_ENOT_FOUND
               ? problem_set(problem, error, "id", "there is no data set %lld", (long long)call->id)
               : error;
}

void handle_dataset_get(struct http_request *request, void *context) {
    struct find_call *call = call_begin(request, context, sizeof *call);
    if (call && call_param_id(request, &call->id) == TG_OK) {
        call_read(&call->call, find_dataset, content_found);
    }
}

/* ---- DELETE /datasets/{id} ---- */

static int delete_dataset(struct store_tx *tx, void *arg, struct problem *problem) {
    return dataset_delete(tx, ((struct find_call *)arg)->id, problem);
}

static void dataset_deleted(void *arg, int error, const struct problem *problem) {
    struct find_call *call = arg;
    if (!call_failed(&call->call, error, problem)) {
        tell_dataset(call->call.api, "dataset_removed", json_pack("{s:I}", "id", (json_int_t)call->id));
        http_reply(call->call.request, 204, NULL, NULL, 0);
    }
}

void handle_dataset_delete(struct http_request *request, void *context) {
    struct find_call *call = call_begin(request, context, sizeof *call);
    if (call && call_param_id(request, &call->id) == TG_OK) {
        call_write(&call->call, delete_dataset, dataset_deleted);
    }
}

/* ---- lists ---- */

struct content_list {
    struct list_call list;
    int64_t job;
};

static int add_checkpoint(void *arg, const struct checkpoint_row *row) {
    char hex[SHA256_HEX];
    sha256_hex(row->digest, hex);
    return list_add(arg, row->id,
                    json_pack("{s:I, s:s, s:I, s:s, s:I, s:o, s:o, s:I, s:o}", "id", (json_int_t)row->id,
                              "sha256", hex, "bytes", (json_int_t)row->bytes, "name", row->name, "step",
                              (json_int_t)row->step, "job", null_or_ms(row->job), "task",
                              null_or_ms(row->task), "created_ms", (json_int_t)row->created_ms, "metadata",
                              null_or_text_json(row->metadata)));
}

static int list_checkpoints(struct store_tx *tx, void *arg, struct problem *problem) {
    struct content_list *call = arg;
    int error = call->job ? call_job_exists(tx, call->job, problem) : TG_OK;
    return error ? error
                 : list_work_result(checkpoint_list(tx, call->job, call->list.cursor,
                                                    (int)call->list.limit + 1, add_checkpoint, &call->list));
}

void handle_checkpoints_list(struct http_request *request, void *context) {
    struct content_list *call = (struct content_list *)list_begin(request, context, sizeof *call);
    if (call) {
        call_read(&call->list.call, list_checkpoints, list_done);
    }
}

void handle_job_checkpoints(struct http_request *request, void *context) {
    struct content_list *call = (struct content_list *)list_begin(request, context, sizeof *call);
    if (call && call_param_id(request, &call->job) == TG_OK) {
        call_read(&call->list.call, list_checkpoints, list_done);
    }
}

static int add_dataset(void *arg, const struct dataset_row *row) {
    char hex[SHA256_HEX];
    sha256_hex(row->digest, hex);
    return list_add(arg, row->id,
                    json_pack("{s:I, s:s, s:s, s:I, s:I, s:o}", "id", (json_int_t)row->id, "name", row->name,
                              "sha256", hex, "bytes", (json_int_t)row->bytes, "created_ms",
                              (json_int_t)row->created_ms, "info", null_or_text_json(row->info)));
}

static int list_datasets(struct store_tx *tx, void *arg, struct problem *problem) {
    struct list_call *list = arg;
    return list_work_result(dataset_list(tx, list->cursor, (int)list->limit + 1, add_dataset, list));
}

void handle_datasets_list(struct http_request *request, void *context) {
    struct list_call *list = list_begin(request, context, sizeof *list);
    if (list) {
        call_read(&list->call, list_datasets, list_done);
    }
}
