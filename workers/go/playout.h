/* playout.h - games of uniformly random moves from a position to its end.
 *
 * Each move is chosen with equal chance among all that are legal (simple ko, and suicide as the board says;
 * superko is not looked at) and do not fill an own one-point eye (board_eye). A player who has none passes;
 * two passes end the game. The end is scored by area.
 *
 * How the choice is uniform and still cheap: a random entry of the empty points is tried; one that may not be
 * played is swapped behind those not tried yet, and the next is drawn from what is left. So each acceptable
 * point is equally likely, whatever the order of the list.
 */
#ifndef TENGEN_GO_PLAYOUT_H
#define TENGEN_GO_PLAYOUT_H

#include <stdbool.h>
#include "proto/base/rng.h"
#include "workers/go/board.h"

enum { PLAYOUT_MOVES_MAX = 4 * BOARD_POINTS_MAX };

/* The moves of one playout in order; their colours alternate from `first` on. */
struct playout_record {
    enum color first;
    int count;
    go_move moves[PLAYOUT_MOVES_MAX];
};

struct playout_result {
    int score; /* area, Black's points less White's, without komi */
    int moves; /* played, passes included */
    bool cut;  /* ended by max_moves: the score then counts the stones as they stand */
};

/* Plays from board->to_move on, on the board itself (give it a copy). max_moves limits this playout; 0 means
 * three times the number of points; it is at most PLAYOUT_MOVES_MAX. mercy: ends as soon as one colour has
 * that many stones more than the other, scoring what stands; 0 never. record may be NULL. */
struct playout_result playout_run(struct board *board, struct rng *rng, int max_moves, int mercy,
                                  struct playout_record *record);

/* One random move as a playout would choose it, not played: PASS when there is none. Reorders board->empties.
 */
go_move playout_choose(struct board *board, struct rng *rng, enum color color);

#endif
