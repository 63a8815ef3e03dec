/* http.h - asynchronous HTTP requests to the one coordinator: libcurl's multi interface driven by the libuv
 * loop.
 *
 *     uv_poll_t a socket ---readable/writable---> curl_multi_socket_action ---> transfer is complete ---> done()
 *     uv_timer_t (one a lane) ------------------> curl_multi_socket_action
 *
 * There are two lanes, each a multi handle with connections of its own: control (registration, leases, beats,
 * ends: small and urgent) and bulk (chunks, checkpoints: large). A transfer of the one can never wait for a
 * connection of the other, and the kernel sends control's packets first (SO_PRIORITY), so a slow upload
 * cannot lapse a lease.
 *
 * One request, one answer; trying again is call.h's part. Loop thread only. A request cancelled or complete
 * is gone.
 */
#ifndef TENGEN_AGENT_HTTP_H
#define TENGEN_AGENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "proto/base/error.h"

struct http;
struct http_transfer;

struct http_config {
    const char *server;  /* "https://host:port", without a path; copied */
    const char *token;   /* NULL: none; copied */
    const char *ca_file; /* PEM; NULL: the system's; copied */
};

enum http_lane { HTTP_CONTROL, HTTP_BULK, HTTP_LANES };

enum { HTTP_ANSWER_MAX = 16 << 20, HTTP_ETAG_MAX = 128 };

struct http_answer {
    int status;             /* 0: there was no answer; problem says why */
    struct problem problem; /* of every answer that is not 2xx */
    int64_t retry_after_s;  /* 0: none */
    const uint8_t *body;    /* the caller copies what it keeps */
    size_t size;
    char etag[HTTP_ETAG_MAX]; /* "" when none or too long */
};

typedef void (*http_done_fn)(void *context, const struct http_answer *answer);
/* Receives a 2xx body as it comes instead of it being collected. Returns false to pause: the same bytes come
 * again after http_resume. `status` tells 200 from 206, `etag` is what the headers said. */
typedef bool (*http_data_fn)(void *context, int status, const char *etag, const void *data, size_t size);

struct http_request {
    const char *method;
    const char *path; /* begins with /api/v1; copied */
    enum http_lane lane;
    const char *content_type; /* of the body; NULL without a body */
    const void *body;         /* stays the caller's and must stay until done or cancelled */
    size_t body_size;
    int64_t timeout_s;    /* for all of it; 0: only a standstill of a minute ends it */
    uint64_t range_from;  /* > 0: asks for the rest from this byte */
    const char *if_range; /* ETag that the range depends on; copied */
    http_data_fn on_data; /* NULL: the body is collected, at most HTTP_ANSWER_MAX */
    void *data_context;   /* for on_data; a call of call.h sets it to its own context */
};

int http_create(uv_loop_t *loop, const struct http_config *config, struct http **http,
                struct problem *problem);
/* Cancels what is under way (without calling back) and closes; freed once the loop has run the closings. */
void http_destroy(struct http *http);
/* From now on every request names the coordinator that it is meant for ("": none); another answers 421. */
void http_set_coordinator(struct http *http, const char *id);
const char *http_server(const struct http *http);
/* Milliseconds since 1970 by the coordinator's clock, as far as its answers have told (Date): ours may be
 * hours off. */
int64_t http_wall_ms(const struct http *http);

/* `done` is called exactly once, later, from the loop, unless the transfer is cancelled first. */
int http_start(struct http *http, const struct http_request *request, http_done_fn done, void *context,
               struct http_transfer **transfer);
void http_cancel(struct http_transfer *transfer);
void http_resume(struct http_transfer *transfer); /* after on_data returned false */

#endif
