/* op_conv.c - convolution and linear layers as operators. */
#include "workers/nn/isa.h"
#include "workers/nn/op.h"

static void conv_op_forward(const struct op_call *c) {
    conv_forward(&c->node->spec.conv, c->batch, c->in[0], c->param[0],
                 c->node->param_count > 1 ? c->param[1] : NULL, c->out, c->scratch);
}

static void conv_op_backward(const struct op_call *c) {
    conv_backward(&c->node->spec.conv, c->batch, c->in[0], c->param[0], c->dout, c->din[0], c->dparam[0],
                  c->node->param_count > 1 ? c->dparam[1] : NULL, c->scratch);
}

static size_t forward_scratch(const struct node *node, int batch) {
    return conv_forward_scratch(&node->spec.conv, batch);
}

static size_t backward_scratch(const struct node *node, int batch) {
    return conv_backward_scratch(&node->spec.conv, batch);
}

static const struct op conv_op = {.name = "conv",
                                  .backward_reads_input = true,
                                  .forward_scratch = forward_scratch,
                                  .backward_scratch = backward_scratch,
                                  .forward = conv_op_forward,
                                  .backward = conv_op_backward};
/* A linear layer is a 1x1 convolution over as many points as there are rows. */
static const struct op linear_op = {.name = "linear",
                                    .backward_reads_input = true,
                                    .forward_scratch = forward_scratch,
                                    .backward_scratch = backward_scratch,
                                    .forward = conv_op_forward,
                                    .backward = conv_op_backward};

static int or_one(int given) {
    return given ? given : 1;
}

static struct conv_shape shape_of(struct shape x, const struct conv_spec *spec) {
    struct conv_shape s = {.height = x.dim[0],
                           .width = x.dim[1],
                           .in = x.dim[2],
                           .out = spec->channels,
                           .groups = or_one(spec->groups)};
    for (int i = 0; i < 2; i++) {
        s.kernel[i] = or_one(spec->kernel[i]);
        s.stride[i] = or_one(spec->stride[i]);
        s.dilation[i] = or_one(spec->dilation[i]);
        s.padding[i] = spec->padding[i];
    }
    return s;
}

tensor graph_conv(struct graph *graph, const char *name, tensor x, const struct conv_spec *spec) {
    if (x == NO_TENSOR)
        return NO_TENSOR;
    struct node *node = graph_node(graph, name, &conv_op, 1, &x);
    if (!node)
        return NO_TENSOR;
    char text[64];
    if (node->shape.rank != 3)
        return graph_fail(graph, name, "conv takes height x width x channels, is given %s",
                          shape_text(node->shape, text));
    struct conv_shape s = shape_of(node->shape, spec);
    if (s.out < 1 || conv_shape_finish(&s))
        return graph_fail(
            graph, name,
            "conv of %d channels in %d groups, kernel %dx%d, stride %dx%d, padding %dx%d does not fit %s",
            s.out, s.groups, s.kernel[0], s.kernel[1], s.stride[0], s.stride[1], s.padding[0], s.padding[1],
            shape_text(node->shape, text));
    node->spec.conv = s;
    node->shape = SHAPE(s.out_height, s.out_width, s.out);
    int taps = s.kernel[0] * s.kernel[1];
    graph_param(graph, "weight", SHAPE(s.kernel[0], s.kernel[1], s.in / s.groups, s.out), INIT_HE,
                taps * s.in / s.groups, taps * s.out / s.groups);
    if (!spec->no_bias)
        graph_param(graph, "bias", SHAPE(s.out), INIT_ZERO, 0, 0);
    return graph_newest(graph);
}

tensor graph_linear(struct graph *graph, const char *name, tensor x, int features, bool bias) {
    if (x == NO_TENSOR)
        return NO_TENSOR;
    struct node *node = graph_node(graph, name, &linear_op, 1, &x);
    if (!node)
        return NO_TENSOR;
    if (features < 1)
        return graph_fail(graph, name, "linear needs at least 1 feature, is given %d", features);
    int in = shape_channels(node->shape), rows = (int)(shape_elements(node->shape) / (size_t)in);
    struct conv_shape s = {.height = rows,
                           .width = 1,
                           .in = in,
                           .out = features,
                           .kernel = {1, 1},
                           .stride = {1, 1},
                           .dilation = {1, 1},
                           .groups = 1};
    TG_ASSERT(conv_shape_finish(&s) == 0);
    node->spec.conv = s;
    node->shape.dim[node->shape.rank - 1] = features;
    graph_param(graph, "weight", SHAPE(in, features), INIT_GLOROT, in, features);
    if (bias)
        graph_param(graph, "bias", SHAPE(features), INIT_ZERO, 0, 0);
    return graph_newest(graph);
}
