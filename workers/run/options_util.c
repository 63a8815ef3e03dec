#include <stdio.h>
#include <string.h>
#include "workers/run/run.h"

/* A command's words come with its name first; those of a task file with the program's own. */
static const char *command_name(const char *word) {
    return strrchr(word, '/') || strcmp(word, "tengen-run") == 0 ? "" : word;
}

void run_complain(const char *command, const struct problem *problem) {
    const char *detail = problem->detail[0] ? problem->detail : tg_error_title(problem->error);
    const char *name = command_name(command);
    fprintf(stderr, "tengen-run%s%s: %s%s%s\n", name[0] ? " " : "", name, problem->field,
            problem->field[0] ? ": " : "", detail);
}

static int print_help(const char *usage, const struct option_spec *table) {
    struct buf text = BUF_INIT;
    int error = options_help(table, &text);
    printf("usage: tengen-run %s\n%s", usage, error || !text.data ? "" : (const char *)text.data);
    buf_free(&text);
    return RUN_OK;
}

int run_options(const char *usage, const struct option_spec *table, int argc, char **argv, json_t **options,
                json_t **words) {
    struct problem problem = {0};
    *options = NULL;
    if (words)
        *words = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return print_help(usage, table);
        if (strcmp(argv[i], "--version") == 0) {
            puts("tengen-run " TENGEN_VERSION);
            return RUN_OK;
        }
    }
    if (!options_parse_argv(table, argc, argv, options, words, &problem))
        return RUN_OK;
    run_complain(argv[0], &problem);
    fprintf(stderr, "usage: tengen-run %s (--help lists the options)\n", usage);
    return RUN_USAGE;
}
