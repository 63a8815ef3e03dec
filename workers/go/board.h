/* board.h - a Go board of 2x2 to 19x19: stones, chains, captures, simple ko, legality.
 *
 * A board is one flat struct without pointers, so that a search copies it with board_copy() (1.2 KB for 9x9)
 * and throws it away. It knows the position and the simple ko; what came before is kept beside it: history.h
 * (which positions have been on the board, for superko) and game.h (rules, moves, undo).
 *
 * Cells. The points lie in rows of size + 1 cells: one border cell ends each row and so also begins the next,
 * and there is one border row above and one below. A 3x3 board has stride 4 and 21 cells:
 *
 *       0  1  2  3        #  #  #  #
 *       4  5  6  7        #  .  .  .        x = 0.., from the left
 *       8  9 10 11        #  .  .  .        y = 0.., from the top
 *      12 13 14 15        #  .  .  .        cell = (y + 1) * stride + x + 1
 *      16 17 18 19 20     #  #  #  #  #
 *
 * The neighbours of cell p are p - stride, p - 1, p + 1 and p + stride, and no walk ever leaves the arrays.
 * Cell 0 is border, so as a move it means PASS. Outside, points are counted row by row without the border:
 * the index y * size + x.
 *
 * Chains. The stones of a chain form a circle through link[]; chain[] of each is the cell of one of them, the
 * head, and liberties[head] counts pseudo-liberties: an empty point next to k stones of the chain counts k
 * times. They are zero exactly when the liberties are, which is all that captures and legality need, and
 * unlike true liberties they are updated without asking whether two stones share one. A chain with one true
 * liberty has at most four pseudo-liberties, so that board_in_atari() seldom has to walk. An empty point and
 * a border cell are their own head, so that updates need not ask what a neighbour is; their counts mean
 * nothing.
 *
 * Surroundings. around[p] holds the colours of the eight cells about p, two bits each, kept up to date with
 * each stone:
 *
 *       bits  8- 9 | 0-1 | 10-11       orthogonal in the low byte: whether p is an eye, has an empty
 *             2- 3 |  p  |  4- 5       neighbour or touches a colour is one mask or one table look-up; the
 *            12-13 | 6-7 | 14-15       whole is the 3x3 pattern code that rollout policies use
 *
 * Empty points are listed in empties[0 .. empty_count - 1] in no order; link[p] of an empty point is its
 * place there, so that both removal and a uniformly random choice take constant time.
 *
 * What was not done: true liberty sets for each chain (as bit sets they would make the board five times as
 * large, and only queries want them), and superko in the board itself (playouts do without; games and trees
 * keep a history).
 *
 * Nothing here allocates, locks or prints; a board may be used by one thread at a time.
 */
#ifndef TENGEN_GO_BOARD_H
#define TENGEN_GO_BOARD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BOARD_SIZE_MIN = 2,
    BOARD_SIZE_MAX = 19,
    BOARD_POINTS_MAX = BOARD_SIZE_MAX * BOARD_SIZE_MAX,
    BOARD_CELLS_MAX = (BOARD_SIZE_MAX + 2) * (BOARD_SIZE_MAX + 1) + 1,
};

/* The values are those of the two-bit fields in around[]. */
enum color { EMPTY = 0, BLACK = 1, WHITE = 2, BORDER = 3 };

/* A move is the cell of a point, or PASS. */
typedef uint16_t go_move;
enum { PASS = 0, NO_MOVE = 0xffff };

enum legality { MOVE_LEGAL, MOVE_OFF_BOARD, MOVE_OCCUPIED, MOVE_SUICIDE, MOVE_KO, MOVE_SUPERKO };

struct board {
    uint64_t hash;        /* of the stones alone: zobrist.h */
    uint16_t cells;       /* in use: (size + 2) * (size + 1) + 1 */
    uint16_t empty_count; /* entries of empties[] */
    uint16_t stones[3];   /* on the board, by colour; [EMPTY] is unused */
    uint16_t captured[3]; /* captured[c]: stones of colour c that have been taken off, suicides included */
    uint16_t move_count;  /* moves played, passes included */
    go_move ko;           /* the point that to_move may not take now; PASS when there is none */
    go_move last_move[2]; /* [0] the last, [1] the one before; NO_MOVE when there was none */
    uint8_t size;         /* 2..19 */
    uint8_t stride;       /* size + 1 */
    uint8_t to_move;      /* BLACK or WHITE */
    uint8_t passes;       /* consecutive passes that end the moves so far */
    bool suicide;         /* a chain of two or more stones may take itself off (a single stone never may) */
    uint8_t color[BOARD_CELLS_MAX];
    go_move empties[BOARD_POINTS_MAX];
    uint16_t around[BOARD_CELLS_MAX];
    uint16_t chain[BOARD_CELLS_MAX];
    uint16_t link[BOARD_CELLS_MAX];
    uint16_t liberties[BOARD_CELLS_MAX]; /* pseudo-liberties, valid at heads: see above */
};

