/* go_commands.h - the commands of tengen-run that need only the Go rules. Like a main: arguments behind the
 * command's own name (argv[0]), output on stdout, messages on stderr, the exit code returned. */
#ifndef TENGEN_RUN_GO_COMMANDS_H
#define TENGEN_RUN_GO_COMMANDS_H

/* tengen-run bench playouts [--board N] [--seconds S] [--seed N] [--komi K] [--mercy N] [--json] */
int bench_playouts(int argc, char **argv);

/* tengen-run sgf-check PATH... [--filter NAME=TEXT] */
int sgf_check(int argc, char **argv);

#endif
