/* client.h - calls of the server's API over libcurl. One thread; one connection, kept open between calls. */
#ifndef TENGEN_CLI_CLIENT_H
#define TENGEN_CLI_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

struct client;

/* `options` holds CLIENT_OPTIONS; what they leave empty comes from the environment. NULL with *problem filled
 * when an address or a token file cannot be used. */
struct client *client_create(const json_t *options, struct problem *problem);
void client_destroy(struct client *client);
const char *client_server(const struct client *client); /* "http://127.0.0.1:7361" */

struct answer {
    int status;
    struct buf body;
    char next[1024]; /* path and query of the Link header's rel=next; "" when there is none */
};
void answer_free(struct answer *answer);

/* GET, or any method with a JSON body (may be NULL). `path` starts with a slash and is put behind /api/v1
 * unless it starts with that. Fills *answer (the caller frees it, whatever is returned).
 *     0                 a 2xx came
 *     TG_EUNREACHABLE   no answer came (refused, unknown host, TLS, time-out)
 *     other             the problem that the server sent
 * A GET, or a call with an idempotency key, is tried again (three times in all) when the connection breaks. */
int client_call(struct client *client, const char *method, const char *path, const json_t *body,
                const char *idempotency_key, struct answer *answer, struct problem *problem);

/* client_call, and the body must be a JSON object, which the caller owns. */
int client_json(struct client *client, const char *method, const char *path, const json_t *body, json_t **out,
                struct problem *problem);

/* Reads pages of a list until `limit` items (0: all) are there: {"items": [...], "next": cursor or null}. */
int client_list(struct client *client, const char *path, long long limit, json_t **out,
                struct problem *problem);

/* Called now and then during a transfer; total 0: not known. */
typedef void (*client_progress)(void *arg, int64_t done, int64_t total);

/* Sends `size` bytes of `file`, from its start, as the body; *out is the answer, which the caller owns. Not
 * repeated. */
int client_upload(struct client *client, const char *method, const char *path, FILE *file, int64_t size,
                  client_progress progress, void *arg, json_t **out, struct problem *problem);
/* Writes the body of a GET into `file`, which may hold anything when this fails. TG_EIO: it cannot be
 * written. */
int client_download(struct client *client, const char *path, FILE *file, client_progress progress, void *arg,
                    struct problem *problem);

/* Appends &name=value (or ?name=value) to a path, the value percent-encoded; nothing when the value is "". */
int path_add(struct buf *path, const char *name, const char *value);

#endif
