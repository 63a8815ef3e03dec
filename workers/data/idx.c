#include "workers/data/idx.h"

#include <string.h>

enum { TYPE_BYTES = 0x08 };

static uint32_t big_endian(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

int idx_is(const void *data, size_t size) {
    const uint8_t *at = data;
    return size >= 4 && at[0] == 0 && at[1] == 0 && at[2] == TYPE_BYTES && at[3] >= 1 &&
           at[3] <= IDX_RANK_MAX;
}

static int wrong_magic(const char *name, const uint8_t *at, size_t size, struct problem *problem) {
    uint32_t magic = size >= 4 ? big_endian(at) : 0;
    if (size < 4)
        return problem_set(problem, TG_ETRUNCATED, name,
                           "is no idx file: it ends within its first 4 bytes; get it anew");
    return problem_set(problem, TG_ECORRUPT, name,
                       "is no idx file of bytes: its magic number is 0x%08x, not 0x00000803 (images) or "
                       "0x00000801 (labels)",
                       magic);
}

int idx_parse(const char *name, const void *data, size_t size, struct idx *out, struct problem *problem) {
    const uint8_t *at = data;
    *out = (struct idx){0};
    if (!idx_is(data, size))
        return wrong_magic(name, at, size, problem);
    out->rank = at[3];
    size_t head = 4 + 4 * (size_t)out->rank;
    if (size < head)
        return problem_set(problem, TG_ETRUNCATED, name, "ends within its head of %zu bytes; get it anew",
                           head);
    out->count = 1;
    for (int i = 0; i < out->rank; i++) {
        out->size[i] = big_endian(at + 4 + 4 * i);
        if (out->size[i] == 0)
            return problem_set(problem, TG_ECORRUPT, name, "says that its dimension %d is 0", i);
        if (__builtin_mul_overflow(out->count, (size_t)out->size[i], &out->count))
            return problem_set(problem, TG_ECORRUPT, name, "says that it is larger than any memory");
    }
    out->values = at + head;
    if (size - head < out->count)
        return problem_set(problem, TG_ETRUNCATED, name,
                           "is cut off: %zu bytes of values are there, its head says %zu; get it anew",
                           size - head, out->count);
    if (size - head > out->count)
        return problem_set(problem, TG_ECORRUPT, name,
                           "has %zu bytes behind the values that its head names; get it anew",
                           size - head - out->count);
    return TG_OK;
}
