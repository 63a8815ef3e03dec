/* experts.h - what experts played, position by position, split into what a policy is trained on and what it
 * is measured on.
 *
 * A position is kept as its codes (workers/go/encoding.h), the move that was played and how the game ended
 * for the side to move: for 9x9 84 bytes. A whole game is on one side of the split, decided by its hash alone
 * (expert_games.h): a resumed run, another seed and the command `accuracy` see the same split, and a game
 * that is in the data twice does not leak.
 */
#ifndef TENGEN_ALPHAGO_EXPERTS_H
#define TENGEN_ALPHAGO_EXPERTS_H

#include "workers/alphago/expert_games.h"
#include "workers/go/encoding.h"

enum { RESULT_UNKNOWN = 2 };

struct experts {
    int size; /* of the boards; 0 while there are none */
    int64_t count, room;
    int64_t games;
    uint8_t *codes;  /* [count][size * size] */
    uint16_t *moves; /* [count], by board_index() */
    int8_t *results; /* [count]: 1 the side to move won the game, -1 lost, 0 a draw, RESULT_UNKNOWN */
};

struct expert_filter {
    int board;         /* games of this size only; 0: all have to be of one size */
    double held_out;   /* share of the games */
    int min_rating;    /* of the side that moves; 0: anybody, known or not */
    bool winners_only; /* moves of the side that won */
    /* The last two choose among the positions to train on; what is held out is always all of a game. */
};

struct expert_sets {
    struct experts train, held_out;
    struct expert_tally tally;
    int64_t other_sizes;                 /* games left out for their size */
    int64_t by_size[BOARD_SIZE_MAX + 1]; /* all games that were read */
};

/* How the game ended for `color`: 1, 0, -1 or RESULT_UNKNOWN. */
int expert_result(const struct expert_game *game, enum color color);

/* Whether a game belongs to what is held out. */
bool expert_held_out(const struct game *game, double share);

/* Reads all games at `path`. TG_EINVALID for boards of different sizes (while filter->board is 0) and when no
 * position is left to train on, saying what was there; else what expert_games_visit() returns. Free in any
 * case. */
int experts_read(const char *path, const struct expert_filter *filter, struct expert_sets *out,
                 struct problem *problem);
void experts_free(struct expert_sets *sets);

/* Calls `each` with the position before every move that an expert chose. 0, or what `each` returned. */
typedef int expert_position(void *user, const struct board *board, go_move move, int number);
int expert_positions(const struct expert_game *game, expert_position *each, void *user);

#endif
