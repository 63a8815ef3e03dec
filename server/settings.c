#include "server/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/buf.h"
#include "proto/base/options.h"

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const roles[] = {"view", "submit", "worker", "admin", NULL};

#define DATA_OPTION                                                                                          \
    {                                                                                                        \
        .name = "data", .type = OPTION_STRING, .value = "DIR", .max = 4000, .initial = "\"\"",               \
        .help = "folder of the database, made when missing (default: tengen in the XDG data folder)"         \
    }

static const struct option_spec options[] = {
    {.name = "bind",
     .type = OPTION_STRING,
     .value = "ADDRESS",
     .min = 1,
     .max = 64,
     .initial = "\"127.0.0.1\"",
     .help = "numeric address to listen on; beyond loopback only when there is a token"},
    {.name = "public_url",
     .type = OPTION_STRING,
     .value = "URL",
     .max = 200,
     .initial = "\"\"",
     .help = "where other machines reach this server (https://go.example:7361), for the join command; "
             "default: as "
             "the dashboard was reached"},
    {.name = "port",
     .type = OPTION_INT,
     .min = 0,
     .max = 65535,
     .initial = "7361",
     .help = "0: any that is free"},
    {.name = "port_file",
     .type = OPTION_STRING,
     .value = "FILE",
     .max = 4000,
     .initial = "\"\"",
     .help = "file to write the port to as soon as the server listens"},
    DATA_OPTION,
    {.name = "create_admin_token",
     .type = OPTION_STRING,
     .value = "FILE",
     .max = 4000,
     .initial = "\"\"",
     .help = "when the database has no token yet: make an admin's and write it to this file (mode 0600)"},
    {.name = "web",
     .type = OPTION_STRING,
     .value = "DIR",
     .max = 4000,
     .initial = "\"\"",
     .help = "serve the dashboard's files from this folder instead of the embedded ones"},
    {.name = "lease_s",
     .type = OPTION_INT,
     .min = 3,
     .max = 3600,
     .initial = "30",
     .unit = "s",
     .help = "a task is handed out again after this long without a beat (three beats)"},
    {.name = "runner",
     .type = OPTION_STRING,
     .value = "PROGRAM",
     .max = 4096,
     .initial = "\"\"",
     .help = "the program tengen-run, which checks uploaded data sets (default: beside this program)"},
    {.name = "workers",
     .type = OPTION_INT,
     .min = 1,
     .max = 1e6,
     .initial = "10000",
     .help = "known at a time; one that has been away for a day makes room for a new one"},
    {.name = "free_floor_mib",
     .type = OPTION_INT,
     .min = 1,
     .max = 1e7,
     .initial = "256",
     .unit = "MiB",
     .help = "with less than this free on the disk no new work is handed out"},
    {.name = "max_body_mib",
     .type = OPTION_INT,
     .min = 1,
     .max = 256,
     .initial = "256",
     .unit = "MiB",
     .help = "largest chunk"},
    {.name = "max_bodies_mib",
     .type = OPTION_INT,
     .min = 1,
     .max = 1e6,
     .initial = "1024",
     .unit = "MiB",
     .help = "of chunks and other bodies in memory at once; what comes beyond is asked to come again"},
    {.name = "max_upload_mib",
     .type = OPTION_INT,
     .min = 1,
     .max = 1e6,
     .initial = "16384",
     .unit = "MiB",
     .help = "largest checkpoint or data set"},
    {.name = "connections",
     .type = OPTION_INT,
     .min = 8,
     .max = 60000,
     .initial = "4096",
     .help = "connections at once"},
    {.name = "connections_per_address",
     .type = OPTION_INT,
     .min = 1,
     .max = 60000,
     .initial = "512",
     .help = "of one address beyond loopback"},
    {.name = "requests_per_s",
     .type = OPTION_INT,
     .min = 0,
     .max = 1e6,
     .initial = "1000",
     .unit = "1/s",
     .help = "of one address beyond loopback, with bursts of twice that; 0: no limit"},
    {.name = "loopback_requests_per_s",
     .type = OPTION_INT,
     .min = 0,
     .max = 1e6,
     .initial = "0",
     .unit = "1/s",
     .help = "of loopback; 0: no limit"},
    {.name = "header_s",
     .type = OPTION_INT,
     .min = 1,
     .max = 600,
     .initial = "30",
     .unit = "s",
     .help = "a request's header must be complete within this"},
    {.name = "idle_s",
     .type = OPTION_INT,
     .min = 1,
     .max = 3600,
     .initial = "75",
     .unit = "s",
     .help = "a connection without requests is closed after this"},
    {.name = "tls_cert",
     .type = OPTION_STRING,
     .value = "FILE",
     .max = 4000,
     .initial = "\"\"",
     .help = "file with the certificate chain (PEM): serve HTTPS"},
    {.name = "tls_key",
     .type = OPTION_STRING,
     .value = "FILE",
     .max = 4000,
     .initial = "\"\"",
     .help = "file with the certificate's key (PEM)"},
    {.name = "log_level",
     .type = OPTION_CHOICE,
     .choices = log_levels,
     .initial = "\"info\"",
     .help = "what is logged to stderr"},
    {.name = "log_json",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "log JSON lines"},
    {.name = "check",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "verify the database and every digest in it, say what is wrong, and end"},
    {.name = "backup",
     .type = OPTION_STRING,
     .value = "FILE",
     .max = 4000,
     .initial = "\"\"",
     .help = "copy the database, of a running server too, to this file, and end"},
    {.name = "version",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "print the version"},
    {.name = "help", .type = OPTION_BOOL, .initial = "false", .flag_only = true, .help = "print this"},
    {.name = NULL},
};

static const struct option_spec token_options[] = {
    DATA_OPTION,
    {.name = "role",
     .type = OPTION_CHOICE,
     .choices = roles,
     .initial = "\"admin\"",
     .help = "what it may do"},
    {.name = "name",
     .type = OPTION_STRING,
     .value = "NAME",
     .max = 100,
     .initial = "\"\"",
     .help = "what it is for"},
    {.name = "file",
     .type = OPTION_STRING,
     .value = "FILE",
     .max = 4000,
     .initial = "\"\"",
     .help = "write it to this file (mode 0600) instead of stdout"},
    {.name = NULL},
};

int settings_parse(int argc, char **argv, json_t **out, struct problem *problem) {
    return options_parse_argv(options, argc, argv, out, NULL, problem);
}

int settings_parse_token(int argc, char **argv, json_t **out, struct problem *problem) {
    return options_parse_argv(token_options, argc, argv, out, NULL, problem);
}

void settings_name_flag(struct problem *problem) {
    options_name_flag(options, problem);
}

void settings_help(void) {
    struct buf text = BUF_INIT;
    buf_append_text(&text, "tengen-server - Tengen's coordinator\n\nusage: tengen-server [OPTION...]\n");
    options_help(options, &text);
    buf_append_text(&text,
                    "\nusage: tengen-server token create [OPTION...]   make a token while no server runs\n");
    options_help(token_options, &text);
    if (text.data) {
        fputs((const char *)text.data, stdout);
    }
    buf_free(&text);
}

char *settings_data_folder(const json_t *given) {
    const char *folder = option_string(given, "data"), *home = getenv("XDG_DATA_HOME");
    char *path = NULL;
    if (folder[0]) {
        return strdup(folder);
    }
    if (home && home[0] == '/') {
        return asprintf(&path, "%s/tengen", home) < 0 ? NULL : path;
    }
    home = getenv("HOME");
    return home && asprintf(&path, "%s/.local/share/tengen", home) >= 0 ? path : NULL;
}
