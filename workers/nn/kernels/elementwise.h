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

/* ---- columns: sums over rows, and batch normalization ----
 *
 * A few columns of vectors at a time, so that the sums stay in registers while memory is read along the rows:
 * `expression` with `i`, the first channel, `vectors` of them side by side, and `n`, the lanes in use. */
enum { COLUMN_VECTORS = 4 };
#define FOR_COLUMNS(channels, ...)                                                                           \
    do {                                                                                                     \
        int i = 0;                                                                                           \
        for (; i + COLUMN_VECTORS * LANES <= (channels); i += COLUMN_VECTORS * LANES) {                      \
            const int vectors = COLUMN_VECTORS, n = LANES;                                                   \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
        for (; i + LANES <= (channels); i += LANES) {                                                        \
            const int vectors = 1, n = LANES;                                                                \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
        if (i < (channels)) {                                                                                \
            const int vectors = 1, n = (channels)-i;                                                         \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
    } while (0)
#define EACH_VECTOR _Pragma("GCC unroll 4") for (int j = 0; j < vectors; j++)

INLINE void load_columns(int vectors, int n, const float *from, vf *to) {
    EACH_VECTOR to[j] = load(from + j * LANES, n);
}

INLINE void store_columns(int vectors, int n, const vf *from, float *to) {
    EACH_VECTOR store(to + j * LANES, from[j], n);
}

INLINE void sums_of(int vectors, int n, size_t rows, int channels, const float *x, float *sum) {
    vf total[COLUMN_VECTORS];
    load_columns(vectors, n, sum, total);
    for (size_t row = 0; row < rows; row++, x += channels)
        EACH_VECTOR total[j] += load(x + j * LANES, n);
    store_columns(vectors, n, total, sum);
}

static void column_sums(size_t rows, int channels, const float *x, float *sum) {
    FOR_COLUMNS(channels, sums_of(vectors, n, rows, channels, x + i, sum + i));
}

/* Rows go through the first-level cache by so many: first their mean, then the squares around it, then both
 * are joined to those of the rows before (Chan, Golub & LeVeque 1979), so that memory is read once. All as
 * distances from the first row, so that nothing is lost when the mean is large. */
enum { MOMENT_FLOATS = 4096 };

struct moments {
    vf first[COLUMN_VECTORS], mean[COLUMN_VECTORS], squares[COLUMN_VECTORS]; /* mean: from `first` on */
};

INLINE void moments_join(int vectors, int n, size_t before, size_t rows, int channels, const float *x,
                         struct moments *m) {
    const float share = (float)rows / (float)(before + rows);
    vf mean[COLUMN_VECTORS], squares[COLUMN_VECTORS];
    EACH_VECTOR mean[j] = squares[j] = (vf){0};
    for (size_t row = 0; row < rows; row++)
        EACH_VECTOR mean[j] += load(x + row * (size_t)channels + j * LANES, n) - m->first[j];
    EACH_VECTOR mean[j] *= 1 / (float)rows;
    for (size_t row = 0; row < rows; row++)
        EACH_VECTOR {
            vf value = load(x + row * (size_t)channels + j * LANES, n) - m->first[j] - mean[j];
            squares[j] += value * value;
        }
    EACH_VECTOR {
        vf apart = mean[j] - m->mean[j];
        m->mean[j] += share * apart;
        m->squares[j] += squares[j] + ((float)before * share) * (apart * apart);
    }
}

INLINE void moments_of(int vectors, int n, size_t rows, int channels, const float *x, float *mean,
                       float *variance) {
    const size_t most = MOMENT_FLOATS / (size_t)(vectors * LANES);
    struct moments m;
    load_columns(vectors, n, x, m.first);
    EACH_VECTOR m.mean[j] = m.squares[j] = (vf){0};
    for (size_t before = 0; before < rows; before += most)
        moments_join(vectors, n, before, rows - before < most ? rows - before : most, channels,
                     x + before * (size_t)channels, &m);
    EACH_VECTOR {
        m.mean[j] += m.first[j];
        m.squares[j] *= 1 / (float)rows;
    }
    store_columns(vectors, n, m.mean, mean);
    store_columns(vectors, n, m.squares, variance);
}

static void column_moments(size_t rows, int channels, const float *x, float *mean, float *variance) {
    FOR_COLUMNS(channels, moments_of(vectors, n, rows, channels, x + i, mean + i, variance + i));
}

/* dy, or, where a rectifier follows, what of it passes: the normalized value is computed as it was forward. */
INLINE vf slope_of(bool rectified, vf x, vf factor, vf shift, vf dy) {
    if (rectified)
        return pass_positive(x * factor + shift, dy);
    return dy;
}

INLINE void slopes_of(int vectors, int n, size_t rows, int channels, const struct normalization *norm,
                      bool rectified, int at, const float *x, const float *dy, float *sum, float *dots) {
    vf sums[COLUMN_VECTORS], products[COLUMN_VECTORS], factor[COLUMN_VECTORS], shift[COLUMN_VECTORS];
    load_columns(vectors, n, norm->factor + at, factor);
    load_columns(vectors, n, norm->shift + at, shift);
    EACH_VECTOR sums[j] = products[j] = (vf){0};
    for (size_t row = 0; row < rows; row++, x += channels, dy += channels)
        EACH_VECTOR {
            vf value = load(x + j * LANES, n);
            vf slope = slope_of(rectified, value, factor[j], shift[j], load(dy + j * LANES, n));
            sums[j] += slope;
            products[j] += slope * value;
        }
    store_columns(vectors, n, sums, sum + at);
    store_columns(vectors, n, products, dots + at);
}

static void norm_slopes(size_t rows, int channels, const struct normalization *norm, const float *x,
                        const float *dy, float *sum, float *dots) {
    if (norm->rectified)
        FOR_COLUMNS(channels, slopes_of(vectors, n, rows, channels, norm, true, i, x + i, dy + i, sum, dots));
    else
        FOR_COLUMNS(channels,
                    slopes_of(vectors, n, rows, channels, norm, false, i, x + i, dy + i, sum, dots));
}

INLINE void norm_row(int channels, const struct normalization *norm, bool rectified, bool add, const float *x,
                     const float *of_slope, const float *of_x, const float *rest, const float *dy,
                     float *dx) {
    FOR_VECTORS((size_t)channels, {
        vf value = load(x + i, n);
        vf slope =
            slope_of(rectified, value, load(norm->factor + i, n), load(norm->shift + i, n), load(dy + i, n));
        vf sum = slope * load(of_slope + i, n) + (value * load(of_x + i, n) + load(rest + i, n));
        if (add)
            sum += load(dx + i, n);
        store(dx + i, sum, n);
    });
}

static void norm_backward(size_t rows, int channels, const struct normalization *norm, const float *x,
                          const float *of_slope, const float *of_x, const float *rest, const float *dy,
                          float *dx) {
    const bool add = dx != dy;
    for (size_t row = 0; row < rows; row++, x += channels, dy += channels, dx += channels)
        if (norm->rectified && !add)
            norm_row(channels, norm, true, false, x, of_slope, of_x, rest, dy, dx);
        else if (norm->rectified)
            norm_row(channels, norm, true, true, x, of_slope, of_x, rest, dy, dx);
        else if (!add)
            norm_row(channels, norm, false, false, x, of_slope, of_x, rest, dy, dx);
        else
            norm_row(channels, norm, false, true, x, of_slope, of_x, rest, dy, dx);
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
