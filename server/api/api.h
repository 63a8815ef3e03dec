/* api.h - the coordinator: what the URLs of docs/protocol.md do.
 *
 *      http (edge) ──> api (this folder: one thin file a resource) ──> store (what is durable)
 *                                                                 └──> sched (who does what)
 *
 * A handler parses, validates, asks, answers. What must survive is queued to the store's writer and answered
 * from the completion, which runs after the commit; what is only read goes to the store's readers, or is
 * answered from memory (a job that has not changed, kinds, beats). See core.h for what is kept in memory and
 * why.
 *
 * Loop thread, except api_open and api_close (before and after the loop) and what the store's threads run
 * (functions of the type store_work, which touch only their argument).
 */
#ifndef TENGEN_API_API_H
#define TENGEN_API_API_H

#include <uv.h>
#include "server/http/http.h"
#include "server/store/store.h"

struct api;

struct api_settings {
    const char *data;       /* folder; must outlive the api */
    const char *web;        /* folder of the dashboard's files; NULL: the embedded ones */
    const char *bind;       /* the address that is listened on; for what the dashboard says about joining */
    const char *public_url; /* where other machines reach us; NULL: as whoever asks has reached us */
    const char *runner;     /* path of tengen-run, which checks data sets; NULL: there is none */
    int64_t workers_max;    /* that are known at a time */
    int lease_s;            /* a lease lapses after this long without a beat */
    uint64_t free_floor;    /* bytes */
    size_t body_max;        /* of a chunk */
    uint64_t upload_max;    /* of a checkpoint or data set */
};

/* Opens the store, rebuilds the scheduler from it and prepares everything; nothing is served yet. */
int api_open(uv_loop_t *loop, const struct api_settings *settings, struct api **out, struct problem *problem);

/* For http_options. */
const struct http_route *api_routes(void);
int api_authorize(void *api, struct http_request *request, unsigned access, struct problem *problem);
bool api_is_tokenless(void *api); /* there has never been a token in this store */

void api_serve(struct api *api, struct http_server *http); /* now it is ready */
/* Ends long polls and event streams, so that http_drain can finish. */
void api_stop(struct api *api);
/* Commits what is queued and closes the store; every request that waited for it is answered. Before
 * http_destroy. */
void api_finish(struct api *api);
/* After http_destroy. The loop must run once more for handles to close, which frees the api. */
void api_close(struct api *api);

/* For `tengen-server token create`: makes a token in an opened store. The text is returned once. */
enum { TOKEN_TEXT = 47 }; /* "tg_", 43 characters, 0 */
int api_create_token(struct store *store, const char *role, const char *name, char text[TOKEN_TEXT],
                     struct problem *problem);
/* Makes an admin's token in a store without tokens, before it is served. */
int api_create_first_token(struct api *api, char text[TOKEN_TEXT], struct problem *problem);

#endif
