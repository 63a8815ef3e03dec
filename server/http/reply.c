/* reply.c - from an answer to MHD's response: headers, problems, canned ones, sources, ranges.
 *
 * All replies but the canned ones go through send_response, which queues the response (or holds it, see
 * request.c) and resumes a suspended connection. What comes after that is MHD's, so nothing here looks at the
 * request again.
 *
 * Responses are reference counted by MHD: it keeps its own while it sends, so ours is given up at once. A
 * canned one is kept and queued many times; it cannot have headers of a single request.
 *
 * A source is pulled by MHD when the socket has room. WAIT suspends the connection: MHD would otherwise ask
 * again in a circle. The source lives as long as the response, that is until the client has it all or is
 * gone, whatever has become of the request; release() is the one sure sign of the end.
 *
 * When even the problem document cannot be made, there is a ready one of constant text (reply_out_of_memory):
 * an answer is always sent, for a request without one would hold its connection for ever. */
#include "proto/wire/json.h"
#include "server/http/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "proto/base/log.h"
#include "proto/wire/problem.h"

enum { SOURCE_BLOCK = 64 << 10 };

static void common_headers(struct MHD_Response *response, const char *type) {
    if (type) {
        MHD_add_response_header(response, "Content-Type", type);
    }
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
}

static bool given(const struct http_request *request, const char *name) {
    for (const struct request_header *header = request->headers; header; header = header->next) {
        if (strcasecmp(header->name, name) == 0) {
            return true;
        }
    }
    return false;
}

int http_add_header(struct http_request *request, const char *name, const char *value) {
    size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    struct request_header *header = http_alloc(request, sizeof *header + name_size + value_size);
    if (!header) {
        return TG_ENO_MEMORY;
    }
    char *text = (char *)(header + 1);
    memcpy(text, name, name_size);
    memcpy(text + name_size, value, value_size);
    *header = (struct request_header){.next = request->headers, .name = text, .value = text + name_size};
    request->headers = header;
    return TG_OK;
}

static void apply_headers(struct http_request *request, struct MHD_Response *response) {
    for (const struct request_header *header = request->headers; header; header = header->next) {
        MHD_add_response_header(response, header->name, header->value);
    }
    if (!given(request, "Cache-Control")) {
        MHD_add_response_header(response, "Cache-Control", "no-store");
    }
    if (request->server->draining) {
        MHD_add_response_header(response, "Connection", "close");
    }
}

