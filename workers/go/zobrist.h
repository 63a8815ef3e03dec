/* zobrist.h - hash keys of positions (Zobrist 1970): the exclusive or of one key for each stone.
 *
 * A key is computed where it is needed (the finalizer of splitmix64 over point and colour) and not looked up:
 * two multiplications cost no more than a cache line, and there is no table to initialize before the first
 * thread. A point here is the cell number of board.h, so keys of different board sizes must not be compared.
 */
#ifndef TENGEN_GO_ZOBRIST_H
#define TENGEN_GO_ZOBRIST_H

#include <stdint.h>

static inline uint64_t zobrist_mix(uint64_t x) {
    x *= UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The key of a stone: color is 1 (black) or 2 (white). */
static inline uint64_t zobrist_stone(unsigned point, unsigned color) {
    return zobrist_mix(point * 4 + color);
}

/* Mixed into a position's hash by who is to move, for situational superko and transposition tables. */
static inline uint64_t zobrist_to_move(unsigned color) {
    return color == 2 ? UINT64_C(0x3c6ef372fe94f82b) : 0;
}

#endif
