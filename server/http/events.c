/* events.c - see events.h. The ring, the clients' positions in it, and what counts as missed.
 *
 *     ids      first ... next-1 are in the ring, id i at ring[i % RING]
 *     client   position: the id that it is to get next
 *                  < first    the ring has moved past it: reset
 *                  < next     there is something to look at; what it does not follow is passed over
 *                  == next    up to date: its connection is suspended until something for it is published
 *
 * An event is formatted once, when it is published, and shared by reference: the ring holds one, and each
 * client that is in the middle of sending it. So an event may leave the ring while it is being sent.
 *
 * Missed events. Those of a single job are not worked out while nobody follows the job (events_wanted says
 * no), yet a page may have asked for the job just before something happened and follow it only now. So it is
 * remembered, for MISSED jobs, at which id something went unpublished; a client whose last id lies before
 * that gets a reset. When the table is full the oldest gives way, and its position (missed_forgotten) then
 * counts against every client that follows any job: too many resets are a reload, too few would be a page
 * that is wrong for ever.
 *
 * Ids begin at the microseconds of the start, so that they rise over restarts: an id of an earlier life is
 * below `first` and gets its reset like any other that is too old.
 *
 * No locks: loop thread only. A client is freed by the release of its source, which MHD calls when the
 * connection ends, however that comes about; waking it never frees it at once. */
#include "server/http/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/wire/json.h"

enum {
    RING = 1000,
    RING_BYTES = 4 << 20,
    HEARTBEAT_MS = 15000,
    LINGER_MS = 60000, /* how long after the last client events are still kept for it to come back */
    FOLLOW_MAX = 16,   /* jobs that one client may follow */
    MISSED = 256,      /* jobs whose unpublished events are remembered */
    CLIENTS_MAX = 512,
};

struct event {
    unsigned topics;
    int references;
    int64_t job;
    size_t size;
    char text[];
};

struct follow {
    unsigned topic;
    int64_t job;
};

/* Something of a job happened, after the event before id `position`, that was not published. */
struct missed {
    unsigned topics;
    int64_t job;
    uint64_t position;
};

struct client {
    struct client *previous, *next;
    struct events *events;
    struct http_source *source;
    unsigned topics;
    struct follow follows[FOLLOW_MAX];
    int follow_count;
    uint64_t position;     /* the next event's id */
    struct event *current; /* being sent, from `sent` on */
    size_t sent;
    bool greet, reset, beat;
};

struct events {
    uv_timer_t heartbeat;
    struct event *ring[RING]; /* event with id i is at i % RING while first <= i < next */
    uint64_t first, next;
    size_t bytes;
    struct missed missed[MISSED];
    int missed_count;
    uint64_t missed_forgotten; /* the newest position that made room for another */
    struct client *clients;
    int client_count;
    int64_t last_client_ms;
    uint64_t published;
    bool stopping;
    void (*on_watch)(void *arg, int64_t job);
    void *on_watch_arg;
};

/* ---- the ring ---- */

static void unref(struct event *event) {
    if (event && --event->references == 0) {
        free(event);
    }
}

static void drop_first(struct events *events) {
    struct event **place = &events->ring[events->first++ % RING];
    events->bytes -= (*place)->size;
    unref(*place);
    *place = NULL;
}

static void push(struct events *events, struct event *event) {
    while (events->next - events->first >= RING ||
           (events->next > events->first && events->bytes + event->size > RING_BYTES)) {
        drop_first(events);
    }
    events->ring[events->next++ % RING] = event;
    events->bytes += event->size;
    events->published++;
}

static bool follows(const struct client *client, unsigned topics, int64_t job) {
    if (client->topics & topics) {
        return true;
    }
    for (int i = 0; i < client->follow_count; i++) {
        if ((client->follows[i].topic & topics) && client->follows[i].job == job) {
            return true;
        }
    }
    return false;
}

/* ---- what was not published ---- */

