/* main.c - tengen-run: runs one task, as a pure function of its inputs; and the commands that people use by
 * hand. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/log.h"
#include "workers/nn/isa.h"
#include "workers/run/go_commands.h"
#include "workers/run/run.h"

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"gtp", "play as a GTP engine on stdin and stdout", command_gtp},
    {"bench", "measure: bench NAME [options] --json", command_bench},
    {"sgf-check", "replay SGF files, folders and archives: sgf-check PATH...", sgf_check},
    {"dataset-check", "what a data set is: dataset-check PATH|-", command_dataset_check},
    {"accuracy", "score a policy on games: accuracy --checkpoint FILE PATH...", command_accuracy},
    {"kinds", "the kinds of tasks and their options: kinds [NAME]", command_kinds},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int help(FILE *out) {
    fprintf(out,
            "tengen-run runs one task and ends.\n\n"
            "  tengen-run TASK.json [--text]    run a task by hand; frames, or lines for people, to stdout\n"
            "  tengen-run -                     take the task as a frame from stdin, as the agent does\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  tengen-run %-21s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\nTASK.json is {\"kind\": NAME, \"config\": {...}, \"inputs\": {NAME: PATH}, \"units\": N, "
                 "\"seed\": N}; only kind is needed.\n"
                 "Without units it is the whole job: all games of its config, or the one training.\n");
    fprintf(out, "\nEach command takes --help. Exit codes: 0 done, 1 failed, 2 wrong usage.\n");
    return out == stdout ? RUN_OK : RUN_USAGE;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of write(), not our death */
    log_setup(LOG_INFO, false);
    if (argc < 2)
        return help(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(stdout);
    if (strcmp(argv[1], "--version") == 0)
        return run_print_version();
    run_as(argv[0]);
    struct problem problem = {0};
    if (getenv("TENGEN_ISA") && isa_select(NULL, &problem)) {
        fprintf(stderr, "tengen-run: %s: %s\n", problem.field, problem.detail);
        return RUN_USAGE;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return command_task(argc, argv);
}
