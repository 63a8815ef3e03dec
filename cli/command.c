/* command.c - see command.h: a command found by its name, its words read, the program behind it started. */
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/output.h"

const struct command *command_find(const struct command *table, const char *name) {
    for (const struct command *command = table; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

const char *invocation_word(const struct invocation *invocation, size_t index) {
    return json_string_value(json_array_get(invocation->words, index));
}

bool invocation_id(const struct invocation *invocation, size_t index, long long *id) {
    const char *word = invocation_word(invocation, index);
    size_t size = strlen(word);
    if (size > 0 && size < 17 && strspn(word, "0123456789") == size && (*id = strtoll(word, NULL, 10)) > 0)
        return true;
    struct problem problem;
    problem_set(&problem, TG_EINVALID, NULL, "an id is a whole number from 1, not \"%.60s\"", word);
    tell_usage(&problem);
    return false;
}

int command_run_program(const struct command *command, int argc, char **argv) {
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 64);
    path[size < 0 ? 0 : size] = 0;
    char *slash = strrchr(path, '/');
    char **arguments = calloc((size_t)argc + 2, sizeof *arguments);
    if (!arguments)
        return EXIT_REFUSED;
    int count = 0;
    /* A program that stands for a command of ours speaks of itself as such: tengen gtp. */
    arguments[count++] = command->program_word ? "tengen" : (char *)(uintptr_t)command->program;
    if (command->program_word)
        arguments[count++] = (char *)(uintptr_t)command->program_word;
    for (int i = 2; i < argc; i++)
        arguments[count++] = argv[i];
    if (slash) {
        snprintf(slash + 1, sizeof path - (size_t)(slash + 1 - path), "%s", command->program);
        execv(path, arguments);
    }
    if (!slash || errno == ENOENT)
        execvp(command->program, arguments);
    fprintf(stderr, "tengen: %s cannot be started: %s\n", command->program, strerror(errno));
    free(arguments);
    return EXIT_USAGE;
}

int command_help_of_program(const struct command *command) {
    char words[3][8] = {"tengen", "", "--help"};
    char *argv[] = {words[0], words[1], words[2], NULL};
    fflush(stdout);
    return command_run_program(command, 3, argv);
}
