/* board_kernel.h - the steps of a move, inlined into board.c and into the playout loop.
 *
 * Every function takes the stride apart from the board: where the caller passes a constant, the compiler
 * folds the offsets of the neighbours into the addresses. Private to workers/go.
 *
 * A move (kernel_play), in an order that must stay:
 *     1. put      the stone as a chain of its own; the neighbours lose the liberty that p was
 *     2. connect  with its own colour
 *     3. take     opponents' chains that have come to no liberty; that gives liberties back
 *     4. ko       exactly one stone taken by a stone that had only opponents (or border) about it
 *     5. suicide  only now: a move that takes something always has a liberty
 *
 * No branch asks what a neighbour is where it need not. Empty points and border cells are heads of
 * themselves, so "liberties of the neighbour's chain - 1" may be done to any neighbour; what that does to the
 * count of an empty point is nonsense which kernel_put overwrites when a stone comes there.
 *
 * Pseudo-liberties add up when chains are joined, and go up and down by one with each empty point next to a
 * stone, whether shared or not: that is why they are kept and true ones are not (board.h). While
 * kernel_remove takes a chain off stone by stone, the counts of its own head are wrong; nobody looks at them.
 *
 * Joining relabels the chain that the new stone is in by then, tying the two circles together by one exchange
 * of links. Usually that is the single new stone; only where a move joins several chains are older stones
 * relabelled.
 */
#ifndef TENGEN_GO_BOARD_KERNEL_H
#define TENGEN_GO_BOARD_KERNEL_H

#include "workers/go/board.h"
#include "workers/go/zobrist.h"

#define KERNEL static inline __attribute__((always_inline))

/* The orthogonal neighbours, in the order of the bits of around[]. */
#define KERNEL_NEIGHBOURS(p, stride)                                                                         \
    { (unsigned)((p) - (stride)), (unsigned)((p)-1), (unsigned)((p) + 1), (unsigned)((p) + (stride)) }

/* One bit for each orthogonal neighbour that is empty (0x01, 0x04, 0x10, 0x40). */
KERNEL unsigned kernel_empty_bits(unsigned around) {
    return ~(around | around >> 1) & 0x55;
}

/* Whether each orthogonal neighbour is `color` or border: each two-bit field has the colour's bit. */
KERNEL bool kernel_enclosed(unsigned around, unsigned color) {
    unsigned mask = 0x55 * color;
    return (around & mask) == mask;
}

/* Adds the stone's colour to what the eight cells about p see, or takes it away again. */
KERNEL void kernel_flip_around(struct board *board, int stride, unsigned p, unsigned color) {
    uint16_t *around = board->around;
    around[p - stride - 1] ^= (uint16_t)(color << 14);
    around[p - stride] ^= (uint16_t)(color << 6);
    around[p - stride + 1] ^= (uint16_t)(color << 12);
    around[p - 1] ^= (uint16_t)(color << 4);
    around[p + 1] ^= (uint16_t)(color << 2);
    around[p + stride - 1] ^= (uint16_t)(color << 10);
    around[p + stride] ^= (uint16_t)color;
    around[p + stride + 1] ^= (uint16_t)(color << 8);
}

/* Puts a stone on the empty point p as a chain of its own; the neighbours' liberties are updated. */
KERNEL void kernel_put(struct board *board, int stride, unsigned color, unsigned p) {
    const unsigned neighbours[4] = KERNEL_NEIGHBOURS(p, stride);
    unsigned place = board->link[p], last = board->empties[--board->empty_count];
    board->empties[place] = (go_move)last;
    board->link[last] = (uint16_t)place;
    board->color[p] = (uint8_t)color;
    board->stones[color]++;
    board->hash ^= zobrist_stone(p, color);
    board->link[p] = (uint16_t)p;
    board->liberties[p] = (uint16_t)__builtin_popcount(kernel_empty_bits(board->around[p]));
    kernel_flip_around(board, stride, p, color);
    for (int i = 0; i < 4; i++)
        board->liberties[board->chain[neighbours[i]]]--;
}

/* Makes the chain of head `from` part of the chain of head `to`: relabels the former, ties the circles
 * together. */
KERNEL void kernel_merge(struct board *board, unsigned to, unsigned from) {
    unsigned stone = from;
    board->liberties[to] = (uint16_t)(board->liberties[to] + board->liberties[from]);
    do {
        board->chain[stone] = (uint16_t)to;
        stone = board->link[stone];
    } while (stone != from);
    uint16_t swap = board->link[to];
    board->link[to] = board->link[from];
    board->link[from] = swap;
}

