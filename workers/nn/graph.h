/* graph.h - a network as a graph of operators with static shapes.
 *
 * A graph is built once, by the functions below (the zoo's files read like their papers' figures), and never
 * changes:
 *
 *     struct graph *graph = graph_create();
 *     tensor x = graph_input(graph, "planes", SHAPE(9, 9, 18));
 *     struct conv_spec wide = {.channels = 96, .kernel = {3, 3}, .padding = {1, 1}};
 *     x = graph_conv(graph, "stem.conv", x, &wide);
 *     x = graph_relu(graph, "stem.relu", graph_batch_norm(graph, "stem.norm", x));
 *     graph_output(graph, "features", x);
 *     error = graph_finish(graph, &problem);
 *
 * Shapes are those of one sample, channels innermost ({height, width, channels}, {tokens, width},
 * {features}); the batch is the outermost dimension and is chosen when the network runs. A builder function
 * that is given what does not fit remembers the first problem (it names the node and both shapes) and returns
 * NO_TENSOR, which every later builder passes on; graph_finish reports it. So a zoo file needs no error
 * handling of its own.
 *
 * The graph holds structure and parameter shapes, no numbers: those live in a model (model.h). One graph may
 * be shared by any number of threads once it is finished.
 */
#ifndef TENGEN_NN_GRAPH_H
#define TENGEN_NN_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/error.h"

enum { RANK_MAX = 4, NODE_INPUTS_MAX = 8, NODE_NAME_MAX = 96 };

struct shape {
    int rank;
    int dim[RANK_MAX];
};
#define SHAPE(...) ((struct shape){.rank = sizeof((int[]){__VA_ARGS__}) / sizeof(int), .dim = {__VA_ARGS__}})
size_t shape_elements(struct shape shape);
bool shape_equal(struct shape a, struct shape b);
int shape_channels(struct shape shape);                   /* the innermost dimension */
const char *shape_text(struct shape shape, char out[64]); /* "9x9x18"; returns out */

typedef int tensor; /* a node's result */
enum { NO_TENSOR = -1 };

struct graph;
struct graph *graph_create(void); /* NULL when memory is out */
void graph_destroy(struct graph *graph);

tensor graph_input(struct graph *graph, const char *name, struct shape shape);
/* Marks a result as an output of the network under `name` ("policy", "value"). */
void graph_output(struct graph *graph, const char *name, tensor from);
/* 0 when every call before it was fine; else the first problem: TG_EINVALID, TG_EOUT_OF_RANGE (too many
 * parameters or elements), TG_ENO_MEMORY. The graph is immutable afterwards. */
int graph_finish(struct graph *graph, struct problem *problem);

