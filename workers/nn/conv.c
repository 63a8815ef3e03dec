/* conv.c - see conv.h.
 *
 * Which method. Multiplications alone do not decide: Winograd's transforms cost additions and traffic, and
 * F(4,3)'s cost more than F(3,3)'s. Measured with AVX-512 on one core (Zen 5), batch 8, microseconds, forward
 * / backward:
 *
 *       image, channels     F(3,3)      F(4,3)      lines      columns
 *       9x9    8 to 8          8 / 21     12 / 29      8 / 29     19 / 39
 *       9x9   64 to 64        76 / 184   117 / 295   186 / 401   206 / 422
 *       9x9   96 to 96       159 / 432   274 / 753   423 / 928   472 / 994
 *      13x13  16 to 16        32 / 56     44 / 80     30 / 84     56 / 106
 *      13x13  64 to 64       206 / 451   260 / 595   401 / 867   445 / 915
 *      19x19  16 to 16        61 / 105    48 / 86     76 / 167   112 / 205
 *      19x19  64 to 64       407 / 937   336 / 940   860 /  -    991 / 2060
 *      28x28  32 to 32       262 / 511   200 / 405   474 / 1138  642 / 1343
 *
 * So F(4,3) is taken where F(3,3) would multiply at least a fifth more (19x19: 36 % more; 13x13: 8 % more,
 * and faster all the same), lines before columns, and Winograd from 8 channels on, forward and backward
 * alike.
 *
 * Winograd works on a group of images at a time, as many as keep their planes in the second-level cache.
 * Scratch:
 *
 *     | input planes: t*t * tiles * in | product planes: t*t * tiles * out |
 *
 * or, where in = out, `rows` rows and the input planes, which the products overwrite; and backward: the
 * transposed weights, the gradients of both sets of planes and of the transformed weights.
 */
#include <string.h>
#include "workers/nn/conv.h"
#include "workers/nn/isa.h"

enum {
    PLANE_CACHE_FLOATS = 180 * 1024, /* the planes of a group: two thirds of a 1 MiB cache */
    LINE_POINTS = 4,                 /* fewer output points in a row are gathered from several rows instead */
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
        return 25 * tiles_of(s, 3) * 5 <= 36 * tiles_of(s, 4) * 6 ? CONV_WINOGRAD3 : CONV_WINOGRAD4;
    /* Narrow images would leave the tiles too few rows. */
    return s->groups == 1 && s->dilation[1] == 1 && s->out_width >= LINE_POINTS ? CONV_LINES : CONV_COLUMNS;
}

/* ---- Winograd ---- */

struct winograd {
    enum winograd_form form;
    int planes, tiles; /* t*t; of an image */
    int group, most;   /* images in a group; in any group of a call with as many images or fewer */
};

/* The products of a layer with as many outputs as inputs take the place of their operand (gemm_planes). */
static bool in_place(const struct conv_shape *s) {
    return s->in == s->out;
}

/* Planes that a group needs for each image: both sides' in the backward pass. */
static struct winograd winograd_plan(const struct conv_shape *s, enum conv_method method, int batch,
                                     bool backward) {
    int m = method == CONV_WINOGRAD3 ? 3 : 4;
    struct winograd plan = {
        .form = (enum winograd_form)m, .planes = (m + 2) * (m + 2), .tiles = tiles_of(s, m)};
    int image = plan.planes * plan.tiles * (in_place(s) && !backward ? s->in : s->in + s->out);
    int most = PLANE_CACHE_FLOATS / image < 1 ? 1 : PLANE_CACHE_FLOATS / image;
    int groups = (batch + most - 1) / most; /* of even size */
    plan.group = (batch + groups - 1) / groups;
    plan.most = most < batch ? most : batch;
    return plan;
}

static size_t image_points(const struct conv_shape *s) {
    return (size_t)s->height * (size_t)s->width;
}

