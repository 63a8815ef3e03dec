/* reference.h - the naive forms of the fast code: straight from the definitions, in double precision, as slow
 * as that is. Tests hold the fast forms against these, and so does the check evaluator. They share nothing
 * with the fast forms but the shapes. */
#ifndef TENGEN_NN_REFERENCE_H
#define TENGEN_NN_REFERENCE_H

#include "workers/nn/conv.h"

/* c[m][n] = a[m][k] b[k][n] */
void reference_product(int m, int n, int k, const float *a, const float *b, double *c);

/* As conv_forward and conv_backward; results are written, not added. bias may be NULL. */
void reference_conv_forward(const struct conv_shape *shape, int batch, const float *x, const float *w,
                            const float *bias, double *y);
void reference_conv_backward(const struct conv_shape *shape, int batch, const float *x, const float *w,
                             const float *dy, double *dx, double *dw, double *dbias);

#endif
