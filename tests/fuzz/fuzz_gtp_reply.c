/* What an engine writes gives the same replies whether it comes at once or in pieces, each a text of lines
 * without control characters. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "workers/go/gtp_reply.h"

static void check_text(const char *text) {
    FUZZ_CHECK(strlen(text) <= GTP_REPLY_MAX);
    for (; *text; text++)
        FUZZ_CHECK(*text == '\n' || ((unsigned char)*text >= ' ' && *text != 127));
}

/* All replies that come out, to commands 1, 2, ..., and the error at the end. */
static int cut(const uint8_t *data, size_t size, size_t step, struct buf *out) {
    static char text[GTP_REPLY_MAX + 1];
    struct gtp_replies replies;
    unsigned id = 1;
    int error = 0;
    gtp_replies_init(&replies);
    for (size_t at = 0; at < size && !error; at += step) {
        enum gtp_reply_kind kind;
        error = gtp_replies_feed(&replies, data + at, size - at < step ? size - at : step);
        while ((kind = gtp_replies_next(&replies, id, text)) != GTP_REPLY_NONE) {
            check_text(text);
            FUZZ_CHECK(buf_printf(out, "%d %s\n", (int)kind, text) == 0);
            id++;
        }
    }
    gtp_replies_free(&replies);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct buf whole = BUF_INIT, pieces = BUF_INIT;
    FUZZ_CHECK(cut(data, size, size, &whole) == cut(data, size, 1 + data[0] % 17, &pieces));
    FUZZ_CHECK(whole.size == pieces.size);
    FUZZ_CHECK(whole.size == 0 || memcmp(whole.data, pieces.data, whole.size) == 0);
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
