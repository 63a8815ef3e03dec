/* reference_run.c - see reference_run.h. The plainest run there can be: an array of its own for every result
 * and gradient, everything cleared, everything computed, in order. It is what run.c's lifetimes, aliases and
 * fresh gradients are held against, so it must have none of them. */
#include <stdlib.h>
#include <string.h>
#include "workers/nn/op.h"
#include "workers/nn/reference_run.h"

struct arrays {
    double *result, *gradient, *saved;
};

struct reference_run {
    const struct graph *graph;
    enum run_mode mode;
    int batch_max, batch;
    uint64_t seed;
    struct rng rng;
    struct arrays *of; /* [node] */
    double *values, *gradients;
};

static size_t elements(const struct reference_run *run, int node, int batch) {
    return (size_t)batch * shape_elements(run->graph->nodes[node].shape);
}

/* What the fast form keeps, and room for a row or column of the result besides. */
static size_t saved(const struct reference_run *run, int node) {
    const struct op *op = run->graph->nodes[node].op;
    size_t kept = op && op->saved ? op->saved(&run->graph->nodes[node], run->batch_max) : 0;
    return kept + elements(run, node, run->batch_max);
}

static bool allocate(struct reference_run *run) {
    size_t nodes = (size_t)run->graph->node_count, values = graph_value_count(run->graph) + 1;
    run->of = calloc(nodes, sizeof *run->of);
    run->values = calloc(values, sizeof *run->values);
    run->gradients = calloc(values, sizeof *run->gradients);
    bool done = run->of && run->values && run->gradients;
    for (int i = 0; i < run->graph->node_count && done; i++) {
        struct arrays *of = &run->of[i];
        of->result = calloc(elements(run, i, run->batch_max), sizeof(double));
        of->saved = calloc(saved(run, i), sizeof(double));
        if (run->mode == RUN_TRAINING)
            of->gradient = calloc(elements(run, i, run->batch_max), sizeof(double));
        done = of->result && of->saved && (of->gradient || run->mode != RUN_TRAINING);
    }
    return done;
}

int reference_run_create(const struct graph *graph, enum run_mode mode, int batch_max, uint64_t seed,
                         struct reference_run **out) {
    TG_ASSERT(graph->finished && batch_max > 0);
    struct reference_run *run = calloc(1, sizeof *run);
    *out = NULL;
    if (!run)
        return TG_ENO_MEMORY;
    *run = (struct reference_run){.graph = graph, .mode = mode, .batch_max = batch_max, .seed = seed};
    if (!allocate(run)) {
        reference_run_destroy(run);
        return TG_ENO_MEMORY;
    }
    *out = run;
    return TG_OK;
}

void reference_run_destroy(struct reference_run *run) {
    if (!run)
        return;
    for (int i = 0; i < run->graph->node_count && run->of; i++) {
        free(run->of[i].result);
        free(run->of[i].gradient);
        free(run->of[i].saved);
    }
    free(run->of);
    free(run->values);
    free(run->gradients);
    free(run);
}

void reference_run_load(struct reference_run *run, const struct model *model) {
    TG_ASSERT(model->graph == run->graph);
    for (size_t i = 0; i < graph_value_count(run->graph); i++)
        run->values[i] = (double)model->values[i];
}

double *reference_run_values(struct reference_run *run) {
    return run->values;
}

static int input_node(const struct reference_run *run, int index) {
    for (int i = 0; i < run->graph->node_count; i++)
        if (!run->graph->nodes[i].op && index-- == 0)
            return i;
    return -1;
}

static int output_node(const struct reference_run *run, const char *name) {
    for (int i = 0; i < run->graph->output_count; i++)
        if (!strcmp(run->graph->outputs[i].name, name))
            return run->graph->outputs[i].from;
    return -1;
}

double *reference_run_input(struct reference_run *run, int index) {
    int node = input_node(run, index);
    return node < 0 ? NULL : run->of[node].result;
}

const double *reference_run_output(const struct reference_run *run, const char *name) {
    int node = output_node(run, name);
    return node < 0 ? NULL : run->of[node].result;
}

double *reference_run_output_gradient(struct reference_run *run, const char *name) {
    int node = output_node(run, name);
    return node < 0 ? NULL : run->of[node].gradient;
}

static struct reference_call call_of(struct reference_run *run, int index) {
    const struct node *node = &run->graph->nodes[index];
    struct reference_call call = {.node = node,
                                  .batch = run->batch,
                                  .training = run->mode == RUN_TRAINING,
                                  .out = run->of[index].result,
                                  .dout = run->of[index].gradient,
                                  .saved = run->of[index].saved,
                                  .rng = &run->rng};
    for (int i = 0; i < node->input_count; i++) {
        call.in[i] = run->of[node->in[i]].result;
        call.din[i] = run->of[node->in[i]].gradient;
    }
    for (int i = 0; i < node->param_count; i++) {
        call.param[i] = run->values + run->graph->params[node->param[i]].offset;
        call.dparam[i] = run->gradients + run->graph->params[node->param[i]].offset;
    }
    return call;
}

static void clear_gradient(struct reference_run *run, int node) {
    memset(run->of[node].gradient, 0, elements(run, node, run->batch) * sizeof(double));
}

void reference_run_forward(struct reference_run *run, int batch) {
    TG_ASSERT(batch > 0 && batch <= run->batch_max);
    run->batch = batch;
    rng_seed(&run->rng, run->seed);
    for (int i = 0; i < run->graph->node_count; i++) {
        struct reference_call call = call_of(run, i);
        if (call.node->op)
            call.node->op->reference->forward(&call);
        if (run->mode == RUN_TRAINING)
            clear_gradient(run, i);
    }
}

static bool is_output(const struct reference_run *run, int node) {
    for (int i = 0; i < run->graph->output_count; i++)
        if (run->graph->outputs[i].from == node)
            return true;
    return false;
}

void reference_run_backward(struct reference_run *run) {
    TG_ASSERT(run->mode == RUN_TRAINING);
    memset(run->gradients, 0, graph_value_count(run->graph) * sizeof(double));
    for (int i = 0; i < run->graph->node_count; i++)
        if (!is_output(run, i))
            clear_gradient(run, i);
    for (int i = run->graph->node_count - 1; i >= 0; i--) {
        struct reference_call call = call_of(run, i);
        if (call.node->op)
            call.node->op->reference->backward(&call);
    }
}

const double *reference_run_gradients(const struct reference_run *run) {
    return run->gradients;
}

const double *reference_run_input_gradient(const struct reference_run *run, int index) {
    int node = input_node(run, index);
    return node < 0 ? NULL : run->of[node].gradient;
}
