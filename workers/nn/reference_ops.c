/* reference_ops.c - see reference.h: everything but convolutions, as the papers write it.
 *
 * What this file is for decides how it is written: it must be obviously right, and wrong for other reasons
 * than the fast form if it is wrong at all. So each function is the definition, an element of the result at a
 * time; derivatives are written in another form than the fast code's where there is one (tanh by cosh,
 * softmax by its whole Jacobian); constants are repeated here instead of shared; nothing is hoisted, reused
 * or done in place. Do not make it faster.
 *
 * Double precision makes its own rounding invisible beside that of float32.
 */
#include <math.h>
#include <string.h>
#include "workers/nn/op.h"

static const double BATCH_EPSILON = 1e-5, LAYER_EPSILON = 1e-5, MOMENTUM = 0.1;

static size_t elements(const struct reference_call *c) {
    return (size_t)c->batch * shape_elements(c->node->shape);
}

static int columns(const struct reference_call *c) {
    return shape_channels(c->node->shape);
}

static size_t rows(const struct reference_call *c) {
    return elements(c) / (size_t)columns(c);
}

/* ---- functions of one number ---- */

static void relu_forward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->out[i] = c->in[0][i] < 0 ? 0 : c->in[0][i];
}

static void relu_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->din[0][i] += c->in[0][i] > 0 ? c->dout[i] : 0;
}

const struct op_reference reference_relu = {relu_forward, relu_backward};

static void tanh_forward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->out[i] = tanh(c->in[0][i]);
}

static void tanh_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->din[0][i] += c->dout[i] / (cosh(c->in[0][i]) * cosh(c->in[0][i]));
}

const struct op_reference reference_tanh = {tanh_forward, tanh_backward};

static double logistic(double x) {
    return 1 / (1 + exp(-x));
}

static void sigmoid_forward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->out[i] = logistic(c->in[0][i]);
}

static void sigmoid_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->din[0][i] += c->dout[i] * logistic(c->in[0][i]) * logistic(-c->in[0][i]);
}

const struct op_reference reference_sigmoid = {sigmoid_forward, sigmoid_backward};

/* x/2 (1 + tanh(u)), u = sqrt(2 / pi) (x + 0.044715 x^3) */
static const double GELU_FACTOR = 0.79788456080286535588, GELU_CUBE = 0.044715;

static void gelu_forward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++) {
        double x = c->in[0][i];
        c->out[i] = x / 2 * (1 + tanh(GELU_FACTOR * (x + GELU_CUBE * x * x * x)));
    }
}

static void gelu_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++) {
        double x = c->in[0][i], t = tanh(GELU_FACTOR * (x + GELU_CUBE * x * x * x));
        double slope = (1 + t) / 2 + x / 2 * (1 - t * t) * GELU_FACTOR * (1 + 3 * GELU_CUBE * x * x);
        c->din[0][i] += c->dout[i] * slope;
    }
}

const struct op_reference reference_gelu = {gelu_forward, gelu_backward};

/* ---- rows ---- */

/* log(sum exp(x)) */
static double log_sum(int count, const double *x) {
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < count; i++)
        most = fmax(most, x[i]);
    for (int i = 0; i < count; i++)
        sum += exp(x[i] - most);
    return most + log(sum);
}

static void softmax_forward(const struct reference_call *c) {
    int n = columns(c);
    for (size_t row = 0; row < rows(c); row++) {
        const double *x = c->in[0] + row * (size_t)n;
        double normal = log_sum(n, x);
        for (int i = 0; i < n; i++)
            c->out[row * (size_t)n + (size_t)i] = exp(x[i] - normal);
    }
}

/* dx_i = sum_j dp_j dp_j/dx_i, with dp_j/dx_i = p_j (1[i = j] - p_i) */
static void softmax_backward(const struct reference_call *c) {
    int n = columns(c);
    for (size_t row = 0; row < rows(c); row++) {
        const double *p = c->out + row * (size_t)n, *dp = c->dout + row * (size_t)n;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                c->din[0][row * (size_t)n + (size_t)i] += dp[j] * p[j] * ((i == j) - p[i]);
    }
}

