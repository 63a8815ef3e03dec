/* request_parts.c - what a request carries: what handlers ask of it, what they leave with it until it is freed,
 * and holding it back from MHD while an answer is being found. Its life is in request.c. */
#include "server/http/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- what handlers ask ---- */

const struct http_route *http_route_of(const struct http_request *request) {
    return request->route;
}

const char *http_path(const struct http_request *request) {
    return request->path;
}

const char *http_param(const struct http_request *request, int index) {
    TG_ASSERT(index < request->params.count);
    return request->params.text[index];
}

static bool whole_number(const char *text, int64_t *out) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != 0) {
        return false;
    }
    *out = (int64_t)strtoll(text, NULL, 10);
    return true;
}

int http_param_id(const struct http_request *request, int index, int64_t *id, struct problem *problem) {
    const char *text = http_param(request, index);
    if (!whole_number(text, id) || *id < 1) {
        return problem_set(problem, TG_ENOT_FOUND, "id", "an id is a positive whole number, not %.40s", text);
    }
    return TG_OK;
}

const char *http_query(const struct http_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

int http_query_int(const struct http_request *request, const char *name, int64_t min, int64_t max,
                   int64_t fallback, int64_t *out, struct problem *problem) {
    const char *text = http_query(request, name);
    *out = fallback;
    if (!text) {
        return TG_OK;
    }
    int64_t value;
    if (!whole_number(text, &value) || value < min || value > max) {
        return problem_set(problem, whole_number(text, &value) ? TG_EOUT_OF_RANGE : TG_EWRONG_TYPE, name,
                           "must be a whole number from %lld to %lld, is %.40s", (long long)min,
                           (long long)max, text);
    }
    *out = value;
    return TG_OK;
}

const char *http_header(const struct http_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *http_cookie(const struct http_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, name);
}

const uint8_t *http_body(const struct http_request *request, size_t *size) {
    *size = request->body.size;
    return request->body.data;
}

bool http_peer_is_loopback(const struct http_request *request) {
    return request->conn->loopback;
}

bool http_is_tls(const struct http_request *request) {
    return request->server->tls;
}

bool http_peer_is_gone(const struct http_request *request) {
    char byte;
    ssize_t got = recv(request->conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0;
}

/* ---- what they leave with it ---- */

void http_set_user(struct http_request *request, int64_t id, int role, const char *name) {
    request->user_id = id;
    request->user_role = role;
    request->user_name = name;
}

int64_t http_user_id(const struct http_request *request) {
    return request->user_id;
}

int http_user_role(const struct http_request *request) {
    return request->user_role;
}

const char *http_user_name(const struct http_request *request) {
    return request->user_name ? request->user_name : "";
}

static struct request_memory *add_memory(struct http_request *request, size_t size) {
    struct request_memory *memory = calloc(1, sizeof *memory + size);
    if (memory) {
        memory->next = request->memory;
        request->memory = memory;
    }
    return memory;
}

void *http_alloc(struct http_request *request, size_t size) {
    struct request_memory *memory = add_memory(request, size);
    return memory ? memory->data : NULL;
}

int http_on_free(struct http_request *request, void (*release)(void *arg), void *arg) {
    struct request_memory *memory = add_memory(request, 0);
    if (!memory) {
        release(arg);
        return TG_ENO_MEMORY;
    }
    memory->release = release;
    memory->arg = arg;
    return TG_OK;
}

/* ---- held back ---- */

void request_suspend(struct http_request *request) {
    TG_ASSERT(!request->suspended);
    request->suspended = true;
    request->server->stats.suspended++;
    conn_stop_waiting(request->conn); /* it is us who hold it up */
    MHD_suspend_connection(request->connection);
}

void request_resume(struct http_request *request) {
    TG_ASSERT(request->suspended);
    request->suspended = false;
    request->server->stats.suspended--;
    if (request->has_body && !request->body_done) {
        conn_await_body(request->server, request->conn);
    }
    MHD_resume_connection(request->connection);
    http_kick(request->server);
}
