/* request.c - a request from its first line to its end.
 *
 *      uri ──> open (header complete) ──> body ──> dispatch ──> reply ──> completed
 *               │ refused: reply at once, the body is not read
 *
 * MHD calls request_access once with the header, once for every piece of body, and once when that is
 * complete. A request that has not been replied to by then is suspended until a reply comes.
 *
 * When a reply may be given to MHD is MHD's rule: in the call with the header, or in the one with the
 * complete body, not between them. So a reply that comes in the midst of the body is held (`held`) and queued
 * by dispatch.
 *
 *     replied in the call with the header    MHD sends it and reads no body: the connection is closed then
 *     replied while the body comes           held; the body is read on and dropped, up to DISCARD_MAX, so
 *                                            that the client reads the answer instead of a reset
 *     replied after the body                 queued at once; a suspended connection is resumed
 *
 * The order of check_open is from cheap to dear, and from what protects us to what helps the client: sizes
 * before the route is looked up, the rate before a token is hashed, the right to ask before a wrong parameter
 * is explained. The body's type and length come last, and still before a byte of it is accepted.
 *
 * Memory. A request's body is counted before it comes where its size is told, piece by piece where it is not
 * (http_hold); all requests together may hold bodies_max. The request's own memory (http_alloc) and what is
 * to happen at its end (http_on_free) are one list; when MHD says that it is over, first all that is to
 * happen is done, newest first, then the memory goes. That may be while nobody has replied only when the
 * client is gone during the body: a suspended request cannot end. */
#include "server/http/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/options.h"

/* ---- begin ---- */

void *request_uri(void *arg, const char *uri, struct MHD_Connection *connection) {
    struct http_request *request = calloc(1, sizeof *request);
    if (!request) {
        return NULL;
    }
    request->server = arg;
    request->connection = connection;
    request->conn = conn_of(connection);
    request->uri_size = strlen(uri);
    request->uri_has_nul = strstr(uri, "%00") != NULL; /* decoded, it would look like the end */
    request->begun_ns = clock_monotonic_ns();
    return request;
}

struct header_size {
    size_t bytes;
    uint64_t content_length;
    int lengths; /* how often Content-Length was given */
    bool length_bad, coded, has_body;
};

static enum MHD_Result measure_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                      const char *value) {
    struct header_size *size = arg;
    size_t value_size = value ? strlen(value) : 0;
    size->bytes += strlen(name) + value_size + 4;
    if (strcasecmp(name, "Content-Length") == 0 && value) {
        uint64_t length = strtoull(value, NULL, 10); /* MHD has checked that the first is a number */
        size->length_bad |= size->lengths > 0 && length != size->content_length;
        size->lengths++;
        size->content_length = length;
        size->has_body |= length > 0;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        size->has_body = size->coded = true;
    }
    return MHD_YES;
}

static bool is_utf8(const char *text) {
    json_t *value = json_string(text);
    json_decref(value);
    return value != NULL;
}

static int check_uri(const struct http_request *request, struct problem *problem) {
    if (request->uri_size > URI_MAX) {
        return problem_set(problem, TG_EURI_TOO_LONG, "uri",
                           "may have %d bytes, has %zu; shorten its path or query", URI_MAX,
                           request->uri_size);
    }
    if (request->uri_has_nul) {
        return problem_set(problem, TG_EINVALID, "uri", "holds %%00, which no call takes: leave it out");
    }
    if (!is_utf8(request->path)) {
        return problem_set(problem, TG_EBAD_UTF8, "path", "must be valid UTF-8, percent-encoded");
    }
    return TG_OK;
}

static int check_sizes(const struct header_size *size, struct problem *problem) {
    if (size->bytes > HEADERS_MAX) {
        return problem_set(problem, TG_EHEADER_TOO_LARGE, "header",
                           "may have %d bytes in all, has %zu; send fewer or shorter fields", HEADERS_MAX,
                           size->bytes);
    }
    /* Where two say how long the body is, somebody before us may have believed the other one. */
    if (size->length_bad || (size->lengths && size->coded)) {
        return problem_set(problem, TG_EINVALID, "Content-Length",
                           "must be given once, and not together with Transfer-Encoding");
    }
    return TG_OK;
}

