/* task_command.c - runs one task, from a file or from the agent. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/wire/json.h"
#include "workers/alphago/games.h"
#include "workers/run/run.h"
#include "workers/task/engines.h"
#include "workers/task/port.h"
#include "workers/task/task.h"
#include "workers/text/text.h"
#include "workers/vision/vision.h"

enum { TASK_BYTES_MAX = 4 << 20 };

/* Every kind and its run function. */
static const struct runner {
    const struct kind *kind;
    int (*run)(const struct task *task, struct port *port, struct problem *problem);
} runners[] = {
    {&kind_selfplay, selfplay_run},   {&kind_teacher, teacher_run},   {&kind_match, match_run},
    {&kind_sl_policy, sl_policy_run}, {&kind_classify, classify_run}, {&kind_evaluate, evaluate_run},
    {&kind_seq2seq, seq2seq_run},
};

static const struct option_spec task_options[] = {
    {.name = "text",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "write lines for people instead of frames: one a game, one for the metrics of a step"},
    {.name = "json",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "write a line of JSON for each frame, without its body (scripts/plot draws the metrics)"},
    {.name = "out",
     .type = OPTION_STRING,
     .value = "DIR",
     .max = 4000,
     .initial = "\"\"",
     .help = "folder (made when missing) that keeps checkpoints, reports and chunks as files"},
    {.name = "engine",
     .type = OPTION_LIST,
     .value = "NAME=COMMAND",
     .max = 64,
     .initial = "[]",
     .help = "NAME=COMMAND: a GTP engine that the task may name (gnugo is known where it is installed)"},
    {.name = NULL},
};

static struct port *signalled_port; /* for the handler alone */

/* The first wish to end finishes the game; the second, or a plain kill, does not. */
static void on_signal(int number) {
    static volatile sig_atomic_t seen;
    port_interrupt(signalled_port, number == SIGINT && !seen ? ORDER_DRAIN : ORDER_STOP);
    seen = 1;
}

static void watch_signals(struct port *port, bool by_hand) {
    struct sigaction action = {.sa_handler = on_signal};
    signalled_port = port;
    sigaction(SIGTERM, &action, NULL);
    if (by_hand)
        sigaction(SIGINT, &action, NULL);
    else
        signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the agent too, which tells us what it wants */
}

/* The unit of a kind that has but one is finished when its function is, unless it was told to end. */
static int close_unit(struct port *port, const struct task *task) {
    int64_t left = task->units - task->units_done - port_units(port);
    bool finished = task->kind->split == SPLIT_ONE && left > 0 && port_order(port) == ORDER_GO;
    return finished ? port_units_done(port, left) : 0;
}

static int run_task(struct port *port, const json_t *document, struct problem *problem) {
    struct task task;
    int error = task_parse(document, &task, problem);
    if (error)
        return error;
    error = problem_set(problem, TG_EUNKNOWN_KIND, "kind", "this runner has no code for %s", task.kind->name);
    for (size_t i = 0; i < sizeof(runners) / sizeof(runners[0]); i++)
        if (runners[i].kind == task.kind) {
            *problem = (struct problem){0};
            error = runners[i].run(&task, port, problem);
            if (!error)
                error = close_unit(port, &task);
        }
    task_free(&task);
    return error;
}

/* Runs it and says how it ended. A task that was told to stop is not heard any more: that is a failure, too.
 * Lines for people on a terminal have the reason: there stderr does not say it again. */
static int conduct(struct port *port, const json_t *document, enum port_form form) {
    struct problem problem = {0};
    int error = run_task(port, document, &problem);
    if (!error)
        return port_done(port) ? RUN_FAILED : RUN_OK;
    if (error == TG_ECANCELLED)
        problem_set(&problem, TG_ECANCELLED, NULL, "stopped as ordered");
    if (!problem.error)
        problem_set(&problem, error, NULL, "%s", tg_error_title(error));
    port_fail(port, &problem);
    if (form != PORT_TEXT || !isatty(STDOUT_FILENO))
        run_complain("task", &problem);
    return RUN_FAILED;
}

/* What the command line and this machine offer, unless the document says so itself. */
static int offer_engines(json_t *document, const json_t *options, struct problem *problem) {
    json_t *engines = engines_known(), *own = json_object_get(document, "engines");
    int error =
        engines ? engines_add_all(engines, json_object_get(options, "engine"), problem) : TG_ENO_MEMORY;
    if (!error) {
        json_object_update(engines, own);
        if (!own || json_is_object(own)) /* what is wrong with another is the task parser's to say */
            json_object_set(document, "engines", engines);
    }
    json_decref(engines);
    return error;
}

/* The folder of --out, or nothing. */
static int make_folder(const char *out, struct problem *problem) {
    if (!out[0] || mkdir(out, 0777) == 0 || errno == EEXIST)
        return 0;
    return problem_set(problem, TG_EIO, "--out", "%.200s cannot be made: %s", out, strerror(errno));
}

static int run_file(const char *path, const json_t *options, enum port_form form) {
    struct problem problem = {0};
    json_t *document = json_read_file(path, TASK_BYTES_MAX, &problem);
    int error = document ? 0 : problem.error;
    if (!error && !json_is_object(document))
        error = problem_set(&problem, TG_EWRONG_TYPE, path, "must be a JSON object");
    if (!error)
        error = offer_engines(document, options, &problem);
    const char *out = option_string(options, "out");
    if (!error)
        error = make_folder(out, &problem);
    struct port *port = error ? NULL : port_create(-1, STDOUT_FILENO, form);
    int code = RUN_USAGE;
    if (error) {
        run_complain("task", &problem);
    } else if (port) {
        watch_signals(port, true);
        if (out[0])
            port_keep(port, out);
        port_hello(port);
        code = conduct(port, document, form);
    }
    port_destroy(port);
    json_decref(document);
    return code;
}

/* The engines of a task that came from the agent are the agent's own; nothing is added. */
static int run_frames(enum port_form form) {
    struct problem problem = {0};
    json_t *document = NULL;
    struct port *port = port_create(STDIN_FILENO, STDOUT_FILENO, form);
    if (!port)
        return RUN_FAILED;
    watch_signals(port, false);
    port_hello(port);
    int code = RUN_FAILED;
    if (port_receive_task(port, &document, &problem) == 0) {
        code = conduct(port, document, form);
    } else {
        port_fail(port, &problem);
        run_complain("task", &problem);
    }
    json_decref(document);
    port_destroy(port);
    return code;
}

int command_task(int argc, char **argv) {
    json_t *options, *words;
    int code = run_options("TASK.json [--text|--json] [--out DIR] [--engine NAME=COMMAND]... | -",
                           task_options, argc, argv, &options, &words);
    if (code || !options)
        return code;
    const char *path = json_string_value(json_array_get(words, 0));
    bool text = option_bool(options, "text"), json = option_bool(options, "json");
    enum port_form form = text ? PORT_TEXT : json ? PORT_JSON : PORT_FRAMES;
    if (json_array_size(words) != 1) {
        fprintf(stderr, "tengen-run: expected one task file, or - (tengen-run --help)\n");
        code = RUN_USAGE;
    } else if (text && json) {
        fprintf(stderr, "tengen-run: --text and --json are two forms: give one of them\n");
        code = RUN_USAGE;
    } else if (strcmp(path, "-") == 0) {
        code = run_frames(form);
    } else {
        code = run_file(path, options, form);
    }
    json_decref(options);
    json_decref(words);
    return code;
}