/* An empty board, black to move. size must be BOARD_SIZE_MIN..BOARD_SIZE_MAX (asserted). */
void board_init(struct board *board, int size, bool suicide);
void board_copy(struct board *to, const struct board *from); /* copies only the cells in use */

/* Replaces the stones by `colors` (size * size entries EMPTY, BLACK or WHITE, by index) and forgets ko,
 * captures and moves; to_move becomes `to_move`. TG_EINVALID, and an empty board, when a chain would have no
 * liberty. */
int board_setup(struct board *board, const uint8_t *colors, enum color to_move);

/* Whether `color` may play `move` now, apart from superko (history.h). Constant time. A single-stone suicide
 * is never legal: it would change nothing. The simple ko binds only the colour whose stone was taken. */
enum legality board_legality(const struct board *board, enum color color, go_move move);
bool board_legal(const struct board *board, enum color color, go_move move);
const char *legality_text(enum legality legality); /* "occupied", "suicide", "ko", "superko", ... */

/* Plays for `color`, which need not be to_move. The move must be legal by board_legality() (asserted cheaply:
 * on the board and empty). Returns the number of stones taken off, own ones after a suicide included. */
int board_play(struct board *board, enum color color, go_move move);

/* The hash of the stones after a legal move, without playing it. */
uint64_t board_hash_after(const struct board *board, enum color color, go_move move);

/* An own point that playouts and sensible players leave alone: all orthogonal neighbours are `color` or
 * border, and of the diagonal ones at most one is the opponent's, none at the border. */
bool board_eye(const struct board *board, enum color color, go_move point);

/* Chains. `point` must hold a stone. */
int board_liberty_count(const struct board *board, go_move point,
                        int at_most); /* true liberties, counted to at_most */
int board_liberty_list(const struct board *board, go_move point,
                       go_move *out); /* all of them; room for points */
bool board_in_atari(const struct board *board, go_move point, go_move *liberty); /* liberty may be NULL */
int board_chain_size(const struct board *board, go_move point);
/* After `color` would play the empty `point`: opponents' stones taken, and the liberties and size of the new
 * chain (any pointer may be NULL). Walks chains, changes nothing; a suicide has 0 liberties. */
void board_after(const struct board *board, enum color color, go_move point, int *taken, int *liberties,
                 int *size);

/* Checks every invariant of the essay above from scratch: for tests. NULL, or what is wrong. */
const char *board_check(const struct board *board);

static inline enum color color_other(enum color color) {
    return (enum color)(color ^ 3);
}
static inline int board_points(const struct board *board) {
    return board->size * board->size;
}
static inline go_move board_at(const struct board *board, int x, int y) {
    return (go_move)((y + 1) * board->stride + x + 1);
}
static inline int board_x(const struct board *board, go_move point) {
    return point % board->stride - 1;
}
static inline int board_y(const struct board *board, go_move point) {
    return point / board->stride - 1;
}
/* y * size + x, as networks, files and owner maps count; PASS is size * size. */
static inline int board_index(const struct board *board, go_move move) {
    return move == PASS ? board_points(board) : board_y(board, move) * board->size + board_x(board, move);
}
static inline go_move board_move_at(const struct board *board, int index) {
    return index == board_points(board) ? (go_move)PASS
                                        : board_at(board, index % board->size, index / board->size);
}
static inline bool board_on(const struct board *board, go_move point) {
    return point < board->cells && board->color[point] != BORDER;
}
static inline enum color board_color(const struct board *board, go_move point) {
    return (enum color)board->color[point];
}
/* Equal for two stones exactly when they are of one chain. */
static inline go_move board_chain(const struct board *board, go_move point) {
    return board->chain[point];
}
/* The next stone of the chain's circle: start anywhere, stop when back. */
static inline go_move board_next_stone(const struct board *board, go_move point) {
    return board->link[point];
}
/* The hash of the position and of who is to move. */
uint64_t board_situation(const struct board *board);

#endif