static size_t winograd_run_scratch(const struct conv_shape *s, struct winograd plan) {
    size_t rows = (size_t)plan.planes * (size_t)plan.most * (size_t)plan.tiles;
    return in_place(s) ? (rows + (size_t)kernels_get()->rows) * (size_t)s->in
                       : rows * (size_t)(s->in + s->out);
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
    size_t image_out = image_points(s) * (size_t)s->out;
    for (int first = 0; first < batch; first += plan.group) {
        int images = batch - first < plan.group ? batch - first : plan.group;
        ptrdiff_t rows = (ptrdiff_t)images * plan.tiles;
        float *planes = scratch + (in_place(s) ? (ptrdiff_t)kernels_get()->rows * s->in : 0);
        winograd_transform_group(s, plan, images, x + (size_t)first * image_points(s) * (size_t)s->in,
                                 planes);
        float *results = in_place(s) ? scratch : planes + plan.planes * rows * s->in;
        kernels_get()->gemm_planes(plan.planes, rows, s->out, s->in, planes, packed, results);
        for (int i = 0; i < images; i++) {
            size_t at = (size_t)(first + i) * image_out;
            kernels_get()->winograd_output(
                plan.form, s->height, s->width, s->out, results + (ptrdiff_t)i * plan.tiles * s->out,
                rows * s->out, tail.bias, tail.residual ? tail.residual + at : NULL, tail.relu, y + at);
        }
    }
}

/* C (m x n) = [C +] A (m x k) B (k x n): B (rows ldb apart) is packed first, into `packed`, where its rows
 * are no whole vectors, or where it is long and read often. */
enum { SHORT_FLOATS = 16 * 1024, FEW_ROWS = 64 };
static void product_of(int m, int n, int k, struct matrix a, const float *b, ptrdiff_t ldb, float *packed,
                       bool accumulate, float *c, ptrdiff_t ldc) {
    const struct kernels *kernels = kernels_get();
    const struct gemm_tail add = {.accumulate = accumulate};
    if (n % kernels->lanes == 0 && (m <= FEW_ROWS || k * ldb <= SHORT_FLOATS)) {
        kernels->gemm(m, n, k, a, b, ldb, c, ldc, &add);
        return;
    }
    kernels->pack(k, n, (struct matrix){b, ldb, 1}, packed);
    kernels->gemm_packed(m, n, k, a, packed, c, ldc, &add);
}

/* Scratch, backward: packed transposed weights | dweights planes (and, before, raw weights) | in planes (also
 * their gradient) | out planes' gradient | one plane of it packed. */
static size_t winograd_backward_scratch(const struct conv_shape *s, struct winograd plan) {
    size_t planes = (size_t)plan.planes, rows = (size_t)plan.most * (size_t)plan.tiles;
    return planes * (size_t)s->out * packed_columns(s->in) + planes * (size_t)s->in * (size_t)s->out +
           planes * rows * (size_t)(s->in + s->out) + rows * packed_columns(s->out);
}

struct winograd_gradients {
    float *packed, *dweights, *in_planes, *out_planes, *packed_plane;
};

/* Gradients of one group of images: dw's planes from both sides' planes, then dx. */
static void winograd_backward_group(const struct conv_shape *s, struct winograd plan, int images,
                                    const float *x, const float *dy, float *dx, bool fresh, bool want_dw,
                                    struct winograd_gradients at) {
    const struct kernels *k = kernels_get();
    ptrdiff_t rows = (ptrdiff_t)images * plan.tiles;
    for (int i = 0; i < images; i++)
        k->winograd_output_adjoint(plan.form, s->height, s->width, s->out,
                                   dy + (size_t)i * image_points(s) * (size_t)s->out,
                                   at.out_planes + (ptrdiff_t)i * plan.tiles * s->out, rows * s->out);
    if (want_dw) {
        winograd_transform_group(s, plan, images, x, at.in_planes);
        for (int p = 0; p < plan.planes; p++)
            product_of(s->in, s->out, (int)rows, (struct matrix){at.in_planes + p * rows * s->in, 1, s->in},
                       at.out_planes + p * rows * s->out, s->out, at.packed_plane, true,
                       at.dweights + (ptrdiff_t)p * s->in * s->out, s->out);
    }
    if (!dx)
        return;
    k->gemm_planes(plan.planes, rows, s->in, s->out, at.out_planes, at.packed, at.in_planes);
    const size_t image = image_points(s) * (size_t)s->in;
    for (int i = 0; i < images; i++, dx += image) {
        if (fresh)
            memset(dx, 0, image * sizeof(float)); /* one at a time: it is still near when it is added to */
        k->winograd_input_adjoint(plan.form, s->height, s->width, s->in,
                                  at.in_planes + (ptrdiff_t)i * plan.tiles * s->in, rows * s->in, dx);
    }
}

