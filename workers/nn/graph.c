/* graph.c - see graph.h: building, names, limits. The operators themselves are in op_*.c.
 *
 * Nodes stand in the order in which they were built, and a node's inputs come before it: so walking the array
 * from its start is a forward pass, from its end a backward pass, and nothing is ever sorted. An index
 * (tensor) stays what it is, while the array may move when it grows: keep no pointer to a node across a
 * builder function.
 *
 * Parameters get their place in a model's array of values as they are made (offset), which is also their
 * order in checkpoints. The names are what checkpoints go by, so a builder that changes them makes old files
 * unreadable.
 *
 * Failing late. A description comes from a stranger and may be wrong anywhere. The first problem is kept,
 * everything after it does nothing, and graph_finish reports it: a zoo file has no error paths, and the
 * message names the first node that did not fit and not one that merely followed.
 *
 * Limits are checked before sizes are multiplied (shape_sane divides), since the numbers are the stranger's
 * too.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workers/nn/op.h"

/* Far beyond any network that a machine of ours can train; a description from a stranger must not exhaust
 * memory. */
#define GRAPH_VALUES_MAX  ((size_t)1 << 30)
#define NODE_ELEMENTS_MAX ((size_t)1 << 26)

size_t shape_elements(struct shape shape) {
    size_t elements = 1;
    for (int i = 0; i < shape.rank; i++)
        elements *= (size_t)shape.dim[i];
    return elements;
}

bool shape_equal(struct shape a, struct shape b) {
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i])
            return false;
    return true;
}

int shape_channels(struct shape shape) {
    return shape.rank > 0 ? shape.dim[shape.rank - 1] : 1;
}

const char *shape_text(struct shape shape, char out[64]) {
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < shape.rank && used < 48; i++)
        used += (size_t)snprintf(out + used, 64 - used, i ? "x%d" : "%d", shape.dim[i]);
    return out;
}

static bool shape_sane(struct shape shape) {
    size_t elements = 1;
    if (shape.rank < 1 || shape.rank > RANK_MAX)
        return false;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] < 1 || (size_t)shape.dim[i] > NODE_ELEMENTS_MAX / elements)
            return false;
        elements *= (size_t)shape.dim[i];
    }
    return true;
}

struct graph *graph_create(void) {
    return calloc(1, sizeof(struct graph));
}

void graph_destroy(struct graph *graph) {
    if (!graph)
        return;
    free(graph->nodes);
    free(graph->params);
    free(graph);
}

