/* gtp_client.h - drives a GTP engine that runs as a process of its own.
 *
 * The engine is a stranger: it may die, hang, flood or talk nonsense at any moment. Every wait has an end,
 * every reply a greatest size, and what went wrong is told apart, because a match has to say why a game was
 * lost.
 *
 *            +--------+  "7 genmove b\n"   +--------+
 *            | client | -----------------> | engine |   its own process group; dies with us
 *            |        | <----------------- |        |
 *            +--------+    "=7 E5\n\n"     +--------+
 *                 ^ stderr, line by line to our log, a limited amount
 *
 * The command line comes from this machine's own settings and is run by /bin/sh. Ignore SIGPIPE before. One
 * thread.
 */
#ifndef TENGEN_GO_GTP_CLIENT_H
#define TENGEN_GO_GTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/error.h"
#include "workers/go/gtp_reply.h"

enum gtp_outcome {
    GTP_SUCCESS,  /* "=": the reply's text is valid */
    GTP_REFUSED,  /* "?": the reply's text is the engine's error message */
    GTP_DIED,     /* the process ended or closed its output; the client is dead from here on */
    GTP_TIMEOUT,  /* no complete reply in time; dead */
    GTP_NONSENSE, /* not GTP, a wrong id, or more than GTP_REPLY_MAX bytes; dead */
    GTP_STOPPED,  /* the stop callback said so; dead */
};

enum { GTP_STDERR_MAX = 1 << 16 };

struct gtp_client;

struct gtp_client_options {
    const char *command;
    const char *name;            /* for the log */
    bool (*stop)(void *context); /* asked several times a second while waiting; may be NULL */
    void *context;
};

/* Starts the engine. 0, TG_ENO_MEMORY, or TG_EENGINE with the reason. That the command exists shows only at
 * the first reply. */
int gtp_client_start(const struct gtp_client_options *options, struct gtp_client **client,
                     struct problem *problem);

/* Asks it to quit, gives it a moment, kills its whole process group. NULL is fine. */
void gtp_client_destroy(struct gtp_client *client);

/* Sends one command and waits for its reply, at most timeout_ms (> 0). A dead client answers at once with
 * what killed it. */
enum gtp_outcome gtp_client_command(struct gtp_client *client, int64_t timeout_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The last reply without "=id " and its closing newlines; for the other outcomes a sentence for people. Valid
 * until the next command. */
const char *gtp_client_reply(const struct gtp_client *client);

#endif
