/* zoo.c - see zoo.h: descriptions, their checks, and putting trunk and heads together. */
#include <stdio.h>
#include <string.h>
#include "proto/wire/json.h"
#include "workers/zoo/zoo.h"

enum { VERSION = 1, HEADS_MAX = 8 };

const struct option_spec zoo_plane_options[] = {
    {.name = "height",
     .type = OPTION_INT,
     .min = 1,
     .max = 1024,
     .unit = "points",
     .help = "rows of the input"},
    {.name = "width",
     .type = OPTION_INT,
     .min = 1,
     .max = 1024,
     .unit = "points",
     .help = "columns of the input"},
    {.name = "channels",
     .type = OPTION_INT,
     .min = 1,
     .max = 1024,
     .unit = "planes",
     .help = "planes of the input"},
    {.name = "encoding",
     .type = OPTION_STRING,
     .min = 0,
     .max = 64,
     .initial = "\"\"",
     .help = "what the planes mean, by name"},
    {.name = NULL},
};

const struct option_spec zoo_token_options[] = {
    {.name = "tokens",
     .type = OPTION_INT,
     .min = 1,
     .max = 4096,
     .unit = "tokens",
     .help = "length of the input's sequence; shorter ones are padded with 0 at the end"},
    {.name = "vocabulary",
     .type = OPTION_INT,
     .min = 2,
     .max = 65536,
     .unit = "tokens",
     .help = "tokens are whole numbers below this"},
    {.name = "target_tokens",
     .type = OPTION_INT,
     .min = 0,
     .max = 4096,
     .initial = "0",
     .unit = "tokens",
     .help = "length of a second sequence, for a decoder; 0: there is none"},
    {.name = "encoding",
     .type = OPTION_STRING,
     .min = 0,
     .max = 64,
     .initial = "\"\"",
     .help = "what the tokens mean, by name"},
    {.name = NULL},
};

const struct trunk_family *const *zoo_families(void) {
    static const struct trunk_family *const table[] = {
        &trunk_vgg,         &trunk_googlenet, &trunk_resnet, &trunk_densenet,
        &trunk_transformer, &trunk_alphago,   &trunk_dqn,    NULL};
    return table;
}

static const struct trunk_family *find_family(const char *name) {
    for (const struct trunk_family *const *family = zoo_families(); *family; family++)
        if (name && !strcmp((*family)->name, name))
            return *family;
    return NULL;
}

static const struct head_kind *find_head(const char *name) {
    for (const struct head_kind *const *head = zoo_heads(); *head; head++)
        if (name && !strcmp((*head)->name, name))
            return *head;
    return NULL;
}

/* Checks an object that has a member naming its table ("family", "kind") and the options of that table. */
static int check_named(const json_t *given, const char *member, const char *name,
                       const struct option_spec *table, json_t **out, struct problem *problem) {
    json_t *rest = json_copy((json_t *)given);
    json_object_del(rest, member);
    int error = options_check(table, rest, out, problem);
    json_decref(rest);
    if (!error)
        json_object_set_new(*out, member, json_string(name));
    return error;
}

