/* Every byte of every tensor that the reader hands out lies inside of the file and belongs to no other
 * tensor. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct problem problem = {0};
    uint8_t *copy = malloc(size + 1); /* exact bounds for the sanitizer */
    memcpy(copy, data, size);
    struct safetensors *file = safetensors_open_memory(copy, size, &problem);
    FUZZ_CHECK(file || (problem.error < 0 && problem.detail[0]));
    size_t total = 0;
    for (size_t i = 0; file && i < safetensors_count(file); i++) {
        const struct tensor_view *tensor = safetensors_at(file, i);
        uint64_t bytes = dtype_size(tensor->dtype);
        for (int d = 0; d < tensor->rank; d++)
            bytes *= tensor->shape[d];
        FUZZ_CHECK(bytes == tensor->bytes && safetensors_find(file, tensor->name) == tensor);
        FUZZ_CHECK((const uint8_t *)tensor->data >= copy);
        FUZZ_CHECK((const uint8_t *)tensor->data + tensor->bytes <= copy + size);
        total += tensor->bytes;
    }
    FUZZ_CHECK(total <= size);
    safetensors_close(file);
    free(copy);
    return 0;
}
