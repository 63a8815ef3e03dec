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

#endif