static int find_route(struct http_request *request, const char *method, struct problem *problem) {
    struct http_server *server = request->server;
    char allow[128];
    int error;
    int index = router_match(server->router, method, request->path, &request->params, &error, allow);
    if (index >= 0) {
        request->route = &server->options.routes[index];
        return TG_OK;
    }
    if (error == TG_EMETHOD) {
        http_add_header(request, "Allow", allow);
        return problem_set(problem, TG_EMETHOD, "method", "%s takes %s, not %.16s", request->path, allow,
                           method);
    }
    return problem_set(problem, TG_ENOT_FOUND, "path", "there is nothing at %.200s for %.16s", request->path,
                       method);
}

static int check_rate(struct http_request *request, struct problem *problem) {
    struct http_server *server = request->server;
    int rate =
        request->conn->loopback ? server->options.loopback_requests_per_s : server->options.requests_per_s;
    if (rate == 0 || request->route->always) {
        return TG_OK;
    }
    int64_t wait = peers_take(server->peers, &request->conn->peer, rate, request->begun_ns / 1000000);
    if (wait == 0) {
        return TG_OK;
    }
    server->stats.rate_limited++;
    return problem_set(problem, TG_ERATE_LIMITED, NULL,
                       "an address may send %d requests a second; try again in %lld ms", rate,
                       (long long)wait);
}

static bool media_matches(const char *wanted, const char *given) {
    size_t size = strlen(wanted);
    return strcmp(wanted, "*") == 0 ||
           (given && strncasecmp(given, wanted, size) == 0 && strchr("; \t", given[size]) != NULL);
}

/* Whether the Content-Type asks for another encoding than UTF-8 (RFC 8259, 8.1). */
static bool other_charset(const char *given) {
    const char *at = given;
    while ((at = strchr(at, ';'))) {
        at += 1 + strspn(at + 1, " \t");
        if (strncasecmp(at, "charset=", 8) == 0) {
            at += 8;
            at += *at == '"';
            return strncasecmp(at, "utf-8", 5) != 0 || strchr("; \t\"", at[5]) == NULL;
        }
    }
    return false;
}

static int check_body(const struct http_request *request, const struct header_size *size,
                      struct problem *problem) {
    const struct http_route *route = request->route;
    if (!size->has_body) {
        return TG_OK;
    }
    if (!route->media) {
        /* Some clients send "{}" with every POST. */
        return size->content_length <= 2 && size->content_length > 0
                   ? TG_OK
                   : problem_set(problem, TG_EINVALID, "body", "this call takes no body");
    }
    const char *media = http_header(request, "Content-Type");
    if (!media_matches(route->media, media)) {
        return problem_set(problem, TG_EMEDIA_TYPE, "Content-Type", "must be %s, is %.100s", route->media,
                           media ? media : "missing");
    }
    if (strcmp(route->media, "application/json") == 0 && other_charset(media)) {
        return problem_set(problem, TG_EMEDIA_TYPE, "Content-Type", "must be %s in utf-8, is %.100s",
                           route->media, media);
    }
    if (size->content_length > route->body_limit) {
        return problem_set(problem, TG_ETOO_LARGE, "body", "may have %zu bytes, has %llu", route->body_limit,
                           (unsigned long long)size->content_length);
    }
    return TG_OK;
}

struct query_check {
    const char *const *names;
    unsigned seen; /* bit mask of those that are there */
    const char *name;
    int error; /* what is wrong with that one */
};

static enum MHD_Result look_at_query(void *arg, enum MHD_ValueKind kind, const char *name,
                                     const char *value) {
    struct query_check *check = arg;
    int at = 0;
    while (check->names[at] && strcmp(check->names[at], name) != 0) {
        at++;
    }
    check->name = name;
    if (!check->names[at]) {
        check->error = TG_EUNKNOWN_OPTION;
    } else if (check->seen & 1u << at) {
        check->error = TG_EINVALID;
    } else if (value && !is_utf8(value)) {
        check->error = TG_EBAD_UTF8;
    }
    check->seen |= 1u << at;
    return check->error ? MHD_NO : MHD_YES;
}

static int unknown_parameter(const struct query_check *check, struct problem *problem) {
    const char *nearest = nearest_name(check->name, check->names);
    return problem_set(problem, TG_EUNKNOWN_OPTION, check->name,
                       nearest ? "there is no such query parameter here; did you mean %s?"
                               : "there is no such query parameter here",
                       nearest);
}

