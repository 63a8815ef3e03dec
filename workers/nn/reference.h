/* reference.h - the naive forms of the fast code: straight from the definitions, in double precision, as slow
 * as that is. Tests hold the fast forms against these, and so does the check evaluator (check.h). They share
 * nothing with the fast forms but the shapes.
 *
 * Every operator has one (op.h names it beside the fast pair): a forward and a backward function on plain
 * arrays of doubles. The rules are those of op.h, but for two: nothing works in place, and every gradient is
 * wanted.
 */
#ifndef TENGEN_NN_REFERENCE_H
#define TENGEN_NN_REFERENCE_H

#include "proto/base/rng.h"
#include "workers/nn/conv.h"
#include "workers/nn/graph.h"

/* c[m][n] = a[m][k] b[k][n] */
void reference_product(int m, int n, int k, const float *a, const float *b, double *c);

/* As conv_forward and conv_backward; results are written, not added. bias may be NULL. */
void reference_conv_forward(const struct conv_shape *shape, int batch, const float *x, const float *w,
                            const float *bias, double *y);
void reference_conv_backward(const struct conv_shape *shape, int batch, const float *x, const float *w,
                             const float *dy, double *dx, double *dw, double *dbias);

/* As loss_cross_entropy (loss.h). */
double reference_cross_entropy(size_t rows, int classes, const float *logits, const int *targets,
                               const float *weights, float smoothing, float scale, double *dlogits);

enum { REFERENCE_PARAMS_MAX = 4 };
struct node;
struct reference_call {
    const struct node *node;
    int batch;
    bool training;
    const double *in[NODE_INPUTS_MAX];
    double *out;                  /* forward: written whole; backward: read */
    const double *dout;           /* backward */
    double *din[NODE_INPUTS_MAX]; /* added to */
    double *param[REFERENCE_PARAMS_MAX];
    double *dparam[REFERENCE_PARAMS_MAX]; /* added to */
    double *saved;                        /* as many as the fast form has floats */
    struct rng *rng;                      /* dropout draws from it as the fast form does */
};
struct op_reference {
    void (*forward)(const struct reference_call *call);
    void (*backward)(const struct reference_call *call);
};

extern const struct op_reference reference_conv, reference_conv_transpose, reference_relu, reference_tanh,
    reference_sigmoid, reference_gelu, reference_softmax, reference_log_softmax, reference_dropout,
    reference_add, reference_concat, reference_reshape, reference_max_pool, reference_average_pool,
    reference_upsample_nearest, reference_upsample_bilinear, reference_gate, reference_batch_norm,
    reference_layer_norm, reference_embedding, reference_positions, reference_attention;

#endif
