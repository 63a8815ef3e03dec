/* winograd.h - Winograd's transforms.
 *
 * All six (input, output, weights, and the adjoint of each) are y = M x M^T for a small
 * constant matrix M or its transpose: M on each column as it is loaded, then on each row as it is stored, so
 * that little more than the half-done square is in registers at a time. The two of inference (input and
 * output) are written out with their common terms shared (9 operations a line instead of 16, 12 instead of
 * 22, and so on); the others are unrolled by the compiler over the constant coefficients.
 *
 * Where a tile lies is kept as the offsets of its rows and columns, so that an address is a sum of two
 * registers; with a table of its points the addresses alone took as long as the arithmetic.
 */
#ifndef TENGEN_NN_KERNELS_WINOGRAD_H
#define TENGEN_NN_KERNELS_WINOGRAD_H

#include "workers/nn/kernels/vector.h"

/* Interpolation points 0, 1, -1, 2, infinity for F(3,3); 0, 1, -1, 2, -2, infinity for F(4,3). y = A^T [(G g)
 * (B^T d)]. */
/* clang-format off */
static const float f3_input[25] = {
    2, -1, -2, 1, 0,
    0, -2, -1, 1, 0,
    0,  2, -3, 1, 0,
    0, -1,  0, 1, 0,
    0,  2, -1, -2, 1};
static const float f3_output[15] = {
    1, 1,  1, 1, 0,
    0, 1, -1, 2, 0,
    0, 1,  1, 4, 1};
static const float f3_weights[15] = {
     1.f / 2,  0,        0,
    -1.f / 2, -1.f / 2, -1.f / 2,
    -1.f / 6,  1.f / 6, -1.f / 6,
     1.f / 6,  1.f / 3,  2.f / 3,
     0,        0,        1};
static const float f4_input[36] = {
    4,  0, -5,  0, 1, 0,
    0, -4, -4,  1, 1, 0,
    0,  4, -4, -1, 1, 0,
    0, -2, -1,  2, 1, 0,
    0,  2, -1, -2, 1, 0,
    0,  4,  0, -5, 0, 1};
static const float f4_output[24] = {
    1, 1,  1, 1,  1, 0,
    0, 1, -1, 2, -2, 0,
    0, 1,  1, 4,  4, 0,
    0, 1, -1, 8, -8, 1};
static const float f4_weights[18] = {
     1.f / 4,   0,         0,
    -1.f / 6,  -1.f / 6,  -1.f / 6,
    -1.f / 6,   1.f / 6,  -1.f / 6,
     1.f / 24,  1.f / 12,  1.f / 6,
     1.f / 24, -1.f / 12,  1.f / 6,
     0,         0,         1};
/* clang-format on */

/* The six transforms of each form. */
enum lines { INPUT, OUTPUT, WEIGHTS, INPUT_ADJOINT, OUTPUT_ADJOINT, WEIGHTS_ADJOINT };

INLINE int line_in(int m, enum lines kind) {
    return kind == WEIGHTS ? 3 : kind == OUTPUT_ADJOINT ? m : m + 2;
}

INLINE int line_out(int m, enum lines kind) {
    return kind == WEIGHTS_ADJOINT ? 3 : kind == OUTPUT ? m : m + 2;
}

INLINE void f3_input_line(const vf *x, vf *y) {
    vf a = x[3] - x[1], b = x[3] - x[2];
    y[0] = a + 2.0f * (x[0] - x[2]);
    y[1] = b - 2.0f * x[1];
    y[2] = b + 2.0f * (x[1] - x[2]);
    y[3] = a;
    y[4] = (x[4] - x[2]) - 2.0f * a;
}

INLINE void f4_input_line(const vf *x, vf *y) {
    vf a = x[4] - 4.0f * x[2], b = x[3] - 4.0f * x[1], c = x[4] - x[2], d = x[3] - x[1];
    y[0] = 4.0f * (x[0] - x[2]) + c;
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + 2.0f * d;
    y[4] = c - 2.0f * d;
    y[5] = (x[5] - x[3]) - 4.0f * d;
}

INLINE void f3_output_line(const vf *x, vf *y) {
    vf a = x[1] + x[2], b = x[1] - x[2];
    y[0] = (x[0] + x[3]) + a;
    y[1] = b + 2.0f * x[3];
    y[2] = a + 4.0f * x[3] + x[4];
}

