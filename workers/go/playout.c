/* playout.c - see playout.h. The loop is compiled once for each usual size, with its stride a constant.
 *
 * Refused points (eyes, suicides, a ko) are swapped behind the untried ones, but stay in empties[]: they may
 * be playable next turn. So the order of the list changes with every playout, which is harmless, for nobody
 * relies on it; that a seed gives the same game rests on the board being a copy of the same board.
 *
 * The loop keeps color and passes in registers and writes to_move back each turn, because the kernel's ko
 * looks at it.
 */
#include <stddef.h>
#include "workers/go/board_kernel.h"
#include "workers/go/playout.h"
#include "workers/go/score.h"

/* Puts the tried entry behind the untried ones. */
KERNEL void set_aside(struct board *board, unsigned at, unsigned last) {
    go_move tried = board->empties[at], other = board->empties[last];
    board->empties[at] = other;
    board->empties[last] = tried;
    board->link[other] = (uint16_t)at;
    board->link[tried] = (uint16_t)last;
}

KERNEL unsigned choose(struct board *board, int stride, struct rng *rng, unsigned color) {
    unsigned untried = board->empty_count;
    while (untried > 0) {
        unsigned at = rng_below(rng, untried), p = board->empties[at], around = board->around[p];
        if (kernel_empty_bits(around))
            return p;
        if (!kernel_eye(around, color) && kernel_legality(board, stride, color, p) == MOVE_LEGAL)
            return p;
        set_aside(board, at, --untried);
    }
    return PASS;
}

KERNEL struct playout_result run(struct board *board, int stride, struct rng *rng, int max_moves, int mercy,
                                 struct playout_record *record) {
    struct playout_result result = {0, 0, false};
    unsigned color = board->to_move, passes = board->passes;
    while (passes < 2) {
        if (result.moves == max_moves) {
            result.cut = true;
            break;
        }
        unsigned p = choose(board, stride, rng, color);
        if (p == PASS) {
            board->ko = PASS;
            passes++;
        } else {
            kernel_play(board, stride, color, p);
            passes = 0;
        }
        if (record)
            record->moves[result.moves] = (go_move)p;
        result.moves++;
        board->last_move[1] = board->last_move[0];
        board->last_move[0] = (go_move)p;
        color ^= 3;
        board->to_move = (uint8_t)color;
        int lead = board->stones[BLACK] - board->stones[WHITE];
        if (mercy > 0 && (lead > mercy || -lead > mercy)) {
            result.cut = true;
            break;
        }
    }
    board->passes = (uint8_t)passes;
    board->move_count = (uint16_t)(board->move_count + result.moves);
    return result;
}

/* After two passes no empty point has an empty neighbour (it could have been played), so that each point's
 * own surroundings tell whom it belongs to. */
static int score_settled(const struct board *board) {
    int score = board->stones[BLACK] - board->stones[WHITE];
    for (int i = 0; i < board->empty_count; i++) {
        unsigned around = board->around[board->empties[i]];
        score += kernel_enclosed(around, BLACK) - kernel_enclosed(around, WHITE);
    }
    return score;
}

struct playout_result playout_run(struct board *board, struct rng *rng, int max_moves, int mercy,
                                  struct playout_record *record) {
    struct playout_result result;
    bool passed = board->passes > 0;
    if (max_moves <= 0)
        max_moves = 3 * board_points(board);
    if (max_moves > PLAYOUT_MOVES_MAX)
        max_moves = PLAYOUT_MOVES_MAX;
    if (record)
        record->first = (enum color)board->to_move;
    switch (board->size) {
    case 9:
        result = run(board, 10, rng, max_moves, mercy, record);
        break;
    case 13:
        result = run(board, 14, rng, max_moves, mercy, record);
        break;
    case 19:
        result = run(board, 20, rng, max_moves, mercy, record);
        break;
    default:
        result = run(board, board->stride, rng, max_moves, mercy, record);
    }
    if (record)
        record->count = result.moves;
    /* A pass made before the playout may have left points open. */
    result.score = result.cut || passed ? score_area(board, NULL) : score_settled(board);
    return result;
}

go_move playout_choose(struct board *board, struct rng *rng, enum color color) {
    return (go_move)choose(board, board->stride, rng, color);
}
