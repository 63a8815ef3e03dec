/* jobs.c - submit, jobs, job, cancel, pause, resume, retain, log. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "proto/base/clock.h"
#include "proto/wire/json.h"

enum { DOCUMENT_MAX = 8 << 20 };

/* "tengen: CONTEXT: ..." for a call that failed, and the exit code. */
static int call_failed(const struct invocation *invocation, const struct problem *problem) {
    return tell_problem(problem, invocation->json);
}

static json_t *read_document(const char *path, struct problem *problem) {
    if (strcmp(path, "-") == 0)
        path = "/dev/stdin";
    json_t *document = json_read_file(path, DOCUMENT_MAX, problem);
    if (document && !json_is_object(document)) {
        problem_set(problem, TG_EWRONG_TYPE, path, "must be a JSON object: a job, or {\"jobs\": [...]}");
        json_decref(document);
        document = NULL;
    }
    return document;
}

/* Puts --name and --priority into the document of a single job. */
static int override_members(const struct invocation *invocation, json_t *document, struct problem *problem) {
    const char *name = option_string(invocation->options, "name");
    const char *priority = option_string(invocation->options, "priority");
    if ((name[0] || priority[0]) && json_object_get(document, "jobs"))
        return problem_set(problem, TG_EINVALID, name[0] ? "--name" : "--priority",
                           "is for a single job, not for a set");
    if (name[0])
        json_object_set_new(document, "name", json_string(name));
    if (!priority[0])
        return TG_OK;
    char *end;
    long value = strtol(priority, &end, 10);
    if (*end || end == priority)
        return problem_set(problem, TG_EINVALID, "--priority", "must be a whole number, is \"%s\"", priority);
    json_object_set_new(document, "priority", json_integer(value));
    return TG_OK;
}

