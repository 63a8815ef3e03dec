/* http.c - see http.h. libcurl's multi interface without its own loop.
 *
 * The two worlds meet in four callbacks. curl says which sockets it waits for (on_socket) and until when
 * (on_timer); libuv says that a socket is ready (on_poll) or that the time has come (on_timeout), and both of
 * these end in reap(), which takes out what is complete.
 *
 * Ownership. A transfer belongs to its lane's list from http_start until it is complete or cancelled, then to
 * nobody: it is freed before done() is called, because done() may start another, cancel any, or destroy the
 * whole client. What done() is shown (the body, the problem) lives on transfer_complete's stack until it
 * returns. reap() looks at lane->multi after each one for the same reason.
 *
 * A watch (the poll handle of one socket) is freed by the closing's callback, not by curl's REMOVE: libuv
 * still has the handle until then. curl closes the socket right after REMOVE; uv_poll_stop comes before that,
 * so the loop never polls a number that has become another file.
 *
 * http_destroy frees the transfers first, then the multi handles, and the struct itself only when the loop
 * has run the closings of both timers.
 *
 * Limits: an answer's body HTTP_ANSWER_MAX; connecting CONNECT_TIMEOUT_S; without a timeout of its own a
 * request ends after STANDSTILL_S without a byte, so that a large upload over a thin line is not cut off
 * while it moves.
 *
 * Not done: HTTP/2. Two lanes of HTTP/1.1 connections keep the urgent from waiting behind the large, which
 * one multiplexed connection would have to be taught.
 */
#include "workers/agent/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <curl/curl.h>
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/json.h"
#include "proto/wire/no_connection.h"
#include "proto/wire/problem.h"

enum {
    CONNECT_TIMEOUT_S = 15,
    STANDSTILL_S = 60,
    BULK_CONNECTIONS = 4,
    CONTROL_PRIORITY = 6,
    CLOCK_TOLERANCE_MS = 10000
};

struct lane {
    struct http *http;
    CURLM *multi;
    uv_timer_t timer;
    struct http_transfer *transfers; /* list of those under way */
};

struct http {
    uv_loop_t *loop;
    char *server, *ca_file;
    char authorization[256];
    char coordinator[64]; /* "" until known */
    struct lane lanes[HTTP_LANES];
    int64_t clock_ahead_ms; /* the coordinator's clock before ours; 0: they agree */
    int open_handles;       /* timers still to close */
};

/* What curl knows of one socket: the poll handle that watches it. Freed by the closing's callback. */
struct watch {
    uv_poll_t poll;
    struct lane *lane;
    curl_socket_t socket;
};

struct http_transfer {
    struct lane *lane;
    struct http_transfer *next, **back;
    CURL *easy;
    struct curl_slist *headers;
    http_done_fn done;
    http_data_fn on_data;
    void *context, *data_context;
    struct buf body;
    char etag[HTTP_ETAG_MAX];
    char reason[CURL_ERROR_SIZE];
};

/* ---- the end of a transfer ---- */

static void transfer_free(struct http_transfer *transfer) {
    if (transfer->back) {
        *transfer->back = transfer->next;
        if (transfer->next)
            transfer->next->back = transfer->back;
        curl_multi_remove_handle(transfer->lane->multi, transfer->easy);
    }
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    buf_free(&transfer->body);
    free(transfer);
}

static void fill_unreachable(const struct http_transfer *transfer, CURLcode code, struct problem *problem) {
    const struct http *http = transfer->lane->http;
    struct no_connection failure = {.code = code, .own_ca = http->ca_file != NULL};
    curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &failure.verify);
    const char *hint = no_connection_hint(&failure);
    problem_set(problem, TG_EUNREACHABLE, NULL, "%.200s%s%s",
                transfer->reason[0] ? transfer->reason : curl_easy_strerror(code), hint[0] ? "; " : "", hint);
}