static void winograd_backward(const struct conv_shape *s, struct winograd plan, int batch, const float *x,
                              const float *w, const float *dy, float *dx, bool fresh, float *dw,
                              float *scratch) {
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
                                dx ? dx + from * (size_t)s->in : NULL, fresh, dw != NULL, at);
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

/* Between an image and its patches: copies there, or adds back. */
struct columns_move {
    const struct conv_shape *shape;
    float *image, *columns; /* of one group of channels; the patches of some whole rows of output points */
    bool back;
};

static void columns_move(const struct columns_move *m, int points, int taps, ptrdiff_t in_image,
                         ptrdiff_t image_stride, ptrdiff_t in_columns) {
    const struct conv_shape *s = m->shape;
    size_t length = (size_t)taps * (size_t)(s->in / s->groups);
    if (m->back)
        kernels_get()->add_rows(points, length, m->columns + in_columns, depth_of(s), m->image + in_image,
                                image_stride);
    else
        kernels_get()->copy_rows(points, length, m->image + in_image, image_stride, m->columns + in_columns,
                                 depth_of(s));
}

static int at_most(int value, int limit) {
    return value < limit ? value : limit;
}

/* The output points of a row, from *first, whose tap at `offset` (in columns of the image, padding
 * subtracted) is inside; returns the end. */
static int points_inside(const struct conv_shape *s, int offset, int *first) {
    int stride = s->stride[1], last = s->width - 1 - offset;
    *first = at_most(offset < 0 ? (-offset + stride - 1) / stride : 0, s->out_width);
    int end = last < 0 ? 0 : at_most(last / stride + 1, s->out_width);
    return end > *first ? end : *first;
}

/* One row of output points and one row of taps, of which `line` is the row of the image. Taps that lie side
 * by side in the image and in the patch are moved together where all of them are inside; at the edges one by
 * one. */
static void columns_line(const struct columns_move *m, int line, int row, int tap_row) {
    const struct conv_shape *s = m->shape;
    int channels = s->in / s->groups, taps = s->kernel[1], first = 0, end = 0;
    ptrdiff_t to = (ptrdiff_t)row * s->out_width * depth_of(s) + (ptrdiff_t)tap_row * taps * channels;
    bool together = s->groups == 1 && s->dilation[1] == 1;
    if (together) {
        int after; /* inside: the first tap from `first` on, the last tap before `end` */
        points_inside(s, -s->padding[1], &first);
        end = points_inside(s, taps - 1 - s->padding[1], &after);
        end = end > first ? end : first;
        if (end > first)
            columns_move(m, end - first, taps,
                         ((ptrdiff_t)line * s->width + first * s->stride[1] - s->padding[1]) * s->in,
                         (ptrdiff_t)s->stride[1] * s->in, to + (ptrdiff_t)first * depth_of(s));
    }
    if (together && end - first == s->out_width)
        return; /* no edges */
    for (int tap = 0; tap < taps; tap++) {
        int offset = tap * s->dilation[1] - s->padding[1], from;
        int until = points_inside(s, offset, &from);
        for (int part = 0; part < 2; part++) { /* before `first`, from `end` on */
            int begin = part && from < end ? end : from, stop = part ? until : at_most(until, first);
            if (begin < stop)
                columns_move(m, stop - begin, 1,
                             ((ptrdiff_t)line * s->width + begin * s->stride[1] + offset) * s->in,
                             (ptrdiff_t)s->stride[1] * s->in,
                             to + (ptrdiff_t)begin * depth_of(s) + (ptrdiff_t)tap * channels);
        }
    }
}

static void columns_rows(const struct columns_move *m, int first, int rows) {
    const struct conv_shape *s = m->shape;
    for (int row = 0; row < rows; row++)
        for (int tap_row = 0; tap_row < s->kernel[0]; tap_row++) {
            int line = (first + row) * s->stride[0] - s->padding[0] + tap_row * s->dilation[0];
            if (line >= 0 && line < s->height)
                columns_line(m, line, row, tap_row);
        }
}

