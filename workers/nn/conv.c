/* conv.c - see conv.h.
 *
 * Winograd works on a group of images at a time, as many as keep their planes in the second-level cache.
 * Scratch:
 *
 *     | input planes: t*t * tiles * in | product planes: t*t * tiles * out |
 *
 * and backward: the transposed weights, the gradients of both sets of planes and of the transformed weights.
 */
#include <string.h>
#include "workers/nn/conv.h"
#include "workers/nn/isa.h"

enum {
    PLANE_CACHE_FLOATS = 160 * 1024, /* input and product planes of a group: a good half of a 1 MiB cache */
    COLUMN_POINTS = 192,             /* output points whose patches are laid out at a time */
};

int conv_shape_finish(struct conv_shape *s) {
    if (s->groups <= 0 || s->in % s->groups || s->out % s->groups)
        return -1;
    int reach[2], size[2] = {s->height, s->width}, out[2];
    for (int i = 0; i < 2; i++) {
        reach[i] = s->dilation[i] * (s->kernel[i] - 1) + 1;
        out[i] = size[i] + 2 * s->padding[i] < reach[i]
                     ? 0
                     : (size[i] + 2 * s->padding[i] - reach[i]) / s->stride[i] + 1;
    }
    s->out_height = out[0];
    s->out_width = out[1];
    return out[0] > 0 && out[1] > 0 ? 0 : -1;
}

static bool both(const int pair[2], int is) {
    return pair[0] == is && pair[1] == is;
}

static int tiles_of(const struct conv_shape *s, int m) {
    return ((s->height + m - 1) / m) * ((s->width + m - 1) / m);
}

enum conv_method conv_method(const struct conv_shape *s) {
    bool simple = s->groups == 1 && both(s->stride, 1) && both(s->dilation, 1);
    if (simple && both(s->kernel, 1) && both(s->padding, 0))
        return CONV_PRODUCT;
    /* Few channels leave the products too thin to pay for the transforms. */
    if (simple && both(s->kernel, 3) && both(s->padding, 1) && s->in >= 8 && s->out >= 8)
        return 25 * tiles_of(s, 3) <= 36 * tiles_of(s, 4) ? CONV_WINOGRAD3 : CONV_WINOGRAD4;
    return CONV_COLUMNS;
}

/* ---- Winograd ---- */

struct winograd {
    enum winograd_form form;
    int planes, tiles, group; /* t*t; tiles an image; images a group */
};

static struct winograd winograd_plan(const struct conv_shape *s, enum conv_method method, int batch) {
    int m = method == CONV_WINOGRAD3 ? 3 : 4;
    struct winograd plan = {
        .form = (enum winograd_form)m, .planes = (m + 2) * (m + 2), .tiles = tiles_of(s, m)};
    int image = plan.planes * plan.tiles * (s->in + s->out);
    plan.group = PLANE_CACHE_FLOATS / image;
    if (plan.group < 1)
        plan.group = 1;
    if (plan.group > batch)
        plan.group = batch;
    return plan;
}

static size_t image_points(const struct conv_shape *s) {
    return (size_t)s->height * (size_t)s->width;
}

static size_t winograd_run_scratch(const struct conv_shape *s, struct winograd plan) {
    return (size_t)plan.planes * (size_t)plan.group * (size_t)plan.tiles * (size_t)(s->in + s->out);
}

/* Transforms the weights and packs each plane, as in x out, or transposed as out x in. `raw` is room for the
 * planes. */
static void winograd_pack(const struct conv_shape *s, struct winograd plan, const float *raw, bool transposed,
                          float *packed) {
    const struct kernels *k = kernels_get();
    int rows = transposed ? s->out : s->in, columns = transposed ? s->in : s->out;
    for (int p = 0; p < plan.planes;
         p++, raw += (ptrdiff_t)s->in * s->out, packed += (size_t)rows * packed_columns(columns)) {
        struct matrix weights =
            transposed ? (struct matrix){raw, 1, s->out} : (struct matrix){raw, s->out, 1};
        k->pack(rows, columns, weights, packed);
    }
}

