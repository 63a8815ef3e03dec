/* admin.c - workers, worker, token, whoami. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "proto/base/clock.h"

static const char *format_ago(int64_t wall_ms, char *out, size_t size) {
    char span[32];
    if (wall_ms <= 0 || !format_duration((double)(clock_wall_ms() - wall_ms) / 1000, span, sizeof span)[0])
        return wall_ms > 0 ? "now" : "";
    snprintf(out, size, "%s ago", span);
    return out;
}

/* "engine:gnugo, job:12" */
static void unable_cell(struct table *table, const json_t *list) {
    char text[256] = "";
    size_t i, used = 0;
    json_t *unable;
    json_array_foreach(list, i, unable) {
        int n = snprintf(text + used, sizeof text - used, "%s%s", i ? ", " : "", member_text(unable, "what"));
        if (n < 0 || (size_t)n >= sizeof text - used)
            break;
        used += (size_t)n;
    }
    table_cell(table, "%s", text);
}

static void add_worker(struct table *table, const json_t *worker) {
    const json_t *machine = json_object_get(worker, "machine");
    char ago[48];
    table_row(table);
    table_cell(table, "%lld", (long long)member_int(worker, "id"));
    table_cell(table, "%s", member_text(worker, "name"));
    table_cell(table, "%s", member_text(worker, "state"));
    table_cell(table, "%lld", (long long)member_int(worker, "runners"));
    table_cell(table, "%s", format_ago(member_int(worker, "seen_ms"), ago, sizeof ago));
    table_cell(table, "%s", member_text(machine, "version"));
    unable_cell(table, json_object_get(worker, "unable"));
    table_cell(table, "%s", member_text(machine, "cpu"));
}

/* Why, and what is to be done about it. */
static void print_unable(const json_t *worker) {
    char reason[640], span[32];
    size_t i;
    json_t *unable;
    json_array_foreach(json_object_get(worker, "unable"), i, unable) {
        double wait_s = (double)(member_int(unable, "retry_ms") - clock_wall_ms()) / 1000;
        clean_text(member_text(unable, "reason"), reason, sizeof reason);
        printf("%s%s\n", i == 0 ? "\n" : "", reason);
        if (wait_s > 0)
            printf("  tried again in %s, or at once: mend it, then start that worker again or say: tengen "
                   "worker enable %lld\n",
                   format_duration(wait_s, span, sizeof span), (long long)member_int(worker, "id"));
        else
            printf("  it is being tried again\n");
    }
}

/* The items of a list, as JSON or by `add` as rows; then what `more`, which may be NULL, says of each. */
static int print_list(const struct invocation *invocation, const char *path, const char *const *titles,
                      void (*add)(struct table *, const json_t *), void (*more)(const json_t *),
                      const char *empty) {
    json_t *list = NULL;
    struct problem problem = {0};
    if (client_list(invocation->client, path, 0, &list, &problem))
        return tell_problem(&problem, invocation->json);
    if (invocation->json) {
        print_json(list);
    } else {
        struct table *table = table_create(titles);
        size_t i;
        json_t *item;
        json_array_foreach(json_object_get(list, "items"), i, item) add(table, item);
        table_print(table, empty);
        json_array_foreach(json_object_get(list, "items"), i, item) if (more) more(item);
    }
    json_decref(list);
    return EXIT_OK;
}

int run_workers(const struct invocation *invocation) {
    static const char *const titles[] = {"ID",      "NAME",         "STATE", "RUNNERS", "SEEN",
                                         "VERSION", "UNABLE TO DO", "CPU",   NULL};
    return print_list(invocation, "/workers", titles, add_worker, print_unable, "no workers have joined");
}

int run_worker(const struct invocation *invocation) {
    static const char *const actions[] = {"drain", "enable", "disable", NULL};
    const char *action = invocation_word(invocation, 0);
    struct problem problem = {0};
    long long id;
    size_t i = 0;
    while (actions[i] && strcmp(actions[i], action) != 0)
        i++;
    if (!actions[i]) {
        problem_set(&problem, TG_EINVALID, NULL,
                    "usage: tengen worker drain ID, tengen worker enable ID or tengen worker disable ID");
        return tell_usage(&problem);
    }
    if (!invocation_id(invocation, 1, &id))
        return EXIT_USAGE;
    char path[64], name[256];
    snprintf(path, sizeof path, "/workers/%lld/%s", id, action);
    json_t *worker = NULL;
    if (client_json(invocation->client, "POST", path, NULL, &worker, &problem))
        return tell_problem(&problem, invocation->json);
    if (invocation->json)
        print_json(worker);
    else
        printf("worker %lld (%s) is %s\n", id, clean_text(member_text(worker, "name"), name, sizeof name),
               member_text(worker, "state"));
    json_decref(worker);
    return EXIT_OK;
}

