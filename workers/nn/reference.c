/* reference.c - see reference.h. */
#include <string.h>
#include "workers/nn/reference.h"

void reference_product(int m, int n, int k, const float *a, const float *b, double *c) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int d = 0; d < k; d++)
                sum += (double)a[i * k + d] * (double)b[d * n + j];
            c[i * n + j] = sum;
        }
}

/* One multiplication of a convolution: which input, weight and output take part. */
struct term {
    size_t x, w, y;
};

/* Calls visit for every term of the sum that defines a convolution. */
static void each_term(const struct conv_shape *s, int batch, void (*visit)(void *context, struct term term),
                      void *context) {
    int in = s->in / s->groups, out = s->out / s->groups;
    int points = s->out_height * s->out_width, taps = s->kernel[0] * s->kernel[1];
    for (int at = 0; at < batch * points; at++)
        for (int tap = 0; tap < taps; tap++) {
            int image = at / points, point = at % points;
            int row =
                point / s->out_width * s->stride[0] - s->padding[0] + tap / s->kernel[1] * s->dilation[0];
            int column =
                point % s->out_width * s->stride[1] - s->padding[1] + tap % s->kernel[1] * s->dilation[1];
            if (row < 0 || row >= s->height || column < 0 || column >= s->width)
                continue;
            size_t pixel =
                ((size_t)image * (size_t)s->height + (size_t)row) * (size_t)s->width + (size_t)column;
            for (int o = 0; o < s->out; o++)
                for (int i = 0; i < in; i++)
                    visit(context,
                          (struct term){pixel * (size_t)s->in + (size_t)(o / out * in + i),
                                        ((size_t)tap * (size_t)in + (size_t)i) * (size_t)s->out + (size_t)o,
                                        (size_t)at * (size_t)s->out + (size_t)o});
        }
}

struct pass {
    const float *x, *w, *dy;
    double *y, *dx, *dw;
};

static void visit_forward(void *context, struct term t) {
    struct pass *pass = context;
    pass->y[t.y] += (double)pass->x[t.x] * (double)pass->w[t.w];
}

static void visit_backward(void *context, struct term t) {
    struct pass *pass = context;
    pass->dx[t.x] += (double)pass->dy[t.y] * (double)pass->w[t.w];
    pass->dw[t.w] += (double)pass->dy[t.y] * (double)pass->x[t.x];
}

static size_t outputs(const struct conv_shape *s, int batch) {
    return (size_t)batch * (size_t)(s->out_height * s->out_width) * (size_t)s->out;
}

void reference_conv_forward(const struct conv_shape *s, int batch, const float *x, const float *w,
                            const float *bias, double *y) {
    for (size_t i = 0; i < outputs(s, batch); i++)
        y[i] = bias ? (double)bias[i % (size_t)s->out] : 0;
    each_term(s, batch, visit_forward, &(struct pass){.x = x, .w = w, .y = y});
}

void reference_conv_backward(const struct conv_shape *s, int batch, const float *x, const float *w,
                             const float *dy, double *dx, double *dw, double *dbias) {
    size_t inputs = (size_t)batch * (size_t)(s->height * s->width) * (size_t)s->in;
    size_t weights = (size_t)(s->kernel[0] * s->kernel[1]) * (size_t)(s->in / s->groups) * (size_t)s->out;
    memset(dx, 0, inputs * sizeof *dx);
    memset(dw, 0, weights * sizeof *dw);
    memset(dbias, 0, (size_t)s->out * sizeof *dbias);
    for (size_t i = 0; i < outputs(s, batch); i++)
        dbias[i % (size_t)s->out] += (double)dy[i];
    each_term(s, batch, visit_backward, &(struct pass){.x = x, .w = w, .dy = dy, .dx = dx, .dw = dw});
}