static void winograd_transform_group(const struct conv_shape *s, struct winograd plan, int images,
                                     const float *x, float *planes) {
    ptrdiff_t stride = (ptrdiff_t)images * plan.tiles * s->in;
    for (int i = 0; i < images; i++)
        kernels_get()->winograd_input(plan.form, s->height, s->width, s->in,
                                      x + (size_t)i * image_points(s) * (size_t)s->in,
                                      planes + (ptrdiff_t)i * plan.tiles * s->in, stride);
}

static void winograd_run(const struct conv_shape *s, struct winograd plan, int batch, const float *x,
                         const float *packed, struct conv_tail tail, float *y, float *scratch) {
    const struct kernels *k = kernels_get();
    size_t plane_weights = (size_t)s->in * packed_columns(s->out),
           image_out = image_points(s) * (size_t)s->out;
    for (int first = 0; first < batch; first += plan.group) {
        int images = batch - first < plan.group ? batch - first : plan.group;
        ptrdiff_t rows = (ptrdiff_t)images * plan.tiles;
        float *in_planes = scratch, *out_planes = in_planes + plan.planes * rows * s->in;
        winograd_transform_group(s, plan, images, x + (size_t)first * image_points(s) * (size_t)s->in,
                                 in_planes);
        for (int p = 0; p < plan.planes; p++)
            k->gemm_packed(rows, s->out, s->in, (struct matrix){in_planes + p * rows * s->in, s->in, 1},
                           packed + (size_t)p * plane_weights, out_planes + p * rows * s->out, s->out, NULL);
        for (int i = 0; i < images; i++) {
            size_t at = (size_t)(first + i) * image_out;
            k->winograd_output(plan.form, s->height, s->width, s->out,
                               out_planes + (ptrdiff_t)i * plan.tiles * s->out, rows * s->out, tail.bias,
                               tail.residual ? tail.residual + at : NULL, tail.relu, y + at);
        }
    }
}

/* Scratch, backward: packed transposed weights | dweights planes (and, before, raw weights) | in planes (also
 * their gradient) | out planes' gradient | one plane of it packed. */
static size_t winograd_backward_scratch(const struct conv_shape *s, struct winograd plan) {
    size_t planes = (size_t)plan.planes, rows = (size_t)plan.group * (size_t)plan.tiles;
    return planes * (size_t)s->out * packed_columns(s->in) + planes * (size_t)s->in * (size_t)s->out +
           planes * rows * (size_t)(s->in + s->out) + rows * packed_columns(s->out);
}

struct winograd_gradients {
    float *packed, *dweights, *in_planes, *out_planes, *packed_plane;
};

/* Gradients of one group of images: dw's planes from both sides' planes, then dx. */
static void winograd_backward_group(const struct conv_shape *s, struct winograd plan, int images,
                                    const float *x, const float *dy, float *dx, bool want_dw,
                                    struct winograd_gradients at) {
    const struct kernels *k = kernels_get();
    ptrdiff_t rows = (ptrdiff_t)images * plan.tiles;
    struct gemm_tail accumulate = {.accumulate = true};
    for (int i = 0; i < images; i++)
        k->winograd_output_adjoint(plan.form, s->height, s->width, s->out,
                                   dy + (size_t)i * image_points(s) * (size_t)s->out,
                                   at.out_planes + (ptrdiff_t)i * plan.tiles * s->out, rows * s->out);
    if (want_dw) {
        winograd_transform_group(s, plan, images, x, at.in_planes);
        for (int p = 0; p < plan.planes; p++) {
            const float *gradient = at.out_planes + p * rows * s->out;
            k->pack(rows, s->out, (struct matrix){gradient, s->out, 1}, at.packed_plane);
            k->gemm_packed(s->in, s->out, rows, (struct matrix){at.in_planes + p * rows * s->in, 1, s->in},
                           at.packed_plane, at.dweights + (ptrdiff_t)p * s->in * s->out, s->out, &accumulate);
        }
    }
    if (!dx)
        return;
    for (int p = 0; p < plan.planes; p++)
        k->gemm_packed(rows, s->in, s->out, (struct matrix){at.out_planes + p * rows * s->out, s->out, 1},
                       at.packed + (size_t)p * (size_t)s->out * packed_columns(s->in),
                       at.in_planes + p * rows * s->in, s->in, NULL);
    for (int i = 0; i < images; i++)
        k->winograd_input_adjoint(plan.form, s->height, s->width, s->in,
                                  at.in_planes + (ptrdiff_t)i * plan.tiles * s->in, rows * s->in,
                                  dx + (size_t)i * image_points(s) * (size_t)s->in);
}

