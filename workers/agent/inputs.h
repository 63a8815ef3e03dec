/* inputs.h - a task's inputs made local: every {"sha256": "..."} and {"stream": {"job", "until"}} in them
 * becomes the path of a file in the cache. */
#ifndef TENGEN_AGENT_INPUTS_H
#define TENGEN_AGENT_INPUTS_H

#include <jansson.h>
#include "proto/base/error.h"

struct cache;
struct inputs;

/* `local`: a copy with paths, the callee's to keep; NULL when `problem` says what is not to be had. Called
 * once, later, from the loop. The files stay in the cache until inputs_release. */
typedef void (*inputs_done_fn)(void *context, json_t *local, const struct problem *problem);

/* NULL when out of memory. */
struct inputs *inputs_fetch(struct cache *cache, const json_t *inputs, inputs_done_fn done, void *context);
/* What a runner says of a file here is read by people elsewhere: in the problem's texts the files' paths become
 * the inputs' names, "inputs.data", and the digest (or the job) is told. NULL: nothing to do. */
void inputs_name_files(const struct inputs *inputs, struct problem *problem);
/* Lets the files go; before done was called it also cancels (done is not called then). */
void inputs_release(struct inputs *inputs);

#endif
