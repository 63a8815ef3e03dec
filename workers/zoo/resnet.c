/* resnet.c - residual networks (He et al. 2015; pre-activation: He et al. 2016).
 *
 *     basic             bottleneck               preactivation
 *     x -- 3x3 - 3x3 -+-   x -- 1x1 - 3x3 - 1x1 -+-    x -- norm relu 3x3 - norm relu 3x3 -+-
 *      \______________/     \____________________/      \__________________________________/
 *
 * Normalization follows each convolution and ReLU follows it and the sum (not in the third form). A stage
 * after the first begins with stride 2; where shapes differ the shortcut is a 1x1 convolution (the papers'
 * option B). The paper's CIFAR-10 network of 20 layers is "16x3 / 32x3 / 64x3"; a tower for boards has one
 * stage. */
#include <stdio.h>
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

static const char *const forms[] = {"basic", "bottleneck", "preactivation", NULL};
static const struct option_spec options[] = {
    {.name = "stages",
     .type = OPTION_STRING,
     .min = 1,
     .max = 400,
     .initial = "\"64x6\"",
     .help = "channels of each block: " STAGES_HELP},
    {.name = "form",
     .type = OPTION_CHOICE,
     .choices = forms,
     .initial = "\"basic\"",
     .help = "what a block is made of"},
    {.name = "squeeze",
     .type = OPTION_INT,
     .min = 0,
     .max = 64,
     .initial = "0",
     .help = "squeeze-and-excitation with this reduction; 0: none"},
    {.name = NULL},
};

enum form { BASIC, BOTTLENECK, PREACTIVATION };
enum { EXPANSION = 4 }; /* a bottleneck's outer channels are this many times its inner ones */

static tensor named_relu(struct graph *graph, const char *block, const char *part, tensor x) {
    char name[PART_NAME_MAX];
    return graph_relu(graph, part_name(name, block, -1, part), x);
}

/* What is added to the shortcut. */
static tensor branch(struct graph *graph, const char *block, enum form form, tensor x, int channels,
                     int stride) {
    char name[PART_NAME_MAX];
    if (form == BOTTLENECK) {
        x = conv_norm_relu(graph, part_name(name, block, -1, "reduce"), x, channels, 1, 1);
        x = conv_norm_relu(graph, part_name(name, block, -1, "middle"), x, channels, 3, stride);
        return conv_norm(graph, part_name(name, block, -1, "expand"), x, channels * EXPANSION, 1, 1);
    }
    if (form == BASIC) {
        x = conv_norm_relu(graph, part_name(name, block, -1, "first"), x, channels, 3, stride);
        return conv_norm(graph, part_name(name, block, -1, "second"), x, channels, 3, 1);
    }
    struct conv_spec spec = {.channels = channels,
                             .kernel = {3, 3},
                             .stride = {stride, stride},
                             .padding = {1, 1},
                             .no_bias = true};
    x = graph_conv(graph, part_name(name, block, -1, "first.conv"), x, &spec);
    spec.stride[0] = spec.stride[1] = 1;
    x = named_relu(graph, block, "second.relu",
                   graph_batch_norm(graph, part_name(name, block, -1, "second.norm"), x));
    return graph_conv(graph, part_name(name, block, -1, "second.conv"), x, &spec);
}

static tensor block(struct graph *graph, const char *block_name, enum form form, int squeeze, tensor x,
                    int *channels, int wanted, int stride) {
    char name[PART_NAME_MAX];
    int out = form == BOTTLENECK ? wanted * EXPANSION : wanted;
    bool same = *channels == out && stride == 1;
    tensor entry = x;
    if (form == PREACTIVATION)
        entry = named_relu(graph, block_name, "first.relu",
                           graph_batch_norm(graph, part_name(name, block_name, -1, "first.norm"), x));
    tensor sum = branch(graph, block_name, form, entry, wanted, stride);
    if (squeeze)
        sum = graph_squeeze_excite(graph, part_name(name, block_name, -1, "squeeze"), sum, squeeze);
    tensor shortcut =
        same ? x : conv_norm(graph, part_name(name, block_name, -1, "shortcut"), entry, out, 1, stride);
    sum = graph_add(graph, part_name(name, block_name, -1, "add"), sum, shortcut);
    *channels = out;
    return form == PREACTIVATION ? sum : named_relu(graph, block_name, "relu", sum);
}

static tensor build(struct graph *graph, tensor x, const json_t *o, bool training, int classes) {
    (void)training;
    (void)classes;
    struct stages stages;
    if (stages_parse(option_string(o, "stages"), &stages))
        return graph_fail(graph, "trunk.stages", "must be " STAGES_HELP);
    enum form form = (enum form)choice_index(forms, option_string(o, "form"));
    int squeeze = (int)option_int(o, "squeeze"), channels = stages.value[0][0];
    x = conv_norm_relu(graph, "stem", x, channels, 3, 1);
    for (int s = 0; s < stages.count; s++)
        for (int i = 0; i < stages.layers[s]; i++) {
            char name[40];
            snprintf(name, sizeof name, "stage%d.block%d", s, i);
            x = block(graph, name, form, squeeze, x, &channels, stages.value[s][i], s > 0 && i == 0 ? 2 : 1);
        }
    if (form == PREACTIVATION)
        x = named_relu(graph, "end", "relu", graph_batch_norm(graph, "end.norm", x));
    return x;
}

const struct trunk_family trunk_resnet = {"resnet", "He et al. 2015, 2016", "residual blocks", options, build,
                                          NULL};
