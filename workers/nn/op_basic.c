/* op_basic.c - addition, concatenation, reshape and pooling as operators. */
#include <string.h>
#include "workers/nn/isa.h"
#include "workers/nn/op.h"

/* ---- addition ---- */

static void add_forward(const struct op_call *c) {
    if (c->out != c->in[0])
        memcpy(c->out, c->in[0], call_elements(c) * sizeof(float));
    kernels_get()->add(call_elements(c), c->in[1], c->out);
}

static void add_backward(const struct op_call *c) {
    for (int i = 0; i < 2; i++)
        if (!c->din[i] || c->din[i] == c->dout)
            continue;
        else if (c->fresh_din[i])
            memcpy(c->din[i], c->dout, call_elements(c) * sizeof(float));
        else
            kernels_get()->add(call_elements(c), c->dout, c->din[i]);
}

static const struct op add_op = {.name = "add",
                                 .writes_din = true,
                                 .in_place = true,
                                 .gradient_in_place = true,
                                 .forward = add_forward,
                                 .backward = add_backward,
                                 .reference = &reference_add};

tensor graph_add(struct graph *graph, const char *name, tensor x, tensor y) {
    if (x == NO_TENSOR || y == NO_TENSOR)
        return NO_TENSOR;
    struct node *node = graph_node(graph, name, &add_op, 2, (tensor[]){x, y});
    if (!node)
        return NO_TENSOR;
    char a[64], b[64];
    if (!shape_equal(node->in_shape[0], node->in_shape[1]))
        return graph_fail(graph, name, "add takes two equal shapes, is given %s and %s",
                          shape_text(node->in_shape[0], a), shape_text(node->in_shape[1], b));
    return graph_newest(graph);
}

/* ---- concatenation along the channels ---- */

/* Copies (or, backward, adds) the columns of one input between its own rows and the wide rows. */
static void concat_forward(const struct op_call *c) {
    int wide = shape_channels(c->node->shape), at = 0;
    for (int i = 0; i < c->node->input_count; i++) {
        int narrow = shape_channels(c->node->in_shape[i]);
        for (size_t row = 0; row < node_rows(c->node, c->batch); row++)
            memcpy(c->out + row * (size_t)wide + at, c->in[i] + row * (size_t)narrow,
                   (size_t)narrow * sizeof(float));
        at += narrow;
    }
}

static void concat_backward(const struct op_call *c) {
    int wide = shape_channels(c->node->shape), at = 0;
    for (int i = 0; i < c->node->input_count; i++) {
        int narrow = shape_channels(c->node->in_shape[i]);
        for (size_t row = 0; c->din[i] && row < node_rows(c->node, c->batch); row++)
            kernels_get()->add((size_t)narrow, c->dout + row * (size_t)wide + at,
                               c->din[i] + row * (size_t)narrow);
        at += narrow;
    }
}

static const struct op concat_op = {
    .name = "concat", .forward = concat_forward, .backward = concat_backward, .reference = &reference_concat};

tensor graph_concat(struct graph *graph, const char *name, int count, const tensor *values) {
    for (int i = 0; i < count; i++)
        if (values[i] == NO_TENSOR)
            return NO_TENSOR;
    struct node *node = graph_node(graph, name, &concat_op, count, values);
    if (!node)
        return NO_TENSOR;
    int last = node->shape.rank - 1;
    for (int i = 1; i < count; i++) {
        struct shape other = node->in_shape[i], first = node->in_shape[0];
        char a[64], b[64];
        other.dim[last] = first.dim[last];
        if (!shape_equal(first, other))
            return graph_fail(graph, name,
                              "concat takes shapes that differ in channels only, is given %s and %s",
                              shape_text(node->in_shape[0], a), shape_text(node->in_shape[i], b));
        node->shape.dim[last] += node->in_shape[i].dim[last];
    }
    return graph_newest(graph);
}

/* ---- reshape ---- */

static void reshape_forward(const struct op_call *c) {
    if (c->out != c->in[0])
        memcpy(c->out, c->in[0], call_elements(c) * sizeof(float));
}

static void reshape_backward(const struct op_call *c) {
    if (c->din[0] && c->din[0] != c->dout)
        kernels_get()->add(call_elements(c), c->dout, c->din[0]);
}

static const struct op reshape_op = {.name = "reshape",
                                     .view = true,
                                     .forward = reshape_forward,
                                     .backward = reshape_backward,
                                     .reference = &reference_reshape};

tensor graph_reshape(struct graph *graph, const char *name, tensor x, struct shape shape) {
    if (x == NO_TENSOR)
        return NO_TENSOR;
    struct node *node = graph_node(graph, name, &reshape_op, 1, &x);
    if (!node)
        return NO_TENSOR;
    char a[64], b[64];
    if (shape_elements(node->shape) != shape_elements(shape))
        return graph_fail(graph, name, "reshape keeps the number of elements, is given %s for %s",
                          shape_text(shape, b), shape_text(node->shape, a));
    node->shape = shape;
    return graph_newest(graph);
}

/* ---- pooling ---- */

struct window {
    int top, bottom, left, right; /* within the image */
};

static struct window window_at(const struct node *node, int row, int column) {
    const struct pool_spec *p = &node->spec.pool;
    int height = node->in_shape[0].dim[0], width = node->in_shape[0].dim[1];
    int top = row * p->stride[0] - p->padding[0], left = column * p->stride[1] - p->padding[1];
    struct window w = {top, top + p->kernel[0], left, left + p->kernel[1]};
    w.top = w.top < 0 ? 0 : w.top;
    w.left = w.left < 0 ? 0 : w.left;
    w.bottom = w.bottom > height ? height : w.bottom;
    w.right = w.right > width ? width : w.right;
    return w;
}

