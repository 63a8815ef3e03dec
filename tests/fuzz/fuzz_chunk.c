/* Chunks with a right checksum and anything else wrong. An accepted one unpacks to the size that it states,
 * or not. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/base/hash.h"
#include "proto/wire/chunk.h"

enum { UNPACK_MAX = 1 << 20 };

static void check_open(const uint8_t *data, size_t size) {
    struct chunk_view view;
    struct problem problem = {0};
    if (chunk_open(data, size, &view, &problem)) {
        FUZZ_CHECK(problem.error < 0 && problem.detail[0] && !view.header);
        return;
    }
    struct buf out = BUF_INIT;
    if (view.raw_size <= UNPACK_MAX) {
        int error = chunk_unpack(&view, &out, &problem);
        FUZZ_CHECK(error ? out.size == 0 : out.size == view.raw_size);
    }
    buf_free(&out);
    chunk_view_free(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_open(data, size);
    if (size < CHUNK_HEAD_BYTES)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    write_u32(copy + 4, crc32c(0, copy + 8, size - 8));
    check_open(copy, size);
    free(copy);
    return 0;
}
