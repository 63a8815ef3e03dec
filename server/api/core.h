/* core.h - what the files of server/api share.
 *
 * In memory, owned by the loop thread, all of it a copy or a cache of what the store has, or gone with its
 * owner:
 *
 *   tokens    all of them: checked on every request, revoked at once                         tokens.h
 *   jobs      those that have not ended (what a lease hands out), and ready answers           jobs.h
 *   fleet     workers, and which of them wait for work                                        fleet.h
 *   live      what beats have said: progress, rates, games being played                       live.h
 *   sched     who works on what server/sched/sched.h
 *
 * Each is a struct of its own with its own functions; struct api only holds them together.
 */
#ifndef TENGEN_API_CORE_H
#define TENGEN_API_CORE_H

#include <jansson.h>
#include <uv.h>
#include "server/api/api.h"
#include "server/api/waits.h"
#include "server/http/events.h"
#include "server/http/http.h"
#include "server/sched/sched.h"
#include "server/store/store.h"
#include "server/store/store_tx.h"

struct tokens;
struct jobs;
struct fleet;
struct live;

struct api_counters {
    uint64_t leases_granted, leases_lapsed, leases_regranted, chunks, chunk_bytes, beats, tasks_done,
        tasks_failed;
};

struct api {
    uv_loop_t *loop;
    struct api_settings settings;
    struct store *store;
    struct sched *sched;
    struct http_server *http; /* NULL until it serves */
    struct events *events;
    struct tokens *tokens;
    struct jobs *jobs;
    struct fleet *fleet;
    struct live *live;
    struct waits waits;
    struct api_counters counters;
    char *coordinator; /* the database's id: 32 hex digits */
    int64_t started_ms;
    bool stopping;
    bool disk_full;    /* as the log has said last */
    bool disk_changed; /* disk_full has, and who waits for work has not heard it yet */
    int open_handles;  /* while closing */

    uv_poll_t deliver; /* the store has finished something, and said so by deliver_fd */
    int deliver_fd;
    uv_timer_t clock;    /* the scheduler's next lapse or end of back-off */
    uv_timer_t space;    /* looks at the free space of the disk */
    uv_timer_t chores;   /* writes back, drops what is not retained, looks for silent workers */
    uv_idle_t turn;      /* active for one turn of the loop after the scheduler was changed */
    uint64_t generation; /* of the scheduler when parked workers were last offered work */
};

/* ---- calls: a request and what its work needs, allocated with the request ---- */

/* First member of the struct that a handler allocates by call_begin. */
struct call {
    struct api *api;
    struct http_request *request;
};

/* Zeroed memory of at least sizeof(struct call), freed with the request; NULL: replied with 503 already. */
void *call_begin(struct http_request *request, void *api, size_t size);
/* Queue; when the store does not take it the request is replied to. */
void call_read(struct call *call, store_work work, store_done done);
void call_write(struct call *call, store_work work, store_done done);
void call_append(struct call *call, store_work work, store_done done); /* see store_append */
/* In `done`: true when there was an error, which was replied. */
bool call_failed(struct call *call, int error, const struct problem *problem);
/* Parses the body as a JSON object and keeps it with the request. NULL: replied. */
json_t *call_json(struct http_request *request);
/* Keeps a JSON value until the request is freed. */
void call_keep(struct http_request *request, json_t *value);
int call_param_id(struct http_request *request, int64_t *id); /* 0, or it was replied */
/* In `work`: 0, or TG_ENOT_FOUND with a problem that names the job. */
int call_job_exists(struct store_tx *tx, int64_t job, struct problem *problem);

/* ---- lists ---- */

struct list_call {
    struct call call;
    int64_t cursor, limit;
    json_t *items;
    int64_t next; /* 0: this was the last page */
    int64_t last;
};
/* Reads limit and after. NULL: replied. */
struct list_call *list_begin(struct http_request *request, void *api, size_t size);
/* In a row callback: adds the item (takes it). Non-zero when the page is full: return it from the callback.
 */
int list_add(struct list_call *list, int64_t cursor, json_t *item);
int list_work_result(int error); /* a full page is no error */
void list_done(void *arg, int error, const struct problem *problem);

/* ---- the scheduler's turn ---- */

void api_changed(
    struct api *api);            /* something in the scheduler has changed: events, timers and parked calls */
int64_t api_now(void);           /* the clock that the scheduler is told */
void api_chore(struct api *api); /* something is to be written back soon, or somebody may fall silent */

void api_write_back(struct api *api); /* turn.c: does it now */
/* Whether less than the floor is free. At each change the log says so, and who waits for work hears it. */
bool api_disk_full(struct api *api);
void api_watch_space(struct api *api); /* turn.c: asks it every few seconds */

json_t *null_or_ms(int64_t ms);
json_t *null_or_text_json(const char *text); /* parses stored JSON text; null when NULL */

/* start.c */
void api_limit_bodies(const struct api_settings *settings); /* routes.c */
int api_restore(struct api *api, struct problem *problem);

/* Roles as bits of http_route.access. */
enum {
    MAY_VIEW = 1 << ROLE_VIEW | 1 << ROLE_SUBMIT | 1 << ROLE_ADMIN,
    MAY_SUBMIT = 1 << ROLE_SUBMIT | 1 << ROLE_ADMIN,
    MAY_WORK = 1 << ROLE_WORKER | 1 << ROLE_ADMIN,
    MAY_ADMIN = 1 << ROLE_ADMIN,
    MAY_ANY = 1 << ROLE_VIEW | 1 << ROLE_SUBMIT | 1 << ROLE_WORKER | 1 << ROLE_ADMIN,
};

#endif