static size_t window_offset(struct window w, int width, int channels) {
    return ((size_t)w.top * (size_t)width + (size_t)w.left) * (size_t)channels;
}

/* One channel vector of output from its window. */
static void pool_point(bool average, struct window w, int width, int channels, const float *x, float *y) {
    int rows = w.bottom - w.top, columns = w.right - w.left;
    ptrdiff_t row_stride = (ptrdiff_t)width * channels;
    x += window_offset(w, width, channels);
    if (!average) {
        kernels_get()->max_window(rows, columns, channels, x, row_stride, y);
        return;
    }
    memset(y, 0, (size_t)channels * sizeof(float));
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            kernels_get()->axpy((size_t)channels, 1.0f / (float)(rows * columns),
                                x + i * row_stride + (ptrdiff_t)j * channels, y);
}

/* The gradient goes to all of the window (average), or to the first point that holds the maximum. */
static void pool_point_backward(bool average, struct window w, int width, int channels, const float *x,
                                const float *y, const float *dy, float *dx) {
    int rows = w.bottom - w.top, columns = w.right - w.left;
    ptrdiff_t row_stride = (ptrdiff_t)width * channels;
    size_t first = window_offset(w, width, channels);
    if (!average) {
        kernels_get()->max_window_backward(rows, columns, channels, x + first, row_stride, y, dy, dx + first);
        return;
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            kernels_get()->axpy((size_t)channels, 1.0f / (float)(rows * columns), dy,
                                dx + first + i * row_stride + (ptrdiff_t)j * channels);
}

static void pool_each(const struct op_call *c, bool backward) {
    const struct node *node = c->node;
    struct shape in = node->in_shape[0], out = node->shape;
    int channels = out.dim[2];
    size_t image = shape_elements(in);
    for (int n = 0; n < c->batch; n++)
        for (int point = 0; point < out.dim[0] * out.dim[1]; point++) {
            struct window w = window_at(node, point / out.dim[1], point % out.dim[1]);
            size_t to = ((size_t)n * (size_t)(out.dim[0] * out.dim[1]) + (size_t)point) * (size_t)channels;
            const float *x = c->in[0] + (size_t)n * image;
            if (backward)
                pool_point_backward(node->spec.pool.average, w, in.dim[1], channels, x, c->out + to,
                                    c->dout + to, c->din[0] + (size_t)n * image);
            else
                pool_point(node->spec.pool.average, w, in.dim[1], channels, x, c->out + to);
        }
}

static void pool_forward(const struct op_call *c) {
    pool_each(c, false);
}

static void pool_backward(const struct op_call *c) {
    if (c->din[0])
        pool_each(c, true);
}

static const struct op max_pool_op = {.name = "max_pool",
                                      .backward_reads_input = true,
                                      .backward_reads_output = true,
                                      .forward = pool_forward,
                                      .backward = pool_backward,
                                      .reference = &reference_max_pool};
static const struct op average_pool_op = {.name = "average_pool",
                                          .forward = pool_forward,
                                          .backward = pool_backward,
                                          .reference = &reference_average_pool};

tensor graph_pool(struct graph *graph, const char *name, tensor x, const struct pool_spec *spec) {
    if (x == NO_TENSOR)
        return NO_TENSOR;
    struct node *node = graph_node(graph, name, spec->average ? &average_pool_op : &max_pool_op, 1, &x);
    if (!node)
        return NO_TENSOR;
    char text[64];
    struct pool_spec p = *spec;
    int out[2] = {0, 0};
    for (int i = 0; i < 2 && node->shape.rank == 3; i++) {
        p.stride[i] = p.stride[i] ? p.stride[i] : p.kernel[i];
        int room = node->shape.dim[i] + 2 * p.padding[i] - p.kernel[i];
        bool sane = p.kernel[i] > 0 && p.stride[i] > 0 && p.padding[i] >= 0 && p.padding[i] < p.kernel[i] &&
                    room >= 0;
        out[i] = sane ? room / p.stride[i] + 1 : 0;
        /* A last window that lies in the padding alone would be empty. */
        if (sane && (out[i] - 1) * p.stride[i] - p.padding[i] >= node->shape.dim[i])
            out[i]--;
    }
    if (out[0] < 1 || out[1] < 1)
        return graph_fail(graph, name, "pooling of %dx%d, stride %dx%d, padding %dx%d does not fit %s",
                          p.kernel[0], p.kernel[1], p.stride[0], p.stride[1], p.padding[0], p.padding[1],
                          shape_text(node->shape, text));
    node->spec.pool = p;
    node->shape = SHAPE(out[0], out[1], node->in_shape[0].dim[2]);
    return graph_newest(graph);
}

tensor graph_global_average(struct graph *graph, const char *name, tensor x) {
    if (x == NO_TENSOR)
        return NO_TENSOR;
    struct shape shape = graph->nodes[x].shape;
    char text[64];
    if (shape.rank != 3)
        return graph_fail(graph, name, "global average takes height x width x channels, is given %s",
                          shape_text(shape, text));
    tensor pooled = graph_pool(graph, name, x,
                               &(struct pool_spec){.kernel = {shape.dim[0], shape.dim[1]}, .average = true});
    return graph_reshape(graph, name, pooled, SHAPE(shape.dim[2]));
}