/* A misspelt filter must not look as if it had matched everything. */
static int check_query(const struct http_request *request, struct problem *problem) {
    struct query_check check = {.names = request->route->query};
    if (!check.names) {
        return TG_OK;
    }
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, look_at_query, &check);
    switch (check.error) {
    case TG_OK:
        return TG_OK;
    case TG_EUNKNOWN_OPTION:
        return unknown_parameter(&check, problem);
    case TG_EBAD_UTF8:
        return problem_set(problem, TG_EBAD_UTF8, check.name, "must be valid UTF-8, percent-encoded");
    default:
        return problem_set(problem, check.error, check.name, "is given twice in the query: give it once");
    }
}

static int check_open(struct http_request *request, const char *method, const struct header_size *size,
                      struct problem *problem) {
    struct http_server *server = request->server;
    int error = check_uri(request, problem);
    if (!error) {
        error = check_sizes(size, problem);
    }
    if (!error) {
        error = find_route(request, method, problem);
    }
    if (!error && server->draining && !request->route->always) {
        error = problem_set(problem, TG_ESHUTTING_DOWN, NULL,
                            "the server is stopping; try again in a few seconds");
    }
    if (!error) {
        error = host_check(request, problem);
    }
    if (!error) {
        error = check_rate(request, problem);
    }
    if (!error) {
        error = server->options.authorize(server->options.context, request, request->route->access, problem);
    }
    if (!error) {
        error = check_query(request, problem);
    }
    if (!error) {
        error = check_body(request, size, problem);
    }
    return error;
}

/* Room for a body whose size is known. */
static int make_room(struct http_request *request, size_t size, struct problem *problem) {
    int error = http_hold(request, size, problem);
    if (!error && buf_reserve(&request->body, size) != TG_OK) {
        error = problem_set(problem, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
    }
    return error;
}

static void open_request(struct http_request *request, const char *url, const char *method) {
    struct header_size size = {0};
    struct problem problem = {0};
    request->opened = true;
    request->path = url;
    request->server->stats.requests++;
    conn_begin_request(request->server, request->conn);
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, measure_header, &size);
    if (check_open(request, method, &size, &problem) != TG_OK) {
        http_reply_problem(request, &problem);
        return;
    }
    const struct http_route *route = request->route;
    request->has_body = size.has_body;
    if (size.has_body) {
        conn_await_body(request->server, request->conn);
    }
    request->body.limit = route->media ? route->body_limit : 2;
    if (route->stream) {
        request->dispatched = true;
        route->handle(request, request->server->options.context);
    } else if (size.content_length && make_room(request, (size_t)size.content_length, &problem) != TG_OK) {
        http_reply_problem(request, &problem);
    }
}

/* ---- body ---- */

/* A body that was refused half-way is read on: its sender hears the reason when it has sent all, and of one
 * that is hung up on only that there is no connection. It may be as large as one that is taken. */
static bool bears_more(const struct http_request *request) {
    return request->received <= DISCARD_MAX || request->received - DISCARD_MAX <= request->route->body_limit;
}

/* Sets *size to what is left of the piece: MHD brings that again. */
static enum MHD_Result take_piece(struct http_request *request, const char *data, size_t *size) {
    request->received += *size;
    request->conn->received += *size; /* what a sink leaves is counted again: it comes after a new start */
    if (request->replied) {           /* refused half-way */
        *size = 0;
        return bears_more(request) ? MHD_YES : MHD_NO;
    }
    if (request->sink.data) {
        size_t taken = request->sink.data(request->sink.arg, (const uint8_t *)data, *size);
        request->received -= *size - taken;
        bool full = taken < *size;
        *size -= taken;
        if (full && !request->replied) {
            request_suspend(request);
        }
        return MHD_YES;
    }
    struct problem problem = {0};
    size_t room = request->held_bytes - request->body.size; /* 0 where its size was not told */
    int error = *size > room ? http_hold(request, *size - room, &problem) : TG_OK;
    if (!error && buf_append(&request->body, data, *size) != TG_OK) {
        error =
            problem_set(&problem, TG_ETOO_LARGE, "body", "may have %zu bytes, has more", request->body.limit);
    }
    if (error) {
        http_reply_problem(request, &problem);
    }
    *size = 0;
    return MHD_YES;
}

