/* kernels_impl.c - the kernels of kernels.h; compiled once for each instruction set.
 *
 * meson.build passes KERNELS_NAME (the table's suffix), KERNELS_VECTOR (bytes in a vector), KERNELS_ROWS and
 * KERNELS_VECTORS (the register tile of the matrix product) beside the compiler's flags for the instruction
 * set. Everything else is the same code, in kernels/: `vf` is a vector of floats in the compiler's own
 * extension, and gcc and clang turn `acc += a * b` into fused multiply-adds with an embedded broadcast. The
 * parts are headers of static functions, and this file is where they meet, so that one object an instruction
 * set holds them all and nothing but the table is seen from outside.
 */
#include "workers/nn/kernels/elementwise.h"
#include "workers/nn/kernels/exponential.h"
#include "workers/nn/kernels/optimizer.h"
#include "workers/nn/kernels/product.h"
#include "workers/nn/kernels/winograd.h"

#define GLUE2(a, b) a##b
#define GLUE(a, b)  GLUE2(a, b)
#define TEXT2(name) #name
#define TEXT(name)  TEXT2(name)

const struct kernels GLUE(kernels_, KERNELS_NAME) = {
    .name = TEXT(KERNELS_NAME),
    .lanes = LANES,
    .panel = PANEL,
    .pack = pack,
    .rows = ROWS,
    .gemm_packed = gemm_packed,
    .gemm = gemm,
    .gemm_segments = gemm_segments,
    .gemm_planes = gemm_planes,
    .gemm_few = gemm_few,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .winograd_output_adjoint = winograd_output_adjoint,
    .winograd_input_adjoint = winograd_input_adjoint,
    .winograd_weights = winograd_weights,
    .winograd_weights_adjoint = winograd_weights_adjoint,
    .copy_rows = copy_rows,
    .add_rows = add_rows,
    .add = add,
    .axpy = axpy,
    .scale = scale,
    .relu = relu,
    .relu_backward = relu_backward,
    .relu_gate = relu_gate,
    .scale_shift = scale_shift,
    .column_sums = column_sums,
    .column_moments = column_moments,
    .norm_slopes = norm_slopes,
    .norm_backward = norm_backward,
    .max_window = max_window,
    .max_window_backward = max_window_backward,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .sigmoid = sigmoid,
    .tanh = tangent,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .dot = dot,
    .largest = largest,
    .sum = sum,
    .exp_sum = exp_sum,
    .affine = affine,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .sgd = sgd,
    .rmsprop = rmsprop,
    .adam = adam,
};