const struct op_reference reference_softmax = {softmax_forward, softmax_backward};

static void log_softmax_forward(const struct reference_call *c) {
    int n = columns(c);
    for (size_t row = 0; row < rows(c); row++) {
        const double *x = c->in[0] + row * (size_t)n;
        double normal = log_sum(n, x);
        for (int i = 0; i < n; i++)
            c->out[row * (size_t)n + (size_t)i] = x[i] - normal;
    }
}

static void log_softmax_backward(const struct reference_call *c) {
    int n = columns(c);
    for (size_t row = 0; row < rows(c); row++) {
        const double *log_p = c->out + row * (size_t)n, *dy = c->dout + row * (size_t)n;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                c->din[0][row * (size_t)n + (size_t)i] += dy[j] * ((i == j) - exp(log_p[i]));
    }
}

const struct op_reference reference_log_softmax = {log_softmax_forward, log_softmax_backward};

static void dropout_forward(const struct reference_call *c) {
    double keep = 1 - (double)c->node->spec.rate;
    for (size_t i = 0; i < elements(c); i++) {
        c->saved[i] = !c->training ? 1 : (float)rng_uniform(c->rng) < (float)keep ? 1 / keep : 0;
        c->out[i] = c->in[0][i] * c->saved[i];
    }
}

static void dropout_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->din[0][i] += c->dout[i] * c->saved[i];
}

const struct op_reference reference_dropout = {dropout_forward, dropout_backward};

/* ---- several inputs ---- */

static void add_forward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->out[i] = c->in[0][i] + c->in[1][i];
}

static void add_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++) {
        c->din[0][i] += c->dout[i];
        c->din[1][i] += c->dout[i];
    }
}

const struct op_reference reference_add = {add_forward, add_backward};

/* Where number `to` of a concatenation comes from. */
static void concat_place(const struct reference_call *c, size_t to, size_t *input, size_t *from) {
    size_t wide = (size_t)columns(c), row = to / wide, column = to % wide, narrow;
    for (*input = 0; column >= (narrow = (size_t)shape_channels(c->node->in_shape[*input])); ++*input)
        column -= narrow;
    *from = row * narrow + column;
}

static void concat_forward(const struct reference_call *c) {
    for (size_t to = 0, input, from; to < elements(c); to++) {
        concat_place(c, to, &input, &from);
        c->out[to] = c->in[input][from];
    }
}

static void concat_backward(const struct reference_call *c) {
    for (size_t to = 0, input, from; to < elements(c); to++) {
        concat_place(c, to, &input, &from);
        c->din[input][from] += c->dout[to];
    }
}

const struct op_reference reference_concat = {concat_forward, concat_backward};

static void reshape_forward(const struct reference_call *c) {
    memcpy(c->out, c->in[0], elements(c) * sizeof *c->out);
}

static void reshape_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->din[0][i] += c->dout[i];
}

const struct op_reference reference_reshape = {reshape_forward, reshape_backward};

static size_t gate_of(const struct reference_call *c, size_t i) {
    size_t channels = (size_t)columns(c), sample = i / shape_elements(c->node->shape);
    return sample * channels + i % channels;
}

static void gate_forward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->out[i] = c->in[0][i] * c->in[1][gate_of(c, i)];
}

static void gate_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++) {
        c->din[0][i] += c->dout[i] * c->in[1][gate_of(c, i)];
        c->din[1][gate_of(c, i)] += c->dout[i] * c->in[0][i];
    }
}

const struct op_reference reference_gate = {gate_forward, gate_backward};

/* ---- images ---- */

/* A number of the result: which image, row, column and channel. */
struct place {
    int image, row, column, channel;
};

static struct place place_of(struct shape shape, size_t i) {
    size_t height = (size_t)shape.dim[0], width = (size_t)shape.dim[1], channels = (size_t)shape.dim[2];
    return (struct place){(int)(i / channels / width / height), (int)(i / channels / width % height),
                          (int)(i / channels % width), (int)(i % channels)};
}

