/* clock.h - the two clocks. Code that decides by time takes `now` as a parameter, so that tests need no
 * clock. */
#ifndef TENGEN_BASE_CLOCK_H
#define TENGEN_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);      /* milliseconds since 1970 (UTC): for what people read and what is stored */
int64_t clock_monotonic_ms(void); /* never jumps: for leases, time-outs, rates */
int64_t clock_monotonic_ns(void);
int64_t clock_cpu_ns(
    void); /* processor time of this process, all threads: budgets that a busy machine does not cut */
void clock_format_utc(int64_t wall_ms, char out[25]); /* "2026-11-23T21:44:04.123Z" */

#endif
