/* events.c - what the scheduler has to tell: a ring that grows, oldest first. Whoever moved time on or reported a
 * result reads it empty afterwards, so that what happened of itself (a lapse, a job that became ready) reaches
 * disk and listeners. */
#include "server/sched/internal.h"

#include <stdlib.h>

void event_push(struct sched *sched, struct sched_event event) {
    if (sched->event_count == sched->event_room) {
        size_t room = sched->event_room ? sched->event_room * 2 : 64;
        struct sched_event *events = malloc(room * sizeof *events);
        TG_ASSERT(events != NULL); /* a lost event would leave memory and disk apart */
        for (size_t i = 0; i < sched->event_count; i++)
            events[i] = sched->events[(sched->event_first + i) % sched->event_room];
        free(sched->events);
        sched->events = events;
        sched->event_room = room;
        sched->event_first = 0;
    }
    sched->events[(sched->event_first + sched->event_count++) % sched->event_room] = event;
}

bool sched_next_event(struct sched *sched, struct sched_event *out) {
    if (sched->event_count == 0)
        return false;
    *out = sched->events[sched->event_first];
    sched->event_first = (sched->event_first + 1) % sched->event_room;
    sched->event_count--;
    return true;
}

uint64_t sched_generation(const struct sched *sched) {
    return sched->generation;
}
