/* player.h - the options of one player, shared by every kind in which players meet. */
#ifndef TENGEN_KINDS_PLAYER_H
#define TENGEN_KINDS_PLAYER_H

#include <stdbool.h>
#include "proto/base/options.h"

enum { ENGINE_NAME_MAX = 32 };

/* {"type": "uct" | "puct" | "policy" | "engine", "engine": "gnugo", "playouts": 1000, "seconds": 0, "resign":
 * 0.1, ...} */
extern const struct option_spec player_options[];
/* board, komi, rules, ko: wherever a game of Go is described. */
#define GO_RULES_OPTIONS                                                                                     \
    {.name = "board",                                                                                        \
     .type = OPTION_INT,                                                                                     \
     .min = 2,                                                                                               \
     .max = 19,                                                                                              \
     .initial = "9",                                                                                         \
     .unit = "points",                                                                                       \
     .help = "board size"},                                                                                  \
        {.name = "komi",                                                                                     \
         .type = OPTION_NUMBER,                                                                              \
         .min = -361,                                                                                        \
         .max = 361,                                                                                         \
         .initial = "7",                                                                                     \
         .unit = "points",                                                                                   \
         .help = "compensation for White, a multiple of 0.5"},                                               \
        {.name = "rules",                                                                                    \
         .type = OPTION_CHOICE,                                                                              \
         .initial = "\"chinese\"",                                                                           \
         .choices = go_rules_choices,                                                                        \
         .help = "chinese: area scoring, no suicide; tromp-taylor: area scoring, suicide allowed"},          \
    {                                                                                                        \
        .name = "ko", .type = OPTION_CHOICE, .initial = "\"positional\"", .choices = go_ko_choices,          \
        .help = "which repetitions are forbidden"                                                            \
    }

/* The same and max_moves: shared by the kinds that play Go. */
#define GO_GAME_OPTIONS                                                                                      \
    GO_RULES_OPTIONS, {                                                                                      \
        .name = "max_moves", .type = OPTION_INT, .min = 0, .max = 10000, .initial = "0", .unit = "moves",    \
        .help = "a longer game is scored as it stands; 0: three times the number of points"                  \
    }
/* How many games, and how many make a task: of the kinds that make games to learn from. */
#define GO_COUNT_OPTIONS                                                                                     \
    {.name = "games",                                                                                        \
     .type = OPTION_INT,                                                                                     \
     .min = 1,                                                                                               \
     .max = 1e7,                                                                                             \
     .initial = "1000",                                                                                      \
     .unit = "games",                                                                                        \
     .help = "games to play"},                                                                               \
    {                                                                                                        \
        .name = "games_per_task", .type = OPTION_INT, .min = 1, .max = 10000, .initial = "8",                \
        .unit = "games", .help = "games that a worker takes at a time"                                       \
    }
/* What makes the games of a player that always answers alike differ. (A match has opening_moves, the same for
 * both games of a pair.) */
#define GO_RANDOM_MOVES_OPTION                                                                               \
    {                                                                                                        \
        .name = "random_moves", .type = OPTION_INT, .min = 0, .max = 1000, .initial = "4", .unit = "moves",  \
        .help = "each game begins with this many uniformly random moves, so that games differ"               \
    }
/* Several games in one runner, for kinds in which networks play. */
#define GO_LOCKSTEP_OPTION                                                                                   \
    {                                                                                                        \
        .name = "lockstep", .type = OPTION_INT, .min = 1, .max = 256, .initial = "8", .unit = "games",       \
        .help = "games that a runner plays side by side, one batch for their networks (with seconds: one)"   \
    }
/* What every random choice of a job follows from. */
#define GO_SEED_OPTION                                                                                       \
    {                                                                                                        \
        .name = "seed", .type = OPTION_INT, .min = 0, .max = OPTION_INT_MAX, .initial = "0",                 \
        .help = "every random choice follows from it and the game's number; 0: the server picks one"         \
    }
extern const char *const go_rules_choices[]; /* chinese, tromp-taylor */
extern const char *const go_ko_choices[];    /* positional, situational, simple */

/* Seconds that this player's longest thought may take on a slow machine. */
int player_patience_s(const json_t *player);
int engine_patience_s(double seconds); /* given for a move; 0: as long as it takes */
/* Whether it is of a type that needs a checkpoint as input. */
bool player_has_network(const json_t *player);
/* A player that needs a network has the input `name`, and no other has. Missing or superfluous: a problem of
 * the field "inputs.NAME". */
int player_check_network(const json_t *player, const json_t *inputs, const char *name,
                         struct problem *problem);
int player_check(const char *field, const json_t *player, struct problem *problem);
int go_rules_check(const json_t *config, struct problem *problem); /* komi's half points */
/* The same; and a game is longer than its random opening, which is the option `opening`. */
int go_game_check(const json_t *config, const char *opening, struct problem *problem);
/* a-z, 0-9, - and _, not empty. */
int engine_name_check(const char *field, const char *name, struct problem *problem);
/* Appends "engine:NAME" to the array unless it is there. */
void engine_needs(const char *name, json_t *needs);
/* Appends "engine:NAME" to the array when the player is an engine. */
void player_needs(const json_t *player, json_t *needs);

#endif