/* No answer, no problem, or the document that came; one that is none is read as what its status says. */
static void fill_problem(const struct http_transfer *transfer, CURLcode code, struct http_answer *answer) {
    if (answer->status == 0) {
        fill_unreachable(transfer, code, &answer->problem);
        return;
    }
    if (answer->status >= 200 && answer->status < 300)
        return;
    json_t *document = json_parse(answer->body, answer->size, NULL);
    problem_from_json(document, answer->status, &answer->problem);
    json_decref(document);
}

static void transfer_complete(struct http_transfer *transfer, CURLcode code) {
    struct http_answer answer = {.body = transfer->body.data, .size = transfer->body.size};
    long status = 0;
    curl_off_t retry_after = 0;
    if (code == CURLE_OK) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
    }
    answer.status = (int)status;
    answer.retry_after_s = retry_after > 0 ? (int64_t)retry_after : 0;
    snprintf(answer.etag, sizeof answer.etag, "%s", transfer->etag);
    fill_problem(transfer, code, &answer);
    http_done_fn done = transfer->done;
    void *context = transfer->context;
    struct buf body = transfer->body;
    transfer->body = (struct buf)BUF_INIT;
    transfer_free(transfer);
    done(context, &answer);
    buf_free(&body);
}

static void reap(struct lane *lane) {
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(lane->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *at = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &at);
        transfer_complete((struct http_transfer *)(void *)at, code);
        if (!lane->multi)
            return; /* the callback destroyed us */
    }
}

/* ---- curl's sockets and timer on the loop ---- */

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct watch *watch = poll->data;
    struct lane *lane = watch->lane;
    int flags = 0, running;
    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(lane->multi, watch->socket, flags, &running);
    reap(lane);
}

static void watch_closed(uv_handle_t *handle) {
    free(handle->data);
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *known) {
    struct lane *lane = context;
    struct watch *watch = known;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            uv_poll_stop(&watch->poll);
            curl_multi_assign(lane->multi, socket, NULL);
            uv_close((uv_handle_t *)&watch->poll, watch_closed);
        }
        return 0;
    }
    if (!watch) {
        watch = calloc(1, sizeof *watch);
        if (!watch)
            return -1;
        *watch = (struct watch){.lane = lane, .socket = socket};
        watch->poll.data = watch;
        if (uv_poll_init_socket(lane->http->loop, &watch->poll, socket) < 0) {
            free(watch);
            return -1;
        }
        curl_multi_assign(lane->multi, socket, watch);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_poll);
}

static void on_timeout(uv_timer_t *timer) {
    struct lane *lane = timer->data;
    int running;
    curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(lane);
}

static int on_timer(CURLM *multi, long timeout_ms, void *context) {
    struct lane *lane = context;
    if (timeout_ms < 0)
        uv_timer_stop(&lane->timer);
    else
        uv_timer_start(&lane->timer, on_timeout, (uint64_t)timeout_ms, 0);
    return 0;
}

/* ---- data in ---- */

static size_t on_write(char *data, size_t one, size_t size, void *context) {
    struct http_transfer *transfer = context;
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    /* What is not a 2xx is a problem document, and is collected whoever waits for data. */
    if (transfer->on_data && status >= 200 && status < 300) {
        bool taken = transfer->on_data(transfer->data_context, (int)status, transfer->etag, data, size);
        return taken ? size : CURL_WRITEFUNC_PAUSE;
    }
    return buf_append(&transfer->body, data, size) == 0 ? size : 0;
}

