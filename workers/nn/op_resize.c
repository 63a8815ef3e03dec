/* op_resize.c - upsampling, and the gate of squeeze-and-excitation. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "workers/nn/isa.h"
#include "workers/nn/op.h"

/* ---- upsampling ---- */

/* The one or two source lines that make up line `to`, with their shares. */
struct blend_line {
    int line[2];
    float share[2];
};

static struct blend_line source_line(int to, int factor, int size, bool bilinear) {
    if (!bilinear)
        return (struct blend_line){{to / factor, 0}, {1, 0}};
    /* Half-pixel centres: the middle of target line `to` lies at (to + 0.5) / factor - 0.5. */
    float at = ((float)to + 0.5f) / (float)factor - 0.5f;
    int first = (int)floorf(at);
    float far = at - (float)first;
    int second = first + 1 < size ? first + 1 : size - 1;
    return (struct blend_line){{first < 0 ? 0 : first, second}, {1 - far, far}};
}

static void upsample_each(const struct op_call *c, bool bilinear, bool backward) {
    struct shape in = c->node->in_shape[0], out = c->node->shape;
    size_t channels = (size_t)out.dim[2];
    int factor = c->node->spec.factor;
    for (int n = 0; n < c->batch; n++)
        for (int point = 0; point < out.dim[0] * out.dim[1]; point++) {
            struct blend_line rows = source_line(point / out.dim[1], factor, in.dim[0], bilinear);
            struct blend_line columns = source_line(point % out.dim[1], factor, in.dim[1], bilinear);
            size_t to = ((size_t)n * (size_t)(out.dim[0] * out.dim[1]) + (size_t)point) * channels;
            if (!backward)
                memset(c->out + to, 0, channels * sizeof(float));
            for (int corner = 0; corner < 4; corner++) {
                float share = rows.share[corner / 2] * columns.share[corner % 2];
                size_t from =
                    (size_t)((n * in.dim[0] + rows.line[corner / 2]) * in.dim[1] + columns.line[corner % 2]) *
                    channels;
                if (share != 0 && backward)
                    kernels_get()->axpy(channels, share, c->dout + to, c->din[0] + from);
                else if (share != 0)
                    kernels_get()->axpy(channels, share, c->in[0] + from, c->out + to);
            }
        }
}

static void nearest_forward(const struct op_call *c) {
    upsample_each(c, false, false);
}

static void nearest_backward(const struct op_call *c) {
    if (c->din[0])
        upsample_each(c, false, true);
}

static void bilinear_forward(const struct op_call *c) {
    upsample_each(c, true, false);
}

static void bilinear_backward(const struct op_call *c) {
    if (c->din[0])
        upsample_each(c, true, true);
}

static const struct op nearest_op = {.name = "upsample_nearest",
                                     .forward = nearest_forward,
                                     .backward = nearest_backward,
                                     .reference = &reference_upsample_nearest};
static const struct op bilinear_op = {.name = "upsample_bilinear",
                                      .forward = bilinear_forward,
                                      .backward = bilinear_backward,
                                      .reference = &reference_upsample_bilinear};

tensor graph_upsample(struct graph *graph, const char *name, tensor x, int factor, bool bilinear) {
    struct node *node =
        x == NO_TENSOR ? NULL : graph_node(graph, name, bilinear ? &bilinear_op : &nearest_op, 1, &x);
    if (!node)
        return NO_TENSOR;
    char text[64];
    if (node->shape.rank != 3 || factor < 1 || factor > 64)
        return graph_fail(graph, name,
                          "upsampling by %d (1 to 64) takes height x width x channels, is given %s", factor,
                          shape_text(node->shape, text));
    node->spec.factor = factor;
    node->shape.dim[0] *= factor;
    node->shape.dim[1] *= factor;
    return graph_newest(graph);
}

/* ---- gate ---- */

static void gate_forward(const struct op_call *c) {
    size_t channels = (size_t)shape_channels(c->node->shape),
           points = shape_elements(c->node->shape) / channels;
    for (size_t row = 0; row < node_rows(c->node, c->batch); row++) {
        const float *x = c->in[0] + row * channels, *gate = c->in[1] + row / points * channels;
        for (size_t i = 0; i < channels; i++)
            c->out[row * channels + i] = x[i] * gate[i];
    }
}

static void gate_backward(const struct op_call *c) {
    size_t channels = (size_t)shape_channels(c->node->shape),
           points = shape_elements(c->node->shape) / channels;
    for (size_t row = 0; row < node_rows(c->node, c->batch); row++) {
        size_t at = row * channels, of_gate = row / points * channels;
        for (size_t i = 0; i < channels && c->din[0]; i++)
            c->din[0][at + i] += c->dout[at + i] * c->in[1][of_gate + i];
        for (size_t i = 0; i < channels && c->din[1]; i++)
            c->din[1][of_gate + i] += c->dout[at + i] * c->in[0][at + i];
    }
}

static const struct op gate_op = {.name = "gate",
                                  .backward_reads_input = true,
                                  .forward = gate_forward,
                                  .backward = gate_backward,
                                  .reference = &reference_gate};

tensor graph_gate(struct graph *graph, const char *name, tensor x, tensor gate) {
    if (x == NO_TENSOR || gate == NO_TENSOR)
        return NO_TENSOR;
    struct node *node = graph_node(graph, name, &gate_op, 2, (tensor[]){x, gate});
    if (!node)
        return NO_TENSOR;
    char a[64], b[64];
    if (node->in_shape[1].rank != 1 || node->in_shape[1].dim[0] != shape_channels(node->shape))
        return graph_fail(graph, name, "gate takes one factor a channel of %s, is given %s",
                          shape_text(node->shape, a), shape_text(node->in_shape[1], b));
    return graph_newest(graph);
}

tensor graph_squeeze_excite(struct graph *graph, const char *name, tensor x, int reduction) {
    if (x == NO_TENSOR)
        return NO_TENSOR;
    int channels = shape_channels(graph->nodes[x].shape);
    int narrow = reduction > 0 && channels >= reduction ? channels / reduction : 1;
    char part[NODE_NAME_MAX];
    snprintf(part, sizeof part, "%.80s.squeeze", name);
    tensor gate = graph_global_average(graph, part, x);
    snprintf(part, sizeof part, "%.80s.reduce", name);
    gate = graph_relu(graph, part, graph_linear(graph, part, gate, narrow, true));
    snprintf(part, sizeof part, "%.80s.expand", name);
    gate = graph_sigmoid(graph, part, graph_linear(graph, part, gate, channels, true));
    return graph_gate(graph, name, x, gate);
}
