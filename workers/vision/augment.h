/* augment.h - images as a network's input, as they are or changed at random. */
#ifndef TENGEN_VISION_AUGMENT_H
#define TENGEN_VISION_AUGMENT_H

#include <stdbool.h>
#include "proto/base/rng.h"
#include "workers/data/image_set.h"

struct augmentation {
    int shift; /* moved by -shift .. shift points, each way evenly likely; what comes in is black */
    int erase; /* a square of this side, its centre anywhere, becomes black (DeVries & Taylor 2017); 0: none
                */
    bool flip; /* mirrored left to right, every second time */
};

/* Image `index` of the part, encoded (vision.h) to out[height][width][channels]. */
void image_encode(const struct image_set *set, const struct image_part *part, uint32_t index, float *out);
/* The same, changed as the generator says. */
void image_augment(const struct image_set *set, const struct image_part *part, uint32_t index,
                   const struct augmentation *how, struct rng *rng, float *out);

#endif