static int check_trunk(const json_t *given, json_t **out, struct problem *problem) {
    const char *name = json_string_value(json_object_get(given, "family"));
    const struct trunk_family *family = find_family(name);
    char known[128] = "";
    for (const struct trunk_family *const *f = zoo_families(); *f; f++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", *known ? ", " : "", (*f)->name);
    int error = family ? check_named(given, "family", name, family->options, out, problem)
                       : problem_set(problem, TG_EOUT_OF_RANGE, "family", "must be one of: %s", known);
    if (error)
        problem_prefix(problem, "trunk");
    return error;
}

static bool has_tokens(const json_t *input) {
    return json_object_get(input, "tokens") != NULL;
}

static int check_input(const json_t *given, const json_t *trunk, json_t **out, struct problem *problem) {
    const char *name = json_string_value(json_object_get(trunk, "family"));
    const struct trunk_family *family = find_family(name);
    bool tokens = has_tokens(given);
    int error = options_check(tokens ? zoo_token_options : zoo_plane_options, given, out, problem);
    if (!error && tokens && family && !family->build_tokens) {
        json_decref(*out);
        *out = NULL;
        error = problem_set(problem, TG_EINVALID, "tokens",
                            "is for families that take sequences (transformer); %s takes planes: give "
                            "height, width and channels",
                            name);
    }
    if (error)
        problem_prefix(problem, "input");
    return error;
}

static int check_heads(const json_t *given, json_t **out, struct problem *problem) {
    size_t count = json_array_size(given);
    if (count < 1 || count > HEADS_MAX)
        return problem_set(problem, TG_EOUT_OF_RANGE, "heads", "must be an array of 1 to %d heads",
                           HEADS_MAX);
    *out = json_array();
    int error = TG_OK;
    for (size_t i = 0; i < count && !error; i++) {
        const json_t *item = json_array_get(given, i);
        const char *name = json_string_value(json_object_get(item, "kind"));
        const struct head_kind *head = find_head(name);
        json_t *checked = NULL;
        error = head ? check_named(item, "kind", name, head->options, &checked, problem)
                     : problem_set(problem, TG_EOUT_OF_RANGE, "kind",
                                   "must be one of: policy, value, ownership, q, classes, pixels, tokens");
        for (size_t j = 0; j < i && !error; j++)
            if (!strcmp(name, json_string_value(json_object_get(json_array_get(*out, j), "kind"))))
                error = problem_set(problem, TG_EINVALID, "kind", "there are two heads of kind %s", name);
        if (!error)
            json_array_append_new(*out, checked);
        else
            json_decref(checked);
    }
    if (error) {
        json_decref(*out);
        *out = NULL;
        problem_prefix(problem, "heads");
    }
    return error;
}

static int check_version(const json_t *architecture, struct problem *problem) {
    static const char *const members[] = {"version", "input", "trunk", "heads", NULL};
    const char *name;
    json_t *member;
    if (!json_is_object(architecture))
        return problem_set(problem, TG_EWRONG_TYPE, NULL,
                           "must be an object with version, input, trunk and heads");
    json_object_foreach((json_t *)architecture, name, member) {
        int known = 0;
        while (members[known] && strcmp(members[known], name) != 0)
            known++;
        if (!members[known])
            return problem_set(problem, TG_EUNKNOWN_OPTION, name,
                               "there is no such member; known are version, input, trunk, heads");
    }
    if (json_integer_value(json_object_get(architecture, "version")) != VERSION)
        return problem_set(problem, TG_EOUT_OF_RANGE, "version", "must be %d, the only version so far",
                           VERSION);
    return TG_OK;
}

static int fill_in(json_t *description, const json_t *rest) {
    int error = json_object_get(description, "version")
                    ? 0
                    : json_object_set_new(description, "version", json_integer(VERSION));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)rest, name, value) {
        json_t *own = json_object_get(description, name);
        if (!own)
            error |= json_object_set_new(description, name, json_deep_copy(value));
        else if (json_is_object(own) && json_is_object(value))
            error |= json_object_update_missing(own, value);
    }
    return error ? TG_ENO_MEMORY : TG_OK;
}

int zoo_parse(const char *text, const json_t *rest, json_t **out, struct problem *problem) {
    *out = json_parse_object(text, strlen(text), problem);
    if (!*out) {
        problem_prefix(problem, "architecture");
        return problem->error;
    }
    int error = rest ? fill_in(*out, rest) : TG_ENO_MEMORY;
    if (error) {
        json_decref(*out);
        *out = NULL;
    }
    return error;
}

