/* run.h - runs a graph: forward, and backward for training.
 *
 * A run owns one arena, laid out once for its largest batch. Each array gets an interval of steps in which it
 * must be kept (forward of node i is step i, its backward is step 2n - i) and a place in the arena so that
 * arrays whose intervals overlap never share memory:
 *
 *     steps      0 1 2 ...  n  n+1 ... 2n-1 2n      A result that no backward step reads is given up after
 *                forward       backward             its last reader; nothing is computed twice.
 *
 *     results      |====|                           An operator that may work in place takes over its
 *                    |===================|          input's memory when nobody reads that any more.
 *     gradients                |====|
 *
 * A run belongs to one thread at a time; any number of runs may share a graph and a model.
 */
#ifndef TENGEN_NN_RUN_H
#define TENGEN_NN_RUN_H

#include <stdint.h>
#include "workers/nn/model.h"

enum run_mode {
    RUN_INFERENCE, /* forward only, running averages, no dropout */
    RUN_TRAINING,  /* forward and backward */
};

struct run;
/* TG_ENO_MEMORY; TG_EOUT_OF_RANGE when the arena would pass 64 GiB. The graph must be finished and outlive
 * the run. */
int run_create(const struct graph *graph, enum run_mode mode, int batch_max, uint64_t seed, struct run **out,
               struct problem *problem);
void run_destroy(struct run *run);

/* Where input number `index` (in order of creation) is to be written before run_forward: [batch][shape]. Its
 * content is lost by run_forward. */
float *run_input(struct run *run, int index);
/* batch: 1..batch_max. In training also updates the model's running averages. */
void run_forward(struct run *run, struct model *model, int batch);
/* Result of an output, [batch][shape], valid until the next run_forward (in training: until run_backward).
 * NULL: no such output. */
const float *run_output(const struct run *run, const char *name);
/* Where the loss's gradient of an output is to be written (or left zero) between run_forward and
 * run_backward. Zeroed by run_forward. */
float *run_output_gradient(struct run *run, const char *name);
/* Adds the gradients of all parameters to `gradients`, an array laid out as model->values. */
void run_backward(struct run *run, struct model *model, float *gradients);
/* The same, but writes them: what `gradients` held before does not matter. (Of what is not trained nothing is
 * written.) */
void run_gradients(struct run *run, struct model *model, float *gradients);

/* Dropout draws from here on follow from `seed`: a step's draws need not depend on the steps before it. */
void run_reseed(struct run *run, uint64_t seed);

struct run_memory {
    size_t arena;  /* bytes of the arena */
    size_t needed; /* bytes of what backward reads at its begin */
    size_t live; /* bytes of the results and gradients that are still to be read, at the step where most are:
                    a lower bound for any plan that computes nothing twice */
    size_t unshared; /* bytes if no memory were shared */
};
struct run_memory run_memory(const struct run *run);

#endif
