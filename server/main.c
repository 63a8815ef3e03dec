/* main.c - tengen-server: reads the command line, puts store, API and HTTP together, runs the loop, stops
 * cleanly.
 *
 *      SIGTERM, SIGINT ──> new requests get 503, long polls and event streams end, what is in flight finishes
 *                          (at most STOP_MS) ──> the store commits what is queued ──> exit 0
 *      a second one    ──> exit at once (the store survives that too)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <sodium.h>
#include "proto/base/buf.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/base/signals.h"
#include "server/api/api.h"
#include "server/http/http.h"
#include "server/settings.h"

enum { STOP_MS = 20000, PEM_MAX = 1 << 20 };

struct program {
    uv_loop_t loop;
    const json_t *options;
    struct api *api;
    struct http_server *http;
    uv_signal_t term, interrupt;
    uv_timer_t patience;
    bool stopping;
    char *tls_cert, *tls_key;
    char runner[4096 + 16]; /* path of tengen-run */
};

/* ---- stopping ---- */

static void on_drained(void *arg) {
    uv_stop(&((struct program *)arg)->loop);
}

static void on_patience(uv_timer_t *timer) {
    log_warn("server", "some requests did not finish; stopping without them");
    uv_stop(timer->loop);
}

static void on_signal(uv_signal_t *signal, int number) {
    struct program *program = signal->data;
    if (program->stopping) {
        _exit(128 + number);
    }
    log_info("server", "stopping");
    program->stopping = true;
    api_stop(program->api);
    http_drain(program->http, on_drained, program);
    uv_timer_start(&program->patience, on_patience, STOP_MS, 0);
}

static void watch_signals(struct program *program) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    uv_signal_init(&program->loop, &program->term);
    uv_signal_init(&program->loop, &program->interrupt);
    uv_timer_init(&program->loop, &program->patience);
    program->term.data = program->interrupt.data = program;
    uv_signal_start(&program->term, on_signal, SIGTERM);
    uv_signal_start(&program->interrupt, on_signal, SIGINT);
    signals_release();
}

/* ---- starting ---- */

static int read_pem(const char *option, const char *path, char **out, struct problem *problem) {
    FILE *file = fopen(path, "re");
    char *text = file ? calloc(1, PEM_MAX + 1) : NULL;
    size_t size = text ? fread(text, 1, PEM_MAX, file) : 0;
    if (file) {
        fclose(file);
    }
    if (size == 0) {
        free(text);
        return problem_set(problem, TG_EIO, option, "cannot read %s: %s", path,
                           file ? "it is empty" : strerror(errno));
    }
    *out = text;
    return TG_OK;
}

static int read_tls(struct program *program, struct problem *problem) {
    const char *cert = option_string(program->options, "tls_cert"),
               *key = option_string(program->options, "tls_key");
    if (!cert[0] && !key[0]) {
        return TG_OK;
    }
    if (!cert[0] || !key[0]) {
        return problem_set(problem, TG_EMISSING_FIELD, cert[0] ? "tls_key" : "tls_cert",
                           "--tls-cert and --tls-key belong together");
    }
    int error = read_pem("tls_cert", cert, &program->tls_cert, problem);
    return error ? error : read_pem("tls_key", key, &program->tls_key, problem);
}

static bool is_loopback(const char *address) {
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        return (ntohl(v4.s_addr) >> 24) == 127;
    }
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int check_exposure(const struct program *program, struct problem *problem) {
    const char *bind = option_string(program->options, "bind");
    if (!api_is_tokenless(program->api) || is_loopback(bind)) {
        return TG_OK;
    }
    return problem_set(
        problem, TG_ETOKEN_MISSING, "bind",
        "without a token anybody who reaches %s could do everything. Start with --create-admin-token "
        "FILE, or make one first: tengen-server token create --data DIR",
        bind);
}

