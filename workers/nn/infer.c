/* infer.c - see infer.h.
 *
 * Each node becomes a step, or is absorbed into the step of an earlier node (step->result: the last of them,
 * whose result the step writes). Absorption asks that nobody else reads the result in between, nor the
 * caller: outputs are never absorbed into something behind them. Results are laid out in one arena as in
 * run.c; the packed weights are a second block.
 *
 *     x ----> conv ----> batch_norm ----> add ----> relu ----> y          one step, at conv's place:
 *     r -----------------------------------^                              y = max(0, W' x + b' + r)
 *
 * Batch normalization in inference is gamma (z - mean) / sqrt(var + eps) + beta with all of these constant: a
 * factor and a shift for each channel, which go into the weights and the bias (pack_step). So
 *
 *     W' = W f,  b' = b f + beta - mean f,  f = gamma / sqrt(var + eps)
 *
 * The sum. A fused step runs at the convolution's place, earlier than the addition stood, so the other term
 * must be there by then (other < node). Where both terms are convolutions the earlier one therefore does not
 * take the addition, and the later one does.
 *
 * Not done: in-place operators and concatenation without copying. Memory is not what inference waits for.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "workers/nn/infer.h"
#include "workers/nn/op.h"
#include "workers/nn/plan.h"

struct step {
    bool fused;   /* a convolution with what follows it; else the node's own operator */
    int result;   /* the node whose result it writes: the last one absorbed */
    int norm;     /* the batch normalization folded in; -1: none */
    int residual; /* the node whose result is added; -1: none */
    bool relu;
    size_t packed, bias; /* offsets into `weights` */
    bool has_bias;
};

struct infer {
    const struct graph *graph;
    const struct model *model;
    int batch_max;
    struct step *steps;                   /* [node]; only those of nodes that are not absorbed count */
    bool *absorbed;                       /* [node]: part of an earlier node's step */
    struct plan_array *results, *scratch; /* [node] each, one allocation */
    float *weights, *arena;
    size_t weight_floats, arena_floats;
};

