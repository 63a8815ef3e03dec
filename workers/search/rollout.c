/* rollout.c - see rollout.h for the rules and their order.
 *
 * It is the inner loop of a search without a network: nothing here allocates, and each rule looks only at
 * what the last move can have changed. The chances (of 256) keep rollouts various: a rule that always fires
 * makes all games from a leaf the same game, and its mistakes the same mistakes.
 *
 * Self-atari is refused for two stones and more: throwing in a single one is often right. It is drawn again a
 * few times (REDRAWS_MAX) and then played all the same, so that a board on which nothing else is left comes
 * to an end.
 */
#include "workers/search/rollout.h"

#include <stddef.h>

#include "workers/search/pattern3.h"
#include "workers/search/tactics.h"

enum { REDRAWS_MAX = 4 };

struct rollout_policy rollout_policy_default(enum rollout_kind kind) {
    return (struct rollout_policy){.kind = kind, .atari = 230, .pattern = 243, .refuse_self_atari = 230};
}

static bool chance(struct rng *rng, unsigned of_256) {
    return (rng_next(rng) >> 56) < of_256;
}

static go_move pick(struct rng *rng, const struct move_list *list) {
    return list->moves[rng_below(rng, (uint32_t)list->count)];
}

static void pattern_moves(const struct board *board, enum color color, go_move last, struct move_list *list) {
    int offsets[8];
    tactics_offsets(board, offsets);
    for (int i = 0; i < 8; i++) {
        go_move near = (go_move)(last + offsets[i]);
        if (board_color(board, near) == EMPTY && pattern3_matches(board->around[near]) &&
            board_legal(board, color, near) && !tactics_self_atari(board, color, near, NULL))
            list->moves[list->count++] = near;
    }
}

static go_move random_move(const struct rollout_policy *policy, struct board *board, struct rng *rng,
                           enum color color) {
    go_move move = playout_choose(board, rng, color);
    for (int draw = 0; draw < REDRAWS_MAX && move != PASS; draw++) {
        int size;
        if (!tactics_self_atari(board, color, move, &size) || size < 2 ||
            !chance(rng, policy->refuse_self_atari))
            break;
        move = playout_choose(board, rng, color);
    }
    return move;
}

static go_move choose(const struct rollout_policy *policy, struct board *board, struct rng *rng) {
    const enum color color = (enum color)board->to_move;
    const go_move last = board->last_move[0];
    if (last != PASS && last != NO_MOVE) {
        struct move_list list = {.count = 0};
        if (chance(rng, policy->atari))
            tactics_answer_atari(board, color, last, &list);
        if (!list.count && chance(rng, policy->pattern))
            pattern_moves(board, color, last, &list);
        if (list.count)
            return pick(rng, &list);
    }
    return random_move(policy, board, rng, color);
}

void rollout_run(const struct rollout_policy *policy, struct board *board, struct rng *rng,
                 struct playout_record *record) {
    if (policy->kind == ROLLOUT_RANDOM) {
        playout_run(board, rng, 0, 0, record);
        return;
    }
    const int longest = 3 * board_points(board);
    record->first = (enum color)board->to_move;
    record->count = 0;
    while (board->passes < 2 && record->count < longest) {
        go_move move = choose(policy, board, rng);
        record->moves[record->count++] = move;
        board_play(board, (enum color)board->to_move, move);
    }
}
