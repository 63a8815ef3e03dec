/* tengen-worker - the agent's program: reads its options, runs the loop, obeys signals. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sodium.h>
#include "proto/base/buf.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/base/signals.h"
#include "workers/agent/agent.h"
#include "workers/agent/machine.h"
#include "workers/task/engines.h"

static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};

static const struct option_spec flags[] = {
    {.name = "server",
     .type = OPTION_STRING,
     .value = "URL",
     .max = 512,
     .initial = "\"\"",
     .help = "address of the coordinator (else TENGEN_SERVER, else http://127.0.0.1:7361)"},
    {.name = "token_file",
     .type = OPTION_STRING,
     .value = "FILE",
     .max = 4000,
     .initial = "\"\"",
     .help = "file with the token of role worker (else TENGEN_TOKEN, else the file TENGEN_TOKEN_FILE)"},
    {.name = "ca_file",
     .type = OPTION_STRING,
     .value = "FILE",
     .max = 4000,
     .initial = "\"\"",
     .help = "PEM file of the authority that signed the coordinator's certificate (else TENGEN_CA_FILE)"},
    {.name = "data",
     .type = OPTION_STRING,
     .value = "DIR",
     .max = 3000,
     .initial = "\"\"",
     .help = "the agent's folder: spool, cache, identity (default: ~/.local/share/tengen/worker)"},
    {.name = "runners",
     .type = OPTION_INT,
     .min = 0,
     .max = 256,
     .initial = "0",
     .help = "tasks at once; 0: one per core"},
    {.name = "runner",
     .type = OPTION_STRING,
     .value = "PROGRAM",
     .max = 4000,
     .initial = "\"\"",
     .help = "the program tengen-run (default: beside this program)"},
    {.name = "engine",
     .type = OPTION_LIST,
     .value = "NAME=COMMAND",
     .max = 64,
     .initial = "[]",
     .help =
         "a GTP engine that jobs may name, as NAME=COMMAND; may be repeated; gnugo is known where installed"},
    {.name = "nice",
     .type = OPTION_INT,
     .min = 0,
     .max = 19,
     .initial = "10",
     .help = "nice level of the runners"},
    {.name = "memory_mib",
     .type = OPTION_INT,
     .min = 0,
     .max = 1 << 24,
     .initial = "0",
     .unit = "MiB",
     .help = "memory that a runner and its engines may use before they are ended; 0: the machine's, shared "
             "among the runners"},
    {.name = "cache_mib",
     .type = OPTION_INT,
     .min = 1,
     .max = 1e7,
     .initial = "4096",
     .unit = "MiB",
     .help = "room for checkpoints kept on disk"},
    {.name = "name",
     .type = OPTION_STRING,
     .value = "NAME",
     .max = 100,
     .initial = "\"\"",
     .help = "what people see (default: the host's name)"},
    {.name = "log_level",
     .type = OPTION_CHOICE,
     .initial = "\"info\"",
     .choices = level_names,
     .help = "least level that is logged"},
    {.name = "log_json", .type = OPTION_BOOL, .initial = "false", .help = "log JSON lines"},
    {.name = "help", .type = OPTION_BOOL, .initial = "false", .flag_only = true, .help = "print this"},
    {.name = "version",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "print the version"},
    {.name = NULL},
};

enum { EXIT_USAGE = 2, TOKEN_MAX = 200 };

static int print_help(void) {
    struct buf text = BUF_INIT;
    if (options_help(flags, &text) != 0)
        return EXIT_FAILURE;
    printf("usage: tengen-worker [options]\n"
           "Works for a Tengen coordinator: leases tasks, runs them, delivers what they find.\n\n%s\n"
           "SIGTERM or SIGINT: finish what has begun, deliver it, stop. A second time: stop now.\n",
           (const char *)text.data);
    buf_free(&text);
    return EXIT_SUCCESS;
}

/* ---- where things are ---- */

