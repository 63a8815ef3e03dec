/* service.c - what belongs to no resource: kinds, statistics, events, health, the API's own description, the
 * dashboard's files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/kinds/kind.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"
#include "server/api/jobs.h"
#include "server/api/openapi.h"
#include "server/http/assets.h"

void handle_kinds(struct http_request *request, void *context) {
    json_t *list = json_array();
    for (const struct kind *const *kind = kind_table(); *kind; kind++) {
        json_array_append_new(list, kind_describe(*kind));
    }
    http_reply_json(request, 200, json_pack("{s:o}", "kinds", list));
}

void handle_events(struct http_request *request, void *context) {
    events_serve(((struct api *)context)->events, request);
}

void handle_openapi(struct http_request *request, void *context) {
    http_reply_static(request, 200, "application/json", openapi_json, openapi_json_size);
}

void handle_not_implemented(struct http_request *request, void *context) {
    http_reply_error(request, TG_ENOT_IMPLEMENTED, NULL, "this server cannot do this yet");
}

void handle_asset(struct http_request *request, void *context) {
    const struct api *api = context;
    const char *path = http_path(request);
    assets_serve(request, api->settings.web, strcmp(path, "/") == 0 ? "index.html" : path + 1);
}

/* ---- health ---- */

void handle_healthz(struct http_request *request, void *context) {
    http_reply_static(request, 200, "application/json", "{\"status\":\"ok\"}", 15);
}

void handle_readyz(struct http_request *request, void *context) {
    struct api *api = context;
    struct store_space space;
    if (api->stopping) {
        http_reply_error(request, TG_ESHUTTING_DOWN, NULL, "the server is stopping");
    } else if (store_space(api->store, &space) != TG_OK || space.full) {
        http_reply_error(
            request, TG_EBUSY, "disk",
            "less than the floor is free on the disk: free some space; no new work is handed out");
    } else {
        http_reply_static(request, 200, "application/json", "{\"status\":\"ready\"}", 18);
    }
}

/* ---- GET /stats ---- */

struct stats_call {
    struct call call;
    int64_t jobs[JOB_STATE_COUNT];
    struct store_totals totals;
};

static int read_stats(struct store_tx *tx, void *arg, struct problem *problem) {
    struct stats_call *call = arg;
    int error = job_state_counts(tx, call->jobs);
    return error ? error : store_totals(tx, &call->totals);
}

static json_t *worker_counts(struct api *api) {
    int online = 0, offline = 0, runners = 0;
    size_t at = 0;
    const struct worker *worker;
    while ((worker = fleet_next(api->fleet, &at))) {
        if (fleet_is_online(api, worker)) {
            online++;
            runners += worker->runners;
        } else {
            offline++;
        }
    }
    return json_pack("{s:i, s:i, s:i}", "online", online, "offline", offline, "runners", runners);
}

struct joining {
    char command[600];
    char note[400]; /* what stands in the way, or is to be known; "" when nothing does */
};

static bool listens_on_loopback(const char *bind) {
    return strncmp(bind, "127.", 4) == 0 || strcmp(bind, "::1") == 0;
}

/* The command that joins another machine, by the address that whoever asks has reached us at. */
static void describe_joining(const struct stats_call *call, struct joining *out) {
    const struct api *api = call->call.api;
    const char *host = http_header(call->call.request, "Host"), *url = api->settings.public_url;
    bool tls = url ? strncmp(url, "https:", 6) == 0 : http_is_tls(call->call.request);
    snprintf(out->command, sizeof out->command, "tengen work --server %s%.200s%s%s",
             url   ? ""
             : tls ? "https://"
                   : "http://",
             url    ? url
             : host ? host
                    : "HOST",
             tls ? " --ca-file FILE" : "", api_is_tokenless(call->call.api) ? "" : " --token-file FILE");
    out->note[0] = 0;
    if (!url && listens_on_loopback(api->settings.bind)) {
        snprintf(out->note, sizeof out->note,
                 "This server listens on %s: other machines cannot reach it, only workers on this machine. "
                 "To let others in, start it with --bind 0.0.0.0%s%s.",
                 api->settings.bind, api_is_tokenless(call->call.api) ? ", --create-admin-token FILE" : "",
                 tls ? ""
                     : ", --tls-cert FILE and --tls-key FILE (or behind a proxy that speaks TLS, with "
                       "--public-url)");
    } else if (!url && (!host || http_names_loopback(host))) {
        snprintf(out->note, sizeof out->note,
                 "The address in this command is only right on this machine: open the dashboard by the name "
                 "that other machines know, or start the server with --public-url.");
    }
}

static void stats_read(void *arg, int error, const struct problem *problem) {
    struct stats_call *call = arg;
    struct api *api = call->call.api;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    struct joining joining;
    struct store_space space = {0};
    store_space(api->store, &space);
    describe_joining(call, &joining);
    json_t *jobs = json_object();
    for (int state = 0; state < JOB_STATE_COUNT; state++) {
        json_object_set_new(jobs, job_state_name((enum job_state)state), json_integer(call->jobs[state]));
    }
    http_reply_json(
        call->call.request, 200,
        json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:I, s:s, s:s}", "jobs", jobs, "workers",
                  worker_counts(api), "games", (json_int_t)call->totals.games, "chunks",
                  (json_int_t)call->totals.chunks, "chunk_bytes", (json_int_t)call->totals.chunk_bytes,
                  "checkpoints", (json_int_t)call->totals.checkpoints, "free_bytes",
                  (json_int_t)space.free_bytes, "disk_full", (int)space.full, "version", TENGEN_VERSION,
                  "uptime_s", (json_int_t)((clock_wall_ms() - api->started_ms) / 1000), "join",
                  joining.command, "join_note", joining.note));
}

void handle_stats(struct http_request *request, void *context) {
    struct stats_call *call = call_begin(request, context, sizeof *call);
    if (call) {
        call_read(&call->call, read_stats, stats_read);
    }
}
