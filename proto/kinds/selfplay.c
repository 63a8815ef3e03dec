/* selfplay.c - one player against itself: games to learn from. */
#include "proto/kinds/kind.h"
#include "proto/kinds/player.h"

static const struct option_spec options[] = {
    GO_COUNT_OPTIONS,
    {.name = "player",
     .type = OPTION_OBJECT,
     .fields = player_options,
     .help = "who plays, for both colours"},
    GO_GAME_OPTIONS,
    GO_RANDOM_MOVES_OPTION,
    GO_LOCKSTEP_OPTION,
    GO_SEED_OPTION,
    {.name = NULL},
};

static int check(const json_t *config, struct problem *problem) {
    int error = player_check("player", option_object(config, "player"), problem);
    return error ? error : go_game_check(config, "random_moves", problem);
}

static int check_inputs(const json_t *config, const json_t *inputs, struct problem *problem) {
    return player_check_network(option_object(config, "player"), inputs, "network", problem);
}

static json_t *needs(const json_t *config) {
    json_t *list = json_array();
    player_needs(option_object(config, "player"), list);
    return list;
}

static int patience_s(const json_t *config) {
    return player_patience_s(option_object(config, "player"));
}

static const struct kind_input inputs[] = {
    {.name = "network",
     .required = false,
     .takes = INPUT_CHECKPOINT,
     .help = "checkpoint of a player of type puct or policy"},
    {.name = NULL},
};

static const char *const outputs[] = {"games", NULL};

const struct kind kind_selfplay = {
    .name = "selfplay",
    .summary = "games of a player against itself",
    .unit = "games",
    .options = options,
    .split = SPLIT_COUNT,
    .count_option = "games",
    .task_option = "games_per_task",
    .inputs = inputs,
    .outputs = outputs,
    .chunk_type = "game",
    .check = check,
    .check_inputs = check_inputs,
    .needs = needs,
    .patience_s = patience_s,
};
