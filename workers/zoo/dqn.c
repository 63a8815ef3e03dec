/* dqn.c - the trunks of the DQN papers; the q head (plain or dueling) makes them whole.
 *
 *     2013     8x8 stride 4, 16 - 4x4 stride 2, 32 - 256          Mnih et al. 2013, 84x84x4
 *     nature   8x8 stride 4, 32 - 4x4 stride 2, 64 - 3x3, 64 - 512   Mnih et al. 2015, 84x84x4
 *     minatar  3x3, 16 - 128                                      Young & Tian 2019, 10x10xC
 */
#include <stdio.h>
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

static const char *const forms[] = {"2013", "nature", "minatar", NULL};
static const struct option_spec options[] = {
    {.name = "form",
     .type = OPTION_CHOICE,
     .choices = forms,
     .initial = "\"minatar\"",
     .help = "which paper's"},
    {.name = NULL},
};

struct layer {
    int channels, kernel, stride;
};
struct form {
    int layers;
    struct layer layer[3];
    int hidden;
};

static const struct form shapes[] = {
    {2, {{16, 8, 4}, {32, 4, 2}}, 256},
    {3, {{32, 8, 4}, {64, 4, 2}, {64, 3, 1}}, 512},
    {1, {{16, 3, 1}}, 128},
};

static tensor build(struct graph *graph, tensor x, const json_t *o, bool training, int classes) {
    (void)training;
    (void)classes;
    const struct form *form = &shapes[choice_index(forms, option_string(o, "form"))];
    for (int i = 0; i < form->layers; i++) {
        const struct layer *l = &form->layer[i];
        char name[PART_NAME_MAX];
        struct conv_spec spec = {
            .channels = l->channels, .kernel = {l->kernel, l->kernel}, .stride = {l->stride, l->stride}};
        x = graph_relu(graph, part_name(name, "layer", i, "relu"),
                       graph_conv(graph, part_name(name, "layer", i, "conv"), x, &spec));
    }
    struct shape shape = graph_shape(graph, x);
    x = graph_reshape(graph, "flat", x, SHAPE(1, 1, (int)shape_elements(shape)));
    return graph_relu(graph, "hidden.relu", graph_linear(graph, "hidden", x, form->hidden, true));
}

const struct trunk_family trunk_dqn = {
    "dqn", "Mnih et al. 2013, 2015; Young & Tian 2019", "the networks of the DQN papers", options, build,
    NULL};
