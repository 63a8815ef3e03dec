/* augment.c - see augment.h. Shift, mirror and erase in one pass from bytes to floats: no copy of the image
 * is made.
 *
 * The draws are always made in the same order, and only those that the augmentation asks for, so that a seed
 * gives the same images. Encoded values are 0 for black, so what comes in from outside and what is erased is
 * black by being 0.
 */
#include "workers/vision/augment.h"

#include <string.h>

static const float white = 3;

static const uint8_t *bytes_of(const struct image_set *set, const struct image_part *part, uint32_t index) {
    return part->pixels + (size_t)index * image_bytes(set);
}

void image_encode(const struct image_set *set, const struct image_part *part, uint32_t index, float *out) {
    const uint8_t *from = bytes_of(set, part, index);
    size_t count = image_bytes(set);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)from[i] * (white / 255);
}

/* One row of the result from a row of the image: `left` points further left there, mirrored or not. */
static void copy_row(const struct image_set *set, const uint8_t *from, int left, bool mirror, float *out) {
    for (int x = 0; x < set->width; x++) {
        int at = (mirror ? set->width - 1 - x : x) + left;
        bool inside = at >= 0 && at < set->width;
        for (int c = 0; c < set->channels; c++)
            out[x * set->channels + c] = inside ? (float)from[at * set->channels + c] * (white / 255) : 0;
    }
}

static void erase(const struct image_set *set, int side, struct rng *rng, float *out) {
    int top = (int)rng_below(rng, (uint32_t)set->height) - side / 2,
        left = (int)rng_below(rng, (uint32_t)set->width) - side / 2;
    int right = left + side < set->width ? left + side : set->width;
    left = left > 0 ? left : 0;
    for (int y = top > 0 ? top : 0; y < top + side && y < set->height; y++)
        for (int i = left * set->channels; i < right * set->channels; i++)
            out[y * set->width * set->channels + i] = 0;
}

void image_augment(const struct image_set *set, const struct image_part *part, uint32_t index,
                   const struct augmentation *how, struct rng *rng, float *out) {
    const uint8_t *from = bytes_of(set, part, index);
    uint32_t choices = 2 * (uint32_t)how->shift + 1;
    int down = how->shift ? (int)rng_below(rng, choices) - how->shift : 0,
        left = how->shift ? (int)rng_below(rng, choices) - how->shift : 0;
    bool mirror = how->flip && rng_next(rng) >> 63;
    size_t row = (size_t)set->width * (size_t)set->channels;
    for (int y = 0; y < set->height; y++) {
        int at = y + down;
        if (at < 0 || at >= set->height)
            memset(out + (size_t)y * row, 0, row * sizeof *out);
        else
            copy_row(set, from + (size_t)at * row, left, mirror, out + (size_t)y * row);
    }
    if (how->erase)
        erase(set, how->erase, rng, out);
}
