/* infer.h - the second form of a network: compiled for inference.
 *
 * From a finished graph and its model, once: batch normalization is folded into the convolution before it,
 * the addition of a residual and the ReLU that follow become part of the convolution's last pass, and weights
 * are laid out for the kernels in use (Winograd-transformed where that is the method). What does not fit a
 * pattern runs as in run.h, of which this is the fast equal: nn_compare holds the two against each other.
 *
 *     conv -> batch_norm -> add(residual) -> relu      one step
 *     conv -> batch_norm -> relu                       one step
 *     conv -> relu                                     one step
 */
#ifndef TENGEN_NN_INFER_H
#define TENGEN_NN_INFER_H

#include "workers/nn/model.h"

struct infer;

/* Compiles. The model's values are copied where they are transformed; the graph and the model must outlive
 * the result. TG_ENO_MEMORY. */
int infer_create(const struct graph *graph, const struct model *model, int batch_max, struct infer **out,
                 struct problem *problem);
void infer_destroy(struct infer *infer);

/* As run_input, run_forward and run_output. One thread at a time. */
float *infer_input(struct infer *infer, int index);
void infer_forward(struct infer *infer, int batch);
const float *infer_output(const struct infer *infer, const char *name);

size_t infer_bytes(const struct infer *infer); /* of packed weights and arena */

/* The packed weights, for tests of what guards them; *count (floats) may be NULL. */
float *infer_weights(struct infer *infer, size_t *count);

#endif
