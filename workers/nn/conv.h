/* conv.h - 2-D convolution, forward and backward, on plain arrays.
 *
 * x is [batch][height][width][in], y is [batch][out_height][out_width][out], w is [kernel][kernel][in /
 * groups][out] (outputs of group g are the g-th part of the last dimension). Four methods, picked by shape
 * alone (conv.c has the measurements behind the choice):
 *
 *   product    1x1, stride 1, no padding, one group: one matrix product over all points of the batch
 *   Winograd   3x3, stride 1, padding 1, dilation 1, one group, 8 channels or more: F(3,3) where its tiles cover
 *              the image with less work than F(4,3)'s (9x9 exactly), else F(4,3) (Lavin & Gray 2015). Forward,
 *              gradient of the input and gradient of the weights are all products in the transformed domain
 *   lines      one group, no dilation along a row: each row of output points is a product whose operand is the
 *              image itself, in stretches; the input's gradient goes by columns
 *   columns    everything else: patches are copied to rows ("im2col"), a bounded stretch of points at a time
 *
 * reference.h has the naive forms that the tests compare these with.
 */
#ifndef TENGEN_NN_CONV_H
#define TENGEN_NN_CONV_H

#include <stdbool.h>
#include <stddef.h>

struct conv_shape {
    int height, width, in, out;
    int kernel[2], stride[2], padding[2], dilation[2], groups;
    int out_height, out_width; /* set by conv_shape_finish */
};

/* Fills out_height and out_width. 0, or -1 when no output point is left, or channels do not divide into the
 * groups. */
int conv_shape_finish(struct conv_shape *shape);

enum conv_method { CONV_PRODUCT, CONV_WINOGRAD3, CONV_WINOGRAD4, CONV_LINES, CONV_COLUMNS };
enum conv_method conv_method(const struct conv_shape *shape);

/* Floats of scratch that a call with this batch needs. */
size_t conv_forward_scratch(const struct conv_shape *shape, int batch);
size_t conv_backward_scratch(const struct conv_shape *shape, int batch);

/* y = x * w + bias (bias may be NULL). */
void conv_forward(const struct conv_shape *shape, int batch, const float *x, const float *w,
                  const float *bias, float *y, float *scratch);
/* Adds to dx, dw and dbias; those that are `fresh` hold nothing yet, and are written. Each may be NULL when
 * it is not wanted. */
struct conv_fresh {
    bool dx, dw; /* dw: dbias too */
};
void conv_backward(const struct conv_shape *shape, int batch, const float *x, const float *w, const float *dy,
                   float *dx, float *dw, float *dbias, struct conv_fresh fresh, float *scratch);

/* The same in two halves, for weights that stay: conv_pack once (transformed and laid out for the kernels in
 * use), then conv_run as often as wanted, with what follows the convolution fused into its last pass: y =
 * act(x * w + bias + residual). residual has y's shape and may be y itself. */
struct conv_tail {
    const float *bias, *residual; /* NULL: none */
    bool relu;
};
size_t conv_packed_size(const struct conv_shape *shape); /* floats */
size_t conv_pack_scratch(const struct conv_shape *shape);
void conv_pack(const struct conv_shape *shape, const float *w, float *packed, float *scratch);
size_t conv_run_scratch(const struct conv_shape *shape, int batch);
void conv_run(const struct conv_shape *shape, int batch, const float *x, const float *packed,
              struct conv_tail tail, float *y, float *scratch);

#endif
