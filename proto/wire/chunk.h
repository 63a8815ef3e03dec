/* chunk.h - an experience chunk: the unit in which finished work travels and is stored (a Go game; a stretch
 * of transitions).
 *
 *      0        4         8           12            16           20
 *      +--------+---------+-----------+-------------+------------+-------------+--------------------+
 *      | "TGC1" | crc32c  | json size | packed size | raw size   | JSON header | zstd frame (body)  |
 *      +--------+---------+-----------+-------------+------------+-------------+--------------------+
 *                crc32c covers everything after itself. Little endian.
 *
 * The header says what the chunk counts for, so that the coordinator can keep totals without knowing any
 * kind:
 *     {"type": "game", "units": 1, "counters": {"games": 1, "black_wins": 1, "moves": 57}, "game": {...}}
 * `units` is how much of the task's work it finishes; every member of `counters` is a number (summed by job).
 * `game` (when type is "game") is the row of the games list; docs/protocol.md has its members.
 */
#ifndef TENGEN_WIRE_CHUNK_H
#define TENGEN_WIRE_CHUNK_H

#include <jansson.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

enum {
    CHUNK_JSON_MAX = 1 << 20,
    CHUNK_PACKED_MAX = 254 << 20, /* with its header it fits into a frame */
    CHUNK_RAW_MAX = 256 << 20,
    CHUNK_HEAD_BYTES = 20
};

/* Appends the encoded chunk to *out. 0, TG_ETOO_LARGE, TG_EINVALID (a header that the decoder would refuse).
 */
int chunk_encode(struct buf *out, const json_t *header, const void *body, size_t body_size);

struct chunk_view {
    json_t *header;        /* owned by the view */
    const uint8_t *packed; /* points into the caller's memory */
    uint32_t packed_size, raw_size;
};
void chunk_view_free(struct chunk_view *view);

/* What the head says that the body unpacks to, before anything is checked; at most CHUNK_RAW_MAX. */
size_t chunk_raw_size(const void *data, size_t size);
/* Checks magic, sizes, checksum and header (strict JSON; units 0..1e9; counters finite) without unpacking. */
int chunk_open(const void *data, size_t size, struct chunk_view *view, struct problem *problem);
/* Unpacks the body, appending raw_size bytes to *out; refuses a body that unpacks to any other size. */
int chunk_unpack(const struct chunk_view *view, struct buf *out, struct problem *problem);

#endif