/* For whoever builds: remembers a problem of `node` if it is the first, and returns NO_TENSOR. */
tensor graph_fail(struct graph *graph, const char *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Convolution (cross-correlation, as everywhere in the field) over {height, width, channels}.
 * Zero-initialized members mean: kernel 1x1, stride 1, padding 0, dilation 1, groups 1, with bias. Weights
 * are [kernel][kernel][in / groups][out]. */
struct conv_spec {
    int channels;
    int kernel[2], stride[2], padding[2], dilation[2];
    int groups;
    bool no_bias;
};
tensor graph_conv(struct graph *graph, const char *name, tensor x, const struct conv_spec *spec);
/* The transpose of a convolution with this spec (Dumoulin & Visin 2016, 4): {h, w, c} -> {(h - 1) stride - 2
 * padding + dilation (kernel - 1) + 1 + extra, ...}; extra (NULL: 0) below the stride says which of the sizes
 * that the convolution would bring to h is meant. Weights are [kernel][kernel][out / groups][in]. */
tensor graph_conv_transpose(struct graph *graph, const char *name, tensor x, const struct conv_spec *spec,
                            const int extra[2]);
/* y = x W + b over the innermost dimension: {..., in} -> {..., out}. */
tensor graph_linear(struct graph *graph, const char *name, tensor x, int features, bool bias);
/* Ioffe & Szegedy 2015, over all but the channels. Running averages move by 0.1 a step (momentum 0.9); eps
 * 1e-5. */
tensor graph_batch_norm(struct graph *graph, const char *name, tensor x);
/* Ba et al. 2016, over the innermost dimension of each row; eps 1e-5. */
tensor graph_layer_norm(struct graph *graph, const char *name, tensor x);
tensor graph_relu(struct graph *graph, const char *name, tensor x);
tensor graph_gelu(struct graph *graph, const char *name, tensor x);
tensor graph_sigmoid(struct graph *graph, const char *name, tensor x);
tensor graph_tanh(struct graph *graph, const char *name, tensor x);
tensor graph_softmax(struct graph *graph, const char *name, tensor x); /* over the innermost dimension */
tensor graph_log_softmax(struct graph *graph, const char *name, tensor x);
tensor graph_dropout(struct graph *graph, const char *name, tensor x,
                     float rate);                                            /* rate: share that is dropped */
tensor graph_add(struct graph *graph, const char *name, tensor x, tensor y); /* same shapes */
tensor graph_concat(struct graph *graph, const char *name, int count,
                    const tensor *values); /* along channels */
tensor graph_reshape(struct graph *graph, const char *name, tensor x, struct shape shape);
struct pool_spec {
    int kernel[2], stride[2], padding[2];
    bool average; /* else maximum; padding never counts */
};
tensor graph_pool(struct graph *graph, const char *name, tensor x, const struct pool_spec *spec);
/* {h, w, c} -> {h * factor, w * factor, c}: by repetition, or bilinear with half-pixel centres (align_corners
 * off). */
tensor graph_upsample(struct graph *graph, const char *name, tensor x, int factor, bool bilinear);
/* y[h][w][c] = x[h][w][c] * gate[c]: the last step of squeeze-and-excitation. */
tensor graph_gate(struct graph *graph, const char *name, tensor x, tensor gate);
/* Hu et al. 2018: global average, linear to channels / reduction, ReLU, linear, sigmoid, gate. Adds the nodes
 * NAME.squeeze, ... */
tensor graph_squeeze_excite(struct graph *graph, const char *name, tensor x, int reduction);

/* {t} whole numbers below `vocabulary`, as floats -> {t, width}; a row of the table each, times sqrt(width)
 * (Vaswani et al. 2017, 3.4). An id out of range counts as 0, which by convention is padding. */
tensor graph_embedding(struct graph *graph, const char *name, tensor ids, int vocabulary, int width);
/* The same with the table of the embedding `first`, for a second list of ids. */
tensor graph_embedding_again(struct graph *graph, const char *name, tensor ids, tensor first);
/* Adds sines and cosines of the position (Vaswani et al. 2017, 3.5) to {t, width}. */
tensor graph_positions(struct graph *graph, const char *name, tensor x);
/* Scaled dot-product attention in `heads` parts of the width (Vaswani et al. 2017, 3.2), without the
 * projections around it: queries {tq, width}, keys and values {tk, width} -> {tq, width}. `keep` is {tk} with
 * 0 for keys that nobody may look at (padding), or NO_KEEP. causal: query i sees keys 0..i only (needs tq ==
 * tk). */
struct attention_spec {
    int heads;
    bool causal;
};
enum { NO_KEEP = -2 };
tensor graph_attention(struct graph *graph, const char *name, tensor queries, tensor keys, tensor values,
                       tensor keep, const struct attention_spec *spec);
tensor graph_global_average(struct graph *graph, const char *name, tensor x); /* {h, w, c} -> {c} */

/* The shape of a result while the graph is built; of NO_TENSOR: {1, 1, 1}, so that a failed graph can be
 * built on. */
struct shape graph_shape(const struct graph *graph, tensor x);

/* What a finished graph takes and gives, by number in order of creation. Names live as long as the graph. */
int graph_input_count(const struct graph *graph);
struct shape graph_input_shape(const struct graph *graph, int index);
int graph_output_count(const struct graph *graph);
const char *graph_output_name(const struct graph *graph, int index);
struct shape graph_output_shape(const struct graph *graph, int index);

#endif