/* Ties the new stone p to the chains of its own colour about it. */
KERNEL void kernel_connect(struct board *board, int stride, unsigned color, unsigned p) {
    const unsigned neighbours[4] = KERNEL_NEIGHBOURS(p, stride);
    for (int i = 0; i < 4; i++) {
        if (board->color[neighbours[i]] != color)
            continue;
        unsigned head = board->chain[neighbours[i]];
        if (head != board->chain[p])
            kernel_merge(board, head, board->chain[p]);
    }
}

/* Takes a chain off the board; returns its stones. */
KERNEL int kernel_remove(struct board *board, int stride, unsigned color, unsigned head) {
    unsigned p = head;
    int count = 0;
    do {
        const unsigned neighbours[4] = KERNEL_NEIGHBOURS(p, stride);
        unsigned next = board->link[p];
        board->color[p] = EMPTY;
        board->hash ^= zobrist_stone(p, color);
        board->empties[board->empty_count] = (go_move)p;
        board->link[p] = board->empty_count++;
        board->chain[p] = (uint16_t)p;
        kernel_flip_around(board, stride, p, color);
        for (int i = 0; i < 4; i++)
            board->liberties[board->chain[neighbours[i]]]++;
        count++;
        p = next;
    } while (p != head);
    board->stones[color] = (uint16_t)(board->stones[color] - count);
    board->captured[color] = (uint16_t)(board->captured[color] + count);
    return count;
}

/* Plays a legal move on a point. Leaves to_move, passes, move_count and last_move to the caller. */
KERNEL int kernel_play(struct board *board, int stride, unsigned color, unsigned p) {
    const unsigned neighbours[4] = KERNEL_NEIGHBOURS(p, stride);
    unsigned other = color ^ 3, taken_at = PASS;
    bool enclosed = kernel_enclosed(board->around[p], other);
    int taken = 0;
    kernel_put(board, stride, color, p);
    if (!enclosed)
        kernel_connect(board, stride, color, p);
    for (int i = 0; i < 4; i++) {
        unsigned n = neighbours[i];
        if (board->color[n] == other && board->liberties[board->chain[n]] == 0) {
            taken += kernel_remove(board, stride, other, board->chain[n]);
            taken_at = n;
        }
    }
    board->ko = enclosed && taken == 1 ? (go_move)taken_at : (go_move)PASS;
    if (board->liberties[board->chain[p]] == 0)
        taken += kernel_remove(board, stride, color, board->chain[p]);
    return taken;
}

/* Whether a move on an empty point without empty neighbours leaves its stone a liberty: by taking something,
 * or through an own chain that has liberties elsewhere. A chain's pseudo-liberties at p are as many as its
 * stones next to p. */
KERNEL bool kernel_breathes(const struct board *board, int stride, unsigned color, unsigned p) {
    const unsigned neighbours[4] = KERNEL_NEIGHBOURS(p, stride);
    unsigned heads[4];
    for (int i = 0; i < 4; i++)
        heads[i] = board->chain[neighbours[i]];
    for (int i = 0; i < 4; i++) {
        unsigned c = board->color[neighbours[i]], here = 0;
        if (c == BORDER)
            continue;
        for (int j = 0; j < 4; j++)
            here += heads[j] == heads[i];
        if ((board->liberties[heads[i]] > here) == (c == color))
            return true;
    }
    return false;
}

/* Legality on an empty point. */
/* The cheap answers first: in a playout most points still have an empty neighbour. A point of a ko never has
 * one. */
KERNEL enum legality kernel_legality(const struct board *board, int stride, unsigned color, unsigned p) {
    unsigned around = board->around[p];
    if (kernel_empty_bits(around))
        return MOVE_LEGAL;
    if (p == board->ko && color == board->to_move)
        return MOVE_KO;
    if (kernel_breathes(board, stride, color, p))
        return MOVE_LEGAL;
    return board->suicide && !kernel_enclosed(around, color ^ 3) ? MOVE_LEGAL : MOVE_SUICIDE;
}

/* Whether p is an eye of `color`, by its surroundings alone. */
KERNEL bool kernel_eye(unsigned around, unsigned color) {
    if (!kernel_enclosed(around, color))
        return false;
    unsigned diagonals = around >> 8, low = diagonals & 0x55, high = diagonals >> 1 & 0x55;
    unsigned opponents = color == BLACK ? high & ~low : low & ~high;
    return __builtin_popcount(opponents) + ((low & high) != 0) < 2;
}

#endif
