/* run.c - see run.h.
 *
 * The arrays of a run, per node i: its result, the gradient of its result, `saved`, and scratch forward and
 * backward. An alias has no array of its own: the array of its first input lives on instead. So it is with
 *
 *   - the result of an in-place operator, where nobody reads the input after it, and of a view always;
 *   - the gradient of a view always, for what is added to either is the gradient of both;
 *   - the gradient of a rectifier, a batch normalization or a sum's first term where that operator is its
 *     input's only reader: it goes through element by element.
 *
 * A rectifier that works in place after an operator that can do it on the way (`rectifies`) has no step of
 * its own.
 *
 * The order in run_create is that of dependence: what is wanted, then how long each result is read, then who
 * may take over whose memory (which lengthens lifetimes), then gradients, then scratch, and only then the
 * layout.
 *
 * Gradients are added to, so somebody must begin with zeros. Clearing them all at the start of the backward
 * pass would keep all of them alive at once, and cost a pass over memory. Instead each gradient is begun by
 * its first contributor, the last reader of the result, which comes first in the backward pass:
 *
 *     a result that nodes j < k read     backward of k writes it (or clears it and adds), that of j adds
 *     an output of the network           cleared by run_forward; the loss writes into it
 *     a result that nobody reads         cleared right before its own node's backward
 *
 * gradient_array(i)->first is that first step, which is how the loop in backward() knows whose turn it is. It
 * is the same for parameters: the last node that has one (last_reader) begins its gradient (`fresh`).
 *
 * What no parameter lies before (`wanted` is false) has no gradient and no backward: the input planes, above
 * all.
 *
 * Not done: recomputing results in the backward pass to save memory. Nothing here is short of it.
 */
#include <stdlib.h>
#include <string.h>
#include "workers/nn/op.h"
#include "workers/nn/plan.h"
#include "workers/nn/run.h"

enum array_kind { RESULT, GRADIENT, SAVED, FORWARD_SCRATCH, BACKWARD_SCRATCH, ARRAY_KINDS };
#define ARENA_FLOATS_MAX ((size_t)16 << 30)

struct run {
    const struct graph *graph;
    enum run_mode mode;
    int batch_max, batch;
    float *arena;
    size_t arena_floats;
    struct plan_array *arrays; /* [node][ARRAY_KINDS] */
    int *owner;                /* [node]: the node whose RESULT array holds this node's result */
    int *gradient_owner;       /* [node]: the same for GRADIENT */
    int *last_reader;          /* [param]: the last node that has it, the first to add to its gradient */
    bool *wanted;              /* [node]: a gradient is needed: a parameter is at or before it */
    bool *rectify, *skipped;   /* [node]: does the rectifier after it; is that rectifier */
    struct run_memory memory;
    struct rng rng;
};

static struct plan_array *array_of(const struct run *run, int node, enum array_kind kind) {
    return &run->arrays[node * ARRAY_KINDS + (int)kind];
}

static float *memory_of(const struct run *run, int node, enum array_kind kind) {
    const struct plan_array *array = array_of(run, node, kind);
    return array->size ? run->arena + array->offset : NULL;
}

static float *result_of(const struct run *run, int node) {
    return memory_of(run, run->owner[node], RESULT);
}

static struct plan_array *gradient_array(const struct run *run, int node) {
    return array_of(run, run->gradient_owner[node], GRADIENT);
}

static float *gradient_of(const struct run *run, int node) {
    return memory_of(run, run->gradient_owner[node], GRADIENT);
}

/* ---- lifetimes ---- */

static void keep_until(const struct run *run, int node, enum array_kind kind, int step) {
    struct plan_array *array = array_of(run, node, kind);
    if (array->last < step)
        array->last = step;
}

static int at_most(int value, int limit) {
    return value < limit ? value : limit;
}

static int backward_step(const struct run *run, int node) {
    return 2 * run->graph->node_count - node;
}

static bool is_output(const struct graph *graph, int node) {
    for (int i = 0; i < graph->output_count; i++)
        if (graph->outputs[i].from == node)
            return true;
    return false;
}

static void find_wanted(struct run *run) {
    for (int i = 0; i < run->graph->node_count; i++) {
        const struct node *node = &run->graph->nodes[i];
        run->wanted[i] = node->param_count > 0;
        for (int j = 0; j < node->input_count; j++)
            run->wanted[i] |= run->wanted[node->in[j]];
        for (int j = 0; j < node->param_count; j++)
            run->last_reader[node->param[j]] = i;
    }
}