int http_hold(struct http_request *request, size_t bytes, struct problem *problem) {
    struct http_server *server = request->server;
    size_t all = server->stats.held_bytes, others = all - request->held_bytes;
    if (request->held_bytes + bytes > HELD_FREELY && others > 0 && all + bytes > server->options.bodies_max) {
        return problem_set(problem, TG_EBUSY, "body",
                           "the bodies of other requests fill the memory that is meant for them (%zu of %zu "
                           "bytes); try again in a moment",
                           others, server->options.bodies_max);
    }
    server->stats.held_bytes += bytes;
    request->held_bytes += bytes;
    return TG_OK;
}

void http_receive(struct http_request *request, const struct http_sink *sink) {
    request->sink = *sink;
}

void http_receive_more(struct http_request *request) {
    if (request->suspended) {
        request_resume(request);
    }
}

/* ---- dispatch ---- */

static void dispatch(struct http_request *request) {
    request->body_done = true;
    conn_stop_waiting(request->conn);
    if (request->held) {
        struct MHD_Response *held = request->held;
        request->held = NULL;
        reply_queue(request, request->status, held);
        return;
    }
    if (request->replied) {
        return;
    }
    if (request->sink.end) {
        struct http_sink sink = request->sink;
        request->sink = (struct http_sink){0};
        sink.end(sink.arg, true);
    } else if (!request->dispatched) {
        request->dispatched = true;
        request->route->handle(request, request->server->options.context);
    }
    if (!request->replied) {
        request_suspend(request);
    }
}

enum MHD_Result request_access(void *arg, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data, size_t *size,
                               void **context) {
    struct http_request *request = *context;
    if (!request || !request->conn) {
        return MHD_NO; /* out of memory: hang up */
    }
    if (!request->opened) {
        request->opening = true;
        request->needs_host = strcmp(version, "HTTP/1.1") == 0;
        open_request(request, url, method);
        request->opening = false;
        if (request->replied) {
            conn_stop_waiting(request->conn); /* the body is not read */
        }
        return MHD_YES;
    }
    if (*size > 0) {
        return take_piece(request, data, size);
    }
    dispatch(request);
    return MHD_YES;
}

/* ---- end ---- */

static void observe(struct http_request *request) {
    struct http_server *server = request->server;
    int index = request->route ? (int)(request->route - server->options.routes) : server->route_count;
    struct http_route_stats *stats = &server->route_stats[index];
    double seconds = (double)(clock_monotonic_ns() - request->begun_ns) * 1e-9;
    int bucket = 0;
    while (bucket < HTTP_BUCKETS && seconds > http_bucket_bounds[bucket]) {
        bucket++;
    }
    stats->buckets[bucket]++;
    stats->count++;
    stats->seconds += seconds;
    int at = 0;
    while (at < HTTP_STATUS_MAX - 1 && stats->statuses[at].status &&
           stats->statuses[at].status != request->status) {
        at++;
    }
    stats->statuses[at].status = request->status;
    stats->statuses[at].count++;
    if (log_enabled(LOG_DEBUG)) {
        log_debug("http", "%s %.200s %d in %.3f ms", request->route ? request->route->method : "-",
                  request->path, request->status, seconds * 1e3);
    }
}

/* First what handlers asked to be run, which may look at any of the memory; then the memory. */
static void release_memory(struct http_request *request) {
    for (struct request_memory *memory = request->memory; memory; memory = memory->next) {
        if (memory->release) {
            memory->release(memory->arg);
        }
    }
    while (request->memory) {
        struct request_memory *memory = request->memory;
        request->memory = memory->next;
        free(memory);
    }
}

void request_completed(void *arg, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode code) {
    struct http_request *request = *context;
    *context = NULL;
    if (!request) {
        return;
    }
    struct http_server *server = request->server;
    if (request->sink.end) {
        request->sink.end(request->sink.arg, false);
    }
    if (request->opened) {
        server->stats.requests--;
        observe(request);
    }
    if (request->conn) {
        conn_end_request(server, request->conn);
    }
    if (request->held) {
        MHD_destroy_response(request->held);
    }
    release_memory(request);
    server->stats.held_bytes -= request->held_bytes;
    buf_free(&request->body);
    free(request);
}

const double http_bucket_bounds[HTTP_BUCKETS] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                 0.05,   0.1,   0.25,   1,     5,    30};
