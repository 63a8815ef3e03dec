/* op_conv.c - convolution, transposed convolution and linear layers as operators. */
#include <string.h>
#include "workers/nn/isa.h"
#include "workers/nn/op.h"

static void conv_op_forward(const struct op_call *c) {
    conv_forward(&c->node->spec.conv, c->batch, c->in[0], c->param[0],
                 c->node->param_count > 1 ? c->param[1] : NULL, c->out, c->scratch);
}

static void conv_op_backward(const struct op_call *c) {
    conv_backward(&c->node->spec.conv, c->batch, c->in[0], c->param[0], c->dout, c->din[0], c->dparam[0],
                  c->node->param_count > 1 ? c->dparam[1] : NULL,
                  (struct conv_fresh){.dx = c->fresh_din[0], .dw = c->fresh}, c->scratch);
}

static size_t forward_scratch(const struct node *node, int batch) {
    return conv_forward_scratch(&node->spec.conv, batch);
}

static size_t backward_scratch(const struct node *node, int batch) {
    return conv_backward_scratch(&node->spec.conv, batch);
}

static const struct op conv_op = {.name = "conv",
                                  .writes_dparam = true,
                                  .writes_din = true,
                                  .backward_reads_input = true,
                                  .forward_scratch = forward_scratch,
                                  .backward_scratch = backward_scratch,
                                  .forward = conv_op_forward,
                                  .backward = conv_op_backward,
                                  .reference = &reference_conv};
/* A linear layer is a 1x1 convolution over as many points as there are rows. */
static const struct op linear_op = {.name = "linear",
                                    .writes_dparam = true,
                                    .writes_din = true,
                                    .backward_reads_input = true,
                                    .forward_scratch = forward_scratch,
                                    .backward_scratch = backward_scratch,
                                    .forward = conv_op_forward,
                                    .backward = conv_op_backward,
                                    .reference = &reference_conv};

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

/* ---- transposed convolution ----
 *
 * spec.conv is the convolution that leads back, from the result to the input: what transposes is that its
 * gradient with regard to its input is this operator's forward pass, and its forward pass is this one's
 * gradient. Weights are that convolution's: [kernel][kernel][out / groups][in]. */

static size_t transpose_input(const struct node *node, int batch) {
    return (size_t)batch * shape_elements(node->in_shape[0]);
}

static size_t transpose_forward_scratch(const struct node *node, int batch) {
    return conv_backward_scratch(&node->spec.conv, batch);
}

static size_t transpose_backward_scratch(const struct node *node, int batch) {
    size_t forward = conv_forward_scratch(&node->spec.conv, batch) + transpose_input(node, batch);
    size_t backward = conv_backward_scratch(&node->spec.conv, batch);
    return forward > backward ? forward : backward;
}

static void transpose_forward(const struct op_call *c) {
    const struct conv_shape *s = &c->node->spec.conv;
    size_t channels = (size_t)s->in;
    /* The convolution's own input matters for the gradient of its weights only. */
    conv_backward(s, c->batch, NULL, c->param[0], c->in[0], c->out, NULL, NULL,
                  (struct conv_fresh){.dx = true}, c->scratch);
    for (size_t row = 0; c->node->param_count > 1 && row < node_rows(c->node, c->batch); row++)
        kernels_get()->add(channels, c->param[1], c->out + row * channels);
}

static void transpose_backward(const struct op_call *c) {
    const struct conv_shape *s = &c->node->spec.conv;
    if (c->node->param_count > 1)
        kernels_get()->column_sums(node_rows(c->node, c->batch), s->in, c->dout, c->dparam[1]);
    conv_backward(s, c->batch, c->dout, c->param[0], c->in[0], NULL, c->dparam[0], NULL,
                  (struct conv_fresh){0}, c->scratch);
    if (!c->din[0])
        return;
    size_t count = transpose_input(c->node, c->batch);
    conv_forward(s, c->batch, c->dout, c->param[0], NULL, c->scratch, c->scratch + count);
    kernels_get()->add(count, c->scratch, c->din[0]);
}

static const struct op conv_transpose_op = {.name = "conv_transpose",
                                            .backward_reads_input = true,
                                            .forward_scratch = transpose_forward_scratch,
                                            .backward_scratch = transpose_backward_scratch,
                                            .forward = transpose_forward,
                                            .backward = transpose_backward,
                                            .reference = &reference_conv_transpose};

/* The convolution from {height, width, channels} of the result back to x; false when there is none. */
static bool shape_back(struct shape x, const struct conv_spec *spec, const int extra[2],
                       struct conv_shape *out) {
    int sides[2];
    *out = shape_of(x, spec);
    for (int i = 0; i < 2; i++) {
        sides[i] = (x.dim[i] - 1) * out->stride[i] - 2 * out->padding[i] +
                   out->dilation[i] * (out->kernel[i] - 1) + 1 + extra[i];
        if (sides[i] < 1 || extra[i] < 0 || extra[i] >= out->stride[i])
            return false;
    }
    out->height = sides[0];
    out->width = sides[1];
    out->in = spec->channels;
    out->out = x.dim[2];
    return out->in > 0 && !conv_shape_finish(out) && out->out_height == x.dim[0] &&
           out->out_width == x.dim[1];
}

tensor graph_conv_transpose(struct graph *graph, const char *name, tensor x, const struct conv_spec *spec,
                            const int extra[2]) {
    static const int none[2] = {0, 0};
    if (x == NO_TENSOR)
        return NO_TENSOR;
    struct node *node = graph_node(graph, name, &conv_transpose_op, 1, &x);
    if (!node)
        return NO_TENSOR;
    char text[64];
    struct conv_shape s = {0};
    if (node->shape.rank != 3 || !shape_back(node->shape, spec, extra ? extra : none, &s))
        return graph_fail(graph, name,
                          "transposed convolution to %d channels in %d groups, kernel %dx%d, stride %dx%d, "
                          "padding %dx%d does not fit %s",
                          spec->channels, or_one(spec->groups), or_one(spec->kernel[0]),
                          or_one(spec->kernel[1]), or_one(spec->stride[0]), or_one(spec->stride[1]),
                          spec->padding[0], spec->padding[1], shape_text(node->shape, text));
    node->spec.conv = s;
    node->shape = SHAPE(s.height, s.width, s.in);
    /* How many numbers of the input make one of the result, on average. */
    int taps = s.kernel[0] * s.kernel[1], strides = s.stride[0] * s.stride[1];
    int fan_in = taps * s.out / s.groups / strides;
    graph_param(graph, "weight", SHAPE(s.kernel[0], s.kernel[1], s.in / s.groups, s.out), INIT_HE,
                fan_in > 0 ? fan_in : 1, taps * s.in / s.groups);
    if (!spec->no_bias)
        graph_param(graph, "bias", SHAPE(s.in), INIT_ZERO, 0, 0);
    return graph_newest(graph);
}

/* ---- linear ---- */

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
