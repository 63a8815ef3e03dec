/* op_attention.c - what a Transformer adds (Vaswani et al. 2017): embedding, positions, attention.
 *
 * Attention keeps its probabilities P [batch][heads][tq][tk] from forward to backward. For each sample and
 * head, on matrices that are slices of `width / heads` columns:
 *
 *     forward   S = Q K^T / sqrt(d), masked; P = softmax(S); Y = P V
 *     backward  dV += P^T dY;  dP = dY V^T;  dS = P (dP - rowsum(dP P)) / sqrt(d);  dQ += dS K;  dK += dS^T Q
 *
 * Each of these is a product of small matrices with other strides than their own rows (a transpose is a
 * matrix with its strides exchanged, a head a matrix with longer rows): struct matrix says so, and nothing is
 * copied but what the kernel packs.
 *
 * Masking sets scores to -infinity before the softmax, which makes those weights exactly 0; so they need no
 * second mask in the backward pass, whose P is 0 there. The factor 1 / sqrt(d) is applied inside the softmax
 * kernel, in one pass with the exponentials.
 *
 * Not done: the tiled form that never writes P down (Dao et al. 2022). At the lengths that occur here (tens
 * of tokens) a head's P fits in the first cache.
 */
#include <math.h>
#include <string.h>
#include "workers/nn/isa.h"
#include "workers/nn/op.h"

/* ---- embedding ---- */

static int id_of(const struct op_call *c, size_t i, int vocabulary) {
    float id = c->in[0][i];
    return id >= 0 && id < (float)vocabulary ? (int)id : 0;
}

static void embedding_each(const struct op_call *c, bool backward) {
    int width = shape_channels(c->node->shape), vocabulary = c->node->spec.factor;
    float factor = sqrtf((float)width);
    for (size_t i = 0; i < node_rows(c->node, c->batch); i++) {
        size_t row = (size_t)id_of(c, i, vocabulary) * (size_t)width, at = i * (size_t)width;
        if (backward) {
            kernels_get()->axpy((size_t)width, factor, c->dout + at, c->dparam[0] + row);
        } else {
            memset(c->out + at, 0, (size_t)width * sizeof(float));
            kernels_get()->axpy((size_t)width, factor, c->param[0] + row, c->out + at);
        }
    }
}

static void embedding_forward(const struct op_call *c) {
    embedding_each(c, false);
}

static void embedding_backward(const struct op_call *c) {
    embedding_each(c, true);
}

static const struct op embedding_op = {.name = "embedding",
                                       .backward_reads_input = true,
                                       .forward = embedding_forward,
                                       .backward = embedding_backward,
                                       .reference = &reference_embedding};

tensor graph_embedding(struct graph *graph, const char *name, tensor ids, int vocabulary, int width) {
    struct node *node = ids == NO_TENSOR ? NULL : graph_node(graph, name, &embedding_op, 1, &ids);
    if (!node)
        return NO_TENSOR;
    char text[64];
    if (node->shape.rank != 1 || vocabulary < 1 || width < 1)
        return graph_fail(graph, name, "embedding of %d words in %d takes a list of ids, is given %s",
                          vocabulary, width, shape_text(node->shape, text));
    node->shape = SHAPE(node->shape.dim[0], width);
    node->spec.factor = vocabulary;
    /* Rows of variance 1 / width, which the factor sqrt(width) brings to 1. */
    graph_param(graph, "weight", SHAPE(vocabulary, width), INIT_HE, 2 * width, 0);
    return graph_newest(graph);
}

tensor graph_embedding_again(struct graph *graph, const char *name, tensor ids, tensor first) {
    if (ids == NO_TENSOR || first == NO_TENSOR)
        return NO_TENSOR;
    TG_ASSERT(graph->nodes[first].op == &embedding_op);
    if (!graph_node(graph, name, &embedding_op, 1, &ids))
        return NO_TENSOR;
    struct node *node = &graph->nodes[graph->node_count - 1];
    const struct node *other = &graph->nodes[first];
    char text[64];
    if (node->shape.rank != 1)
        return graph_fail(graph, name, "embedding takes a list of ids, is given %s",
                          shape_text(node->shape, text));
    node->shape = SHAPE(node->shape.dim[0], shape_channels(other->shape));
    node->spec.factor = other->spec.factor;
    node->param[0] = other->param[0];
    node->param_count = 1;
    return graph_newest(graph);
}

/* ---- positions ---- */

static size_t positions_scratch(const struct node *node, int batch) {
    (void)batch;
    return shape_elements(node->shape);
}

/* One pair of columns of the table: the angle grows by `frequency` from row to row, so each row is the one
 * before turned by it. (Double precision: after 65,536 rows the error is below 1e-11.) */