int zoo_check(const json_t *architecture, json_t **checked, struct problem *problem) {
    json_t *input = NULL, *trunk = NULL, *heads = NULL;
    *checked = NULL;
    int error = check_version(architecture, problem);
    if (!error)
        error = check_input(json_object_get(architecture, "input"), json_object_get(architecture, "trunk"),
                            &input, problem);
    if (!error)
        error = check_trunk(json_object_get(architecture, "trunk"), &trunk, problem);
    if (!error)
        error = check_heads(json_object_get(architecture, "heads"), &heads, problem);
    if (error) {
        json_decref(input);
        json_decref(trunk);
        problem_prefix(problem, "architecture");
        return error;
    }
    *checked =
        json_pack("{s:i, s:o, s:o, s:o}", "version", VERSION, "input", input, "trunk", trunk, "heads", heads);
    return *checked ? TG_OK : TG_ENO_MEMORY;
}

int zoo_check_taught(const json_t *checked, const char *kind, const char *const *taught,
                     struct problem *problem) {
    char known[128] = "";
    for (int i = 0; taught[i]; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", taught[i]);
    size_t i;
    const json_t *head;
    json_array_foreach(json_object_get(checked, "heads"), i, head) {
        const char *name = json_string_value(json_object_get(head, "kind"));
        int at = 0;
        while (taught[at] && strcmp(taught[at], name) != 0)
            at++;
        if (!taught[at])
            return problem_set(
                problem, TG_EINVALID, "architecture.heads",
                "there is a head %s, which nothing would teach; the heads that %s teaches are: %s", name,
                kind, known);
    }
    return TG_OK;
}

/* Of the head `classes`; 0 where there is none. */
static int class_count(const json_t *heads) {
    for (size_t i = 0; i < json_array_size(heads); i++) {
        const json_t *head = json_array_get(heads, i);
        if (!strcmp(json_string_value(json_object_get(head, "kind")), "classes"))
            return (int)option_int(head, "classes");
    }
    return 0;
}

/* Adds inputs and trunk; *shape becomes the input's, as heads see it. */
static tensor build_trunk(struct graph *graph, const json_t *checked, bool training, struct shape *shape) {
    const json_t *in = json_object_get(checked, "input"), *trunk = json_object_get(checked, "trunk");
    const struct trunk_family *family = find_family(json_string_value(json_object_get(trunk, "family")));
    TG_ASSERT(family && "descriptions are checked first");
    if (!has_tokens(in)) {
        *shape = SHAPE((int)option_int(in, "height"), (int)option_int(in, "width"),
                       (int)option_int(in, "channels"));
        return family->build(graph, graph_input(graph, "input", *shape), trunk, training,
                             class_count(json_object_get(checked, "heads")));
    }
    int tokens = (int)option_int(in, "tokens"), target = (int)option_int(in, "target_tokens");
    struct token_input input = {.source = graph_input(graph, "source", SHAPE(tokens)),
                                .has_target = target > 0,
                                .vocabulary = (int)option_int(in, "vocabulary")};
    if (input.has_target)
        input.target = graph_input(graph, "target", SHAPE(target));
    *shape = SHAPE(input.has_target ? target : tokens, 1, input.vocabulary);
    return family->build_tokens(graph, &input, trunk);
}

int zoo_build(const json_t *checked, bool training, struct graph **out, struct problem *problem) {
    struct graph *graph = graph_create();
    struct shape shape;
    *out = NULL;
    if (!graph)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a network");
    tensor x = build_trunk(graph, checked, training, &shape);
    const json_t *heads = json_object_get(checked, "heads");
    for (size_t i = 0; i < json_array_size(heads); i++) {
        const json_t *head = json_array_get(heads, i);
        find_head(json_string_value(json_object_get(head, "kind")))->build(graph, x, head, shape);
    }
    int error = graph_finish(graph, problem);
    if (error) {
        graph_destroy(graph);
        problem_prefix(problem, "architecture");
        return error;
    }
    *out = graph;
    return TG_OK;
}