/* Takes the response over. */
void reply_queue(struct http_request *request, int status, struct MHD_Response *response) {
    enum MHD_Result queued = own_errors_queue(request->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    TG_ASSERT(queued == MHD_YES);
    if (request->suspended) {
        request_resume(request);
    }
}

static void send_response(struct http_request *request, int status, struct MHD_Response *response) {
    TG_ASSERT(!request->replied);
    request->replied = true;
    request->status = status;
    /* MHD takes a response before the body (it then hangs up) or after it, not in between. */
    if (!request->opening && !request->body_done) {
        request->held = response;
        if (request->suspended) {
            request_resume(request);
        }
        return;
    }
    reply_queue(request, status, response);
}

/* When there is no memory for the answer. */
static void reply_out_of_memory(struct http_request *request) {
    static char text[] =
        "{\"type\":\"about:blank\",\"title\":\"Out of memory\",\"status\":503,\"code\":\"no_memory\","
        "\"field\":\"\",\"detail\":\"the server is out of memory; try again later\"}";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
    TG_ASSERT(response);
    MHD_add_response_header(response, "Content-Type", PROBLEM_MEDIA_TYPE);
    MHD_add_response_header(response, "Retry-After", "5");
    send_response(request, 503, response);
}

static void reply_from(struct http_request *request, int status, const char *type, void *data, size_t size,
                       enum MHD_ResponseMemoryMode mode) {
    struct MHD_Response *response = MHD_create_response_from_buffer(size, data, mode);
    if (!response) {
        if (mode == MHD_RESPMEM_MUST_FREE) {
            free(data);
        }
        reply_out_of_memory(request);
        return;
    }
    common_headers(response, type);
    apply_headers(request, response);
    send_response(request, status, response);
}

void http_reply(struct http_request *request, int status, const char *type, void *data, size_t size) {
    reply_from(request, status, type, data, size, MHD_RESPMEM_MUST_FREE);
}

void http_reply_buf(struct http_request *request, int status, const char *type, struct buf *body) {
    size_t size;
    uint8_t *data = buf_take(body, &size);
    http_reply(request, status, type, data, size);
}

void http_reply_static(struct http_request *request, int status, const char *type, const void *data,
                       size_t size) {
    reply_from(request, status, type, (void *)(uintptr_t)data, size, MHD_RESPMEM_PERSISTENT);
}

void http_reply_json(struct http_request *request, int status, json_t *value) {
    char *text = json_text(value);
    json_decref(value);
    if (!text) {
        reply_out_of_memory(request);
        return;
    }
    http_reply(request, status, "application/json", text, strlen(text));
}

/* Whoever is told to come back is told when; a handler that knows better has said so already. */
static void error_headers(struct http_request *request, int error, int status) {
    if ((status == 503 || status == 429) && !given(request, "Retry-After")) {
        http_add_header(request, "Retry-After", error == TG_ERATE_LIMITED ? "1" : "2");
    }
    if (status == 401) {
        http_add_header(request, "WWW-Authenticate", "Bearer realm=\"tengen\"");
    }
}

void http_reply_problem(struct http_request *request, const struct problem *problem) {
    int status = tg_error_status(problem->error);
    if (status == 500) /* not the client's fault, nor one that passes: whoever runs this should know */
        log_error("http", "%s %s: %s: %s", http_route_of(request) ? http_route_of(request)->method : "-",
                  http_path(request), tg_error_code(problem->error), problem->detail);
    error_headers(request, problem->error, status);
    json_t *document = problem_to_json(problem);
    char *text = json_text(document);
    json_decref(document);
    if (!text) {
        reply_out_of_memory(request);
        return;
    }
    http_reply(request, status, PROBLEM_MEDIA_TYPE, text, strlen(text));
}

void http_reply_error(struct http_request *request, int error, const char *field, const char *format, ...) {
    char detail[PROBLEM_DETAIL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    struct problem problem = {0};
    problem_set(&problem, error, field, "%s", detail);
    http_reply_problem(request, &problem);
}

/* ---- canned ---- */

/* MHD's responses are reference counted and may be queued any number of times: this is one. */
struct http_canned {
    struct MHD_Response *response;
};

struct http_canned *http_canned_json(const json_t *value) {
    struct http_canned *canned = calloc(1, sizeof *canned);
    char *text = canned ? json_text(value) : NULL;
    if (text) {
        canned->response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
        if (!canned->response) {
            free(text);
        }
    }
    if (!canned || !canned->response) {
        free(canned);
        return NULL;
    }
    common_headers(canned->response, "application/json");
    MHD_add_response_header(canned->response, "Cache-Control", "no-store");
    return canned;
}

void http_canned_free(struct http_canned *canned) {
    if (canned) {
        MHD_destroy_response(canned->response);
        free(canned);
    }
}

void http_reply_canned(struct http_request *request, int status, const struct http_canned *canned) {
    TG_ASSERT(!request->replied);
    request->replied = true;
    request->status = status;
    enum MHD_Result queued = own_errors_queue(request->connection, (unsigned)status, canned->response);
    TG_ASSERT(queued == MHD_YES);
    if (request->suspended) {
        request_resume(request);
    }
}

/* ---- sources ---- */

struct http_source {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_source_ops ops;
    void *arg;
    bool suspended;
};

static ssize_t source_read(void *arg, uint64_t offset, char *data, size_t size) {
    struct http_source *source = arg;
    ssize_t got = source->ops.pull(source->arg, offset, data, size);
    if (got == HTTP_SOURCE_WAIT) {
        source->suspended = true;
        source->server->stats.suspended++;
        MHD_suspend_connection(source->connection);
        return 0;
    }
    if (got == HTTP_SOURCE_END) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    return got == HTTP_SOURCE_BROKEN ? MHD_CONTENT_READER_END_WITH_ERROR : got;
}

static void source_free(void *arg) {
    struct http_source *source = arg;
    source->ops.release(source->arg);
    free(source);
}

struct http_source *http_reply_source(struct http_request *request, int status, const char *type,
                                      int64_t size, const struct http_source_ops *ops, void *arg) {
    struct http_source *source = calloc(1, sizeof *source);
    struct MHD_Response *response = NULL;
    if (source) {
        *source = (struct http_source){
            .server = request->server, .connection = request->connection, .ops = *ops, .arg = arg};
        response = MHD_create_response_from_callback(size < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)size,
                                                     SOURCE_BLOCK, source_read, source, source_free);
    }
    if (!response) {
        free(source);
        ops->release(arg);
        reply_out_of_memory(request);
        return NULL;
    }
    common_headers(response, type);
    apply_headers(request, response);
    send_response(request, status, response);
    return source;
}

void http_source_wake(struct http_source *source) {
    if (source->suspended) {
        source->suspended = false;
        source->server->stats.suspended--;
        MHD_resume_connection(source->connection);
        http_kick(source->server);
    }
}

/* ---- conditional requests (RFC 9110, sections 13 and 14) ---- */

/* If-None-Match compares weakly (RFC 9110, 13.1.2): a W/ before the tag does not matter, so it is looked for
 * as a part of the list. Tags are quoted digests, so none is the end of another. */
static bool tag_listed(const char *list, const char *etag) {
    size_t size = strlen(etag);
    if (strcmp(list, "*") == 0) {
        return true;
    }
    for (const char *at = strstr(list, etag); at; at = strstr(at + 1, etag)) {
        if (at[size] == 0 || strchr(", \t", at[size])) {
            return true;
        }
    }
    return false;
}

static bool parse_bound(const char **at, int64_t *out) {
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > 18) {
        return false;
    }
    *out = (int64_t)strtoll(*at, NULL, 10);
    *at += digits;
    return true;
}

