#include "proto/kinds/player.h"

#include <math.h>
#include <string.h>
#include "proto/kinds/kind.h"

const char *const go_rules_choices[] = {"chinese", "tromp-taylor", NULL};
const char *const go_ko_choices[] = {"positional", "situational", "simple", NULL};
static const char *const player_types[] = {"uct", "engine", NULL};
static const char *const rollout_choices[] = {"pattern", "random", NULL};

const struct option_spec player_options[] = {
    {.name = "type",
     .type = OPTION_CHOICE,
     .initial = "\"uct\"",
     .choices = player_types,
     .help = "uct: tree search with random playouts; engine: a GTP engine of the worker's machine"},
    {.name = "engine",
     .type = OPTION_STRING,
     .min = 0,
     .max = ENGINE_NAME_MAX,
     .initial = "\"\"",
     .help = "name under which workers offer the engine (gnugo), for type engine"},
    {.name = "playouts",
     .type = OPTION_INT,
     .min = 1,
     .max = 1e7,
     .initial = "1000",
     .unit = "playouts",
     .help = "search effort of a move, for type uct"},
    {.name = "seconds",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 3600,
     .initial = "0",
     .unit = "s",
     .help = "time for a move instead of playouts; 0: by playouts (an engine: as long as it takes)"},
    {.name = "rollout",
     .type = OPTION_CHOICE,
     .initial = "\"pattern\"",
     .choices = rollout_choices,
     .help = "how playouts choose moves, for type uct; random: uniformly, three times as fast and weaker"},
    {.name = "resign",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 0.5,
     .initial = "0.1",
     .help = "resigns below this chance of winning, for type uct; 0: never"},
    {.name = NULL},
};

int engine_name_check(const char *field, const char *name, struct problem *problem) {
    if (!name[0])
        return problem_set(problem, TG_EMISSING_FIELD, field,
                           "a player of type engine needs an engine's name, such as gnugo");
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(name))
        return problem_set(
            problem, TG_EOUT_OF_RANGE, field,
            "an engine's name has only a-z, 0-9, - and _ (a job names an engine, never a command)");
    return TG_OK;
}

int player_check(const char *field, const json_t *player, struct problem *problem) {
    const char *engine = option_string(player, "engine");
    int error = TG_OK;
    if (strcmp(option_string(player, "type"), "engine") == 0)
        error = engine_name_check("engine", engine, problem);
    else if (engine[0])
        error = problem_set(problem, TG_EINVALID, "engine",
                            "only a player of type engine has one; set type to engine");
    if (error)
        problem_prefix(problem, field);
    return error;
}

int go_rules_check(const json_t *config, struct problem *problem) {
    double komi = option_number(config, "komi");
    if (komi * 2 != floor(komi * 2))
        return problem_set(problem, TG_EOUT_OF_RANGE, "komi", "must be a multiple of 0.5, is %.15g", komi);
    return TG_OK;
}

int go_game_check(const json_t *config, const char *opening, struct problem *problem) {
    int error = go_rules_check(config, problem);
    if (error)
        return error;
    int64_t points = option_int(config, "board") * option_int(config, "board");
    int64_t max_moves = option_int(config, "max_moves"), moves = option_int(config, opening);
    int64_t most = max_moves && max_moves < points ? max_moves : points;
    if (moves >= most)
        return problem_set(problem, TG_EOUT_OF_RANGE, opening,
                           "must leave a game to play: fewer than %lld, is %lld", (long long)most,
                           (long long)moves);
    return TG_OK;
}

/* An engine that is given no time is cut off after 5 minutes (workers/alphago/player_engine.c); half as much
 * again is its grace. */
int engine_patience_s(double seconds) {
    return KIND_PATIENCE_S + (seconds > 0 ? (int)(2 * seconds) : 300);
}

/* A slow machine under load still makes 500 playouts a second. */
int player_patience_s(const json_t *player) {
    double seconds = option_number(player, "seconds");
    if (strcmp(option_string(player, "type"), "engine") == 0)
        return engine_patience_s(seconds);
    return KIND_PATIENCE_S + (seconds > 0 ? (int)(2 * seconds) : (int)(option_int(player, "playouts") / 500));
}

void player_needs(const json_t *player, json_t *needs) {
    if (strcmp(option_string(player, "type"), "engine") == 0)
        engine_needs(option_string(player, "engine"), needs);
}

void engine_needs(const char *name, json_t *needs) {
    json_t *need = json_sprintf("engine:%s", name);
    size_t i;
    json_t *present;
    json_array_foreach(needs, i, present) {
        if (json_equal(present, need)) {
            json_decref(need);
            return;
        }
    }
    json_array_append_new(needs, need);
}