/* The job's place; when all are taken, that of the job whose last missed event is longest ago. */
static struct missed *missed_place(struct events *events, unsigned topics, int64_t job) {
    struct missed *oldest = &events->missed[0];
    for (int i = 0; i < events->missed_count; i++) {
        struct missed *missed = &events->missed[i];
        if (missed->job == job && missed->topics == topics) {
            return missed;
        }
        oldest = missed->position < oldest->position ? missed : oldest;
    }
    if (events->missed_count < MISSED) {
        return &events->missed[events->missed_count++];
    }
    if (oldest->position > events->missed_forgotten) {
        events->missed_forgotten = oldest->position;
    }
    return oldest;
}

static void miss(struct events *events, unsigned topics, int64_t job) {
    *missed_place(events, topics, job) = (struct missed){topics, job, events->next};
}

/* Whether the client follows a job of which something that came after `last` was not published. */
static bool has_missed(const struct client *client, uint64_t last) {
    const struct events *events = client->events;
    if (client->follow_count > 0 && events->missed_forgotten > last) {
        return true;
    }
    for (int i = 0; i < events->missed_count; i++) {
        const struct missed *missed = &events->missed[i];
        if (missed->position > last && follows(client, missed->topics, missed->job)) {
            return true;
        }
    }
    return false;
}

/* ---- one client ---- */

static ssize_t put(void *out, size_t size, const char *text) {
    size_t length = strlen(text);
    TG_ASSERT(length <= size);
    memcpy(out, text, length);
    return (ssize_t)length;
}

/* The next event for this client becomes `current`. */
static void advance(struct client *client) {
    struct events *events = client->events;
    while (!client->current && !client->reset && client->position < events->next) {
        if (client->position < events->first) {
            client->reset = true;
            return;
        }
        struct event *event = events->ring[client->position++ % RING];
        if (follows(client, event->topics, event->job)) {
            event->references++;
            client->current = event;
            client->sent = 0;
        }
    }
}

/* An id without data is no event, but a client comes back with it. */
static ssize_t pull_greeting(struct client *client, void *out, size_t size) {
    char text[96];
    client->greet = false;
    snprintf(text, sizeof text, "retry: 2000\nid: %" PRIu64 "\n: hello\n\n", client->position - 1);
    return put(out, size, text);
}

static ssize_t pull_reset(struct client *client, void *out, size_t size) {
    char text[96];
    client->reset = false;
    client->position = client->events->next;
    snprintf(text, sizeof text, "id: %" PRIu64 "\nevent: reset\ndata: {}\n\n", client->position - 1);
    return put(out, size, text);
}

static ssize_t pull_event(struct client *client, void *out, size_t size) {
    struct event *event = client->current;
    size_t left = event->size - client->sent, count = left < size ? left : size;
    memcpy(out, event->text + client->sent, count);
    client->sent += count;
    if (client->sent == event->size) {
        client->current = NULL;
        unref(event);
    }
    return (ssize_t)count;
}

/* One thing at a time, in order of urgency: the greeting, the rest of an event or the next one, a reset, the
 * end, a heartbeat; nothing of these: wait. */
static ssize_t pull(void *arg, uint64_t offset, void *out, size_t size) {
    struct client *client = arg;
    if (size < 256) {
        return HTTP_SOURCE_BROKEN;
    }
    if (client->greet) {
        return pull_greeting(client, out, size);
    }
    advance(client);
    if (client->current) {
        return pull_event(client, out, size);
    }
    if (client->reset) {
        return pull_reset(client, out, size);
    }
    if (client->events->stopping) {
        return HTTP_SOURCE_END;
    }
    if (client->beat) {
        client->beat = false;
        return put(out, size, ": beat\n\n");
    }
    return HTTP_SOURCE_WAIT;
}

static void release(void *arg) {
    struct client *client = arg;
    struct events *events = client->events;
    *(client->previous ? &client->previous->next : &events->clients) = client->next;
    if (client->next) {
        client->next->previous = client->previous;
    }
    unref(client->current);
    free(client);
    events->last_client_ms = clock_monotonic_ms();
    if (--events->client_count == 0) {
        uv_timer_stop(&events->heartbeat);
    }
}