/* A flag, else the environment's variable, else `fallback`. */
static const char *setting(const json_t *options, const char *flag, const char *variable,
                           const char *fallback) {
    const char *given = option_string(options, flag), *set = getenv(variable);
    if (given[0])
        return given;
    return set && set[0] ? set : fallback;
}

/* The token must never be seen in a list of processes: it comes from a file or the environment, and is taken
 * out of the environment so that runners do not inherit it. */
static int read_token(const json_t *options, char token[TOKEN_MAX], struct problem *problem) {
    const char *path = option_string(options, "token_file"), *given = getenv("TENGEN_TOKEN");
    token[0] = 0;
    if (!path[0] && !(given && given[0]))
        path = setting(options, "token_file", "TENGEN_TOKEN_FILE", "");
    if (path[0]) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, token, TOKEN_MAX - 1);
        if (fd >= 0)
            close(fd);
        if (n < 0)
            return problem_set(problem, TG_EIO, "token_file", "cannot read %s: %s", path, strerror(errno));
        token[n] = 0;
    } else if (given) {
        snprintf(token, TOKEN_MAX, "%s", given);
    }
    unsetenv("TENGEN_TOKEN");
    size_t size = strcspn(token, " \t\r\n");
    token[size] = 0;
    if (size == TOKEN_MAX - 1)
        return path[0] ? problem_set(problem, TG_EINVALID, "token_file",
                                     "the first line of %s is too long for a token", path)
                       : problem_set(problem, TG_EINVALID, "TENGEN_TOKEN", "is too long for a token");
    if (path[0] && !token[0])
        return problem_set(problem, TG_EINVALID, "token_file", "%s holds no token", path);
    return 0;
}

static bool is_beside(const char *program, char *out, size_t size) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", program);
    snprintf(out, size, "%s/tengen-run", dirname(path));
    return access(out, X_OK) == 0;
}

/* Beside the name that we were started by (which may be a link), beside the file that it leads to, or in the
 * PATH. */
static int default_runner(const char *started_as, char *out, size_t size, struct problem *problem) {
    char self[PATH_MAX], places[8192];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    if (strchr(started_as, '/') && is_beside(started_as, out, size))
        return 0;
    if (self[0] && is_beside(self, out, size))
        return 0;
    snprintf(places, sizeof places, "%s", getenv("PATH") ? getenv("PATH") : "");
    char *rest = NULL;
    for (char *place = strtok_r(places, ":", &rest); place; place = strtok_r(NULL, ":", &rest)) {
        snprintf(out, size, "%s/tengen-run", place);
        if (access(out, X_OK) == 0)
            return 0;
    }
    return problem_set(
        problem, TG_ENOT_FOUND, "runner",
        "the program tengen-run is neither beside this one nor in the PATH; name it with --runner");
}

static int make_parents(char *path) {
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        int made = access(path, F_OK) == 0 ? 0 : mkdir(path, 0700);
        *at = '/';
        if (made < 0 && errno != EEXIST)
            return TG_EIO;
    }
    return 0;
}

static int default_data(char *out, size_t size, struct problem *problem) {
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (base && base[0] == '/')
        snprintf(out, size, "%s/tengen/worker", base);
    else if (home && home[0] == '/')
        snprintf(out, size, "%s/.local/share/tengen/worker", home);
    else
        return problem_set(problem, TG_EINVALID, "data", "there is no HOME; name a folder with --data");
    if (make_parents(out) != 0)
        return problem_set(problem, TG_EIO, "data", "cannot make %s: %s", out, strerror(errno));
    return 0;
}

/* ---- running ---- */

static struct agent *the_agent; /* for the signals */

static void on_signal(uv_signal_t *handle, int number) {
    int *count = handle->data;
    if ((*count)++ == 0)
        agent_drain(the_agent, number == SIGINT ? "interrupted" : "asked to end");
    else
        agent_leave(the_agent, "asked to end again");
}

