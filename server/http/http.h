/* http.h - the coordinator's HTTP edge: libmicrohttpd turned by the libuv loop.
 *
 *      accept ──> first bytes (door.c) ──> not HTTP: 400
 *                    │
 *                    v
 *      epoll descriptor of libmicrohttpd
 *         uv_poll ───────────┐
 *         uv_timer ──────────┼──> MHD_run ──> headers complete
 *         uv_prepare (kick) ─┘                       │
 *                                                    v
 *              limits, Host, route, rate, authorize, type, length ──> any fails: problem+json, no body is read
 *                                                    │
 *                                                    v
 *                           body (bounded, or to a sink) ──> route->handle(request)
 *                                                                     │
 *                             http_reply...() now, or later: the connection is suspended meanwhile
 *
 * A handler never blocks. It answers by exactly one http_reply...() call, at once or from a later callback on
 * the loop; until then the connection is suspended, costs nothing and cannot go away, so `request` stays
 * valid. After the reply the handler must not touch it again.
 *
 * Every error that a client can see is a problem document (RFC 9457), those of libmicrohttpd included
 * (own_errors.c). Deadlines bound what a slow or silent peer can hold: the header as a whole, the rate of the
 * body, the idle time between requests. Limits bound the rest: connections, connections and requests a second
 * by address, bytes of URI, header and body.
 *
 * Everything here runs on the loop thread.
 */
#ifndef TENGEN_HTTP_HTTP_H
#define TENGEN_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include <uv.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

struct http_server;
struct http_request;

typedef void (*http_handler)(struct http_request *request, void *context);

enum { HTTP_PARAMS_MAX = 4 };

struct http_route {
    const char *method; /* "GET" answers HEAD too */
    const char
        *pattern; /* "/api/v1/jobs/{id}/cancel"; {file...} as the last segment takes the rest of the path */
    unsigned access;          /* given to authorize; 0: everybody */
    const char *media;        /* content type that a body must have; NULL: takes no body; "*": any */
    size_t body_limit;        /* bytes */
    const char *const *query; /* names that its query may have, ended by NULL; NULL: any */
    bool stream;              /* handle() is called before the body and takes it by http_receive() */
    bool always;              /* is answered while stopping, and not rate limited (health, metrics) */
    http_handler handle;
};

struct http_options {
    const char *bind;                /* numeric address */
    int port;                        /* 0: any free one */
    const char *tls_cert, *tls_key;  /* PEM text; NULL: plain */
    int connections;                 /* at once, in all */
    int connections_per_peer;        /* at once, of one address beyond loopback */
    int requests_per_s;              /* of one address beyond loopback, burst twice that; 0: no limit */
    int loopback_requests_per_s;     /* the same for loopback */
    int header_s;                    /* a request's header must be complete within this */
    int idle_s;                      /* between requests, and without any progress */
    int body_bytes_per_s;            /* slowest body that is borne with, over every header_s */
    size_t bodies_max;               /* bytes of bodies in memory, of all requests together: see http_hold */
    const struct http_route *routes; /* ended by a NULL method; must outlive the server */
    /* 0, or the error that the request gets. Called before a byte of body is accepted. */
    int (*authorize)(void *context, struct http_request *request, unsigned access, struct problem *problem);
    /* Whether the Host header must name this machine's loopback (see host.c). */
    bool (*local_only)(void *context);
    void *context;
};

/* TG_EINVALID with a problem, unless `bind` is a numeric address. */
int http_check_address(const char *bind, struct problem *problem);

/* Binds, listens and starts. TG_EBUSY: port in use; TG_EIO; TG_EINVALID: address, certificate. The problem
 * says what to do. The loop must outlive the server. */
int http_create(uv_loop_t *loop, const struct http_options *options, struct http_server **out,
                struct problem *problem);
int http_port(const struct http_server *server);
/* From now on new requests get 503 shutting_down. done(arg) is called when no request is left. */
void http_drain(struct http_server *server, void (*done)(void *arg), void *arg);
/* Cuts what is left and frees everything. No request may be waiting for a reply. The loop must be run once
 * more afterwards for its handles to close. */
void http_destroy(struct http_server *server);

/* ---- reading a request: all strings live as long as the request ---- */

const struct http_route *http_route_of(const struct http_request *request);
const char *http_path(const struct http_request *request);
const char *http_param(const struct http_request *request, int index); /* text of the index-th {...} */
/* The same as a positive id. TG_ENOT_FOUND when it is none: no such thing can exist. */
int http_param_id(const struct http_request *request, int index, int64_t *id, struct problem *problem);
const char *http_query(const struct http_request *request, const char *name); /* NULL when absent */
int http_query_int(const struct http_request *request, const char *name, int64_t min, int64_t max,
                   int64_t fallback, int64_t *out, struct problem *problem);
