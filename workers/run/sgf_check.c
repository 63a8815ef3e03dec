/* sgf_check.c - replays SGF games and counts what holds of them, as one JSON object:
 *
 *     {"files": 2, "games": 740, "unreadable": 0, "legal": 740, "superko": 3, "with_result": 738,
 *      "scored": 310, "score_matches": 308, "filtered": 0,
 *      "without_setup": {the counts again}, "places": {"CGOS": {the counts}, ...},
 *      "first_error": null | {"file","game","line","column","move","color","point","reason"},
 *      "first_mismatch": ... }
 *
 * games: those that could be replayed or broke a rule; unreadable: files and games of which that cannot be
 * said (bad syntax, a point off the board, not Go, no game at all). A game is counted in one of the two.
 * line and column are those of the property at fault; errors of a whole file have none, nor a game.
 * legal: no move on an occupied point, no suicide, no simple-ko breach. superko: legal games in which a
 * position came back. scored: legal games whose RE is a number (or a draw), and score_matches those among
 * them whose final position, scored by area with all stones alive, gives exactly RE. places: the same counts
 * by PC, because what RE means depends on where a game was played ("" where a game does not say; beyond 64
 * places "other"). Games that --filter does not match are only counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/options.h"
#include "proto/wire/json.h"
#include "workers/go/diagram.h"
#include "workers/go/score.h"
#include "workers/go/sgf.h"
#include "workers/go/sgf_files.h"
#include "workers/go/sgf_game.h"
#include "workers/run/go_commands.h"
#include "workers/run/run.h"

enum { PLACES_MAX = 64 };

static const struct option_spec check_options[] = {
    {.name = "filter",
     .type = OPTION_STRING,
     .value = "NAME=TEXT",
     .min = 0,
     .max = 200,
     .initial = "\"\"",
     .help = "only games whose root property NAME contains TEXT (PC=CGOS)"},
    {.name = NULL},
};

struct counts {
    int64_t games, unreadable, legal, superko, with_result, scored, score_matches;
};

struct place {
    char name[SGF_INFO_TEXT];
    struct counts counts;
};

struct check {
    char filter_name[SGF_NAME_MAX + 1]; /* "" for none */
    const char *filter_text;
    int64_t files, filtered;
    struct counts all, without_setup;
    struct place places[PLACES_MAX];
    int place_count;
    json_t *first_error, *first_mismatch;
    struct sgf_record record;
};

/* A string of JSON from bytes that may not be UTF-8: what is not printable ASCII then becomes '?'. */
static json_t *json_bytes(const char *text) {
    json_t *string = json_string(text);
    char safe[512];
    size_t i = 0;
    if (string)
        return string;
    for (; text[i] && i + 1 < sizeof safe; i++)
        safe[i] = text[i] >= ' ' && text[i] < 127 ? text[i] : '?';
    safe[i] = 0;
    return json_string(safe);
}

static struct counts *counts_of_place(struct check *check, const char *name) {
    for (int i = 0; i < check->place_count; i++)
        if (strcmp(check->places[i].name, name) == 0)
            return &check->places[i].counts;
    if (check->place_count == PLACES_MAX)
        return &check->places[PLACES_MAX - 1].counts;
    struct place *place = &check->places[check->place_count++];
    (void)snprintf(place->name, sizeof place->name, "%s", check->place_count == PLACES_MAX ? "other" : name);
    return &place->counts;
}

static void add(struct counts *to, const struct counts *from) {
    to->games += from->games;
    to->unreadable += from->unreadable;
    to->legal += from->legal;
    to->superko += from->superko;
    to->with_result += from->with_result;
    to->scored += from->scored;
    to->score_matches += from->score_matches;
}

/* Where the file and the game in it stand. */
struct place_in_file {
    const char *file;
    uint32_t game, line, column;
};

