/* sl_policy.c - supervised learning of a policy network: to play as experts do. */
#include <string.h>
#include "proto/kinds/kind.h"
#include "proto/kinds/training.h"

static const char *const trunks[] = {"resnet", "vgg", "alphago", NULL};
static const char *const policy_heads[] = {"points", "linear", NULL};

static const struct option_when for_resnet = OPTION_WHEN("trunk", "resnet"),
                                for_linear = OPTION_WHEN("policy_head", "linear");

static const struct option_spec options[] = {
    {.name = "board",
     .type = OPTION_INT,
     .min = 0,
     .max = 19,
     .initial = "0",
     .unit = "points",
     .help = "learn from games of this board size; 0: the games', which must all be of one"},
    {.name = "trunk",
     .type = OPTION_CHOICE,
     .choices = trunks,
     .initial = "\"resnet\"",
     .help = "family of the network's body"},
    {.name = "blocks",
     .type = OPTION_INT,
     .min = 1,
     .max = 64,
     .initial = "4",
     .help = "residual blocks of the trunk; alphago, vgg: layers"},
    {.name = "channels",
     .type = OPTION_INT,
     .min = 1,
     .max = 1024,
     .initial = "64",
     .help = "channels of the trunk"},
    {.name = "squeeze",
     .type = OPTION_INT,
     .when = &for_resnet,
     .min = 0,
     .max = 64,
     .initial = "0",
     .help = "squeeze-and-excitation in each residual block, with this reduction; 0: none"},
    {.name = "policy_head",
     .type = OPTION_CHOICE,
     .choices = policy_heads,
     .initial = "\"points\"",
     .help = "points: a 1x1 convolution; linear: a fully connected layer over the board"},
    {.name = "policy_channels",
     .type = OPTION_INT,
     .when = &for_linear,
     .min = 1,
     .max = 256,
     .initial = "2",
     .help = "channels before the fully connected layer of the policy head"},
    {.name = "value_head",
     .type = OPTION_BOOL,
     .initial = "false",
     .help = "also learn who wins, as an auxiliary task and for searches"},
    {.name = "value_channels",
     .type = OPTION_INT,
     .min = 1,
     .max = 256,
     .initial = "8",
     .help = "channels before the fully connected layers of the value head"},
    {.name = "value_weight",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 100,
     .initial = "0.25",
     .help = "of the value's squared error in the loss, with a value head"},
    ARCHITECTURE_OPTION("trunk, blocks, channels and heads"),
    TRAINING_OPTIONS("6", "128", "0.1", "0.0001"),
    LABEL_SMOOTHING_OPTION("0", "moves"),
    {.name = "min_rating",
     .type = OPTION_INT,
     .min = 0,
     .max = 10000,
     .initial = "0",
     .unit = "Elo",
     .help = "learn only moves of players rated at least so (BR, WR); 0: of all"},
    {.name = "winners_only",
     .type = OPTION_BOOL,
     .initial = "false",
     .help = "learn only moves of the side that won"},
    {.name = "held_out",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 0.5,
     .initial = "0.05",
     .help = "share of the games that is measured and never learnt from, the same for every seed"},
    {.name = "validate_seconds",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 1e6,
     .initial = "120",
     .unit = "s",
     .help = "processor time between measurements on held-out games; 0: once an epoch"},
    {.name = "validate_positions",
     .type = OPTION_INT,
     .min = 0,
     .max = 1e9,
     .initial = "8192",
     .unit = "positions",
     .help = "held-out positions of a measurement, evenly spread; 0: all, as after the last step"},
    {.name = NULL},
};

static int check(const json_t *config, struct problem *problem) {
    static const char *const replaced[] = {"trunk",      "blocks",         "channels",
                                           "squeeze",    "policy_head",    "policy_channels",
                                           "value_head", "value_channels", NULL};
    if (option_int(config, "board") == 1)
        return problem_set(problem, TG_EOUT_OF_RANGE, "board", "must be 0 or 2 to 19, is 1");
    if (strcmp(option_string(config, "trunk"), "alphago") == 0 && option_int(config, "blocks") < 2)
        return problem_set(problem, TG_EOUT_OF_RANGE, "blocks", "the trunk alphago has at least 2 layers");
    if (option_bool(config, "value_head") && option_number(config, "value_weight") <= 0)
        return problem_set(
            problem, TG_EOUT_OF_RANGE, "value_weight",
            "is 0, so nothing would teach the value head: leave value_head out, or give a weight");
    int error = training_check_architecture(config, options, replaced, problem);
    return error ? error : training_check(config, problem);
}

/* Reading a large data set is one silent step. */
static int patience_s(const json_t *config) {
    return 5 * KIND_PATIENCE_S;
}

static const struct kind_input inputs[] = {
    {.name = "games",
     .required = true,
     .takes = INPUT_GAMES | INPUT_DATASET,
     .formats = formats_of_games,
     .help = "games of a job (teacher, selfplay, match), or a data set of SGF"},
    {.name = "network",
     .required = false,
     .takes = INPUT_CHECKPOINT,
     .help = "a checkpoint to begin with, for the same board; its architecture is kept"},
    {.name = NULL},
};

static const char *const outputs[] = {"checkpoint", NULL};

const struct kind kind_sl_policy = {
    .name = "sl-policy",
    .summary = "trains a policy network to predict the moves of expert games",
    .unit = "runs",
    .options = options,
    .split = SPLIT_ONE,
    .inputs = inputs,
    .outputs = outputs,
    .chunk_type = "checkpoint",
    .check = check,
    .check_inputs = training_check_inputs,
    .patience_s = patience_s,
};
