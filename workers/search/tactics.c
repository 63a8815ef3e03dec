/* tactics.c - see tactics.h. Each question is first asked of the eight cells around the point, which is a
 * look-up, and walks chains only where that does not settle it: most moves have two empty neighbours and are
 * no self-atari. */
#include "workers/search/tactics.h"

#include <stddef.h>

void tactics_offsets(const struct board *board, int offsets[8]) {
    const int stride = board->stride;
    const int all[8] = {-stride, -1, 1, stride, -stride - 1, -stride + 1, stride - 1, stride + 1};
    for (int i = 0; i < 8; i++)
        offsets[i] = all[i];
}

static int empty_neighbours(const struct board *board, go_move point) {
    unsigned around = board->around[point];
    return __builtin_popcount(~(around | around >> 1) & 0x55);
}

bool tactics_self_atari(const struct board *board, enum color color, go_move point, int *size) {
    int liberties;
    if (empty_neighbours(board, point) >= 2)
        return false;
    board_after(board, color, point, NULL, &liberties, size);
    return liberties < 2;
}

static void append(struct move_list *list, go_move move) {
    for (int i = 0; i < list->count; i++)
        if (list->moves[i] == move)
            return;
    if (list->count < TACTICS_MOVES_MAX)
        list->moves[list->count++] = move;
}

static void append_taking(const struct board *board, enum color color, go_move enemy,
                          struct move_list *list) {
    go_move liberty;
    if (board_in_atari(board, enemy, &liberty) && board_legal(board, color, liberty))
        append(list, liberty);
}

void tactics_save(const struct board *board, enum color color, go_move point, struct move_list *list) {
    int offsets[8];
    tactics_offsets(board, offsets);
    go_move stone = point, liberty;
    if (!board_in_atari(board, point, &liberty))
        return;
    do {
        for (int i = 0; i < 4; i++) {
            go_move near = (go_move)(stone + offsets[i]);
            if (board_color(board, near) == color_other(color))
                append_taking(board, color, near, list);
        }
        stone = board_next_stone(board, stone);
    } while (stone != point);
    if (board_legal(board, color, liberty) && !tactics_self_atari(board, color, liberty, NULL))
        append(list, liberty);
}

void tactics_answer_atari(const struct board *board, enum color color, go_move last, struct move_list *list) {
    int offsets[8];
    tactics_offsets(board, offsets);
    for (int i = 0; i < 4; i++) {
        go_move near = (go_move)(last + offsets[i]);
        if (board_color(board, near) == color)
            tactics_save(board, color, near, list);
    }
    if (board_color(board, last) == color_other(color))
        append_taking(board, color, last, list);
}
