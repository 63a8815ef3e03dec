/* A stream of frames gives the same frames and the same end whether it comes at once or in pieces. The first
 * frame's checksum is put right, or hardly any input would get beyond it. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/base/hash.h"
#include "proto/wire/frame.h"
#include "proto/wire/json.h"

/* All frames that come out, as text, and the error at the end. */
static int decode(const uint8_t *data, size_t size, size_t step, struct buf *out) {
    struct frame_decoder decoder;
    frame_decoder_init(&decoder);
    int got = 0;
    for (size_t at = 0; at < size && got >= 0; at += step) {
        struct frame frame;
        frame_decoder_feed(&decoder, data + at, size - at < step ? size - at : step);
        while ((got = frame_decoder_next(&decoder, &frame, NULL)) == 1) {
            FUZZ_CHECK(json_append(out, frame.header) == 0);
            FUZZ_CHECK(buf_append(out, frame.body, frame.body_size) == 0);
            frame_free(&frame);
        }
    }
    frame_decoder_free(&decoder);
    return got;
}

static void seal_first(uint8_t *data, size_t size) {
    if (size < FRAME_HEADER_BYTES)
        return;
    uint64_t end = 4 + (uint64_t)read_u32(data);
    if (end >= FRAME_HEADER_BYTES && end <= size)
        write_u32(data + 4, crc32c(0, data + 8, (size_t)end - 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    seal_first(copy, size);
    struct buf whole = BUF_INIT, pieces = BUF_INIT;
    int at_once = decode(copy, size, size, &whole), in_pieces = decode(copy, size, 1 + data[0] % 17, &pieces);
    FUZZ_CHECK(at_once == in_pieces && whole.size == pieces.size);
    FUZZ_CHECK(whole.size == 0 || memcmp(whole.data, pieces.data, whole.size) == 0);
    buf_free(&whole);
    buf_free(&pieces);
    free(copy);
    return 0;
}