static size_t offset_of(struct shape shape, struct place p) {
    return (((size_t)p.image * (size_t)shape.dim[0] + (size_t)p.row) * (size_t)shape.dim[1] +
            (size_t)p.column) *
               (size_t)shape.dim[2] +
           (size_t)p.channel;
}

/* The input's number under tap `tap` of the pooling window of result `i`; false outside of the image. */
static bool pool_source(const struct reference_call *c, size_t i, int tap, size_t *source) {
    const struct pool_spec *pool = &c->node->spec.pool;
    struct place p = place_of(c->node->shape, i);
    struct shape in = c->node->in_shape[0];
    p.row = p.row * pool->stride[0] - pool->padding[0] + tap / pool->kernel[1];
    p.column = p.column * pool->stride[1] - pool->padding[1] + tap % pool->kernel[1];
    if (p.row < 0 || p.row >= in.dim[0] || p.column < 0 || p.column >= in.dim[1])
        return false;
    *source = offset_of(in, p);
    return true;
}

static int taps_of(const struct reference_call *c) {
    return c->node->spec.pool.kernel[0] * c->node->spec.pool.kernel[1];
}

/* The place of the first maximum in the window. */
static size_t largest_source(const struct reference_call *c, size_t i) {
    size_t best = SIZE_MAX, source;
    for (int tap = 0; tap < taps_of(c); tap++)
        if (pool_source(c, i, tap, &source) && (best == SIZE_MAX || c->in[0][source] > c->in[0][best]))
            best = source;
    return best;
}

static void max_pool_forward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->out[i] = c->in[0][largest_source(c, i)];
}

static void max_pool_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++)
        c->din[0][largest_source(c, i)] += c->dout[i];
}

const struct op_reference reference_max_pool = {max_pool_forward, max_pool_backward};

static int points_inside(const struct reference_call *c, size_t i) {
    int inside = 0;
    for (int tap = 0; tap < taps_of(c); tap++)
        inside += pool_source(c, i, tap, &(size_t){0});
    return inside;
}

static void average_pool_forward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++) {
        size_t source;
        c->out[i] = 0;
        for (int tap = 0; tap < taps_of(c); tap++)
            if (pool_source(c, i, tap, &source))
                c->out[i] += c->in[0][source] / points_inside(c, i);
    }
}

static void average_pool_backward(const struct reference_call *c) {
    for (size_t i = 0; i < elements(c); i++) {
        size_t source;
        for (int tap = 0; tap < taps_of(c); tap++)
            if (pool_source(c, i, tap, &source))
                c->din[0][source] += c->dout[i] / points_inside(c, i);
    }
}

const struct op_reference reference_average_pool = {average_pool_forward, average_pool_backward};

/* How much source line `from` of `size` gives to target line `to`. */
static double line_share(int to, int from, int factor, int size, bool bilinear) {
    if (!bilinear)
        return to / factor == from;
    double at = fmin(fmax((to + 0.5) / factor - 0.5, 0), size - 1);
    return fmax(0, 1 - fabs(at - from));
}

static void upsample(const struct reference_call *c, bool bilinear, bool backward) {
    struct shape in = c->node->in_shape[0];
    int factor = c->node->spec.factor;
    for (size_t i = 0; i < elements(c); i++) {
        struct place to = place_of(c->node->shape, i);
        if (!backward)
            c->out[i] = 0;
        for (int row = 0; row < in.dim[0]; row++)
            for (int column = 0; column < in.dim[1]; column++) {
                double share = line_share(to.row, row, factor, in.dim[0], bilinear) *
                               line_share(to.column, column, factor, in.dim[1], bilinear);
                size_t from = offset_of(in, (struct place){to.image, row, column, to.channel});
                if (backward)
                    c->din[0][from] += share * c->dout[i];
                else
                    c->out[i] += share * c->in[0][from];
            }
    }
}

static void nearest_forward(const struct reference_call *c) {
    upsample(c, false, false);
}

