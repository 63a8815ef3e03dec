/* kinds_command.c - what can be run, as the option tables have it. */
#include <stdio.h>
#include <stdlib.h>
#include "proto/kinds/kind.h"
#include "proto/wire/json.h"
#include "workers/run/run.h"

static const struct option_spec kinds_options[] = {
    {.name = "json", .type = OPTION_BOOL, .initial = "false", .flag_only = true, .help = "print JSON"},
    {.name = NULL},
};

static int print_json(const struct kind *only) {
    json_t *list = json_array();
    for (const struct kind *const *kind = kind_table(); *kind; kind++)
        if (!only || only == *kind)
            json_array_append_new(list, kind_describe(*kind));
    json_t *object = json_pack("{s:o}", "kinds", list);
    int error = json_print(stdout, object, true);
    json_decref(object);
    return error ? RUN_FAILED : RUN_OK;
}

static int print_text(const struct kind *only) {
    for (const struct kind *const *kind = kind_table(); *kind; kind++) {
        struct buf help = BUF_INIT;
        if (only && only != *kind)
            continue;
        printf("%-12s %s\n", (*kind)->name, (*kind)->summary);
        if (only && !options_help((*kind)->options, &help))
            printf("%s", (const char *)help.data);
        buf_free(&help);
    }
    return RUN_OK;
}

int command_kinds(int argc, char **argv) {
    json_t *options, *words;
    int code = run_options("kinds [NAME] [--json]", kinds_options, argc, argv, &options, &words);
    if (code || !options)
        return code;
    const char *name = json_string_value(json_array_get(words, 0));
    const struct kind *only = name ? kind_find(name) : NULL;
    struct problem problem = {0};
    if (json_array_size(words) > 1)
        problem_set(&problem, TG_EINVALID, NULL, "one kind at a time (usage: kinds [NAME] [--json])");
    else if (name && !only)
        kind_unknown(name, &problem);
    if (problem.error) {
        run_complain("kinds", &problem);
        code = RUN_USAGE;
    } else {
        code = option_bool(options, "json") ? print_json(only) : print_text(only);
    }
    json_decref(options);
    json_decref(words);
    return code;
}
