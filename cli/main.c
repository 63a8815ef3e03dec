/* main.c - the program `tengen`: finds the command, reads its flags, runs it. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"

static int check_words(const struct command *command, const json_t *words, struct problem *problem) {
    int count = (int)json_array_size(words);
    if (count >= command->min_words && count <= command->max_words)
        return TG_OK;
    return problem_set(problem, TG_EINVALID, NULL, "usage: tengen %s%s%s (see tengen help %s)", command->name,
                       command->words[0] ? " " : "", command->words, command->name);
}

static int run_with_options(const struct command *command, const json_t *options, const json_t *words) {
    struct invocation invocation = {.options = options, .words = words, .json = option_bool(options, "json")};
    struct problem problem = {0};
    if (command->needs_server && !(invocation.client = client_create(options, &problem)))
        return tell_usage(&problem);
    int code = command->run(&invocation);
    client_destroy(invocation.client);
    if ((fflush(stdout) || ferror(stdout)) && code == EXIT_OK) {
        fprintf(stderr, "tengen: the output cannot be written: %s\n", strerror(errno));
        code = EXIT_USAGE;
    }
    return code;
}

static bool has_flag(int argc, char **argv, const char *flag) {
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], flag) == 0)
            return true;
    return false;
}

static int help_for(const char *name) {
    json_t *words = name ? json_pack("[s]", name) : json_array();
    int code = run_help(&(struct invocation){.words = words});
    json_decref(words);
    return code;
}

static int run_command(const struct command *command, int argc, char **argv) {
    if (command->program)
        return command_run_program(command, argc, argv);
    if (has_flag(argc, argv, "--help") || has_flag(argc, argv, "-h"))
        return help_for(command->name);
    if (has_flag(argc, argv, "--json"))
        tell_as_json();
    json_t *options = NULL, *words = NULL;
    struct problem problem = {0};
    int error = options_parse_argv(command->options, argc - 1, argv + 1, &options, &words, &problem);
    if (error && problem.error == TG_EUNKNOWN_OPTION)
        problem_set(&problem, error, problem.field, "%s (see tengen help %s)", problem.detail, command->name);
    if (!error)
        error = check_words(command, words, &problem);
    int code = error ? tell_usage(&problem) : run_with_options(command, options, words);
    json_decref(options);
    json_decref(words);
    return code;
}

static int unknown_command(const char *name) {
    enum { MOST = 64 };
    const char *names[MOST + 1];
    int count = 0;
    for (; count < MOST && commands[count].name; count++)
        names[count] = commands[count].name;
    names[count] = NULL;
    const char *nearest = nearest_name(name, names);
    struct problem problem;
    problem_set(&problem, TG_EINVALID, NULL, "there is no command \"%.60s\"%s%s; see tengen help", name,
                nearest ? "; did you mean " : "", nearest ? nearest : "");
    return tell_usage(&problem);
}

int main(int argc, char **argv) {
    setlocale(LC_CTYPE, "");
    if (argc < 2) {
        help_for(NULL);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help_for(NULL);
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct command *command = command_find(commands, name);
    return command ? run_command(command, argc, argv) : unknown_command(name);
}