static void columns_gather(const struct conv_shape *s, const float *image, int first, int rows,
                           float *columns) {
    const struct columns_move move = {.shape = s, .image = (float *)image, .columns = columns};
    if (s->padding[0] || s->padding[1])
        memset(columns, 0, (size_t)(rows * s->out_width) * (size_t)depth_of(s) * sizeof(float));
    columns_rows(&move, first, rows);
}

static void columns_scatter(const struct conv_shape *s, const float *columns, int first, int rows,
                            float *dimage) {
    const struct columns_move move = {.shape = s, .image = dimage, .columns = (float *)columns, .back = true};
    columns_rows(&move, first, rows);
}

/* The stretches into which a call is cut: one for the whole batch when x itself is the matrix (1x1), else
 * some rows of points of one image, of at most COLUMN_POINTS unless a row has more. */
struct stretch {
    int image, first, rows, points;
};

static int stretch_rows(const struct conv_shape *s) {
    int rows = COLUMN_POINTS / s->out_width;
    return rows < 1 ? 1 : at_most(rows, s->out_height);
}

static bool stretch_next(const struct conv_shape *s, int batch, bool whole, struct stretch *at) {
    if (whole) {
        bool start = at->points == 0;
        *at = (struct stretch){0, 0, 0, batch * s->out_height * s->out_width};
        return start;
    }
    at->first += at->rows;
    if (at->first >= s->out_height) {
        at->image++;
        at->first = 0;
    }
    at->rows = at_most(stretch_rows(s), s->out_height - at->first);
    at->points = at->rows * s->out_width;
    return at->image < batch;
}