/* The value of the header line when it is this header's, without the spaces around it. */
static bool header_value(const char *line, size_t size, const char *name, char *out, size_t room) {
    size_t length = strlen(name);
    if (size <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
        return false;
    const char *at = line + length + 1, *end = line + size;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    if ((size_t)(end - at) >= room)
        return false;
    snprintf(out, room, "%.*s", (int)(end - at), at);
    return true;
}

/* A date has whole seconds and took a moment to come: small differences are none. Once known, a difference is
 * kept until it changes by as much again, so that the time that we tell does not jump with every answer. */
static void learn_clock(struct http *http, const char *date) {
    time_t theirs = curl_getdate(date, NULL);
    if (theirs < 0)
        return;
    int64_t ahead_ms = (int64_t)theirs * 1000 - clock_wall_ms();
    if (llabs(ahead_ms - http->clock_ahead_ms) < CLOCK_TOLERANCE_MS)
        return;
    if (llabs(ahead_ms) < CLOCK_TOLERANCE_MS)
        ahead_ms = 0;
    http->clock_ahead_ms = ahead_ms;
    if (ahead_ms != 0)
        log_warn("agent",
                 "this machine's clock is %lld s %s the coordinator's; what the agent tells it carries the "
                 "coordinator's time. Set the clock right: certificates depend on it, too",
                 llabs(ahead_ms) / 1000, ahead_ms > 0 ? "behind" : "ahead of");
}

static size_t on_header(char *line, size_t one, size_t size, void *context) {
    struct http_transfer *transfer = context;
    char date[64];
    (void)header_value(line, size, "etag", transfer->etag, sizeof transfer->etag);
    if (header_value(line, size, "date", date, sizeof date))
        learn_clock(transfer->lane->http, date);
    return size;
}

/* For the kernel's queue of this machine alone (socket(7), SO_PRIORITY): that is where an upload queues up. */
static int on_new_socket(void *context, curl_socket_t socket, curlsocktype purpose) {
    int priority = CONTROL_PRIORITY;
    (void)setsockopt(socket, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority);
    return CURL_SOCKOPT_OK;
}

/* ---- starting ---- */

static bool add_header(struct http_transfer *transfer, const char *name, const char *value) {
    char line[512];
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *more = curl_slist_append(transfer->headers, line);
    if (more)
        transfer->headers = more;
    return more != NULL;
}

static bool add_headers(struct http_transfer *transfer, const struct http_request *request) {
    const struct http *http = transfer->lane->http;
    bool fine = add_header(transfer, "Expect", ""); /* no 100-continue: it only costs a round trip here */
    if (http->authorization[0])
        fine = fine && add_header(transfer, "Authorization", http->authorization);
    if (http->coordinator[0])
        fine = fine && add_header(transfer, "X-Tengen-Coordinator", http->coordinator);
    if (request->content_type)
        fine = fine && add_header(transfer, "Content-Type", request->content_type);
    if (request->range_from > 0 && request->if_range)
        fine = fine && add_header(transfer, "If-Range", request->if_range);
    return fine;
}

static void set_method(CURL *easy, const struct http_request *request) {
    if (strcmp(request->method, "GET") == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    /* POSTFIELDS is not copied by curl: the body stays the caller's until done. Size before data, and data
     * even when there is none, else curl would read the body from stdin. */
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    if (strcmp(request->method, "POST") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_options(struct http_transfer *transfer, const struct http_request *request) {
    CURL *easy = transfer->easy;
    const struct http *http = transfer->lane->http;
    char url[2048];
    snprintf(url, sizeof url, "%s%s", http->server, request->path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* a token goes nowhere but to its coordinator */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "tengen-worker/" TENGEN_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 16384L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (request->timeout_s > 0) {
        curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)request->timeout_s);
    } else {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)STANDSTILL_S);
    }
    if (http->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
    if (request->lane == HTTP_CONTROL)
        curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_new_socket);
    if (request->range_from > 0)
        curl_easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)request->range_from);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    set_method(easy, request);
}

int http_start(struct http *http, const struct http_request *request, http_done_fn done, void *context,
               struct http_transfer **out) {
    struct http_transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return TG_ENO_MEMORY;
    transfer->lane = &http->lanes[request->lane];
    transfer->done = done;
    transfer->context = context;
    transfer->on_data = request->on_data;
    transfer->data_context = request->data_context;
    transfer->body.limit = HTTP_ANSWER_MAX;
    transfer->easy = curl_easy_init();
    if (!transfer->easy || !add_headers(transfer, request)) {
        transfer_free(transfer);
        return TG_ENO_MEMORY;
    }
    set_options(transfer, request);
    if (curl_multi_add_handle(transfer->lane->multi, transfer->easy) != CURLM_OK) {
        transfer_free(transfer);
        return TG_ENO_MEMORY;
    }
    transfer->next = transfer->lane->transfers;
    transfer->back = &transfer->lane->transfers;
    if (transfer->next)
        transfer->next->back = &transfer->next;
    transfer->lane->transfers = transfer;
    *out = transfer;
    return 0;
}

