#include "proto/base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_ns(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_wall_ms(void) {
    return clock_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_monotonic_ms(void) {
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_monotonic_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t clock_cpu_ns(void) {
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Clamped to the years 1970 to 9999, so that the text always has its 24 characters. */
void clock_format_utc(int64_t wall_ms, char out[25]) {
    const int64_t last = 253402300799999; /* the end of 9999 */
    int64_t ms = wall_ms < 0 ? 0 : wall_ms > last ? last : wall_ms;
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char text[64];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
             utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(ms % 1000));
    snprintf(out, 25, "%.24s", text);
}
