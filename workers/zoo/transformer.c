/* transformer.c - the Transformer (Vaswani et al. 2017). What the input is decides the form:
 *
 *     planes            encoder over the points of a board or the patches of an image (Dosovitskiy et al. 2021)
 *     tokens            encoder over a sequence
 *     tokens, target    the paper's encoder and decoder
 *
 *     patches or embedding -> + positions -> N times { attention, feed-forward } ----------+-> features
 *                                                                                          |
 *                                       N times { causal attention,                        |
 *     target embedding -> + positions ->          attention to the other sequence <--------+
 *                                                 feed-forward } -> features
 *
 * Each sublayer has a shortcut around it. norm_first (the later form: normalize, sublayer, add, and one more
 * normalization at the end) trains without warm-up and is the default; the paper's own form normalizes after
 * the addition. Positions are the paper's sines. Both sequences share one embedding, scaled by the root of
 * the width; the paper shares it with the last layer too, which here has weights of its own. Token 0 is
 * padding: no query sees it as a key. */
#include <stdio.h>
#include <string.h>
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

static const char *const activations[] = {"gelu", "relu", NULL};
static const struct option_spec options[] = {
    {.name = "patch",
     .type = OPTION_INT,
     .min = 1,
     .max = 64,
     .initial = "1",
     .unit = "points",
     .help = "side of a patch of planes; 1: every point is a token"},
    {.name = "layers",
     .type = OPTION_INT,
     .min = 1,
     .max = 64,
     .initial = "4",
     .help = "encoder layers, and as many of the decoder"},
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
     .help = "after each sublayer, and after the embedding of tokens"},
    {.name = "activation",
     .type = OPTION_CHOICE,
     .choices = activations,
     .initial = "\"gelu\"",
     .help = "inside the feed-forward layer; the paper's is relu"},
    {.name = "norm_first",
     .type = OPTION_BOOL,
     .initial = "true",
     .help = "normalize before a sublayer instead of after"},
    {.name = NULL},
};

/* The options of a layer, and of what its sublayers share. */
struct layers {
    int width, heads, feed_forward;
    float dropout;
    bool norm_first, relu;
};

static struct layers layers_of(const json_t *o) {
    return (struct layers){.width = (int)option_int(o, "width"),
                           .heads = (int)option_int(o, "heads"),
                           .feed_forward = (int)option_int(o, "feed_forward"),
                           .dropout = (float)option_number(o, "dropout"),
                           .norm_first = option_bool(o, "norm_first"),
                           .relu = !strcmp(option_string(o, "activation"), "relu")};
}

static tensor drop(struct graph *graph, const char *prefix, const struct layers *l, tensor x) {
    char name[PART_NAME_MAX];
    return l->dropout > 0 ? graph_dropout(graph, part_name(name, prefix, -1, "dropout"), x, l->dropout) : x;
}

static tensor project(struct graph *graph, const char *prefix, const char *suffix, tensor x, int width) {
    char name[PART_NAME_MAX];
    return graph_linear(graph, part_name(name, prefix, -1, suffix), x, width, true);
}

/* What a sublayer reads, and what becomes of its result. */
static tensor sublayer_begin(struct graph *graph, const char *prefix, const struct layers *l, tensor x) {
    char name[PART_NAME_MAX];
    return l->norm_first ? graph_layer_norm(graph, part_name(name, prefix, -1, "norm"), x) : x;
}

static tensor sublayer_end(struct graph *graph, const char *prefix, const struct layers *l, tensor x,
                           tensor y) {
    char name[PART_NAME_MAX];
    x = graph_add(graph, part_name(name, prefix, -1, "add"), x, drop(graph, prefix, l, y));
    return l->norm_first ? x : graph_layer_norm(graph, part_name(name, prefix, -1, "norm"), x);
}

/* Where an attention looks. */
struct view {
    tensor memory; /* NO_TENSOR: at its own sequence */
    tensor keep;
    bool causal;
};

static tensor attend(struct graph *graph, const char *prefix, const struct layers *l, tensor x,
                     const struct view *view) {
    char name[PART_NAME_MAX];
    tensor from = sublayer_begin(graph, prefix, l, x);
    tensor to = view->memory == NO_TENSOR ? from : view->memory;
    tensor q = project(graph, prefix, "query", from, l->width);
    tensor k = project(graph, prefix, "key", to, l->width);
    tensor v = project(graph, prefix, "value", to, l->width);
    tensor y = graph_attention(graph, part_name(name, prefix, -1, "attention"), q, k, v, view->keep,
                               &(struct attention_spec){.heads = l->heads, .causal = view->causal});
    return sublayer_end(graph, prefix, l, x, project(graph, prefix, "output", y, l->width));
}

