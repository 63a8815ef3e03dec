/* events.h - server-sent events: one ring of the last events, read by every client at its own pace.
 *
 *        publish ──> [ ... | 41 | 42 | 43 ]   newest 1,000 events, 4 MiB at most
 *                           ^         ^
 *                     slow client   up-to-date client (its connection is suspended)
 *
 * A client is a position in the ring and a filter, so a slow client costs nothing and cannot hold memory:
 * when the ring has moved past it, it gets an event `reset`, which tells a page to load anew. The same
 * happens to a Last-Event-ID that the ring no longer has. Event ids go up over restarts too (they start at
 * the time).
 *
 * Nothing is published, and nobody need work an event out, while nobody listens and nobody has for a minute.
 * Of one job's events likewise, while nobody follows the job; but that they were is remembered: a page that
 * opens a job's stream with the id that it has read up to (it has just asked for the job itself) is told to
 * load anew when something happened in between. For that each stream begins with the id that it stands at.
 * Loop thread only.
 */
#ifndef TENGEN_HTTP_EVENTS_H
#define TENGEN_HTTP_EVENTS_H

#include "server/http/http.h"

struct events;

enum events_topic {
    EVENTS_JOBS = 1,
    EVENTS_WORKERS = 2,
    EVENTS_GAMES = 4,
    EVENTS_JOB = 8,   /* of one job: job:ID */
    EVENTS_LIVE = 16, /* live:ID */
    EVENTS_DATASETS = 32,
};

struct events *events_create(uv_loop_t *loop); /* NULL when out of memory */
/* Ends all streams; their replies complete when the loop goes on. New ones get 503. */
void events_stop(struct events *events);
void events_destroy(struct events *events); /* after http_destroy */

/* Parses ?topics= and Last-Event-ID and starts the stream (or replies with an error). */
void events_serve(struct events *events, struct http_request *request);

/* Whether it is worth the work to publish; for EVENTS_JOB and EVENTS_LIVE: to those who follow this job. Ask
 * it only when something has happened: what is not wanted counts as missed by those who come to follow the
 * job. */
bool events_wanted(struct events *events, unsigned topics, int64_t job);
/* Somebody listens to this now (watching a live game makes agents beat every second). */
bool events_watched(const struct events *events, unsigned topics, int64_t job);
/* Called when the first client of live:job comes. */
void events_on_watch(struct events *events, void (*fn)(void *arg, int64_t job), void *arg);

/* Sends to everyone who follows one of the topics. Takes the reference of data. */
void events_publish(struct events *events, unsigned topics, int64_t job, const char *name, json_t *data);

int events_clients(const struct events *events);
uint64_t events_published(const struct events *events);

#endif
