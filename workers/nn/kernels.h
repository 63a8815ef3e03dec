/* kernels.h - the inner loops, once for each instruction set.
 *
 * Everything that takes measurable time in a network ends in one of these functions. They are written with
 * the compiler's vector extensions (kernels/), so that one source serves SSE2, AVX, AVX2, AVX-512 and NEON;
 * only the vector's width and the register tile of the matrix product differ.
 *
 * Arrays are float32, row-major, channels innermost ("NHWC"): the channel loop is the vector loop everywhere,
 * and a 1x1 convolution, a linear layer and the 25 or 36 products of a Winograd convolution are plain matrix
 * products. No pointer needs alignment. No function allocates. Every function is re-entrant.
 */
#ifndef TENGEN_NN_KERNELS_H
#define TENGEN_NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

/* What happens to a product's rows before they are stored: C = act(A B [+ C] + bias + residual). */
struct gemm_tail {
    bool accumulate; /* add to what C holds */
    bool relu;
    const float *bias;     /* [n] or NULL */
    const float *residual; /* [m][ldr] or NULL */
    ptrdiff_t ldr;
};

/* A matrix in memory: element (row, column) is at data[row * row_stride + column * column_stride], so that a
 * transpose is only an exchange of strides. */
struct matrix {
    const float *data;
    ptrdiff_t row_stride, column_stride;
};

/* Winograd's minimal filtering F(m x m, 3 x 3) (Lavin & Gray 2015): the output is cut into tiles of m x m,
 * each needs an input patch of t x t, t = m + 2, and becomes t*t independent products over the channels. */
enum winograd_form { WINOGRAD_F3 = 3, WINOGRAD_F4 = 4 };

/* A batch normalization as it was done: x * factor + shift by columns, then a ReLU or not. */
struct normalization {
    const float *factor, *shift;
    bool rectified;
};

/* What the kernels of optimizers need to know. */
struct step_sizes {
    float rate, momentum, decay, epsilon;
    float weight_decay;                /* added to the gradient */
    float shrink;                      /* taken off the weight, as a share of it (AdamW) */
    float first_factor, second_factor; /* Adam's corrections: 1 / (1 - beta^t) */
    bool nesterov, epsilon_outside;
};

struct kernels {
    const char *name; /* "avx2" */
    int lanes;        /* floats in a vector */
    int panel;        /* columns of a packed panel of B; packed matrices are padded to whole panels */
    int rows;         /* rows of the register tile */

