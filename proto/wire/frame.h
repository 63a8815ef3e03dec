/* frame.h - what an agent and its runner say to each other over the runner's stdin and stdout.
 *
 *      0       4        8           12
 *      +-------+--------+-----------+----------------+------------------+
 *      | size  | crc32c | json size | JSON header    | body (binary)    |
 *      +-------+--------+-----------+----------------+------------------+
 *              size counts everything after itself; crc32c covers everything after itself. Little endian.
 *
 * The decoder is incremental: feed it whatever read(2) gave, take frames out. Each length is checked against
 * its limit before a byte is stored for it. After an error the stream is dead: a pipe that lies once is not
 * trusted again. docs/protocol.md lists the headers ("type": task, progress, chunk, metric, done, fail, stop
 * ...).
 */
#ifndef TENGEN_WIRE_FRAME_H
#define TENGEN_WIRE_FRAME_H

#include <jansson.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

enum { FRAME_SIZE_MAX = 256 << 20, FRAME_JSON_MAX = 4 << 20, FRAME_HEADER_BYTES = 12 };

struct frame {
    json_t *header; /* an object; the frame owns it */
    uint8_t *body;  /* NULL when empty; the frame owns it */
    size_t body_size;
};
void frame_free(struct frame *frame);

/* Appends one encoded frame to *out. 0, TG_ETOO_LARGE, TG_ENO_MEMORY. */
int frame_encode(struct buf *out, const json_t *header, const void *body, size_t body_size);

/* Encodes and writes all of it to a blocking descriptor. 0 or TG_EIO. */
int frame_write(int fd, const json_t *header, const void *body, size_t body_size);

struct frame_decoder {
    struct buf pending;
    int error; /* sticky */
};
void frame_decoder_init(struct frame_decoder *decoder);
void frame_decoder_free(struct frame_decoder *decoder);
int frame_decoder_feed(struct frame_decoder *decoder, const void *data, size_t size);
/* 1: *frame holds the next frame (caller frees it); 0: more bytes are needed; negative: the stream is
 * damaged. */
int frame_decoder_next(struct frame_decoder *decoder, struct frame *frame, struct problem *problem);

#endif
