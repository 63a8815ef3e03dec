/* workers.c - registration, and what people see of workers and do with them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/json.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"

enum { PROTOCOL = 1, CAPABILITIES_MAX = 256 };

/* ---- POST /workers ---- */

struct register_call {
    struct call call;
    struct worker_new worker;
    char *machine, *capabilities;
    int64_t id;
    bool created;
    enum worker_state state;
    int64_t created_ms;
    int64_t forgotten; /* to make room; 0: nobody */
};

static int check_protocol(const json_t *body, struct problem *problem) {
    const json_t *range;
    int64_t min = 0, max = 0;
    int error = json_get_object(body, "protocol", &range, problem);
    if (!error) {
        error = json_get_int(range, "min", 1, 1000000, &min, problem);
    }
    if (!error) {
        error = json_get_int(range, "max", 1, 1000000, &max, problem);
    }
    if (error) {
        return error;
    }
    if (min > PROTOCOL || max < PROTOCOL) {
        return problem_set(
            problem, TG_EPROTOCOL, "protocol",
            "this server speaks protocol %d, the worker %lld to %lld; bring the older of the two up to "
            "date",
            PROTOCOL, (long long)min, (long long)max);
    }
    return TG_OK;
}

static int check_instance(const char *instance, struct problem *problem) {
    if (strlen(instance) != 32 || strspn(instance, "0123456789abcdef") != 32) {
        return problem_set(problem, TG_EINVALID, "instance",
                           "must be 32 hexadecimal digits that stay the same");
    }
    return TG_OK;
}

static int check_capabilities(const json_t *list, struct problem *problem) {
    if (!json_is_array(list) || json_array_size(list) > CAPABILITIES_MAX) {
        return problem_set(problem, list ? TG_EOUT_OF_RANGE : TG_EMISSING_FIELD, "capabilities",
                           "must be a list of at most %d strings", CAPABILITIES_MAX);
    }
    size_t index;
    json_t *name;
    json_array_foreach(list, index, name) {
        if (!json_is_string(name) || json_string_length(name) == 0 || json_string_length(name) > 100) {
            return problem_set(problem, TG_EWRONG_TYPE, "capabilities",
                               "each must be a string of 1 to 100 bytes");
        }
    }
    return TG_OK;
}

static int check_registration(struct register_call *call, const json_t *body, struct problem *problem) {
    static const char *const names[] = {"name",         "instance", "protocol", "runners",
                                        "capabilities", "machine",  NULL};
    int64_t runners = 0;
    const json_t *machine;
    const json_t *capabilities = json_object_get(body, "capabilities");
    int error =
        check_protocol(body, problem); /* first: what a newer worker says otherwise may be new to us */
    if (!error) {
        error = json_only(body, names, problem);
    }
    if (!error) {
        error = json_get_string(body, "name", 100, &call->worker.name, problem);
    }
    if (!error) {
        error = json_get_string(body, "instance", 32, &call->worker.instance, problem);
    }
    if (!error) {
        error = check_instance(call->worker.instance, problem);
    }
    if (!error) {
        error = json_get_int(body, "runners", 0, 10000, &runners, problem);
    }
    if (!error) {
        error = check_capabilities(capabilities, problem);
    }
    if (!error) {
        error = json_get_object(body, "machine", &machine, problem);
    }
    if (error) {
        return error;
    }
    call->worker.runners = (int)runners;
    call->worker.machine = call->machine = json_text(machine);
    call->worker.capabilities = call->capabilities = json_text(capabilities);
    if (call->machine && strlen(call->machine) > 8192) {
        return problem_set(problem, TG_ETOO_LARGE, "machine", "may have 8192 bytes");
    }
    return call->machine && call->capabilities ? TG_OK : TG_ENO_MEMORY;
}

static int take_state(void *arg, const struct worker_row *row) {
    struct register_call *call = arg;
    call->state = row->state;
    call->created_ms = row->created_ms;
    return 0;
}

static int write_worker(struct store_tx *tx, void *arg, struct problem *problem) {
    struct register_call *call = arg;
    int error = call->forgotten ? worker_forget(tx, call->forgotten) : TG_OK;
    error = error ? error : worker_register(tx, &call->worker, &call->id, &call->created);
    return error ? error : worker_get(tx, call->id, take_state, call);
}

