#include "workers/train/options.h"

#include <string.h>
#include "proto/kinds/training.h"

static int index_of(const char *const *choices, const char *choice) {
    int index = 0;
    while (choices[index] && strcmp(choices[index], choice) != 0)
        index++;
    TG_ASSERT(choices[index] && "options are checked first");
    return index;
}

uint64_t train_seed(const struct task *task) {
    int64_t own = option_int(task->config, "seed");
    return own ? (uint64_t)own : task->seed;
}

void train_options_read(const struct task *task, struct train_options *out) {
    const json_t *config = task->config;
    enum optimizer_rule rule =
        (enum optimizer_rule)index_of(training_optimizers, option_string(config, "optimizer"));
    bool rmsprop = rule == OPTIMIZER_RMSPROP;
    *out = (struct train_options){
        .batch = (int)option_int(config, "batch"),
        .steps = option_int(config, "steps"),
        .epochs = option_number(config, "epochs"),
        .minutes = option_number(config, "minutes"),
        .optimizer = {.rule = rule,
                      .momentum = rmsprop ? 0 : (float)option_number(config, "momentum"),
                      .decay = rmsprop ? 0.95f : 0.999f,
                      .epsilon = 1e-8f,
                      .weight_decay = (float)option_number(config, "weight_decay"),
                      .clip_norm = (float)option_number(config, "clip_norm"),
                      .nesterov = option_bool(config, "nesterov")},
        .schedule = {.shape =
                         (enum schedule_shape)index_of(training_schedules, option_string(config, "schedule")),
                     .rate = (float)option_number(config, "learning_rate"),
                     .factor = (float)option_number(config, "final_rate"),
                     .warmup = option_int(config, "warmup")},
        .average = (float)option_number(config, "average"),
        .seed = train_seed(task),
        .patience = (int)option_int(config, "patience"),
        .checkpoint_seconds = option_number(config, "checkpoint_seconds"),
        .resume = task->resume ? json_string_value(json_object_get(task->resume, "state")) : NULL,
    };
}