static void note_error(struct check *check, const struct place_in_file *where,
                       const struct sgf_replay *replay, const char *reason) {
    if (check->first_error)
        return;
    check->first_error = json_pack("{s:o}", "file", json_bytes(where->file));
    if (where->line > 0) {
        json_object_set_new(check->first_error, "game", json_integer(where->game));
        json_object_set_new(check->first_error, "line", json_integer(where->line));
        json_object_set_new(check->first_error, "column", json_integer(where->column));
    }
    if (replay && replay->bad_number > 0) {
        json_object_set_new(check->first_error, "move", json_integer(replay->bad_number));
        json_object_set_new(check->first_error, "color", json_string(color_name(replay->bad_color)));
        json_object_set_new(check->first_error, "point", json_bytes(replay->bad_move));
    }
    json_object_set_new(check->first_error, "reason", json_bytes(reason));
}

static void note_mismatch(struct check *check, const struct place_in_file *where, const struct sgf_info *info,
                          int margin2) {
    char ours[SCORE_TEXT_MAX];
    if (check->first_mismatch)
        return;
    score_text(margin2, ours);
    check->first_mismatch =
        json_pack("{s:o, s:I, s:o, s:s}", "file", json_bytes(where->file), "game", (json_int_t)where->game,
                  "result", json_bytes(info->result_text), "area", ours);
}

/* Counts one game. The counts of this game alone are 0 or 1. */
static void check_game(struct check *check, struct place_in_file *where, const struct sgf_info *info) {
    struct problem problem = {0};
    struct sgf_replay replay;
    struct game *game = NULL;
    struct counts one = {.games = 1, .with_result = info->has_result};
    int error = sgf_replay(&check->record, info, false, -1, &game, &replay, &problem);
    if (error != 0) {
        one.unreadable = error != TG_EILLEGAL_MOVE;
        one.games = !one.unreadable;
        where->line = replay.bad_line ? replay.bad_line : where->line;
        where->column = replay.bad_line ? replay.bad_column : where->column;
        note_error(check, where, &replay, replay.bad_number ? legality_text(replay.why) : problem.detail);
    } else {
        one.legal = 1;
        one.superko = replay.repetitions > 0;
        one.scored = info->result == SGF_RESULT_SCORE;
        one.score_matches = one.scored && game_margin2(game) == info->margin2;
        if (one.scored && !one.score_matches)
            note_mismatch(check, where, info, game_margin2(game));
    }
    add(&check->all, &one);
    add(counts_of_place(check, info->place), &one);
    if (!replay.setup)
        add(&check->without_setup, &one);
    game_destroy(game);
}

static bool passes_filter(const struct check *check) {
    if (!check->filter_name[0])
        return true;
    const char *text = sgf_root_text(&check->record, check->filter_name);
    return text && strstr(text, check->filter_text);
}

static void note_unreadable(struct check *check, const struct place_in_file *where, const char *reason) {
    check->all.unreadable++;
    note_error(check, where, NULL, reason);
}

/* An error of the root's: it stands where the property does that the problem names. */
static void note_root(struct check *check, struct place_in_file *where, const struct problem *problem) {
    const struct sgf_property *property = sgf_find(&check->record, 0, problem->field);
    where->line = property ? property->line : where->line;
    where->column = property ? property->column : where->column;
    note_unreadable(check, where, problem->detail);
}

static int check_file(void *user, const char *name, const void *data, size_t size) {
    struct check *check = user;
    struct sgf_reader reader;
    struct problem problem = {0};
    int error;
    check->files++;
    sgf_reader_init(&reader, data, size);
    while ((error = sgf_read(&reader, &check->record, &problem)) == 0) {
        struct place_in_file where = {name, reader.games, check->record.line, 1};
        struct sgf_info info;
        if (!passes_filter(check))
            check->filtered++;
        else if (sgf_info_read(&check->record, &info, &problem) != 0)
            note_root(check, &where, &problem);
        else
            check_game(check, &where, &info);
    }
    if (error == TG_ENOT_FOUND && reader.games > 0)
        return 0;
    if (error == TG_ENO_MEMORY)
        return error;
    struct place_in_file where = {name, reader.games + 1, reader.line, reader.column};
    note_unreadable(check, &where, problem.detail);
    return 0;
}