INLINE void f4_output_line(const vf *x, vf *y) {
    vf a = x[1] + x[2], b = x[1] - x[2], c = x[3] + x[4], d = x[3] - x[4];
    y[0] = x[0] + a + c;
    y[1] = b + 2.0f * d;
    y[2] = a + 4.0f * c;
    y[3] = b + 8.0f * d + x[5];
}

/* y (out) = M x (in), or M^T x where M is given as its in x out original. */
INLINE void matrix_line(int out, int in, const float *matrix, bool transposed, const vf *x, vf *y) {
#pragma GCC unroll 6
    for (int o = 0; o < out; o++) {
        vf sum = {0};
#pragma GCC unroll 6
        for (int i = 0; i < in; i++) {
            float factor = transposed ? matrix[i * out + o] : matrix[o * in + i];
            if (factor != 0)
                sum += factor * x[i];
        }
        y[o] = sum;
    }
}

INLINE void transform_line(int m, enum lines kind, const vf *x, vf *y) {
    if (kind == INPUT)
        m == 3 ? f3_input_line(x, y) : f4_input_line(x, y);
    else if (kind == OUTPUT)
        m == 3 ? f3_output_line(x, y) : f4_output_line(x, y);
    else {
        const float *matrix = kind == INPUT_ADJOINT    ? (m == 3 ? f3_input : f4_input)
                              : kind == OUTPUT_ADJOINT ? (m == 3 ? f3_output : f4_output)
                                                       : (m == 3 ? f3_weights : f4_weights);
        matrix_line(line_out(m, kind), line_in(m, kind), matrix, kind != WEIGHTS, x, y);
    }
}

/* y = M x M^T: LOAD(i, j) gives x[i][j], STORE(i, j, value) takes y[i][j]. */
#define TRANSFORM(m, kind, LOAD, STORE)                                                                      \
    do {                                                                                                     \
        const int in_ = line_in(m, kind), out_ = line_out(m, kind);                                          \
        vf half_[6][6];                                                                                      \
        _Pragma("GCC unroll 6") for (int column_ = 0; column_ < in_; column_++) {                            \
            vf x_[6], y_[6];                                                                                 \
            _Pragma("GCC unroll 6") for (int i_ = 0; i_ < in_; i_++) x_[i_] = LOAD(i_, column_);             \
            transform_line(m, kind, x_, y_);                                                                 \
            _Pragma("GCC unroll 6") for (int o_ = 0; o_ < out_; o_++) half_[o_][column_] = y_[o_];           \
        }                                                                                                    \
        _Pragma("GCC unroll 6") for (int row_ = 0; row_ < out_; row_++) {                                    \
            vf y_[6];                                                                                        \
            transform_line(m, kind, half_[row_], y_);                                                        \
            _Pragma("GCC unroll 6") for (int o_ = 0; o_ < out_; o_++) STORE(row_, o_, y_[o_]);               \
        }                                                                                                    \
    } while (0)

/* Where a tile of an image lies: `size` rows and columns, of which some may be outside. */
struct place {
    ptrdiff_t row[6], column[6]; /* offset of each in the image; outside of it, of the nearest inside */
    int row_inside[6], column_inside[6]; /* -1 or 0 */
};

/* The rows or the columns, of which there are `limit`, `step` floats apart; -1 when all are inside. */
INLINE int place_line(int first, int size, int limit, ptrdiff_t step, ptrdiff_t *offset, int *inside) {
    int all = -1;
#pragma GCC unroll 6
    for (int i = 0; i < size; i++) {
        int at = first + i, nearest = at < 0 ? 0 : at < limit ? at : limit - 1;
        offset[i] = nearest * step;
        inside[i] = -(at == nearest);
        all &= inside[i];
    }
    return all;
}

/* Makes the compiler compute addresses from `x` anew: it would rather keep 25 of them in memory. */
#define FORGET(x) __asm__("" : "+r"(x))

/* The first n lanes where `inside` is -1; all 0 where it is 0 (what is there may be read all the same). */
INLINE vf load_inside(const float *from, int n, int inside) {
#if KERNELS_VECTOR == 64
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((unsigned)inside & ((1u << n) - 1)), from);
#else
    return (vf)((mask)load(from, n) & ((mask){0} + inside));
#endif
}

/* What follows the output transform. */
struct output_tail {
    const float *bias, *residual;
    bool relu;
};

