/* agents.c - many agents in one process: what a coordinator must bear. Used by the script beside it.
 *
 *     agents PORT AGENTS SECONDS WORK_MS BEAT_MS
 *
 * Each agent has two connections, as the real one: on the first it registers, leases, "works" WORK_MS, sends
 * one chunk, says done, and leases again; on the second it beats every BEAT_MS while it holds a task.
 * Latencies are from the moment a request is written to the moment its answer is complete; of leases only
 * those that brought a task count. Prints one JSON object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/wire/chunk.h"

enum { SAMPLES_MAX = 1 << 20, HEAD_MAX = 512 };

struct samples {
    double *ms;
    size_t count;
};

struct agent;
typedef void (*answer_fn)(struct agent *agent, int status, const char *body);

struct line {
    struct agent *agent;
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct buf in;
    int64_t sent_ns;
    answer_fn then;
};

struct agent {
    int number;
    struct line calls, beats;
    uv_timer_t work, beat;
    long worker, task, attempt, sequence;
    long stored; /* units that an earlier attempt has stored: then there is nothing left to send */
};

static uv_loop_t *loop;
static struct samples leases, beats, results;
static long done_tasks, errors;
static struct buf chunk;
static int port, work_ms, beat_ms;

static void lease(struct agent *agent);
static void open_line(struct agent *agent, struct line *line);
static void on_beat(uv_timer_t *timer);

static void add(struct samples *samples, double ms) {
    if (samples->count < SAMPLES_MAX) {
        samples->ms[samples->count++] = ms;
    }
}

static double since_ms(const struct line *line) {
    return (double)(clock_monotonic_ns() - line->sent_ns) * 1e-6;
}

static void die(const char *what) {
    fprintf(stderr, "agents: %s\n", what);
    exit(1);
}

/* ---- one connection ---- */

static void on_written(uv_write_t *request, int status) {
    free(request->data);
    free(request);
}

static void send_request(struct line *line, const char *method_path, const char *type, const void *body,
                         size_t size, answer_fn then) {
    struct buf out = BUF_INIT;
    uv_write_t *request = calloc(1, sizeof *request);
    buf_printf(&out, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
               method_path, type, size);
    buf_append(&out, body, size);
    if (!request || !out.data) {
        die("out of memory");
    }
    size_t bytes;
    request->data = buf_take(&out, &bytes);
    line->then = then;
    line->sent_ns = clock_monotonic_ns();
    uv_buf_t piece = uv_buf_init(request->data, (unsigned)bytes);
    if (uv_write(request, (uv_stream_t *)&line->tcp, &piece, 1, on_written) != 0) {
        die("cannot write");
    }
}

static void post(struct line *line, const char *path, const char *body, answer_fn then) {
    char head[HEAD_MAX + 8];
    snprintf(head, sizeof head, "POST %s", path);
    send_request(line, head, "application/json", body, strlen(body), then);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    static char memory[65536];
    *out = uv_buf_init(memory, sizeof memory);
}

/* A whole answer? Calls back with it. */
static void take_answer(struct line *line) {
    const char *text = (const char *)line->in.data, *end = text ? strstr(text, "\r\n\r\n") : NULL;
    const char *length = end ? strstr(text, "Content-Length: ") : NULL;
    if (!length || length > end) {
        return;
    }
    size_t head = (size_t)(end + 4 - text), size = strtoul(length + 16, NULL, 10);
    if (line->in.size < head + size) {
        return;
    }
    int status = (int)strtol(text + 9, NULL, 10);
    answer_fn then = line->then;
    char *body = strndup(text + head, size);
    buf_consume(&line->in, head + size);
    if (status >= 400 && errors++ < 3) {
        fprintf(stderr, "agents: %d %s\n", status, body);
    }
    then(line->agent, status, body);
    free(body);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *data) {
    struct line *line = stream->data;
    if (count < 0) {
        die("the server has hung up");
    }
    buf_append(&line->in, data->base, (size_t)count);
    take_answer(line);
}

