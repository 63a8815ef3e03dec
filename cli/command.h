/* command.h - one command of the program `tengen`: a name, an option table, a function.
 *
 * Every command that talks to a server takes CLIENT_OPTIONS, so that --server, --token and --json work
 * everywhere. A command returns one of the exit codes; what went wrong it has told by then (cli/output.h).
 */
#ifndef TENGEN_CLI_COMMAND_H
#define TENGEN_CLI_COMMAND_H

#include <jansson.h>
#include "proto/base/options.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_REFUSED = 1, /* the server said no; a watched job did not succeed */
    EXIT_USAGE = 2,   /* the command line or a local file is wrong */
    EXIT_NO_CONNECTION = 3,
};

struct client;

struct invocation {
    const json_t *options; /* checked against the command's table */
    const json_t *words;   /* the words that are no flags, their number checked */
    struct client *client; /* NULL for a command that needs no server */
    bool json;             /* --json */
};

struct command {
    const char *name;
    const char *words;   /* "FILE|-", for help */
    const char *summary; /* one line */
    const char *details; /* further lines of its help; NULL when there are none */
    const struct option_spec *options;
    int min_words, max_words;
    bool needs_server;
    int (*run)(const struct invocation *invocation);
    const char
        *program; /* instead of run: a program that gets all further arguments (NULL: an own command) */
    const char *program_word; /* put before them ("gtp"); may be NULL */
};

extern const struct command commands[];                                            /* ended by a NULL name */
const struct command *command_find(const struct command *table, const char *name); /* NULL: none */

/* Turns into the program that the command starts, with the arguments after the command's name: the program
 * beside our own executable (build/bin, /usr/bin), else the one that PATH has. Returns only when it cannot: the
 * exit code. */
int command_run_program(const struct command *command, int argc, char **argv);
/* The same for the program's own help. */
int command_help_of_program(const struct command *command);

/* The word at `index`; it is there, since the number of words was checked. */
const char *invocation_word(const struct invocation *invocation, size_t index);
/* The word at `index` as an id; tells what is wrong and returns false when it is none. */
bool invocation_id(const struct invocation *invocation, size_t index, long long *id);
/* DELETE of LIST/ID, the id being the second word; tells that WHAT (a noun) is DONE (a participle). The exit
 * code. */
int delete_by_id(const struct invocation *invocation, const char *list, const char *what, const char *done);

#define CLIENT_OPTIONS                                                                                       \
    {.name = "server",                                                                                       \
     .type = OPTION_STRING,                                                                                  \
     .value = "URL",                                                                                         \
     .min = 0,                                                                                               \
     .max = 1024,                                                                                            \
     .initial = "\"\"",                                                                                      \
     .help = "the server's address (else TENGEN_SERVER, else http://127.0.0.1:7361)"},                       \
        {.name = "token",                                                                                    \
         .type = OPTION_STRING,                                                                              \
         .value = "TOKEN",                                                                                   \
         .min = 0,                                                                                           \
         .max = 256,                                                                                         \
         .initial = "\"\"",                                                                                  \
         .help = "a token (else TENGEN_TOKEN); other users of this machine can see it: better a file"},      \
        {.name = "token_file",                                                                               \
         .type = OPTION_STRING,                                                                              \
         .value = "FILE",                                                                                    \
         .min = 0,                                                                                           \
         .max = 4096,                                                                                        \
         .initial = "\"\"",                                                                                  \
         .help = "a file with the token (else TENGEN_TOKEN_FILE)"},                                          \
        {.name = "ca_file",                                                                                  \
         .type = OPTION_STRING,                                                                              \
         .value = "FILE",                                                                                    \
         .min = 0,                                                                                           \
         .max = 4096,                                                                                        \
         .initial = "\"\"",                                                                                  \
         .help = "certificates (PEM) to trust for https instead of the system's (else TENGEN_CA_FILE)"},     \
    {                                                                                                        \
        .name = "json", .type = OPTION_BOOL, .initial = "false", .flag_only = true, .help = "print JSON"     \
    }

/* The commands, by file. */
int run_submit(const struct invocation *invocation);
int run_jobs(const struct invocation *invocation);
int run_job(const struct invocation *invocation);
int run_cancel(const struct invocation *invocation);
int run_pause(const struct invocation *invocation);
int run_resume(const struct invocation *invocation);
int run_retain(const struct invocation *invocation);
int run_watch(const struct invocation *invocation);
int run_log(const struct invocation *invocation);
int run_games(const struct invocation *invocation);
int run_workers(const struct invocation *invocation);
int run_worker(const struct invocation *invocation);
int run_dataset(const struct invocation *invocation);
int run_checkpoint(const struct invocation *invocation);
int run_token(const struct invocation *invocation);
int run_whoami(const struct invocation *invocation);
int run_kinds(const struct invocation *invocation);
int run_version(const struct invocation *invocation);
int run_help(const struct invocation *invocation);

/* For `submit --watch`. */
int watch_job(struct client *client, long long id, bool json);

#endif