/* A key of our own, so that a submission whose answer was lost can be sent again. */
static void make_key(const json_t *options, char key[129]) {
    snprintf(key, 129, "%s", option_string(options, "idempotency_key"));
    unsigned char random[16];
    if (key[0] || getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(key + 2 * i, 3, "%02x", random[i]);
}

static void print_submitted(const json_t *job) {
    char name[256];
    clean_text(member_text(job, "name"), name, sizeof name);
    printf("job %lld  %s%s%s  %s\n", (long long)member_int(job, "id"), member_text(job, "kind"),
           name[0] ? "  " : "", name, member_text(job, "state"));
}

/* Prints what was made; watches the (last) job when asked. */
static int submitted(const struct invocation *invocation, const json_t *answer) {
    const json_t *jobs = json_object_get(answer, "jobs");
    const json_t *last = jobs ? json_array_get(jobs, json_array_size(jobs) - 1) : answer;
    bool watch = option_bool(invocation->options, "watch");
    if (invocation->json)
        watch ? print_json_line(answer) : print_json(answer);
    for (size_t i = 0; !invocation->json && i < json_array_size(jobs); i++)
        print_submitted(json_array_get(jobs, i));
    if (!invocation->json && !jobs)
        print_submitted(answer);
    fflush(stdout);
    return watch ? watch_job(invocation->client, member_int(last, "id"), invocation->json) : EXIT_OK;
}

int run_submit(const struct invocation *invocation) {
    struct problem problem = {0};
    json_t *document = read_document(invocation_word(invocation, 0), &problem);
    if (!document || override_members(invocation, document, &problem)) {
        json_decref(document);
        return tell_usage(&problem);
    }
    char key[129];
    make_key(invocation->options, key);
    struct answer answer;
    int error =
        client_call(invocation->client, "POST", "/jobs", document, key[0] ? key : NULL, &answer, &problem);
    json_decref(document);
    json_t *made = error ? NULL : json_parse_object(answer.body.data, answer.body.size, &problem);
    answer_free(&answer);
    if (!made)
        return call_failed(invocation, &problem);
    int code = submitted(invocation, made);
    json_decref(made);
    return code;
}

static void add_job(struct table *table, const json_t *job) {
    const json_t *units = json_object_get(job, "units");
    char left[32], rate[32] = "", unit[64];
    table_row(table);
    table_cell(table, "%lld", (long long)member_int(job, "id"));
    table_cell(table, "%s", member_text(job, "kind"));
    table_cell(table, "%s", member_text(job, "name"));
    table_cell(table, "%s", member_text(job, "state"));
    table_cell(table, "%lld/%lld %s", (long long)member_int(units, "done"),
               (long long)member_int(units, "total"), unit_of(job, unit, sizeof unit));
    table_cell(table, "%.0f %%", 100 * shown_progress(job, 0.01));
    table_cell(table, "%s", format_rate(member_number(job, "rate_per_s"), rate, sizeof rate));
    table_cell(table, "%s", format_left(job, "", left, sizeof left));
    table_cell(table, "%s", member_text(job, "reason"));
}

int run_jobs(const struct invocation *invocation) {
    struct buf path = BUF_INIT;
    struct problem problem = {0};
    json_t *list = NULL;
    int error = buf_append_text(&path, "/jobs");
    if (!error)
        error = path_add(&path, "state", option_string(invocation->options, "state"));
    if (!error)
        error = path_add(&path, "kind", option_string(invocation->options, "kind"));
    if (error)
        problem_set(&problem, error, NULL, "out of memory");
    else
        error = client_list(invocation->client, (char *)path.data, option_int(invocation->options, "limit"),
                            &list, &problem);
    buf_free(&path);
    if (error)
        return call_failed(invocation, &problem);
    if (invocation->json) {
        print_json(list);
    } else {
        static const char *const titles[] = {"ID", "KIND", "NAME", "STATE", "DONE",
                                             "",   "RATE", "LEFT", "WHY",   NULL};
        struct table *table = table_create(titles);
        size_t i;
        json_t *job;
        json_array_foreach(json_object_get(list, "items"), i, job) add_job(table, job);
        table_print(table, "no jobs");
    }
    json_decref(list);
    return EXIT_OK;
}

static void print_pace(const json_t *job) {
    char left[48], rate[32];
    format_left(job, "left ", left, sizeof left);
    if (format_rate(member_number(job, "rate_per_s"), rate, sizeof rate)[0])
        printf("  rate      %s%s%s\n", rate, left[0] ? ", " : "", left);
}

static void print_times(const json_t *job) {
    static const char *const members[] = {"created_ms", "started_ms", "ended_ms"};
    static const char *const labels[] = {"created", "started", "ended"};
    for (int i = 0; i < 3; i++) {
        char when[32];
        if (format_time(member_int(job, members[i]), when, sizeof when)[0])
            printf("  %-9s %s\n", labels[i], when);
    }
}

/* "the newest 100 chunks of the last 1:00:00" */
static const char *format_retention(const json_t *retention, char *out, size_t size) {
    long long chunks = member_int(retention, "chunks"), seconds = member_int(retention, "seconds");
    char newest[64] = "all chunks", span[32] = "", last[64] = "";
    if (chunks == 1)
        snprintf(newest, sizeof newest, "the newest chunk");
    else if (chunks)
        snprintf(newest, sizeof newest, "the newest %lld chunks", chunks);
    if (seconds && !format_duration((double)seconds, span, sizeof span)[0])
        snprintf(span, sizeof span, "%lld s", seconds);
    if (seconds)
        snprintf(last, sizeof last, " of the last %s", span);
    snprintf(out, size, "%s%s", newest, last);
    return out;
}

static void print_retention(const json_t *retention) {
    char text[160];
    if (member_int(retention, "chunks") || member_int(retention, "seconds"))
        printf("  keeps     %s\n", format_retention(retention, text, sizeof text));
}

/* "Elo +200 (95 %: +80 to +350)". A side that has won, or lost, everything has no finite estimate, only a
 * bound. */
static void print_elo(const json_t *score) {
    const json_t *elo = json_object_get(score, "elo"), *low = json_object_get(score, "elo_low"),
                 *high = json_object_get(score, "elo_high");
    char range[80] = "no bound yet";
    if (json_is_number(low) && json_is_number(high))
        snprintf(range, sizeof range, "%+.0f to %+.0f", json_number_value(low), json_number_value(high));
    else if (json_is_number(low))
        snprintf(range, sizeof range, "at least %+.0f", json_number_value(low));
    else if (json_is_number(high))
        snprintf(range, sizeof range, "at most %+.0f", json_number_value(high));
    if (json_is_number(elo))
        printf(", Elo %+.0f (95 %%: %s)", json_number_value(elo), range);
    else if (json_is_number(low) || json_is_number(high))
        printf(", Elo %s (95 %%)", range);
}

static void print_score(const json_t *score) {
    if (!json_is_object(score))
        return;
    printf("  score     +%lld =%lld -%lld", (long long)member_int(score, "wins"),
           (long long)member_int(score, "draws"), (long long)member_int(score, "losses"));
    print_elo(score);
    const json_t *sprt = json_object_get(score, "sprt");
    if (json_is_object(sprt))
        printf(", sequential test %s: %.2f in %.2f to %.2f", member_text(sprt, "state"),
               member_number(sprt, "llr"), member_number(sprt, "lower"), member_number(sprt, "upper"));
    putchar('\n');
}

/* One line a member: numbers and strings plain, objects as JSON. */
static void print_members(const char *label, const json_t *object) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        char *text = json_text(value);
        char clean[1024];
        printf("  %-9s %s: %s\n", label, name, clean_text(text ? text : "", clean, sizeof clean));
        free(text);
        label = "";
    }
}

