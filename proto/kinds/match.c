/* match.c - player A against player B: who is stronger, and by how much.
 *
 * Games come in pairs that share a random opening: A is Black in the first game of a pair and White in the
 * second, so that neither an opening nor a colour favours anyone. A task holds whole pairs. Pairs, not games,
 * are what is independent; their five outcomes (pentanomial counters) give the honest error bar.
 */
#include "proto/kinds/kind.h"
#include "proto/kinds/player.h"

static const struct option_spec sprt_options[] = {
    {.name = "enabled",
     .type = OPTION_BOOL,
     .initial = "false",
     .help = "end the match as soon as a sequential test has decided; games is then the most"},
    {.name = "elo0",
     .type = OPTION_NUMBER,
     .min = -1000,
     .max = 1000,
     .initial = "0",
     .unit = "Elo",
     .help = "A is not stronger by more than this: the hypothesis that is rejected or kept"},
    {.name = "elo1",
     .type = OPTION_NUMBER,
     .min = -1000,
     .max = 1000,
     .initial = "20",
     .unit = "Elo",
     .help = "A is stronger by at least this: the hypothesis that is accepted"},
    {.name = "alpha",
     .type = OPTION_NUMBER,
     .min = 0.0001,
     .max = 0.49,
     .initial = "0.05",
     .help = "chance of accepting elo1 where elo0 is true"},
    {.name = "beta",
     .type = OPTION_NUMBER,
     .min = 0.0001,
     .max = 0.49,
     .initial = "0.05",
     .help = "chance of rejecting elo1 where it is true"},
    {.name = NULL},
};

static const struct option_spec options[] = {
    {.name = "games",
     .type = OPTION_INT,
     .min = 2,
     .max = 1e6,
     .initial = "200",
     .unit = "games",
     .help = "games to play, an even number; the most when the sequential test is on"},
    {.name = "games_per_task",
     .type = OPTION_INT,
     .min = 2,
     .max = 10000,
     .initial = "4",
     .unit = "games",
     .help = "games that a worker takes at a time, an even number"},
    {.name = "a", .type = OPTION_OBJECT, .fields = player_options, .help = "player A, whose score is given"},
    {.name = "b",
     .type = OPTION_OBJECT,
     .fields = player_options,
     .initial = "{\"type\":\"engine\",\"engine\":\"gnugo\"}",
     .help = "player B"},
    {.name = "sprt",
     .type = OPTION_OBJECT,
     .fields = sprt_options,
     .help = "sequential probability ratio test"},
    GO_GAME_OPTIONS,
    {.name = "opening_moves",
     .type = OPTION_INT,
     .min = 0,
     .max = 1000,
     .initial = "4",
     .unit = "moves",
     .help = "uniformly random moves that both games of a pair begin with"},
    GO_LOCKSTEP_OPTION,
    GO_SEED_OPTION,
    {.name = NULL},
};

static int check_even(const json_t *config, const char *name, struct problem *problem) {
    int64_t games = option_int(config, name);
    if (games % 2)
        return problem_set(problem, TG_EOUT_OF_RANGE, name, "must be even, for games come in pairs; is %lld",
                           (long long)games);
    return TG_OK;
}

static int check_sprt(const json_t *sprt, struct problem *problem) {
    double elo0 = option_number(sprt, "elo0"), elo1 = option_number(sprt, "elo1");
    if (elo0 >= elo1)
        return problem_set(problem, TG_EOUT_OF_RANGE, "sprt.elo1", "must be more than elo0 (%.15g), is %.15g",
                           elo0, elo1);
    return TG_OK;
}

static int check(const json_t *config, struct problem *problem) {
    int error = check_even(config, "games", problem);
    if (!error)
        error = check_even(config, "games_per_task", problem);
    if (!error)
        error = player_check("a", option_object(config, "a"), problem);
    if (!error)
        error = player_check("b", option_object(config, "b"), problem);
    if (!error)
        error = check_sprt(option_object(config, "sprt"), problem);
    return error ? error : go_game_check(config, "opening_moves", problem);
}

static int check_inputs(const json_t *config, const json_t *inputs, struct problem *problem) {
    int error = player_check_network(option_object(config, "a"), inputs, "a_network", problem);
    return error ? error : player_check_network(option_object(config, "b"), inputs, "b_network", problem);
}

static json_t *needs(const json_t *config) {
    json_t *list = json_array();
    player_needs(option_object(config, "a"), list);
    player_needs(option_object(config, "b"), list);
    return list;
}

static int patience_s(const json_t *config) {
    int a = player_patience_s(option_object(config, "a")), b = player_patience_s(option_object(config, "b"));
    return a > b ? a : b;
}

/* pairs_N: pairs in which A made N half points. */
static const struct kind_score score = {
    .wins = "wins_a",
    .draws = "draws",
    .losses = "losses_a",
    .pairs = {"pairs_0", "pairs_1", "pairs_2", "pairs_3", "pairs_4"},
    .sprt_option = "sprt",
};

static const struct kind_input inputs[] = {
    {.name = "a_network",
     .required = false,
     .takes = INPUT_CHECKPOINT,
     .help = "checkpoint of player A, of type puct or policy"},
    {.name = "b_network",
     .required = false,
     .takes = INPUT_CHECKPOINT,
     .help = "checkpoint of player B, of type puct or policy"},
    {.name = NULL},
};

static const char *const outputs[] = {"games", NULL};

const struct kind kind_match = {
    .name = "match",
    .summary = "games between two players, with the difference in strength and its error bar",
    .unit = "games",
    .options = options,
    .split = SPLIT_COUNT,
    .count_option = "games",
    .task_option = "games_per_task",
    .inputs = inputs,
    .outputs = outputs,
    .chunk_type = "game",
    .score = &score,
    .check = check,
    .check_inputs = check_inputs,
    .needs = needs,
    .patience_s = patience_s,
};
