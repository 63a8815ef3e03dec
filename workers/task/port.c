/* port.c - see port.h.
 *
 * Out, everything blocks: a runner that is ahead of its agent waits in write(2), which is the agent's way of
 * holding it back. An error there means that the agent is gone; the port then orders to stop, and whoever
 * computes finds that out the next time it asks, so no result has to be looked at on the way.
 *
 * In, orders are looked for without waiting whenever port_order() is asked. An order only grows stronger, and
 * may come from a signal handler as well: it is one sig_atomic_t, and nothing else is touched there.
 *
 * Progress is held back to four times a second and then sent with a later call, so that a game of a thousand
 * moves a second does not fill the pipe with pictures of itself. Chunks never wait behind it.
 *
 * Chunks are numbered here, from 0 in each process; what the attempt adds to that is the agent's
 * (attempt_runner.c). */
#include "workers/task/port.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/wire/chunk.h"
#include "proto/wire/frame.h"
#include "proto/wire/json.h"
#include "workers/task/keep.h"
#include "workers/task/people.h"

enum { PROGRESS_MS = 250, ALIVE_MS = 10000, READ_BYTES = 65536 };

struct port {
    int in_fd, out_fd;
    enum port_form form;
    struct people people; /* PORT_TEXT */
    struct frame_decoder decoder;
    volatile sig_atomic_t order; /* enum order */
    int64_t seq, units;
    int64_t step;        /* the highest of a metric or checkpoint */
    const char *folder;  /* port_keep(); NULL: nothing is kept here */
    int64_t progress_ms; /* when progress was last sent */
    bool held;           /* something moved since */
    json_t *live;        /* the last that was given, owned */
};

struct port *port_create(int in_fd, int out_fd, enum port_form form) {
    struct port *port = calloc(1, sizeof(*port));
    if (!port)
        return NULL;
    port->in_fd = in_fd;
    port->out_fd = out_fd;
    port->form = form;
    port->progress_ms = clock_monotonic_ms() - PROGRESS_MS;
    frame_decoder_init(&port->decoder);
    return port;
}

void port_destroy(struct port *port) {
    if (!port)
        return;
    frame_decoder_free(&port->decoder);
    people_free(&port->people);
    json_decref(port->live);
    free(port);
}

void port_interrupt(struct port *port, enum order order) {
    if ((int)order > port->order)
        port->order = (sig_atomic_t)order;
}

void port_keep(struct port *port, const char *folder) {
    port->folder = folder;
}

int64_t port_units(const struct port *port) {
    return port->units;
}

int port_fd(const struct port *port) {
    return port->in_fd;
}

/* ---- In ---- */

/* Reads what is there (at least something when it blocks) into the decoder. */
static int feed(struct port *port) {
    uint8_t bytes[READ_BYTES];
    ssize_t got;
    do
        got = read(port->in_fd, bytes, sizeof(bytes));
    while (got < 0 && errno == EINTR && port->order != ORDER_STOP);
    if (got <= 0) {
        port->in_fd = -1;
        return TG_EUNREACHABLE;
    }
    return frame_decoder_feed(&port->decoder, bytes, (size_t)got);
}

int port_receive_task(struct port *port, json_t **task, struct problem *problem) {
    for (;;) {
        struct frame frame;
        int got = frame_decoder_next(&port->decoder, &frame, problem);
        if (got < 0)
            return got;
        if (got == 0) {
            int error = feed(port);
            if (error)
                return problem_set(problem, error, NULL, "the input ended before a task came");
            continue;
        }
        const char *type = json_string_value(json_object_get(frame.header, "type"));
        json_t *found = json_object_get(frame.header, "task");
        bool is_task = type && strcmp(type, "task") == 0 && json_is_object(found);
        *task = is_task ? json_incref(found) : NULL;
        frame_free(&frame);
        return is_task ? 0 : problem_set(problem, TG_EINVALID, "type", "the first frame must be a task");
    }
}

