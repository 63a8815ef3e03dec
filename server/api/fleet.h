/* fleet.h - the workers: who they are, whether they are there, and which of them wait for work. */
#ifndef TENGEN_API_FLEET_H
#define TENGEN_API_FLEET_H

#include "server/api/core.h"

struct parked; /* a lease call that waits, see leases.c */

struct worker {
    int64_t id;
    char instance[33];
    char *name;
    json_t *machine, *capabilities;
    int runners;
    enum worker_state state;
    int64_t created_ms, seen_ms; /* wall clock */
    int64_t contact_ms;          /* the scheduler's clock; 0: not since this server started */
    int64_t token;               /* who speaks for it; 0: whoever does first */
    bool seen;                   /* since seen_ms was last written to the store */
    bool online;                 /* as the listeners and the scheduler were told */
    struct parked *parked;
};

struct fleet *fleet_create(void);
void fleet_destroy(struct fleet *fleet);
struct worker *fleet_find(struct fleet *fleet, int64_t id);
struct worker *fleet_next(struct fleet *fleet, size_t *at); /* walks all; begin with 0 */
/* Adds the worker or brings it up to date, here and in the scheduler; offline until it is seen. */
int fleet_set(struct api *api, const struct worker_row *row);
/* Before a worker of this instance is registered: when as many are known as may be and it is none of them,
 * the one that has been away for longest is forgotten, here and in the scheduler; *forgotten is its id, for
 * the store, or 0. TG_EBUSY when nobody has been away for a day. */
int fleet_make_room(struct api *api, const char *instance, int64_t *forgotten, struct problem *problem);
int fleet_set_state(struct api *api, struct worker *worker, enum worker_state state);

/* A sign of life. */
void fleet_seen(struct api *api, struct worker *worker);
/* It has said that it ends: offline until the next sign of life. No call of it may be parked. */
void fleet_left(struct api *api, struct worker *worker);
bool fleet_is_online(const struct api *api, const struct worker *worker);
/* The worker that a call names, if the caller's token may speak for it. */
int fleet_speaker(struct api *api, struct http_request *request, int64_t id, struct worker **out,
                  struct problem *problem);

json_t *worker_json(struct api *api, const struct worker *worker);
/* Tells the listeners, and the scheduler whether it is there. */
void fleet_publish(struct api *api, struct worker *worker);

#endif
