/* commands.c - the table of commands, and the two that describe it: help and version. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/output.h"

static const struct option_spec plain_options[] = {CLIENT_OPTIONS, {.name = NULL}};

static const struct option_spec local_options[] = {
    {.name = "json", .type = OPTION_BOOL, .initial = "false", .flag_only = true, .help = "print JSON"},
    {.name = NULL},
};

#define LIMIT_OPTION(text)                                                                                   \
    {                                                                                                        \
        .name = "limit", .type = OPTION_INT, .min = 0, .max = 1e6, .initial = "50", .unit = "items",         \
        .help = text                                                                                         \
    }

static const struct option_spec submit_options[] = {
    {.name = "name",
     .type = OPTION_STRING,
     .value = "NAME",
     .min = 0,
     .max = 200,
     .initial = "\"\"",
     .help = "a name instead of the document's"},
    {.name = "priority",
     .type = OPTION_STRING,
     .value = "N",
     .min = 0,
     .max = 20,
     .initial = "\"\"",
     .help = "a priority instead of the document's"},
    {.name = "idempotency_key",
     .type = OPTION_STRING,
     .value = "KEY",
     .min = 0,
     .max = 128,
     .initial = "\"\"",
     .help = "submitting again with the same key and document makes no second job"},
    {.name = "watch",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "watch the job until its end"},
    CLIENT_OPTIONS,
    {.name = NULL},
};

static const struct option_spec jobs_options[] = {
    {.name = "state",
     .type = OPTION_STRING,
     .value = "STATE",
     .min = 0,
     .max = 20,
     .initial = "\"\"",
     .help = "only jobs in this state: queued, running, paused, succeeded, failed, cancelled"},
    {.name = "kind",
     .type = OPTION_STRING,
     .value = "KIND",
     .min = 0,
     .max = 64,
     .initial = "\"\"",
     .help = "only jobs of this kind"},
    LIMIT_OPTION("how many at most, newest first; 0: all"),
    CLIENT_OPTIONS,
    {.name = NULL},
};

static const struct option_spec retain_options[] = {
    {.name = "chunks",
     .type = OPTION_INT,
     .min = 0,
     .max = 1e12,
     .initial = "0",
     .unit = "chunks",
     .help = "keep the bytes of the newest so many; 0: of all"},
    {.name = "seconds",
     .type = OPTION_INT,
     .min = 0,
     .max = 1e10,
     .initial = "0",
     .unit = "s",
     .help = "keep the bytes of what was stored within so long; 0: for ever"},
    CLIENT_OPTIONS,
    {.name = NULL},
};

static const struct option_spec games_options[] = {
    {.name = "sgf",
     .type = OPTION_STRING,
     .value = "DIR",
     .min = 0,
     .max = 4096,
     .initial = "\"\"",
     .help = "a folder into which the records are written, one ID.sgf a game"},
    {.name = "limit",
     .type = OPTION_INT,
     .min = 0,
     .max = 1e7,
     .initial = "0",
     .unit = "games",
     .help = "how many at most, newest first; 0: 50 of a list, all with --sgf"},
    CLIENT_OPTIONS,
    {.name = NULL},
};

static const struct option_spec token_options[] = {
    {.name = "role",
     .type = OPTION_STRING,
     .value = "ROLE",
     .min = 0,
     .max = 20,
     .initial = "\"worker\"",
     .help = "what it may do: view, submit, worker or admin"},
    {.name = "name",
     .type = OPTION_STRING,
     .value = "NAME",
     .min = 0,
     .max = 200,
     .initial = "\"\"",
     .help = "whose it is"},
    CLIENT_OPTIONS,
    {.name = NULL},
};

static const struct option_spec kinds_options[] = {
    {.name = "markdown",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "the whole reference as Markdown (docs/options.md)"},
    {.name = "json", .type = OPTION_BOOL, .initial = "false", .flag_only = true, .help = "print JSON"},
    {.name = NULL},
};

static const char job_document[] = "The document is a job, such as {\"kind\": \"selfplay\", \"name\": "
                                   "\"first\", \"config\": {\"games\": 100}},\n"
                                   "or a set of jobs that build on each other, {\"jobs\": [...]}. The "
                                   "options of a kind: tengen kinds NAME.\n";
static const char what_stays[] =
    "Without a flag everything is kept. Counts, totals and the games' records stay whatever is dropped; "
    "what\n"
    "has been dropped does not come back. A new job can say it itself: \"retention\": {\"chunks\": 1000}.\n";
static const char watch_ends[] =
    "Ends with 0 when the job succeeds and with 1 when it fails or is cancelled.\n";
static const char worker_actions[] =
    "  tengen worker drain ID     it finishes the units that have begun, delivers them and ends\n"
    "  tengen worker disable ID   the same, and nothing of it is expected any more\n"
    "  tengen worker enable ID    undoes either; an agent that has ended must be started again\n";
static const char token_actions[] =
    "  tengen token create --role worker --name lab   prints the token, which is shown this once\n"
    "  tengen token list\n"
    "  tengen token revoke ID\n";

static const struct option_spec dataset_options[] = {
    {.name = "name",
     .type = OPTION_STRING,
     .value = "NAME",
     .max = 200,
     .initial = "\"\"",
     .help = "what jobs call it (default: the file's or folder's name)"},
    CLIENT_OPTIONS,
    {.name = NULL},
};

static const struct option_spec checkpoint_options[] = {
    {.name = "name",
     .type = OPTION_STRING,
     .value = "NAME",
     .max = 200,
     .initial = "\"\"",
     .help = "add: what people see; fetch: which of a job's checkpoints (default: checkpoint)"},
    {.name = "output",
     .type = OPTION_STRING,
     .value = "FILE",
     .max = 4096,
     .initial = "\"\"",
     .help = "fetch: the file (default: the digest's first digits and .safetensors)"},
    CLIENT_OPTIONS,
    {.name = NULL},
};

static const char dataset_actions[] =
    "    add PATH     a file, or a folder, which is packed so that the same files give the same digest;\n"
    "                 the server looks at it and refuses what no job could use\n"
    "    list         all, the newest first\n"
    "    remove ID    refused while a job that is not over needs it\n";

static const char checkpoint_actions[] = "    list [JOB]          all, or a job's, the newest first\n"
                                         "    fetch SHA256|JOB    a file by its digest, or a job's newest\n"
                                         "    add FILE            sends a safetensors file and prints its "
                                         "digest, which jobs take as their input\n";

const struct command commands[] = {
    {.name = "serve",
     .words = "...",
     .program = "tengen-server",
     .summary = "start the coordinator (tengen-server)"},
    {.name = "work",
     .words = "...",
     .program = "tengen-worker",
     .summary = "start the agent of this machine (tengen-worker)"},
    {.name = "gtp",
     .words = "...",
     .program = "tengen-run",
     .program_word = "gtp",
     .summary = "play Go over GTP on standard input and output"},
    {.name = "submit",
     .words = "FILE|-",
     .summary = "submit a job, or a set of jobs",
     .details = job_document,
     .options = submit_options,
     .min_words = 1,
     .max_words = 1,
     .needs_server = true,
     .run = run_submit},
    {.name = "jobs",
     .words = "",
     .summary = "list jobs",
     .options = jobs_options,
     .needs_server = true,
     .run = run_jobs},
    {.name = "job",
     .words = "ID",
     .summary = "show a job",
     .options = plain_options,
     .min_words = 1,
     .max_words = 1,
     .needs_server = true,
     .run = run_job},
    {.name = "watch",
     .words = "ID",
     .summary = "follow a job until its end",
     .details = watch_ends,
     .options = plain_options,
     .min_words = 1,
     .max_words = 1,
     .needs_server = true,
     .run = run_watch},
    {.name = "log",
     .words = "ID",
     .summary = "print a job's log",
     .options = plain_options,
     .min_words = 1,
     .max_words = 1,
     .needs_server = true,
     .run = run_log},
    {.name = "games",
     .words = "ID",
     .summary = "list a job's games, or fetch their records",
     .options = games_options,
     .min_words = 1,
     .max_words = 1,
     .needs_server = true,
     .run = run_games},
    {.name = "cancel",
     .words = "ID",
     .summary = "cancel a job",
     .options = plain_options,
     .min_words = 1,
     .max_words = 1,
     .needs_server = true,
     .run = run_cancel},
    {.name = "pause",
     .words = "ID",
     .summary = "pause a job; what runs may end",
     .options = plain_options,
     .min_words = 1,
     .max_words = 1,
     .needs_server = true,
     .run = run_pause},
    {.name = "resume",
     .words = "ID",
     .summary = "resume a paused job",
     .options = plain_options,
     .min_words = 1,
     .max_words = 1,
     .needs_server = true,
     .run = run_resume},
    {.name = "retain",
     .words = "ID",
     .summary = "set how much of a job's experience is kept",
     .details = what_stays,
     .options = retain_options,
     .min_words = 1,
     .max_words = 1,
     .needs_server = true,
     .run = run_retain},
    {.name = "dataset",
     .words = "add|list|remove [PATH|ID]",
     .summary = "what jobs learn from: send a file or folder, list, remove",
     .details = dataset_actions,
     .options = dataset_options,
     .min_words = 1,
     .max_words = 2,
     .needs_server = true,
     .run = run_dataset},
    {.name = "checkpoint",
     .words = "list|fetch|add [JOB|SHA256|FILE]",
     .summary = "networks: list, fetch, send",
     .details = checkpoint_actions,
     .options = checkpoint_options,
     .min_words = 1,
     .max_words = 2,
     .needs_server = true,
     .run = run_checkpoint},
    {.name = "workers",
     .words = "",
     .summary = "list the machines that work",
     .options = plain_options,
     .needs_server = true,
     .run = run_workers},
    {.name = "worker",
     .words = "drain|enable|disable ID",
     .summary = "let a machine finish and stop, or work again",
     .details = worker_actions,
     .options = plain_options,
     .min_words = 2,
     .max_words = 2,
     .needs_server = true,
     .run = run_worker},
    {.name = "token",
     .words = "create|list|revoke [ID]",
     .summary = "make, list or revoke tokens",
     .details = token_actions,
     .options = token_options,
     .min_words = 1,
     .max_words = 2,
     .needs_server = true,
     .run = run_token},
    {.name = "whoami",
     .words = "",
     .summary = "what the server takes us for",
     .options = plain_options,
     .needs_server = true,
     .run = run_whoami},
    {.name = "kinds",
     .words = "[NAME]",
     .summary = "the kinds of jobs, or the options of one",
     .options = kinds_options,
     .max_words = 1,
     .run = run_kinds},
    {.name = "version",
     .words = "",
     .summary = "print the version",
     .options = local_options,
     .run = run_version},
    {.name = "help",
     .words = "[COMMAND]",
     .summary = "this, or the flags of a command",
     .options = local_options,
     .max_words = 1,
     .run = run_help},
    {.name = NULL},
};

int run_version(const struct invocation *invocation) {
    if (invocation->json)
        puts("{\"version\":\"" TENGEN_VERSION "\"}");
    else
        puts("tengen " TENGEN_VERSION);
    return EXIT_OK;
}

static int help_overview(void) {
    puts("usage: tengen COMMAND [FLAGS] ...\n");
    for (const struct command *command = commands; command->name; command++) {
        char usage[64];
        snprintf(usage, sizeof usage, "%s %s", command->name, command->words);
        printf("  %-30s %s\n", usage, command->summary);
    }
    puts("\ntengen help COMMAND lists its flags. Every command that asks the server takes --server URL, "
         "--token-file FILE\n"
         "and --json. Exit codes: 0 done, 1 the server said no, 2 the command line or a file is wrong, 3 no "
         "connection.");
    return EXIT_OK;
}

static int help_command(const struct command *command) {
    printf("usage: tengen %s%s%s\n\n%s.\n", command->name, command->words[0] ? " " : "", command->words,
           command->summary);
    if (command->program) {
        printf("All further arguments go to %s%s%s:\n\n", command->program, command->program_word ? " " : "",
               command->program_word ? command->program_word : "");
        return command_help_of_program(command);
    }
    if (command->details)
        printf("\n%s", command->details);
    struct buf text = BUF_INIT;
    if (!options_help(command->options, &text))
        printf("\n%s", (char *)text.data);
    buf_free(&text);
    return EXIT_OK;
}

int run_help(const struct invocation *invocation) {
    if (json_array_size(invocation->words) == 0)
        return help_overview();
    const char *name = invocation_word(invocation, 0);
    const struct command *command = command_find(commands, name);
    if (command)
        return help_command(command);
    struct problem problem;
    problem_set(&problem, TG_EINVALID, NULL, "there is no command \"%.60s\"; see tengen help", name);
    return tell_usage(&problem);
}
