/* vgg.c - VGG (Simonyan & Zisserman 2015): stacks of 3x3 convolutions, 2x2 maximum pooling between them.
 *
 *     3x3, 3x3, [3x3] -> pool -> 3x3, 3x3, ... -> pool -> ...
 *
 * The paper's network D is "64 64 / 128 128 / 256 256 256 / 512 512 512 / 512 512 512". Batch normalization,
 * which the paper did not have yet, follows each convolution; the two hidden layers of 4096 belong to the
 * classes head (option hidden). */
#include <stdio.h>
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

static const struct option_spec options[] = {
    {.name = "stages",
     .type = OPTION_STRING,
     .min = 1,
     .max = 400,
     .initial = "\"32 32 / 64 64 / 128 128\"",
     .help = "channels of each convolution: " STAGES_HELP},
    {.name = "pool",
     .type = OPTION_BOOL,
     .initial = "true",
     .help = "halve the resolution between stages (boards do not want it)"},
    {.name = NULL},
};

static tensor build(struct graph *graph, tensor x, const json_t *o, bool training, int classes) {
    (void)training;
    (void)classes;
    struct stages stages;
    char name[PART_NAME_MAX], inner[32];
    if (stages_parse(option_string(o, "stages"), &stages))
        return graph_fail(graph, "trunk.stages", "must be " STAGES_HELP);
    for (int s = 0; s < stages.count; s++) {
        if (s > 0 && option_bool(o, "pool"))
            x = graph_pool(graph, part_name(name, "stage", s, "pool"), x,
                           &(struct pool_spec){.kernel = {2, 2}});
        for (int i = 0; i < stages.layers[s]; i++) {
            snprintf(inner, sizeof inner, "layer%d", i);
            x = conv_norm_relu(graph, part_name(name, "stage", s, inner), x, stages.value[s][i], 3, 1);
        }
    }
    return x;
}

const struct trunk_family trunk_vgg = {
    "vgg", "Simonyan & Zisserman 2015", "stacks of 3x3 convolutions", options, build, NULL};
