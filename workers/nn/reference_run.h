/* reference_run.h - runs a whole graph by the operators' references (reference.h): what run.h and infer.h
 * compute fast, computed in double precision by the definitions. For tests and for checks of a few samples:
 * it is a thousand times slower, and keeps every array.
 *
 * One thread at a time.
 */
#ifndef TENGEN_NN_REFERENCE_RUN_H
#define TENGEN_NN_REFERENCE_RUN_H

#include "workers/nn/model.h"
#include "workers/nn/run.h"

struct reference_run;

/* The graph must be finished and outlive the run. In training, dropout draws at every forward pass what the
 * first forward pass of a run with this seed draws. TG_ENO_MEMORY. */
int reference_run_create(const struct graph *graph, enum run_mode mode, int batch_max, uint64_t seed,
                         struct reference_run **out);
void reference_run_destroy(struct reference_run *run);

/* Its own copy of a model's numbers, to be changed at will: graph_value_count of them. */
void reference_run_load(struct reference_run *run, const struct model *model);
double *reference_run_values(struct reference_run *run);

/* As run_input, run_forward, ... of run.h; inputs keep their content. */
double *reference_run_input(struct reference_run *run, int index);
void reference_run_forward(struct reference_run *run, int batch);
const double *reference_run_output(const struct reference_run *run, const char *name); /* NULL: none */
double *reference_run_output_gradient(struct reference_run *run, const char *name);
/* From the outputs' gradients; zeroes all others first. */
void reference_run_backward(struct reference_run *run);
/* Afterwards: of the parameters (as values are laid out), and of an input. */
const double *reference_run_gradients(const struct reference_run *run);
const double *reference_run_input_gradient(const struct reference_run *run, int index);

#endif
