/* reference.c - see reference.h: products and convolutions. The other operators are in reference_ops.c. */
#include <stdlib.h>
#include <string.h>
#include "workers/nn/op.h"

void reference_product(int m, int n, int k, const float *a, const float *b, double *c) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int d = 0; d < k; d++)
                sum += (double)a[i * k + d] * (double)b[d * n + j];
            c[i * n + j] = sum;
        }
}

/* One output point and one tap of a convolution's kernel, with the input point that they meet. */
struct meeting {
    size_t x, w, y;    /* offsets of the channel vectors at the input point, the tap's weights, the output */
    int in, out, step; /* channels of each that take part, and floats from one row of weights to the next */
};

/* Calls visit for every meeting of output point, tap and group: together they are the sum that defines a
 * convolution. */
static void each_meeting(const struct conv_shape *s, int batch,
                         void (*visit)(void *context, struct meeting meeting), void *context) {
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
            for (int group = 0; group < s->groups; group++)
                visit(context,
                      (struct meeting){pixel * (size_t)s->in + (size_t)(group * in),
                                       (size_t)tap * (size_t)in * (size_t)s->out + (size_t)(group * out),
                                       (size_t)at * (size_t)s->out + (size_t)(group * out), in, out, s->out});
        }
}

struct pass {
    const double *x, *w, *dy; /* dy NULL: forward */
    double *y, *dx, *dw;
};

static void visit_forward(void *context, struct meeting m) {
    const struct pass *pass = context;
    for (int i = 0; i < m.in; i++)
        for (int o = 0; o < m.out; o++)
            pass->y[m.y + (size_t)o] +=
                pass->x[m.x + (size_t)i] * pass->w[m.w + (size_t)(i * m.step) + (size_t)o];
}

static void visit_backward(void *context, struct meeting m) {
    const struct pass *pass = context;
    for (int i = 0; i < m.in; i++)
        for (int o = 0; o < m.out; o++) {
            size_t x = m.x + (size_t)i, w = m.w + (size_t)(i * m.step) + (size_t)o, y = m.y + (size_t)o;
            pass->dx[x] += pass->dy[y] * pass->w[w];
            pass->dw[w] += pass->dy[y] * pass->x[x];
        }
}

static size_t outputs(const struct conv_shape *s, int batch) {
    return (size_t)batch * (size_t)(s->out_height * s->out_width) * (size_t)s->out;
}

static size_t inputs(const struct conv_shape *s, int batch) {
    return (size_t)batch * (size_t)(s->height * s->width) * (size_t)s->in;
}

static size_t weights(const struct conv_shape *s) {
    return (size_t)(s->kernel[0] * s->kernel[1]) * (size_t)(s->in / s->groups) * (size_t)s->out;
}

static double *doubles(const float *from, size_t count) {
    double *copy = calloc(count + 1, sizeof *copy);
    TG_ASSERT(copy && "memory for a reference");
    for (size_t i = 0; i < count; i++)
        copy[i] = (double)from[i];
    return copy;
}

void reference_conv_forward(const struct conv_shape *s, int batch, const float *x, const float *w,
                            const float *bias, double *y) {
    double *wide_x = doubles(x, inputs(s, batch)), *wide_w = doubles(w, weights(s));
    for (size_t i = 0; i < outputs(s, batch); i++)
        y[i] = bias ? (double)bias[i % (size_t)s->out] : 0;
    each_meeting(s, batch, visit_forward, &(struct pass){.x = wide_x, .w = wide_w, .y = y});
    free(wide_x);
    free(wide_w);
}

void reference_conv_backward(const struct conv_shape *s, int batch, const float *x, const float *w,
                             const float *dy, double *dx, double *dw, double *dbias) {
    double *wide_x = doubles(x, inputs(s, batch)), *wide_w = doubles(w, weights(s));
    double *wide_dy = doubles(dy, outputs(s, batch));
    memset(dx, 0, inputs(s, batch) * sizeof *dx);
    memset(dw, 0, weights(s) * sizeof *dw);
    memset(dbias, 0, (size_t)s->out * sizeof *dbias);
    for (size_t i = 0; i < outputs(s, batch); i++)
        dbias[i % (size_t)s->out] += wide_dy[i];
    each_meeting(s, batch, visit_backward,
                 &(struct pass){.x = wide_x, .w = wide_w, .dy = wide_dy, .dx = dx, .dw = dw});
    free(wide_x);
    free(wide_w);
    free(wide_dy);
}

/* ---- as operators ---- */

static void add_bias(const struct reference_call *c, size_t count, int channels) {
    for (size_t i = 0; i < count; i++)
        c->out[i] = c->node->param_count > 1 ? c->param[1][i % (size_t)channels] : 0;
}

static void bias_backward(const struct reference_call *c, size_t count, int channels) {
    for (size_t i = 0; i < count && c->node->param_count > 1; i++)
        c->dparam[1][i % (size_t)channels] += c->dout[i];
}

static void conv_reference_forward(const struct reference_call *c) {
    const struct conv_shape *s = &c->node->spec.conv;
    add_bias(c, outputs(s, c->batch), s->out);
    each_meeting(s, c->batch, visit_forward, &(struct pass){.x = c->in[0], .w = c->param[0], .y = c->out});
}

static void conv_reference_backward(const struct reference_call *c) {
    const struct conv_shape *s = &c->node->spec.conv;
    bias_backward(c, outputs(s, c->batch), s->out);
    each_meeting(
        s, c->batch, visit_backward,
        &(struct pass){.x = c->in[0], .w = c->param[0], .dy = c->dout, .dx = c->din[0], .dw = c->dparam[0]});
}

const struct op_reference reference_conv = {conv_reference_forward, conv_reference_backward};

/* Transposed: the same meetings with the roles of input and output exchanged. spec.conv is the convolution
 * that would lead from the result back to the input. */
static void visit_transposed(void *context, struct meeting m) {
    const struct pass *pass = context; /* x: at the convolution's output; y: at its input */
    for (int i = 0; i < m.in; i++)
        for (int o = 0; o < m.out; o++)
            pass->y[m.x + (size_t)i] +=
                pass->x[m.y + (size_t)o] * pass->w[m.w + (size_t)(i * m.step) + (size_t)o];
}

static void visit_transposed_backward(void *context, struct meeting m) {
    const struct pass *pass = context;
    for (int i = 0; i < m.in; i++)
        for (int o = 0; o < m.out; o++) {
            size_t x = m.y + (size_t)o, w = m.w + (size_t)(i * m.step) + (size_t)o, y = m.x + (size_t)i;
            pass->dx[x] += pass->dy[y] * pass->w[w];
            pass->dw[w] += pass->dy[y] * pass->x[x];
        }
}

static void transposed_forward(const struct reference_call *c) {
    const struct conv_shape *s = &c->node->spec.conv;
    add_bias(c, inputs(s, c->batch), s->in);
    each_meeting(s, c->batch, visit_transposed, &(struct pass){.x = c->in[0], .w = c->param[0], .y = c->out});
}

static void transposed_backward(const struct reference_call *c) {
    const struct conv_shape *s = &c->node->spec.conv;
    bias_backward(c, inputs(s, c->batch), s->in);
    each_meeting(
        s, c->batch, visit_transposed_backward,
        &(struct pass){.x = c->in[0], .w = c->param[0], .dy = c->dout, .dx = c->din[0], .dw = c->dparam[0]});
}

const struct op_reference reference_conv_transpose = {transposed_forward, transposed_backward};
