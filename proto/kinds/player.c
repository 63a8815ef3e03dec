#include "proto/kinds/player.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/kinds/kind.h"

const char *const go_rules_choices[] = {"chinese", "tromp-taylor", NULL};
const char *const go_ko_choices[] = {"positional", "situational", "simple", NULL};
static const char *const player_types[] = {"uct", "puct", "policy", "engine", NULL};
static const char *const rollout_choices[] = {"pattern", "random", NULL};

/* Which options a type of player looks at. */
static const struct option_when for_searches = OPTION_WHEN("type", "uct", "puct"),
                                for_puct = OPTION_WHEN("type", "puct"),
                                for_networks = OPTION_WHEN("type", "puct", "policy"),
                                for_own = OPTION_WHEN("type", "uct", "puct", "policy"),
                                for_clocked = OPTION_WHEN("type", "uct", "puct", "engine"),
                                for_engines = OPTION_WHEN("type", "engine");

const struct option_spec player_options[] = {
    {.name = "type",
     .type = OPTION_CHOICE,
     .initial = "\"uct\"",
     .choices = player_types,
     .help =
         "uct: search by playouts; puct: guided by a network; policy: a network alone; engine: a GTP engine"},
    {.name = "engine",
     .type = OPTION_STRING,
     .when = &for_engines,
     .min = 0,
     .max = ENGINE_NAME_MAX,
     .initial = "\"\"",
     .help = "name under which workers offer it (gnugo)"},
    {.name = "playouts",
     .type = OPTION_INT,
     .when = &for_searches,
     .min = 1,
     .max = 1e7,
     .initial = "1000",
     .unit = "playouts",
     .help = "search effort of a move"},
    {.name = "seconds",
     .type = OPTION_NUMBER,
     .when = &for_clocked,
     .min = 0,
     .max = 3600,
     .initial = "0",
     .unit = "s",
     .help = "time for a move instead of playouts; 0: by playouts (an engine: as long as it takes)"},
    {.name = "rollout",
     .type = OPTION_CHOICE,
     .when = &for_searches,
     .initial = "\"pattern\"",
     .choices = rollout_choices,
     .help = "how playouts move; random: uniformly, three times as fast and weaker"},
    {.name = "resign",
     .type = OPTION_NUMBER,
     .when = &for_own,
     .min = 0,
     .max = 0.5,
     .initial = "0.1",
     .help = "resigns below this chance of winning (policy: by its value head); 0: never"},
    {.name = "temperature",
     .type = OPTION_NUMBER,
     .when = &for_own,
     .min = 0,
     .max = 100,
     .initial = "0",
     .help =
         "draws moves by visits (policy: probability) to the power of 1 / temperature; 0: plays the best"},
    {.name = "c_puct",
     .type = OPTION_NUMBER,
     .when = &for_puct,
     .min = 0,
     .max = 100,
     .initial = "1.25",
     .help = "weight of the prior for values from 0 to 1 (AlphaGo's scale has twice as much)"},
    {.name = "prior_temperature",
     .type = OPTION_NUMBER,
     .when = &for_networks,
     .min = 0.05,
     .max = 20,
     .initial = "1",
     .help = "of the softmax over legal moves; below 1 sharper"},
    {.name = "value_share",
     .type = OPTION_NUMBER,
     .when = &for_puct,
     .min = 0,
     .max = 1,
     .initial = "0",
     .help = "share of the value head in a leaf's result, the rest is a rollout's"},
    {.name = "noise",
     .type = OPTION_NUMBER,
     .when = &for_puct,
     .min = 0,
     .max = 1,
     .initial = "0",
     .help = "share of Dirichlet noise in the root's priors"},
    {.name = "expand_visits",
     .type = OPTION_INT,
     .when = &for_puct,
     .min = 0,
     .max = 1000,
     .initial = "0",
     .unit = "visits",
     .help = "a leaf asks the network at this many visits; 0: at the first, or as time allows"},
    {.name = "leaves",
     .type = OPTION_INT,
     .when = &for_puct,
     .min = 1,
     .max = 256,
     .initial = "8",
     .help = "leaves of one search that may wait for the network at once"},
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

bool player_has_network(const json_t *player) {
    const char *type = option_string(player, "type");
    return strcmp(type, "puct") == 0 || strcmp(type, "policy") == 0;
}

int player_check_network(const json_t *player, const json_t *inputs, const char *name,
                         struct problem *problem) {
    char field[64];
    const bool given = json_object_get(inputs, name) != NULL;
    snprintf(field, sizeof field, "inputs.%s", name);
    if (player_has_network(player) && !given)
        return problem_set(
            problem, TG_EMISSING_FIELD, field,
            "a player of type puct or policy needs a network: give a checkpoint as this input");
    if (!player_has_network(player) && given)
        return problem_set(problem, TG_EINVALID, field,
                           "a player of type %s uses no network; set its type to puct or policy",
                           option_string(player, "type"));
    return TG_OK;
}

/* A slow machine under load still makes 500 playouts a second, or 10 with a large network and other games. */
int player_patience_s(const json_t *player) {
    double seconds = option_number(player, "seconds");
    const int playouts_per_s = player_has_network(player) ? 10 : 500;
    if (strcmp(option_string(player, "type"), "engine") == 0)
        return engine_patience_s(seconds);
    return KIND_PATIENCE_S +
           (seconds > 0 ? (int)(2 * seconds) : (int)(option_int(player, "playouts") / playouts_per_s));
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
