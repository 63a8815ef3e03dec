/* people.h - what a runner sends, as lines for people: one a game, checkpoint and report, one for the metrics
 * of a step, one for the end. What is sent again and again while nothing changes (hello, progress, units) has
 * none. */
#ifndef TENGEN_TASK_PEOPLE_H
#define TENGEN_TASK_PEOPLE_H

#include <jansson.h>
#include "proto/base/buf.h"

struct people {
    json_int_t games, step;
    json_t *metrics; /* of that step, by name, not told yet; owned; NULL: none */
};

/* Appends the lines that the frame's header gives, each with its line break; maybe none: metrics of one step
 * are held back until something else comes. Control characters of texts become spaces. 0 or TG_ENO_MEMORY. */
int people_tell(struct people *people, const json_t *header, struct buf *out);
void people_free(struct people *people);

#endif
