/* heads.c - what turns features {height, width, channels} into a network's outputs. Outputs are logits where
 * a softmax or sigmoid follows: the losses take logits, players apply the softmax themselves. */
#include <stdio.h>
#include <string.h>
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

static tensor flatten(struct graph *graph, const char *name, tensor x) {
    return graph_reshape(graph, name, x, SHAPE((int)shape_elements(graph_shape(graph, x))));
}

/* ---- policy: one logit a point and one for the pass ---- */

static const char *const policy_forms[] = {"linear", "points", NULL};
static const struct option_spec policy_options[] = {
    {.name = "channels",
     .type = OPTION_INT,
     .min = 1,
     .max = 256,
     .initial = "2",
     .help = "of the 1x1 convolution (form linear)"},
    {.name = "form",
     .type = OPTION_CHOICE,
     .choices = policy_forms,
     .initial = "\"linear\"",
     .help = "linear: 1x1 convolution, then a linear layer over the board; points: one 1x1 convolution and a "
             "linear layer for the pass"},
    {.name = NULL},
};

static void policy(struct graph *graph, tensor x, const json_t *o, struct shape input) {
    int points = input.dim[0] * input.dim[1];
    if (!strcmp(option_string(o, "form"), "points")) {
        tensor moves = graph_conv(graph, "policy.moves", x, &(struct conv_spec){.channels = 1});
        tensor pass =
            graph_linear(graph, "policy.pass", graph_global_average(graph, "policy.pool", x), 1, true);
        moves = flatten(graph, "policy.flat", moves);
        graph_output(graph, "policy", graph_concat(graph, "policy", 2, (tensor[]){moves, pass}));
        return;
    }
    x = conv_norm_relu(graph, "policy.point", x, (int)option_int(o, "channels"), 1, 1);
    graph_output(graph, "policy",
                 graph_linear(graph, "policy", flatten(graph, "policy.flat", x), points + 1, true));
}

/* ---- value: -1 .. 1 for the player to move ---- */

static const struct option_spec value_options[] = {
    {.name = "channels",
     .type = OPTION_INT,
     .min = 1,
     .max = 256,
     .initial = "1",
     .help = "of the 1x1 convolution"},
    {.name = "hidden",
     .type = OPTION_INT,
     .min = 1,
     .max = 4096,
     .initial = "64",
     .help = "units of the hidden layer"},
    {.name = NULL},
};

static void value(struct graph *graph, tensor x, const json_t *o, struct shape input) {
    (void)input;
    x = conv_norm_relu(graph, "value.point", x, (int)option_int(o, "channels"), 1, 1);
    x = graph_linear(graph, "value.hidden", flatten(graph, "value.flat", x), (int)option_int(o, "hidden"),
                     true);
    x = graph_linear(graph, "value.last", graph_relu(graph, "value.relu", x), 1, true);
    graph_output(graph, "value", graph_tanh(graph, "value", x));
}

/* ---- ownership: one logit a point, positive for the player to move ---- */

static const struct option_spec no_options[] = {{.name = NULL}};

static void ownership(struct graph *graph, tensor x, const json_t *o, struct shape input) {
    (void)o;
    (void)input;
    x = graph_conv(graph, "ownership.point", x, &(struct conv_spec){.channels = 1});
    graph_output(graph, "ownership", flatten(graph, "ownership", x));
}

/* ---- q: one value an action ---- */

static const struct option_spec q_options[] = {
    {.name = "actions",
     .type = OPTION_INT,
     .min = 1,
     .max = 4096,
     .initial = "6",
     .help = "number of actions"},
    {.name = "dueling",
     .type = OPTION_BOOL,
     .initial = "false",
     .help = "Wang et al. 2016: outputs value and advantage; q = value + advantage - mean advantage"},
    {.name = NULL},
};

static void q(struct graph *graph, tensor x, const json_t *o, struct shape input) {
    (void)input;
    int actions = (int)option_int(o, "actions");
    x = flatten(graph, "q.flat", x);
    if (!option_bool(o, "dueling")) {
        graph_output(graph, "q", graph_linear(graph, "q", x, actions, true));
        return;
    }
    graph_output(graph, "q_value", graph_linear(graph, "q.value", x, 1, true));
    graph_output(graph, "q_advantage", graph_linear(graph, "q.advantage", x, actions, true));
}