tensor graph_fail(struct graph *graph, const char *node, const char *format, ...) {
    if (graph->problem.error)
        return NO_TENSOR;
    char detail[PROBLEM_DETAIL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    problem_set(&graph->problem, TG_EINVALID, node, "%s", detail);
    return NO_TENSOR;
}

/* Makes room for one more element; false (and the problem) when there is none. */
static bool grow(struct graph *graph, void **array, int *room, int count, int limit, size_t size) {
    if (count < *room)
        return true;
    int more = *room ? *room * 2 : 64;
    void *grown = count < limit ? realloc(*array, (size_t)more * size) : NULL;
    if (!grown) {
        if (!graph->problem.error)
            problem_set(&graph->problem, count < limit ? TG_ENO_MEMORY : TG_EOUT_OF_RANGE, "architecture",
                        "has too many operators or parameters (%d)", count);
        return false;
    }
    *array = grown;
    *room = more;
    return true;
}

struct node *graph_node(struct graph *graph, const char *name, const struct op *op, int count,
                        const tensor *inputs) {
    TG_ASSERT(!graph->finished && count <= NODE_INPUTS_MAX && (!op || op->reference));
    if (graph->problem.error)
        return NULL;
    for (int i = 0; i < count; i++)
        TG_ASSERT(inputs[i] >= 0 && inputs[i] < graph->node_count);
    if (!grow(graph, (void **)&graph->nodes, &graph->node_room, graph->node_count, GRAPH_NODES_MAX,
              sizeof(struct node)))
        return NULL;
    struct node *node = &graph->nodes[graph->node_count++];
    *node = (struct node){.op = op, .input_count = count};
    snprintf(node->name, sizeof node->name, "%s", name);
    for (int i = 0; i < count; i++) {
        node->in[i] = inputs[i];
        node->in_shape[i] = graph->nodes[inputs[i]].shape;
    }
    node->shape = count ? node->in_shape[0] : (struct shape){0};
    return node;
}

tensor graph_newest(const struct graph *graph) {
    return graph->problem.error ? NO_TENSOR : graph->node_count - 1;
}

static struct param *new_param(struct graph *graph, const char *suffix, struct shape shape,
                               enum param_init init) {
    if (graph->problem.error || !grow(graph, (void **)&graph->params, &graph->param_room, graph->param_count,
                                      GRAPH_NODES_MAX * NODE_PARAMS_MAX, sizeof(struct param)))
        return NULL;
    struct node *node = &graph->nodes[graph->node_count - 1];
    if (!shape_sane(shape) || graph->value_count + shape_elements(shape) > GRAPH_VALUES_MAX) {
        char text[64];
        problem_set(&graph->problem, TG_EOUT_OF_RANGE, node->name,
                    "its %s of %s would pass the limit of %zu parameters", suffix, shape_text(shape, text),
                    GRAPH_VALUES_MAX);
        return NULL;
    }
    TG_ASSERT(node->param_count < NODE_PARAMS_MAX);
    node->param[node->param_count++] = graph->param_count;
    struct param *param = &graph->params[graph->param_count++];
    *param = (struct param){.shape = shape, .init = init, .offset = graph->value_count};
    snprintf(param->name, sizeof param->name, "%s.%s", node->name, suffix);
    graph->value_count += shape_elements(shape);
    return param;
}

void graph_param(struct graph *graph, const char *suffix, struct shape shape, enum param_init init,
                 int fan_in, int fan_out) {
    struct param *param = new_param(graph, suffix, shape, init);
    if (!param)
        return;
    param->trained = true;
    param->decayed = init == INIT_HE || init == INIT_GLOROT;
    param->fan_in = fan_in;
    param->fan_out = fan_out;
}

void graph_state(struct graph *graph, const char *suffix, struct shape shape, enum param_init init) {
    (void)new_param(graph, suffix, shape, init);
}

tensor graph_input(struct graph *graph, const char *name, struct shape shape) {
    char text[64];
    if (!shape_sane(shape))
        return graph_fail(graph, name, "an input of shape %s is out of range", shape_text(shape, text));
    struct node *node = graph_node(graph, name, NULL, 0, NULL);
    if (node)
        node->shape = shape;
    return graph_newest(graph);
}

void graph_output(struct graph *graph, const char *name, tensor from) {
    if (graph->problem.error || from == NO_TENSOR)
        return;
    TG_ASSERT(graph->output_count < GRAPH_OUTPUTS_MAX);
    struct graph_output *output = &graph->outputs[graph->output_count++];
    output->from = from;
    snprintf(output->name, sizeof output->name, "%s", name);
}

int graph_finish(struct graph *graph, struct problem *problem) {
    for (int i = 0; i < graph->node_count && !graph->problem.error; i++)
        if (!shape_sane(graph->nodes[i].shape)) {
            char text[64];
            graph_fail(graph, graph->nodes[i].name, "its result of shape %s is out of range",
                       shape_text(graph->nodes[i].shape, text));
        }
    if (!graph->problem.error && !graph->output_count)
        graph_fail(graph, "architecture", "has no output");
    if (graph->problem.error) {
        if (problem)
            *problem = graph->problem;
        return graph->problem.error;
    }
    graph->finished = true;
    return TG_OK;
}

struct shape graph_shape(const struct graph *graph, tensor x) {
    return x == NO_TENSOR ? SHAPE(1, 1, 1) : graph->nodes[x].shape;
}

static const struct node *input_node(const struct graph *graph, int index) {
    for (int i = 0; i < graph->node_count; i++)
        if (!graph->nodes[i].op && index-- == 0)
            return &graph->nodes[i];
    return NULL;
}

int graph_input_count(const struct graph *graph) {
    int count = 0;
    while (input_node(graph, count))
        count++;
    return count;
}

struct shape graph_input_shape(const struct graph *graph, int index) {
    const struct node *node = input_node(graph, index);
    TG_ASSERT(node);
    return node->shape;
}

int graph_output_count(const struct graph *graph) {
    return graph->output_count;
}

const char *graph_output_name(const struct graph *graph, int index) {
    TG_ASSERT(index >= 0 && index < graph->output_count);
    return graph->outputs[index].name;
}

struct shape graph_output_shape(const struct graph *graph, int index) {
    TG_ASSERT(index >= 0 && index < graph->output_count);
    return graph->nodes[graph->outputs[index].from].shape;
}
