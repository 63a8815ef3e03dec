/* training.h - the options that kinds which train by gradients have in common (workers/train reads them). */
#ifndef TENGEN_KINDS_TRAINING_H
#define TENGEN_KINDS_TRAINING_H

#include "proto/base/options.h"

extern const char *const training_optimizers[]; /* sgd, rmsprop, adam, adamw: as enum optimizer_rule */
extern const char
    *const training_schedules[]; /* constant, step, cosine, linear, noam: as enum schedule_shape */
extern const struct option_when training_for_sgd, training_for_falling; /* options that these alone look at */

/* Their defaults are what differs between kinds: JSON texts. */
#define TRAINING_OPTIONS(epochs_, batch_, rate_, decay_)                                                     \
    {.name = "epochs",                                                                                       \
     .type = OPTION_NUMBER,                                                                                  \
     .min = 0,                                                                                               \
     .max = 1e6,                                                                                             \
     .initial = epochs_,                                                                                     \
     .help = "times that every sample is seen; 0: no such limit"},                                           \
        {.name = "minutes",                                                                                  \
         .type = OPTION_NUMBER,                                                                              \
         .min = 0,                                                                                           \
         .max = 1e6,                                                                                         \
         .initial = "0",                                                                                     \
         .unit = "min",                                                                                      \
         .help = "processor time to train; 0: no such limit"},                                               \
        {.name = "steps",                                                                                    \
         .type = OPTION_INT,                                                                                 \
         .min = 0,                                                                                           \
         .max = 1e9,                                                                                         \
         .initial = "0",                                                                                     \
         .unit = "steps",                                                                                    \
         .help = "batches to learn from; 0: no such limit"},                                                 \
        {.name = "batch",                                                                                    \
         .type = OPTION_INT,                                                                                 \
         .min = 1,                                                                                           \
         .max = 4096,                                                                                        \
         .initial = batch_,                                                                                  \
         .unit = "samples",                                                                                  \
         .help = "samples of a step"},                                                                       \
        {.name = "optimizer",                                                                                \
         .type = OPTION_CHOICE,                                                                              \
         .choices = training_optimizers,                                                                     \
         .initial = "\"sgd\"",                                                                               \
         .help = "how gradients move the weights"},                                                          \
        {.name = "learning_rate",                                                                            \
         .type = OPTION_NUMBER,                                                                              \
         .min = 1e-9,                                                                                        \
         .max = 10,                                                                                          \
         .initial = rate_,                                                                                   \
         .help = "at its highest"},                                                                          \
        {.name = "schedule",                                                                                 \
         .type = OPTION_CHOICE,                                                                              \
         .choices = training_schedules,                                                                      \
         .initial = "\"cosine\"",                                                                            \
         .help = "how the learning rate falls over the budget; step: at 1/2 and 3/4"},                       \
        {.name = "final_rate",                                                                               \
         .type = OPTION_NUMBER,                                                                              \
         .when = &training_for_falling,                                                                      \
         .min = 0,                                                                                           \
         .max = 1,                                                                                           \
         .initial = "0",                                                                                     \
         .help = "share of the learning rate that is left at the end; step: of each drop"},                  \
        {.name = "warmup",                                                                                   \
         .type = OPTION_INT,                                                                                 \
         .min = 0,                                                                                           \
         .max = 1e6,                                                                                         \
         .initial = "100",                                                                                   \
         .unit = "steps",                                                                                    \
         .help = "steps in which the learning rate rises from zero"},                                        \
        {.name = "momentum",                                                                                 \
         .type = OPTION_NUMBER,                                                                              \
         .min = 0,                                                                                           \
         .max = 0.9999,                                                                                      \
         .initial = "0.9",                                                                                   \
         .help = "of the gradient; adam, adamw: beta 1"},                                                    \
        {.name = "nesterov",                                                                                 \
         .type = OPTION_BOOL,                                                                                \
         .when = &training_for_sgd,                                                                          \
         .initial = "true",                                                                                  \
         .help = "Nesterov's form of the momentum"},                                                         \
        {.name = "weight_decay",                                                                             \
         .type = OPTION_NUMBER,                                                                              \
         .min = 0,                                                                                           \
         .max = 1,                                                                                           \
         .initial = decay_,                                                                                  \
         .help = "pull of the weights towards zero"},                                                        \
        {.name = "clip_norm",                                                                                \
         .type = OPTION_NUMBER,                                                                              \
         .min = 0,                                                                                           \
         .max = 1e6,                                                                                         \
         .initial = "0",                                                                                     \
         .help = "greatest norm of a step's gradient; 0: any"},                                              \
        {.name = "average",                                                                                  \
         .type = OPTION_NUMBER,                                                                              \
         .min = 0,                                                                                           \
         .max = 0.99999,                                                                                     \
         .initial = "0",                                                                                     \
         .help = "decay of the moving average of the weights, which is then what is kept; 0: no average"},   \
        {.name = "patience",                                                                                 \
         .type = OPTION_INT,                                                                                 \
         .min = 0,                                                                                           \
         .max = 1e6,                                                                                         \
         .initial = "0",                                                                                     \
         .unit = "validations",                                                                              \
         .help = "ends early after so many without a better one; 0: never"},                                 \
        {.name = "checkpoint_seconds",                                                                       \
         .type = OPTION_NUMBER,                                                                              \
         .min = 0,                                                                                           \
         .max = 1e6,                                                                                         \
         .initial = "60",                                                                                    \
         .unit = "s",                                                                                        \
         .help = "time between checkpoints; 0: only at the end"},                                            \
    {                                                                                                        \
        .name = "seed", .type = OPTION_INT, .min = 0, .max = OPTION_INT_MAX, .initial = "0",                 \
        .help = "first weights, order and augmentation follow from it; 0: the server picks one"              \
    }

/* Of the cross-entropy; the help says what the share is spread over. */
#define LABEL_SMOOTHING_OPTION(share_, over_)                                                                \
    {                                                                                                        \
        .name = "label_smoothing", .type = OPTION_NUMBER, .min = 0, .max = 0.9, .initial = share_,           \
        .help = "share of the target that is spread over all " over_                                         \
    }

/* A whole description of a network, as the kind's option `architecture`; the help says instead of what. */
#define ARCHITECTURE_OPTION(instead_of_)                                                                     \
    {                                                                                                        \
        .name = "architecture", .type = OPTION_STRING, .min = 0, .max = 16384, .initial = "\"\"",            \
        .help = "instead of " instead_of_ ": a whole description, as JSON text (docs/networks.md)"           \
    }

/* An architecture is a JSON object, and nothing else describes the network beside it: the options `replaced`
 * of `table` (NULL-terminated) are as by default. */
int training_check_architecture(const json_t *config, const struct option_spec *table,
                                const char *const *replaced, struct problem *problem);
/* Neither does the input `network`, which brings its own architecture. */
int training_check_inputs(const json_t *config, const json_t *inputs, struct problem *problem);

/* The budget has an end, noam its warm-up. */
int training_check(const json_t *config, struct problem *problem);

#endif