static void nearest_backward(const struct reference_call *c) {
    upsample(c, false, true);
}

static void bilinear_forward(const struct reference_call *c) {
    upsample(c, true, false);
}

static void bilinear_backward(const struct reference_call *c) {
    upsample(c, true, true);
}

const struct op_reference reference_upsample_nearest = {nearest_forward, nearest_backward};
const struct op_reference reference_upsample_bilinear = {bilinear_forward, bilinear_backward};

/* ---- normalization ---- */

enum { GAMMA, BETA, RUNNING_MEAN, RUNNING_VARIANCE };

/* Mean and variance of `count` numbers `step` apart. */
struct moments {
    double mean, variance;
};

static struct moments moments_of(const double *x, size_t count, size_t step) {
    struct moments m = {0, 0};
    for (size_t i = 0; i < count; i++)
        m.mean += x[i * step] / (double)count;
    for (size_t i = 0; i < count; i++)
        m.variance += (x[i * step] - m.mean) * (x[i * step] - m.mean) / (double)count;
    return m;
}

/* Backward through xhat = (x - mean) / sqrt(variance + eps) of `count` numbers `step` apart: dx from dxhat(i)
 * = dout scale[i % width]. */
static void normal_backward(const double *x, const double *dxhat, size_t count, size_t step, double epsilon,
                            double *dx) {
    struct moments m = moments_of(x, count, step);
    double root = sqrt(m.variance + epsilon), mean_d = 0, mean_dx = 0;
    for (size_t i = 0; i < count; i++) {
        mean_d += dxhat[i] / (double)count;
        mean_dx += dxhat[i] * (x[i * step] - m.mean) / root / (double)count;
    }
    for (size_t i = 0; i < count; i++)
        dx[i * step] += (dxhat[i] - mean_d - (x[i * step] - m.mean) / root * mean_dx) / root;
}

static void batch_norm_forward(const struct reference_call *c) {
    size_t channels = (size_t)columns(c), count = rows(c);
    for (size_t channel = 0; channel < channels; channel++) {
        struct moments m = {c->param[RUNNING_MEAN][channel], c->param[RUNNING_VARIANCE][channel]};
        if (c->training) {
            m = moments_of(c->in[0] + channel, count, channels);
            double unbiased = count > 1 ? m.variance * (double)count / (double)(count - 1) : m.variance;
            c->param[RUNNING_MEAN][channel] += MOMENTUM * (m.mean - c->param[RUNNING_MEAN][channel]);
            c->param[RUNNING_VARIANCE][channel] +=
                MOMENTUM * (unbiased - c->param[RUNNING_VARIANCE][channel]);
        }
        for (size_t i = channel; i < elements(c); i += channels)
            c->out[i] = (c->in[0][i] - m.mean) / sqrt(m.variance + BATCH_EPSILON) * c->param[GAMMA][channel] +
                        c->param[BETA][channel];
    }
}

/* Both kinds: `groups` sets of `count` numbers, `step` apart, set g beginning at g * start. */
static void norm_backward(const struct reference_call *c, size_t groups, size_t start, size_t count,
                          size_t step, double epsilon) {
    size_t channels = (size_t)columns(c);
    double *dxhat = c->saved; /* room for the largest set: reference_run.c makes it */
    for (size_t group = 0; group < groups; group++) {
        size_t first = group * start;
        struct moments m = moments_of(c->in[0] + first, count, step);
        for (size_t i = 0; i < count; i++) {
            size_t at = first + i * step, channel = at % channels;
            dxhat[i] = c->dout[at] * c->param[GAMMA][channel];
            c->dparam[GAMMA][channel] += c->dout[at] * (c->in[0][at] - m.mean) / sqrt(m.variance + epsilon);
            c->dparam[BETA][channel] += c->dout[at];
        }
        normal_backward(c->in[0] + first, dxhat, count, step, epsilon, c->din[0] + first);
    }
}

static void batch_norm_backward(const struct reference_call *c) {
    norm_backward(c, (size_t)columns(c), 1, rows(c), (size_t)columns(c), BATCH_EPSILON);
}