/* ---- coming in ---- */

static bool topic_is(const char *text, size_t size, const char *name) {
    return strlen(name) == size && memcmp(text, name, size) == 0;
}

static int parse_follow(struct client *client, const char *text, size_t size) {
    unsigned topic = size > 4 && memcmp(text, "job:", 4) == 0    ? EVENTS_JOB
                     : size > 5 && memcmp(text, "live:", 5) == 0 ? EVENTS_LIVE
                                                                 : 0;
    const char *digits = text + (topic == EVENTS_JOB ? 4 : 5);
    size_t count = topic ? size - (size_t)(digits - text) : 0;
    if (!topic || count > 18 || strspn(digits, "0123456789") < count || client->follow_count == FOLLOW_MAX) {
        return TG_EINVALID;
    }
    client->follows[client->follow_count++] = (struct follow){topic, strtoll(digits, NULL, 10)};
    return TG_OK;
}

static int parse_topics(struct client *client, const char *text, struct problem *problem) {
    while (*text) {
        size_t size = strcspn(text, ",");
        if (topic_is(text, size, "jobs")) {
            client->topics |= EVENTS_JOBS;
        } else if (topic_is(text, size, "workers")) {
            client->topics |= EVENTS_WORKERS;
        } else if (topic_is(text, size, "games")) {
            client->topics |= EVENTS_GAMES;
        } else if (topic_is(text, size, "datasets")) {
            client->topics |= EVENTS_DATASETS;
        } else if (parse_follow(client, text, size) != TG_OK) {
            return problem_set(
                problem, TG_EINVALID, "topics",
                "takes jobs, workers, games, datasets, and up to %d of job:ID and live:ID, not %.*s",
                FOLLOW_MAX, (int)(size < 40 ? size : 40), text);
        }
        text += size + (text[size] == ',');
    }
    return TG_OK;
}

/* Where the stream begins: behind the last id that the client had; at the newest, with a reset when events
 * lie between that the ring no longer has or that were never published; at the newest, when it names none. */
static void set_position(struct client *client, const char *last_id) {
    struct events *events = client->events;
    client->position = events->next;
    if (!last_id) {
        return;
    }
    char *end;
    uint64_t last = strtoull(last_id, &end, 10);
    if (end == last_id || *end || last + 1 < events->first || last >= events->next) {
        client->reset = last + 1 != events->next;
    } else {
        client->position = last + 1;
    }
    client->reset = client->reset || has_missed(client, last);
}

static void beat(uv_timer_t *timer) {
    struct events *events = timer->data;
    for (struct client *client = events->clients, *next; client; client = next) {
        next = client->next;
        client->beat = true;
        http_source_wake(client->source);
    }
}

static void tell_watch(struct client *client) {
    struct events *events = client->events;
    for (int i = 0; events->on_watch && i < client->follow_count; i++) {
        if (client->follows[i].topic == EVENTS_LIVE) {
            events->on_watch(events->on_watch_arg, client->follows[i].job);
        }
    }
}

static void join(struct client *client) {
    struct events *events = client->events;
    client->next = events->clients;
    if (events->clients) {
        events->clients->previous = client;
    }
    events->clients = client;
    if (events->client_count++ == 0) {
        uv_timer_start(&events->heartbeat, beat, HEARTBEAT_MS, HEARTBEAT_MS);
    }
}

