/* record.h - a finished game: kept in memory while it is played, then as a chunk's body, a row of the games
 * list and SGF.
 *
 * The body of a "game" chunk, little endian:
 *
 *      0   "TGG1"
 *      4   u8  board size          5   u8  rules: bit 0 suicide, bits 1-2 enum ko_rule
 *      6   i16 komi, half points   8   i16 result, half points, Black's lead (when ended by score or max moves)
 *     10   u8  winner: enum color, EMPTY for a draw     11   u8  enum game_end
 *     12   u16 opening moves      14   u16 moves, the opening included
 *     16   moves, each:
 *              u16 point (index y * size + x; size * size is the pass)
 *              u8  colour          u8  0
 *              u32 visits of the root (0: no search, and nothing more follows for this move)
 *              f32 winning chance of the side that moved, as the search saw it
 *              u16 count           count times: u16 point, u32 visits (most visited first)
 */
#ifndef TENGEN_ALPHAGO_RECORD_H
#define TENGEN_ALPHAGO_RECORD_H

#include "workers/alphago/go_player.h"
#include "workers/go/game.h"

enum { RECORD_NOTE_MAX = 512, RECORD_HEAD_BYTES = 16, RECORD_COMMENT_MAX = 40 };

struct record {
    struct game *game;              /* owned: rules, moves, position */
    char names[3][PLAYER_NAME_MAX]; /* by colour */
    int opening_moves;
    enum color winner; /* EMPTY: a draw */
    int margin2;       /* Black's lead in half points, by our own count of the final board */
    enum game_end end;
    char note[RECORD_NOTE_MAX];
    struct buf body;     /* the moves so far, encoded; record_body() puts the head before them */
    struct buf comments; /* one for each move, RECORD_COMMENT_MAX bytes each */
    json_t *live_moves;  /* array of SGF points */
};

/* 0 or TG_ENO_MEMORY; record_free() in any case. */
int record_begin(struct record *record, const struct go_rules *rules, const char *black, const char *white);
void record_free(struct record *record);

/* Plays a legal move of the game and remembers what was thought (may be NULL). */
int record_move(struct record *record, enum color color, go_move move, const struct thought *thought);
void record_note(struct record *record, const char *format, ...) __attribute__((format(printf, 2, 3)));

int record_body(const struct record *record, struct buf *out);
int record_sgf(const struct record *record, struct buf *out);
void record_result(const struct record *record, char *text,
                   size_t size);                                  /* RE[] of SGF: "B+3.5", "W+Resign", "0" */
json_t *record_row(const struct record *record);                  /* "game" of the chunk's header */
json_t *record_live(const struct record *record, int64_t number); /* a live game */

#endif
