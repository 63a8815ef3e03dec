/* elementwise.h - arithmetic element by element, reductions over rows and columns, and layer normalization.
 */
#ifndef TENGEN_NN_KERNELS_ELEMENTWISE_H
#define TENGEN_NN_KERNELS_ELEMENTWISE_H

#include <float.h>
#include "workers/nn/kernels/vector.h"

static void copy_rows(int rows, size_t length, const float *from, ptrdiff_t from_stride, float *to,
                      ptrdiff_t to_stride) {
    for (int row = 0; row < rows; row++, from += from_stride, to += to_stride)
        FOR_VECTORS(length, store(to + i, load(from + i, n), n));
}

static void add_rows(int rows, size_t length, const float *from, ptrdiff_t from_stride, float *to,
                     ptrdiff_t to_stride) {
    for (int row = 0; row < rows; row++, from += from_stride, to += to_stride)
        FOR_VECTORS(length, store(to + i, load(to + i, n) + load(from + i, n), n));
}

static void add(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, load(y + i, n) + load(x + i, n), n));
}

static void axpy(size_t count, float a, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, load(y + i, n) + a * load(x + i, n), n));
}

static void scale(size_t count, float a, float *y) {
    FOR_VECTORS(count, store(y + i, a * load(y + i, n), n));
}

static void relu(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, positive(load(x + i, n)), n));
}

static void relu_backward(size_t count, const float *y, const float *dy, float *dx) {
    FOR_VECTORS(count, {
        vf passed = pass_positive(load(y + i, n), load(dy + i, n));
        store(dx + i, load(dx + i, n) + passed, n);
    });
}

static void relu_gate(size_t count, const float *y, float *dx) {
    FOR_VECTORS(count, store(dx + i, pass_positive(load(y + i, n), load(dx + i, n)), n));
}

static void scale_shift(size_t rows, int channels, const float *x, const float *factor, const float *shift,
                        bool rectify, float *y) {
    for (size_t row = 0; row < rows; row++, x += channels, y += channels)
        FOR_VECTORS((size_t)channels, {
            vf value = load(x + i, n) * load(factor + i, n) + load(shift + i, n);
            store(y + i, rectify ? positive(value) : value, n);
        });
}

/* Columns by the vector, rows inside, so that the sums stay in registers. */
static void column_sums(size_t rows, int channels, const float *x, float *sum) {
    FOR_VECTORS((size_t)channels, {
        vf total = {0};
        for (size_t row = 0; row < rows; row++)
            total += load(x + row * (size_t)channels + i, n);
        store(sum + i, load(sum + i, n) + total, n);
    });
}

static void column_dots(size_t rows, int channels, const float *x, const float *z, float *sum) {
    FOR_VECTORS((size_t)channels, {
        vf total = {0};
        for (size_t row = 0; row < rows; row++) {
            size_t at = row * (size_t)channels + i;
            total += load(x + at, n) * load(z + at, n);
        }
        store(sum + i, load(sum + i, n) + total, n);
    });
}

static void column_squares(size_t rows, int channels, const float *x, const float *shift, float *sum) {
    FOR_VECTORS((size_t)channels, {
        vf total = {0}, by = load(shift + i, n);
        for (size_t row = 0; row < rows; row++) {
            vf value = load(x + row * (size_t)channels + i, n) + by;
            total += value * value;
        }
        store(sum + i, load(sum + i, n) + total, n);
    });
}

static void blend(size_t rows, int channels, const float *x, const float *a, const float *z, const float *b,
                  const float *shift, float *y) {
    for (size_t row = 0; row < rows; row++, x += channels, z += channels, y += channels)
        FOR_VECTORS((size_t)channels, {
            vf value = load(x + i, n) * load(a + i, n) + load(z + i, n) * load(b + i, n) + load(shift + i, n);
            store(y + i, load(y + i, n) + value, n);
        });
}

/* ---- windows of max pooling ---- */

static void max_window(int rows, int columns, int channels, const float *x, ptrdiff_t row_stride, float *y) {
    FOR_VECTORS((size_t)channels, {
        vf most = (vf){0} - FLT_MAX;
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++) {
                vf value = load(x + row * row_stride + (ptrdiff_t)column * channels + i, n);
                mask above = (mask)(value > most);
                most = (vf)(((mask)value & above) | ((mask)most & ~above));
            }
        store(y + i, most, n);
    });
}