static void print_job(const json_t *job) {
    const json_t *units = json_object_get(job, "units"), *tasks = json_object_get(job, "tasks");
    const json_t *error = json_object_get(job, "error");
    char text[1024], unit[64];
    const char *name = clean_text(member_text(job, "name"), text, sizeof text);
    printf(name[0] ? "job %lld  %s  \"%s\"\n" : "job %lld  %s\n", (long long)member_int(job, "id"),
           member_text(job, "kind"), name);
    const char *reason = clean_text(member_text(job, "reason"), text, sizeof text);
    printf("  state     %s%s%s\n", member_text(job, "state"), reason[0] ? ": " : "", reason);
    if (json_is_object(error))
        printf("  error     %s (%s)\n", clean_text(member_text(error, "detail"), text, sizeof text),
               member_text(error, "code"));
    printf("  done      %lld of %lld %s (%.1f %%), %lld in hand\n", (long long)member_int(units, "done"),
           (long long)member_int(units, "total"), unit_of(job, unit, sizeof unit),
           100 * shown_progress(job, 0.001), (long long)member_int(units, "leased"));
    printf("  tasks     %lld waiting, %lld in hand, %lld done, %lld failed",
           (long long)member_int(tasks, "pending"), (long long)member_int(tasks, "leased"),
           (long long)member_int(tasks, "done"), (long long)member_int(tasks, "failed"));
    if (member_int(tasks, "cancelled") > 0)
        printf(", %lld not needed any more", (long long)member_int(tasks, "cancelled"));
    putchar('\n');
    print_pace(job);
    print_score(json_object_get(job, "score"));
    print_retention(json_object_get(job, "retention"));
    print_times(job);
    print_members("totals", json_object_get(job, "totals"));
    print_members("config", json_object_get(job, "config"));
}

static int show_job(const struct invocation *invocation, const char *method, const char *action) {
    long long id;
    if (!invocation_id(invocation, 0, &id))
        return EXIT_USAGE;
    char path[64];
    snprintf(path, sizeof path, "/jobs/%lld%s", id, action);
    json_t *job = NULL;
    struct problem problem = {0};
    if (client_json(invocation->client, method, path, NULL, &job, &problem))
        return call_failed(invocation, &problem);
    if (invocation->json)
        print_json(job);
    else if (action[0])
        print_submitted(job);
    else
        print_job(job);
    json_decref(job);
    return EXIT_OK;
}

int run_job(const struct invocation *invocation) {
    return show_job(invocation, "GET", "");
}

int run_cancel(const struct invocation *invocation) {
    return show_job(invocation, "POST", "/cancel");
}

int run_pause(const struct invocation *invocation) {
    return show_job(invocation, "POST", "/pause");
}

int run_resume(const struct invocation *invocation) {
    return show_job(invocation, "POST", "/resume");
}

int run_retain(const struct invocation *invocation) {
    long long id;
    if (!invocation_id(invocation, 0, &id))
        return EXIT_USAGE;
    char path[64], text[160];
    snprintf(path, sizeof path, "/jobs/%lld/retention", id);
    json_t *job = NULL,
           *body = json_pack("{s:I, s:I}", "chunks", (json_int_t)option_int(invocation->options, "chunks"),
                             "seconds", (json_int_t)option_int(invocation->options, "seconds"));
    struct problem problem = {0};
    int error = client_json(invocation->client, "PUT", path, body, &job, &problem);
    json_decref(body);
    if (error)
        return call_failed(invocation, &problem);
    if (invocation->json)
        print_json(job);
    else
        printf("job %lld keeps %s\n", id,
               format_retention(json_object_get(job, "retention"), text, sizeof text));
    json_decref(job);
    return EXIT_OK;
}

static void print_log_line(const char *line, size_t size) {
    json_t *row = json_parse_object(line, size, NULL);
    char when[25], text[8192];
    clock_format_utc(member_int(row, "time_ms"), when);
    if (row)
        printf("%s %-5s task %lld: %s\n", when, member_text(row, "level"), (long long)member_int(row, "task"),
               clean_text(member_text(row, "text"), text, sizeof text));
    json_decref(row);
}

/* NDJSON: a line each, as it came with --json. */
static void print_log_page(const struct buf *page, bool json) {
    const char *at = (const char *)page->data, *end = at + page->size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = newline ? (size_t)(newline - at) : (size_t)(end - at);
        if (json && size)
            printf("%.*s\n", (int)size, at);
        else if (size)
            print_log_line(at, size);
        at += size + 1;
    }
}

int run_log(const struct invocation *invocation) {
    long long id;
    if (!invocation_id(invocation, 0, &id))
        return EXIT_USAGE;
    char path[1024];
    snprintf(path, sizeof path, "/jobs/%lld/log", id);
    struct problem problem = {0};
    int error = TG_OK;
    while (path[0] && !error) {
        struct answer answer;
        error = client_call(invocation->client, "GET", path, NULL, NULL, &answer, &problem);
        if (!error && answer.body.size)
            print_log_page(&answer.body, invocation->json);
        bool moved = strcmp(answer.next, path) != 0 && answer.body.size;
        snprintf(path, sizeof path, "%s", moved ? answer.next : "");
        answer_free(&answer);
    }
    return error ? call_failed(invocation, &problem) : EXIT_OK;
}
