/* model.h - the numbers of a network: all parameters and states in one array, as the graph lays them out.
 *
 * One array makes optimizers, averaging, gradient exchange and checkpoints plain loops. A model may be read
 * by any number of threads; who writes (a training step) must be alone.
 */
#ifndef TENGEN_NN_MODEL_H
#define TENGEN_NN_MODEL_H

#include <stdint.h>
#include "workers/nn/graph.h"

struct model {
    const struct graph *graph; /* must outlive the model */
    float *values;             /* graph_value_count floats */
};

/* Values are zero. TG_ENO_MEMORY. */
int model_create(const struct graph *graph, struct model *model);
void model_destroy(struct model *model);
/* Draws every parameter by its own rule (He, Glorot, zero, one) from `seed`; states to their start. */
void model_init(struct model *model, uint64_t seed);

/* What a graph keeps in a model, in order. */
struct param_view {
    const char *name; /* "stem.conv.weight" */
    struct shape shape;
    size_t offset; /* into values */
    bool trained, decayed;
};
int graph_param_count(const struct graph *graph);
struct param_view graph_param_view(const struct graph *graph, int index);
size_t graph_value_count(const struct graph *graph);

#endif
