#include "workers/agent/backoff.h"

int64_t backoff_next_ms(struct backoff *backoff, int64_t cap_ms, int64_t retry_after_s, uint64_t chance) {
    int64_t delay = BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < backoff->failures && delay < cap_ms; i++)
        delay *= 2;
    if (delay > cap_ms)
        delay = cap_ms;
    if (backoff->failures < 1000)
        backoff->failures++;
    double fraction = (double)(chance >> 11) * 0x1.0p-53;
    int64_t own = delay / 2 + (int64_t)(fraction * (double)(delay - delay / 2));
    if (retry_after_s <= 0)
        return own;
    if (retry_after_s > BACKOFF_OBEY_MAX_S)
        retry_after_s = BACKOFF_OBEY_MAX_S;
    return retry_after_s * 1000 + (int64_t)(fraction * (double)retry_after_s * 100);
}

void backoff_reset(struct backoff *backoff) {
    backoff->failures = 0;
}

enum verdict verdict_of(int status) {
    if (status == 401 || status == 403)
        return VERDICT_DENIED;
    if (status == 0 || status == 408 || status == 421 || status == 425 || status == 429)
        return VERDICT_RETRY;
    if (status >= 500 && status != 501)
        return VERDICT_RETRY;
    return VERDICT_FINAL;
}
