/* check.c - see check.h.
 *
 * Which evaluation is computed twice is drawn ahead: the number of evaluations until the next one is
 * geometric. So the fast path pays one subtraction a batch. The chosen sample's inputs are copied before the
 * forward pass, which loses them.
 *
 * Both forms read the model's values, but the fast one made its own copy when it was compiled (packed,
 * transformed, folded). The reference loads the model anew at each check, so that damage to either copy shows
 * as a difference, and the sample that happens to meet it is enough.
 *
 * A difference is measured against max(1, the largest value of the output): against the single value it would
 * be meaningless near zero, where float32 leaves nothing but rounding.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/rng.h"
#include "workers/nn/check.h"
#include "workers/nn/reference_run.h"

struct checked_infer {
    const struct graph *graph;
    const struct model *model;
    struct infer *infer;
    struct reference_run *reference; /* of one sample; NULL while none was needed */
    struct check_options options;
    struct rng rng;
    int64_t until_next; /* evaluations before the next that is checked */
    struct check_counts counts;
};

/* ---- comparing ---- */

static void load_sample(struct reference_run *reference, const struct graph *graph, int index,
                        const float *sample) {
    double *to = reference_run_input(reference, index);
    for (size_t i = 0; i < shape_elements(graph_input_shape(graph, index)); i++)
        to[i] = (double)sample[i];
}

/* Takes the comparison of one sample into `out`. */
static void compare_sample(const struct graph *graph, int output, int sample, const float *fast,
                           const double *truth, struct output_difference *out) {
    size_t count = shape_elements(graph_output_shape(graph, output));
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)fast[i] - truth[i]);
        if (!isfinite(difference))
            difference = INFINITY;
        out->magnitude = fmax(out->magnitude, fabs(truth[i]));
        if (difference <= out->difference)
            continue;
        out->difference = difference;
        out->sample = sample;
        out->element = (int)i;
        out->fast = (double)fast[i];
        out->reference = truth[i];
    }
}

int nn_compare(struct infer *infer, const struct graph *graph, const struct model *model, int batch,
               const float *const *inputs, struct output_difference *out) {
    struct reference_run *reference;
    if (reference_run_create(graph, RUN_INFERENCE, 1, 0, &reference))
        return TG_ENO_MEMORY;
    reference_run_load(reference, model);
    for (int i = 0; i < graph_input_count(graph); i++)
        memcpy(infer_input(infer, i), inputs[i],
               (size_t)batch * shape_elements(graph_input_shape(graph, i)) * sizeof(float));
    infer_forward(infer, batch);
    for (int o = 0; o < graph_output_count(graph); o++)
        out[o] = (struct output_difference){.output = graph_output_name(graph, o), .difference = -1};
    for (int sample = 0; sample < batch; sample++) {
        for (int i = 0; i < graph_input_count(graph); i++)
            load_sample(reference, graph, i,
                        inputs[i] + (size_t)sample * shape_elements(graph_input_shape(graph, i)));
        reference_run_forward(reference, 1);
        for (int o = 0; o < graph_output_count(graph); o++) {
            size_t count = shape_elements(graph_output_shape(graph, o));
            compare_sample(graph, o, sample, infer_output(infer, out[o].output) + (size_t)sample * count,
                           reference_run_output(reference, out[o].output), &out[o]);
        }
    }
    reference_run_destroy(reference);
    return TG_OK;
}

/* ---- production ---- */

/* Evaluations before the next check: geometric with mean (1 - share) / share. */
static int64_t draw_until_next(struct checked_infer *c) {
    if (c->options.share <= 0)
        return INT64_MAX;
    if (c->options.share >= 1)
        return 0;
    double steps = log(1 - rng_uniform(&c->rng)) / log1p(-c->options.share);
    return steps < 1e15 ? (int64_t)steps : (int64_t)1e15;
}

