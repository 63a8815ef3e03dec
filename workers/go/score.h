/* score.h - area scoring (Tromp-Taylor, Chinese): stones, and empty points that reach one colour only.
 *
 * Every stone on the board counts as alive: dead ones must have been taken, as playouts and engines that play
 * to the end do. Points that reach both colours or none count for neither.
 */
#ifndef TENGEN_GO_SCORE_H
#define TENGEN_GO_SCORE_H

#include <stdint.h>
#include "workers/go/board.h"

/* Black's points less White's, without komi. owner, when not NULL, gets size * size entries (by index):
 * BLACK, WHITE, or EMPTY for neither. */
int score_area(const struct board *board, uint8_t *owner);

/* The result as SGF's RE[] has it: "B+3.5", "W+12", "0" for a draw. margin2 is Black's lead after komi, in
 * half points. */
enum { SCORE_TEXT_MAX = 16 };
void score_text(int margin2, char out[SCORE_TEXT_MAX]);

#endif