/* One tile of an image into its planes. A column outside stays 0 through the first half of the transform. */
INLINE void tile_to_planes(int m, enum lines kind, int n, const struct place *p, const float *image,
                           ptrdiff_t c, float *to, ptrdiff_t stride) {
    const int from_size = line_in(m, kind), to_size = line_out(m, kind);
    vf half[6][6];
#pragma GCC unroll 6
    for (int j = 0; j < from_size; j++) {
        vf x[6], y[6] = {{0}};
        if (p->column_inside[j]) {
            ptrdiff_t column = p->column[j] + c;
            FORGET(column);
#pragma GCC unroll 6
            for (int i = 0; i < from_size; i++)
                x[i] = load_inside(image + p->row[i] + column, n, p->row_inside[i]);
            transform_line(m, kind, x, y);
        }
#pragma GCC unroll 6
        for (int i = 0; i < to_size; i++)
            half[i][j] = y[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < to_size; i++, to += to_size * stride) {
        vf y[6];
        transform_line(m, kind, half[i], y);
        FORGET(to);
#pragma GCC unroll 6
        for (int j = 0; j < to_size; j++)
            store(to + j * stride, y[j], n);
    }
}

/* One point of a result: written with its tail, or, for an adjoint, added. */
INLINE void point_store(enum lines kind, int n, vf bias, const float *residual, bool rectify, vf value,
                        float *to) {
    if (kind == OUTPUT) {
        value += bias;
        if (residual)
            value += load(residual, n);
        if (rectify)
            value = positive(value);
    } else {
        value += load(to, n);
    }
    store(to, value, n);
}

INLINE void planes_to_tile(int m, enum lines kind, bool whole, int n, int c, const struct place *p,
                           const float *from, ptrdiff_t stride, const struct output_tail *tail,
                           float *image) {
    const int from_size = line_in(m, kind), to_size = line_out(m, kind);
    const float *residual = kind == OUTPUT ? tail->residual : NULL;
    const bool rectify = kind == OUTPUT && tail->relu;
    vf bias = kind == OUTPUT && tail->bias ? load(tail->bias + c, n) : (vf){0};
    vf half[6][6];
#pragma GCC unroll 6
    for (int j = 0; j < from_size; j++) {
        vf x[6], y[6];
        const float *column = from + j * stride;
        FORGET(column);
#pragma GCC unroll 6
        for (int i = 0; i < from_size; i++)
            x[i] = load(column + i * from_size * stride, n);
        transform_line(m, kind, x, y);
#pragma GCC unroll 6
        for (int i = 0; i < to_size; i++)
            half[i][j] = y[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < to_size; i++) {
        vf y[6];
        transform_line(m, kind, half[i], y);
#pragma GCC unroll 6
        for (int j = 0; j < to_size; j++) {
            ptrdiff_t at = p->column[j] + c;
            FORGET(at);
            at += p->row[i];
            if (whole || (p->row_inside[i] & p->column_inside[j]))
                point_store(kind, n, bias, residual ? residual + at : NULL, rectify, y[j], image + at);
        }
    }
}

/* Asks for rows of an image ahead of the tiles that read them: the way of a tile through the image is none
 * that a processor foresees. */
INLINE void fetch_rows(int first, int rows, int height, ptrdiff_t row_floats, const float *image) {
    const int end = first + rows < height ? first + rows : height;
    for (ptrdiff_t at = first * row_floats; at < end * row_floats; at += 16)
        __builtin_prefetch(image + at);
}

/* All tiles of an image, each by vectors of channels. */
INLINE void image_to_planes(int m, enum lines kind, int height, int width, int channels, const float *image,
                            float *planes, ptrdiff_t stride) {
    const int before = kind == INPUT ? -1 : 0;
    fetch_rows(0, m - before, height, (ptrdiff_t)width * channels, image);
    for (int row = 0; row < height; row += m) {
        struct place p;
        fetch_rows(row + m - before, m, height, (ptrdiff_t)width * channels, image);
        place_line(row + before, line_in(m, kind), height, (ptrdiff_t)width * channels, p.row, p.row_inside);
        for (int column = 0; column < width; column += m, planes += channels) {
            place_line(column + before, line_in(m, kind), width, channels, p.column, p.column_inside);
            int c = 0;
            for (; c + LANES <= channels; c += LANES)
                tile_to_planes(m, kind, LANES, &p, image, c, planes + c, stride);
            if (c < channels)
                tile_to_planes(m, kind, channels - c, &p, image, c, planes + c, stride);
        }
    }
}

INLINE void planes_to_image(int m, enum lines kind, int height, int width, int channels, const float *planes,
                            ptrdiff_t stride, const struct output_tail *tail, float *image) {
    const int before = kind == OUTPUT ? 0 : -1;
    for (int row = 0; row < height; row += m) {
        struct place p;
        int rows = place_line(row + before, line_out(m, kind), height, (ptrdiff_t)width * channels, p.row,
                              p.row_inside);
        for (int column = 0; column < width; column += m, planes += channels) {
            int whole = rows & place_line(column + before, line_out(m, kind), width, channels, p.column,
                                          p.column_inside);
            int c = 0;
            for (; whole && c + LANES <= channels; c += LANES)
                planes_to_tile(m, kind, true, LANES, c, &p, planes + c, stride, tail, image);
            for (; c + LANES <= channels; c += LANES)
                planes_to_tile(m, kind, false, LANES, c, &p, planes + c, stride, tail, image);
            if (c < channels)
                planes_to_tile(m, kind, false, channels - c, c, &p, planes + c, stride, tail, image);
        }
    }
}

static void winograd_input(enum winograd_form form, int height, int width, int channels, const float *x,
                           float *planes, ptrdiff_t plane_stride) {
    if (form == WINOGRAD_F3)
        image_to_planes(3, INPUT, height, width, channels, x, planes, plane_stride);
    else
        image_to_planes(4, INPUT, height, width, channels, x, planes, plane_stride);
}

static void winograd_output(enum winograd_form form, int height, int width, int channels, const float *planes,
                            ptrdiff_t plane_stride, const float *bias, const float *residual, bool relu,
                            float *y) {
    const struct output_tail tail = {bias, residual, relu};
    if (form == WINOGRAD_F3)
        planes_to_image(3, OUTPUT, height, width, channels, planes, plane_stride, &tail, y);
    else
        planes_to_image(4, OUTPUT, height, width, channels, planes, plane_stride, &tail, y);
}

static void winograd_output_adjoint(enum winograd_form form, int height, int width, int channels,
                                    const float *dy, float *dplanes, ptrdiff_t plane_stride) {
    if (form == WINOGRAD_F3)
        image_to_planes(3, OUTPUT_ADJOINT, height, width, channels, dy, dplanes, plane_stride);
    else
        image_to_planes(4, OUTPUT_ADJOINT, height, width, channels, dy, dplanes, plane_stride);
}

static void winograd_input_adjoint(enum winograd_form form, int height, int width, int channels,
                                   const float *dplanes, ptrdiff_t plane_stride, float *dx) {
    if (form == WINOGRAD_F3)
        planes_to_image(3, INPUT_ADJOINT, height, width, channels, dplanes, plane_stride, NULL, dx);
    else
        planes_to_image(4, INPUT_ADJOINT, height, width, channels, dplanes, plane_stride, NULL, dx);
}

/* The weights are tiles too: 3x3 taps whose "channels" are all of the Cin x Cout pairs. */
INLINE void weights_store(enum lines kind, int n, vf value, float *to) {
    if (kind == WEIGHTS_ADJOINT)
        value += load(to, n);
    store(to, value, n);
}

INLINE void weights_vector(int m, enum lines kind, ptrdiff_t pairs, int n, const float *from, float *to) {
    const int from_size = line_in(m, kind), to_size = line_out(m, kind);
#define LOAD(i, j)         load(from + ((i)*from_size + (j)) * pairs, n)
#define STORE(i, j, value) weights_store(kind, n, value, to + ((i)*to_size + (j)) * pairs)
    TRANSFORM(m, kind, LOAD, STORE);
#undef LOAD
#undef STORE
}

static void winograd_weights(enum winograd_form form, size_t pairs, const float *weights, float *planes) {
    if (form == WINOGRAD_F3)
        FOR_VECTORS(pairs, weights_vector(3, WEIGHTS, (ptrdiff_t)pairs, n, weights + i, planes + i));
    else
        FOR_VECTORS(pairs, weights_vector(4, WEIGHTS, (ptrdiff_t)pairs, n, weights + i, planes + i));
}

static void winograd_weights_adjoint(enum winograd_form form, size_t pairs, const float *dplanes,
                                     float *dweights) {
    if (form == WINOGRAD_F3)
        FOR_VECTORS(pairs,
                    weights_vector(3, WEIGHTS_ADJOINT, (ptrdiff_t)pairs, n, dplanes + i, dweights + i));
    else
        FOR_VECTORS(pairs,
                    weights_vector(4, WEIGHTS_ADJOINT, (ptrdiff_t)pairs, n, dplanes + i, dweights + i));
}

#endif