    /* Packs B (k x n) for gemm_packed. `packed` has room for k * ceil(n / panel) * panel floats. */
    void (*pack)(ptrdiff_t k, ptrdiff_t n, struct matrix b, float *packed);
    /* C (m x n, rows ldc apart) = A (m x k) times packed B, then the tail (NULL: plain store). */
    void (*gemm_packed)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, struct matrix a, const float *packed, float *c,
                        ptrdiff_t ldc, const struct gemm_tail *tail);
    /* The same with B (rows ldb apart) read where it is: for n that is a multiple of `lanes`, and few rows of
     * A, where packing would not pay. */
    void (*gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, struct matrix a, const float *b, ptrdiff_t ldb,
                 float *c, ptrdiff_t ldc, const struct gemm_tail *tail);
    /* The same for an A whose columns lie in `segments` stretches of k, segment_stride floats apart, against
     * segments * k rows of B; packed: B is packed, and ldb ignored. */
    void (*gemm_segments)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int segments, struct matrix a,
                          ptrdiff_t segment_stride, bool packed, const float *b, ptrdiff_t ldb, float *c,
                          ptrdiff_t ldc, const struct gemm_tail *tail);
    /* So many products of one shape, C = A times packed B, each array one after the other without gaps. C is
     * elsewhere, or, where n = k, begins `rows` rows before A: then the results move up by so many rows of
     * their own operands, and both need the memory of one. */
    void (*gemm_planes)(int planes, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const float *a,
                        const float *packed, float *c);

    /* C (m x n) = A (m x k) times the transpose of `turned` (n x k), then bias, residual and ReLU of the
     * tail: for few columns, and k a multiple of `lanes`. All without gaps. */
    void (*gemm_few)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const float *a, const float *turned, float *c,
                     const struct gemm_tail *tail);

    /* One image's tiles into the transformed input: planes[p][tile][channels], p = 0 .. t*t - 1, planes
     * plane_stride apart. The image is x[height][width][channels]; outside of it is zero padding of 1. */
    void (*winograd_input)(enum winograd_form form, int height, int width, int channels, const float *x,
                           float *planes, ptrdiff_t plane_stride);
    /* The products' planes back into one image y[height][width][channels], then bias, residual (same shape as
     * y) and ReLU, each optional. */
    void (*winograd_output)(enum winograd_form form, int height, int width, int channels, const float *planes,
                            ptrdiff_t plane_stride, const float *bias, const float *residual, bool relu,
                            float *y);
    /* The adjoints of these two, for the backward pass: dplanes from dy, and dx (added) from dplanes. */
    void (*winograd_output_adjoint)(enum winograd_form form, int height, int width, int channels,
                                    const float *dy, float *dplanes, ptrdiff_t plane_stride);
    void (*winograd_input_adjoint)(enum winograd_form form, int height, int width, int channels,
                                   const float *dplanes, ptrdiff_t plane_stride, float *dx);

    /* weights[3][3][pairs] (pairs = Cin * Cout) into planes[t*t][pairs], and the adjoint (added). */
    void (*winograd_weights)(enum winograd_form form, size_t pairs, const float *weights, float *planes);
    void (*winograd_weights_adjoint)(enum winograd_form form, size_t pairs, const float *dplanes,
                                     float *dweights);

    /* `rows` rows of n floats between two places, rows *_stride apart: to = from, to += from. */
    void (*copy_rows)(int rows, size_t n, const float *from, ptrdiff_t from_stride, float *to,
                      ptrdiff_t to_stride);
    void (*add_rows)(int rows, size_t n, const float *from, ptrdiff_t from_stride, float *to,
                     ptrdiff_t to_stride);
    void (*add)(size_t n, const float *x, float *y);                             /* y += x */
    void (*axpy)(size_t n, float a, const float *x, float *y);                   /* y += a x */
    void (*scale)(size_t n, float a, float *y);                                  /* y *= a */
    void (*relu)(size_t n, const float *x, float *y);                            /* y = max(x, 0) */
    void (*relu_backward)(size_t n, const float *y, const float *dy, float *dx); /* dx += y > 0 ? dy : 0 */
    void (*relu_gate)(size_t n, const float *y, float *dx);                      /* dx = y > 0 ? dx : 0 */
    /* y[r][c] = x[r][c] * scale[c] + shift[c], optionally ReLU: batch normalization's second half. */
    void (*scale_shift)(size_t rows, int channels, const float *x, const float *scale, const float *shift,
                        bool relu, float *y);
    /* sum[c] += sum over rows of x[r][c]. */
    void (*column_sums)(size_t rows, int channels, const float *x, float *sum);
    /* Mean and variance of each column, over `rows` > 0 rows; written. */
    void (*column_moments)(size_t rows, int channels, const float *x, float *mean, float *variance);
    /* The sums over rows of the slope (dy, where the result is not rectified away) and of slope * x; written.
     * And dx[r][c] += slope * of_slope[c] + x[r][c] * of_x[c] + rest[c]; where dx is dy, it is written. */
    void (*norm_slopes)(size_t rows, int channels, const struct normalization *norm, const float *x,
                        const float *dy, float *sum, float *dots);
    void (*norm_backward)(size_t rows, int channels, const struct normalization *norm, const float *x,
                          const float *of_slope, const float *of_x, const float *rest, const float *dy,
                          float *dx);
    /* The maximum of each channel over a window of an image, of which x is the first point; and its gradient,
     * added to the first point that holds the maximum. */
    void (*max_window)(int rows, int columns, int channels, const float *x, ptrdiff_t row_stride, float *y);
    void (*max_window_backward)(int rows, int columns, int channels, const float *x, ptrdiff_t row_stride,
                                const float *y, const float *dy, float *dx);
    /* Each row of y becomes softmax(factor * row of x) (x may be y); a row whose values are all -INFINITY
     * becomes 0. */
    void (*softmax)(size_t rows, int columns, float factor, const float *x, float *y);
    /* dx += factor * y (dy - sum(dy y)) by rows: softmax's backward pass from its result y. */
    void (*softmax_backward)(size_t rows, int columns, float factor, const float *y, const float *dy,
                             float *dx);
    void (*sigmoid)(size_t n, const float *x, float *y); /* 1 / (1 + exp(-x)) */
    void (*tanh)(size_t n, const float *x, float *y);
    /* x Phi(x) in the form of Hendrycks & Gimpel 2016 with tanh, and dx += dy times its derivative. */
    void (*gelu)(size_t n, const float *x, float *y);
    void (*gelu_backward)(size_t n, const float *x, const float *dy, float *dx);
    float (*dot)(size_t n, const float *x, const float *y);

    float (*largest)(size_t n, const float *x); /* n > 0 */
    float (*sum)(size_t n, const float *x);
    /* y = exp(x - shift) (y may be x, or NULL: not stored); returns the sum. */
    float (*exp_sum)(size_t n, float shift, const float *x, float *y);
    void (*affine)(size_t n, float a, float b, const float *x, float *y); /* y = a x + b; y may be x */
    /* Layer normalization by rows: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta. moments (NULL:
     * not wanted) receives mean and 1 / sqrt(variance + epsilon) of each row, which the backward pass reads;
     * it adds to dx (may be NULL), dgamma and dbeta. */
    void (*layer_norm)(size_t rows, int columns, float epsilon, const float *x, const float *gamma,
                       const float *beta, float *y, float *moments);
    void (*layer_norm_backward)(size_t rows, int columns, const float *x, const float *gamma,
                                const float *moments, const float *dy, float *dx, float *dgamma,
                                float *dbeta);
    /* One step of an optimizer over n parameters (optimizer.h has the rules). m is momentum or mean, v the
     * squares; NULL where the rule has none. */
    void (*sgd)(size_t n, const struct step_sizes *step, const float *g, float *w, float *m);
    void (*rmsprop)(size_t n, const struct step_sizes *step, const float *g, float *w, float *square,
                    float *mean, float *momentum);
    void (*adam)(size_t n, const struct step_sizes *step, const float *g, float *w, float *m, float *v);
};

extern const struct kernels kernels_baseline;
#if defined(TENGEN_HAVE_AVX)
extern const struct kernels kernels_avx;
#endif
#if defined(TENGEN_HAVE_AVX2)
extern const struct kernels kernels_avx2;
#endif
#if defined(TENGEN_HAVE_AVX512)
extern const struct kernels kernels_avx512;
#endif

#endif
