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
    /* Called after each move; anything but 0 ends the game with that error. NULL: nobody looks. */
    int (*moved)(void *context);
    void *context;
};

/* Reads board, komi, rules, ko and max_moves from a checked config. */
int game_plan_rules(const json_t *config, struct game_plan *plan, struct problem *problem);

/* A game under way, so that many can go on side by side. */
struct playing {
    struct game_plan plan;
    struct record *record;
    struct problem *problem;
    bool begun, over;
    struct go_player *waits; /* whose requests are to be answered before the game can go on; NULL: nobody's */
    struct thought thought;
};

/* Begins it: *record is filled as the game goes on (record_free() it in any case). plan is copied. */
int playing_begin(struct playing *playing, const struct game_plan *plan, struct record *record,
                  struct problem *problem);
/* Plays on until a player waits (playing->waits) or the game is over (playing->over). 0; TG_ECANCELLED when
 * the port says stop; or what failed apart from the players. */
int playing_advance(struct playing *playing);
void playing_end(struct playing *playing); /* the players are free for another game */

/* A whole game: begins, answers the players' requests, ends. */
int game_run(const struct game_plan *plan, struct record *record, struct problem *problem);

#endif
