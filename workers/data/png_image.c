/* png_image.c - see png_image.h. libpng's simplified interface: no longjmp, and the head is read first. */
#include "workers/data/png_image.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

int png_is(const void *data, size_t size) {
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    return size >= sizeof signature && memcmp(data, signature, sizeof signature) == 0;
}

static int damaged(const char *name, const png_image *image, struct problem *problem) {
    return problem_set(problem, TG_ECORRUPT, name, "is no sound PNG file: %.100s; replace or remove it",
                       image->message);
}

int png_decode(const char *name, const void *data, size_t size, int side_max, struct png_pixels *out,
               struct problem *problem) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    *out = (struct png_pixels){0};
    if (!png_is(data, size))
        return problem_set(problem, TG_ECORRUPT, name,
                           "is no PNG file: it does not begin as one; replace or remove it");
    if (!png_image_begin_read_from_memory(&image, data, size))
        return damaged(name, &image, problem);
    unsigned width = image.width, height = image.height;
    if (width > (unsigned)side_max || height > (unsigned)side_max) {
        png_image_free(&image);
        return problem_set(
            problem, TG_ETOO_LARGE, name,
            "claims to be %u wide and %u high; at most %d points a side are read: scale it down", width,
            height, side_max);
    }
    image.format = image.format & PNG_FORMAT_FLAG_COLOR ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    *out = (struct png_pixels){(int)height, (int)width, (int)PNG_IMAGE_SAMPLE_CHANNELS(image.format),
                               calloc(1, PNG_IMAGE_SIZE(image))};
    const png_color black = {0, 0, 0};
    if (!out->bytes) {
        png_image_free(&image);
        return problem_set(problem, TG_ENO_MEMORY, name, "no memory for its %u by %u points", width, height);
    }
    if (png_image_finish_read(&image, &black, out->bytes, 0, NULL) && !PNG_IMAGE_FAILED(image))
        return TG_OK;
    free(out->bytes);
    out->bytes = NULL;
    return damaged(name, &image, problem);
}

int png_encode(const struct png_pixels *pixels, struct buf *out) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)pixels->width,
                       .height = (png_uint_32)pixels->height,
                       .format = pixels->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    int error = buf_reserve(out, bytes);
    if (error)
        return error;
    if (!png_image_write_to_memory(&image, out->data + out->size, &bytes, 0, pixels->bytes, 0, NULL))
        return TG_ENO_MEMORY;
    out->size += bytes;
    return TG_OK;
}