static json_t *counts_json(const struct counts *counts) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "games", (json_int_t)counts->games, "unreadable",
                     (json_int_t)counts->unreadable, "legal", (json_int_t)counts->legal, "superko",
                     (json_int_t)counts->superko, "with_result", (json_int_t)counts->with_result, "scored",
                     (json_int_t)counts->scored, "score_matches", (json_int_t)counts->score_matches);
}

static json_t *places_json(const struct check *check) {
    json_t *places = json_object();
    for (int i = 0; i < check->place_count; i++) {
        json_t *name = json_bytes(check->places[i].name);
        json_object_set_new(places, json_string_value(name), counts_json(&check->places[i].counts));
        json_decref(name);
    }
    return places;
}

static int print_report(struct check *check) {
    json_t *report = counts_json(&check->all);
    json_object_set_new(report, "files", json_integer(check->files));
    json_object_set_new(report, "filtered", json_integer(check->filtered));
    json_object_set_new(report, "without_setup", counts_json(&check->without_setup));
    json_object_set_new(report, "places", places_json(check));
    json_object_set_new(report, "first_error",
                        check->first_error ? json_incref(check->first_error) : json_null());
    json_object_set_new(report, "first_mismatch",
                        check->first_mismatch ? json_incref(check->first_mismatch) : json_null());
    int written = json_print(stdout, report, false);
    json_decref(report);
    return written == 0 && check->all.legal == check->all.games && check->all.unreadable == 0 ? 0 : 1;
}

static int read_filter(struct check *check, const char *filter) {
    const char *equals = strchr(filter, '=');
    if (!*filter)
        return 0;
    if (!equals || equals == filter || equals - filter > SGF_NAME_MAX) {
        fprintf(stderr, "tengen-run sgf-check: --filter must be NAME=TEXT, as in PC=CGOS\n");
        return 2;
    }
    memcpy(check->filter_name, filter, (size_t)(equals - filter));
    check->filter_text = equals + 1;
    return 0;
}

static int check_paths(struct check *check, const json_t *paths) {
    size_t i;
    const json_t *path;
    int code = 0;
    json_array_foreach(paths, i, path) {
        struct problem problem = {0};
        const int64_t files = check->files;
        int error = sgf_files_visit(json_string_value(path), check_file, check, &problem);
        if (error == 0 && check->files > files)
            continue;
        if (error == 0)
            problem_set(&problem, TG_ENOT_FOUND, json_string_value(path),
                        "no game found: it holds no SGF file");
        const struct place_in_file where = {.file = problem.field};
        note_error(check, &where, NULL, problem.detail[0] ? problem.detail : tg_error_title(problem.error));
        fprintf(stderr, "tengen-run sgf-check: %s: %s\n", problem.field,
                problem.detail[0] ? problem.detail : tg_error_title(problem.error));
        code = 1;
    }
    return code;
}

int sgf_check(int argc, char **argv) {
    struct check check = {0};
    json_t *options = NULL, *paths = NULL;
    int code =
        run_options("sgf-check PATH... [--filter NAME=TEXT]", check_options, argc, argv, &options, &paths);
    if (options && json_array_size(paths) == 0) {
        fprintf(stderr, "usage: tengen-run sgf-check PATH... [--filter NAME=TEXT]\n");
        code = RUN_USAGE;
    } else if (options)
        code = read_filter(&check, option_string(options, "filter"));
    if (options && json_array_size(paths) > 0 && code == 0) {
        code = check_paths(&check, paths);
        code |= print_report(&check);
    }
    sgf_record_free(&check.record);
    json_decref(check.first_error);
    json_decref(check.first_mismatch);
    json_decref(options);
    json_decref(paths);
    return code;
}