static size_t columns_points(const struct conv_shape *s, int batch, bool whole) {
    return (size_t)s->out_width * (size_t)(whole ? batch * s->out_height : stretch_rows(s));
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
                columns_gather(s, image, at.first, at.rows, columns);
            size_t point =
                ((size_t)at.image * (size_t)s->out_height + (size_t)at.first) * (size_t)s->out_width;
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

/* ---- lines: a row of output points is a product whose operand is the image itself ----
 *
 * What a point sees is `kernel[0]` stretches of kernel[1] * in floats, a line of the image apart, and the
 * next point sees the same `stride[1] * in` floats further. An image with padding is copied into a frame of
 * zeros first. */

struct frame {
    int height, width; /* with padding */
};

static struct frame frame_of(const struct conv_shape *s) {
    return (struct frame){s->height + 2 * s->padding[0], s->width + 2 * s->padding[1]};
}

static bool is_framed(const struct conv_shape *s) {
    return s->padding[0] || s->padding[1];
}

static size_t frame_floats(const struct conv_shape *s) {
    struct frame f = frame_of(s);
    return is_framed(s) ? (size_t)f.height * (size_t)f.width * (size_t)s->in : 0;
}

static void frame_clear(const struct conv_shape *s, float *frame) {
    memset(frame, 0, frame_floats(s) * sizeof(float));
}

/* The image as the products read it: itself, or its copy in the cleared frame. */
static const float *frame_fill(const struct conv_shape *s, const float *image, float *frame) {
    if (!is_framed(s))
        return image;
    ptrdiff_t line = (ptrdiff_t)s->width * s->in, framed = (ptrdiff_t)frame_of(s).width * s->in;
    kernels_get()->copy_rows(s->height, (size_t)line, image, line,
                             frame + s->padding[0] * framed + (ptrdiff_t)s->padding[1] * s->in, framed);
    return frame;
}

static void lines_run(const struct conv_shape *s, int batch, const float *x, const float *packed,
                      struct conv_tail tail, float *y, float *frame) {
    ptrdiff_t line = (ptrdiff_t)frame_of(s).width * s->in, out_line = (ptrdiff_t)s->out_width * s->out;
    struct gemm_tail end = {.relu = tail.relu, .bias = tail.bias, .residual = tail.residual, .ldr = s->out};
    frame_clear(s, frame);
    for (int i = 0; i < batch; i++, x += image_points(s) * (size_t)s->in) {
        const float *image = frame_fill(s, x, frame);
        for (int row = 0; row < s->out_height; row++, y += out_line) {
            struct matrix points = {image + row * s->stride[0] * line, (ptrdiff_t)s->stride[1] * s->in, 1};
            kernels_get()->gemm_segments(s->out_width, s->out, (ptrdiff_t)s->kernel[1] * s->in, s->kernel[0],
                                         points, s->dilation[0] * line, true, packed, 0, y, s->out, &end);
            end.residual = end.residual ? end.residual + out_line : NULL;
        }
    }
}

/* dw of one row of taps at a time: its floats, by all points of an image. */
static void lines_weights(const struct conv_shape *s, int batch, const float *x, const float *dy, float *dw,
                          float *scratch) {
    const struct kernels *k = kernels_get();
    const struct gemm_tail add = {.accumulate = true};
    ptrdiff_t line = (ptrdiff_t)frame_of(s).width * s->in, length = (ptrdiff_t)s->kernel[1] * s->in;
    int points = s->out_height * s->out_width;
    bool pack = s->out % k->lanes != 0;
    float *packed = scratch + frame_floats(s);
    frame_clear(s, scratch);
    for (int i = 0; i < batch; i++, x += image_points(s) * (size_t)s->in, dy += (ptrdiff_t)points * s->out) {
        const float *image = frame_fill(s, x, scratch);
        if (pack)
            k->pack(points, s->out, (struct matrix){dy, s->out, 1}, packed);
        for (int row = 0; row < s->kernel[0]; row++) {
            struct matrix taps = {image + row * s->dilation[0] * line, 1, (ptrdiff_t)s->stride[1] * s->in};
            k->gemm_segments(length, s->out, s->out_width, s->out_height, taps, s->stride[0] * line, pack,
                             pack ? packed : dy, s->out, dw + row * length * s->out, s->out, &add);
        }
    }
}

static size_t lines_weights_scratch(const struct conv_shape *s) {
    return frame_floats(s) + (size_t)(s->out_height * s->out_width) * packed_columns(s->out);
}

/* The input's gradient where weights are many and points few: dX^T = W dY^T reads the weights as they lie.
 * What is packed is dY^T, and the result, which packing turns around; so many inputs at a time that both stay
 * in the first-level cache. */
enum { TURNED_INPUTS = 64 };

static size_t turned_scratch(const struct conv_shape *s, size_t points) {
    return (size_t)s->out * packed_columns((int)points) +
           points * (TURNED_INPUTS + packed_columns(TURNED_INPUTS));
}

static void turned_gradient(const struct conv_shape *s, int points, const float *w, const float *dy,
                            bool fresh, float *dx, float *scratch) {
    const struct kernels *k = kernels_get();
    float *packed_dy = scratch, *turned = packed_dy + (size_t)s->out * packed_columns(points),
          *panels = turned + (ptrdiff_t)points * TURNED_INPUTS;
    k->pack(s->out, points, (struct matrix){dy, 1, s->out}, packed_dy);
    for (int first = 0; first < s->in; first += TURNED_INPUTS) {
        int inputs = at_most(s->in - first, TURNED_INPUTS);
        k->gemm_packed(inputs, points, s->out, (struct matrix){w + (ptrdiff_t)first * s->out, s->out, 1},
                       packed_dy, turned, points, NULL);
        k->pack(points, inputs, (struct matrix){turned, 1, points}, panels);
        for (int column = 0; column < inputs; column += k->panel)
            (fresh ? k->copy_rows : k->add_rows)(points, (size_t)at_most(inputs - column, k->panel),
                                                 panels + (ptrdiff_t)column * points, k->panel,
                                                 dx + first + column, s->in);
    }
}

static void columns_backward(const struct conv_shape *s, bool whole, int batch, const float *x,
                             const float *w, const float *dy, float *dx, float *dw, struct conv_fresh fresh,
                             float *scratch) {
    const struct kernels *k = kernels_get();
    int depth = depth_of(s), in = s->in / s->groups, out = s->out / s->groups;
    size_t points = columns_points(s, batch, whole);
    float *packed = scratch, *packed_dy = packed + (size_t)out * packed_columns(depth);
    float *columns = packed_dy + points * packed_columns(out);
    struct gemm_tail accumulate = {.accumulate = !fresh.dx};
    if (whole && points <= FEW_ROWS) {
        if (dx)
            turned_gradient(s, (int)points, w, dy, fresh.dx, dx, scratch);
        dx = NULL;
        packed_dy = scratch;
    }
    for (int group = 0; group < s->groups; group++) {
        if (dx)
            k->pack(out, depth, (struct matrix){w + group * out, 1, s->out}, packed);
        for (struct stretch at = {0}; stretch_next(s, batch, whole, &at);) {
            size_t image = (size_t)at.image * image_points(s) * (size_t)s->in + (size_t)(group * in);
            size_t from =
                ((size_t)at.image * (size_t)s->out_height + (size_t)at.first) * (size_t)s->out_width;
            struct matrix gradient = {dy + from * (size_t)s->out + group * out, s->out, 1};
            if (dw) {
                if (!whole)
                    columns_gather(s, x + image, at.first, at.rows, columns);
                product_of(depth, out, at.points, (struct matrix){whole ? x : columns, 1, depth},
                           gradient.data, s->out, packed_dy, !fresh.dw, dw + group * out, s->out);
            }
            if (dx) {
                k->gemm_packed(at.points, depth, out, gradient, packed, whole ? dx : columns, depth,
                               whole ? &accumulate : NULL);
                if (!whole)
                    columns_scatter(s, columns, at.first, at.rows, dx + image);
            }
        }
    }
}

/* ---- few outputs of a 1x1 convolution: heads ---- */

enum { FEW_COLUMNS = 4 };

static bool is_few(const struct conv_shape *s, enum conv_method method) {
    return method == CONV_PRODUCT && s->out <= FEW_COLUMNS && s->in % kernels_get()->lanes == 0;
}

static void few_pack(const struct conv_shape *s, const float *w, float *turned) {
    for (int o = 0; o < s->out; o++)
        for (int i = 0; i < s->in; i++)
            turned[o * s->in + i] = w[i * s->out + o];
}

/* ---- the public functions ---- */

static bool is_winograd(enum conv_method method) {
    return method == CONV_WINOGRAD3 || method == CONV_WINOGRAD4;
}

size_t conv_packed_size(const struct conv_shape *s) {
    enum conv_method method = conv_method(s);
    if (is_winograd(method))
        return (size_t)winograd_plan(s, method, 1, false).planes * (size_t)s->in * packed_columns(s->out);
    return (size_t)s->groups * (size_t)depth_of(s) * packed_columns(s->out / s->groups);
}

size_t conv_pack_scratch(const struct conv_shape *s) {
    enum conv_method method = conv_method(s);
    return is_winograd(method)
               ? (size_t)winograd_plan(s, method, 1, false).planes * (size_t)s->in * (size_t)s->out
               : 0;
}

void conv_pack(const struct conv_shape *s, const float *w, float *packed, float *scratch) {
    enum conv_method method = conv_method(s);
    if (is_few(s, method)) {
        few_pack(s, w, packed);
        return;
    }
    if (!is_winograd(method)) {
        columns_pack(s, w, packed);
        return;
    }
    struct winograd plan = winograd_plan(s, method, 1, false);
    kernels_get()->winograd_weights(plan.form, (size_t)s->in * (size_t)s->out, w, scratch);
    winograd_pack(s, plan, scratch, false, packed);
}

size_t conv_run_scratch(const struct conv_shape *s, int batch) {
    enum conv_method method = conv_method(s);
    if (is_winograd(method))
        return winograd_run_scratch(s, winograd_plan(s, method, batch, false));
    if (method == CONV_LINES)
        return frame_floats(s);
    return method == CONV_PRODUCT ? 0 : (size_t)depth_of(s) * columns_points(s, batch, false);
}

void conv_run(const struct conv_shape *s, int batch, const float *x, const float *packed,
              struct conv_tail tail, float *y, float *scratch) {
    enum conv_method method = conv_method(s);
    if (is_winograd(method))
        winograd_run(s, winograd_plan(s, method, batch, false), batch, x, packed, tail, y, scratch);
    else if (method == CONV_LINES)
        lines_run(s, batch, x, packed, tail, y, scratch);
    else if (is_few(s, method))
        kernels_get()->gemm_few(
            (ptrdiff_t)batch * s->out_height * s->out_width, s->out, s->in, x, packed, y,
            &(struct gemm_tail){.bias = tail.bias, .residual = tail.residual, .relu = tail.relu});
    else
        columns_run(s, method == CONV_PRODUCT, batch, x, packed, tail, y, scratch);
}

/* Few points: packing the weights for one use would cost more than it gains. */
static bool forward_as_is(const struct conv_shape *s, int batch) {
    return conv_method(s) == CONV_PRODUCT && s->out % kernels_get()->lanes == 0 &&
           batch * s->out_height * s->out_width <= FEW_ROWS;
}

size_t conv_forward_scratch(const struct conv_shape *s, int batch) {
    if (forward_as_is(s, batch))
        return 0;
    size_t pack = conv_pack_scratch(s), run = conv_run_scratch(s, batch);
    return conv_packed_size(s) + (pack > run ? pack : run);
}

size_t conv_backward_scratch(const struct conv_shape *s, int batch) {
    enum conv_method method = conv_method(s);
    if (is_winograd(method))
        return winograd_backward_scratch(s, winograd_plan(s, method, batch, true));
    bool whole = method == CONV_PRODUCT;
    size_t points = columns_points(s, batch, whole), out = (size_t)(s->out / s->groups), few = 0;
    if (whole) {
        size_t turned = points < FEW_ROWS ? points : FEW_ROWS, packed_dy = turned * packed_columns((int)out);
        few = turned_scratch(s, turned) > packed_dy ? turned_scratch(s, turned) : packed_dy;
        if (points <= FEW_ROWS)
            return few;
    }
    size_t many = out * packed_columns(depth_of(s)) + points * packed_columns((int)out) +
                  (whole ? 0 : points * (size_t)depth_of(s));
    few = method == CONV_LINES ? lines_weights_scratch(s) : few;
    return many > few ? many : few;
}

void conv_forward(const struct conv_shape *s, int batch, const float *x, const float *w, const float *bias,
                  float *y, float *scratch) {
    if (forward_as_is(s, batch)) {
        const struct gemm_tail tail = {.bias = bias};
        kernels_get()->gemm(batch * s->out_height * s->out_width, s->out, s->in, (struct matrix){x, s->in, 1},
                            w, s->out, y, s->out, &tail);
        return;
    }
    float *rest = scratch + conv_packed_size(s);
    conv_pack(s, w, scratch, rest);
    conv_run(s, batch, x, scratch, (struct conv_tail){.bias = bias}, y, rest);
}

void conv_backward(const struct conv_shape *s, int batch, const float *x, const float *w, const float *dy,
                   float *dx, float *dw, float *dbias, struct conv_fresh fresh, float *scratch) {
    enum conv_method method = conv_method(s);
    bool product = method == CONV_PRODUCT; /* writes; the others add, Winograd's form to what it cleared */
    if (dbias && fresh.dw)
        memset(dbias, 0, (size_t)s->out * sizeof(float));
    if (dw && fresh.dw && !product)
        memset(dw, 0, (size_t)depth_of(s) * (size_t)s->out * sizeof(float));
    if (dx && fresh.dx && !product && !is_winograd(method))
        memset(dx, 0, (size_t)batch * image_points(s) * (size_t)s->in * sizeof(float));
    if (dbias)
        kernels_get()->column_sums((size_t)batch * (size_t)(s->out_height * s->out_width), s->out, dy, dbias);
    if (!product && !is_winograd(method))
        fresh = (struct conv_fresh){0};
    if (method == CONV_LINES && dw) {
        lines_weights(s, batch, x, dy, dw, scratch);
        dw = NULL;
    }
    if (is_winograd(method))
        winograd_backward(s, winograd_plan(s, method, batch, true), batch, x, w, dy, dx, fresh.dx, dw,
                          scratch);
    else if (dx || dw)
        columns_backward(s, product, batch, x, w, dy, dx, dw, fresh, scratch);
}
