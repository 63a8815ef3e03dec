/* transformer.c - the Transformer's encoder (Vaswani et al. 2017) over the points of a board or the patches
 * of an image (Dosovitskiy et al. 2021).
 *
 *     patches -> linear -> + positions -> N times { attention, feed-forward }, each with a shortcut ->
 * features
 *
 * norm_first (the later form: normalize, sublayer, add) trains without warm-up and is the default; the
 * paper's own form normalizes after the addition. Positions are the paper's sines. */
#include <stdio.h>
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

static const struct option_spec options[] = {
    {.name = "patch",
     .type = OPTION_INT,
     .min = 1,
     .max = 64,
     .initial = "1",
     .unit = "points",
     .help = "side of a patch; 1: every point is a token"},
    {.name = "layers", .type = OPTION_INT, .min = 1, .max = 64, .initial = "4", .help = "encoder layers"},
    {.name = "width",
     .type = OPTION_INT,
     .min = 4,
     .max = 4096,
     .initial = "64",
     .unit = "channels",
     .help = "width of a token"},
    {.name = "heads",
     .type = OPTION_INT,
     .min = 1,
     .max = 64,
     .initial = "4",
     .help = "attention heads; must divide the width"},
    {.name = "feed_forward",
     .type = OPTION_INT,
     .min = 4,
     .max = 16384,
     .initial = "256",
     .unit = "channels",
     .help = "width inside the feed-forward layer"},
    {.name = "dropout",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 0.9,
     .initial = "0.0",
     .help = "after each sublayer"},
    {.name = "norm_first",
     .type = OPTION_BOOL,
     .initial = "true",
     .help = "normalize before a sublayer instead of after"},
    {.name = NULL},
};

static tensor attend(struct graph *graph, const char *layer, tensor x, int width, int heads) {
    char name[PART_NAME_MAX];
    tensor q = graph_linear(graph, part_name(name, layer, -1, "query"), x, width, true);
    tensor k = graph_linear(graph, part_name(name, layer, -1, "key"), x, width, true);
    tensor v = graph_linear(graph, part_name(name, layer, -1, "value"), x, width, true);
    x = graph_attention(graph, part_name(name, layer, -1, "attention"), q, k, v, NO_KEEP,
                        &(struct attention_spec){.heads = heads});
    return graph_linear(graph, part_name(name, layer, -1, "output"), x, width, true);
}

static tensor feed_forward(struct graph *graph, const char *layer, tensor x, int width, int inner) {
    char name[PART_NAME_MAX];
    x = graph_linear(graph, part_name(name, layer, -1, "widen"), x, inner, true);
    x = graph_gelu(graph, part_name(name, layer, -1, "gelu"), x);
    return graph_linear(graph, part_name(name, layer, -1, "narrow"), x, width, true);
}

static tensor encoder_layer(struct graph *graph, int number, tensor x, const json_t *o) {
    int width = (int)option_int(o, "width");
    bool first = option_bool(o, "norm_first");
    for (int sublayer = 0; sublayer < 2; sublayer++) {
        char layer[40], name[PART_NAME_MAX];
        snprintf(layer, sizeof layer, "layer%d.%s", number, sublayer ? "feed_forward" : "attend");
        part_name(name, layer, -1, "norm");
        tensor y = first ? graph_layer_norm(graph, name, x) : x;
        y = sublayer ? feed_forward(graph, layer, y, width, (int)option_int(o, "feed_forward"))
                     : attend(graph, layer, y, width, (int)option_int(o, "heads"));
        if (option_number(o, "dropout") > 0)
            y = graph_dropout(graph, part_name(name, layer, -1, "dropout"), y,
                              (float)option_number(o, "dropout"));
        x = graph_add(graph, part_name(name, layer, -1, "add"), x, y);
        if (!first)
            x = graph_layer_norm(graph, part_name(name, layer, -1, "norm"), x);
    }
    return x;
}

static tensor build(struct graph *graph, tensor x, const json_t *o, bool training, int classes) {
    (void)training;
    (void)classes;
    int patch = (int)option_int(o, "patch"), width = (int)option_int(o, "width");
    struct conv_spec cut = {.channels = width, .kernel = {patch, patch}, .stride = {patch, patch}};
    x = graph_conv(graph, "patches", x, &cut);
    struct shape grid = graph_shape(graph, x);
    x = graph_reshape(graph, "tokens", x, SHAPE(grid.dim[0] * grid.dim[1], width));
    x = graph_positions(graph, "positions", x);
    for (int i = 0; i < option_int(o, "layers"); i++)
        x = encoder_layer(graph, i, x, o);
    if (option_bool(o, "norm_first"))
        x = graph_layer_norm(graph, "end.norm", x);
    return graph_reshape(graph, "grid", x, grid);
}

const struct trunk_family trunk_transformer = {"transformer", "Vaswani et al. 2017; Dosovitskiy et al. 2021",
                                               "attention between points or patches", options, build};