/* ---- classes ---- */

static const struct option_spec classes_options[] = {
    {.name = "classes",
     .type = OPTION_INT,
     .min = 2,
     .max = 65536,
     .initial = "10",
     .help = "number of classes"},
    {.name = "hidden",
     .type = OPTION_INT,
     .min = 0,
     .max = 8192,
     .initial = "0",
     .help = "units of two hidden layers over all points, as VGG has; 0: global average instead"},
    {.name = "dropout",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 0.9,
     .initial = "0.0",
     .help = "before the last layer"},
    {.name = NULL},
};

static void classes(struct graph *graph, tensor x, const json_t *o, struct shape input) {
    (void)input;
    int hidden = (int)option_int(o, "hidden");
    x = hidden ? flatten(graph, "classes.flat", x) : graph_global_average(graph, "classes.pool", x);
    for (int i = 0; i < 2 && hidden; i++) {
        char name[PART_NAME_MAX];
        x = graph_linear(graph, part_name(name, "classes.hidden", i, "linear"), x, hidden, true);
        x = graph_relu(graph, part_name(name, "classes.hidden", i, "relu"), x);
    }
    if (option_number(o, "dropout") > 0)
        x = graph_dropout(graph, "classes.dropout", x, (float)option_number(o, "dropout"));
    graph_output(graph, "classes", graph_linear(graph, "classes", x, (int)option_int(o, "classes"), true));
}

/* ---- pixels: logits of every pixel, at the input's resolution ---- */

static const struct option_spec pixels_options[] = {
    {.name = "classes",
     .type = OPTION_INT,
     .min = 1,
     .max = 1024,
     .initial = "2",
     .help = "classes of a pixel; 1: one sigmoid"},
    {.name = NULL},
};

static void pixels(struct graph *graph, tensor x, const json_t *o, struct shape input) {
    x = graph_conv(graph, "pixels.point", x, &(struct conv_spec){.channels = (int)option_int(o, "classes")});
    int height = graph_shape(graph, x).dim[0];
    if (height && input.dim[0] % height == 0 && input.dim[0] > height)
        x = graph_upsample(graph, "pixels.upsample", x, input.dim[0] / height, true);
    struct shape got = graph_shape(graph, x);
    char a[64], b[64];
    if (x != NO_TENSOR && (got.dim[0] != input.dim[0] || got.dim[1] != input.dim[1]))
        graph_fail(graph, "pixels",
                   "features of %s do not scale up to %s: choose an input that the trunk halves evenly",
                   shape_text(got, a), shape_text(input, b));
    graph_output(graph, "pixels", x);
}

/* ---- tokens: logits over the vocabulary at every place of the sequence ---- */

static const struct option_spec tokens_options[] = {
    {.name = "vocabulary",
     .type = OPTION_INT,
     .min = 0,
     .max = 65536,
     .initial = "0",
     .unit = "tokens",
     .help = "tokens to choose from; 0: those of the input"},
    {.name = NULL},
};

static void tokens(struct graph *graph, tensor x, const json_t *o, struct shape input) {
    struct shape features = graph_shape(graph, x);
    int vocabulary = (int)option_int(o, "vocabulary");
    vocabulary = vocabulary ? vocabulary : input.dim[2];
    x = graph_reshape(graph, "tokens.rows", x, SHAPE(features.dim[0] * features.dim[1], features.dim[2]));
    graph_output(graph, "tokens", graph_linear(graph, "tokens", x, vocabulary, true));
}

static const struct head_kind heads[] = {
    {"policy", "a move: one logit a point, and the pass", policy_options, policy},
    {"value", "who wins, -1 to 1 for the player to move", value_options, value},
    {"ownership", "whose each point will be", no_options, ownership},
    {"q", "the return of each action", q_options, q},
    {"classes", "the class of the whole input", classes_options, classes},
    {"pixels", "the class of each pixel", pixels_options, pixels},
    {"tokens", "the next token, at every place of a sequence", tokens_options, tokens},
};

const struct head_kind *const *zoo_heads(void) {
    static const struct head_kind *const table[] = {&heads[0], &heads[1], &heads[2], &heads[3],
                                                    &heads[4], &heads[5], &heads[6], NULL};
    return table;
}
