/* op.h - what an operator is: the inside of the graph, for the files that implement operators and for the
 * planner.
 *
 * An operator is a forward/backward pair on plain float arrays. Rules, the same for all:
 *   - outputs are written whole, gradients are added to (the runner clears a gradient before its first
 *     contribution);
 *   - `batch` samples at a time, channels innermost;
 *   - nothing is allocated: what must survive from forward to backward is in `saved`, what need not is in
 *     `scratch`;
 *   - din[i] is NULL where no gradient is wanted;
 *   - where din[0] is dout (views, and operators that allow it) the one is turned into the other in place.
 */
#ifndef TENGEN_NN_OP_H
#define TENGEN_NN_OP_H

#include <stdint.h>
#include "proto/base/rng.h"
#include "workers/nn/conv.h"
#include "workers/nn/graph.h"
#include "workers/nn/reference.h"

enum { NODE_PARAMS_MAX = 4 };
#define BATCH_NORM_EPSILON 1e-5f

enum param_init {
    INIT_ZERO,
    INIT_ONE,
    INIT_HE,     /* normal, variance 2 / fan in (He et al. 2015) */
    INIT_GLOROT, /* uniform, variance 2 / (fan in + fan out) (Glorot & Bengio 2010) */
};

/* A parameter (trained) or a state (running averages: kept in checkpoints, never trained). */
struct param {
    char name[NODE_NAME_MAX + 16]; /* "stem.conv.weight" */
    struct shape shape;
    enum param_init init;
    int fan_in, fan_out;
    bool trained;
    bool decayed;  /* weight decay applies: weights, not biases or scales */
    size_t offset; /* in a model's array of values */
};

struct node;

struct op_call {
    const struct node *node;
    int batch;
    bool training;
    bool fresh; /* dparam holds nothing yet; only operators that say `writes_dparam` see it set */
    bool fresh_din[NODE_INPUTS_MAX]; /* the same of each din and `writes_din` */
    bool rectify;                    /* a ReLU follows, which is done on the way; only of `rectifies` */
    const float *in[NODE_INPUTS_MAX];
    float *out;        /* forward: written; backward: read where the operator reads its output */
    const float *dout; /* backward */
    float *din[NODE_INPUTS_MAX];
    float *param[NODE_PARAMS_MAX];
    float *dparam[NODE_PARAMS_MAX];
    float *saved, *scratch;
    struct rng *rng; /* for dropout */
};

struct op {
    const char *name;
    bool backward_reads_input, backward_reads_output;
    bool writes_dparam;     /* heeds `fresh`; for the others the runner clears */
    bool writes_din;        /* heeds `fresh_din` */
    bool in_place;          /* out may be the memory of in[0] (same size) */
    bool view;              /* out is the memory of in[0], and dout of din[0] */
    bool gradient_in_place; /* din[0] may be the memory of dout: then it is written */
    bool rectifies;         /* heeds `rectify`, forward and backward */
    size_t (*saved)(const struct node *node, int batch); /* floats; NULL: none */
    size_t (*forward_scratch)(const struct node *node, int batch);
    size_t (*backward_scratch)(const struct node *node, int batch);
    void (*forward)(const struct op_call *call);
    void (*backward)(const struct op_call *call);
    const struct op_reference *reference; /* the same, naively (reference.h) */
};

struct node {
    char name[NODE_NAME_MAX];
    const struct op *op; /* NULL for an input */
    int input_count;
    tensor in[NODE_INPUTS_MAX];
    struct shape in_shape[NODE_INPUTS_MAX], shape;
    int param_count, param[NODE_PARAMS_MAX]; /* indices into the graph's parameters */
    union {
        struct conv_shape conv;
        struct pool_spec pool;
        struct attention_spec attention;
        float rate; /* dropout */
        int factor; /* upsampling */
    } spec;
};

struct graph_output {
    char name[NODE_NAME_MAX];
    tensor from;
};

enum { GRAPH_NODES_MAX = 4096, GRAPH_OUTPUTS_MAX = 16 };

struct graph {
    struct node *nodes;
    int node_count, node_room;
    struct param *params;
    int param_count, param_room;
    struct graph_output outputs[GRAPH_OUTPUTS_MAX];
    int output_count;
    size_t value_count; /* floats of all parameters and states */
    bool finished;
    struct problem problem; /* the first; error 0 while all is well */
};

/* For the files that add operators. */
/* A new node with its inputs' shapes filled in; NULL when the graph has failed or an input is NO_TENSOR. */
struct node *graph_node(struct graph *graph, const char *name, const struct op *op, int count,
                        const tensor *inputs);
/* Adds a parameter to the newest node. */
void graph_param(struct graph *graph, const char *suffix, struct shape shape, enum param_init init,
                 int fan_in, int fan_out);
void graph_state(struct graph *graph, const char *suffix, struct shape shape, enum param_init init);
tensor graph_newest(const struct graph *graph);

static inline size_t call_elements(const struct op_call *call) { /* of the output, over the batch */
    return (size_t)call->batch * shape_elements(call->node->shape);
}

static inline size_t node_rows(const struct node *node, int batch) { /* vectors of channels in the output */
    return (size_t)batch * shape_elements(node->shape) / (size_t)shape_channels(node->shape);
}

#endif