static void obey(struct port *port, const json_t *header) {
    const char *type = json_string_value(json_object_get(header, "type"));
    const char *mode = json_string_value(json_object_get(header, "mode"));
    if (!type || strcmp(type, "stop") != 0)
        return; /* frames of a later protocol are none of ours */
    port_interrupt(port, mode && strcmp(mode, "drain") == 0 ? ORDER_DRAIN : ORDER_STOP);
}

/* 0, or the decoder's error. */
static int take_orders(struct port *port) {
    for (;;) {
        struct frame frame;
        int got = frame_decoder_next(&port->decoder, &frame, NULL);
        if (got <= 0)
            return got;
        obey(port, frame.header);
        frame_free(&frame);
    }
}

enum order port_order(struct port *port) {
    while (port->in_fd >= 0) {
        int error = take_orders(port); /* what came with the last bytes, first */
        struct pollfd ready = {.fd = port->in_fd, .events = POLLIN};
        if (!error && poll(&ready, 1, 0) <= 0)
            break;
        if (!error)
            error = feed(port);
        if (error) {
            port->in_fd = -1;
            port_interrupt(port, ORDER_STOP);
        }
    }
    return (enum order)port->order;
}

/* ---- Out ---- */

static int write_text(struct port *port, const char *text, size_t size) {
    while (size > 0) {
        ssize_t wrote = write(port->out_fd, text, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return TG_EIO;
        text += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

/* The header without what would fill the screen. */
static int append_json_line(const json_t *header, struct buf *out) {
    json_t *shown = json_deep_copy(header);
    json_object_del(shown, "live");
    json_object_del(json_object_get(shown, "game"), "sgf");
    int error = shown ? json_append(out, shown) : TG_ENO_MEMORY;
    json_decref(shown);
    return error ? error : buf_append_text(out, "\n");
}

static int send_lines(struct port *port, const json_t *header) {
    struct buf lines = BUF_INIT;
    int error = port->form == PORT_TEXT ? people_tell(&port->people, header, &lines)
                                        : append_json_line(header, &lines);
    if (!error)
        error = write_text(port, (const char *)lines.data, lines.size);
    buf_free(&lines);
    return error;
}

/* Takes over the header. */
static int send_frame(struct port *port, json_t *header, const void *body, size_t body_size) {
    if (!header)
        return TG_ENO_MEMORY;
    int error = port->form == PORT_FRAMES ? frame_write(port->out_fd, header, body, body_size)
                                          : send_lines(port, header);
    json_decref(header);
    if (error)
        port_interrupt(port, ORDER_STOP);
    return error;
}

int port_hello(struct port *port) {
    return send_frame(
        port, json_pack("{s:s, s:i, s:i}", "type", "hello", "protocol", 1, "pid", (int)getpid()), NULL, 0);
}

static int send_progress(struct port *port) {
    json_t *live = port->live ? json_incref(port->live) : json_array();
    port->progress_ms = clock_monotonic_ms();
    port->held = false;
    return send_frame(
        port, json_pack("{s:s, s:I, s:o}", "type", "progress", "done", (json_int_t)port->units, "live", live),
        NULL, 0);
}

int port_progress(struct port *port, const json_t *live) {
    json_t *copy = live ? json_deep_copy(live) : NULL;
    json_decref(port->live);
    port->live = copy;
    port->held = true;
    return clock_monotonic_ms() - port->progress_ms >= PROGRESS_MS ? send_progress(port) : 0;
}

int port_alive(struct port *port) {
    int64_t since = clock_monotonic_ms() - port->progress_ms;
    return since >= ALIVE_MS || (port->held && since >= PROGRESS_MS) ? send_progress(port) : 0;
}

/* The frame of a chunk whose bytes are `encoded`, empty when they are kept here. `shown`: what people see of
 * it (game, checkpoint or report of the chunk's header). */
static int send_chunk(struct port *port, const json_t *header, const struct buf *encoded) {
    static const char *const shown[] = {"game", "checkpoint", "report"};
    json_int_t units = json_integer_value(json_object_get(header, "units"));
    json_t *frame =
        json_pack("{s:s, s:I, s:I}", "type", "chunk", "seq", (json_int_t)port->seq, "units", units);
    for (size_t i = 0;
         frame && (port->form != PORT_FRAMES || port->folder) && i < sizeof(shown) / sizeof(shown[0]); i++)
        if (json_object_get(header, shown[i]))
            json_object_set(frame, shown[i], json_object_get(header, shown[i]));
    int error = send_frame(port, frame, encoded->data, encoded->size);
    if (error)
        return error;
    port->seq++;
    port->units += units;
    return 0;
}

int port_chunk(struct port *port, const json_t *header, const void *body, size_t body_size) {
    struct buf chunk = BUF_INIT;
    int error = chunk_encode(&chunk, header, body, body_size);
    if (!error && port->folder) {
        error = keep_chunk(port->folder, port->seq + 1, chunk.data, chunk.size);
        buf_clear(&chunk);
    }
    if (!error)
        error = send_chunk(port, header, &chunk);
    buf_free(&chunk);
    return error;
}

int port_units_done(struct port *port, int64_t units) {
    json_t *header = json_pack("{s:s, s:I, s:{}}", "type", "units", "units", (json_int_t)units, "counters");
    int error = header ? port_chunk(port, header, NULL, 0) : TG_ENO_MEMORY;
    json_decref(header);
    return error;
}

static bool good_name(const char *name) {
    size_t length = strlen(name);
    return length > 0 && length <= PORT_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

/* A chunk without units: `type` names it and its member {"name", "step"}. */
static json_t *named_header(const char *type, const char *name, int64_t step) {
    return json_pack("{s:s, s:i, s:{}, s:{s:s, s:I}}", "type", type, "units", 0, "counters", type, "name",
                     name, "step", (json_int_t)step);
}

/* Takes over the header. When kept here, the file is there already. */
static int send_named(struct port *port, json_t *header, const struct buf *body) {
    struct buf chunk = BUF_INIT;
    int error = header ? 0 : TG_ENO_MEMORY;
    if (!error && !port->folder)
        error = chunk_encode(&chunk, header, body->data, body->size);
    if (!error)
        error = send_chunk(port, header, &chunk);
    json_decref(header);
    buf_free(&chunk);
    return error;
}

static void note_step(struct port *port, int64_t step) {
    if (step > port->step)
        port->step = step;
}

int port_checkpoint(struct port *port, const char *name, int64_t step, const char *path) {
    if (!good_name(name) || step < 0)
        return TG_EINVALID;
    struct buf file = {.limit = CHUNK_RAW_MAX};
    int error = keep_read_file(path, &file);
    if (!error && port->folder)
        error = keep_file(port->folder, name, "safetensors", file.data, file.size);
    note_step(port, step);
    if (!error)
        error = send_named(port, named_header("checkpoint", name, step), &file);
    buf_free(&file);
    return error;
}

int port_report(struct port *port, const char *name, const json_t *data) {
    if (!good_name(name) || !json_is_object(data))
        return TG_EINVALID;
    struct buf text = BUF_INIT;
    int error = json_append(&text, data);
    if (!error && port->folder)
        error = keep_file(port->folder, name, "json", text.data, text.size);
    if (!error)
        error = send_named(port, named_header("report", name, port->step), &text);
    buf_free(&text);
    return error;
}

int port_metric(struct port *port, const char *name, int64_t step, double value) {
    note_step(port, step);
    return send_frame(port,
                      json_pack("{s:s, s:s, s:I, s:f}", "type", "metric", "name", name, "step",
                                (json_int_t)step, "value", value),
                      NULL, 0);
}

int port_done(struct port *port) {
    return send_frame(port, json_pack("{s:s, s:I}", "type", "done", "units", (json_int_t)port->units), NULL,
                      0);
}

int port_fail(struct port *port, const struct problem *problem) {
    return send_frame(port,
                      json_pack("{s:s, s:s, s:s, s:s}", "type", "fail", "code", tg_error_code(problem->error),
                                "detail", problem->detail, "field", problem->field),
                      NULL, 0);
}