static tensor feed_forward(struct graph *graph, const char *prefix, const struct layers *l, tensor x) {
    char name[PART_NAME_MAX];
    tensor y = project(graph, prefix, "widen", sublayer_begin(graph, prefix, l, x), l->feed_forward);
    y = l->relu ? graph_relu(graph, part_name(name, prefix, -1, "relu"), y)
                : graph_gelu(graph, part_name(name, prefix, -1, "gelu"), y);
    return sublayer_end(graph, prefix, l, x, project(graph, prefix, "narrow", y, l->width));
}

static tensor end_norm(struct graph *graph, const char *name, const struct layers *l, tensor x) {
    return l->norm_first ? graph_layer_norm(graph, name, x) : x;
}

static tensor encoder(struct graph *graph, const struct layers *l, int count, tensor x, tensor keep) {
    for (int i = 0; i < count; i++) {
        char prefix[40];
        snprintf(prefix, sizeof prefix, "layer%d.attend", i);
        x = attend(graph, prefix, l, x, &(struct view){.memory = NO_TENSOR, .keep = keep});
        snprintf(prefix, sizeof prefix, "layer%d.feed_forward", i);
        x = feed_forward(graph, prefix, l, x);
    }
    return end_norm(graph, "end.norm", l, x);
}

/* Padding at the target's end needs no mask: what comes before it does not see it. */
static tensor decoder(struct graph *graph, const struct layers *l, int count, tensor x, tensor memory,
                      tensor keep) {
    for (int i = 0; i < count; i++) {
        char prefix[40];
        snprintf(prefix, sizeof prefix, "decoder%d.attend", i);
        x = attend(graph, prefix, l, x, &(struct view){.memory = NO_TENSOR, .keep = NO_KEEP, .causal = true});
        snprintf(prefix, sizeof prefix, "decoder%d.cross", i);
        x = attend(graph, prefix, l, x, &(struct view){.memory = memory, .keep = keep});
        snprintf(prefix, sizeof prefix, "decoder%d.feed_forward", i);
        x = feed_forward(graph, prefix, l, x);
    }
    return end_norm(graph, "decoder.norm", l, x);
}

static tensor build(struct graph *graph, tensor x, const json_t *o, bool training, int classes) {
    (void)training;
    (void)classes;
    struct layers l = layers_of(o);
    int patch = (int)option_int(o, "patch");
    const struct shape image = graph_shape(graph, x);
    if (image.dim[0] % patch || image.dim[1] % patch)
        return graph_fail(
            graph, "patches",
            "patches of %dx%d do not cut %dx%d points without a rest; choose a patch that divides both",
            patch, patch, image.dim[0], image.dim[1]);
    struct conv_spec cut = {.channels = l.width, .kernel = {patch, patch}, .stride = {patch, patch}};
    x = graph_conv(graph, "patches", x, &cut);
    struct shape grid = graph_shape(graph, x);
    x = graph_reshape(graph, "tokens", x, SHAPE(grid.dim[0] * grid.dim[1], l.width));
    x = graph_positions(graph, "positions", x);
    x = encoder(graph, &l, (int)option_int(o, "layers"), x, NO_KEEP);
    return graph_reshape(graph, "grid", x, grid);
}

static tensor build_tokens(struct graph *graph, const struct token_input *input, const json_t *o) {
    struct layers l = layers_of(o);
    int layers = (int)option_int(o, "layers");
    tensor words = graph_embedding(graph, "embedding", input->source, input->vocabulary, l.width);
    tensor x = drop(graph, "source", &l, graph_positions(graph, "source.positions", words));
    x = encoder(graph, &l, layers, x, input->source);
    if (input->has_target) {
        tensor y = graph_embedding_again(graph, "target.embedding", input->target, words);
        y = drop(graph, "target", &l, graph_positions(graph, "target.positions", y));
        x = decoder(graph, &l, layers, y, x, input->source);
    }
    return graph_reshape(graph, "grid", x, SHAPE(graph_shape(graph, x).dim[0], 1, l.width));
}

const struct trunk_family trunk_transformer = {"transformer",
                                               "Vaswani et al. 2017; Dosovitskiy et al. 2021",
                                               "attention between points, patches or tokens",
                                               options,
                                               build,
                                               build_tokens};