static long number_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at ? strtol(at + strlen(key), NULL, 10) : 0;
}

/* ---- an agent ---- */

static void on_done(struct agent *agent, int status, const char *body) {
    done_tasks += status == 200;
    lease(agent);
}

static void say_done(struct agent *agent, int chunks) {
    char path[HEAD_MAX], text[HEAD_MAX];
    snprintf(path, sizeof path, "/api/v1/tasks/%ld/done", agent->task);
    snprintf(text, sizeof text, "{\"worker\":%ld,\"attempt\":%ld,\"chunks\":%d}", agent->worker,
             agent->attempt, chunks);
    agent->task = 0; /* a beat would come too late from here on */
    post(&agent->calls, path, text, on_done);
}

static void on_chunk(struct agent *agent, int status, const char *body) {
    add(&results, since_ms(&agent->calls));
    say_done(agent, 1);
}

static void on_worked(uv_timer_t *timer) {
    struct agent *agent = timer->data;
    char head[HEAD_MAX];
    if (agent->stored > 0) {
        say_done(agent, 0);
        return;
    }
    snprintf(head, sizeof head, "POST /api/v1/tasks/%ld/chunks?worker=%ld&attempt=%ld&seq=0", agent->task,
             agent->worker, agent->attempt);
    send_request(&agent->calls, head, "application/vnd.tengen.chunk", chunk.data, chunk.size, on_chunk);
}

static void on_leased(struct agent *agent, int status, const char *body) {
    const char *task = strstr(body, "\"tasks\":[{");
    if (!task) {
        lease(agent);
        return;
    }
    add(&leases, since_ms(&agent->calls));
    agent->task = number_after(task, "\"id\":");
    agent->attempt = number_after(task, "\"attempt\":");
    agent->stored = number_after(task, "\"units_done\":");
    agent->sequence = 0;
    uv_timer_start(&agent->work, on_worked, (uint64_t)work_ms, 0);
}

static void lease(struct agent *agent) {
    char path[HEAD_MAX];
    snprintf(path, sizeof path, "/api/v1/workers/%ld/lease", agent->worker);
    post(&agent->calls, path, "{\"free\":1,\"wait_s\":30,\"holding\":[]}", on_leased);
}

static void on_beaten(struct agent *agent, int status, const char *body) {
    add(&beats, since_ms(&agent->beats));
    agent->beats.then = NULL;
}

static void on_beat(uv_timer_t *timer) {
    struct agent *agent = timer->data;
    char path[HEAD_MAX], text[HEAD_MAX];
    if (!agent->beats.agent) {
        open_line(agent, &agent->beats); /* comes back here once it is open */
        return;
    }
    if (!agent->task || agent->beats.then) {
        return;
    }
    snprintf(path, sizeof path, "/api/v1/tasks/%ld/beat", agent->task);
    snprintf(text, sizeof text,
             "{\"worker\":%ld,\"attempt\":%ld,\"sequence\":%ld,\"progress\":{\"done\":0,\"rate_per_s\":1,"
             "\"live\":[]},"
             "\"metrics\":[],\"log\":[]}",
             agent->worker, agent->attempt, ++agent->sequence);
    post(&agent->beats, path, text, on_beaten);
}

static void on_registered(struct agent *agent, int status, const char *body) {
    agent->worker = number_after(body, "\"id\":");
    uv_timer_start(&agent->beat, on_beat, (uint64_t)(agent->number * 7919 % beat_ms), (uint64_t)beat_ms);
    lease(agent);
}

static void enroll(struct agent *agent) {
    char text[HEAD_MAX];
    snprintf(text, sizeof text,
             "{\"name\":\"agent %d\",\"instance\":\"%032d\",\"protocol\":{\"min\":1,\"max\":1},\"runners\":1,"
             "\"capabilities\":[\"kind:selfplay\"],\"machine\":{}}",
             agent->number, agent->number);
    post(&agent->calls, "/api/v1/workers", text, on_registered);
}

