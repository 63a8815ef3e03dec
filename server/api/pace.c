#include "server/api/pace.h"

#include <stdbool.h>

enum { SPACING_MS = 2000, PAUSE_MS = 60000, PAUSE_STEPS = 20 };

static int oldest(const struct pace *pace) {
    return (pace->newest + PACE_SAMPLES - pace->count + 1) % PACE_SAMPLES;
}

/* Nothing came for a minute, and for many times longer than it took before: the job stood still. */
static bool was_paused(const struct pace *pace, int64_t now_ms) {
    const int64_t gap = now_ms - pace->sample[pace->newest].ms;
    const int64_t span = pace->sample[pace->newest].ms - pace->sample[oldest(pace)].ms;
    return pace->count > 1 && gap > PAUSE_MS && gap > PAUSE_STEPS * span / (pace->count - 1);
}

void pace_note(struct pace *pace, double done, int64_t now_ms) {
    if (was_paused(pace, now_ms)) {
        pace->count = 0;
    }
    /* A sample that began less than the spacing after the one before it is brought up to date instead. */
    const int before = (pace->newest + PACE_SAMPLES - 1) % PACE_SAMPLES;
    if (pace->count < 2 || pace->sample[pace->newest].ms - pace->sample[before].ms >= SPACING_MS) {
        pace->newest = (pace->newest + 1) % PACE_SAMPLES;
        pace->count += pace->count < PACE_SAMPLES;
    }
    pace->sample[pace->newest].ms = now_ms;
    pace->sample[pace->newest].done = done;
}

double pace_rate(const struct pace *pace, int64_t now_ms) {
    if (!pace || pace->count < 2 || was_paused(pace, now_ms)) {
        return 0;
    }
    const int first = oldest(pace);
    const double units = pace->sample[pace->newest].done - pace->sample[first].done;
    const int64_t span = now_ms - pace->sample[first].ms;
    return span > 0 && units > 0 ? 1000.0 * units / (double)span : 0;
}
