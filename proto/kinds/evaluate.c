/* evaluate.c - how well a checkpoint tells images apart. */
#include "proto/kinds/kind.h"

static const char *const parts[] = {"test", "train", NULL};

static const struct option_spec options[] = {
    {.name = "part",
     .type = OPTION_CHOICE,
     .choices = parts,
     .initial = "\"test\"",
     .help = "of the data set; a set without a test part is taken whole"},
    {.name = "batch",
     .type = OPTION_INT,
     .min = 1,
     .max = 4096,
     .initial = "100",
     .unit = "samples",
     .help = "images at a time"},
    {.name = "samples",
     .type = OPTION_INT,
     .min = 0,
     .max = 200,
     .initial = "24",
     .unit = "images",
     .help = "images to show with their predictions"},
    {.name = "seed",
     .type = OPTION_INT,
     .min = 0,
     .max = OPTION_INT_MAX,
     .initial = "0",
     .help = "which images are shown follows from it; 0: the server picks one"},
    {.name = NULL},
};

static const struct kind_input inputs[] = {
    {.name = "network",
     .required = true,
     .takes = INPUT_CHECKPOINT,
     .help = "the checkpoint, of a classify job"},
    {.name = "data",
     .required = true,
     .takes = INPUT_DATASET,
     .formats = formats_of_images,
     .help = "labelled images of the size and with the classes that the network knows"},
    {.name = NULL},
};

const struct kind kind_evaluate = {
    .name = "evaluate",
    .summary = "scores a checkpoint on labelled images",
    .unit = "runs",
    .options = options,
    .split = SPLIT_ONE,
    .inputs = inputs,
    .chunk_type = "result",
};
