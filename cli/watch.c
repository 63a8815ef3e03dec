/* watch.c - follows a job until its end, by asking for it once a second. A server that goes away for a while
 * is waited for; one that was never there is told at once. */
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "proto/base/clock.h"

enum { PATIENCE_S = 120, LINE_EVERY_MS = 5000, LINE_MAX_BYTES = 2048 };

struct watch {
    bool json, terminal, utf8;
    bool drawn;      /* a bar stands on the current line */
    int64_t last_ms; /* when the last plain line was printed */
    char last[LINE_MAX_BYTES];
    char last_state[512];
};

static size_t terminal_width(void) {
    struct winsize window = {0};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 20 ? window.ws_col - 1u : 79;
}

static bool has_ended(const json_t *job) {
    const char *state = member_text(job, "state");
    return strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
}

static void draw(struct watch *watch, const json_t *job) {
    char line[LINE_MAX_BYTES];
    progress_bar(job, terminal_width(), watch->utf8, line, sizeof line);
    printf("\r%s\x1b[K", line);
    fflush(stdout);
    watch->drawn = true;
}

static void end_bar(struct watch *watch) {
    if (watch->drawn)
        putchar('\n');
    watch->drawn = false;
}

/* A new state or reason at once; mere progress every few seconds. */
static void print_plain(struct watch *watch, const json_t *job) {
    char line[LINE_MAX_BYTES], state[512];
    progress_line(job, line, sizeof line);
    snprintf(state, sizeof state, "%s %s", member_text(job, "state"), member_text(job, "reason"));
    int64_t now = clock_monotonic_ms();
    bool turned = strcmp(state, watch->last_state) != 0;
    bool due = now - watch->last_ms >= LINE_EVERY_MS && strcmp(line, watch->last) != 0;
    if (!turned && !due)
        return;
    puts(line);
    fflush(stdout);
    watch->last_ms = now;
    memcpy(watch->last, line, sizeof line);
    memcpy(watch->last_state, state, sizeof state);
}

static void print_json_changes(struct watch *watch, const json_t *job) {
    char line[LINE_MAX_BYTES];
    progress_line(job, line, sizeof line);
    if (strcmp(line, watch->last) == 0 && !has_ended(job))
        return;
    print_json_line(job);
    memcpy(watch->last, line, sizeof line);
}

static void show(struct watch *watch, const json_t *job) {
    if (watch->json)
        print_json_changes(watch, job);
    else if (watch->terminal)
        draw(watch, job);
    else
        print_plain(watch, job);
}

static int tell_end(struct watch *watch, const json_t *job) {
    bool good = strcmp(member_text(job, "state"), "succeeded") == 0;
    end_bar(watch);
    if (!watch->json) {
        char took[32] = "", text[PROBLEM_DETAIL_MAX];
        int64_t from = member_int(job, "started_ms"), to = member_int(job, "ended_ms");
        if (from && to >= from)
            format_duration((double)(to - from) / 1000, took, sizeof took);
        const json_t *error = json_object_get(job, "error");
        const char *why = json_is_object(error) ? member_text(error, "detail") : member_text(job, "reason");
        clean_text(why, text, sizeof text);
        printf("job %lld %s%s%s%s%s\n", (long long)member_int(job, "id"), member_text(job, "state"),
               took[0] ? " after " : "", took, text[0] ? ": " : "", text);
    }
    return good ? EXIT_OK : EXIT_REFUSED;
}

static void sleep_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* True when the failure is one that may pass: no connection, or a server that is starting or full of work. */
static bool may_pass(int error) {
    return error == TG_EUNREACHABLE || error == TG_EBUSY || error == TG_ESHUTTING_DOWN ||
           error == TG_ERATE_LIMITED;
}

int watch_job(struct client *client, long long id, bool json) {
    struct watch watch = {.json = json, .terminal = isatty(STDOUT_FILENO)};
    watch.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    char path[64];
    snprintf(path, sizeof path, "/jobs/%lld", id);
    int64_t seen_ms = 0, warned = 0;
    for (;; sleep_ms(1000)) {
        struct problem problem = {0};
        json_t *job = NULL;
        int error = client_json(client, "GET", path, NULL, &job, &problem);
        int64_t now = clock_monotonic_ms();
        if (error && may_pass(error) && seen_ms && now - seen_ms < PATIENCE_S * 1000) {
            end_bar(&watch);
            if (warned != seen_ms)
                fprintf(stderr, "tengen: %s does not answer; trying again for two minutes\n",
                        client_server(client));
            warned = seen_ms;
            continue;
        }
        if (error) {
            end_bar(&watch);
            return tell_problem(&problem, json);
        }
        seen_ms = now;
        show(&watch, job);
        int code = has_ended(job) ? tell_end(&watch, job) : -1;
        json_decref(job);
        if (code >= 0)
            return code;
    }
}

int run_watch(const struct invocation *invocation) {
    long long id;
    if (!invocation_id(invocation, 0, &id))
        return EXIT_USAGE;
    return watch_job(invocation->client, id, invocation->json);
}