static void on_connected(uv_connect_t *connect, int status) {
    struct line *line = connect->data;
    if (status != 0) {
        die("cannot connect");
    }
    uv_tcp_nodelay(&line->tcp, 1);
    uv_read_start((uv_stream_t *)&line->tcp, on_alloc, on_read);
    if (line == &line->agent->calls) {
        enroll(line->agent);
    } else {
        on_beat(&line->agent->beat);
    }
}

static void open_line(struct agent *agent, struct line *line) {
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", port, &address);
    line->agent = agent;
    uv_tcp_init(loop, &line->tcp);
    line->tcp.data = line->connect.data = line;
    if (uv_tcp_connect(&line->connect, &line->tcp, (struct sockaddr *)&address, on_connected) != 0) {
        die("cannot connect");
    }
}

static void on_start(uv_timer_t *timer) {
    struct agent *agent = timer->data;
    open_line(agent, &agent->calls);
}

static void start(struct agent *agent, int number) {
    agent->number = number;
    uv_timer_init(loop, &agent->work);
    uv_timer_init(loop, &agent->beat);
    agent->work.data = agent->beat.data = agent;
    uv_timer_start(&agent->work, on_start, (uint64_t)number, 0); /* one a millisecond */
}

/* ---- the result ---- */

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double quantile(struct samples *samples, double q) {
    if (samples->count == 0) {
        return -1;
    }
    qsort(samples->ms, samples->count, sizeof *samples->ms, by_value);
    return samples->ms[(size_t)(q * (double)(samples->count - 1))];
}

static void on_time(uv_timer_t *timer) {
    uv_stop(loop);
}

static void make_chunk(void) {
    json_t *header = json_pack("{s:s, s:i, s:{s:i}}", "type", "bench", "units", 1, "counters", "games", 1);
    if (chunk_encode(&chunk, header, "x", 1) != TG_OK) {
        die("cannot make a chunk");
    }
    json_decref(header);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        die("usage: agents PORT AGENTS SECONDS WORK_MS BEAT_MS");
    }
    int count = (int)strtol(argv[2], NULL, 10), seconds = (int)strtol(argv[3], NULL, 10);
    struct agent *agents = calloc((size_t)count, sizeof *agents);
    struct samples *all[] = {&leases, &beats, &results};
    uv_timer_t end;
    port = (int)strtol(argv[1], NULL, 10);
    work_ms = (int)strtol(argv[4], NULL, 10);
    beat_ms = (int)strtol(argv[5], NULL, 10);
    loop = uv_default_loop();
    for (int i = 0; i < 3; i++) {
        all[i]->ms = calloc(SAMPLES_MAX, sizeof(double));
    }
    make_chunk();
    for (int i = 0; agents && i < count; i++) {
        start(&agents[i], i);
    }
    uv_timer_init(loop, &end);
    uv_timer_start(&end, on_time, 1000 * (uint64_t)seconds, 0);
    uv_run(loop, UV_RUN_DEFAULT);
    printf("{\"agents\": %d, \"seconds\": %d, \"tasks\": %ld, \"errors\": %ld, \"leases\": %zu, "
           "\"lease_p50_ms\": %.3f, "
           "\"lease_p99_ms\": %.3f, \"beats\": %zu, \"beat_p50_ms\": %.3f, \"beat_p99_ms\": %.3f, "
           "\"chunk_p99_ms\": %.3f}\n",
           count, seconds, done_tasks, errors, leases.count, quantile(&leases, 0.5), quantile(&leases, 0.99),
           beats.count, quantile(&beats, 0.5), quantile(&beats, 0.99), quantile(&results, 0.99));
    return errors ? 1 : 0;
}
