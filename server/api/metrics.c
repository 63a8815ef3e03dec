/* metrics.c - GET /metrics in Prometheus' text format. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "server/api/fleet.h"
#include "server/api/handlers.h"

struct metrics_call {
    struct call call;
    int64_t jobs[JOB_STATE_COUNT];
    struct buf text;
};

static void head(struct buf *out, const char *name, const char *type, const char *help) {
    buf_printf(out, "# HELP tengen_%s %s\n# TYPE tengen_%s %s\n", name, help, name, type);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t value) {
    head(out, name, "counter", help);
    buf_printf(out, "tengen_%s %" PRIu64 "\n", name, value);
}

static void gauge(struct buf *out, const char *name, const char *help, double value) {
    head(out, name, "gauge", help);
    buf_printf(out, "tengen_%s %.17g\n", name, value);
}

/* ---- requests ---- */

static void name_route(char *out, size_t size, const struct http_route *route) {
    if (route->method) {
        snprintf(out, size, "method=\"%s\",route=\"%s\"", route->method, route->pattern);
    } else {
        snprintf(out, size, "method=\"\",route=\"other\"");
    }
}

static void route_statuses(struct buf *out, const char *labels, const struct http_route_stats *stats) {
    for (int i = 0; i < HTTP_STATUS_MAX && stats->statuses[i].count; i++) {
        buf_printf(out, "tengen_http_requests_total{%s,status=\"%d\"} %" PRIu64 "\n", labels,
                   stats->statuses[i].status, stats->statuses[i].count);
    }
}

static void route_histogram(struct buf *out, const char *labels, const struct http_route_stats *stats) {
    uint64_t sum = 0;
    for (int i = 0; i < HTTP_BUCKETS; i++) {
        sum += stats->buckets[i];
        buf_printf(out, "tengen_http_request_seconds_bucket{%s,le=\"%g\"} %" PRIu64 "\n", labels,
                   http_bucket_bounds[i], sum);
    }
    buf_printf(out, "tengen_http_request_seconds_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", labels, stats->count);
    buf_printf(out, "tengen_http_request_seconds_sum{%s} %.9g\n", labels, stats->seconds);
    buf_printf(out, "tengen_http_request_seconds_count{%s} %" PRIu64 "\n", labels, stats->count);
}

static void requests(struct buf *out, const struct api *api) {
    typedef void (*write_fn)(struct buf *, const char *, const struct http_route_stats *);
    static const write_fn writers[] = {route_statuses, route_histogram};
    for (int part = 0; part < 2; part++) {
        head(out, part ? "http_request_seconds" : "http_requests_total", part ? "histogram" : "counter",
             part ? "Time from a request's first line to the end of its answer"
                  : "Requests by route and status");
        const struct http_route *route = api_routes();
        for (int i = 0;; i++, route++) {
            const struct http_route_stats *stats = http_route_stats(api->http, route->method ? i : -1);
            char labels[160];
            name_route(labels, sizeof labels, route);
            if (stats->count) {
                writers[part](out, labels, stats);
            }
            if (!route->method) {
                break;
            }
        }
    }
}

static void edge(struct buf *out, const struct api *api) {
    struct http_stats stats;
    http_stats(api->http, &stats);
    gauge(out, "http_connections", "Open connections", stats.connections);
    gauge(out, "http_requests_in_flight", "Requests being served", stats.requests);
    gauge(out, "http_body_bytes", "Bytes of bodies held in memory", (double)stats.held_bytes);
    gauge(out, "http_requests_suspended", "Requests that wait for the disk or for something to happen",
          stats.suspended);
    counter(out, "http_connections_accepted_total", "Connections accepted", stats.accepted);
    counter(out, "http_connections_refused_total", "Connections refused by a limit", stats.refused);
    counter(out, "http_requests_rate_limited_total", "Requests refused by the rate limit",
            stats.rate_limited);
    counter(out, "http_timeouts_total", "Connections cut because they were too slow", stats.timed_out);
    gauge(out, "sse_clients", "Listeners to events", events_clients(api->events));
    counter(out, "events_total", "Events published", events_published(api->events));
}

/* ---- work ---- */

