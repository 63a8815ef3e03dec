/* ingest_http.c - chunks through HTTP: starts a tengen-server on loopback, registers as a worker with a lease
 * for each of 8 keep-alive connections, and posts chunks on all of them from one thread. The client is as
 * small as it can be, because it shares the processors with the server that it measures. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/wire/json.h"
#include "tests/bench/ingest.h"

struct connection {
    int fd;
    int64_t task, attempt, seq;
    struct buf in, out;
};

struct side {
    pid_t server;
    int port;
    int64_t worker;
    struct connection control, posts[BENCH_CONNECTIONS];
};

/* ---- HTTP ---- */

static void dial(struct connection *connection, int port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        bench_die("connect", 0, NULL);
}

static void hang_up(struct connection *connection) {
    close(connection->fd);
    buf_free(&connection->in);
    buf_free(&connection->out);
}

static void send_request(struct connection *connection, const char *method, const char *target,
                         const char *type, const void *body, size_t size) {
    struct buf *out = &connection->out;
    buf_clear(out);
    int error = buf_printf(
        out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", method,
        target, type, size);
    if (!error)
        error = buf_append(out, body, size);
    if (error)
        bench_die("request", error, NULL);
    for (size_t sent = 0; sent < out->size;) {
        ssize_t n = send(connection->fd, out->data + sent, out->size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            bench_die("send", 0, NULL);
        sent += (size_t)n;
    }
    buf_clear(&connection->in);
}

/* Reads once; true when the answer is complete: *body points into connection->in. */
static bool receive(struct connection *connection, int *status, const char **body, size_t *size) {
    struct buf *in = &connection->in;
    if (buf_reserve(in, 1 << 16) != 0)
        bench_die("receive", TG_ENO_MEMORY, NULL);
    ssize_t n = recv(connection->fd, in->data + in->size, (1 << 16) - 1, 0);
    if (n <= 0)
        bench_die("receive", 0, NULL);
    in->size += (size_t)n;
    in->data[in->size] = 0;
    const char *text = (const char *)in->data, *end = strstr(text, "\r\n\r\n"),
               *length = strcasestr(text, "\r\ncontent-length:");
    if (end == NULL)
        return false;
    *status = (int)strtol(text + strlen("HTTP/1.1 "), NULL, 10);
    *size = length != NULL && length < end ? strtoul(length + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    *body = end + 4;
    return in->size >= (size_t)(*body - text) + *size;
}

/* One call on the control connection; the answer's JSON, or NULL when it has none. */
static json_t *call(struct side *side, const char *method, const char *target, const char *body) {
    int status = 0;
    const char *answer = NULL;
    size_t size = 0;
    send_request(&side->control, method, target, "application/json", body, strlen(body));
    while (!receive(&side->control, &status, &answer, &size))
        ;
    if (status < 200 || status > 299) {
        fprintf(stderr, "ingest: %s %s: %d %.*s\n", method, target, status, (int)size, answer);
        exit(1);
    }
    return json_parse_object(answer, size, NULL);
}

static double counter(struct side *side, const char *name) {
    send_request(&side->control, "GET", "/metrics", "text/plain", "", 0);
    int status = 0;
    const char *answer = NULL, *line = NULL;
    size_t size = 0;
    while (!receive(&side->control, &status, &answer, &size))
        ;
    line = strstr(answer, name);
    if (status != 200 || line == NULL)
        bench_die(name, TG_ENOT_FOUND, NULL);
    return strtod(line + strlen(name), NULL);
}

/* ---- set-up ---- */

static int read_port(const char *file, pid_t server) {
    for (int tries = 0; tries < 200; tries++) {
        char text[16] = "";
        FILE *in = fopen(file, "r");
        bool got = in != NULL && fgets(text, sizeof text, in) != NULL && strchr(text, '\n') != NULL;
        if (in != NULL)
            fclose(in);
        if (got)
            return (int)strtol(text, NULL, 10);
        if (waitpid(server, NULL, WNOHANG) != 0)
            break;
        usleep(50000);
    }
    bench_die("tengen-server did not start", TG_EUNREACHABLE, NULL);
}

static void start_server(struct side *side, const char *program, const char *folder) {
    char data[512], port_file[512];
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(port_file, sizeof port_file, "%s/port", folder);
    side->server = fork();
    if (side->server == 0) {
        execl(program, program, "--port", "0", "--port-file", port_file, "--data", data, (char *)NULL);
        bench_die(program, 0, NULL);
    }
    if (side->server < 0)
        bench_die("fork", 0, NULL);
    side->port = read_port(port_file, side->server);
}

static void lease_tasks(struct side *side) {
    char target[64];
    snprintf(target, sizeof target, "/api/v1/workers/%lld/lease", (long long)side->worker);
    json_t *answer = call(side, "POST", target, "{\"free\": 8, \"wait_s\": 1}");
    json_t *tasks = json_object_get(answer, "tasks");
    if (json_array_size(tasks) != BENCH_CONNECTIONS)
        bench_die("lease: not one task for each connection", TG_EWRONG_STATE, NULL);
    for (size_t i = 0; i < BENCH_CONNECTIONS; i++) {
        const json_t *task = json_array_get(tasks, i);
        side->posts[i].task = json_integer_value(json_object_get(task, "id"));
        side->posts[i].attempt = json_integer_value(json_object_get(task, "attempt"));
        dial(&side->posts[i], side->port);
    }
    json_decref(answer);
}

void *http_side_start(const char *program, const char *folder) {
    struct side *side = calloc(1, sizeof *side);
    if (side == NULL)
        bench_die("start", TG_ENO_MEMORY, NULL);
    start_server(side, program, folder);
    dial(&side->control, side->port);
    json_decref(call(side, "POST", "/api/v1/jobs",
                     "{\"kind\": \"selfplay\", \"name\": \"ingest\", \"config\": {\"games\": 80}}"));
    json_t *worker = call(side, "POST", "/api/v1/workers",
                          "{\"name\": \"ingest\", \"instance\": \"00000000000000000000000000000001\", "
                          "\"protocol\": {\"min\": 1, \"max\": 1},"
                          " \"runners\": 8, \"capabilities\": [\"kind:selfplay\"], \"machine\": {\"os\": "
                          "\"\", \"cpu\": \"\", \"isa\": \"\","
                          " \"cores\": 1, \"memory_bytes\": 1, \"version\": \"\"}}");
    side->worker = json_integer_value(json_object_get(worker, "id"));
    json_decref(worker);
    lease_tasks(side);
    return side;
}

/* ---- the round ---- */

static void post_chunk(struct side *side, struct connection *post, const struct buf *chunk) {
    char target[160];
    snprintf(target, sizeof target, "/api/v1/tasks/%lld/chunks?worker=%lld&attempt=%lld&seq=%lld",
             (long long)post->task, (long long)side->worker, (long long)post->attempt, (long long)post->seq);
    send_request(post, "POST", target, "application/vnd.tengen.chunk", chunk->data, chunk->size);
}

static bool answered(struct connection *post) {
    int status = 0;
    const char *body = NULL;
    size_t size = 0;
    if (!receive(post, &status, &body, &size))
        return false;
    if (status != 201) {
        fprintf(stderr, "ingest: chunk: %d %.*s\n", status, (int)size, body);
        exit(1);
    }
    post->seq++;
    return true;
}

double http_side_round(void *arg, const struct buf *chunk, double seconds, double *group) {
    struct side *side = arg;
    struct pollfd polls[BENCH_CONNECTIONS];
    double commits = counter(side, "\ntengen_store_commits_total "),
           writes = counter(side, "\ntengen_store_writes_total ");
    int64_t start = clock_monotonic_ns(), end = start + (int64_t)(seconds * 1e9), chunks = 0;
    int open = BENCH_CONNECTIONS;
    for (int i = 0; i < BENCH_CONNECTIONS; i++) {
        polls[i] = (struct pollfd){.fd = side->posts[i].fd, .events = POLLIN};
        post_chunk(side, &side->posts[i], chunk);
    }
    while (open > 0) {
        if (poll(polls, BENCH_CONNECTIONS, -1) < 0 && errno != EINTR)
            bench_die("poll", 0, NULL);
        for (int i = 0; i < BENCH_CONNECTIONS; i++) {
            if (polls[i].revents == 0 || !answered(&side->posts[i]))
                continue;
            chunks++;
            if (clock_monotonic_ns() < end) {
                post_chunk(side, &side->posts[i], chunk);
            } else {
                polls[i].fd = -1;
                open--;
            }
        }
    }
    double elapsed = (double)(clock_monotonic_ns() - start) / 1e9;
    *group = (counter(side, "\ntengen_store_writes_total ") - writes) /
             (counter(side, "\ntengen_store_commits_total ") - commits);
    return (double)chunks / elapsed;
}

void http_side_stop(void *arg) {
    struct side *side = arg;
    for (int i = 0; i < BENCH_CONNECTIONS; i++)
        hang_up(&side->posts[i]);
    hang_up(&side->control);
    kill(side->server, SIGTERM);
    waitpid(side->server, NULL, 0);
    free(side);
}
