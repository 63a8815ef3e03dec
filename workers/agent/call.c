/* call.c - see call.h. The two things that calls share: whether the coordinator is away, and coming back.
 *
 * Each call has its own back-off and waits by itself. The first that gets through after an absence tells all
 * (note_back): those that wait only by their own back-off try again within COME_BACK_MS, at random moments,
 * instead of sleeping out a minute each. Those that the coordinator told how long to wait (`obeying`) keep to
 * it.
 *
 * 429 is not an absence: the coordinator is there and busy. A refused token is logged once, with what to do,
 * and then tried at the slowest pace, because only a person can mend it.
 *
 * A call is unlinked and its timer closed before done() is called, and freed when the loop has closed the
 * timer: done() may start the next call or end everything. misdirected() comes last in on_answer for the same
 * reason: it may cancel this very call.
 */
#include "workers/agent/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "workers/agent/backoff.h"
#include "workers/agent/wait.h"

enum {
    COME_BACK_MS = 1000, /* within which the waiting try again once the coordinator is back */
    HTTP_MISDIRECTED = 421
};

struct caller {
    uv_loop_t *loop;
    struct http *http;
    struct call *calls;
    struct wait away;
    void (*misdirected)(void *context);
    void *context;
    bool denied; /* the newest refusal of the token was logged */
};

struct call {
    struct caller *caller;
    struct call *next, **back;
    struct http_request request;
    char path[1024], if_range[HTTP_ETAG_MAX];
    struct call_options options;
    http_done_fn done;
    void *context;
    struct http_transfer *transfer; /* while trying */
    uv_timer_t timer;               /* while waiting */
    bool obeying;                   /* waits as long as the coordinator asked for */
    struct backoff backoff;
};

static uint64_t chance(void) {
    uint64_t bits;
    randombytes_buf(&bits, sizeof bits);
    return bits;
}

static void on_answer(void *context, const struct http_answer *answer);

static void wait_ms(struct call *call, int64_t delay_ms);

static void try_now(struct call *call) {
    if (call->options.prepare)
        call->options.prepare(call->context, &call->request);
    if (http_start(call->caller->http, &call->request, on_answer, call, &call->transfer) != 0) {
        call->transfer = NULL;
        wait_ms(call, backoff_next_ms(&call->backoff, BACKOFF_CAP_MS, 0, chance()));
    }
}

static void on_timer(uv_timer_t *timer) {
    struct call *call = timer->data;
    call->obeying = false;
    try_now(call);
}

/* At least so long: the loop's clock lags behind while events are handled, and counts whole milliseconds. */
static void wait_ms(struct call *call, int64_t delay_ms) {
    uv_update_time(call->caller->loop);
    delay_ms++;
    uv_timer_start(&call->timer, on_timer, (uint64_t)delay_ms, 0);
}

/* ---- what the answers say about the coordinator ---- */

static void note_back(struct caller *caller) {
    caller->denied = false;
    if (!caller->away.reason[0])
        return;
    wait_over(&caller->away, clock_monotonic_ms());
    for (struct call *call = caller->calls; call; call = call->next)
        if (!call->transfer && !call->obeying)
            wait_ms(call, (int64_t)(chance() % COME_BACK_MS));
}

static void note_away(struct call *call, const struct http_answer *answer) {
    struct caller *caller = call->caller;
    if (answer->status == 0)
        wait_set(&caller->away, clock_monotonic_ms(), "no connection to %s (%s); trying again for ever",
                 http_server(caller->http), answer->problem.detail);
    else if (answer->status == 429)
        log_debug("agent", "%s: asked to slow down", call->path);
    else
        wait_set(&caller->away, clock_monotonic_ms(), "%s answers %d %s (%s)", http_server(caller->http),
                 answer->status, answer->problem.error ? tg_error_code(answer->problem.error) : "",
                 answer->problem.detail);
}

