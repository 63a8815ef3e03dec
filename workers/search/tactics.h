/* tactics.h - small questions about chains that rollouts and priors both ask. */
#ifndef TENGEN_SEARCH_TACTICS_H
#define TENGEN_SEARCH_TACTICS_H

#include <stdbool.h>
#include "workers/go/board.h"

/* The offsets of the neighbours, the four orthogonal ones first. */
void tactics_offsets(const struct board *board, int offsets[8]);

/* Whether the chain that `color` would make at the empty `point` has one liberty (after captures). Its stones
 * go to *size (may be NULL) when it does. */
bool tactics_self_atari(const struct board *board, enum color color, go_move point, int *size);

/* A list of moves with room for every answer there can be; what does not fit is left out. */
enum { TACTICS_MOVES_MAX = 32 };
struct move_list {
    int count;
    go_move moves[TACTICS_MOVES_MAX];
};

/* Appends the moves that save the chain of `color` at `point`, which is in atari: taking a neighbour that is
 * in atari itself, or running to more than one liberty. */
void tactics_save(const struct board *board, enum color color, go_move point, struct move_list *list);

/* Appends what `color` should look at after the opponent's move `last`: saving chains next to it, and taking
 * it. */
void tactics_answer_atari(const struct board *board, enum color color, go_move last, struct move_list *list);

#endif