void http_cancel(struct http_transfer *transfer) {
    transfer_free(transfer);
}

void http_resume(struct http_transfer *transfer) {
    curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    /* The data that waited may have completed it without another event on the socket. */
    uv_timer_start(&transfer->lane->timer, on_timeout, 0, 0);
}

/* ---- the client ---- */

static int lane_open(struct http *http, struct lane *lane, long connections) {
    lane->http = http;
    uv_timer_init(http->loop, &lane->timer);
    lane->timer.data = lane;
    http->open_handles++;
    lane->multi = curl_multi_init();
    if (!lane->multi)
        return TG_ENO_MEMORY;
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections);
    curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, 4L);
    return 0;
}

/* Now, while somebody looks: a name with a typing error would be waited for in vain. */
static int check_ca_file(const char *path, struct problem *problem) {
    if (!path || access(path, R_OK) == 0)
        return 0;
    return problem_set(problem, TG_EINVALID, "ca_file", "%.300s cannot be read: %s", path, strerror(errno));
}

static int check_server(const char *server, struct problem *problem) {
    const char *host = strncmp(server, "http://", 7) == 0    ? server + 7
                       : strncmp(server, "https://", 8) == 0 ? server + 8
                                                             : NULL;
    if (!host || !*host || strlen(server) > 512 || strpbrk(host, "/?#@ "))
        return problem_set(
            problem, TG_EINVALID, "server",
            "must look like http://127.0.0.1:8080 or https://host:port, without a path, is %.200s", server);
    return 0;
}

int http_create(uv_loop_t *loop, const struct http_config *config, struct http **out,
                struct problem *problem) {
    char server[600];
    size_t length = strlen(config->server);
    snprintf(server, sizeof server, "%.*s",
             (int)(length > 0 && config->server[length - 1] == '/' ? length - 1 : length), config->server);
    int error = check_server(server, problem);
    if (!error)
        error = check_ca_file(config->ca_file, problem);
    if (error)
        return error;
    struct http *http = calloc(1, sizeof *http);
    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        free(http);
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    }
    http->loop = loop;
    http->server = strdup(server);
    http->ca_file = config->ca_file ? strdup(config->ca_file) : NULL;
    if (config->token)
        snprintf(http->authorization, sizeof http->authorization, "Bearer %s", config->token);
    error = lane_open(http, &http->lanes[HTTP_CONTROL], 0); /* 0: as many connections as it takes */
    if (!error)
        error = lane_open(http, &http->lanes[HTTP_BULK], BULK_CONNECTIONS);
    if (error || !http->server) {
        http_destroy(http);
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    }
    *out = http;
    return 0;
}

static void lane_closed(uv_handle_t *timer) {
    struct lane *lane = timer->data;
    struct http *http = lane->http;
    if (--http->open_handles > 0)
        return;
    free(http->server);
    free(http->ca_file);
    explicit_bzero(http->authorization, sizeof http->authorization);
    free(http);
}

void http_set_coordinator(struct http *http, const char *id) {
    snprintf(http->coordinator, sizeof http->coordinator, "%s", id);
}

void http_destroy(struct http *http) {
    for (int i = 0; http && i < HTTP_LANES; i++) {
        struct lane *lane = &http->lanes[i];
        if (!lane->http)
            continue;
        while (lane->transfers)
            transfer_free(lane->transfers); /* takes it out of the list: NOLINT(clang-analyzer-unix.Malloc) */
        CURLM *multi = lane->multi;
        if (multi)
            curl_multi_cleanup(multi);
        lane->multi = NULL;
        uv_close((uv_handle_t *)&lane->timer, lane_closed);
    }
}

int64_t http_wall_ms(const struct http *http) {
    return clock_wall_ms() + http->clock_ahead_ms;
}

const char *http_server(const struct http *http) {
    return http->server;
}
