/* game_run.h - one game of Go between two players, whoever they are and whatever it is for.
 *
 * The loop: a random opening that the seed decides; then the players in turn, until two passes, a
 * resignation, the limit of moves, or a player's failure, which loses the game. The result is our own count
 * of the area on the final board; where an engine counts otherwise, the note says so.
 */
#ifndef TENGEN_ALPHAGO_GAME_RUN_H
#define TENGEN_ALPHAGO_GAME_RUN_H

#include "workers/alphago/record.h"

struct game_plan {
    struct go_rules rules;
    int max_moves;               /* 0: three times the number of points */
    int random_moves;            /* of the opening */
    uint64_t opening_seed;       /* decides the opening */
    uint64_t seed;               /* decides what the players draw */
    struct go_player *player[3]; /* by colour; [BLACK] and [WHITE] may be the same */
    int64_t number;              /* in the job, for the live view */
};

/* Reads board, komi, rules, ko and max_moves from a checked config. */
int game_plan_rules(const json_t *config, struct game_plan *plan, struct problem *problem);

/* Plays it and fills *record (record_free() it in any case). 0; TG_ECANCELLED when the port says stop; or
 * what failed apart from the players. */
int game_run(const struct game_plan *plan, struct port *port, struct record *record, struct problem *problem);

#endif
