/* run.h - the commands of tengen-run. Each is like a main: its own name in argv[0], results on stdout,
 * messages on stderr, an exit code returned. */
#ifndef TENGEN_RUN_RUN_H
#define TENGEN_RUN_RUN_H

#include <jansson.h>
#include "proto/base/error.h"
#include "proto/base/options.h"

enum run_exit {
    RUN_OK = 0,
    RUN_FAILED = 1, /* the task or the check failed */
    RUN_USAGE = 2,
};

int command_task(int argc, char **argv); /* TASK.json, or - for frames */
int command_gtp(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_kinds(int argc, char **argv);
int command_dataset_check(int argc, char **argv); /* PATH, or - for the standard input */
int command_accuracy(int argc, char **argv);

int bench_search(int argc, char **argv);
int bench_search_uct(int argc, char **argv);
int bench_infer(int argc, char **argv);
int bench_train(int argc, char **argv);
int bench_dqn_step(int argc, char **argv);
int bench_transformer(int argc, char **argv);

/* Under which name a person started this: "tengen" where the client stands before it (tengen gtp), else it is
 * tengen-run. Called once, before the functions below, which say that name. */
void run_as(const char *name);
int run_print_version(void); /* RUN_OK */
/* Parses flags; on failure says why on stderr, prefixed by the command's name. 0 or RUN_USAGE. --help is
 * among the flags of every command: it prints `usage` and the table, and *options is NULL. */
int run_options(const char *usage, const struct option_spec *table, int argc, char **argv, json_t **options,
                json_t **words);
void run_complain(const char *command, const struct problem *problem);

#endif
