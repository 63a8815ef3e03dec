/* The reader of image sets on any bytes, which may be an archive of idx and PNG files: what it accepts is
 * whole. */
#include "workers/data/image_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(const struct image_set *set, const struct image_part *part) {
    unsigned sum = 0;
    for (uint32_t i = 0; i < part->count; i++)
        TG_ASSERT(part->labels[i] < set->class_count);
    for (size_t i = 0; i < part->count * image_bytes(set); i++)
        sum += part->pixels[i];
    TG_ASSERT(sum <= 255 * part->count * image_bytes(set));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct image_set set;
    struct problem problem;
    if (image_set_read_memory("fuzz", data, size, &set, &problem) != 0)
        return 0;
    check_part(&set, &set.train);
    check_part(&set, &set.test);
    image_set_free(&set);
    return 0;
}