static void positions_pair(int length, int width, int column, float *table) {
    double frequency = pow(10000, -(double)column / width), turn_sin = sin(frequency),
           turn_cos = cos(frequency), s = 0, c = 1;
    for (int t = 0; t < length; t++) {
        table[t * width + column] = (float)s;
        if (column + 1 < width)
            table[t * width + column + 1] = (float)c;
        double next = s * turn_cos + c * turn_sin;
        c = c * turn_cos - s * turn_sin;
        s = next;
    }
}

static void positions_forward(const struct op_call *c) {
    int width = shape_channels(c->node->shape), length = c->node->shape.dim[0];
    size_t sample = (size_t)length * (size_t)width;
    for (int column = 0; column < width; column += 2)
        positions_pair(length, width, column, c->scratch);
    if (c->out != c->in[0])
        memcpy(c->out, c->in[0], (size_t)c->batch * sample * sizeof(float));
    for (int n = 0; n < c->batch; n++)
        kernels_get()->add(sample, c->scratch, c->out + (size_t)n * sample);
}

static void positions_backward(const struct op_call *c) {
    if (c->din[0])
        kernels_get()->add(call_elements(c), c->dout, c->din[0]);
}

static const struct op positions_op = {.name = "positions",
                                       .in_place = true,
                                       .forward_scratch = positions_scratch,
                                       .forward = positions_forward,
                                       .backward = positions_backward,
                                       .reference = &reference_positions};

tensor graph_positions(struct graph *graph, const char *name, tensor x) {
    struct node *node = x == NO_TENSOR ? NULL : graph_node(graph, name, &positions_op, 1, &x);
    char text[64];
    if (node && node->shape.rank != 2)
        return graph_fail(graph, name, "positions takes tokens x width, is given %s",
                          shape_text(node->shape, text));
    return graph_newest(graph);
}

/* ---- attention ---- */

enum { QUERIES, KEYS, VALUES, KEEP };

struct attention {
    int heads, width, head_width, queries, keys;
    float factor; /* 1 / sqrt(head_width) */
};

static struct attention attention_of(const struct node *node) {
    int heads = node->spec.attention.heads, width = node->shape.dim[1];
    return (struct attention){heads,
                              width,
                              width / heads,
                              node->shape.dim[0],
                              node->in_shape[KEYS].dim[0],
                              1 / sqrtf((float)(width / heads))};
}

static size_t attention_weights(const struct node *node, int batch) {
    struct attention a = attention_of(node);
    return (size_t)batch * (size_t)a.heads * (size_t)a.queries * (size_t)a.keys;
}

/* A packed matrix of any that occur, two weight matrices of one head, and in inference all of P besides. */
static size_t attention_scratch(const struct node *node, int batch) {
    struct attention a = attention_of(node);
    int rows = a.queries > a.keys ? a.queries : a.keys;
    rows = rows > a.head_width ? rows : a.head_width;
    size_t packed = (size_t)rows * packed_columns(rows > a.head_width ? rows : a.head_width);
    (void)batch;
    return packed + 2 * (size_t)a.queries * (size_t)a.keys;
}

/* C (m x n) = A (m x k) B (k x n), packing B on the way. */
static void product(int m, int n, int k, struct matrix a, struct matrix b, float *packed, float *c, int ldc,
                    bool accumulate) {
    struct gemm_tail tail = {.accumulate = true};
    kernels_get()->pack(k, n, b, packed);
    kernels_get()->gemm_packed(m, n, k, a, packed, c, ldc, accumulate ? &tail : NULL);
}

static struct matrix rows_of(const float *data, ptrdiff_t width) {
    return (struct matrix){data, width, 1};
}

static struct matrix columns_of(const float *data, ptrdiff_t width) {
    return (struct matrix){data, 1, width};
}

static void mask_scores(struct attention a, bool causal, const float *keep, float *scores) {
    for (int q = 0; q < a.queries; q++)
        for (int k = 0; k < a.keys; k++)
            if ((causal && k > q) || (keep && keep[k] == 0))
                scores[q * a.keys + k] = -INFINITY;
}