/* One range of bytes. 1: *first..*last is to be sent; 0: not a range we take (then all is sent); -1: cannot
 * be met. */
static int parse_range(const char *text, int64_t size, int64_t *first, int64_t *last) {
    if (strncmp(text, "bytes=", 6) != 0) {
        return 0;
    }
    const char *at = text + 6;
    if (*at == '-') { /* the last N bytes */
        int64_t tail;
        at++;
        if (!parse_bound(&at, &tail) || *at) {
            return 0;
        }
        *first = tail < size ? size - tail : 0;
        *last = size - 1;
        return tail > 0 && size > 0 ? 1 : -1;
    }
    if (!parse_bound(&at, first) || *at++ != '-') {
        return 0;
    }
    *last = size - 1;
    if (*at && (!parse_bound(&at, last) || *at || *last < *first)) {
        return 0;
    }
    *last = *last < size ? *last : size - 1;
    return *first < size ? 1 : -1;
}

/* Several ranges at once are not taken, which the RFC allows (14.2): then all is sent. If-Range must be the
 * very tag; a date never is one. */
bool http_select_range(struct http_request *request, const char *etag, int64_t size, int *status,
                       int64_t *offset, int64_t *length) {
    char text[96];
    const char *none_match = http_header(request, "If-None-Match"), *range = http_header(request, "Range"),
               *if_range = http_header(request, "If-Range");
    http_add_header(request, "ETag", etag);
    http_add_header(request, "Accept-Ranges", "bytes");
    *status = 200;
    *offset = 0;
    *length = size;
    if (none_match && tag_listed(none_match, etag)) {
        http_reply_static(request, 304, NULL, "", 0);
        return false;
    }
    int64_t first = 0, last = size - 1;
    int found =
        range && (!if_range || strcmp(if_range, etag) == 0) ? parse_range(range, size, &first, &last) : 0;
    if (found < 0) {
        snprintf(text, sizeof text, "bytes */%" PRId64, size);
        http_add_header(request, "Content-Range", text);
        http_reply_error(request, TG_ERANGE, "Range", "must be within the %" PRId64 " bytes that there are",
                         size);
        return false;
    }
    if (found > 0) {
        *status = 206;
        *offset = first;
        *length = last - first + 1;
        snprintf(text, sizeof text, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, first, last, size);
        http_add_header(request, "Content-Range", text);
    }
    return true;
}