static void note_denied(struct caller *caller, const struct http_answer *answer) {
    wait_set(&caller->away, clock_monotonic_ms(), "the coordinator refuses our token");
    if (caller->denied)
        return;
    caller->denied = true;
    log_error("agent",
              "%s answered %d %s: %s. Make a token of role worker (tengen token create --role worker) and "
              "give it by "
              "--token-file or TENGEN_TOKEN; trying again every minute",
              http_server(caller->http), answer->status, tg_error_code(answer->problem.error),
              answer->problem.detail);
}

static void finish(struct call *call, const struct http_answer *answer);

static void on_answer(void *context, const struct http_answer *answer) {
    struct call *call = context;
    call->transfer = NULL;
    int64_t cap = call->options.cap_ms > 0 ? call->options.cap_ms : BACKOFF_CAP_MS;
    switch (verdict_of(answer->status)) {
    case VERDICT_FINAL:
        note_back(call->caller);
        finish(call, answer);
        return;
    case VERDICT_DENIED:
        note_denied(call->caller, answer);
        call->backoff.failures = 1000; /* straight to the cap */
        cap = BACKOFF_CAP_MS;
        break;
    case VERDICT_RETRY:
        note_away(call, answer);
        break;
    }
    call->obeying = answer->retry_after_s > 0;
    int64_t delay = backoff_next_ms(&call->backoff, cap, answer->retry_after_s, chance());
    log_debug("agent", "%s %s: %d %s; again in %lld ms", call->request.method, call->path, answer->status,
              answer->problem.detail, (long long)delay);
    wait_ms(call, delay);
    if (answer->status == HTTP_MISDIRECTED && call->caller->misdirected)
        call->caller->misdirected(call->caller->context); /* last: it may cancel this call */
}

/* ---- starting and ending ---- */

static void call_closed(uv_handle_t *timer) {
    free(timer->data);
}

static void unlink_call(struct call *call) {
    *call->back = call->next;
    if (call->next)
        call->next->back = call->back;
    uv_close((uv_handle_t *)&call->timer, call_closed);
}

static void finish(struct call *call, const struct http_answer *answer) {
    http_done_fn done = call->done;
    void *context = call->context;
    unlink_call(call);
    done(context, answer);
}

int call_start(struct caller *caller, const struct http_request *request, const struct call_options *options,
               http_done_fn done, void *context, struct call **out) {
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return TG_ENO_MEMORY;
    call->caller = caller;
    call->request = *request;
    snprintf(call->path, sizeof call->path, "%s", request->path);
    call->request.path = call->path;
    if (request->if_range) {
        snprintf(call->if_range, sizeof call->if_range, "%s", request->if_range);
        call->request.if_range = call->if_range;
    }
    if (options)
        call->options = *options;
    call->done = done;
    call->context = context;
    call->request.data_context = context;
    uv_timer_init(caller->loop, &call->timer);
    call->timer.data = call;
    call->next = caller->calls;
    call->back = &caller->calls;
    if (call->next)
        call->next->back = &call->next;
    caller->calls = call;
    *out = call;
    try_now(call);
    return 0;
}

void call_cancel(struct call *call) {
    if (!call)
        return;
    if (call->transfer)
        http_cancel(call->transfer);
    unlink_call(call);
}

void call_resume(struct call *call) {
    if (call->transfer)
        http_resume(call->transfer);
}

int caller_create(uv_loop_t *loop, struct http *http, struct caller **out) {
    struct caller *caller = calloc(1, sizeof *caller);
    if (!caller)
        return TG_ENO_MEMORY;
    caller->loop = loop;
    caller->http = http;
    caller->away.what = "coordinator";
    *out = caller;
    return 0;
}

void caller_destroy(struct caller *caller) {
    if (!caller)
        return;
    while (caller->calls)
        call_cancel(caller->calls);
    http_destroy(caller->http);
    free(caller);
}

void caller_on_misdirected(struct caller *caller, void (*misdirected)(void *context), void *context) {
    caller->misdirected = misdirected;
    caller->context = context;
}

void caller_set_coordinator(struct caller *caller, const char *id) {
    http_set_coordinator(caller->http, id);
}

int64_t caller_wall_ms(const struct caller *caller) {
    return http_wall_ms(caller->http);
}

bool caller_is_away(const struct caller *caller) {
    return caller->away.reason[0] != 0;
}
