#include "proto/kinds/training.h"

#include <stdio.h>
#include <string.h>
#include "proto/wire/json.h"

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

/* The first member that differs, as a dotted path; objects of options have all their members. */
static void name_difference(const char *name, const json_t *given, const json_t *initial, char *out,
                            size_t size) {
    const char *member;
    json_t *value;
    snprintf(out, size, "%s", name);
    json_object_foreach((json_t *)given, member, value) {
        if (!json_equal(value, json_object_get(initial, member))) {
            snprintf(out, size, "%s.%s", name, member);
            return;
        }
    }
}

static int check_replaced(const json_t *config, const json_t *initial, const char *const *replaced,
                          struct problem *problem) {
    char field[PROBLEM_FIELD_MAX];
    for (; *replaced; replaced++) {
        const json_t *given = json_object_get(config, *replaced);
        if (json_equal(given, json_object_get(initial, *replaced)))
            continue;
        name_difference(*replaced, given, json_object_get(initial, *replaced), field, sizeof field);
        return problem_set(
            problem, TG_EINVALID, field,
            "is not looked at beside architecture, which describes the whole network: leave out "
            "%s or architecture",
            *replaced);
    }
    return TG_OK;
}

int training_check_architecture(const json_t *config, const struct option_spec *table,
                                const char *const *replaced, struct problem *problem) {
    const char *own = option_string(config, "architecture");
    json_t *initial = NULL;
    if (!*own)
        return TG_OK;
    json_t *parsed = json_parse_object(own, strlen(own), problem);
    if (!parsed) {
        problem_prefix(problem, "architecture");
        return problem->error;
    }
    json_decref(parsed);
    int error = options_check(table, NULL, &initial, problem);
    if (!error)
        error = check_replaced(config, initial, replaced, problem);
    json_decref(initial);
    return error;
}

int training_check_inputs(const json_t *config, const json_t *inputs, struct problem *problem) {
    if (!*option_string(config, "architecture") || !json_object_get(inputs, "network"))
        return TG_OK;
    return problem_set(problem, TG_EINVALID, "inputs.network",
                       "is a network with an architecture of its own: leave out inputs.network or "
                       "config.architecture");
}
