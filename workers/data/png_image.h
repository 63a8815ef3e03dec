/* png_image.h - one PNG file to bytes of grey or red, green, blue, by libpng, after its size was checked; and
 * back. */
#ifndef TENGEN_DATA_PNG_IMAGE_H
#define TENGEN_DATA_PNG_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

/* Decoded: 8 bits a channel; channels 1 (a grey image) or 3 (one with colour). What is transparent lies on
 * black. */
struct png_pixels {
    int height, width, channels;
    uint8_t *bytes; /* [height][width][channels], the caller's (free) */
};

int png_is(const void *data, size_t size);
/* 0, or TG_ECORRUPT, TG_ETRUNCATED, TG_ETOO_LARGE (a side beyond side_max: refused before anything is
 * unpacked), TG_ENO_MEMORY; `name` is the problem's field. */
int png_decode(const char *name, const void *data, size_t size, int side_max, struct png_pixels *out,
               struct problem *problem);
/* Appends a PNG file. TG_ENO_MEMORY. */
int png_encode(const struct png_pixels *pixels, struct buf *out);

#endif
