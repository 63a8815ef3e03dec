/* op_norm.c - batch normalization (Ioffe & Szegedy 2015) and layer normalization (Ba et al. 2016).
 *
 * Batch, over the N rows (samples and points) of each channel, with inv = 1 / sqrt(var + eps) and
 * xhat = (x - mean) inv:
 *
 *     forward    y = gamma xhat + beta
 *     backward   dbeta += sum dy;  dgamma += sum dy xhat
 *                dx += gamma inv (dy - sum dy / N - xhat (sum dy xhat) / N)
 *
 * The last is one scale and shift of dy and x, so that one pass over the rows writes it:
 *
 *     dx += a dy + b x + s      a = gamma inv,  b = -a inv dgamma / N,  s = -a dbeta / N - b mean
 *
 * and the first is the same with y = x factor + shift: each is bound by memory, so passes are what counts.
 * Two numbers a channel are all that is kept of the batch (mean and inv); the rest is worked out again from x,
 * where a rectifier on the way (c->rectify) let y through, too.
 *
 * In training the running averages move towards the mean and the unbiased variance; in inference they take
 * the place of both. That makes a training forward pass the one operator that writes to a model: so a model
 * that is being trained belongs to one run. */
#include <math.h>
#include <string.h>
#include "workers/nn/isa.h"
#include "workers/nn/op.h"

static const float MOMENTUM = 0.1f;

enum { GAMMA, BETA, RUNNING_MEAN, RUNNING_VARIANCE };

/* saved: mean, then 1 / sqrt(variance + eps) */
static size_t saved(const struct node *node, int batch) {
    (void)batch;
    return 2 * (size_t)shape_channels(node->shape);
}

static size_t scratch(const struct node *node, int batch) {
    (void)batch;
    return 6 * (size_t)shape_channels(node->shape);
}

static void factors(const struct op_call *c, int channels, const float *mean, const float *inverse,
                    float *factor, float *shift) {
    for (int i = 0; i < channels; i++) {
        factor[i] = c->param[GAMMA][i] * inverse[i];
        shift[i] = c->param[BETA][i] - mean[i] * factor[i];
    }
}

static void forward(const struct op_call *c) {
    int channels = shape_channels(c->node->shape);
    size_t rows = node_rows(c->node, c->batch);
    float *mean = c->saved, *inverse = c->saved + channels;
    float *factor = c->scratch, *shift = factor + channels, *variance = shift + channels;
    if (c->training) {
        kernels_get()->column_moments(rows, channels, c->in[0], mean, variance);
        float unbiased = rows > 1 ? (float)rows / (float)(rows - 1) : 1;
        for (int i = 0; i < channels; i++) {
            c->param[RUNNING_MEAN][i] += MOMENTUM * (mean[i] - c->param[RUNNING_MEAN][i]);
            c->param[RUNNING_VARIANCE][i] +=
                MOMENTUM * (unbiased * variance[i] - c->param[RUNNING_VARIANCE][i]);
        }
    } else {
        mean = c->param[RUNNING_MEAN];
        variance = c->param[RUNNING_VARIANCE];
        inverse = c->scratch + 3 * channels; /* `saved` is there in training only */
    }
    for (int i = 0; i < channels; i++)
        inverse[i] = 1 / sqrtf(variance[i] + BATCH_NORM_EPSILON);
    factors(c, channels, mean, inverse, factor, shift);
    kernels_get()->scale_shift(rows, channels, c->in[0], factor, shift, c->rectify, c->out);
}

static void backward(const struct op_call *c) {
    const struct kernels *k = kernels_get();
    int channels = shape_channels(c->node->shape);
    size_t rows = node_rows(c->node, c->batch);
    const float *mean = c->saved, *inverse = c->saved + channels;
    float *sum = c->scratch, *dots = sum + channels, *of_x = dots + channels, *rest = of_x + channels,
          *factor = rest + channels, *shift = factor + channels;
    const struct normalization norm = {factor, shift, c->rectify};
    factors(c, channels, mean, inverse, factor, shift);
    k->norm_slopes(rows, channels, &norm, c->in[0], c->dout, sum, dots);
    for (int i = 0; i < channels; i++) {
        float dgamma = (dots[i] - mean[i] * sum[i]) * inverse[i];
        float gamma_inverse = c->param[GAMMA][i] * inverse[i];
        c->dparam[BETA][i] += sum[i];
        c->dparam[GAMMA][i] += dgamma;
        of_x[i] = -gamma_inverse * inverse[i] * dgamma / (float)rows;
        rest[i] = -gamma_inverse * sum[i] / (float)rows - of_x[i] * mean[i];
    }
    if (c->din[0])
        k->norm_backward(rows, channels, &norm, c->in[0], factor, of_x, rest, c->dout, c->din[0]);
}

static const struct op batch_norm_op = {.name = "batch_norm",
                                        .backward_reads_input = true,
                                        .gradient_in_place = true,
                                        .rectifies = true,
                                        .saved = saved,
                                        .forward_scratch = scratch,
                                        .backward_scratch = scratch,
                                        .forward = forward,
                                        .backward = backward,
                                        .reference = &reference_batch_norm};

tensor graph_batch_norm(struct graph *graph, const char *name, tensor x) {
    if (x == NO_TENSOR || !graph_node(graph, name, &batch_norm_op, 1, &x))
        return NO_TENSOR;
    struct shape each = SHAPE(shape_channels(graph->nodes[graph->node_count - 1].shape));
    graph_param(graph, "weight", each, INIT_ONE, 0, 0);
    graph_param(graph, "bias", each, INIT_ZERO, 0, 0);
    graph_state(graph, "running_mean", each, INIT_ZERO);
    graph_state(graph, "running_var", each, INIT_ONE);
    return graph_newest(graph);
}

/* ---- layer normalization: the same over the innermost dimension of each row; nothing differs in training
 * ---- */

static const float LAYER_EPSILON = 1e-5f;

/* saved: mean and 1 / sqrt(variance + eps) of each row */
static size_t layer_saved(const struct node *node, int batch) {
    return 2 * node_rows(node, batch);
}

static void layer_forward(const struct op_call *c) {
    kernels_get()->layer_norm(node_rows(c->node, c->batch), shape_channels(c->node->shape), LAYER_EPSILON,
                              c->in[0], c->param[GAMMA], c->param[BETA], c->out,
                              c->training ? c->saved : NULL);
}

static void layer_backward(const struct op_call *c) {
    kernels_get()->layer_norm_backward(node_rows(c->node, c->batch), shape_channels(c->node->shape), c->in[0],
                                       c->param[GAMMA], c->saved, c->dout, c->din[0], c->dparam[GAMMA],
                                       c->dparam[BETA]);
}

static const struct op layer_norm_op = {.name = "layer_norm",
                                        .backward_reads_input = true,
                                        .saved = layer_saved,
                                        .forward = layer_forward,
                                        .backward = layer_backward,
                                        .reference = &reference_layer_norm};

tensor graph_layer_norm(struct graph *graph, const char *name, tensor x) {
    if (x == NO_TENSOR || !graph_node(graph, name, &layer_norm_op, 1, &x))
        return NO_TENSOR;
    struct shape each = SHAPE(shape_channels(graph->nodes[graph->node_count - 1].shape));
    graph_param(graph, "weight", each, INIT_ONE, 0, 0);
    graph_param(graph, "bias", each, INIT_ZERO, 0, 0);
    return graph_newest(graph);
}
