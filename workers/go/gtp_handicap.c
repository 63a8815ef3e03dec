#include "workers/go/gtp_handicap.h"

#include <string.h>

/* Columns and rows (from the bottom) as -1 low, 0 middle, 1 high: D4 Q16 D16 Q4 D10 Q10 K4 K16 K10 on 19x19.
 */
static const struct {
    int8_t column, row;
} places[HANDICAP_MAX] = {{-1, -1}, {1, 1}, {-1, 1}, {1, -1}, {-1, 0}, {1, 0}, {0, -1}, {0, 1}, {0, 0}};

static go_move place(const struct board *board, int number) {
    const int edge = board->size >= 13 ? 3 : 2, middle = board->size / 2;
    const int x = middle + places[number].column * (middle - edge);
    const int y = middle - places[number].row * (middle - edge);
    /* On an even size the middle is no point; only the corners are used, and the high side lies one farther
     * in. */
    const int even = board->size % 2 == 0;
    return board_at(board, x - (even && places[number].column > 0), y - (even && places[number].row < 0));
}

int handicap_fixed(const struct board *board, int stones, go_move out[HANDICAP_MAX]) {
    const int most = board->size < 7 ? 0 : board->size == 7 || board->size % 2 == 0 ? 4 : HANDICAP_MAX;
    if (stones < 2 || stones > most)
        return 0;
    const bool center = stones == 5 || stones == 7 || stones == 9;
    for (int i = 0; i < stones; i++)
        out[i] = place(board, i);
    if (center)
        out[stones - 1] = place(board, HANDICAP_MAX - 1);
    return stones;
}
