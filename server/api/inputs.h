/* inputs.h - a job's inputs, as they are submitted and as a worker gets them.
 *
 *      submitted, kept with the job                     in a lease
 *      {"dataset": 3} or {"dataset": "fashion"}         {"sha256": "..."}
 *      {"checkpoint": "sha256"}                         {"sha256": "..."}
 *      {"job": 12, "output": "checkpoint"}              {"sha256": "..."}: the newest of that name
 *      {"job": 12, "output": "games"}                   {"stream": {"job": 12, "until": CURSOR}}
 *
 * A data set's name becomes its id when the job is submitted, so that a later data set of that name changes
 * no job. Outputs of jobs are looked up when a task is leased: by then the jobs are over.
 */
#ifndef TENGEN_API_INPUTS_H
#define TENGEN_API_INPUTS_H

#include <jansson.h>
#include "proto/kinds/kind.h"
#include "server/store/store_tx.h"

/* Whether `value` has one of the forms above and `input` takes such a thing. Of {"job": ...} the job is left
 * to the caller. TG_EINVALID naming `field`. */
int inputs_form(const struct kind_input *input, const json_t *value, const char *field,
                struct problem *problem);

/* In `work`: everything that the inputs of a job of this kind name must be there, and a data set of a format
 * that fits; names of data sets become ids. TG_ENOT_FOUND or TG_EINVALID, naming the input and what there is. */
int inputs_settle(struct store_tx *tx, const struct kind *kind, json_t *inputs, struct problem *problem);

/* In `work`: the inputs for a lease; the caller owns *out. TG_ENOT_FOUND: one is not there (any more). */
int inputs_resolve(struct store_tx *tx, const char *inputs, json_t **out, struct problem *problem);

#endif