const char *http_header(const struct http_request *request, const char *name); /* NULL when absent */
const char *http_cookie(const struct http_request *request, const char *name);
const uint8_t *http_body(const struct http_request *request, size_t *size); /* whole bodies only */
/* Counts `bytes` more as held in memory by the request until it is freed; its body is counted before it
 * comes. TG_EBUSY: all together would hold more than bodies_max. What is small (64 KiB in all), and a request
 * that is alone, is never refused. */
int http_hold(struct http_request *request, size_t bytes, struct problem *problem);
bool http_peer_is_loopback(const struct http_request *request);
bool http_names_loopback(const char *host); /* a Host header's text */
bool http_is_tls(const struct http_request *request);
bool http_peer_is_gone(const struct http_request *request); /* has the client hung up while it waited? */
/* Who asks, as authorize found out: http does not look into it. */
void http_set_user(struct http_request *request, int64_t id, int role, const char *name);
int64_t http_user_id(const struct http_request *request);
int http_user_role(const struct http_request *request);
const char *http_user_name(const struct http_request *request);
/* Zeroed memory that is freed with the request; NULL when out of memory. */
void *http_alloc(struct http_request *request, size_t size);
/* Also runs `release` when the request is freed. */
int http_on_free(struct http_request *request, void (*release)(void *arg), void *arg);

/* ---- taking a body as it comes (routes with `stream`) ---- */

struct http_sink {
    /* Takes at most `size` bytes; returns how many. Taking fewer stops the upload until http_receive_more(). */
    size_t (*data)(void *arg, const uint8_t *data, size_t size);
    /* The body is complete (or, !complete, the client is gone: then nothing must be replied, and the request
     * is freed right after). */
    void (*end)(void *arg, bool complete);
    void *arg;
};
void http_receive(struct http_request *request, const struct http_sink *sink);
void http_receive_more(struct http_request *request);

/* ---- replies ---- */

/* Adds a header to the reply that comes. */
int http_add_header(struct http_request *request, const char *name, const char *value);
/* `data` was malloc'ed and is taken over; NULL for an empty body. */
void http_reply(struct http_request *request, int status, const char *type, void *data, size_t size);
void http_reply_buf(struct http_request *request, int status, const char *type,
                    struct buf *body); /* takes it */
void http_reply_static(struct http_request *request, int status, const char *type, const void *data,
                       size_t size);
void http_reply_json(struct http_request *request, int status, json_t *value); /* takes the reference */
void http_reply_problem(struct http_request *request, const struct problem *problem);
void http_reply_error(struct http_request *request, int error, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A reply that is sent many times (a job that many ask for): built once, shared by reference count. */
struct http_canned;
struct http_canned *http_canned_json(const json_t *value); /* NULL when out of memory */
void http_canned_free(struct http_canned *canned); /* NULL is allowed; replies under way keep theirs */
void http_reply_canned(struct http_request *request, int status, const struct http_canned *canned);

/* A reply that is produced piece by piece. */
struct http_source;
enum { HTTP_SOURCE_WAIT = 0, HTTP_SOURCE_END = -1, HTTP_SOURCE_BROKEN = -2 };
struct http_source_ops {
    /* Writes up to `size` bytes of the reply from `offset` on; returns how many, or HTTP_SOURCE_...: after
     * WAIT it is called again after http_source_wake(). */
    ssize_t (*pull)(void *arg, uint64_t offset, void *data, size_t size);
    void (*release)(
        void *arg); /* the reply is over, for whatever reason: the source must not be woken again */
};
/* size: of the whole reply, or -1 when it is not known. Returns NULL (and has replied with an error, and
 * called release) when out of memory. */
struct http_source *http_reply_source(struct http_request *request, int status, const char *type,
                                      int64_t size, const struct http_source_ops *ops, void *arg);
void http_source_wake(struct http_source *source);

/* Range and If-None-Match of one resource of `size` bytes with a strong ETag. Replies itself (304, 416) and
 * returns false, or returns true with the part to send, and the status (200 or 206) and headers set for it.
 */
bool http_select_range(struct http_request *request, const char *etag, int64_t size, int *status,
                       int64_t *offset, int64_t *length);

/* ---- figures ---- */

enum { HTTP_BUCKETS = 12, HTTP_STATUS_MAX = 12 };
extern const double http_bucket_bounds[HTTP_BUCKETS]; /* seconds */
struct http_route_stats {
    struct {
        int status;
        uint64_t count;
    } statuses[HTTP_STATUS_MAX];
    uint64_t buckets[HTTP_BUCKETS + 1], count;
    double seconds;
};
struct http_stats {
    int connections, requests, suspended;
    size_t held_bytes; /* see http_hold */
    uint64_t accepted, refused, rate_limited, timed_out;
};
void http_stats(const struct http_server *server, struct http_stats *out);
/* Of the index-th route of the table; index -1: of what no route took. */
const struct http_route_stats *http_route_stats(const struct http_server *server, int index);

#endif
