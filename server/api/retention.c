/* retention.c - how much of a job's experience is kept: read from a document, and changed later. The store
 * drops the rest from time to time (turn.c). */
#include "proto/wire/json.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"

static const int64_t chunks_max = 1000000000000, seconds_max = 10000000000; /* proto/openapi.yaml */

static int read_members(const json_t *value, struct retention *out, struct problem *problem) {
    static const char *const names[] = {"chunks", "seconds", NULL};
    if (!json_is_object(value)) {
        return problem_set(
            problem, TG_EWRONG_TYPE, NULL,
            "must be an object: {\"chunks\": N, \"seconds\": S}, 0 for all of them and for ever");
    }
    int error = json_only(value, names, problem);
    if (!error) {
        error = json_get_int_or(value, "chunks", 0, chunks_max, 0, &out->chunks, problem);
    }
    return error ? error : json_get_int_or(value, "seconds", 0, seconds_max, 0, &out->seconds, problem);
}

int retention_read(const json_t *value, struct retention *out, struct problem *problem) {
    *out = (struct retention){0};
    int error = value ? read_members(value, out, problem) : TG_OK;
    if (error) {
        problem_prefix(problem, "retention");
    }
    return error;
}

struct retention_call {
    struct call call;
    int64_t id;
    struct retention retention;
};

static int set_retention(struct store_tx *tx, void *arg, struct problem *problem) {
    const struct retention_call *call = arg;
    return job_set_retention(tx, call->id, &call->retention, problem);
}

static void retention_set(void *arg, int error, const struct problem *problem) {
    struct retention_call *call = arg;
    struct api *api = call->call.api;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    jobs_touch(api->jobs, call->id);
    jobs_reply(call->call.request, api, call->id);
    api_write_back(api); /* whoever asks for less wants the space now */
}

void handle_job_retention(struct http_request *request, void *context) {
    struct problem problem = {0};
    struct retention_call *call = call_begin(request, context, sizeof *call);
    if (!call || call_param_id(request, &call->id) != TG_OK) {
        return;
    }
    const json_t *body = call_json(request);
    if (!body) {
        return;
    }
    if (read_members(body, &call->retention, &problem) != TG_OK) {
        http_reply_problem(request, &problem);
        return;
    }
    call_write(&call->call, set_retention, retention_set);
}