const struct op_reference reference_batch_norm = {batch_norm_forward, batch_norm_backward};

static void layer_norm_forward(const struct reference_call *c) {
    size_t width = (size_t)columns(c);
    for (size_t row = 0; row < rows(c); row++) {
        const double *x = c->in[0] + row * width;
        struct moments m = moments_of(x, width, 1);
        for (size_t i = 0; i < width; i++)
            c->out[row * width + i] =
                (x[i] - m.mean) / sqrt(m.variance + LAYER_EPSILON) * c->param[GAMMA][i] + c->param[BETA][i];
    }
}

static void layer_norm_backward(const struct reference_call *c) {
    norm_backward(c, rows(c), (size_t)columns(c), (size_t)columns(c), 1, LAYER_EPSILON);
}

const struct op_reference reference_layer_norm = {layer_norm_forward, layer_norm_backward};

/* ---- what a Transformer adds ---- */

static size_t word_of(const struct reference_call *c, size_t row) {
    double id = c->in[0][row];
    return id >= 0 && id < c->node->spec.factor ? (size_t)id : 0;
}

static void embedding_forward(const struct reference_call *c) {
    size_t width = (size_t)columns(c);
    for (size_t i = 0; i < elements(c); i++)
        c->out[i] = c->param[0][word_of(c, i / width) * width + i % width] * sqrt((double)width);
}

static void embedding_backward(const struct reference_call *c) {
    size_t width = (size_t)columns(c);
    for (size_t i = 0; i < elements(c); i++)
        c->dparam[0][word_of(c, i / width) * width + i % width] += c->dout[i] * sqrt((double)width);
}

const struct op_reference reference_embedding = {embedding_forward, embedding_backward};

/* PE(t, 2i) = sin(t / 10000^(2i / width)), PE(t, 2i + 1) = cos of the same */
static void positions_forward(const struct reference_call *c) {
    size_t width = (size_t)columns(c), length = (size_t)c->node->shape.dim[0];
    for (size_t i = 0; i < elements(c); i++) {
        size_t column = i % width, time = i / width % length;
        double angle = (double)time / pow(10000, (double)(column / 2 * 2) / (double)width);
        c->out[i] = c->in[0][i] + (column % 2 ? cos(angle) : sin(angle));
    }
}

const struct op_reference reference_positions = {positions_forward, reshape_backward};

enum { QUERIES, KEYS, VALUES, KEEP };

/* One query of one head: where its slice of each matrix begins, and its row of weights. */
struct look {
    int sample, number; /* of the query in its sequence */
    const double *q, *k, *v;
    size_t query, key, width, keys; /* offsets of the query's slice and of the first key's, sizes */
    int part;                       /* width of a head */
    double *weights;
};

static struct look look_of(const struct reference_call *c, int sample, int head, int query) {
    size_t width = (size_t)columns(c), queries = (size_t)c->node->shape.dim[0];
    size_t keys = (size_t)c->node->in_shape[KEYS].dim[0];
    int heads = c->node->spec.attention.heads, part = (int)width / heads;
    size_t at = ((size_t)sample * queries + (size_t)query) * width + (size_t)(head * part);
    size_t first = (size_t)sample * keys * width + (size_t)(head * part);
    return (struct look){
        sample,
        query,
        c->in[QUERIES] + at,
        c->in[KEYS] + first,
        c->in[VALUES] + first,
        at,
        first,
        width,
        keys,
        part,
        c->saved + (((size_t)sample * (size_t)heads + (size_t)head) * queries + (size_t)query) * keys};
}

