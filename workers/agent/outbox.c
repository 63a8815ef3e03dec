/* outbox.c - see outbox.h. Two lists that gather, and the batch that is on its way.
 *
 *     metric, line ---> gathering ---cut: OUTBOX_BATCH of each---> batch, with a sequence ---> answered: gone
 *                          |                                         ^      |
 *                          +-- full: counted, and told               +------+ not answered: again
 *
 * The batch does not change until a beat with it has an answer, whatever has gathered meanwhile: the
 * coordinator knows a batch by its sequence alone, and one that grew on its way would be taken for the one
 * that is stored.
 */
#include "workers/agent/outbox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/buf.h"
#include "proto/wire/json.h"

struct outbox {
    int64_t done;
    double rate_per_s;
    json_t *live;                      /* NULL: none */
    json_t *metrics, *log;             /* arrays: gathering */
    json_t *batch_metrics, *batch_log; /* on their way; NULL: no batch is built */
    int64_t sequence;                  /* of the batch */
    unsigned dropped;
};

struct outbox *outbox_create(void) {
    struct outbox *outbox = calloc(1, sizeof *outbox);
    if (!outbox)
        return NULL;
    outbox->metrics = json_array();
    outbox->log = json_array();
    if (outbox->metrics && outbox->log)
        return outbox;
    outbox_destroy(outbox);
    return NULL;
}

void outbox_destroy(struct outbox *outbox) {
    if (!outbox)
        return;
    json_decref(outbox->live);
    json_decref(outbox->metrics);
    json_decref(outbox->log);
    json_decref(outbox->batch_metrics);
    json_decref(outbox->batch_log);
    free(outbox);
}

void outbox_progress(struct outbox *outbox, int64_t done, double rate_per_s) {
    outbox->done = done;
    outbox->rate_per_s = isfinite(rate_per_s) && rate_per_s >= 0 ? rate_per_s : 0;
}

void outbox_live(struct outbox *outbox, json_t *live) {
    json_decref(outbox->live);
    bool fits = json_is_array(live) && json_dumpb(live, NULL, 0, JSON_COMPACT) <= OUTBOX_LIVE_MAX_BYTES;
    outbox->live = fits ? json_incref(live) : NULL;
}

static void append(struct outbox *outbox, json_t *list, json_t *item) {
    if (item && json_array_size(list) < OUTBOX_KEEP)
        json_array_append_new(list, item);
    else {
        json_decref(item);
        outbox->dropped++;
    }
}

void outbox_metric(struct outbox *outbox, const json_t *frame) {
    const json_t *name = json_object_get(frame, "name"), *step = json_object_get(frame, "step");
    const json_t *value = json_object_get(frame, "value");
    bool sound = json_is_string(name) && json_string_length(name) <= OUTBOX_NAME_MAX &&
                 json_is_integer(step) && json_integer_value(step) >= 0 && json_is_number(value);
    json_t *item = sound ? json_pack("{s:s, s:I, s:f}", "name", json_string_value(name), "step",
                                     json_integer_value(step), "value", json_number_value(value))
                         : NULL;
    append(outbox, outbox->metrics, item);
}

/* The name of a level in the API; text that is not UTF-8 is made printable rather than lost. */
void outbox_line(struct outbox *outbox, int64_t wall_ms, enum log_level level, const char *text) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char clean[2048];
    json_t *value = json_string(text);
    if (!value) {
        size_t n = 0;
        for (; text[n] && n + 1 < sizeof clean; n++)
            clean[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
        clean[n] = 0;
        value = json_string(clean);
    }
    append(
        outbox, outbox->log,
        json_pack("{s:I, s:s, s:o}", "time_ms", (json_int_t)wall_ms, "level", names[level], "text", value));
}

/* Cuts the first OUTBOX_BATCH items off *list and returns them as an array of their own. */
static json_t *cut(json_t **list) {
    json_t *head = json_array(), *tail = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(*list, i, item) json_array_append(i < OUTBOX_BATCH ? head : tail, item);
    json_decref(*list);
    *list = tail;
    return head;
}

static void build_batch(struct outbox *outbox, int64_t wall_ms) {
    if (outbox->dropped > 0) {
        char text[96];
        unsigned dropped = outbox->dropped;
        outbox->dropped = 0;
        snprintf(text, sizeof text, "(%u metrics or lines were dropped: too many, or not well formed)",
                 dropped);
        outbox_line(outbox, wall_ms, LOG_WARN, text);
    }
    outbox->batch_metrics = cut(&outbox->metrics);
    outbox->batch_log = cut(&outbox->log);
    outbox->sequence = wall_ms > outbox->sequence ? wall_ms : outbox->sequence + 1;
}

json_t *outbox_beat(struct outbox *outbox, int64_t worker, int64_t attempt, int64_t wall_ms) {
    if (!outbox->batch_log)
        build_batch(outbox, wall_ms);
    json_t *progress =
        json_pack("{s:I, s:f}", "done", (json_int_t)outbox->done, "rate_per_s", outbox->rate_per_s);
    if (progress && outbox->live)
        json_object_set(progress, "live", outbox->live);
    return json_pack("{s:I, s:I, s:o, s:O, s:O, s:I}", "worker", (json_int_t)worker, "attempt",
                     (json_int_t)attempt, "progress", progress, "metrics", outbox->batch_metrics, "log",
                     outbox->batch_log, "sequence", (json_int_t)outbox->sequence);
}

void outbox_answered(struct outbox *outbox) {
    json_decref(outbox->batch_metrics);
    json_decref(outbox->batch_log);
    outbox->batch_metrics = outbox->batch_log = NULL;
}

bool outbox_has_news(const struct outbox *outbox) {
    return json_array_size(outbox->metrics) + json_array_size(outbox->log) > 0 ||
           json_array_size(outbox->batch_metrics) + json_array_size(outbox->batch_log) > 0;
}