void events_serve(struct events *events, struct http_request *request) {
    static const struct http_source_ops ops = {.pull = pull, .release = release};
    struct problem problem = {0};
    const char *topics = http_query(request, "topics");
    if (events->stopping || events->client_count >= CLIENTS_MAX) {
        http_reply_error(request, events->stopping ? TG_ESHUTTING_DOWN : TG_EBUSY, NULL,
                         events->stopping ? "the server is stopping"
                                          : "there are too many listeners; close some");
        return;
    }
    struct client *client = calloc(1, sizeof *client);
    if (!client) {
        http_reply_error(request, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
        return;
    }
    client->events = events;
    client->greet = true;
    if (parse_topics(client, topics ? topics : "jobs,workers,games", &problem) != TG_OK) {
        free(client);
        http_reply_problem(request, &problem);
        return;
    }
    set_position(client, http_header(request, "Last-Event-ID"));
    join(client);
    http_add_header(request, "X-Accel-Buffering", "no");
    struct http_source *source = http_reply_source(request, 200, "text/event-stream", -1, &ops, client);
    if (source) { /* else the client was released with it */
        client->source = source;
        tell_watch(client);
    }
}

/* ---- publishing ---- */

bool events_watched(const struct events *events, unsigned topics, int64_t job) {
    for (const struct client *client = events->clients; client; client = client->next) {
        if (follows(client, topics, job)) {
            return true;
        }
    }
    return false;
}

/* Nobody has listened for a while: whoever comes back with an old id must load anew. */
static void forget(struct events *events) {
    while (events->first < events->next) {
        drop_first(events);
    }
    events->first = ++events->next; /* an id that nobody has: one who stands at the last one is behind, too */
}

bool events_wanted(struct events *events, unsigned topics, int64_t job) {
    if (events->client_count == 0) {
        if (events->last_client_ms && clock_monotonic_ms() - events->last_client_ms < LINGER_MS) {
            return true;
        }
        forget(events);
        return false;
    }
    if ((topics & ~(unsigned)(EVENTS_JOB | EVENTS_LIVE)) || events_watched(events, topics, job)) {
        return true;
    }
    miss(events, topics, job);
    return false;
}

void events_on_watch(struct events *events, void (*fn)(void *arg, int64_t job), void *arg) {
    events->on_watch = fn;
    events->on_watch_arg = arg;
}

static struct event *format_event(uint64_t id, const char *name, const json_t *data) {
    char *text = json_text(data);
    char head[128];
    int head_size = snprintf(head, sizeof head, "id: %" PRIu64 "\nevent: %s\ndata: ", id, name);
    size_t text_size = text ? strlen(text) : 0, size = (size_t)head_size + text_size + 2;
    struct event *event = text ? malloc(sizeof *event + size + 1) : NULL;
    if (event) {
        *event = (struct event){.references = 1, .size = size};
        memcpy(event->text, head, (size_t)head_size);
        memcpy(event->text + head_size, text, text_size);
        memcpy(event->text + head_size + text_size, "\n\n", 3);
    }
    free(text);
    return event;
}

void events_publish(struct events *events, unsigned topics, int64_t job, const char *name, json_t *data) {
    if (!events_wanted(events, topics, job)) {
        json_decref(data);
        return;
    }
    struct event *event = data ? format_event(events->next, name, data) : NULL;
    json_decref(data);
    if (!event) {
        forget(events); /* out of memory: better a reset than a hole */
        return;
    }
    event->topics = topics;
    event->job = job;
    push(events, event);
    for (struct client *client = events->clients; client; client = client->next) {
        if (follows(client, topics, job)) {
            http_source_wake(client->source);
        }
    }
}

/* ---- life ---- */

struct events *events_create(uv_loop_t *loop) {
    struct events *events = calloc(1, sizeof *events);
    if (events) {
        events->first = events->next = (uint64_t)clock_wall_ms() * 1000;
        uv_timer_init(loop, &events->heartbeat);
        events->heartbeat.data = events;
    }
    return events;
}

void events_stop(struct events *events) {
    events->stopping = true;
    for (struct client *client = events->clients; client; client = client->next) {
        http_source_wake(client->source);
    }
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void events_destroy(struct events *events) {
    if (!events) {
        return;
    }
    TG_ASSERT(events->client_count == 0);
    while (events->first < events->next) {
        drop_first(events);
    }
    uv_close((uv_handle_t *)&events->heartbeat, on_closed);
}

int events_clients(const struct events *events) {
    return events->client_count;
}

uint64_t events_published(const struct events *events) {
    return events->published;
}
