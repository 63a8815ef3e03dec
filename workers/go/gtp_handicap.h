/* gtp_handicap.h - where handicap stones go. */
#ifndef TENGEN_GO_GTP_HANDICAP_H
#define TENGEN_GO_GTP_HANDICAP_H

#include "workers/go/board.h"

enum { HANDICAP_MAX = 9 };

/* The fixed places for `stones` (2..9) as the standard's 4.1.1 lists them, in its order. Returns how many, 0
 * when the board has no fixed places for that number (below 7x7 none, 7x7 and even sizes at most 4). */
int handicap_fixed(const struct board *board, int stones, go_move out[HANDICAP_MAX]);

#endif
