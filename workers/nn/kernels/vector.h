/* vector.h - what the kernels are written with: a vector of floats as wide as the instruction set's, loads
 * and stores of a part of it, and the loop over an array by vectors.
 */
#ifndef TENGEN_NN_KERNELS_VECTOR_H
#define TENGEN_NN_KERNELS_VECTOR_H

#include <string.h>
#if KERNELS_VECTOR == 64
#include <immintrin.h>
#endif
#include "workers/nn/kernels.h"

typedef float vf __attribute__((vector_size(KERNELS_VECTOR), aligned(4), may_alias));
typedef int mask __attribute__((vector_size(KERNELS_VECTOR), aligned(4), may_alias));

enum { LANES = KERNELS_VECTOR / 4 };

#define INLINE static inline __attribute__((always_inline))

/* The first n lanes, of which the others are 0 and are not touched in memory. */
INLINE vf load(const float *from, int n) {
    if (n == LANES)
        return *(const vf *)from;
#if KERNELS_VECTOR == 64
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), from);
#else
    vf value = {0};
    for (int lane = 0; lane < n; lane++)
        value[lane] = from[lane];
    return value;
#endif
}

INLINE void store(float *to, vf value, int n) {
    if (n == LANES)
        *(vf *)to = value;
    else
#if KERNELS_VECTOR == 64
        _mm512_mask_storeu_ps(to, (__mmask16)((1u << n) - 1), (__m512)value);
#else
        for (int lane = 0; lane < n; lane++)
            to[lane] = value[lane];
#endif
}

/* `value` where `gate` is above zero, else 0. (A comparison of vectors is a mask of all ones or none.) */
INLINE vf pass_positive(vf gate, vf value) {
    return (vf)((mask)value & (mask)(gate > 0));
}

/* max(value, 0), but NaN stays NaN: what is damaged must show. */
INLINE vf positive(vf value) {
    return (vf)((mask)value & ~(mask)(value < 0));
}

/* Runs `expression` on all of `count` floats, a vector at a time; `i` is the offset and `n` the lanes in use.
 */
#define FOR_VECTORS(count, ...)                                                                              \
    do {                                                                                                     \
        size_t i = 0;                                                                                        \
        for (; i + LANES <= (count); i += LANES) {                                                           \
            const int n = LANES;                                                                             \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
        if (i < (count)) {                                                                                   \
            const int n = (int)((count)-i);                                                                  \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
    } while (0)

#endif
