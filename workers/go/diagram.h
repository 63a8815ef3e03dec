/* diagram.h - boards and points as text, in the forms that people, GTP and SGF use. */
#ifndef TENGEN_GO_DIAGRAM_H
#define TENGEN_GO_DIAGRAM_H

#include <stddef.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"
#include "workers/go/board.h"

/* Reads rows of `.`, `X` (black) and `O` (white), the first row the top of the board; spaces are skipped;
 * size is the number of rows. "a ko at this point" is shown by `*`: an empty point that to_move may not take
 * now. */
int diagram_read(struct board *board, const char *text, enum color to_move, bool suicide,
                 struct problem *problem);
/* The rows alone, as diagram_read takes them: "X . O\n...". 0 or TG_ENO_MEMORY. */
int diagram_write(const struct board *board, struct buf *out);
/* With coordinates on all sides, the last move in brackets and the stones taken: GTP's showboard. */
int diagram_show(const struct board *board, struct buf *out);

/* Vertices as GTP names them: letters without I from the left, numbers from the bottom; "pass". */
enum { VERTEX_TEXT_MAX = 8 };
void vertex_text(const struct board *board, go_move move, char out[VERTEX_TEXT_MAX]);
int vertex_parse(const struct board *board, const char *text, go_move *move); /* any case; 0 or TG_EINVALID */

/* Points as SGF and the live games of docs/protocol.md name them: "aa" is top left; "" or, up to 19x19, "tt"
 * pass. */
void sgf_point_text(const struct board *board, go_move move, char out[3]);
int sgf_point_parse(int size, const char *text, size_t length, int *x, int *y,
                    bool *pass); /* 0 or TG_EINVALID */

const char *color_name(enum color color); /* "black", "white", "empty" */

#endif