static void registered(void *arg, int error, const struct problem *problem) {
    struct register_call *call = arg;
    struct api *api = call->call.api;
    struct worker_row row = {.id = call->id,
                             .instance = call->worker.instance,
                             .name = call->worker.name,
                             .machine = call->machine,
                             .capabilities = call->capabilities,
                             .runners = call->worker.runners,
                             .state = call->state,
                             .created_ms = call->created_ms,
                             .seen_ms = call->worker.now_ms};
    if (!error) {
        error = fleet_set(api, &row);
    }
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    struct worker *worker = fleet_find(api->fleet, call->id);
    log_info("api", "worker %lld (%s) has registered", (long long)call->id, worker->name);
    worker->token = http_user_id(call->call.request); /* who knows the instance may speak for it */
    fleet_seen(api, worker);
    fleet_publish(api, worker);
    jobs_weather(api->jobs);
    api_changed(api);
    http_reply_json(call->call.request, call->created ? 201 : 200,
                    json_pack("{s:I, s:s, s:i, s:i, s:i}", "id", (json_int_t)call->id, "coordinator",
                              api->coordinator, "protocol", PROTOCOL, "beat_s", api->settings.lease_s / 3,
                              "lease_s", api->settings.lease_s));
}

static void release_texts(void *arg) {
    struct register_call *call = arg;
    free(call->machine);
    free(call->capabilities);
}

void handle_worker_register(struct http_request *request, void *context) {
    struct problem problem = {0};
    json_t *body = call_json(request);
    struct register_call *call;
    if (!body || !(call = call_begin(request, context, sizeof *call))) {
        return;
    }
    int error = http_on_free(request, release_texts, call);
    call->worker.now_ms = clock_wall_ms();
    if (!error) {
        error = check_registration(call, body, &problem);
    }
    if (!error) {
        error = fleet_make_room(call->call.api, call->worker.instance, &call->forgotten, &problem);
    }
    if (!call_failed(&call->call, error, &problem)) {
        call_write(&call->call, write_worker, registered);
    }
}

/* ---- the list: all of it is in memory ---- */

static int newest_first(const void *a, const void *b) {
    int64_t left = (*(struct worker *const *)a)->id, right = (*(struct worker *const *)b)->id;
    return (left < right) - (left > right);
}

static struct worker **sorted(struct fleet *fleet, size_t *count) {
    size_t at = 0, room = 0;
    struct worker *worker, **list = NULL;
    *count = 0;
    while ((worker = fleet_next(fleet, &at))) {
        if (*count == room) {
            room = room ? 2 * room : 64;
            struct worker **bigger = realloc(list, room * sizeof(struct worker *));
            if (!bigger) {
                free(list);
                return NULL;
            }
            list = bigger;
        }
        list[(*count)++] = worker;
    }
    if (list) {
        qsort(list, *count, sizeof(struct worker *), newest_first);
    }
    return list;
}

void handle_workers_list(struct http_request *request, void *context) {
    struct api *api = context;
    struct list_call *list = list_begin(request, context, sizeof *list);
    if (!list) {
        return;
    }
    size_t count;
    struct worker **workers = sorted(api->fleet, &count);
    for (size_t i = 0; i < count && workers; i++) {
        if ((list->cursor == 0 || workers[i]->id < list->cursor) &&
            list_add(list, workers[i]->id, worker_json(api, workers[i])) != 0) {
            break;
        }
    }
    free(workers);
    struct problem none = {0};
    list_done(list, TG_OK, &none);
}

/* ---- steering ---- */

struct steer_call {
    struct call call;
    int64_t id;
    enum worker_state state;
};

static int write_state(struct store_tx *tx, void *arg, struct problem *problem) {
    struct steer_call *call = arg;
    int error = worker_set_state(tx, call->id, call->state);
    return error == TG_ENOT_FOUND
               ? problem_set(problem, error, "id", "there is no worker %lld", (long long)call->id)
               : error;
}

static void state_written(void *arg, int error, const struct problem *problem) {
    struct steer_call *call = arg;
    struct api *api = call->call.api;
    struct worker *worker = fleet_find(api->fleet, call->id);
    if (!error && !worker) {
        error = TG_ENOT_FOUND;
    }
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    fleet_set_state(api, worker, call->state);
    http_reply_json(call->call.request, 200, worker_json(api, worker));
}

static void steer(struct http_request *request, void *context, enum worker_state state) {
    struct steer_call *call = call_begin(request, context, sizeof *call);
    if (call && call_param_id(request, &call->id) == TG_OK) {
        call->state = state;
        call_write(&call->call, write_state, state_written);
    }
}

void handle_worker_drain(struct http_request *request, void *context) {
    steer(request, context, WORKER_DRAIN);
}

void handle_worker_disable(struct http_request *request, void *context) {
    steer(request, context, WORKER_DISABLED);
}

void handle_worker_enable(struct http_request *request, void *context) {
    steer(request, context, WORKER_ENABLED);
}
