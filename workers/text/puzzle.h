/* puzzle.h - sequences to learn from that have an exact answer: reverse one, or sort it.
 *
 * A sequence is of uniformly drawn length, then of uniformly drawn symbols. One in 16 of all sequences, by a
 * hash of its content, is held out: training never draws those, tests draw nothing else. So a test sequence
 * is always one that was never learnt from.
 */
#ifndef TENGEN_TEXT_PUZZLE_H
#define TENGEN_TEXT_PUZZLE_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/rng.h"

enum puzzle_task { PUZZLE_REVERSE, PUZZLE_SORT };

struct puzzle {
    enum puzzle_task task;
    int symbols;           /* tokens TOKEN_FIRST .. TOKEN_FIRST + symbols - 1 */
    int shortest, longest; /* 1 <= shortest <= longest */
};

/* Writes a sequence of the wanted sort, padded to `longest`; returns its length. */
int puzzle_draw(const struct puzzle *puzzle, bool held_out, struct rng *rng, int *sequence);
/* The answer, padded to `longest`. */
void puzzle_solve(const struct puzzle *puzzle, const int *sequence, int length, int *answer);
bool puzzle_held_out(const int *sequence, int length);

#endif
