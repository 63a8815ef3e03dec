/* alphago.c - the trunk of AlphaGo's policy and value networks (Silver et al. 2016, Methods): no
 * normalization, no shortcuts.
 *
 *     5x5, then layers - 2 times 3x3, each with ReLU; the heads add the last 1x1 convolution
 *
 * The paper's: 13 layers (this trunk's 12 and the head's one), 192 filters, 48 planes in. */
#include <stdio.h>
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

static const struct option_spec options[] = {
    {.name = "layers",
     .type = OPTION_INT,
     .min = 2,
     .max = 64,
     .initial = "13",
     .help = "convolutions, the head's last one among them"},
    {.name = "filters",
     .type = OPTION_INT,
     .min = 1,
     .max = 1024,
     .initial = "192",
     .unit = "channels",
     .help = "of each convolution"},
    {.name = NULL},
};

static tensor build(struct graph *graph, tensor x, const json_t *o, bool training, int classes) {
    (void)training;
    (void)classes;
    for (int i = 0; i + 1 < option_int(o, "layers"); i++) {
        char name[PART_NAME_MAX];
        int kernel = i == 0 ? 5 : 3;
        struct conv_spec spec = {.channels = (int)option_int(o, "filters"),
                                 .kernel = {kernel, kernel},
                                 .padding = {kernel / 2, kernel / 2}};
        x = graph_conv(graph, part_name(name, "layer", i, "conv"), x, &spec);
        x = graph_relu(graph, part_name(name, "layer", i, "relu"), x);
    }
    return x;
}

const struct trunk_family trunk_alphago = {
    "alphago", "Silver et al. 2016", "plain convolutions, as in AlphaGo", options, build, NULL};
