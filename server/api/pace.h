/* pace.h - how fast a job gets on, from what is stored and how far a unit in hand says that it is.
 *
 * The count of units is noted as it grows, at most every two seconds, and the last samples are kept:
 *
 *     count   12   15   19   ...   97
 *     time    t0   t1   t2   ...   tn      now        pace = (97 - 12) / (now - t0)
 *
 * So a fast job's pace is that of the last minute, and a slow one's that of its last units, whoever did them:
 * tasks that are over in seconds count like any others. After a long pause it begins anew. */
#ifndef TENGEN_API_PACE_H
#define TENGEN_API_PACE_H

#include <stdint.h>

enum { PACE_SAMPLES = 32 };

struct pace {
    struct {
        int64_t ms;
        double done;
    } sample[PACE_SAMPLES]; /* a ring */
    int newest, count;
};

/* The job has `done` units now; now_ms is of a clock that never goes back. */
void pace_note(struct pace *pace, double done, int64_t now_ms);
/* Units a second; 0 as long as nothing can be said. NULL is fine. */
double pace_rate(const struct pace *pace, int64_t now_ms);

#endif
