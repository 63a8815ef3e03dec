/* The idx reader on any bytes: what it accepts lies within them. */
#include "workers/data/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct idx idx;
    struct problem problem;
    unsigned sum = 0;
    if (idx_parse("fuzz", data, size, &idx, &problem) != 0)
        return 0;
    TG_ASSERT(idx.values >= data && idx.values + idx.count == data + size);
    for (size_t i = 0; i < idx.count; i++)
        sum += idx.values[i];
    return sum == 1 && size == 0;
}
