#include "proto/base/rng.h"

#include <math.h>

/* splitmix64 (Steele, Lea & Flood 2014; Vigna's constants): spreads one word over a generator's state. */
static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void rng_seed(struct rng *rng, uint64_t seed) {
    for (int i = 0; i < 4; i++)
        rng->s[i] = splitmix64(&seed);
}

/* The stream's number goes through the mixer before it meets the seed, so that (seed, stream) and
 * (seed + 1, stream - 1) have nothing in common. */
void rng_seed_stream(struct rng *rng, uint64_t seed, uint64_t stream) {
    uint64_t part = stream ^ 0x6A09E667F3BCC909u;
    rng_seed(rng, splitmix64(&seed) ^ splitmix64(&part));
}

void rng_shuffle_u16(struct rng *rng, uint16_t *values, uint32_t count) {
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = rng_below(rng, i);
        uint16_t kept = values[i - 1];
        values[i - 1] = values[j];
        values[j] = kept;
    }
}

/* Marsaglia's polar method. The second variate is dropped: a generator's whole state stays in its four words.
 */
double rng_gauss(struct rng *rng) {
    double x, y, square;
    do {
        x = 2 * rng_uniform(rng) - 1;
        y = 2 * rng_uniform(rng) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    return x * sqrt(-2 * log(square) / square);
}