static void work(struct buf *out, struct metrics_call *call) {
    struct api *api = call->call.api;
    struct sched_stats sched;
    sched_stats(api->sched, &sched);
    head(out, "jobs", "gauge", "Jobs by state");
    for (int state = 0; state < JOB_STATE_COUNT; state++) {
        buf_printf(out, "tengen_jobs{state=\"%s\"} %" PRId64 "\n", job_state_name((enum job_state)state),
                   call->jobs[state]);
    }
    gauge(out, "tasks_leased", "Tasks at work", (double)sched.leased);
    gauge(out, "tasks_waiting", "Tasks that wait for another attempt", (double)sched.waiting);
    gauge(out, "jobs_ready", "Jobs that have a task to give away", (double)sched.ready_jobs);
    int online = 0, offline = 0, parked = 0;
    size_t at = 0;
    const struct worker *worker;
    while ((worker = fleet_next(api->fleet, &at))) {
        bool here = fleet_is_online(api, worker);
        online += here;
        offline += !here;
        parked += worker->parked != NULL;
    }
    head(out, "workers", "gauge", "Workers by presence");
    buf_printf(out, "tengen_workers{state=\"online\"} %d\ntengen_workers{state=\"offline\"} %d\n", online,
               offline);
    gauge(out, "workers_parked", "Workers that wait for work", parked);
    counter(out, "leases_granted_total", "Leases granted", api->counters.leases_granted);
    counter(out, "leases_lapsed_total", "Leases lapsed", api->counters.leases_lapsed);
    counter(out, "leases_regranted_total", "Lapsed leases that their holder took on again",
            api->counters.leases_regranted);
    counter(out, "beats_total", "Beats", api->counters.beats);
    counter(out, "tasks_done_total", "Tasks done", api->counters.tasks_done);
    counter(out, "tasks_failed_total", "Attempts failed", api->counters.tasks_failed);
    counter(out, "chunks_total", "Chunks stored", api->counters.chunks);
    counter(out, "chunk_bytes_total", "Bytes of chunks stored", api->counters.chunk_bytes);
}

static void storage(struct buf *out, struct api *api) {
    struct store_counts counts;
    struct store_space space = {0};
    store_counts(api->store, &counts);
    store_space(api->store, &space);
    counter(out, "store_commits_total", "Write transactions on disk", counts.commits);
    counter(out, "store_writes_total", "Requests in them", counts.writes);
    counter(out, "store_failed_total", "Writes that failed", counts.failed);
    counter(out, "store_reads_total", "Reads", counts.reads);
    head(out, "store_commit_seconds_total", "counter", "Time spent in commits");
    buf_printf(out, "tengen_store_commit_seconds_total %.6f\n", (double)counts.commit_ns * 1e-9);
    gauge(out, "store_queue", "Requests that wait for the store", store_pending(api->store));
    gauge(out, "disk_free_bytes", "Free space where the database is", (double)space.free_bytes);
    gauge(out, "disk_full", "1 when less than the floor is free", space.full);
}

/* ---- the process ---- */

static double resident_bytes(void) {
    char text[128] = "", *at = text;
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long resident = 0;
    if (file && fgets(text, sizeof text, file)) { /* "SIZE RESIDENT ...", in pages */
        (void)strtoul(at, &at, 10);
        resident = strtoul(at, &at, 10);
    }
    if (file) {
        fclose(file);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void process(struct buf *out, const struct api *api) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    buf_printf(
        out,
        "# HELP process_cpu_seconds_total Processor time used\n# TYPE process_cpu_seconds_total counter\n"
        "process_cpu_seconds_total %.3f\n",
        cpu);
    buf_printf(out,
               "# HELP process_resident_memory_bytes Resident memory\n"
               "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %.0f\n",
               resident_bytes());
    buf_printf(out,
               "# HELP process_start_time_seconds Start time\n# TYPE process_start_time_seconds gauge\n"
               "process_start_time_seconds %.3f\n",
               (double)api->started_ms * 1e-3);
}

/* ---- the call ---- */

static int read_counts(struct store_tx *tx, void *arg, struct problem *problem) {
    return job_state_counts(tx, ((struct metrics_call *)arg)->jobs);
}

static void counts_read(void *arg, int error, const struct problem *problem) {
    struct metrics_call *call = arg;
    struct buf *out = &call->text;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    head(out, "info", "gauge", "The server");
    buf_printf(out, "tengen_info{version=\"%s\"} 1\n", TENGEN_VERSION);
    requests(out, call->call.api);
    edge(out, call->call.api);
    work(out, call);
    storage(out, call->call.api);
    process(out, call->call.api);
    http_reply_buf(call->call.request, 200, "text/plain; version=0.0.4; charset=utf-8", out);
}

void handle_metrics(struct http_request *request, void *context) {
    struct metrics_call *call = call_begin(request, context, sizeof *call);
    if (call) {
        call_read(&call->call, read_counts, counts_read);
    }
}
