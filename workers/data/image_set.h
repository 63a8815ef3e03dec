/* image_set.h - a set of labelled images in memory, all of one size: what classification learns from.
 *
 * It is read (image_set_read) from a folder or a tar (.gz, .xz) or zip archive that holds either
 *
 *   idx   the four files of MNIST under their usual names, each maybe .gz:
 *             train-images-idx3-ubyte  train-labels-idx1-ubyte  t10k-images-idx3-ubyte t10k-labels-idx1-ubyte
 *         ("test-" may stand for "t10k-", and "." for the last "-"); beside them a file classes.txt may name
 *         the classes, one a line
 *   png   images in a folder for each class, CLASS/NAME.png, or train/CLASS/NAME.png and test/CLASS/NAME.png
 *
 * It may have come from a stranger: sizes, counts and labels are checked before they are used, and what a
 * file claims to unpack to is limited (IMAGE_... below). Every error names the file and what to do.
 */
#ifndef TENGEN_DATA_IMAGE_SET_H
#define TENGEN_DATA_IMAGE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/error.h"

enum {
    IMAGE_SIDE_MAX = 1024,            /* points */
    IMAGE_COUNT_MAX = 4000000,        /* of a part */
    IMAGE_CLASSES_MAX = 65536,        /* of PNG folders; idx labels are bytes */
    IMAGE_FILE_BYTES_MAX = 512 << 20, /* a file of the set, unpacked */
};
#define IMAGE_SET_BYTES_MAX ((size_t)2 << 30) /* pixels of a part */

enum image_format { IMAGES_IDX, IMAGES_PNG };
const char *image_format_name(enum image_format format); /* "idx" */

/* Images one after another, [height][width][channels] bytes each, 0 black to 255 white. */
struct image_part {
    uint32_t count;
    uint8_t *pixels;
    uint16_t *labels; /* below class_count */
};

struct image_set {
    enum image_format format;
    int height, width, channels; /* channels: 1 grey, 3 red green blue */
    int class_count;
    char **class_names;            /* of idx without classes.txt: "0", "1", ... */
    struct image_part train, test; /* one of them may be empty */
};

/* 0, or TG_ENOT_FOUND (no such path), TG_EIO, TG_ECORRUPT (wrong magic, damaged PNG), TG_ETRUNCATED,
 * TG_EINVALID (no image, counts that differ, a file that is missing or twice there, images of different
 * sizes), TG_EOUT_OF_RANGE (a label without a class), TG_ETOO_LARGE, TG_ENO_MEMORY. */
int image_set_read(const char *path, struct image_set *out, struct problem *problem);
/* The same for a file that is in memory, called `name`. */
int image_set_read_memory(const char *name, const void *data, size_t size, struct image_set *out,
                          struct problem *problem);
void image_set_free(struct image_set *set);

/* The bytes of one image. */
static inline size_t image_bytes(const struct image_set *set) {
    return (size_t)set->height * (size_t)set->width * (size_t)set->channels;
}

/* Moves a random `share` of part `from` (at least one image, and at least one stays) to the empty part `to`,
 * as the seed says. TG_EINVALID: fewer than two images. TG_ENO_MEMORY. */
int image_part_split(const struct image_set *set, struct image_part *from, struct image_part *to,
                     double share, uint64_t seed, struct problem *problem);
void image_part_free(struct image_part *part);

#endif
