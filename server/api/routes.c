/* routes.c - the table of all calls. proto/openapi.yaml describes each; a test holds the two together. */
#include "server/api/handlers.h"

#define JSON "application/json"
#define API  "/api/v1"

enum { SMALL = 64 << 10, LARGE = 1 << 20, BEAT = 8 << 20 };
/* Bodies of streams are bounded by api_settings, those of chunks by what a chunk can be at most (chunk.h). */
static const size_t any_size = (size_t)1 << 40, chunk_max = (size_t)256 << 20;

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define PAGE       "limit", "after"
static const char *const no_query[] = {NULL};

#define GET(path, who, fn)                                                                                   \
    { .method = "GET", .pattern = API path, .access = (who), .query = no_query, .handle = (fn) }
/* With the names that may stand in its query. */
#define ASK(path, who, fn, ...)                                                                              \
    { .method = "GET", .pattern = API path, .access = (who), .query = NAMES(__VA_ARGS__), .handle = (fn) }
#define DO(path, who, fn)                                                                                    \
    { .method = "POST", .pattern = API path, .access = (who), .query = no_query, .handle = (fn) }
#define POST(path, who, limit, fn)                                                                           \
    {                                                                                                        \
        .method = "POST", .pattern = API path, .access = (who), .query = no_query, .media = JSON,            \
        .body_limit = (limit), .handle = (fn)                                                                \
    }

static struct http_route routes[] = {
    /* the busiest first */
    GET("/jobs/{id}", MAY_VIEW, handle_job_get),
    POST("/tasks/{id}/beat", MAY_WORK, BEAT, handle_task_beat),
    POST("/workers/{id}/lease", MAY_WORK, LARGE, handle_worker_lease),
    {.method = "POST",
     .pattern = API "/tasks/{id}/chunks",
     .access = MAY_WORK,
     .media = "application/vnd.tengen.chunk",
     .query = NAMES("worker", "attempt", "seq"),
     .handle = handle_task_chunk},
    POST("/tasks/{id}/done", MAY_WORK, SMALL, handle_task_done),
    POST("/tasks/{id}/fail", MAY_WORK, SMALL, handle_task_fail),
    POST("/workers", MAY_WORK, SMALL, handle_worker_register),
    ASK("/streams/{id}", MAY_ANY, handle_stream_get, PAGE, "wait_s"),

    POST("/jobs", MAY_SUBMIT, LARGE, handle_jobs_submit),
    ASK("/jobs", MAY_VIEW, handle_jobs_list, PAGE, "state", "kind"),
    DO("/jobs/{id}/cancel", MAY_SUBMIT, handle_job_cancel),
    DO("/jobs/{id}/pause", MAY_SUBMIT, handle_job_pause),
    DO("/jobs/{id}/resume", MAY_SUBMIT, handle_job_resume),
    {.method = "PUT",
     .pattern = API "/jobs/{id}/retention",
     .access = MAY_SUBMIT,
     .query = no_query,
     .media = JSON,
     .body_limit = SMALL,
     .handle = handle_job_retention},
    ASK("/jobs/{id}/tasks", MAY_VIEW, handle_job_tasks, PAGE, "state"),
    ASK("/jobs/{id}/metrics", MAY_VIEW, handle_job_metrics, PAGE, "name"),
    ASK("/jobs/{id}/log", MAY_VIEW, handle_job_log, PAGE),
    ASK("/jobs/{id}/games", MAY_VIEW, handle_job_games, PAGE),
    GET("/jobs/{id}/live", MAY_VIEW, handle_job_live),
    ASK("/jobs/{id}/checkpoints", MAY_VIEW, handle_job_checkpoints, PAGE),
    GET("/jobs/{id}/reports", MAY_VIEW, handle_job_reports),

    ASK("/games", MAY_VIEW, handle_games_list, PAGE, "job", "player"),
    GET("/games/{id}.sgf", MAY_VIEW, handle_game_sgf),
    GET("/games/{id}", MAY_VIEW, handle_game_get),
    GET("/kinds", MAY_VIEW, handle_kinds),
    ASK("/workers", MAY_VIEW, handle_workers_list, PAGE),
    DO("/workers/{id}/drain", MAY_ADMIN, handle_worker_drain),
    DO("/workers/{id}/disable", MAY_ADMIN, handle_worker_disable),
    DO("/workers/{id}/enable", MAY_ADMIN, handle_worker_enable),
    DO("/workers/{id}/canary", MAY_WORK, handle_not_implemented),

    ASK("/checkpoints", MAY_VIEW, handle_checkpoints_list, PAGE),
    GET("/checkpoints/{sha256}", MAY_ANY, handle_checkpoint_get),
    {.method = "PUT",
     .pattern = API "/checkpoints",
     .access = MAY_SUBMIT | MAY_WORK,
     .media = "*",
     .stream = true,
     .query = NAMES("name"),
     .handle = handle_checkpoint_put},
    ASK("/datasets", MAY_VIEW, handle_datasets_list, PAGE),
    GET("/datasets/{id}", MAY_ANY, handle_dataset_get),
    {.method = "POST",
     .pattern = API "/datasets",
     .access = MAY_SUBMIT,
     .media = "*",
     .stream = true,
     .query = NAMES("name"),
     .handle = handle_dataset_post},

    {.method = "DELETE",
     .pattern = API "/datasets/{id}",
     .access = MAY_SUBMIT,
     .query = no_query,
     .handle = handle_dataset_delete},

    GET("/ratings", MAY_VIEW, handle_not_implemented),
    GET("/stats", MAY_VIEW, handle_stats),
    ASK("/events", MAY_VIEW, handle_events, "topics"),
    ASK("/tokens", MAY_ADMIN, handle_tokens_list, PAGE),
    POST("/tokens", MAY_ADMIN, SMALL, handle_tokens_create),
    {.method = "DELETE",
     .pattern = API "/tokens/{id}",
     .access = MAY_ADMIN,
     .query = no_query,
     .handle = handle_tokens_revoke},
    GET("/whoami", MAY_ANY, handle_whoami),
    POST("/session", 0, SMALL, handle_session_open),
    {.method = "DELETE", .pattern = API "/session", .query = no_query, .handle = handle_session_close},
    GET("/openapi.json", 0, handle_openapi),

    {.method = "GET", .pattern = "/healthz", .always = true, .handle = handle_healthz},
    {.method = "GET", .pattern = "/readyz", .always = true, .handle = handle_readyz},
    {.method = "GET", .pattern = "/metrics", .access = MAY_VIEW, .always = true, .handle = handle_metrics},
    {.method = "GET", .pattern = "/", .handle = handle_asset},
    {.method = "GET", .pattern = "/{file...}", .handle = handle_asset},
    {.method = NULL},
};

const struct http_route *api_routes(void) {
    return routes;
}

void api_limit_bodies(const struct api_settings *settings) {
    for (struct http_route *route = routes; route->method; route++) {
        if (route->stream) {
            route->body_limit = settings->upload_max < any_size ? (size_t)settings->upload_max : any_size;
        } else if (route->handle == handle_task_chunk) {
            route->body_limit = settings->body_max < chunk_max ? settings->body_max : chunk_max;
        }
    }
}
