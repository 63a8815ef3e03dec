#include "workers/go/encoding.h"

#include <string.h>

enum { PLANE_OWN, PLANE_OTHER, PLANE_EMPTY, PLANE_LIBERTIES, PLANE_ONES = 9, PLANE_LAST, PLANE_KO };
enum { LIBERTIES_TOLD = 3 }; /* so many or more are one plane */

#define ROW_STONE(s)                                                                                         \
    [PLANE_OWN] = (s) >= 1 && (s) <= 3, [PLANE_OTHER] = (s) >= 4, [PLANE_EMPTY] = (s) == 0,                  \
    [PLANE_LIBERTIES] = (s) == 1, [PLANE_LIBERTIES + 1] = (s) == 2, [PLANE_LIBERTIES + 2] = (s) == 3,        \
    [PLANE_LIBERTIES + 3] = (s) == 4, [PLANE_LIBERTIES + 4] = (s) == 5,                                      \
    [PLANE_LIBERTIES + 5] = (s) == 6, [PLANE_ONES] = 1
#define ROW(code)                                                                                            \
    [code] = {ROW_STONE((code)&CODE_STONE), [PLANE_LAST] = ((code)&CODE_LAST) != 0,                          \
              [PLANE_KO] = ((code)&CODE_KO) != 0}
#define ROWS(from)                                                                                           \
    ROW(from), ROW(from + 1), ROW(from + 2), ROW(from + 3), ROW(from + 4), ROW(from + 5), ROW(from + 6),     \
        ROW(from + 7)

/* The planes of one point, by its code. */
static const float rows[CODES][GO12_PLANES] = {ROWS(0), ROWS(8), ROWS(16), ROWS(24)};

/* True liberties, counted once for each chain: a chain of few pseudo-liberties must be walked, for the
 * others more than 4 * LIBERTIES_TOLD - 4 pseudo-liberties say that there are three. */
static int liberties_told(const struct board *board, go_move head) {
    if (board->liberties[head] > 4 * (LIBERTIES_TOLD - 1))
        return LIBERTIES_TOLD;
    return board_liberty_count(board, head, LIBERTIES_TOLD);
}

void encode_codes(const struct board *board, uint8_t *codes) {
    uint8_t of_chain[BOARD_CELLS_MAX];
    memset(of_chain, 0, board->cells);
    for (int y = 0; y < board->size; y++) {
        const go_move row = board_at(board, 0, y);
        for (int x = 0; x < board->size; x++) {
            const go_move point = (go_move)(row + x);
            const enum color color = board_color(board, point);
            uint8_t code = 0;
            if (color != EMPTY) {
                const go_move head = board_chain(board, point);
                if (!of_chain[head])
                    of_chain[head] = (uint8_t)liberties_told(board, head);
                code = (uint8_t)(of_chain[head] + (color == board->to_move ? 0 : LIBERTIES_TOLD));
            }
            codes[y * board->size + x] = code;
        }
    }
    if (board->last_move[0] != PASS && board->last_move[0] != NO_MOVE)
        codes[board_index(board, board->last_move[0])] |= CODE_LAST;
    if (board->ko != PASS)
        codes[board_index(board, board->ko)] |= CODE_KO;
}

void encode_expand(int size, const uint8_t *codes, int symmetry, float *planes) {
    const int points = size * size;
    for (int i = 0; i < points; i++) {
        const int to = symmetry ? symmetry_index(size, symmetry, i) : i;
        memcpy(planes + to * GO12_PLANES, rows[codes[i] & (CODES - 1)], sizeof(rows[0]));
    }
}

void encode_planes(const struct board *board, float *planes) {
    uint8_t codes[BOARD_POINTS_MAX];
    encode_codes(board, codes);
    encode_expand(board->size, codes, 0, planes);
}

int symmetry_index(int size, int symmetry, int index) {
    if (index == size * size)
        return index;
    int x = index % size, y = index / size;
    if (symmetry & 4) {
        int swap = x;
        x = y;
        y = swap;
    }
    x = symmetry & 1 ? size - 1 - x : x;
    y = symmetry & 2 ? size - 1 - y : y;
    return y * size + x;
}

/* Mirrors undo themselves; a swap before them turns the mirror of x into one of y. */
int symmetry_inverse(int symmetry) {
    if (!(symmetry & 4))
        return symmetry;
    return 4 | (symmetry & 1) << 1 | (symmetry & 2) >> 1;
}

void symmetry_policy(int size, int symmetry, const float *from, float *to) {
    for (int i = 0; i <= size * size; i++)
        to[symmetry_index(size, symmetry, i)] = from[i];
}

void symmetry_planes(int size, int symmetry, int channels, const float *from, float *to) {
    for (int i = 0; i < size * size; i++)
        memcpy(to + symmetry_index(size, symmetry, i) * channels, from + i * channels,
               (size_t)channels * sizeof(*to));
}
