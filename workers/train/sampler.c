/* sampler.c - see sampler.h. The order of an epoch is worked out when the first of its samples is asked for,
 * from nothing but the seed and the epoch's number: asking for samples out of order is slow, never wrong. */
#include "workers/train/sampler.h"

#include <stdlib.h>
#include "proto/base/error.h"
#include "proto/base/rng.h"

int sampler_create(struct sampler *sampler, uint32_t count, uint64_t seed) {
    TG_ASSERT(count > 0);
    *sampler = (struct sampler){.count = count, .epoch = -1, .seed = seed};
    sampler->order = malloc(count * sizeof *sampler->order);
    return sampler->order ? TG_OK : TG_ENO_MEMORY;
}

void sampler_destroy(struct sampler *sampler) {
    free(sampler->order);
    sampler->order = NULL;
}

static void shuffle(struct sampler *sampler, int64_t epoch) {
    struct rng rng;
    rng_seed_stream(&rng, sampler->seed, (uint64_t)epoch);
    for (uint32_t i = 0; i < sampler->count; i++) { /* Fisher-Yates, from the inside out */
        uint32_t j = rng_below(&rng, i + 1);
        sampler->order[i] = sampler->order[j];
        sampler->order[j] = i;
    }
    sampler->epoch = epoch;
}

uint32_t sampler_at(struct sampler *sampler, int64_t n) {
    if (n / sampler->count != sampler->epoch)
        shuffle(sampler, n / sampler->count);
    return sampler->order[n % sampler->count];
}