int checked_infer_create(const struct graph *graph, const struct model *model, int batch_max,
                         const struct check_options *options, struct checked_infer **out,
                         struct problem *problem) {
    *out = NULL;
    if (!(options->share >= 0 && options->share <= 1 && options->bound >= 0))
        return problem_set(problem, TG_EOUT_OF_RANGE, "share",
                           "the share of evaluations to check must be 0 to 1, and the bound not negative");
    struct checked_infer *c = calloc(1, sizeof *c);
    if (!c)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for an evaluator");
    *c = (struct checked_infer){.graph = graph, .model = model, .options = *options};
    if (c->options.bound == 0)
        c->options.bound = CHECK_BOUND;
    rng_seed(&c->rng, options->seed);
    c->until_next = draw_until_next(c);
    int error = infer_create(graph, model, batch_max, &c->infer, problem);
    if (!error && options->share > 0 && reference_run_create(graph, RUN_INFERENCE, 1, 0, &c->reference))
        error = problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for an evaluator's check");
    if (error)
        checked_infer_destroy(c);
    else
        *out = c;
    return error;
}

void checked_infer_destroy(struct checked_infer *checked) {
    if (!checked)
        return;
    infer_destroy(checked->infer);
    reference_run_destroy(checked->reference);
    free(checked);
}

float *checked_infer_input(struct checked_infer *checked, int index) {
    return infer_input(checked->infer, index);
}

const float *checked_infer_output(const struct checked_infer *checked, const char *name) {
    return infer_output(checked->infer, name);
}

static int check_finite(const struct checked_infer *c, int batch, struct problem *problem) {
    for (int o = 0; o < graph_output_count(c->graph); o++) {
        const char *name = graph_output_name(c->graph, o);
        const float *values = infer_output(c->infer, name);
        size_t count = shape_elements(graph_output_shape(c->graph, o));
        for (size_t i = 0; i < (size_t)batch * count; i++)
            if (!isfinite(values[i]))
                return problem_set(problem, TG_ECOMPUTATION, name,
                                   "element %zu of sample %zu of %d is not a finite number: the network's "
                                   "weights or this machine's arithmetic are damaged",
                                   i % count, i / count, batch);
    }
    return TG_OK;
}

/* The chosen sample's inputs, to the reference, which computes it later. */
static void keep_inputs(struct checked_infer *c, int sample) {
    for (int i = 0; i < graph_input_count(c->graph); i++)
        load_sample(c->reference, c->graph, i,
                    infer_input(c->infer, i) +
                        (size_t)sample * shape_elements(graph_input_shape(c->graph, i)));
}

static int check_sample(struct checked_infer *c, int sample, struct problem *problem) {
    reference_run_load(c->reference, c->model); /* anew: damage to either copy of the weights shows */
    reference_run_forward(c->reference, 1);
    c->counts.checked++;
    for (int o = 0; o < graph_output_count(c->graph); o++) {
        struct output_difference d = {.output = graph_output_name(c->graph, o), .difference = -1};
        size_t count = shape_elements(graph_output_shape(c->graph, o));
        compare_sample(c->graph, o, sample, infer_output(c->infer, d.output) + (size_t)sample * count,
                       reference_run_output(c->reference, d.output), &d);
        double share = d.difference / fmax(1, d.magnitude);
        c->counts.largest = fmax(c->counts.largest, share);
        if (!(share <= c->options.bound))
            return problem_set(problem, TG_ECOMPUTATION, d.output,
                               "element %d is %.9g by the fast code and %.9g by its reference: more than %g "
                               "apart; the weights in memory or this machine's arithmetic are damaged",
                               d.element, d.fast, d.reference, c->options.bound);
    }
    return TG_OK;
}

int checked_infer_forward(struct checked_infer *c, int batch, struct problem *problem) {
    int sample = c->until_next < batch ? (int)c->until_next : -1; /* at most one a batch */
    if (sample >= 0)
        keep_inputs(c, sample);
    infer_forward(c->infer, batch);
    c->counts.evaluations += batch;
    c->until_next = sample >= 0 ? draw_until_next(c) : c->until_next - batch;
    int error = check_finite(c, batch, problem);
    return error || sample < 0 ? error : check_sample(c, sample, problem);
}

struct check_counts checked_infer_counts(const struct checked_infer *checked) {
    return checked->counts;
}

size_t checked_infer_bytes(const struct checked_infer *checked) {
    return infer_bytes(checked->infer);
}
