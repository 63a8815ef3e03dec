/* op_activation.c - activations, softmax and dropout as operators. */
#include <math.h>
#include <string.h>
#include "workers/nn/isa.h"
#include "workers/nn/op.h"

static tensor unary(struct graph *graph, const char *name, const struct op *op, tensor x) {
    return x != NO_TENSOR && graph_node(graph, name, op, 1, &x) ? graph_newest(graph) : NO_TENSOR;
}

static void relu_forward(const struct op_call *c) {
    kernels_get()->relu(call_elements(c), c->in[0], c->out);
}

static void relu_backward(const struct op_call *c) {
    if (c->din[0] == c->dout)
        kernels_get()->relu_gate(call_elements(c), c->out, c->din[0]);
    else if (c->din[0])
        kernels_get()->relu_backward(call_elements(c), c->out, c->dout, c->din[0]);
}

static const struct op relu_op = {.name = "relu",
                                  .backward_reads_output = true,
                                  .gradient_in_place = true,
                                  .in_place = true,
                                  .forward = relu_forward,
                                  .backward = relu_backward,
                                  .reference = &reference_relu};

tensor graph_relu(struct graph *graph, const char *name, tensor x) {
    return unary(graph, name, &relu_op, x);
}

static void tanh_forward(const struct op_call *c) {
    kernels_get()->tanh(call_elements(c), c->in[0], c->out);
}

static void tanh_backward(const struct op_call *c) {
    for (size_t i = 0; c->din[0] && i < call_elements(c); i++)
        c->din[0][i] += c->dout[i] * (1 - c->out[i] * c->out[i]);
}

static const struct op tanh_op = {.name = "tanh",
                                  .backward_reads_output = true,
                                  .in_place = true,
                                  .forward = tanh_forward,
                                  .backward = tanh_backward,
                                  .reference = &reference_tanh};

tensor graph_tanh(struct graph *graph, const char *name, tensor x) {
    return unary(graph, name, &tanh_op, x);
}

static void sigmoid_forward(const struct op_call *c) {
    kernels_get()->sigmoid(call_elements(c), c->in[0], c->out);
}

static void sigmoid_backward(const struct op_call *c) {
    for (size_t i = 0; c->din[0] && i < call_elements(c); i++)
        c->din[0][i] += c->dout[i] * c->out[i] * (1 - c->out[i]);
}

static const struct op sigmoid_op = {.name = "sigmoid",
                                     .backward_reads_output = true,
                                     .in_place = true,
                                     .forward = sigmoid_forward,
                                     .backward = sigmoid_backward,
                                     .reference = &reference_sigmoid};

tensor graph_sigmoid(struct graph *graph, const char *name, tensor x) {
    return unary(graph, name, &sigmoid_op, x);
}

static void gelu_forward(const struct op_call *c) {
    kernels_get()->gelu(call_elements(c), c->in[0], c->out);
}

static void gelu_backward(const struct op_call *c) {
    if (c->din[0])
        kernels_get()->gelu_backward(call_elements(c), c->in[0], c->dout, c->din[0]);
}

static const struct op gelu_op = {.name = "gelu",
                                  .backward_reads_input = true,
                                  .forward = gelu_forward,
                                  .backward = gelu_backward,
                                  .reference = &reference_gelu};

tensor graph_gelu(struct graph *graph, const char *name, tensor x) {
    return unary(graph, name, &gelu_op, x);
}

static void softmax_forward(const struct op_call *c) {
    kernels_get()->softmax(node_rows(c->node, c->batch), shape_channels(c->node->shape), 1, c->in[0], c->out);
}

static void softmax_backward(const struct op_call *c) {
    if (c->din[0])
        kernels_get()->softmax_backward(node_rows(c->node, c->batch), shape_channels(c->node->shape), 1,
                                        c->out, c->dout, c->din[0]);
}

static const struct op softmax_op = {.name = "softmax",
                                     .backward_reads_output = true,
                                     .in_place = true,
                                     .forward = softmax_forward,
                                     .backward = softmax_backward,
                                     .reference = &reference_softmax};

tensor graph_softmax(struct graph *graph, const char *name, tensor x) {
    return unary(graph, name, &softmax_op, x);
}

static void log_softmax_forward(const struct op_call *c) {
    const struct kernels *k = kernels_get();
    size_t columns = (size_t)shape_channels(c->node->shape);
    for (size_t row = 0; row < node_rows(c->node, c->batch); row++) {
        const float *x = c->in[0] + row * columns;
        float most = k->largest(columns, x), log_sum = logf(k->exp_sum(columns, most, x, NULL));
        float *y = c->out + row * columns;
        k->affine(columns, 1, -most, x, y); /* first: most may be far larger than the logarithm */
        k->affine(columns, 1, -log_sum, y, y);
    }
}

/* dx += dy - exp(y) sum(dy) */
static void log_softmax_backward(const struct op_call *c) {
    const struct kernels *k = kernels_get();
    size_t columns = (size_t)shape_channels(c->node->shape);
    for (size_t row = 0; c->din[0] && row < node_rows(c->node, c->batch); row++) {
        const float *dy = c->dout + row * columns;
        k->exp_sum(columns, 0, c->out + row * columns, c->scratch);
        k->axpy(columns, -k->sum(columns, dy), c->scratch, c->din[0] + row * columns);
        k->add(columns, dy, c->din[0] + row * columns);
    }
}

static size_t one_row(const struct node *node, int batch) {
    (void)batch;
    return (size_t)shape_channels(node->shape);
}

static const struct op log_softmax_op = {.name = "log_softmax",
                                         .backward_reads_output = true,
                                         .in_place = true,
                                         .backward_scratch = one_row,
                                         .forward = log_softmax_forward,
                                         .backward = log_softmax_backward,
                                         .reference = &reference_log_softmax};

tensor graph_log_softmax(struct graph *graph, const char *name, tensor x) {
    return unary(graph, name, &log_softmax_op, x);
}

/* Inverted dropout (Srivastava et al. 2014): what stays is scaled by 1 / keep, so that inference is the
 * identity. The mask is kept. */
static size_t dropout_saved(const struct node *node, int batch) {
    return (size_t)batch * shape_elements(node->shape);
}

static void dropout_forward(const struct op_call *c) {
    float keep = 1 - c->node->spec.rate;
    for (size_t i = 0; i < call_elements(c) && c->training; i++) {
        c->saved[i] = (float)rng_uniform(c->rng) < keep ? 1 / keep : 0;
        c->out[i] = c->in[0][i] * c->saved[i];
    }
    if (!c->training && c->out != c->in[0])
        memcpy(c->out, c->in[0], call_elements(c) * sizeof(float));
}

static void dropout_backward(const struct op_call *c) {
    for (size_t i = 0; c->din[0] && i < call_elements(c); i++)
        c->din[0][i] += c->dout[i] * c->saved[i];
}

static const struct op dropout_op = {.name = "dropout",
                                     .in_place = true,
                                     .saved = dropout_saved,
                                     .forward = dropout_forward,
                                     .backward = dropout_backward,
                                     .reference = &reference_dropout};

tensor graph_dropout(struct graph *graph, const char *name, tensor x, float rate) {
    if (!(rate >= 0 && rate < 1))
        return graph_fail(graph, name, "dropout takes a rate of 0 to below 1, is given %g", (double)rate);
    tensor y = unary(graph, name, &dropout_op, x);
    if (y != NO_TENSOR)
        graph->nodes[y].spec.rate = rate;
    return y;
}