static void attention_forward(const struct op_call *c) {
    struct attention a = attention_of(c->node);
    size_t weights = (size_t)a.queries * (size_t)a.keys;
    float *packed = c->scratch + 2 * weights;
    for (int n = 0; n < c->batch * a.heads; n++) {
        ptrdiff_t sample = n / a.heads, column = (ptrdiff_t)(n % a.heads) * a.head_width;
        const float *q = c->in[QUERIES] + sample * a.queries * a.width + column;
        const float *k = c->in[KEYS] + sample * a.keys * a.width + column;
        const float *v = c->in[VALUES] + sample * a.keys * a.width + column;
        float *p = c->training ? c->saved + (size_t)n * weights : c->scratch;
        product(a.queries, a.keys, a.head_width, rows_of(q, a.width), columns_of(k, a.width), packed, p,
                a.keys, false);
        mask_scores(a, c->node->spec.attention.causal,
                    c->node->input_count > KEEP ? c->in[KEEP] + sample * a.keys : NULL, p);
        kernels_get()->softmax((size_t)a.queries, a.keys, a.factor, p, p);
        product(a.queries, a.head_width, a.keys, rows_of(p, a.keys), rows_of(v, a.width), packed,
                c->out + sample * a.queries * a.width + column, a.width, false);
    }
}

static void head_backward(const struct op_call *c, struct attention a, int n) {
    size_t weights = (size_t)a.queries * (size_t)a.keys;
    float *dp = c->scratch, *ds = dp + weights, *packed = ds + weights;
    ptrdiff_t column = (ptrdiff_t)(n % a.heads) * a.head_width;
    ptrdiff_t of_queries = (ptrdiff_t)(n / a.heads) * a.queries * a.width + column;
    ptrdiff_t of_keys = (ptrdiff_t)(n / a.heads) * a.keys * a.width + column;
    const float *p = c->saved + (size_t)n * weights, *dy = c->dout + of_queries;
    if (c->din[VALUES])
        product(a.keys, a.head_width, a.queries, columns_of(p, a.keys), rows_of(dy, a.width), packed,
                c->din[VALUES] + of_keys, a.width, true);
    product(a.queries, a.keys, a.head_width, rows_of(dy, a.width),
            columns_of(c->in[VALUES] + of_keys, a.width), packed, dp, a.keys, false);
    memset(ds, 0, weights * sizeof(float));
    kernels_get()->softmax_backward((size_t)a.queries, a.keys, a.factor, p, dp, ds);
    if (c->din[QUERIES])
        product(a.queries, a.head_width, a.keys, rows_of(ds, a.keys), rows_of(c->in[KEYS] + of_keys, a.width),
                packed, c->din[QUERIES] + of_queries, a.width, true);
    if (c->din[KEYS])
        product(a.keys, a.head_width, a.queries, columns_of(ds, a.keys),
                rows_of(c->in[QUERIES] + of_queries, a.width), packed, c->din[KEYS] + of_keys, a.width, true);
}

static void attention_backward(const struct op_call *c) {
    struct attention a = attention_of(c->node);
    for (int n = 0; n < c->batch * a.heads; n++)
        head_backward(c, a, n);
}

static const struct op attention_op = {.name = "attention",
                                       .backward_reads_input = true,
                                       .saved = attention_weights,
                                       .forward_scratch = attention_scratch,
                                       .backward_scratch = attention_scratch,
                                       .forward = attention_forward,
                                       .backward = attention_backward,
                                       .reference = &reference_attention};

/* NULL when the shapes fit; else what is wrong. */
static const char *attention_fault(const struct node *node, const struct attention_spec *spec) {
    struct shape q = node->in_shape[QUERIES], k = node->in_shape[KEYS];
    if (q.rank != 2 || k.rank != 2 || q.dim[1] != k.dim[1] || !shape_equal(k, node->in_shape[VALUES]))
        return "takes queries tokens x width and equal keys and values of the same width";
    if (spec->heads < 1 || q.dim[1] % spec->heads)
        return "needs a width that is a multiple of its heads";
    if (spec->causal && q.dim[0] != k.dim[0])
        return "can be causal only among tokens of one sequence";
    if (node->input_count > KEEP &&
        (node->in_shape[KEEP].rank != 1 || node->in_shape[KEEP].dim[0] != k.dim[0]))
        return "takes one keep flag for each key";
    return NULL;
}

tensor graph_attention(struct graph *graph, const char *name, tensor queries, tensor keys, tensor values,
                       tensor keep, const struct attention_spec *spec) {
    if (queries == NO_TENSOR || keys == NO_TENSOR || values == NO_TENSOR || keep == NO_TENSOR)
        return NO_TENSOR;
    tensor inputs[] = {queries, keys, values, keep};
    struct node *node = graph_node(graph, name, &attention_op, keep == NO_KEEP ? 3 : 4, inputs);
    if (!node)
        return NO_TENSOR;
    const char *fault = attention_fault(node, spec);
    char q[64], k[64];
    if (fault)
        return graph_fail(graph, name, "attention with %d heads %s; is given %s and %s", spec->heads, fault,
                          shape_text(node->in_shape[QUERIES], q), shape_text(node->in_shape[KEYS], k));
    node->spec.attention = *spec;
    return graph_newest(graph);
}
