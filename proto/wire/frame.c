/* frame.c - see frame.h.
 *
 * The lengths are looked at as soon as they are there, after 4 and after 12 bytes, and a frame that is too
 * long is an error before its body has come: the peer's word never decides how much memory is used. What is
 * stored is what was fed.
 *
 * After an error the decoder is dead (sticky `error`): where one frame was wrong nobody knows where the next
 * begins.
 *
 * Encoding appends, so that a header and its checksum can be written into bytes that are already in place; on
 * an error the buffer is as it was.
 */
#include "proto/wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/hash.h"
#include "proto/wire/json.h"

enum { SIZE_AT = 0, CRC_AT = 4, JSON_SIZE_AT = 8, COVERED_AT = 8 };

void frame_free(struct frame *frame) {
    json_decref(frame->header);
    free(frame->body);
    *frame = (struct frame){0};
}

int frame_encode(struct buf *out, const json_t *header, const void *body, size_t body_size) {
    if (body_size > FRAME_SIZE_MAX)
        return TG_ETOO_LARGE;
    size_t start = out->size;
    uint8_t head[FRAME_HEADER_BYTES] = {0};
    int error = buf_append(out, head, sizeof head);
    if (!error)
        error = json_append(out, header);
    if (error)
        goto undo;
    size_t json_size = out->size - start - FRAME_HEADER_BYTES;
    error = TG_ETOO_LARGE;
    if (json_size > FRAME_JSON_MAX || 8 + json_size + body_size > FRAME_SIZE_MAX)
        goto undo;
    if ((error = buf_append(out, body, body_size)))
        goto undo;
    uint8_t *at = out->data + start;
    write_u32(at + SIZE_AT, (uint32_t)(out->size - start - 4));
    write_u32(at + JSON_SIZE_AT, (uint32_t)json_size);
    write_u32(at + CRC_AT, crc32c(0, at + COVERED_AT, out->size - start - COVERED_AT));
    return TG_OK;
undo:
    out->size = start;
    return error;
}

static int write_all(int fd, const uint8_t *data, size_t size) {
    while (size) {
        ssize_t wrote = write(fd, data, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return TG_EIO;
        data += wrote;
        size -= (size_t)wrote;
    }
    return TG_OK;
}

int frame_write(int fd, const json_t *header, const void *body, size_t body_size) {
    struct buf encoded = BUF_INIT;
    int error = frame_encode(&encoded, header, body, body_size);
    if (!error)
        error = write_all(fd, encoded.data, encoded.size);
    buf_free(&encoded);
    return error;
}

void frame_decoder_init(struct frame_decoder *decoder) {
    *decoder = (struct frame_decoder){.pending = {.limit = 0}};
}

void frame_decoder_free(struct frame_decoder *decoder) {
    buf_free(&decoder->pending);
}

/* Looks at the lengths as soon as they are there. Returns how many bytes the first frame has, 0 while that is
 * unknown, or an error. */
static int64_t frame_length(const struct buf *pending) {
    if (pending->size < 4)
        return 0;
    uint32_t size = read_u32(pending->data + SIZE_AT);
    if (size > FRAME_SIZE_MAX)
        return TG_ETOO_LARGE;
    if (size < 8)
        return TG_ECORRUPT;
    if (pending->size < FRAME_HEADER_BYTES)
        return 0;
    uint32_t json_size = read_u32(pending->data + JSON_SIZE_AT);
    if (json_size > FRAME_JSON_MAX)
        return TG_ETOO_LARGE;
    if (json_size > size - 8)
        return TG_ECORRUPT;
    return (int64_t)size + 4;
}

int frame_decoder_feed(struct frame_decoder *decoder, const void *data, size_t size) {
    if (decoder->error)
        return decoder->error;
    int error = buf_append(&decoder->pending, data, size);
    if (error)
        return decoder->error = error;
    int64_t length = frame_length(&decoder->pending);
    if (length < 0)
        decoder->error = (int)length;
    return decoder->error;
}

static int broken(struct frame_decoder *decoder, int error, struct problem *problem) {
    decoder->error = error;
    buf_free(&decoder->pending);
    return problem_set(problem, error, "frame", "the stream of frames is damaged: %s", tg_error_title(error));
}

static int take_frame(struct frame_decoder *decoder, size_t length, struct frame *frame,
                      struct problem *problem) {
    const uint8_t *at = decoder->pending.data;
    if (crc32c(0, at + COVERED_AT, length - COVERED_AT) != read_u32(at + CRC_AT))
        return broken(decoder, TG_ECORRUPT, problem);
    size_t json_size = read_u32(at + JSON_SIZE_AT);
    struct frame made = {.body_size = length - FRAME_HEADER_BYTES - json_size};
    made.header = json_parse_object(at + FRAME_HEADER_BYTES, json_size, problem);
    if (!made.header) {
        decoder->error = problem->error;
        buf_free(&decoder->pending);
        problem_prefix(problem, "frame");
        return decoder->error;
    }
    if (made.body_size) {
        made.body = malloc(made.body_size);
        if (!made.body) {
            frame_free(&made);
            return broken(decoder, TG_ENO_MEMORY, problem);
        }
        memcpy(made.body, at + FRAME_HEADER_BYTES + json_size, made.body_size);
    }
    buf_consume(&decoder->pending, length);
    *frame = made;
    return 1;
}

int frame_decoder_next(struct frame_decoder *decoder, struct frame *frame, struct problem *problem) {
    struct problem unread = {0};
    if (!problem)
        problem = &unread;
    *frame = (struct frame){0};
    if (decoder->error)
        return broken(decoder, decoder->error, problem);
    int64_t length = frame_length(&decoder->pending);
    if (length < 0)
        return broken(decoder, (int)length, problem);
    if (length == 0 || decoder->pending.size < (size_t)length)
        return 0;
    return take_frame(decoder, (size_t)length, frame, problem);
}
