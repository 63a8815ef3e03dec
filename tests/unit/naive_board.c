#include <assert.h>
#include <string.h>
#include "naive_board.h"

void naive_init(struct naive_board *board, int size, bool suicide, enum naive_ko ko) {
    memset(&board->now, 0, sizeof board->now);
    board->size = size;
    board->suicide = suicide;
    board->ko = ko;
    board->moves = 0;
    board->now.to_move = 1;
}

/* The neighbour in direction 0..3, or -1 beyond the edge. */
static int neighbour(int size, int point, int direction) {
    int x = point % size + (direction == 0) - (direction == 1);
    int y = point / size + (direction == 2) - (direction == 3);
    return x < 0 || y < 0 || x == size || y == size ? -1 : y * size + x;
}

/* Marks everything of the point's colour that is connected to it. */
static void flood(const uint8_t *color, int size, int point, bool *marked) {
    marked[point] = true;
    for (int d = 0; d < 4; d++) {
        int n = neighbour(size, point, d);
        if (n >= 0 && !marked[n] && color[n] == color[point])
            flood(color, size, n, marked);
    }
}

/* How many points of `wanted` touch the marked ones; each once. */
static int touching(const uint8_t *color, int size, const bool *marked, int wanted) {
    int count = 0;
    for (int p = 0; p < size * size; p++) {
        bool touches = false;
        for (int d = 0; d < 4; d++)
            touches |= neighbour(size, p, d) >= 0 && marked[neighbour(size, p, d)];
        count += !marked[p] && color[p] == wanted && touches;
    }
    return count;
}

static int liberties_of(const uint8_t *color, int size, int point) {
    bool marked[NAIVE_POINTS] = {false};
    flood(color, size, point, marked);
    return touching(color, size, marked, 0);
}

static int size_of(const uint8_t *color, int size, int point) {
    bool marked[NAIVE_POINTS] = {false};
    int count = 0;
    flood(color, size, point, marked);
    for (int p = 0; p < size * size; p++)
        count += marked[p];
    return count;
}

static int take(uint8_t *color, int size, int point) {
    bool marked[NAIVE_POINTS] = {false};
    int count = 0;
    flood(color, size, point, marked);
    for (int p = 0; p < size * size; p++) {
        count += marked[p];
        if (marked[p])
            color[p] = 0;
    }
    return count;
}

/* Puts the stone and takes what has no liberties: the opponent's first. Returns the opponent's stones taken.
 */
static int put(uint8_t *color, int size, int mover, int point) {
    int taken = 0;
    color[point] = (uint8_t)mover;
    for (int d = 0; d < 4; d++) {
        int n = neighbour(size, point, d);
        if (n >= 0 && color[n] == 3 - mover && liberties_of(color, size, n) == 0)
            taken += take(color, size, n);
    }
    if (liberties_of(color, size, point) == 0)
        take(color, size, point);
    return taken;
}

static bool same(const struct naive_board *board, const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, (size_t)(board->size * board->size)) == 0;
}

static bool repeats(const struct naive_board *board, const uint8_t *after, int next_mover) {
    for (int i = 0; i <= board->moves; i++) {
        const struct naive_position *old = i == board->moves ? &board->now : &board->history[i];
        if (same(board, old->color, after) &&
            (board->ko == NAIVE_POSITIONAL || (board->ko == NAIVE_SITUATIONAL && old->to_move == next_mover)))
            return true;
    }
    return false;
}

enum naive_answer naive_legality(const struct naive_board *board, int color, int point) {
    uint8_t after[NAIVE_POINTS];
    if (board->now.color[point] != 0)
        return NAIVE_OCCUPIED;
    memcpy(after, board->now.color, sizeof after);
    put(after, board->size, color, point);
    if (after[point] == 0 && (!board->suicide || same(board, after, board->now.color)))
        return NAIVE_SUICIDE;
    if (board->moves > 0 && board->movers[board->moves - 1] == 3 - color &&
        same(board, after, board->history[board->moves - 1].color))
        return NAIVE_KO;
    return repeats(board, after, 3 - color) ? NAIVE_SUPERKO : NAIVE_LEGAL;
}

void naive_play(struct naive_board *board, int color, int point) {
    assert(board->moves < NAIVE_HISTORY);
    board->history[board->moves] = board->now;
    board->movers[board->moves++] = (uint8_t)color;
    if (point >= 0)
        put(board->now.color, board->size, color, point);
    board->now.to_move = (uint8_t)(3 - color);
}

int naive_liberties(const struct naive_board *board, int point) {
    return liberties_of(board->now.color, board->size, point);
}

int naive_chain_size(const struct naive_board *board, int point) {
    return size_of(board->now.color, board->size, point);
}

int naive_score(const struct naive_board *board, uint8_t *owner) {
    int score = 0;
    for (int p = 0; p < board->size * board->size; p++) {
        const uint8_t *color = board->now.color;
        bool marked[NAIVE_POINTS] = {false};
        owner[p] = color[p];
        if (color[p] == 0) {
            flood(color, board->size, p, marked);
            bool black = touching(color, board->size, marked, 1) > 0;
            bool white = touching(color, board->size, marked, 2) > 0;
            owner[p] = (uint8_t)(black && !white ? 1 : white && !black ? 2 : 0);
        }
        score += (owner[p] == 1) - (owner[p] == 2);
    }
    return score;
}

void naive_after(const struct naive_board *board, int color, int point, int *taken, int *liberties,
                 int *size) {
    uint8_t after[NAIVE_POINTS];
    memcpy(after, board->now.color, sizeof after);
    *taken = put(after, board->size, color, point);
    *liberties = after[point] ? liberties_of(after, board->size, point) : 0;
    *size = after[point] ? size_of(after, board->size, point) : 0;
}

bool naive_eye(const struct naive_board *board, int color, int point) {
    int x = point % board->size, y = point / board->size, opponents = 0, outside = 0;
    if (board->now.color[point] != 0)
        return false;
    for (int dy = -1; dy <= 1; dy++) {
        for (int dx = -1; dx <= 1; dx++) {
            bool on = x + dx >= 0 && y + dy >= 0 && x + dx < board->size && y + dy < board->size;
            int there = on ? board->now.color[(y + dy) * board->size + x + dx] : -1;
            if (dx == 0 || dy == 0) {
                if (on && (dx || dy) && there != color)
                    return false;
            } else {
                opponents += there == 3 - color;
                outside = outside || !on;
            }
        }
    }
    return opponents + outside < 2;
}
