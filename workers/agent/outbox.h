/* outbox.h - what an attempt has to tell at its next beats: progress, metrics, log lines.
 *
 * Beats are idempotent: metrics and lines travel in batches with a sequence number. A batch, once built,
 * stays the same until a beat with it was answered, while news gathers for the next one; progress is always
 * the newest. Sequence numbers are milliseconds of the coordinator's clock, made to rise, so that a restarted
 * agent goes on above its old ones, whatever became of its own clock meanwhile.
 *
 * Bounded: a batch takes OUTBOX_BATCH of each, OUTBOX_KEEP wait at most; what is dropped beyond is counted in
 * a line. Loop thread only.
 */
#ifndef TENGEN_AGENT_OUTBOX_H
#define TENGEN_AGENT_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "proto/base/log.h"

struct outbox;

enum { OUTBOX_BATCH = 1000, OUTBOX_KEEP = 10000, OUTBOX_NAME_MAX = 100, OUTBOX_LIVE_MAX_BYTES = 256 << 10 };

struct outbox *outbox_create(void); /* NULL when out of memory */
void outbox_destroy(struct outbox *outbox);

void outbox_progress(struct outbox *outbox, int64_t done, double rate_per_s);
void outbox_live(struct outbox *outbox, json_t *live); /* borrows; replaces the list of live games */
/* A metric frame of the runner; one that is not sound is dropped and counted. */
void outbox_metric(struct outbox *outbox, const json_t *frame);
/* wall_ms, here and below: by the coordinator's clock, caller_wall_ms. */
void outbox_line(struct outbox *outbox, int64_t wall_ms, enum log_level level, const char *text);

/* The body of the next beat; the caller owns it. NULL when out of memory. */
json_t *outbox_beat(struct outbox *outbox, int64_t worker, int64_t attempt, int64_t wall_ms);
void outbox_answered(struct outbox *outbox);       /* the batch of the last beat has arrived */
bool outbox_has_news(const struct outbox *outbox); /* metrics or lines that no answered beat has carried */

#endif
