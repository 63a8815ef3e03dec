/* call.h - calls to the coordinator that are tried until they have an answer.
 *
 *     start ---> [trying] ---answer that stands---> done()
 *                   ^  |
 *           timer   |  | no connection, 408, 421, 425, 429, 5xx; 401 and 403 slowly
 *                   |  v
 *                [waiting] back-off, or what Retry-After says
 *
 * A call never fails by itself: it ends with an answer that stands (2xx, most 4xx) or is cancelled. One
 * `struct caller` keeps what all calls share: whether the coordinator is away, so that the log tells it once,
 * and that all who wait only by their own back-off try again soon after one of them got through.
 *
 * Loop thread only.
 */
#ifndef TENGEN_AGENT_CALL_H
#define TENGEN_AGENT_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "workers/agent/http.h"

struct caller;
struct call;

/* Takes *http over. */
int caller_create(uv_loop_t *loop, struct http *http, struct caller **caller);
void caller_destroy(struct caller *caller); /* cancels all calls; freed after the loop has run the closings */
/* `misdirected` is called, from within an answer, each time another coordinator than the one meant answers
 * (421). Calls are tried on: the right one may come back. */
void caller_on_misdirected(struct caller *caller, void (*misdirected)(void *context), void *context);
void caller_set_coordinator(struct caller *caller, const char *id); /* see http_set_coordinator */
int64_t caller_wall_ms(const struct caller *caller);                /* see http_wall_ms */
bool caller_is_away(const struct caller *caller); /* the newest try of any call got no usable answer */

struct call_options {
    /* Called before every try, to renew the body or the range; may be NULL. */
    void (*prepare)(void *context, struct http_request *request);
    int64_t cap_ms; /* of the back-off; 0: BACKOFF_CAP_MS */
};

/* The request's body (and what prepare puts there) stays the caller's until done or cancelled. */
int call_start(struct caller *caller, const struct http_request *request, const struct call_options *options,
               http_done_fn done, void *context, struct call **call);
void call_cancel(struct call *call); /* NULL is fine */
void call_resume(struct call *call); /* as http_resume */

#endif
