/* image_set.c - see image_set.h: the parts of a set, and splitting one. Reading is in image_read.c. */
#include "workers/data/image_set.h"

#include <stdlib.h>
#include <string.h>
#include "proto/base/rng.h"

const char *image_format_name(enum image_format format) {
    return format == IMAGES_IDX ? "idx" : "png";
}

void image_part_free(struct image_part *part) {
    free(part->pixels);
    free(part->labels);
    *part = (struct image_part){0};
}

void image_set_free(struct image_set *set) {
    image_part_free(&set->train);
    image_part_free(&set->test);
    for (int i = 0; set->class_names && i < set->class_count; i++)
        free(set->class_names[i]);
    free(set->class_names);
    *set = (struct image_set){0};
}

/* Whether there was memory; image_part_free() it in any case. */
static bool part_create(struct image_part *part, uint32_t count, size_t bytes) {
    part->count = count;
    part->pixels = malloc(count * bytes + 1);
    part->labels = malloc(count * sizeof *part->labels + 1);
    return part->pixels && part->labels;
}

static void copy_image(const struct image_part *from, uint32_t i, struct image_part *to, uint32_t j,
                       size_t bytes) {
    memcpy(to->pixels + j * bytes, from->pixels + i * bytes, bytes);
    to->labels[j] = from->labels[i];
}

/* Which of `count` images move, each set of `wanted` as likely as any other; the order in the file stays. */
static uint8_t *choose(uint32_t count, uint32_t wanted, uint64_t seed) {
    uint8_t *chosen = calloc(count, 1);
    struct rng rng;
    rng_seed_stream(&rng, seed, 0x5eed5b11);
    for (uint32_t i = 0; chosen && i < count && wanted > 0; i++)
        if (rng_below(&rng, count - i) < wanted) { /* selection sampling (Knuth, 3.4.2 S) */
            chosen[i] = 1;
            wanted--;
        }
    return chosen;
}

int image_part_split(const struct image_set *set, struct image_part *from, struct image_part *to,
                     double share, uint64_t seed, struct problem *problem) {
    size_t bytes = image_bytes(set);
    struct image_part rest = {0};
    *to = (struct image_part){0};
    if (from->count < 2)
        return problem_set(problem, TG_EINVALID, "data",
                           "a single image cannot be split: give more, or a test part of its own");
    uint32_t moved = (uint32_t)(share * from->count + 0.5);
    moved = moved < 1 ? 1 : moved >= from->count ? from->count - 1 : moved;
    uint8_t *chosen = choose(from->count, moved, seed);
    if (!chosen || !part_create(to, moved, bytes) || !part_create(&rest, from->count - moved, bytes)) {
        free(chosen);
        image_part_free(to);
        image_part_free(&rest);
        return problem_set(problem, TG_ENO_MEMORY, "data", "no memory to split the images");
    }
    for (uint32_t i = 0, a = 0, b = 0; i < from->count; i++)
        copy_image(from, i, chosen[i] ? to : &rest, chosen[i] ? a++ : b++, bytes);
    free(chosen);
    image_part_free(from);
    *from = rest;
    return TG_OK;
}
