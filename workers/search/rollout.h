/* rollout.h - games from a leaf to the end, by moves that are chosen fast and a little wisely.
 *
 * ROLLOUT_RANDOM is playout.h: uniformly random, fills no eyes. ROLLOUT_PATTERN first looks at what the last
 * move did, as MoGo did (RR-6062), each rule with the probability that the policy gives it:
 *   1. a chain that the last move put into atari is saved, by taking an attacker or by running where that
 *      helps; a chain that the last move left in atari is taken
 *   2. a 3x3 pattern next to the last move (pattern3.h)
 *   3. a random move as in playout.h, in which a move that leaves a chain of stones in atari is mostly drawn
 *      again
 */
#ifndef TENGEN_SEARCH_ROLLOUT_H
#define TENGEN_SEARCH_ROLLOUT_H

#include "workers/go/playout.h"

enum rollout_kind { ROLLOUT_RANDOM, ROLLOUT_PATTERN };

/* Chances of 256 that a rule is consulted at a move. */
struct rollout_policy {
    enum rollout_kind kind;
    uint16_t atari, pattern, refuse_self_atari;
};

/* The policy that is used unless a player is told otherwise. */
struct rollout_policy rollout_policy_default(enum rollout_kind kind);

/* Plays the board to its end (give it a copy) and records the moves. pattern3_setup() must have been called.
 */
void rollout_run(const struct rollout_policy *policy, struct board *board, struct rng *rng,
                 struct playout_record *record);

#endif
