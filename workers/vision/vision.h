/* vision.h - the kinds that tell images apart: classify (train) and evaluate (score a checkpoint).
 *
 * How an image enters a network ("encoding" in a checkpoint's architecture): pixels-grey/1 or pixels-rgb/1,
 * one plane a channel, black is 0 and white 3, which makes usual images vary by about 1; what padding and
 * shifts bring in is black.
 */
#ifndef TENGEN_VISION_VISION_H
#define TENGEN_VISION_VISION_H

#include "workers/task/port.h"
#include "workers/task/task.h"

/* The run functions. 0, TG_ECANCELLED, or why the task failed. */
int classify_run(const struct task *task, struct port *port, struct problem *problem);
int evaluate_run(const struct task *task, struct port *port, struct problem *problem);

#endif