static void winograd_backward(const struct conv_shape *s, struct winograd plan, int batch, const float *x,
                              const float *w, const float *dy, float *dx, float *dw, float *scratch) {
    const struct kernels *k = kernels_get();
    size_t pairs = (size_t)s->in * (size_t)s->out, planes = (size_t)plan.planes;
    size_t rows = (size_t)plan.group * (size_t)plan.tiles;
    struct winograd_gradients at = {.packed = scratch};
    at.dweights = at.packed + planes * (size_t)s->out * packed_columns(s->in);
    at.in_planes = at.dweights + planes * pairs;
    at.out_planes = at.in_planes + planes * rows * (size_t)s->in;
    at.packed_plane = at.out_planes + planes * rows * (size_t)s->out;
    if (dx) {
        k->winograd_weights(plan.form, pairs, w, at.dweights);
        winograd_pack(s, plan, at.dweights, true, at.packed);
    }
    memset(at.dweights, 0, planes * pairs * sizeof(float));
    for (int first = 0; first < batch; first += plan.group) {
        int images = batch - first < plan.group ? batch - first : plan.group;
        size_t from = (size_t)first * image_points(s);
        winograd_backward_group(s, plan, images, x + from * (size_t)s->in, dy + from * (size_t)s->out,
                                dx ? dx + from * (size_t)s->in : NULL, dw != NULL, at);
    }
    if (dw)
        k->winograd_weights_adjoint(plan.form, pairs, at.dweights, dw);
}

/* ---- products over points, with or without laying out patches ---- */

/* Some points of one group of channels, as a matrix product: rows are output points, `depth` is what one of
 * them sees. */
static int depth_of(const struct conv_shape *s) {
    return s->kernel[0] * s->kernel[1] * (s->in / s->groups);
}

/* Calls for every tap of output point `point` of one image: the source offset of the group's channels, or -1
 * outside. */
static ptrdiff_t tap_source(const struct conv_shape *s, int point, int tap) {
    int row = point / s->out_width * s->stride[0] - s->padding[0] + tap / s->kernel[1] * s->dilation[0];
    int column = point % s->out_width * s->stride[1] - s->padding[1] + tap % s->kernel[1] * s->dilation[1];
    if (row < 0 || row >= s->height || column < 0 || column >= s->width)
        return -1;
    return ((ptrdiff_t)row * s->width + column) * s->in;
}

static void columns_gather(const struct conv_shape *s, const float *image, int first, int points,
                           float *columns) {
    int taps = s->kernel[0] * s->kernel[1], channels = s->in / s->groups;
    for (int point = first; point < first + points; point++)
        for (int tap = 0; tap < taps; tap++, columns += channels) {
            ptrdiff_t source = tap_source(s, point, tap);
            if (source < 0)
                memset(columns, 0, (size_t)channels * sizeof(float));
            else
                memcpy(columns, image + source, (size_t)channels * sizeof(float));
        }
}

static void columns_scatter(const struct conv_shape *s, const float *columns, int first, int points,
                            float *dimage) {
    int taps = s->kernel[0] * s->kernel[1], channels = s->in / s->groups;
    for (int point = first; point < first + points; point++)
        for (int tap = 0; tap < taps; tap++, columns += channels) {
            ptrdiff_t source = tap_source(s, point, tap);
            if (source >= 0)
                kernels_get()->add((size_t)channels, columns, dimage + source);
        }
}

