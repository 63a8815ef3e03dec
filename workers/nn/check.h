/* check.h - does the fast code compute what it should? Evaluations of the compiled form (infer.h) beside the
 * same by the references (reference_run.h).
 *
 * nn_compare looks at one batch, for a person or a test. A checked_infer is the compiled form for production:
 * it looks at every result for what is not finite, and computes a small random share of its evaluations a
 * second time by the references, so that a damaged weight, a bad kernel or a bad memory module ends a run
 * with a clear error instead of ending in its results.
 */
#ifndef TENGEN_NN_CHECK_H
#define TENGEN_NN_CHECK_H

#include "workers/nn/infer.h"

/* How one output of the two forms differs. */
struct output_difference {
    const char *output; /* its name */
    double difference;  /* the largest, absolute; INFINITY when the fast form's is not finite */
    double magnitude;   /* of the reference's largest value */
    int sample, element;
    double fast, reference; /* there */
};

/* Runs `batch` samples through both. inputs: one array a network input, [batch][shape]. `out` has room for
 * one entry an output (graph_output_count), in their order. The compiled form must be of this graph and
 * model; it is run. TG_ENO_MEMORY. */
int nn_compare(struct infer *infer, const struct graph *graph, const struct model *model, int batch,
               const float *const *inputs, struct output_difference *out);

struct check_options {
    double share;  /* of the evaluations to compute twice, 0 .. 1; 0: only look for what is not finite */
    double bound;  /* a difference above bound * max(1, magnitude) is a disagreement; 0: CHECK_BOUND */
    uint64_t seed; /* which ones */
};
/* One in 10,000 costs less than 1 % with a network of 6 blocks x 96 on a 9x9 board, and is one every few
 * seconds of self-play. */
#define CHECK_SHARE 1e-4
/* Far above what float32 and Winograd's transforms lose in a deep network (below 1e-4), far below any
 * damage that would matter. */
#define CHECK_BOUND 1e-3

struct checked_infer;
/* As infer_create, and TG_EOUT_OF_RANGE for options that make no sense. */
int checked_infer_create(const struct graph *graph, const struct model *model, int batch_max,
                         const struct check_options *options, struct checked_infer **out,
                         struct problem *problem);
void checked_infer_destroy(struct checked_infer *checked);

/* As infer_input, infer_forward and infer_output. Returns TG_ECOMPUTATION, with output, sample and both
 * values in *problem, when a result is not finite or the two forms disagree: the caller must give up what it
 * is doing. */
float *checked_infer_input(struct checked_infer *checked, int index);
int checked_infer_forward(struct checked_infer *checked, int batch, struct problem *problem);
const float *checked_infer_output(const struct checked_infer *checked, const char *name);

struct check_counts {
    int64_t evaluations, checked;
    double largest; /* difference so far, as a share of max(1, magnitude) */
};
struct check_counts checked_infer_counts(const struct checked_infer *checked);
size_t checked_infer_bytes(const struct checked_infer *checked); /* of the compiled form */

#endif