static void weigh(const struct reference_call *c, struct look l) {
    double most = -INFINITY, sum = 0;
    for (size_t key = 0; key < l.keys; key++) {
        bool hidden = (c->node->spec.attention.causal && key > (size_t)l.number) ||
                      (c->node->input_count > KEEP && c->in[KEEP][(size_t)l.sample * l.keys + key] == 0);
        double score = 0;
        for (int i = 0; i < l.part; i++)
            score += l.q[i] * l.k[key * l.width + (size_t)i];
        l.weights[key] = hidden ? -INFINITY : score / sqrt(l.part);
        most = fmax(most, l.weights[key]);
    }
    for (size_t key = 0; key < l.keys; key++) {
        l.weights[key] = l.weights[key] == -INFINITY ? 0 : exp(l.weights[key] - most);
        sum += l.weights[key];
    }
    for (size_t key = 0; key < l.keys; key++)
        l.weights[key] = sum > 0 ? l.weights[key] / sum : 0;
}

static void attend(const struct reference_call *c, struct look l) {
    weigh(c, l);
    for (int i = 0; i < l.part; i++) {
        double sum = 0;
        for (size_t key = 0; key < l.keys; key++)
            sum += l.weights[key] * l.v[key * l.width + (size_t)i];
        c->out[l.query + (size_t)i] = sum;
    }
}

static void attend_backward(const struct reference_call *c, struct look l) {
    const double *dy = c->dout + l.query;
    double total = 0; /* sum over keys of dP P */
    for (size_t key = 0; key < l.keys; key++)
        for (int i = 0; i < l.part; i++)
            total += dy[i] * l.v[key * l.width + (size_t)i] * l.weights[key];
    for (size_t key = 0; key < l.keys; key++) {
        double dp = 0;
        for (int i = 0; i < l.part; i++) {
            dp += dy[i] * l.v[key * l.width + (size_t)i];
            c->din[VALUES][l.key + key * l.width + (size_t)i] += dy[i] * l.weights[key];
        }
        double dscore = l.weights[key] * (dp - total) / sqrt(l.part);
        for (int i = 0; i < l.part; i++) {
            c->din[QUERIES][l.query + (size_t)i] += dscore * l.k[key * l.width + (size_t)i];
            c->din[KEYS][l.key + key * l.width + (size_t)i] += dscore * l.q[i];
        }
    }
}

static void each_look(const struct reference_call *c,
                      void (*visit)(const struct reference_call *c, struct look look)) {
    int heads = c->node->spec.attention.heads, queries = c->node->shape.dim[0];
    for (int i = 0; i < c->batch * heads * queries; i++)
        visit(c, look_of(c, i / queries / heads, i / queries % heads, i % queries));
}

static void attention_forward(const struct reference_call *c) {
    each_look(c, attend);
}

static void attention_backward(const struct reference_call *c) {
    each_look(c, attend_backward);
}

const struct op_reference reference_attention = {attention_forward, attention_backward};

/* ---- cross-entropy ---- */

/* -sum over the classes of target log p, with the target of a smoothed label; the row's gradient is p -
 * target. */
static double row_cross_entropy(int classes, const float *logits, int label, double smoothing, double factor,
                                double *dlogits) {
    double most = -INFINITY, sum = 0, loss = 0;
    for (int i = 0; i < classes; i++)
        most = fmax(most, (double)logits[i]);
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - most);
    for (int i = 0; i < classes; i++) {
        double log_p = (double)logits[i] - most - log(sum);
        double target = smoothing / classes + (i == label ? 1 - smoothing : 0);
        loss -= target > 0 ? target * log_p : 0;
        dlogits[i] = factor * (exp(log_p) - target);
    }
    return loss;
}

double reference_cross_entropy(size_t rows, int classes, const float *logits, const int *targets,
                               const float *weights, float smoothing, float scale, double *dlogits) {
    double total = 0, loss = 0;
    for (size_t row = 0; row < rows; row++)
        total += targets[row] < 0 ? 0 : weights ? (double)weights[row] : 1;
    for (size_t row = 0; row < rows; row++, logits += classes, dlogits += classes) {
        double weight = targets[row] < 0 ? 0 : weights ? (double)weights[row] : 1;
        memset(dlogits, 0, (size_t)classes * sizeof *dlogits);
        if (weight != 0)
            loss += weight * row_cross_entropy(classes, logits, targets[row], (double)smoothing,
                                               (double)scale * weight / total, dlogits);
    }
    return total > 0 ? loss / total : 0;
}
