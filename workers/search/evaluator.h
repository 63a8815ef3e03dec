/* evaluator.h - what a search asks about a leaf of its tree.
 *
 * The seam between the tree and whatever judges positions: rollouts (rollout.h) today. An evaluator that is a
 * network fills priors and value and leaves the playout empty.
 */
#ifndef TENGEN_SEARCH_EVALUATOR_H
#define TENGEN_SEARCH_EVALUATOR_H

#include "proto/base/rng.h"
#include "workers/go/board.h"
#include "workers/go/playout.h"

struct evaluation {
    float black;         /* Black's expected result, 0 (loses) to 1 (wins) */
    const float *priors; /* by board_index(), the pass last; NULL: none. Valid until the next call */
    bool has_owner;      /* whether `owner` was filled */
    uint8_t owner[BOARD_POINTS_MAX]; /* by index: whose point it was at the end, as score_area() gives it */
    struct playout_record playout;   /* moves played to the end, for AMAF; count 0: none */
};

struct evaluator {
    void *self;
    /* Judges the position, in which komi is komi2 / 2. The board is scratch and may be played on. */
    void (*evaluate)(void *self, struct board *board, int komi2, struct rng *rng, struct evaluation *out);
};

#endif
