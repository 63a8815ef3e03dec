/* densenet.c - densely connected networks (Huang et al. 2017).
 *
 *     within a block every layer sees all before it:   x_i = H([x_0, x_1, ... x_{i-1}])
 *     H: norm relu 1x1 (4 growth) norm relu 3x3 (growth) with the bottleneck ("B"), else norm relu 3x3 (growth)
 *     between blocks: norm, 1x1 to `compression` times the channels ("C"), 2x2 average pooling
 *
 * DenseNet-BC-100 of the paper, growth 12, is blocks "16 / 16 / 16". */
#include <stdio.h>
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

#define BLOCKS_HELP "layers of each block, one number each, between /"

static const struct option_spec options[] = {
    {.name = "blocks",
     .type = OPTION_STRING,
     .min = 1,
     .max = 100,
     .initial = "\"8 / 8 / 8\"",
     .help = BLOCKS_HELP},
    {.name = "growth",
     .type = OPTION_INT,
     .min = 1,
     .max = 512,
     .initial = "12",
     .unit = "channels",
     .help = "what each layer adds"},
    {.name = "bottleneck",
     .type = OPTION_BOOL,
     .initial = "true",
     .help = "a 1x1 convolution to 4 times the growth first"},
    {.name = "compression",
     .type = OPTION_NUMBER,
     .min = 0.1,
     .max = 1,
     .initial = "0.5",
     .help = "share of the channels that a transition keeps"},
    {.name = "pool",
     .type = OPTION_BOOL,
     .initial = "true",
     .help = "halve the resolution between blocks (boards do not want it)"},
    {.name = "stem_stride",
     .type = OPTION_INT,
     .min = 1,
     .max = 2,
     .initial = "1",
     .help = "2: the first convolution halves the resolution, as in the paper's networks for large images "
             "(boards do not want it)"},
    {.name = NULL},
};

/* norm - relu - convolution, the order of this paper. */
static tensor norm_relu_conv(struct graph *graph, const char *prefix, tensor x, int channels, int kernel) {
    char name[PART_NAME_MAX];
    x = graph_batch_norm(graph, part_name(name, prefix, -1, "norm"), x);
    x = graph_relu(graph, part_name(name, prefix, -1, "relu"), x);
    struct conv_spec spec = {.channels = channels,
                             .kernel = {kernel, kernel},
                             .padding = {kernel / 2, kernel / 2},
                             .no_bias = true};
    return graph_conv(graph, part_name(name, prefix, -1, "conv"), x, &spec);
}

static tensor dense_layer(struct graph *graph, const char *layer, tensor x, int growth, bool bottleneck) {
    char name[PART_NAME_MAX];
    tensor added = x;
    if (bottleneck)
        added = norm_relu_conv(graph, part_name(name, layer, -1, "reduce"), added, 4 * growth, 1);
    added = norm_relu_conv(graph, part_name(name, layer, -1, "grow"), added, growth, 3);
    return graph_concat(graph, part_name(name, layer, -1, "concat"), 2, (tensor[]){x, added});
}

static tensor transition(struct graph *graph, int number, tensor x, int channels, bool pool) {
    char prefix[32], name[PART_NAME_MAX];
    snprintf(prefix, sizeof prefix, "transition%d", number);
    x = norm_relu_conv(graph, prefix, x, channels, 1);
    if (!pool)
        return x;
    return graph_pool(graph, part_name(name, prefix, -1, "pool"), x,
                      &(struct pool_spec){.kernel = {2, 2}, .average = true});
}

/* The stages notation with one number a block; -1 when it is not of this form. */
static int blocks_parse(const char *text, struct stages *out) {
    int error = stages_parse(text, out);
    for (int b = 0; b < out->count && !error; b++)
        error = out->layers[b] == 1 ? 0 : -1;
    return error;
}

static tensor build(struct graph *graph, tensor x, const json_t *o, bool training, int classes) {
    (void)training;
    (void)classes;
    struct stages blocks;
    if (blocks_parse(option_string(o, "blocks"), &blocks))
        return graph_fail(graph, "trunk.blocks", "must be " BLOCKS_HELP);
    int growth = (int)option_int(o, "growth"), channels = 2 * growth;
    int stride = (int)option_int(o, "stem_stride");
    struct conv_spec stem = {.channels = channels,
                             .kernel = {3, 3},
                             .stride = {stride, stride},
                             .padding = {1, 1},
                             .no_bias = true};
    x = graph_conv(graph, "stem.conv", x, &stem);
    for (int b = 0; b < blocks.count; b++) {
        for (int i = 0; i < blocks.value[b][0]; i++) {
            char name[40];
            snprintf(name, sizeof name, "block%d.layer%d", b, i);
            x = dense_layer(graph, name, x, growth, option_bool(o, "bottleneck"));
            channels += growth;
        }
        if (b + 1 < blocks.count) {
            channels = (int)(option_number(o, "compression") * channels);
            channels = channels > 0 ? channels : 1;
            x = transition(graph, b, x, channels, option_bool(o, "pool"));
        }
    }
    return graph_relu(graph, "end.relu", graph_batch_norm(graph, "end.norm", x));
}

const struct trunk_family trunk_densenet = {
    "densenet", "Huang et al. 2017", "every layer sees all before it", options, build, NULL};
