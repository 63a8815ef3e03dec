/* naive_board.h - Go rules written down as plainly as possible: the oracle for workers/go.
 *
 * It shares no code and no idea with the fast board: an array of colours, flood fill for everything, and
 * every whole position of the game kept and compared byte by byte for superko.
 */
#ifndef TENGEN_TESTS_NAIVE_BOARD_H
#define TENGEN_TESTS_NAIVE_BOARD_H

#include <stdbool.h>
#include <stdint.h>

enum { NAIVE_POINTS = 361, NAIVE_HISTORY = 4096 };

enum naive_ko { NAIVE_SIMPLE, NAIVE_POSITIONAL, NAIVE_SITUATIONAL };
enum naive_answer { NAIVE_LEGAL, NAIVE_OCCUPIED, NAIVE_SUICIDE, NAIVE_KO, NAIVE_SUPERKO };

struct naive_position {
    uint8_t color[NAIVE_POINTS]; /* 0 empty, 1 black, 2 white, by y * size + x */
    uint8_t to_move;
};

struct naive_board {
    int size;
    bool suicide;
    enum naive_ko ko;
    struct naive_position now;
    int moves;                                    /* = entries of history before `now` */
    uint8_t movers[NAIVE_HISTORY];                /* who made move i */
    struct naive_position history[NAIVE_HISTORY]; /* the position before move i */
};

void naive_init(struct naive_board *board, int size, bool suicide, enum naive_ko ko);
enum naive_answer naive_legality(const struct naive_board *board, int color, int point);
void naive_play(struct naive_board *board, int color, int point); /* point -1 is a pass; must be legal */
int naive_liberties(const struct naive_board *board, int point);
int naive_chain_size(const struct naive_board *board, int point);
int naive_score(const struct naive_board *board, uint8_t *owner);
/* What a move would do: stones taken, liberties and size of the new chain (0 and 0 after a suicide). */
void naive_after(const struct naive_board *board, int color, int point, int *taken, int *liberties,
                 int *size);
bool naive_eye(const struct naive_board *board, int color, int point);

#endif
