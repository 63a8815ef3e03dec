#include "server/api/waits.h"

#include <stddef.h>
#include "proto/base/clock.h"

static void arm(struct waits *waits);

static void unlink_wait(struct waits *waits, struct wait *wait) {
    *(wait->previous ? &wait->previous->next : &waits->first) = wait->next;
    if (wait->next) {
        wait->next->previous = wait->previous;
    }
    wait->previous = wait->next = NULL;
    wait->waiting = false;
}

static void expire(struct waits *waits, int64_t now_ms) {
    for (;;) {
        struct wait *due = waits->first;
        while (due && due->deadline_ms > now_ms) {
            due = due->next;
        }
        if (!due) {
            return;
        }
        unlink_wait(waits, due);
        due->expired(due);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct waits *waits = timer->data;
    waits->armed_ms = 0;
    expire(waits, clock_monotonic_ms());
    arm(waits);
}

static void arm(struct waits *waits) {
    int64_t due = INT64_MAX, now_ms = clock_monotonic_ms();
    for (const struct wait *wait = waits->first; wait; wait = wait->next) {
        due = wait->deadline_ms < due ? wait->deadline_ms : due;
    }
    if (due != INT64_MAX) {
        waits->armed_ms = due;
        uv_timer_start(&waits->timer, on_timer, due > now_ms ? (uint64_t)(due - now_ms) : 0, 0);
    }
}

void waits_init(struct waits *waits, uv_loop_t *loop) {
    *waits = (struct waits){0};
    uv_timer_init(loop, &waits->timer);
    waits->timer.data = waits;
}

void waits_add(struct waits *waits, struct wait *wait, int64_t wait_ms) {
    int64_t now_ms = clock_monotonic_ms();
    wait->deadline_ms = now_ms + wait_ms;
    wait->waiting = true;
    wait->previous = NULL;
    wait->next = waits->first;
    if (waits->first) {
        waits->first->previous = wait;
    }
    waits->first = wait;
    /* A timer that fires too early looks again; only one that would be too late must be moved. */
    if (waits->armed_ms == 0 || wait->deadline_ms < waits->armed_ms) {
        waits->armed_ms = wait->deadline_ms;
        uv_timer_start(&waits->timer, on_timer, (uint64_t)wait_ms, 0);
    }
}

void waits_remove(struct waits *waits, struct wait *wait) {
    if (wait->waiting) {
        unlink_wait(waits, wait);
    }
}

void waits_expire_all(struct waits *waits) {
    expire(waits, INT64_MAX);
}