static void max_window_backward(int rows, int columns, int channels, const float *x, ptrdiff_t row_stride,
                                const float *y, const float *dy, float *dx) {
    FOR_VECTORS((size_t)channels, {
        vf most = load(y + i, n);
        mask slope = (mask)load(dy + i, n); /* 0 where it has been given away */
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++) {
                ptrdiff_t at = row * row_stride + (ptrdiff_t)column * channels + (ptrdiff_t)i;
                mask here = (mask)(load(x + at, n) == most);
                store(dx + at, load(dx + at, n) + (vf)(slope & here), n);
                slope &= ~here;
            }
    });
}

static float sum_lanes(vf x, int n) {
    float sum = 0;
    for (int lane = 0; lane < n; lane++)
        sum += x[lane];
    return sum;
}

static float sum(size_t count, const float *x) {
    vf total = {0};
    FOR_VECTORS(count, total += load(x + i, n));
    return sum_lanes(total, LANES);
}

static void affine(size_t count, float a, float b, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, a * load(x + i, n) + b, n));
}

/* Four sums, so that they need not wait for each other. */
static float dot(size_t count, const float *x, const float *y) {
    vf total[4] = {{0}};
    size_t whole = count / (4 * LANES) * (4 * LANES);
    for (size_t at = 0; at < whole; at += 4 * LANES)
        for (int j = 0; j < 4; j++)
            total[j] += load(x + at + j * LANES, LANES) * load(y + at + j * LANES, LANES);
    FOR_VECTORS(count - whole, total[0] += load(x + whole + i, n) * load(y + whole + i, n));
    return sum_lanes((total[0] + total[1]) + (total[2] + total[3]), LANES);
}

/* ---- layer normalization ---- */

/* Two passes: the sum of squares around the mean, for the textbook's formula loses everything when the mean
 * is large. Rows are short enough to stay in the first-level cache. */
static void layer_norm(size_t rows, int columns, float epsilon, const float *x, const float *gamma,
                       const float *beta, float *y, float *moments) {
    size_t width = (size_t)columns;
    for (size_t row = 0; row < rows; row++, x += columns, y += columns) {
        float mean = sum(width, x) / (float)columns, squares = 0;
        vf total = {0};
        FOR_VECTORS(width, {
            vf value = load(x + i, n) - mean;
            if (n == LANES)
                total += value * value;
            else
                squares = sum_lanes(value * value, n);
        });
        squares += sum_lanes(total, LANES);
        float inverse = 1 / __builtin_sqrtf(squares / (float)columns + epsilon);
        FOR_VECTORS(width, {
            vf value = (load(x + i, n) - mean) * inverse;
            store(y + i, value * load(gamma + i, n) + load(beta + i, n), n);
        });
        if (moments) {
            moments[2 * row] = mean;
            moments[2 * row + 1] = inverse;
        }
    }
}

/* With xhat = (x - mean) * inverse and d = dy gamma: dx = inverse (d - mean(d) - xhat mean(d xhat)). */
static void layer_norm_backward(size_t rows, int columns, const float *x, const float *gamma,
                                const float *moments, const float *dy, float *dx, float *dgamma,
                                float *dbeta) {
    size_t width = (size_t)columns;
    for (size_t row = 0; row < rows; row++, x += columns, dy += columns) {
        float mean = moments[2 * row], inverse = moments[2 * row + 1];
        vf sums = {0}, dots = {0};
        FOR_VECTORS(width, {
            vf normal = (load(x + i, n) - mean) * inverse, slope = load(dy + i, n);
            vf through = slope * load(gamma + i, n);
            store(dgamma + i, load(dgamma + i, n) + slope * normal, n);
            store(dbeta + i, load(dbeta + i, n) + slope, n);
            sums += through; /* lanes beyond n are 0 in slope */
            dots += through * normal;
        });
        if (!dx)
            continue;
        float by_sum = sum_lanes(sums, LANES) / (float)columns,
              by_dot = sum_lanes(dots, LANES) / (float)columns;
        FOR_VECTORS(width, {
            vf normal = (load(x + i, n) - mean) * inverse;
            vf through = load(dy + i, n) * load(gamma + i, n);
            store(dx + i, load(dx + i, n) + inverse * (through - by_sum - normal * by_dot), n);
        });
        dx += columns;
    }
}

#endif
