#include <stdio.h>
#include <string.h>
#include "workers/run/run.h"

static const char *program = "tengen-run";

void run_as(const char *name) {
    if (strcmp(name, "tengen") == 0)
        program = "tengen";
}

int run_print_version(void) {
    printf("%s " TENGEN_VERSION "\n", program);
    return RUN_OK;
}

/* A command's words come with its name first; those of a task file with the program's own. */
static const char *command_name(const char *word) {
    return strrchr(word, '/') || strcmp(word, "tengen-run") == 0 ? "" : word;
}

void run_complain(const char *command, const struct problem *problem) {
    const char *detail = problem->detail[0] ? problem->detail : tg_error_title(problem->error);
    const char *name = command_name(command);
    fprintf(stderr, "%s%s%s: %s%s%s\n", program, name[0] ? " " : "", name, problem->field,
            problem->field[0] ? ": " : "", detail);
}

static int print_help(const char *usage, const struct option_spec *table) {
    struct buf text = BUF_INIT;
    int error = options_help(table, &text);
    printf("usage: %s %s\n%s", program, usage, error || !text.data ? "" : (const char *)text.data);
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
        if (strcmp(argv[i], "--version") == 0)
            return run_print_version();
    }
    if (!options_parse_argv(table, argc, argv, options, words, &problem))
        return RUN_OK;
    run_complain(argv[0], &problem);
    fprintf(stderr, "usage: %s %s (--help lists the options)\n", program, usage);
    return RUN_USAGE;
}