/* The folder's parents; the folder itself is the store's to make. */
static void make_parents(const char *folder) {
    char *path = strdup(folder);
    for (char *at = path ? strchr(path + 1, '/') : NULL; at; at = strchr(at + 1, '/')) {
        *at = 0;
        mkdir(path, 0700); /* what fails here fails again, with its reason, in store_open */
        *at = '/';
    }
    free(path);
}

static bool runner_beside(struct program *program, const char *of) {
    const char *slash = strrchr(of, '/');
    if (!slash)
        return false;
    snprintf(program->runner, sizeof program->runner, "%.*s/tengen-run", (int)(slash - of), of);
    return access(program->runner, X_OK) == 0;
}

/* The option's; else beside the name that we were started by (which may be a link), or beside the file that
 * it leads to. NULL: there is none, and no data set can be taken. */
static const char *find_runner(struct program *program) {
    const char *given = option_string(program->options, "runner");
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    self[size > 0 ? size : 0] = 0;
    if (given[0])
        return given;
    if (runner_beside(program, program_invocation_name) || runner_beside(program, self))
        return program->runner;
    log_warn("server",
             "tengen-run is not beside this program: uploaded data sets will be refused (--runner)");
    return NULL;
}

static int open_api(struct program *program, const char *folder, struct problem *problem) {
    const json_t *options = program->options;
    const char *web = option_string(options, "web"), *public_url = option_string(options, "public_url");
    struct api_settings settings = {
        .data = folder,
        .web = web[0] ? web : NULL,
        .bind = option_string(options, "bind"),
        .public_url = public_url[0] ? public_url : NULL,
        .runner = find_runner(program),
        .workers_max = option_int(options, "workers"),
        .lease_s = (int)option_int(options, "lease_s"),
        .free_floor = (uint64_t)option_int(options, "free_floor_mib") << 20,
        .body_max = (size_t)option_int(options, "max_body_mib") << 20,
        .upload_max = (uint64_t)option_int(options, "max_upload_mib") << 20,
    };
    make_parents(folder);
    return api_open(&program->loop, &settings, &program->api, problem);
}

static int first_token(struct program *program, struct problem *problem) {
    const char *file = option_string(program->options, "create_admin_token");
    char token[TOKEN_TEXT], line[TOKEN_TEXT + 1];
    if (!file[0] || !api_is_tokenless(program->api)) {
        return TG_OK;
    }
    int error = api_create_first_token(program->api, token, problem);
    snprintf(line, sizeof line, "%s\n", error ? "" : token);
    error = error ? error : write_file(file, line, 0600, problem);
    if (!error) {
        log_info("server", "made an admin's token: it is in %s", file);
    }
    return error;
}

static int open_http(struct program *program, struct problem *problem) {
    const json_t *options = program->options;
    struct http_options http = {
        .bind = option_string(options, "bind"),
        .port = (int)option_int(options, "port"),
        .tls_cert = program->tls_cert,
        .tls_key = program->tls_key,
        .connections = (int)option_int(options, "connections"),
        .connections_per_peer = (int)option_int(options, "connections_per_address"),
        .requests_per_s = (int)option_int(options, "requests_per_s"),
        .loopback_requests_per_s = (int)option_int(options, "loopback_requests_per_s"),
        .header_s = (int)option_int(options, "header_s"),
        .idle_s = (int)option_int(options, "idle_s"),
        .body_bytes_per_s = 1024,
        .bodies_max = (size_t)option_int(options, "max_bodies_mib") << 20,
        .routes = api_routes(),
        .authorize = api_authorize,
        .local_only = api_is_tokenless,
        .context = program->api,
    };
    int error = http_create(&program->loop, &http, &program->http, problem);
    if (!error) {
        api_serve(program->api, program->http);
    }
    return error;
}

static int announce(const struct program *program, struct problem *problem) {
    const char *file = option_string(program->options, "port_file"),
               *bind = option_string(program->options, "bind");
    char line[16];
    snprintf(line, sizeof line, "%d\n", http_port(program->http));
    int error = file[0] ? write_file(file, line, 0644, problem) : TG_OK;
    if (!error) {
        log_info("server", "tengen-server " TENGEN_VERSION " listens on %s://%s%s%s:%d/%s",
                 program->tls_cert ? "https" : "http", strchr(bind, ':') ? "[" : "", bind,
                 strchr(bind, ':') ? "]" : "", http_port(program->http),
                 api_is_tokenless(program->api) ? " without tokens" : "");
    }
    return error;
}

