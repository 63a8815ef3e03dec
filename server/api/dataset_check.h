/* dataset_check.h - what an uploaded data set is: tengen-run dataset-check - as a child that reads it as it
 * comes.
 *
 *      body ──> dataset_check_feed ──> pipe ──> child ──> {"format", "samples", ...} or {"error": {...}}
 *
 * The coordinator itself never looks into a data set: what a hostile file can do, it does to a child that has
 * bounds on memory, processor time and silence, and is killed beyond them. Loop thread only; nothing waits.
 */
#ifndef TENGEN_API_DATASET_CHECK_H
#define TENGEN_API_DATASET_CHECK_H

#include <stdbool.h>
#include <jansson.h>
#include <uv.h>
#include "proto/base/error.h"

struct dataset_check;

struct dataset_check_events {
    /* The child has taken in what was fed: there is room again. */
    void (*room)(void *arg);
    /* It has ended: with `info` (borrowed), or with a problem: a 4xx when the data set is at fault. Called
     * once, from the loop, also before everything was fed; the check frees itself afterwards. */
    void (*ended)(void *arg, const json_t *info, const struct problem *problem);
};

/* TG_EUNAVAILABLE: there is no program, or it cannot be started; TG_EBUSY: too many are checked already.
 * `events` must outlive the check. */
int dataset_check_start(uv_loop_t *loop, const char *program, const struct dataset_check_events *events,
                        void *arg, struct dataset_check **out, struct problem *problem);
bool dataset_check_has_room(const struct dataset_check *check);
/* Copies. What comes after the child has stopped reading is dropped. 0 or TG_ENO_MEMORY. */
int dataset_check_feed(struct dataset_check *check, const void *data, size_t size);
void dataset_check_finish(struct dataset_check *check); /* that was all */
void dataset_check_cancel(
    struct dataset_check *check); /* kills it; nothing is called any more; NULL is fine */

#endif