/* How long each result is read. Steps of an alias count for its owner once owners are known. */
static void result_lifetimes(struct run *run) {
    const struct graph *graph = run->graph;
    bool training = run->mode == RUN_TRAINING;
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        struct plan_array *result = array_of(run, i, RESULT);
        *result = (struct plan_array){
            .size = (size_t)run->batch_max * shape_elements(node->shape), .first = i, .last = i};
        if (!node->op)
            result->first = 0; /* inputs are written before the first step */
        if (is_output(graph, i))
            keep_until(run, i, RESULT, graph->node_count);
        if (training && node->op && node->op->backward_reads_output && run->wanted[i])
            keep_until(run, i, RESULT, backward_step(run, i));
        for (int j = 0; j < node->input_count; j++) {
            keep_until(run, node->in[j], RESULT, i);
            /* a node with inputs has an operator: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
            if (training && node->op->backward_reads_input && run->wanted[i])
                keep_until(run, node->in[j], RESULT, backward_step(run, i));
        }
    }
}

/* A view is its first input's array; an in-place operator takes it over when nobody reads it after that. */
static void find_owners(struct run *run) {
    for (int i = 0; i < run->graph->node_count; i++) {
        const struct node *node = &run->graph->nodes[i];
        run->owner[i] = i;
        if (!node->op || !(node->op->in_place || node->op->view))
            continue;
        int from = run->owner[node->in[0]];
        bool twice = node->input_count > 1 && run->owner[node->in[1]] == from;
        bool read = array_of(run, from, RESULT)->last > i || twice || is_output(run->graph, node->in[0]);
        if (read && !node->op->view)
            continue;
        run->owner[i] = from;
        keep_until(run, from, RESULT, array_of(run, i, RESULT)->last);
        array_of(run, i, RESULT)->size = 0;
    }
}

static bool has_one_reader(const struct graph *graph, int node) { /* the network's output counts as one */
    int readers = is_output(graph, node);
    for (int i = node + 1; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            readers += graph->nodes[i].in[j] == node;
    return readers == 1;
}

/* (Of a view others may read the original: what they add to its gradient must not pass through the operator.)
 */
static bool shares_gradient(const struct run *run, int i) {
    const struct node *node = &run->graph->nodes[i];
    if (!node->op || !run->wanted[i])
        return false;
    const struct op *before = node->input_count ? run->graph->nodes[node->in[0]].op : NULL;
    return node->op->view || (node->op->gradient_in_place && has_one_reader(run->graph, node->in[0]) &&
                              !(before && before->view));
}

static void merge_rectifiers(struct run *run) {
    for (int i = 0; i < run->graph->node_count; i++) {
        const struct node *node = &run->graph->nodes[i];
        int before = node->op && !strcmp(node->op->name, "relu") ? node->in[0] : -1;
        const struct op *op = before >= 0 ? run->graph->nodes[before].op : NULL;
        bool in_place = before >= 0 && run->owner[i] == run->owner[before];
        if (!op || !op->rectifies || !in_place || (run->mode == RUN_TRAINING && !shares_gradient(run, i)))
            continue;
        run->rectify[before] = run->skipped[i] = true;
    }
}

/* A gradient lives from the backward step of its result's last reader (or from the outputs) to its own. */
static void gradient_lifetimes(struct run *run) {
    const struct graph *graph = run->graph;
    for (int i = 0; i < graph->node_count; i++) {
        run->gradient_owner[i] = shares_gradient(run, i) ? run->gradient_owner[graph->nodes[i].in[0]] : i;
        struct plan_array *gradient = gradient_array(run, i);
        if (run->gradient_owner[i] == i)
            *gradient = (struct plan_array){.first = backward_step(run, i), .last = backward_step(run, i)};
        if (run->wanted[i])
            gradient->size = (size_t)run->batch_max * shape_elements(graph->nodes[i].shape);
        gradient->first =
            at_most(gradient->first, is_output(graph, i) ? graph->node_count : backward_step(run, i));
    }
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].input_count && run->wanted[i]; j++) {
            struct plan_array *gradient = gradient_array(run, graph->nodes[i].in[j]);
            gradient->first = at_most(gradient->first, backward_step(run, i));
        }
}

static size_t floats(size_t (*of)(const struct node *, int), const struct node *node, int batch) {
    return of ? of(node, batch) : 0;
}

static void work_lifetimes(struct run *run) {
    bool training = run->mode == RUN_TRAINING;
    for (int i = 0; i < run->graph->node_count; i++) {
        const struct node *node = &run->graph->nodes[i];
        if (!node->op)
            continue;
        int back = backward_step(run, i);
        *array_of(run, i, FORWARD_SCRATCH) =
            (struct plan_array){floats(node->op->forward_scratch, node, run->batch_max), i, i, 0};
        if (!training)
            continue;
        *array_of(run, i, SAVED) =
            (struct plan_array){floats(node->op->saved, node, run->batch_max), i, back, 0};
        *array_of(run, i, BACKWARD_SCRATCH) = (struct plan_array){
            run->wanted[i] ? floats(node->op->backward_scratch, node, run->batch_max) : 0, back, back, 0};
    }
}

/* Bytes of what must be there at a step, scratch aside: results and gradients that are still to be read. */
static size_t live_bytes(const struct run *run, int step) {
    size_t floats = 0;
    for (int i = 0; i < run->graph->node_count; i++)
        for (enum array_kind kind = RESULT; kind <= SAVED; kind++) {
            const struct plan_array *array = array_of(run, i, kind);
            floats += array->first <= step && step <= array->last ? array->size : 0;
        }
    return floats * sizeof(float);
}

/* (Needed: what must be there when the backward pass begins.) */
static void count_memory(struct run *run) {
    int count = run->graph->node_count * ARRAY_KINDS;
    run->memory.arena = run->arena_floats * sizeof(float);
    for (int i = 0; i < count; i++) {
        run->memory.unshared += run->arrays[i].size * sizeof(float);
        if (run->arrays[i].first <= run->graph->node_count && run->arrays[i].last > run->graph->node_count)
            run->memory.needed += run->arrays[i].size * sizeof(float);
    }
    for (int step = 0; step <= 2 * run->graph->node_count; step++) {
        size_t live = live_bytes(run, step);
        run->memory.live = live > run->memory.live ? live : run->memory.live;
    }
}

int run_create(const struct graph *graph, enum run_mode mode, int batch_max, uint64_t seed, struct run **out,
               struct problem *problem) {
    TG_ASSERT(graph->finished && batch_max > 0);
    size_t nodes = (size_t)graph->node_count;
    struct run *run = calloc(1, sizeof *run);
    *out = run;
    if (!run)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a run");
    *run = (struct run){.graph = graph, .mode = mode, .batch_max = batch_max};
    rng_seed(&run->rng, seed);
    run->arrays = calloc(nodes * ARRAY_KINDS, sizeof *run->arrays);
    run->owner = calloc(nodes, sizeof *run->owner);
    run->gradient_owner = calloc(nodes, sizeof *run->gradient_owner);
    run->wanted = calloc(nodes, sizeof *run->wanted);
    run->last_reader = calloc((size_t)graph->param_count + 1, sizeof *run->last_reader);
    run->rectify = calloc(2 * nodes, sizeof *run->rectify);
    if (run->arrays && run->owner && run->gradient_owner && run->wanted && run->last_reader && run->rectify) {
        run->skipped = run->rectify + nodes;
        find_wanted(run);
        result_lifetimes(run);
        find_owners(run);
        merge_rectifiers(run);
        if (mode == RUN_TRAINING)
            gradient_lifetimes(run);
        work_lifetimes(run);
        run->arena_floats = plan_layout(run->arrays, (int)nodes * ARRAY_KINDS);
        if (run->arena_floats <= ARENA_FLOATS_MAX)
            run->arena = aligned_alloc(64, run->arena_floats * sizeof(float) + 64);
    }
    if (run->arrays && run->arena) {
        count_memory(run);
        return TG_OK;
    }
    size_t megabytes = run->arena_floats / (1 << 18);
    run_destroy(run);
    *out = NULL;
    return problem_set(problem, TG_ENO_MEMORY, "batch",
                       "a batch of %d needs %zu MiB, which this machine does not give", batch_max, megabytes);
}

void run_destroy(struct run *run) {
    if (!run)
        return;
    free(run->arena);
    free(run->arrays);
    free(run->owner);
    free(run->gradient_owner);
    free(run->wanted);
    free(run->rectify);
    free(run->last_reader);
    free(run);
}

/* ---- running ---- */

void run_reseed(struct run *run, uint64_t seed) {
    rng_seed(&run->rng, seed);
}

float *run_input(struct run *run, int index) {
    for (int i = 0; i < run->graph->node_count; i++)
        if (!run->graph->nodes[i].op && index-- == 0)
            return result_of(run, i);
    return NULL;
}

static struct op_call call_of(struct run *run, struct model *model, int index, float *gradients) {
    const struct node *node = &run->graph->nodes[index];
    struct op_call call = {
        .node = node, .batch = run->batch, .training = run->mode == RUN_TRAINING, .rng = &run->rng};
    call.rectify = run->rectify[index];
    for (int i = 0; i < node->input_count; i++) {
        call.in[i] = result_of(run, node->in[i]);
        if (gradients)
            call.din[i] = gradient_of(run, node->in[i]);
    }
    for (int i = 0; i < node->param_count; i++) {
        size_t offset = run->graph->params[node->param[i]].offset;
        call.param[i] = model->values + offset;
        call.dparam[i] = gradients ? gradients + offset : NULL;
    }
    call.out = result_of(run, index);
    call.dout = gradients ? gradient_of(run, index) : NULL;
    call.saved = memory_of(run, index, SAVED);
    call.scratch = memory_of(run, index, gradients ? BACKWARD_SCRATCH : FORWARD_SCRATCH);
    return call;
}

static void clear_gradient(struct run *run, int node) {
    float *gradient = gradient_of(run, node);
    if (gradient)
        memset(gradient, 0,
               (size_t)run->batch * shape_elements(run->graph->nodes[node].shape) * sizeof(float));
}

void run_forward(struct run *run, struct model *model, int batch) {
    TG_ASSERT(batch > 0 && batch <= run->batch_max && model->graph == run->graph);
    run->batch = batch;
    for (int i = 0; i < run->graph->node_count; i++) {
        struct op_call call = call_of(run, model, i, NULL);
        if (call.node->op && !run->skipped[i])
            call.node->op->forward(&call);
    }
    for (int i = 0; i < run->graph->output_count && run->mode == RUN_TRAINING; i++)
        clear_gradient(run, run->graph->outputs[i].from);
}

/* The first contribution to a gradient finds it cleared, or writes it. */
static void begin_inputs(struct op_call *call, struct run *run, int index) {
    for (int j = 0; j < call->node->input_count; j++) {
        bool first = call->din[j] && call->din[j] != call->dout &&
                     gradient_array(run, call->node->in[j])->first == backward_step(run, index);
        for (int before = 0; before < j; before++)
            first &= call->din[before] != call->din[j];
        call->fresh_din[j] = first && call->node->op->writes_din;
        if (first && !call->fresh_din[j])
            clear_gradient(run, call->node->in[j]);
    }
}

/* Gradients that hold nothing yet: the operator writes them, or is given zeros. */
static void begin_fresh(struct op_call *call, const struct run *run, int index) {
    bool all = true;
    for (int i = 0; i < call->node->param_count; i++)
        all &= run->last_reader[call->node->param[i]] == index;
    call->fresh = all && call->node->op->writes_dparam;
    for (int i = 0; i < call->node->param_count && !call->fresh; i++) {
        const struct param *param = &run->graph->params[call->node->param[i]];
        if (param->trained && run->last_reader[call->node->param[i]] == index)
            memset(call->dparam[i], 0, shape_elements(param->shape) * sizeof(float));
    }
}

static void backward(struct run *run, struct model *model, float *gradients, bool fresh) {
    TG_ASSERT(run->mode == RUN_TRAINING);
    for (int i = run->graph->node_count - 1; i >= 0; i--) {
        if (!run->graph->nodes[i].op || !run->wanted[i])
            continue;
        if (gradient_array(run, i)->first == backward_step(run, i)) /* nobody reads this result */
            clear_gradient(run, i);
        struct op_call call = call_of(run, model, i, gradients);
        begin_inputs(&call, run, i);
        if (fresh)
            begin_fresh(&call, run, i);
        if (!run->skipped[i])
            call.node->op->backward(&call);
    }
}

void run_backward(struct run *run, struct model *model, float *gradients) {
    backward(run, model, gradients, false);
}

void run_gradients(struct run *run, struct model *model, float *gradients) {
    backward(run, model, gradients, true);
}

static int output_node(const struct run *run, const char *name) {
    for (int i = 0; i < run->graph->output_count; i++)
        if (!strcmp(run->graph->outputs[i].name, name))
            return run->graph->outputs[i].from;
    return -1;
}

const float *run_output(const struct run *run, const char *name) {
    int node = output_node(run, name);
    return node < 0 ? NULL : result_of(run, node);
}

float *run_output_gradient(struct run *run, const char *name) {
    int node = output_node(run, name);
    return node < 0 ? NULL : gradient_of(run, node);
}

struct run_memory run_memory(const struct run *run) {
    return run->memory;
}