/* The node that alone reads this result; -1: none does, or several do, or it is an output. */
static int only_reader(const struct graph *graph, int node) {
    int reader = -1;
    for (int i = 0; i < graph->output_count; i++)
        if (graph->outputs[i].from == node)
            return -1;
    for (int i = node + 1; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            if (graph->nodes[i].in[j] == node) {
                if (reader >= 0)
                    return -1;
                reader = i;
            }
    return reader;
}

static bool is_op(const struct graph *graph, int node, const char *name) {
    return node >= 0 && graph->nodes[node].op && !strcmp(graph->nodes[node].op->name, name);
}

/* Takes `node` into the step as its new last one; false when it is not of the wanted operator. */
static bool absorb(struct infer *infer, struct step *step, const char *op) {
    int next = only_reader(infer->graph, step->result);
    if (!is_op(infer->graph, next, op) || infer->absorbed[next])
        return false;
    infer->absorbed[next] = true;
    step->result = next;
    return true;
}

static void fuse(struct infer *infer, int node) {
    struct step *step = &infer->steps[node];
    *step = (struct step){.fused = true, .result = node, .norm = -1, .residual = -1};
    if (absorb(infer, step, "batch_norm"))
        step->norm = step->result;
    int before = step->result, sum = only_reader(infer->graph, before);
    if (is_op(infer->graph, sum, "add")) {
        const struct node *add = &infer->graph->nodes[sum];
        int other = add->in[0] == before ? add->in[1] : add->in[0];
        /* The other term must be there before this step runs; else the later convolution takes the addition. */
        if (other < node && !(infer->absorbed[other] && infer->steps[node].result == other) &&
            absorb(infer, step, "add"))
            step->residual = other;
    }
    step->relu = absorb(infer, step, "relu");
}

static void make_steps(struct infer *infer) {
    const struct graph *graph = infer->graph;
    for (int i = 0; i < graph->node_count; i++) {
        infer->steps[i] = (struct step){.result = i, .norm = -1, .residual = -1};
        if (!infer->absorbed[i] && (is_op(graph, i, "conv") || is_op(graph, i, "linear")))
            fuse(infer, i);
    }
}

/* When the result of each node is written and last read, in steps (numbers of the nodes that own them). */
static void make_lifetimes(struct infer *infer) {
    const struct graph *graph = infer->graph;
    for (int i = 0; i < graph->node_count; i++) {
        const struct step *step = &infer->steps[i];
        const struct node *node = &graph->nodes[i];
        if (infer->absorbed[i])
            continue;
        struct plan_array *result = &infer->results[step->result];
        result->size = (size_t)infer->batch_max * shape_elements(graph->nodes[step->result].shape);
        result->first = node->op ? i : 0;
        result->last = result->last < i ? i : result->last;
        for (int j = 0; j < node->input_count; j++)
            infer->results[node->in[j]].last = i;
        if (step->residual >= 0)
            infer->results[step->residual].last = i;
        size_t scratch = step->fused ? conv_run_scratch(&node->spec.conv, infer->batch_max)
                         : node->op && node->op->forward_scratch
                             ? node->op->forward_scratch(node, infer->batch_max)
                             : 0;
        infer->scratch[i] = (struct plan_array){scratch, i, i, 0};
    }
    for (int i = 0; i < graph->output_count; i++)
        infer->results[graph->outputs[i].from].last = graph->node_count;
}

static const float *param_of(const struct infer *infer, int node, int index) {
    return infer->model->values + infer->graph->params[infer->graph->nodes[node].param[index]].offset;
}

/* Folds y = (x - mean) gamma / sqrt(var + eps) + beta into weights and bias, then packs. */
static void pack_step(struct infer *infer, int index, float *folded, float *scratch) {
    const struct step *step = &infer->steps[index];
    const struct node *node = &infer->graph->nodes[index];
    const struct conv_shape *s = &node->spec.conv;
    size_t count = shape_elements(infer->graph->params[node->param[0]].shape);
    float *bias = infer->weights + step->bias;
    const float *own = node->param_count > 1 ? param_of(infer, index, 1) : NULL;
    memcpy(folded, param_of(infer, index, 0), count * sizeof(float));
    for (int o = 0; o < s->out && step->has_bias; o++) {
        float factor = 1, shift = 0;
        if (step->norm >= 0) {
            factor = param_of(infer, step->norm, 0)[o] /
                     sqrtf(param_of(infer, step->norm, 3)[o] + BATCH_NORM_EPSILON);
            shift = param_of(infer, step->norm, 1)[o] - param_of(infer, step->norm, 2)[o] * factor;
        }
        bias[o] = (own ? own[o] * factor : 0) + shift;
        for (size_t i = (size_t)o; i < count; i += (size_t)s->out)
            folded[i] *= factor;
    }
    conv_pack(s, folded, infer->weights + step->packed, scratch);
}

static int pack_all(struct infer *infer) {
    size_t folded = 1, scratch = 1;
    for (int i = 0; i < infer->graph->node_count; i++) {
        const struct node *node = &infer->graph->nodes[i];
        struct step *step = &infer->steps[i];
        if (infer->absorbed[i] || !step->fused)
            continue;
        size_t weights = shape_elements(infer->graph->params[node->param[0]].shape),
               work = conv_pack_scratch(&node->spec.conv);
        folded = weights > folded ? weights : folded;
        scratch = work > scratch ? work : scratch;
        step->packed = infer->weight_floats;
        step->bias = step->packed + conv_packed_size(&node->spec.conv);
        step->has_bias = node->param_count > 1 || step->norm >= 0;
        infer->weight_floats = (step->bias + (size_t)node->spec.conv.out + 15) / 16 * 16;
    }
    infer->weights = aligned_alloc(64, infer->weight_floats * sizeof(float) + 64);
    float *work = malloc((folded + scratch) * sizeof *work);
    for (int i = 0; i < infer->graph->node_count && infer->weights && work; i++)
        if (!infer->absorbed[i] && infer->steps[i].fused)
            pack_step(infer, i, work, work + folded);
    bool done = infer->weights && work;
    free(work);
    return done ? TG_OK : TG_ENO_MEMORY;
}

int infer_create(const struct graph *graph, const struct model *model, int batch_max, struct infer **out,
                 struct problem *problem) {
    TG_ASSERT(graph->finished && batch_max > 0 && model->graph == graph);
    size_t nodes = (size_t)graph->node_count;
    struct infer *infer = calloc(1, sizeof *infer);
    int error = infer ? TG_OK : TG_ENO_MEMORY;
    if (!error) {
        *infer = (struct infer){.graph = graph, .model = model, .batch_max = batch_max};
        infer->steps = calloc(nodes, sizeof *infer->steps);
        infer->absorbed = calloc(nodes, sizeof *infer->absorbed);
        infer->results = calloc(2 * nodes, sizeof *infer->results);
        error = infer->steps && infer->absorbed && infer->results ? TG_OK : TG_ENO_MEMORY;
    }
    if (!error) {
        infer->scratch = infer->results + nodes;
        make_steps(infer);
        make_lifetimes(infer);
        infer->arena_floats = plan_layout(infer->results, (int)(2 * nodes));
        infer->arena = infer->arena_floats < SIZE_MAX / 8
                           ? aligned_alloc(64, infer->arena_floats * sizeof(float) + 64)
                           : NULL;
        error = infer->arena ? pack_all(infer) : TG_ENO_MEMORY;
    }
    *out = error ? NULL : infer;
    if (error) {
        infer_destroy(infer);
        problem_set(problem, error, "batch", "no memory to run a batch of %d", batch_max);
    }
    return error;
}

void infer_destroy(struct infer *infer) {
    if (!infer)
        return;
    free(infer->steps);
    free(infer->absorbed);
    free(infer->results);
    free(infer->weights);
    free(infer->arena);
    free(infer);
}

static float *result_of(const struct infer *infer, int node) {
    return infer->arena + infer->results[node].offset;
}

float *infer_input(struct infer *infer, int index) {
    for (int i = 0; i < infer->graph->node_count; i++)
        if (!infer->graph->nodes[i].op && index-- == 0)
            return result_of(infer, i);
    return NULL;
}

static void run_fused(const struct infer *infer, int index, int batch) {
    const struct step *step = &infer->steps[index];
    const struct node *node = &infer->graph->nodes[index];
    struct conv_tail tail = {.bias = step->has_bias ? infer->weights + step->bias : NULL,
                             .residual = step->residual >= 0 ? result_of(infer, step->residual) : NULL,
                             .relu = step->relu};
    conv_run(&node->spec.conv, batch, result_of(infer, node->in[0]), infer->weights + step->packed, tail,
             result_of(infer, step->result), infer->arena + infer->scratch[index].offset);
}

static void run_operator(const struct infer *infer, int index, int batch) {
    const struct node *node = &infer->graph->nodes[index];
    struct op_call call = {.node = node,
                           .batch = batch,
                           .out = result_of(infer, index),
                           .scratch = infer->arena + infer->scratch[index].offset};
    for (int i = 0; i < node->input_count; i++)
        call.in[i] = result_of(infer, node->in[i]);
    for (int i = 0; i < node->param_count; i++)
        call.param[i] = infer->model->values + infer->graph->params[node->param[i]].offset;
    node->op->forward(&call);
}

void infer_forward(struct infer *infer, int batch) {
    TG_ASSERT(batch > 0 && batch <= infer->batch_max);
    for (int i = 0; i < infer->graph->node_count; i++) {
        if (infer->absorbed[i] || !infer->graph->nodes[i].op)
            continue;
        if (infer->steps[i].fused)
            run_fused(infer, i, batch);
        else
            run_operator(infer, i, batch);
    }
}

const float *infer_output(const struct infer *infer, const char *name) {
    for (int i = 0; i < infer->graph->output_count; i++)
        if (!strcmp(infer->graph->outputs[i].name, name))
            return result_of(infer, infer->graph->outputs[i].from);
    return NULL;
}

size_t infer_bytes(const struct infer *infer) {
    return (infer->weight_floats + infer->arena_floats) * sizeof(float);
}

float *infer_weights(struct infer *infer, size_t *count) {
    if (count)
        *count = infer->weight_floats;
    return infer->weights;
}
