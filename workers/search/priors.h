/* priors.h - what is believed of a move before it is tried: simulations that never happened.
 *
 * Each belief adds `visits` virtual simulations of which `wins` were won (Gelly & Silver, "Combining online
 * and offline knowledge in UCT", 2007). docs/search.md has the weights
 * and where they come from.
 */
#ifndef TENGEN_SEARCH_PRIORS_H
#define TENGEN_SEARCH_PRIORS_H

#include "workers/go/board.h"
#include "workers/search/tree.h"

struct prior_weights {
    uint16_t even;                            /* for every move, half of them won */
    uint16_t capture_one, capture_many, save; /* won */
    uint16_t pattern;                         /* won */
    uint16_t self_atari;                      /* lost */
    uint16_t near[3];   /* won: 1, 2, 3 steps from the last move, a chain counting as one step */
    uint16_t open_edge; /* first line with nobody near: lost; third line: won */
    uint16_t pass;      /* lost */
};
struct prior_weights prior_weights_default(void);

/* Fills prior_value and prior_visits of the children for the position on the board, whose to_move is
 * choosing. */
void priors_set(const struct prior_weights *weights, const struct board *board, struct node *children,
                int count);

#endif
