/* backoff.h - whether and when a call to the coordinator is tried again. Pure: chance comes in as an
 * argument.
 *
 * The agent never gives up: a coordinator that is away for hours only pauses it. Delays double from half a
 * second to a cap of a minute; half of each is random, so that a thousand agents do not come back in one
 * instant. A Retry-After is always obeyed, even beyond the cap.
 */
#ifndef TENGEN_AGENT_BACKOFF_H
#define TENGEN_AGENT_BACKOFF_H

#include <stdint.h>

enum { BACKOFF_FIRST_MS = 500, BACKOFF_CAP_MS = 60000, BACKOFF_OBEY_MAX_S = 86400 };

struct backoff {
    unsigned failures; /* in a row */
};

/* Notes a failure and returns how long to wait. `cap_ms` bounds our own part (BACKOFF_CAP_MS or less);
 * `retry_after_s` is the coordinator's wish (0: none), to which up to a tenth is added. `chance` is any
 * random 64 bits. */
int64_t backoff_next_ms(struct backoff *backoff, int64_t cap_ms, int64_t retry_after_s, uint64_t chance);
void backoff_reset(struct backoff *backoff);

enum verdict {
    VERDICT_FINAL, /* the answer stands, good or bad */
    VERDICT_RETRY, /* away, busy or broken: try again */
    VERDICT_DENIED /* 401, 403: a person must act; try again slowly */
};
/* What an HTTP status (0: no answer at all) means for the call. */
enum verdict verdict_of(int status);

#endif