static void add_token(struct table *table, const json_t *token) {
    char created[32], used[48], revoked[32];
    table_row(table);
    table_cell(table, "%lld", (long long)member_int(token, "id"));
    table_cell(table, "%s", member_text(token, "role"));
    table_cell(table, "%s", member_text(token, "name"));
    table_cell(table, "%s", format_time(member_int(token, "created_ms"), created, sizeof created));
    table_cell(table, "%s", format_ago(member_int(token, "used_ms"), used, sizeof used));
    table_cell(table, "%s", format_time(member_int(token, "revoked_ms"), revoked, sizeof revoked));
}

static int list_tokens(const struct invocation *invocation) {
    static const char *const titles[] = {"ID", "ROLE", "NAME", "CREATED", "USED", "REVOKED", NULL};
    return print_list(invocation, "/tokens", titles, add_token, NULL,
                      "no tokens: the server asks nobody for one");
}

/* The token alone on stdout, so that $(tengen token create ...) is the token. */
static int create_token(const struct invocation *invocation) {
    json_t *body = json_pack("{s:s, s:s}", "role", option_string(invocation->options, "role"), "name",
                             option_string(invocation->options, "name"));
    json_t *token = NULL;
    struct problem problem = {0};
    int error = client_json(invocation->client, "POST", "/tokens", body, &token, &problem);
    json_decref(body);
    if (error)
        return tell_problem(&problem, invocation->json);
    if (invocation->json) {
        print_json(token);
    } else {
        fprintf(stderr, "token %lld, role %s; it is shown this once:\n", (long long)member_int(token, "id"),
                member_text(token, "role"));
        puts(member_text(token, "token"));
    }
    json_decref(token);
    return EXIT_OK;
}

int delete_by_id(const struct invocation *invocation, const char *list, const char *what, const char *done) {
    long long id;
    if (!invocation_id(invocation, 1, &id))
        return EXIT_USAGE;
    char path[64];
    snprintf(path, sizeof path, "%s/%lld", list, id);
    struct answer answer;
    struct problem problem = {0};
    int error = client_call(invocation->client, "DELETE", path, NULL, NULL, &answer, &problem);
    answer_free(&answer);
    if (error)
        return tell_problem(&problem, invocation->json);
    if (invocation->json)
        printf("{\"%s\":%lld}\n", done, id);
    else
        printf("%s %lld is %s\n", what, id, done);
    return EXIT_OK;
}

static int revoke_token(const struct invocation *invocation) {
    return delete_by_id(invocation, "/tokens", "token", "revoked");
}

int run_token(const struct invocation *invocation) {
    const char *action = invocation_word(invocation, 0);
    bool has_id = json_array_size(invocation->words) == 2;
    if (strcmp(action, "create") == 0 && !has_id)
        return create_token(invocation);
    if (strcmp(action, "list") == 0 && !has_id)
        return list_tokens(invocation);
    if (strcmp(action, "revoke") == 0 && has_id)
        return revoke_token(invocation);
    struct problem problem;
    problem_set(&problem, TG_EINVALID, NULL,
                "usage: tengen token create, tengen token list or tengen token revoke ID");
    return tell_usage(&problem);
}

int run_whoami(const struct invocation *invocation) {
    json_t *answer = NULL;
    struct problem problem = {0};
    if (client_json(invocation->client, "GET", "/whoami", NULL, &answer, &problem))
        return tell_problem(&problem, invocation->json);
    char name[256];
    clean_text(member_text(answer, "name"), name, sizeof name);
    if (invocation->json)
        print_json(answer);
    else
        printf("%s%s%s (server %s)\n", member_text(answer, "role"), name[0] ? " " : "", name,
               member_text(answer, "version"));
    json_decref(answer);
    return EXIT_OK;
}
