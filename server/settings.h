/* settings.h - tengen-server's command line. */
#ifndef TENGEN_SERVER_SETTINGS_H
#define TENGEN_SERVER_SETTINGS_H

#include <stdbool.h>
#include <jansson.h>
#include "proto/base/error.h"

/* Parses the flags of running the server into an object for option_int() and so on. */
int settings_parse(int argc, char **argv, json_t **out, struct problem *problem);
/* Those of `tengen-server token create`. */
int settings_parse_token(int argc, char **argv, json_t **out, struct problem *problem);
void settings_help(void); /* prints */
/* What a person typed for the option that the problem's field names. */
void settings_name_flag(struct problem *problem);

/* The folder to use: the option's, or the XDG default. Owned by the caller; NULL when there is no home. */
char *settings_data_folder(const json_t *options);

/* tools.c: what is done instead of serving; the exit code. */
int tool_check(const char *folder);
int tool_backup(const char *folder, const char *file);
int tool_token(const json_t *options);
/* Writes text to a file, all or nothing. */
int write_file(const char *path, const char *text, unsigned mode, struct problem *problem);
void print_problem(const struct problem *problem);

#endif
