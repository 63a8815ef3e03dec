#include "proto/kinds/training.h"

#include <string.h>

const char *const training_optimizers[] = {"sgd", "rmsprop", "adam", "adamw", NULL};
const char *const training_schedules[] = {"constant", "step", "cosine", "linear", "noam", NULL};

const struct option_when training_for_sgd = OPTION_WHEN("optimizer", "sgd");
const struct option_when training_for_falling = OPTION_WHEN("schedule", "step", "cosine", "linear");

int training_check(const json_t *config, struct problem *problem) {
    if (option_number(config, "epochs") <= 0 && option_number(config, "minutes") <= 0 &&
        option_int(config, "steps") <= 0)
        return problem_set(problem, TG_EOUT_OF_RANGE, "epochs",
                           "training needs an end: give epochs, minutes or steps");
    if (strcmp(option_string(config, "schedule"), "noam") == 0 && option_int(config, "warmup") == 0)
        return problem_set(problem, TG_EOUT_OF_RANGE, "warmup", "the schedule noam needs a warm-up");
    return TG_OK;
}