/* The stretches into which a call is cut: one for the whole batch when x itself is the matrix (1x1), else at
 * most COLUMN_POINTS of one image. */
struct stretch {
    int image, first, points;
};

static bool stretch_next(const struct conv_shape *s, int batch, bool whole, struct stretch *at) {
    int image_size = s->out_height * s->out_width;
    if (whole) {
        bool start = at->points == 0;
        *at = (struct stretch){0, 0, batch * image_size};
        return start;
    }
    at->first += at->points;
    if (at->first >= image_size) {
        at->image++;
        at->first = 0;
    }
    at->points = image_size - at->first < COLUMN_POINTS ? image_size - at->first : COLUMN_POINTS;
    return at->image < batch;
}

static size_t columns_points(const struct conv_shape *s, int batch, bool whole) {
    size_t image = (size_t)s->out_height * (size_t)s->out_width;
    return whole ? (size_t)batch * image : image < COLUMN_POINTS ? image : COLUMN_POINTS;
}

/* The packed weights of all groups, one after the other. */
static void columns_pack(const struct conv_shape *s, const float *w, float *packed) {
    int depth = depth_of(s), out = s->out / s->groups;
    for (int group = 0; group < s->groups; group++, packed += (size_t)depth * packed_columns(out))
        kernels_get()->pack(depth, out, (struct matrix){w + group * out, s->out, 1}, packed);
}

static void columns_run(const struct conv_shape *s, bool whole, int batch, const float *x,
                        const float *packed, struct conv_tail tail, float *y, float *columns) {
    int depth = depth_of(s), in = s->in / s->groups, out = s->out / s->groups;
    for (int group = 0; group < s->groups; group++, packed += (size_t)depth * packed_columns(out)) {
        for (struct stretch at = {0}; stretch_next(s, batch, whole, &at);) {
            const float *image = x + (size_t)at.image * image_points(s) * (size_t)s->in + group * in;
            if (!whole)
                columns_gather(s, image, at.first, at.points, columns);
            size_t point = (size_t)at.image * (size_t)(s->out_height * s->out_width) + (size_t)at.first;
            size_t to = point * (size_t)s->out + (size_t)(group * out);
            struct gemm_tail end = {.relu = tail.relu,
                                    .bias = tail.bias ? tail.bias + group * out : NULL,
                                    .residual = tail.residual ? tail.residual + to : NULL,
                                    .ldr = s->out};
            kernels_get()->gemm_packed(at.points, out, depth, (struct matrix){whole ? x : columns, depth, 1},
                                       packed, y + to, s->out, &end);
        }
    }
}

static void columns_backward(const struct conv_shape *s, bool whole, int batch, const float *x,
                             const float *w, const float *dy, float *dx, float *dw, float *scratch) {
    const struct kernels *k = kernels_get();
    int depth = depth_of(s), in = s->in / s->groups, out = s->out / s->groups;
    size_t points = columns_points(s, batch, whole);
    float *packed = scratch, *packed_dy = packed + (size_t)out * packed_columns(depth);
    float *columns = packed_dy + points * packed_columns(out);
    struct gemm_tail accumulate = {.accumulate = true};
    for (int group = 0; group < s->groups; group++) {
        if (dx)
            k->pack(out, depth, (struct matrix){w + group * out, 1, s->out}, packed);
        for (struct stretch at = {0}; stretch_next(s, batch, whole, &at);) {
            size_t image = (size_t)at.image * image_points(s) * (size_t)s->in + (size_t)(group * in);
            size_t from = (size_t)at.image * (size_t)(s->out_height * s->out_width) + (size_t)at.first;
            struct matrix gradient = {dy + from * (size_t)s->out + group * out, s->out, 1};
            if (dw) {
                if (!whole)
                    columns_gather(s, x + image, at.first, at.points, columns);
                k->pack(at.points, out, gradient, packed_dy);
                k->gemm_packed(depth, out, at.points, (struct matrix){whole ? x : columns, 1, depth},
                               packed_dy, dw + group * out, s->out, &accumulate);
            }
            if (dx) {
                k->gemm_packed(at.points, depth, out, gradient, packed, whole ? dx : columns, depth,
                               whole ? &accumulate : NULL);
                if (!whole)
                    columns_scatter(s, columns, at.first, at.points, dx + image);
            }
        }
    }
}

