/* googlenet.c - GoogLeNet (Szegedy et al. 2014): inception modules.
 *
 *            +-- 1x1 --------+
 *     x -----+-- 1x1 -- 3x3 -+-- concat
 *            +-- 1x1 -- 5x5 -+
 *            +-- pool - 1x1 -+
 *
 * The channels are the paper's table 1 (modules 3a to 5b) times `width`. Images here are small, so the stem
 * is one 3x3 convolution, with stride 2 at most, instead of the 7x7 with stride 2 and two poolings. Two
 * auxiliary classifiers hang on modules 4a and 4d in training (the paper adds their losses with weight 0.3):
 *
 *     x -- 1x1 to 128 width -- global average (the paper's: 5x5, stride 3, before the 1x1)
 *       -- hidden, 1024 width -- ReLU -- dropout 0.7 -- classes
 */
#include <stdio.h>
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

static const struct option_spec options[] = {
    {.name = "width",
     .type = OPTION_NUMBER,
     .min = 0.05,
     .max = 2,
     .initial = "0.25",
     .help = "channels, as a share of the paper's"},
    {.name = "pool",
     .type = OPTION_BOOL,
     .initial = "true",
     .help = "halve the resolution between stages (boards do not want it)"},
    {.name = "stem_stride",
     .type = OPTION_INT,
     .min = 1,
     .max = 2,
     .initial = "1",
     .help = "2: the first convolution halves the resolution, as in the paper (boards do not want it)"},
    {.name = NULL},
};

struct module {
    const char *name;
    int point, reduce3, three, reduce5, five, pooled;
    bool pool_before, classifier_after;
};

static const struct module modules[] = {
    {"3a", 64, 96, 128, 16, 32, 32, false, false},     {"3b", 128, 128, 192, 32, 96, 64, false, false},
    {"4a", 192, 96, 208, 16, 48, 64, true, true},      {"4b", 160, 112, 224, 24, 64, 64, false, false},
    {"4c", 128, 128, 256, 24, 64, 64, false, false},   {"4d", 112, 144, 288, 32, 64, 64, false, true},
    {"4e", 256, 160, 320, 32, 128, 128, false, false}, {"5a", 256, 160, 320, 32, 128, 128, true, false},
    {"5b", 384, 192, 384, 48, 128, 128, false, false},
};

static int scaled(int channels, double width) {
    int result = (int)(channels * width + 0.5);
    return result < 4 ? 4 : result;
}

static tensor part(struct graph *graph, const char *module, const char *suffix, tensor x, int channels,
                   int kernel, double width) {
    char name[PART_NAME_MAX];
    return conv_norm_relu(graph, part_name(name, module, -1, suffix), x, scaled(channels, width), kernel, 1);
}

static tensor inception(struct graph *graph, const struct module *m, tensor x, double width) {
    char name[PART_NAME_MAX], module[16];
    snprintf(module, sizeof module, "module%s", m->name);
    struct pool_spec same = {.kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}};
    tensor branches[] = {part(graph, module, "point", x, m->point, 1, width),
                         part(graph, module, "three", part(graph, module, "reduce3", x, m->reduce3, 1, width),
                              m->three, 3, width),
                         part(graph, module, "five", part(graph, module, "reduce5", x, m->reduce5, 1, width),
                              m->five, 5, width),
                         part(graph, module, "pooled",
                              graph_pool(graph, part_name(name, module, -1, "pool"), x, &same), m->pooled, 1,
                              width)};
    return graph_concat(graph, part_name(name, module, -1, "concat"), 4, branches);
}

static void auxiliary(struct graph *graph, int number, tensor x, int classes, double width) {
    char prefix[16], name[PART_NAME_MAX];
    snprintf(prefix, sizeof prefix, "aux%d", number);
    x = conv_norm_relu(graph, part_name(name, prefix, -1, "point"), x, scaled(128, width), 1, 1);
    x = graph_global_average(graph, part_name(name, prefix, -1, "pool"), x);
    x = graph_linear(graph, part_name(name, prefix, -1, "hidden"), x, scaled(1024, width), true);
    x = graph_dropout(graph, part_name(name, prefix, -1, "dropout"),
                      graph_relu(graph, part_name(name, prefix, -1, "relu"), x), 0.7f);
    graph_output(graph, prefix,
                 graph_linear(graph, part_name(name, prefix, -1, "classes"), x, classes, true));
}

static tensor build(struct graph *graph, tensor x, const json_t *o, bool training, int classes) {
    double width = option_number(o, "width");
    char name[PART_NAME_MAX];
    int classifiers = 0;
    x = conv_norm_relu(graph, "stem", x, scaled(192, width), 3, (int)option_int(o, "stem_stride"));
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        if (modules[i].pool_before && option_bool(o, "pool"))
            x = graph_pool(graph, part_name(name, "before", (int)i, "pool"), x,
                           &(struct pool_spec){.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
        x = inception(graph, &modules[i], x, width);
        if (modules[i].classifier_after && training && classes > 0)
            auxiliary(graph, ++classifiers, x, classes, width);
    }
    return x;
}

const struct trunk_family trunk_googlenet = {
    "googlenet", "Szegedy et al. 2014", "inception modules", options, build, NULL};
