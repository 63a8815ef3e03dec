/* score.c - see score.h. Each region of empty points is walked once, by a queue that is the region's list
 * itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workers/go/score.h"

/* Spreads from an empty point over all that is connected to it; returns which colours it meets (bits 1 and
 * 2). */
static unsigned spread(const struct board *board, go_move from, uint8_t *seen, go_move *region, int *count) {
    const int offsets[4] = {-board->stride, -1, 1, board->stride};
    unsigned met = 0;
    *count = 1;
    region[0] = from;
    seen[from] = 1;
    for (int i = 0; i < *count; i++) {
        for (int k = 0; k < 4; k++) {
            int n = region[i] + offsets[k];
            unsigned color = board->color[n];
            if (color == BLACK || color == WHITE)
                met |= color;
            if (color != EMPTY || seen[n])
                continue;
            seen[n] = 1;
            region[(*count)++] = (go_move)n;
        }
    }
    return met;
}

int score_area(const struct board *board, uint8_t *owner) {
    uint8_t seen[BOARD_CELLS_MAX];
    go_move region[BOARD_POINTS_MAX];
    int score = board->stones[BLACK] - board->stones[WHITE], count;
    memset(seen, 0, board->cells);
    if (owner)
        for (int i = 0; i < board_points(board); i++)
            owner[i] = board->color[board_move_at(board, i)];
    for (int i = 0; i < board->empty_count; i++) {
        if (seen[board->empties[i]])
            continue;
        unsigned met = spread(board, board->empties[i], seen, region, &count);
        if (met != BLACK && met != WHITE)
            continue;
        score += met == BLACK ? count : -count;
        for (int k = 0; owner && k < count; k++)
            owner[board_index(board, region[k])] = (uint8_t)met;
    }
    return score;
}

void score_text(int margin2, char out[SCORE_TEXT_MAX]) {
    int size = abs(margin2);
    if (margin2 == 0)
        (void)snprintf(out, SCORE_TEXT_MAX, "0");
    else
        (void)snprintf(out, SCORE_TEXT_MAX, "%c+%d%s", margin2 > 0 ? 'B' : 'W', size / 2 % 10000,
                       size % 2 ? ".5" : "");
}
