/* encoding.h - what a network sees of a position: planes of zeros and ones, from the side to move.
 *
 * The encoding "go-12", channels innermost ({size, size, 12}), rows from the top:
 *
 *      0  own stones                    6  opponent's chains of 1 liberty
 *      1  opponent's stones             7      of 2
 *      2  empty points                  8      of 3 or more
 *      3  own chains of 1 liberty       9  ones
 *      4      of 2                     10  the last move (nowhere after a pass)
 *      5      of 3 or more             11  the point that the simple ko forbids
 *
 * A position is first reduced to its codes, one byte a point: what sets of training positions keep (81 bytes
 * instead of 3,888 for 9x9). Codes become planes through a table, at any of the eight symmetries.
 *
 *      bits 0-2   0 empty; 1, 2, 3 own by liberties; 4, 5, 6 the opponent's
 *      bit  3     the last move
 *      bit  4     ko
 *
 * Symmetries. Number s of 0..7 maps the point (x, y): where bit 2 is set x and y change places first, then
 * bit 0 mirrors x and bit 1 mirrors y. The pass stays. A network that is shown the planes under symmetry s
 * answers with a policy under s; symmetry_policy() with symmetry_inverse(s) brings it back.
 *
 * Nothing here allocates or locks; any thread.
 */
#ifndef TENGEN_GO_ENCODING_H
#define TENGEN_GO_ENCODING_H

#include "workers/go/board.h"

#define GO12_NAME "go-12"
enum { GO12_PLANES = 12, SYMMETRIES = 8 };

enum { CODE_STONE = 7, CODE_LAST = 8, CODE_KO = 16, CODES = 32 };

/* size * size bytes, by index, for the side that is to move. */
void encode_codes(const struct board *board, uint8_t *codes);
/* size * size * GO12_PLANES floats; every one is written. */
void encode_expand(int size, const uint8_t *codes, int symmetry, float *planes);
/* Both, as the position stands. */
void encode_planes(const struct board *board, float *planes);

/* Where symmetry `symmetry` takes the point or pass `index`. */
int symmetry_index(int size, int symmetry, int index);
int symmetry_inverse(int symmetry);
/* to[symmetry_index(i)] = from[i] for the points and the pass: size * size + 1 floats each, not the same. */
void symmetry_policy(int size, int symmetry, const float *from, float *to);
/* The same for planes of `channels` innermost. */
void symmetry_planes(int size, int symmetry, int channels, const float *from, float *to);

#endif