static int run(const struct agent_config *config, struct problem *problem) {
    uv_loop_t loop;
    uv_signal_t terminate, interrupt;
    int count = 0;
    uv_loop_init(&loop);
    uv_signal_init(&loop, &terminate);
    uv_signal_init(&loop, &interrupt);
    terminate.data = interrupt.data = &count;
    uv_signal_start(&terminate, on_signal, SIGTERM);
    uv_signal_start(&interrupt, on_signal, SIGINT);
    signals_release();
    uv_unref((uv_handle_t *)&terminate);
    uv_unref((uv_handle_t *)&interrupt);
    int error = agent_create(&loop, config, &the_agent, problem);
    uv_run(&loop, UV_RUN_DEFAULT);
    agent_destroy(the_agent);
    uv_close((uv_handle_t *)&terminate, NULL);
    uv_close((uv_handle_t *)&interrupt, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return error;
}

static int start(const char *started_as, const json_t *options, struct problem *problem) {
    char token[TOKEN_MAX], runner[PATH_MAX + 16], data[4096], host[256] = "worker";
    const char *given_runner = option_string(options, "runner"), *given_data = option_string(options, "data");
    const char *name = option_string(options, "name");
    const char *ca_file = setting(options, "ca_file", "TENGEN_CA_FILE", "");
    gethostname(host, sizeof host - 1);
    snprintf(runner, sizeof runner, "%s", given_runner);
    snprintf(data, sizeof data, "%s", given_data);
    int error = read_token(options, token, problem);
    if (!error && !given_runner[0])
        error = default_runner(started_as, runner, sizeof runner, problem);
    if (!error && !given_data[0])
        error = default_data(data, sizeof data, problem);
    json_t *engines = engines_known();
    if (!error)
        error =
            engines ? engines_add_all(engines, json_object_get(options, "engine"), problem) : TG_ENO_MEMORY;
    int runners = (int)option_int(options, "runners");
    runners = runners > 0 ? runners : machine_cores();
    int64_t memory = option_int(options, "memory_mib") << 20;
    struct agent_config config = {
        .server = setting(options, "server", "TENGEN_SERVER", "http://127.0.0.1:7361"),
        .token = token[0] ? token : NULL,
        .ca_file = ca_file[0] ? ca_file : NULL,
        .data = data,
        .runner = runner,
        .name = name[0] ? name : host,
        .runners = runners,
        .nice_level = (int)option_int(options, "nice"),
        .memory_bytes = memory > 0 ? memory : (int64_t)machine_memory_bytes() / runners,
        .cache_bytes = option_int(options, "cache_mib") << 20,
        .engines = engines,
    };
    if (!error)
        error = run(&config, problem);
    json_decref(engines);
    sodium_memzero(token, sizeof token);
    return error;
}

/* Two threads are enough for the disk, and each arena of the allocator would cost memory that an agent beside
 * the work should not take. */
static void be_small(void) {
    setenv("UV_THREADPOOL_SIZE", "2", 0);
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

int main(int argc, char **argv) {
    struct problem problem = {0};
    json_t *options = NULL;
    signals_hold();
    be_small();
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0 || options_parse_argv(flags, argc, argv, &options, NULL, &problem) != 0) {
        fprintf(stderr, "tengen-worker: %s: %s (see --help)\n", problem.field, problem.detail);
        return EXIT_USAGE;
    }
    int status = EXIT_SUCCESS;
    enum log_level level = LOG_INFO;
    (void)log_level_parse(option_string(options, "log_level"), &level);
    log_setup(level, option_bool(options, "log_json"));
    if (option_bool(options, "help")) {
        status = print_help();
    } else if (option_bool(options, "version")) {
        printf("tengen-worker %s\n", TENGEN_VERSION);
    } else if (start(argv[0], options, &problem) != 0) {
        options_name_flag(flags, &problem);
        fprintf(stderr, "tengen-worker: %s: %s\n", problem.field, problem.detail);
        status = EXIT_FAILURE;
    }
    json_decref(options);
    return status;
}
