/* waits.h - long polls: things that wait until something happens or their time is over. One timer for all. */
#ifndef TENGEN_API_WAITS_H
#define TENGEN_API_WAITS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct wait {
    struct wait *previous, *next;
    int64_t deadline_ms;
    void (*expired)(struct wait *wait); /* called once, after the wait was taken out */
    bool waiting;
};

struct waits {
    struct wait *first;
    uv_timer_t timer;
    int64_t armed_ms; /* when the timer fires; 0: it does not */
};

void waits_init(struct waits *waits, uv_loop_t *loop);
void waits_add(struct waits *waits, struct wait *wait, int64_t wait_ms);
void waits_remove(struct waits *waits, struct wait *wait); /* no effect when it does not wait */
void waits_expire_all(struct waits *waits);

#endif
