/* idx.h - the idx format of MNIST: big-endian magic 00 00 TYPE RANK, RANK sizes of 32 bits, then the values.
 * Only type 08 (unsigned bytes) is read, which is what images and labels have. */
#ifndef TENGEN_DATA_IDX_H
#define TENGEN_DATA_IDX_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/error.h"

enum { IDX_RANK_MAX = 4 };

struct idx {
    int rank; /* 1 .. IDX_RANK_MAX */
    uint32_t size[IDX_RANK_MAX];
    const uint8_t *values; /* within the bytes that were parsed */
    size_t count;          /* product of the sizes: all are there */
};

/* Whether the bytes begin as an idx file does. */
int idx_is(const void *data, size_t size);
/* 0, or TG_ECORRUPT (wrong magic, sizes of 0 or beyond memory, bytes beyond the end), TG_ETRUNCATED; `name`
 * is the problem's field. */
int idx_parse(const char *name, const void *data, size_t size, struct idx *out, struct problem *problem);

#endif
