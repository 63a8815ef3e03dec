#include "proto/kinds/kind.h"

#include <stdio.h>
#include <string.h>

static const struct kind *const kinds[] = {&kind_selfplay, &kind_teacher,  &kind_match,   &kind_sl_policy,
                                           &kind_classify, &kind_evaluate, &kind_seq2seq, NULL};

const struct kind *const *kind_table(void) {
    return kinds;
}

const struct kind *kind_find(const char *name) {
    for (int i = 0; kinds[i]; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

/* "selfplay, teacher, match" */
static const char *list_names(char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; kinds[i] && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", kinds[i]->name);
    return out;
}

int kind_unknown(const char *name, struct problem *problem) {
    enum { MOST = 64 };
    const char *names[MOST + 1];
    char list[512];
    int count = 0;
    for (; count < MOST && kinds[count]; count++)
        names[count] = kinds[count]->name;
    names[count] = NULL;
    const char *nearest = nearest_name(name, names);
    if (nearest)
        return problem_set(problem, TG_EUNKNOWN_KIND, "kind", "there is no kind \"%.60s\"; did you mean %s?",
                           name, nearest);
    return problem_set(problem, TG_EUNKNOWN_KIND, "kind", "there is no kind \"%.60s\"; there are %s", name,
                       list_names(list, sizeof list));
}

int kind_check(const char *name, const json_t *config, const struct kind **kind, json_t **checked,
               struct problem *problem) {
    *checked = NULL;
    const struct kind *found = kind_find(name);
    if (kind)
        *kind = found;
    if (!found)
        return kind_unknown(name, problem);
    int error = options_check(found->options, config, checked, problem);
    if (!error && found->check)
        error = found->check(*checked, problem);
    if (error) {
        json_decref(*checked);
        *checked = NULL;
        problem_prefix(problem, "config");
    }
    return error;
}

const char *const formats_of_images[] = {"idx", "png", NULL};
const char *const formats_of_games[] = {"sgf", NULL};

const struct kind_input *kind_input_find(const struct kind *kind, const char *name) {
    for (const struct kind_input *input = kind->inputs; input && input->name; input++)
        if (strcmp(input->name, name) == 0)
            return input;
    return NULL;
}

static json_t *describe_takes(unsigned takes) {
    static const char *const names[] = {"dataset", "checkpoint", "games"}; /* by bit */
    json_t *list = json_array();
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (takes & (1U << i))
            json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *describe_names(const char *const *names) {
    json_t *list = json_array();
    for (; names && *names; names++)
        json_array_append_new(list, json_string(*names));
    return list;
}

static json_t *describe_inputs(const struct kind_input *input) {
    json_t *list = json_array();
    for (; input && input->name; input++)
        json_array_append_new(list,
                              json_pack("{s:s, s:b, s:o, s:o, s:s}", "name", input->name, "required",
                                        (int)input->required, "takes", describe_takes(input->takes),
                                        "formats", describe_names(input->formats), "help", input->help));
    return list;
}

json_t *kind_describe(const struct kind *kind) {
    static const char *const splits[] = {[SPLIT_COUNT] = "count", [SPLIT_ONE] = "one", [SPLIT_GANG] = "gang"};
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "name", kind->name, "summary", kind->summary,
                     "unit", kind->unit, "split", splits[kind->split], "options",
                     options_describe(kind->options), "inputs", describe_inputs(kind->inputs), "outputs",
                     describe_names(kind->outputs));
}