/* ---- the public functions ---- */

static bool is_winograd(enum conv_method method) {
    return method == CONV_WINOGRAD3 || method == CONV_WINOGRAD4;
}

size_t conv_packed_size(const struct conv_shape *s) {
    enum conv_method method = conv_method(s);
    if (is_winograd(method))
        return (size_t)winograd_plan(s, method, 1).planes * (size_t)s->in * packed_columns(s->out);
    return (size_t)s->groups * (size_t)depth_of(s) * packed_columns(s->out / s->groups);
}

size_t conv_pack_scratch(const struct conv_shape *s) {
    enum conv_method method = conv_method(s);
    return is_winograd(method) ? (size_t)winograd_plan(s, method, 1).planes * (size_t)s->in * (size_t)s->out
                               : 0;
}

void conv_pack(const struct conv_shape *s, const float *w, float *packed, float *scratch) {
    enum conv_method method = conv_method(s);
    if (!is_winograd(method)) {
        columns_pack(s, w, packed);
        return;
    }
    struct winograd plan = winograd_plan(s, method, 1);
    kernels_get()->winograd_weights(plan.form, (size_t)s->in * (size_t)s->out, w, scratch);
    winograd_pack(s, plan, scratch, false, packed);
}

size_t conv_run_scratch(const struct conv_shape *s, int batch) {
    enum conv_method method = conv_method(s);
    if (is_winograd(method))
        return winograd_run_scratch(s, winograd_plan(s, method, batch));
    return method == CONV_PRODUCT ? 0 : (size_t)depth_of(s) * columns_points(s, batch, false);
}

void conv_run(const struct conv_shape *s, int batch, const float *x, const float *packed,
              struct conv_tail tail, float *y, float *scratch) {
    enum conv_method method = conv_method(s);
    if (is_winograd(method))
        winograd_run(s, winograd_plan(s, method, batch), batch, x, packed, tail, y, scratch);
    else
        columns_run(s, method == CONV_PRODUCT, batch, x, packed, tail, y, scratch);
}

size_t conv_forward_scratch(const struct conv_shape *s, int batch) {
    size_t pack = conv_pack_scratch(s), run = conv_run_scratch(s, batch);
    return conv_packed_size(s) + (pack > run ? pack : run);
}

size_t conv_backward_scratch(const struct conv_shape *s, int batch) {
    enum conv_method method = conv_method(s);
    if (is_winograd(method))
        return winograd_backward_scratch(s, winograd_plan(s, method, batch));
    bool whole = method == CONV_PRODUCT;
    size_t points = columns_points(s, batch, whole), out = (size_t)(s->out / s->groups);
    return out * packed_columns(depth_of(s)) + points * packed_columns((int)out) +
           (whole ? 0 : points * (size_t)depth_of(s));
}

void conv_forward(const struct conv_shape *s, int batch, const float *x, const float *w, const float *bias,
                  float *y, float *scratch) {
    float *rest = scratch + conv_packed_size(s);
    conv_pack(s, w, scratch, rest);
    conv_run(s, batch, x, scratch, (struct conv_tail){.bias = bias}, y, rest);
}

void conv_backward(const struct conv_shape *s, int batch, const float *x, const float *w, const float *dy,
                   float *dx, float *dw, float *dbias, float *scratch) {
    enum conv_method method = conv_method(s);
    if (dbias)
        kernels_get()->column_sums((size_t)batch * (size_t)(s->out_height * s->out_width), s->out, dy, dbias);
    if (is_winograd(method))
        winograd_backward(s, winograd_plan(s, method, batch), batch, x, w, dy, dx, dw, scratch);
    else
        columns_backward(s, method == CONV_PRODUCT, batch, x, w, dy, dx, dw, scratch);
}
