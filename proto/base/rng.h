/* rng.h - seeded random numbers: xoshiro256** (Blackman & Vigna 2018), seeded by splitmix64.
 *
 * Each game, environment and search owns one generator, so that a task's results depend on its seed alone and
 * not on threads or order. Never for secrets (tokens come from libsodium's randombytes_buf).
 */
#ifndef TENGEN_BASE_RNG_H
#define TENGEN_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
/* A generator for part `stream` of what `seed` governs (game 17 of task 3): independent of its siblings. */
void rng_seed_stream(struct rng *rng, uint64_t seed, uint64_t stream);
void rng_shuffle_u16(struct rng *rng, uint16_t *values, uint32_t count); /* Fisher-Yates */
double rng_gauss(struct rng *rng);                                       /* mean 0, variance 1 */

static inline uint64_t rng_next(struct rng *rng) {
    uint64_t *s = rng->s;
    uint64_t x = s[1] * 5, result = ((x << 7) | (x >> 57)) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* Uniform in 0 .. n-1 (n > 0), by Lemire's multiplication; the bias is below n / 2^32. */
static inline uint32_t rng_below(struct rng *rng, uint32_t n) {
    return (uint32_t)(((rng_next(rng) >> 32) * (uint64_t)n) >> 32);
}

/* Uniform in [0, 1), 53 bits. */
static inline double rng_uniform(struct rng *rng) {
    return (double)(rng_next(rng) >> 11) * 0x1.0p-53;
}

#endif
