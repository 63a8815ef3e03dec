/* core.c - what the handlers share: calls, lists, small JSON.
 *
 * Every handler is written in the same three parts: read and check (loop thread), `work` (a store thread),
 * `done` (loop thread again, and replies). The struct that goes through all three begins with struct call and
 * lives as long as the request, which cannot end before it was replied to; so nothing is freed by hand on the
 * way.
 *
 * Whatever fails is replied where it fails and ends the handler there: call_begin, call_json, call_param_id,
 * call_read and their like have replied already when they say no. A problem without words gets the error's
 * own title, so no answer is ever empty.
 *
 * A page of a list asks for one row more than it shows: that row only says that there is a next page
 * (list_add).
 */
#include "server/api/core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/wire/json.h"

/* ---- calls ---- */

void *call_begin(struct http_request *request, void *api, size_t size) {
    struct call *call = http_alloc(request, size);
    if (!call) {
        http_reply_error(request, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
        return NULL;
    }
    call->api = api;
    call->request = request;
    return call;
}

static void queue_failed(struct call *call, int error) {
    http_reply_error(call->request, error, NULL,
                     error == TG_EBUSY ? "too much is waiting for the disk; try again in a moment"
                                       : "the server cannot take this now; try again later");
}

void call_read(struct call *call, store_work work, store_done done) {
    int error = call->api->store ? store_read(call->api->store, work, done, call) : TG_ESHUTTING_DOWN;
    if (error) {
        queue_failed(call, error);
    }
}

void call_write(struct call *call, store_work work, store_done done) {
    int error = call->api->store ? store_write(call->api->store, work, done, call) : TG_ESHUTTING_DOWN;
    if (error) {
        queue_failed(call, error);
    }
}

void call_append(struct call *call, store_work work, store_done done) {
    int error = call->api->store ? store_append(call->api->store, work, done, call) : TG_ESHUTTING_DOWN;
    if (error) {
        queue_failed(call, error);
    }
}

bool call_failed(struct call *call, int error, const struct problem *problem) {
    if (!error) {
        return false;
    }
    struct problem said = *problem;
    said.error = error;
    if (!said.detail[0]) {
        problem_set(&said, error, NULL, "%s",
                    error == TG_ENOT_FOUND ? "there is no such thing" : tg_error_title(error));
    }
    http_reply_problem(call->request, &said);
    return true;
}

static void release_json(void *value) {
    json_decref(value);
}

void call_keep(struct http_request *request, json_t *value) {
    http_on_free(request, release_json, value);
}

json_t *call_json(struct http_request *request) {
    struct problem problem = {0};
    size_t size;
    const uint8_t *body = http_body(request, &size);
    json_t *value = NULL;
    if (size == 0) {
        problem_set(&problem, TG_EMISSING_FIELD, "body", "a JSON object is needed");
    } else {
        value = json_parse_object(body, size, &problem);
    }
    if (!value) {
        if (!problem.field[0]) {
            problem_prefix(&problem, "body");
        }
        http_reply_problem(request, &problem);
        return NULL;
    }
    if (http_on_free(request, release_json, value) != TG_OK) {
        http_reply_error(request, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
        return NULL;
    }
    return value;
}

int call_param_id(struct http_request *request, int64_t *id) {
    struct problem problem = {0};
    int error = http_param_id(request, 0, id, &problem);
    if (error) {
        http_reply_problem(request, &problem);
    }
    return error;
}

static int no_row(void *arg, const struct job_row *row) {
    return 0;
}

int call_job_exists(struct store_tx *tx, int64_t job, struct problem *problem) {
    int error = job_get(tx, job, no_row, NULL);
    return error == TG_ENOT_FOUND ? problem_set(problem, error, "id", "there is no job %lld", (long long)job)
                                  : error;
}

/* ---- lists ---- */

enum { LIST_FULL = 1 };

static void release_items(void *arg) {
    struct list_call *list = arg;
    json_decref(list->items);
}

struct list_call *list_begin(struct http_request *request, void *api, size_t size) {
    struct problem problem = {0};
    struct list_call *list = call_begin(request, api, size);
    if (!list) {
        return NULL;
    }
    int error = http_query_int(request, "limit", 1, 500, 50, &list->limit, &problem);
    if (!error) {
        error = http_query_int(request, "after", 0, INT64_MAX / 16, 0, &list->cursor, &problem);
    }
    if (error) {
        http_reply_problem(request, &problem);
        return NULL;
    }
    list->items = json_array();
    if (!list->items || http_on_free(request, release_items, list) != TG_OK) {
        http_reply_error(request, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
        return NULL;
    }
    return list;
}

int list_add(struct list_call *list, int64_t cursor, json_t *item) {
    if (json_array_size(list->items) == (size_t)list->limit) {
        json_decref(item);
        list->next = list->last;
        return LIST_FULL;
    }
    list->last = cursor;
    return json_array_append_new(list->items, item) == 0 ? 0 : TG_ENO_MEMORY;
}

int list_work_result(int error) {
    return error == LIST_FULL ? 0 : error;
}

void list_done(void *arg, int error, const struct problem *problem) {
    struct list_call *list = arg;
    if (call_failed(&list->call, error, problem)) {
        return;
    }
    char next[24];
    snprintf(next, sizeof next, "%" PRId64, list->next);
    json_t *items = list->items;
    list->items = NULL;
    http_reply_json(list->call.request, 200,
                    json_pack("{s:o, s:s?}", "items", items, "next", list->next ? next : NULL));
}

json_t *null_or_ms(int64_t ms) {
    return ms ? json_integer(ms) : json_null();
}

json_t *null_or_text_json(const char *text) {
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    return value ? value : json_null();
}

int64_t api_now(void) {
    return clock_monotonic_ms();
}
