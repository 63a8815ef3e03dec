/* port.h - a runner's connection to its agent: results go out as frames, orders come in.
 *
 * Frames are docs/protocol.md's; by hand, each may be a line of JSON without its body instead, or what people
 * read of it (people.h). Everything is
 * written at once (blocking): when port_chunk() has returned, the unit is the agent's. Orders are looked for
 * without waiting, and a runner that waits for something else can wait for port_fd() too.
 *
 * When the agent is gone (end of input, or nobody reads), the order is to stop: nothing could be delivered.
 * One thread, except port_interrupt().
 */
#ifndef TENGEN_TASK_PORT_H
#define TENGEN_TASK_PORT_H

#include <jansson.h>
#include "proto/base/error.h"

enum order {
    ORDER_GO,
    ORDER_DRAIN, /* finish the units that have begun, begin none */
    ORDER_STOP,  /* give up at once */
};

struct port;

enum port_form {
    PORT_FRAMES,
    PORT_JSON, /* a line for each frame's header, without what would fill the screen */
    PORT_TEXT,
};

/* in_fd: where orders come from, -1 when nowhere. Ignore SIGPIPE before. NULL: out of memory. */
struct port *port_create(int in_fd, int out_fd, enum port_form form);
void port_destroy(struct port *port);

/* The first frame of an agent. Waits for it. The caller owns *task. */
int port_receive_task(struct port *port, json_t **task, struct problem *problem);

/* The frames of a runner. 0 or TG_EIO (the port then orders to stop). The json_t arguments stay the caller's.
 */
int port_hello(struct port *port);
int port_chunk(struct port *port, const json_t *header, const void *body, size_t body_size); /* numbers it */
/* A chunk of nothing but units: work that is finished and lies in no other chunk. tengen-run sends the one
 * unit of a SPLIT_ONE kind by itself when its run function has returned 0 without having been told to end. */
int port_units_done(struct port *port, int64_t units);
int port_metric(struct port *port, const char *name, int64_t step, double value);

/* Sends the safetensors file at `path` as the checkpoint `name` of training step `step`; the file stays the
 * caller's. Like any chunk: when this has returned 0, the checkpoint is the agent's, and what is durable here
 * reaches the coordinator's store exactly once. Names that mean something:
 *     "checkpoint"  the network that other jobs may take
 *     "state"       what training needs beside it to go on; the coordinator keeps the newest of a task
 * A training run that can be resumed sends both, "state" first and then "checkpoint", with one step: it is
 * resumed from the newest step of which both are stored. Any other name ("best") is kept and shown.
 * TG_EINVALID: a bad name (a-z, 0-9, _ and -, at most PORT_NAME_MAX) or a negative step; TG_EIO;
 * TG_ETOO_LARGE: beyond CHUNK_RAW_MAX bytes, or CHUNK_PACKED_MAX packed. */
int port_checkpoint(struct port *port, const char *name, int64_t step, const char *path);

/* Sends a report: an object for the job's page, of which the coordinator keeps the newest by name. It gets
 * the highest step that a metric or a checkpoint of this port had. Known to the dashboard:
 *     "confusion"  {"classes": [names], "matrix": [[counts]]}, a row for each true class
 *     "samples"    {"items": [{"png": base64, "label", "predicted", "confidence"}]}
 *     "summary"    {name: number or text}
 * TG_EINVALID: a bad name or no object. TG_EIO, TG_ETOO_LARGE. */
int port_report(struct port *port, const char *name, const json_t *data);

enum { PORT_NAME_MAX = 64 };

/* Runs by hand: checkpoints and reports become files in `folder` (borrowed; it must exist) and are sent as a
 * line or frame without a body: NAME.safetensors, NAME.json, each replaced by the next of its name; all other
 * chunks are appended to chunks.bin, in the form of GET /streams, which a task takes as its input "games". */
void port_keep(struct port *port, const char *folder);
int port_done(struct port *port);
int port_fail(struct port *port, const struct problem *problem);

/* Progress: `live` (an array, may be NULL) replaces what is shown. Sent at most 4 times a second; what was
 * held back goes with a later call. port_alive() says that real work goes on although nothing moved: sent
 * every 10 seconds at most. */
int port_progress(struct port *port, const json_t *live);
int port_alive(struct port *port);

int64_t port_units(const struct port *port); /* finished: the sum of the chunks' units */

enum order port_order(struct port *port);
int port_fd(const struct port *port); /* readable when an order may have come; -1 */

/* An order from a signal handler. It never becomes weaker. */
void port_interrupt(struct port *port, enum order order);

#endif
