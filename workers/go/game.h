/* game.h - a game: the rules, where it began, the moves, and the position now.
 *
 * A game owns a board, its history for superko and the list of moves. Undo plays the moves again from the
 * start: a move costs about a tenth of a microsecond, and there is no second way to change a board.
 *
 * Moves that the superko rule forbids are refused with MOVE_SUPERKO; game_play_repeating() accepts them, for
 * records of games that were played under other rules. One thread at a time.
 */
#ifndef TENGEN_GO_GAME_H
#define TENGEN_GO_GAME_H

#include "workers/go/board.h"
#include "workers/go/history.h"
#include "workers/go/rules.h"

struct game;

struct game *game_create(const struct go_rules *rules); /* NULL: out of memory */
void game_destroy(struct game *game);                   /* NULL is fine */
struct game *game_copy(const struct game *game);        /* NULL: out of memory */
void game_reset(struct game *game);                     /* the empty board, no moves, black to move */

/* The position becomes `colors` (see board_setup), the moves are forgotten: handicap stones, problems. */
int game_setup(struct game *game, const uint8_t *colors, enum color to_move);
void game_set_komi(struct game *game, int komi2);

const struct go_rules *game_rules(const struct game *game);
const struct board *game_board(const struct game *game);     /* valid until the game changes */
const struct board *game_start(const struct game *game);     /* where the moves begin */
const struct history *game_history(const struct game *game); /* includes the position now */

enum legality game_legality(const struct game *game, enum color color, go_move move);
/* 0, TG_EILLEGAL_MOVE (*why says which, when not NULL) or TG_ENO_MEMORY; nothing changes on failure. */
int game_play(struct game *game, enum color color, go_move move, enum legality *why);
/* The same without superko; *repeats (may be NULL) says whether the position had been there. */
int game_play_repeating(struct game *game, enum color color, go_move move, bool *repeats, enum legality *why);
int game_undo(struct game *game); /* 0, or TG_EWRONG_STATE when no move is left */

int game_move_count(const struct game *game);
go_move game_move(const struct game *game, int number, enum color *color); /* number 0.. */
bool game_over(const struct game *game);                                   /* two passes in a row */
int game_margin2(const struct game *game); /* area score less komi for Black, half points */

#endif
