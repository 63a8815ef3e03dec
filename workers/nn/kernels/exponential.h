/* exponential.h - the exponential and what is made of it: softmax, sigmoid, tanh, GELU. */
#ifndef TENGEN_NN_KERNELS_EXPONENTIAL_H
#define TENGEN_NN_KERNELS_EXPONENTIAL_H

#include "workers/nn/kernels/elementwise.h"

/* exp(x) to about 2 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2, exp(r) by a polynomial (Cephes'
 * expf), 2^n put into the exponent. Below -87 the result is 0, above 88 it stays at exp(88). */
INLINE vf exponential(vf x) {
    const vf low = (vf){0} - 87.0f, high = (vf){0} + 88.0f;
    mask under = (mask)(x < low), over = (mask)(x > high); /* of NaN neither: it stays what it is */
    x = (vf)(((mask)high & over) | ((mask)x & ~over));
    x = (vf)(((mask)x & ~under) | ((mask)low & under));
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number in the low bits */
    vf shifted = x * 1.44269504f + round;
    vf n = shifted - round;
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    mask power = ((mask)shifted - 0x4B400000 + 127) << 23;
    return (vf)((mask)(p * (vf)power) & ~under);
}

/* 0 below -87, where exp(-x) would leave the range. */
INLINE vf logistic(vf x) {
    vf value = 1.0f / (1.0f + exponential(-x));
    return (vf)((mask)value & (mask)(x > (vf){0} - 87.0f));
}

/* 2 logistic(2x) - 1; near 0, where that would cancel, x - x^3 / 3 + 2 x^5 / 15. */
INLINE vf hyperbolic(vf x) {
    vf square = x * x, series = x * (1.0f + square * (-1.0f / 3 + square * (2.0f / 15)));
    mask small = (mask)(square < (vf){0} + 0.0025f);
    vf far = 2.0f * logistic(2.0f * x) - 1.0f;
    return (vf)(((mask)series & small) | ((mask)far & ~small));
}

static float largest(size_t count, const float *x) {
    float most = x[0];
    size_t i = 0;
    if (count >= LANES) {
        vf top = load(x, LANES);
        for (i = LANES; i + LANES <= count; i += LANES) {
            vf value = load(x + i, LANES);
            mask above = (mask)(value > top);
            top = (vf)(((mask)value & above) | ((mask)top & ~above));
        }
        for (int lane = 0; lane < LANES; lane++)
            most = top[lane] > most ? top[lane] : most;
    }
    for (; i < count; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static void softmax(size_t rows, int columns, float factor, const float *x, float *y) {
    for (size_t row = 0; row < rows; row++, x += columns, y += columns) {
        float most = largest((size_t)columns, x), sum = 0;
        if (most < -3e38f) { /* nothing to choose from */
            memset(y, 0, (size_t)columns * sizeof(float));
            continue;
        }
        vf total = {0};
        FOR_VECTORS((size_t)columns, {
            vf value = exponential(factor * (load(x + i, n) - most));
            store(y + i, value, n);
            if (n == LANES)
                total += value;
            else
                sum = sum_lanes(value, n);
        });
        scale((size_t)columns, 1.0f / (sum + sum_lanes(total, LANES)), y);
    }
}

static void softmax_backward(size_t rows, int columns, float factor, const float *y, const float *dy,
                             float *dx) {
    for (size_t row = 0; row < rows; row++, y += columns, dy += columns, dx += columns) {
        float mean = dot((size_t)columns, y, dy);
        FOR_VECTORS((size_t)columns, {
            vf value = factor * load(y + i, n) * (load(dy + i, n) - mean);
            store(dx + i, load(dx + i, n) + value, n);
        });
    }
}

static void sigmoid(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, logistic(load(x + i, n)), n));
}

static void tangent(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, hyperbolic(load(x + i, n)), n));
}

/* gelu(x) = x s(2 u), u = sqrt(2/pi) (x + 0.044715 x^3): 0.5 (1 + tanh u) = s(2 u). */
INLINE vf gelu_gate(vf x) {
    return logistic(1.595769122f * (x + 0.044715f * x * x * x));
}

static void gelu(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, {
        vf value = load(x + i, n);
        store(y + i, value * gelu_gate(value), n);
    });
}

static void gelu_backward(size_t count, const float *x, const float *dy, float *dx) {
    FOR_VECTORS(count, {
        vf value = load(x + i, n);
        vf gate = gelu_gate(value);
        vf edge = gate * (1.0f - gate), bend = 1.595769122f * (1.0f + 0.134145f * value * value);
        vf slope = gate + pass_positive(edge, value * edge * bend); /* far out bend may be infinite */
        store(dx + i, load(dx + i, n) + slope * load(dy + i, n), n);
    });
}

static float exp_sum(size_t count, float shift, const float *x, float *y) {
    vf total = {0};
    float rest = 0;
    FOR_VECTORS(count, {
        vf value = exponential(load(x + i, n) - shift);
        if (y)
            store(y + i, value, n);
        if (n == LANES)
            total += value;
        else
            rest = sum_lanes(value, n);
    });
    return rest + sum_lanes(total, LANES);
}

#endif
