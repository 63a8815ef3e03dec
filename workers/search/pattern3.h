/* pattern3.h - the 3x3 patterns of MoGo: shapes around an empty point that usually deserve a stone.
 *
 * Hane, cuts and moves at the edge, from Gelly, Wang, Munos, Teytaud: "Modification of UCT with Patterns in
 * Monte-Carlo Go" (INRIA RR-6062, 2006), figures 2 to 5, with the additions that later programs share. Every
 * shape counts in all rotations, reflections and with the colours exchanged, so one table of bits, indexed by
 * the board's around[] code, answers for both sides.
 */
#ifndef TENGEN_SEARCH_PATTERN3_H
#define TENGEN_SEARCH_PATTERN3_H

#include <stdbool.h>
#include <stdint.h>

/* Fills the table. Any thread, any number of times; must have returned once before pattern3_matches(). */
void pattern3_setup(void);

extern uint64_t pattern3_bits[1 << 10];

static inline bool pattern3_matches(uint16_t around) {
    return pattern3_bits[around >> 6] >> (around & 63) & 1;
}

#endif
