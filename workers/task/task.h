/* task.h - one task as a runner gets it: what is to be done, checked, with every option's default filled in.
 */
#ifndef TENGEN_TASK_TASK_H
#define TENGEN_TASK_TASK_H

#include <jansson.h>
#include "proto/kinds/kind.h"

struct task {
    const struct kind *kind;
    int64_t id, job, attempt; /* 0 when the document does not say (a task by hand) */
    int64_t index;            /* which of the job's tasks */
    int64_t units;            /* to be done in all attempts */
    int64_t units_done;       /* by earlier attempts: the first one to do now */
    int64_t first_unit;       /* the job's number of this task's unit 0 */
    uint64_t seed;   /* of the job: with a unit's number in the job it decides that unit's random choices */
    json_t *config;  /* owned; of kind->options */
    json_t *inputs;  /* owned; names to local paths */
    json_t *resume;  /* owned; NULL: from the start. Else what an earlier attempt had reached: the local paths
                      * "checkpoint" and "state", both of one step (port_checkpoint) */
    json_t *engines; /* owned; names to command lines, which come from this machine's own settings only */
};

/* Checks a task document (docs/protocol.md, Workers' calls 2). Absent: config means the defaults, units the
 * whole count of the config, engines none, seed the config's. The document stays the caller's. */
int task_parse(const json_t *document, struct task *task, struct problem *problem);
void task_free(struct task *task);

/* The number in the job of the task's unit n (0 ..): the same in every attempt. */
static inline int64_t task_unit(const struct task *task, int64_t n) {
    return task->first_unit + n;
}

#endif
