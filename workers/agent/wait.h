/* wait.h - the reason of a wait, logged once per change.
 *
 *     info  agent: lease: waiting, no job is queued
 *     info  agent: lease: goes on after 312 s
 *
 * Loop thread only.
 */
#ifndef TENGEN_AGENT_WAIT_H
#define TENGEN_AGENT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct wait {
    const char *what; /* "lease", "coordinator": static text */
    char reason[320]; /* "" while nothing waits */
    int64_t since_ms; /* clock_monotonic_ms() of the first reason */
};

/* Logs "waiting, REASON" when the reason differs from the present one; returns whether it did. */
bool wait_set(struct wait *wait, int64_t now_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Logs "goes on after N s" when something was waiting. */
void wait_over(struct wait *wait, int64_t now_ms);

#endif
