/* games.c - a job's games: a list, or their records as files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "proto/base/plural.h"

enum { LIST_DEFAULT = 50 };

static void print_games(const json_t *items) {
    static const char *const titles[] = {"ID",    "BOARD", "BLACK", "WHITE", "RESULT",
                                         "MOVES", "BY",    "NOTE",  NULL};
    struct table *table = table_create(titles);
    size_t i;
    json_t *game;
    json_array_foreach(items, i, game) {
        table_row(table);
        table_cell(table, "%lld", (long long)member_int(game, "id"));
        table_cell(table, "%lldx%lld", (long long)member_int(game, "board"),
                   (long long)member_int(game, "board"));
        table_cell(table, "%s", member_text(game, "black"));
        table_cell(table, "%s", member_text(game, "white"));
        table_cell(table, "%s", member_text(game, "result"));
        table_cell(table, "%lld", (long long)member_int(game, "moves"));
        table_cell(table, "%s", member_text(game, "reason"));
        table_cell(table, "%s", member_text(game, "note"));
    }
    table_print(table, "no games yet");
}

/* Writes a whole file or none: to a temporary name first. */
static int write_file(const char *path, const struct buf *text, struct problem *problem) {
    char temporary[4200];
    if (snprintf(temporary, sizeof temporary, "%s.part", path) >= (int)sizeof temporary)
        return problem_set(problem, TG_EIO, "--sgf", "the folder's name is too long");
    FILE *file = fopen(temporary, "wb");
    if (!file)
        return problem_set(problem, TG_EIO, "--sgf", "%.200s cannot be written: %s", temporary,
                           strerror(errno));
    bool written = fwrite(text->data, 1, text->size, file) == text->size;
    if (fclose(file) || !written || rename(temporary, path)) {
        problem_set(problem, TG_EIO, "--sgf", "%.200s cannot be written: %s", path, strerror(errno));
        unlink(temporary);
        return TG_EIO;
    }
    return TG_OK;
}

/* Fetches one record unless the file is there: a finished game never changes. `fetched` counts. */
static int fetch_record(const struct invocation *invocation, const char *folder, long long id,
                        long long *fetched, struct problem *problem) {
    char path[64], file[4160];
    snprintf(path, sizeof path, "/games/%lld.sgf", id);
    if (snprintf(file, sizeof file, "%s/%lld.sgf", folder, id) >= (int)sizeof file)
        return problem_set(problem, TG_EIO, "--sgf", "the folder's name is too long");
    if (access(file, F_OK) == 0)
        return TG_OK;
    struct answer answer;
    int error = client_call(invocation->client, "GET", path, NULL, NULL, &answer, problem);
    if (!error && !(error = write_file(file, &answer.body, problem)))
        ++*fetched;
    answer_free(&answer);
    return error;
}

static int fetch_records(const struct invocation *invocation, const char *folder, const json_t *items) {
    struct problem problem = {0};
    if (mkdir(folder, 0777) && errno != EEXIST) {
        problem_set(&problem, TG_EIO, "--sgf", "%.200s cannot be made: %s", folder, strerror(errno));
        return tell_usage(&problem);
    }
    long long fetched = 0;
    size_t i;
    json_t *game;
    json_array_foreach(items, i, game) {
        int error = fetch_record(invocation, folder, member_int(game, "id"), &fetched, &problem);
        if (error)
            return error == TG_EIO && strcmp(problem.field, "--sgf") == 0
                       ? tell_usage(&problem)
                       : tell_problem(&problem, invocation->json);
    }
    long long all = (long long)json_array_size(items);
    if (invocation->json)
        printf("{\"games\":%lld,\"fetched\":%lld,\"present\":%lld}\n", all, fetched, all - fetched);
    else
        printf("%lld game%s: %lld fetched into %s, %lld there before\n", all, plural_s(all), fetched, folder,
               all - fetched);
    return EXIT_OK;
}

int run_games(const struct invocation *invocation) {
    long long id, limit = option_int(invocation->options, "limit");
    const char *folder = option_string(invocation->options, "sgf");
    if (!invocation_id(invocation, 0, &id))
        return EXIT_USAGE;
    if (!limit && !folder[0])
        limit = LIST_DEFAULT;
    char path[64];
    snprintf(path, sizeof path, "/jobs/%lld/games", id);
    json_t *list = NULL;
    struct problem problem = {0};
    if (client_list(invocation->client, path, limit, &list, &problem))
        return tell_problem(&problem, invocation->json);
    int code = EXIT_OK;
    if (folder[0])
        code = fetch_records(invocation, folder, json_object_get(list, "items"));
    else if (invocation->json)
        print_json(list);
    else
        print_games(json_object_get(list, "items"));
    json_decref(list);
    return code;
}
