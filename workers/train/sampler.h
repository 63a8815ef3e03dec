/* sampler.h - the order in which samples are seen: each once an epoch, shuffled anew for each.
 *
 * The order of epoch e follows from the seed and e alone, so sample number n of a run is the same in every
 * attempt and nothing of it needs to be saved.
 */
#ifndef TENGEN_TRAIN_SAMPLER_H
#define TENGEN_TRAIN_SAMPLER_H

#include <stdint.h>

struct sampler {
    uint32_t *order; /* of epoch `epoch` */
    uint32_t count;
    int64_t epoch;
    uint64_t seed;
};

/* count > 0 samples. TG_ENO_MEMORY. */
int sampler_create(struct sampler *sampler, uint32_t count, uint64_t seed);
void sampler_destroy(struct sampler *sampler);
/* Which sample (0 .. count - 1) is number n (0, 1, ...) of the run. Cheap while n stays in one epoch. */
uint32_t sampler_at(struct sampler *sampler, int64_t n);

#endif
