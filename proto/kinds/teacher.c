/* teacher.c - a GTP engine against itself from random openings: expert games to imitate. */
#include "proto/kinds/kind.h"
#include "proto/kinds/player.h"

static const struct option_spec options[] = {
    GO_COUNT_OPTIONS,
    {.name = "engine",
     .type = OPTION_STRING,
     .min = 1,
     .max = ENGINE_NAME_MAX,
     .initial = "\"gnugo\"",
     .help = "name under which workers offer the engine"},
    {.name = "seconds",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 3600,
     .initial = "0",
     .unit = "s",
     .help = "time for a move, announced to the engine; 0: as long as it takes"},
    GO_GAME_OPTIONS,
    GO_RANDOM_MOVES_OPTION,
    GO_SEED_OPTION,
    {.name = NULL},
};

static int check(const json_t *config, struct problem *problem) {
    int error = engine_name_check("engine", option_string(config, "engine"), problem);
    return error ? error : go_game_check(config, "random_moves", problem);
}

static json_t *needs(const json_t *config) {
    json_t *list = json_array();
    engine_needs(option_string(config, "engine"), list);
    return list;
}

static int patience_s(const json_t *config) {
    return engine_patience_s(option_number(config, "seconds"));
}

static const char *const outputs[] = {"games", NULL};

const struct kind kind_teacher = {
    .name = "teacher",
    .summary = "games of a GTP engine against itself, to imitate",
    .unit = "games",
    .options = options,
    .split = SPLIT_COUNT,
    .count_option = "games",
    .task_option = "games_per_task",
    .outputs = outputs,
    .chunk_type = "game",
    .check = check,
    .needs = needs,
    .patience_s = patience_s,
};
