/* job_lists.c - what belongs to a job: tasks (a list), metrics and log lines (NDJSON, oldest first). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/wire/json.h"
#include "server/api/handlers.h"

/* ---- tasks ---- */

struct tasks_call {
    struct list_call list;
    int64_t job;
    unsigned states;
};

static json_t *task_json(const struct task_row *row) {
    json_t *worker = row->worker ? json_integer(row->worker) : json_null();
    return json_pack("{s:I, s:I, s:I, s:s, s:I, s:I, s:i, s:o, s:s?, s:o, s:o, s:o}", "id",
                     (json_int_t)row->id, "job", (json_int_t)row->job, "index", (json_int_t)row->index,
                     "state", task_state_name(row->state), "units", (json_int_t)row->units, "done",
                     (json_int_t)row->units_done, "attempt", row->attempt, "worker", worker, "worker_name",
                     row->worker_name, "leased_ms", null_or_ms(row->leased_ms), "ended_ms",
                     null_or_ms(row->ended_ms), "error", null_or_text_json(row->error));
}

static int add_task(void *arg, const struct task_row *row) {
    return list_add(arg, row->id, task_json(row));
}

static int list_tasks(struct store_tx *tx, void *arg, struct problem *problem) {
    struct tasks_call *call = arg;
    int error = call_job_exists(tx, call->job, problem);
    if (error) {
        return error;
    }
    return list_work_result(task_list(tx, call->job, call->states, call->list.cursor,
                                      (int)call->list.limit + 1, add_task, &call->list));
}

void handle_job_tasks(struct http_request *request, void *context) {
    struct tasks_call *call = (struct tasks_call *)list_begin(request, context, sizeof *call);
    if (!call || call_param_id(request, &call->job) != TG_OK) {
        return;
    }
    const char *state = http_query(request, "state");
    enum task_state wanted;
    if (state && task_state_parse(state, &wanted) != TG_OK) {
        http_reply_error(request, TG_EOUT_OF_RANGE, "state",
                         "must be pending, leased, done, failed or cancelled, is %.40s", state);
        return;
    }
    call->states = state ? 1u << wanted : 0;
    call_read(&call->list.call, list_tasks, list_done);
}

/* ---- lines ---- */

enum { LINES_MAX = 10000, LINES_BYTES = 4 << 20, LINES_FULL = 1 };
/* What a metric's name may hold; so it can stand in a link as it is. */
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/"

struct lines_call {
    struct call call;
    int64_t job, cursor, limit, last;
    int count;
    bool full;               /* there may be more */
    const char *name, *path; /* of metrics; for the link to the next page */
    struct buf text;
};

static int add_line(struct lines_call *call, int64_t cursor, json_t *line) {
    int error = line ? json_append(&call->text, line) : TG_ENO_MEMORY;
    json_decref(line);
    call->last = cursor;
    call->count++;
    error = error ? error : buf_append(&call->text, "\n", 1);
    call->full = call->count == call->limit || call->text.size >= LINES_BYTES;
    return error ? error : call->full ? LINES_FULL : 0;
}

static int add_metric(void *arg, const struct metric_row *row) {
    return add_line(arg, row->cursor,
                    json_pack("{s:s, s:I, s:f, s:I}", "name", row->name, "step", (json_int_t)row->step,
                              "value", row->value, "time_ms", (json_int_t)row->time_ms));
}

static int add_log(void *arg, const struct log_row *row) {
    return add_line(arg, row->cursor,
                    json_pack("{s:I, s:I, s:i, s:s, s:s}", "time_ms", (json_int_t)row->time_ms, "task",
                              (json_int_t)row->task, "attempt", row->attempt, "level", row->level, "text",
                              row->text));
}

static int list_metrics(struct store_tx *tx, void *arg, struct problem *problem) {
    struct lines_call *call = arg;
    int error = call_job_exists(tx, call->job, problem);
    if (!error) {
        error = metric_list(tx, call->job, call->name, call->cursor, (int)call->limit, add_metric, call);
    }
    return error == LINES_FULL ? 0 : error;
}

static int list_log(struct store_tx *tx, void *arg, struct problem *problem) {
    struct lines_call *call = arg;
    int error = call_job_exists(tx, call->job, problem);
    if (!error) {
        error = log_list(tx, call->job, call->cursor, (int)call->limit, add_log, call);
    }
    return error == LINES_FULL ? 0 : error;
}

static void lines_listed(void *arg, int error, const struct problem *problem) {
    struct lines_call *call = arg;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    if (call->full) {
        char link[256];
        snprintf(link, sizeof link,
                 "</api/v1/jobs/%" PRId64 "/%s?limit=%" PRId64 "&after=%" PRId64 "%s%.100s>; rel=next",
                 call->job, call->path, call->limit, call->last, call->name ? "&name=" : "",
                 call->name ? call->name : "");
        http_add_header(call->call.request, "Link", link);
    }
    http_reply_buf(call->call.request, 200, "application/x-ndjson", &call->text);
}

static void release_text(void *arg) {
    buf_free(&((struct lines_call *)arg)->text);
}

static void lines(struct http_request *request, void *context, const char *path, store_work work) {
    struct problem problem = {0};
    struct lines_call *call = call_begin(request, context, sizeof *call);
    if (!call || call_param_id(request, &call->job) != TG_OK) {
        return;
    }
    call->path = path;
    call->name = work == list_metrics ? http_query(request, "name") : NULL;
    int error = http_query_int(request, "after", 0, INT64_MAX / 16, 0, &call->cursor, &problem);
    if (!error) {
        error = http_query_int(request, "limit", 1, LINES_MAX, LINES_MAX, &call->limit, &problem);
    }
    if (!error && call->name && strspn(call->name, NAME_BYTES) != strlen(call->name)) {
        error = problem_set(&problem, TG_EINVALID, "name", "no metric has such a name");
    }
    if (!error) {
        error = http_on_free(request, release_text, call);
    }
    if (!call_failed(&call->call, error, &problem)) {
        call_read(&call->call, work, lines_listed);
    }
}

void handle_job_metrics(struct http_request *request, void *context) {
    lines(request, context, "metrics", list_metrics);
}

void handle_job_log(struct http_request *request, void *context) {
    lines(request, context, "log", list_log);
}
