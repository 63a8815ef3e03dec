/* nn_support.h - what the tests of networks share: random arrays and comparison by relative error. */
#ifndef TENGEN_TESTS_NN_SUPPORT_H
#define TENGEN_TESTS_NN_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/rng.h"
#include "workers/nn/isa.h"
#include "workers/nn/run.h"

/* `count` floats, uniform in -1..1; the caller frees. */
static inline float *random_floats(struct rng *rng, size_t count) {
    float *values = malloc((count + 1) * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(2 * rng_uniform(rng) - 1);
    return values;
}

/* The largest difference, as a share of the largest true value. */
static inline double relative_error(size_t count, const float *values, const double *truth) {
    double largest = 1e-30, difference = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(truth[i]));
        difference = fmax(difference, fabs((double)values[i] - truth[i]));
        if (!isfinite(values[i]))
            return INFINITY;
    }
    return difference / largest;
}

#define assert_close(count, values, truth, bound)                                                            \
    do {                                                                                                     \
        double error_ = relative_error(count, values, truth);                                                \
        if (!(error_ <= (bound)))                                                                            \
            fail_msg("%s: relative error %.3g exceeds %.3g (%s)", #values, error_, (double)(bound),          \
                     kernels_get()->name);                                                                   \
    } while (0)

/* Runs `check` once with each set of kernels that this machine has. */
static inline void on_every_isa(void (*check)(void)) {
    for (const struct kernels *const *kernels = isa_available(); *kernels; kernels++) {
        assert_int_equal(isa_select((*kernels)->name, NULL), 0);
        check();
    }
    assert_int_equal(isa_select(NULL, NULL), 0);
}

/* A network, a batch for it, and a loss over all of its outputs with a gradient that differs in every
 * element: sum of c_i y_i^2 / 2. */
struct trial {
    struct graph *graph;
    struct run *run;
    struct model model;
    float *x[4]; /* one array for each input */
    float *gradients;
    int batch;
};

/* Takes over the graph. ids_below: inputs of rank 1 hold whole numbers below this (0: they are like the
 * others). */
static inline struct trial trial_create(struct graph *graph, int batch_max, int batch, uint64_t seed,
                                        int ids_below) {
    struct trial t = {.graph = graph, .batch = batch};
    struct problem problem = {0};
    struct rng rng;
    rng_seed(&rng, seed);
    if (graph_finish(graph, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    assert_int_equal(model_create(graph, &t.model), 0);
    model_init(&t.model, seed);
    assert_int_equal(run_create(graph, RUN_TRAINING, batch_max, seed, &t.run, NULL), 0);
    for (int i = 0; i < graph_input_count(graph); i++) {
        struct shape shape = graph_input_shape(graph, i);
        size_t count = (size_t)batch * shape_elements(shape);
        t.x[i] = random_floats(&rng, count);
        for (size_t j = 0; j < count && ids_below && shape.rank == 1; j++)
            t.x[i][j] = (float)rng_below(&rng, (uint32_t)ids_below);
    }
    t.gradients = calloc(graph_value_count(graph) + 1, sizeof *t.gradients);
    assert_non_null(t.gradients);
    return t;
}

static inline void trial_destroy(struct trial *t) {
    for (int i = 0; i < 4; i++)
        free(t->x[i]);
    free(t->gradients);
    run_destroy(t->run);
    model_destroy(&t->model);
    graph_destroy(t->graph);
}

static inline double trial_loss(struct trial *t, bool backward) {
    double sum = 0;
    for (int i = 0; i < graph_input_count(t->graph); i++)
        memcpy(run_input(t->run, i), t->x[i],
               (size_t)t->batch * shape_elements(graph_input_shape(t->graph, i)) * sizeof(float));
    run_forward(t->run, &t->model, t->batch);
    for (int o = 0; o < graph_output_count(t->graph); o++) {
        const char *name = graph_output_name(t->graph, o);
        size_t count = (size_t)t->batch * shape_elements(graph_output_shape(t->graph, o));
        for (size_t i = 0; i < count; i++) {
            double y = (double)run_output(t->run, name)[i], weight = 0.2 + 0.1 * (double)(i % 7);
            sum += weight * y * y / 2;
            if (backward)
                run_output_gradient(t->run, name)[i] = (float)(weight * y);
        }
    }
    if (backward)
        run_backward(t->run, &t->model, t->gradients);
    return sum;
}

/* Compares some gradients of every parameter with central differences. */
static inline void trial_check_gradients(struct trial *t) {
    const float step = 1e-2f;
    struct rng rng;
    rng_seed(&rng, 99);
    trial_loss(t, true);
    for (int p = 0; p < graph_param_count(t->graph); p++) {
        struct param_view param = graph_param_view(t->graph, p);
        for (int sample = 0; sample < 6 && param.trained; sample++) {
            size_t at = param.offset + rng_below(&rng, (uint32_t)shape_elements(param.shape));
            float *place = &t->model.values[at], kept = *place;
            *place = kept + step;
            double above = trial_loss(t, false);
            *place = kept - step;
            double below = trial_loss(t, false), truth = (above - below) / (2 * (double)step);
            *place = kept;
            if (!(fabs((double)t->gradients[at] - truth) <= 0.01 * fabs(truth) + 2e-3))
                fail_msg("%s: gradient %.5f, finite difference %.5f (%s)", param.name,
                         (double)t->gradients[at], truth, kernels_get()->name);
        }
    }
}

#endif