static int start(struct program *program, const char *folder, struct problem *problem) {
    int error = http_check_address(option_string(program->options, "bind"), problem);
    error = error ? error : read_tls(program, problem);
    error = error ? error : open_api(program, folder, problem);
    error = error ? error : first_token(program, problem);
    error = error ? error : check_exposure(program, problem);
    error = error ? error : open_http(program, problem);
    return error ? error : announce(program, problem);
}

static void close_any(uv_handle_t *handle, void *arg) {
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void stop(struct program *program) {
    if (program->api) {
        api_finish(program->api); /* everything that was promised is on disk; every request has its answer */
    }
    http_destroy(program->http);
    if (program->api) {
        api_close(program->api);
    }
    uv_close((uv_handle_t *)&program->term, NULL);
    uv_close((uv_handle_t *)&program->interrupt, NULL);
    uv_close((uv_handle_t *)&program->patience, NULL);
    uv_run(&program->loop, UV_RUN_DEFAULT);
    uv_walk(&program->loop, close_any, NULL);
    uv_run(&program->loop, UV_RUN_DEFAULT);
    uv_loop_close(&program->loop);
    free(program->tls_cert);
    free(program->tls_key);
}

static int serve(const json_t *options) {
    struct problem problem = {0};
    struct program program = {.options = options};
    char *folder = settings_data_folder(options);
    if (!folder) {
        problem_set(&problem, TG_EINVALID, "data", "there is no home folder; use --data DIR");
        print_problem(&problem);
        return 1;
    }
    uv_loop_init(&program.loop);
    watch_signals(&program);
    int error = start(&program, folder, &problem);
    if (error) {
        print_problem(&problem);
    } else {
        uv_run(&program.loop, UV_RUN_DEFAULT);
    }
    stop(&program);
    if (!error) {
        log_info("server", "stopped");
    }
    free(folder);
    return error ? 1 : 0;
}

/* ---- main ---- */

/* Connections are many and small; a few arenas and early trimming keep an idle server small. */
static void set_limits(void) {
    struct rlimit files;
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int run(const json_t *options) {
    enum log_level level = LOG_INFO;
    if (option_bool(options, "help")) {
        settings_help();
        return 0;
    }
    if (option_bool(options, "version")) {
        printf("tengen-server %s\n", TENGEN_VERSION);
        return 0;
    }
    log_level_parse(option_string(options, "log_level"), &level);
    log_setup(level, option_bool(options, "log_json"));
    const char *backup = option_string(options, "backup");
    if (option_bool(options, "check") && backup[0]) {
        fprintf(stderr, "tengen-server: backup: --check and --backup are two runs: give one of them\n");
        return 2;
    }
    if (!option_bool(options, "check") && !backup[0]) {
        return serve(options);
    }
    signals_release();
    char *folder = settings_data_folder(options);
    int code = !folder ? 1 : backup[0] ? tool_backup(folder, backup) : tool_check(folder);
    free(folder);
    return code;
}

int main(int argc, char **argv) {
    struct problem problem = {0};
    json_t *options = NULL;
    signals_hold();
    set_limits();
    if (sodium_init() < 0) {
        fprintf(stderr, "tengen-server: no source of random numbers\n");
        return 1;
    }
    bool token = argc > 2 && strcmp(argv[1], "token") == 0 && strcmp(argv[2], "create") == 0;
    int error = token ? settings_parse_token(argc - 2, argv + 2, &options, &problem)
                      : settings_parse(argc, argv, &options, &problem);
    if (error) {
        print_problem(&problem);
        fprintf(stderr, "tengen-server: see --help\n");
        return 2;
    }
    int code = token ? tool_token(options) : run(options);
    json_decref(options);
    return code;
}
