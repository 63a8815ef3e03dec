/* chunk.c - see chunk.h.
 *
 * In the order of trust: the lengths against the size that came, then the checksum over everything else, then
 * the header as strict JSON, then what the coordinator adds up. Only chunk_unpack touches the body, and only
 * when somebody wants it: the coordinator stores most chunks without ever unpacking them.
 *
 * The encoder asks the same of a header as the decoder (check_header), so that a runner hears of its mistake,
 * and not an agent or the coordinator later.
 */
#include "proto/wire/chunk.h"

#include <math.h>
#include <string.h>

#include <zstd.h>

#include "proto/base/hash.h"
#include "proto/wire/json.h"

static const char magic[4] = {'T', 'G', 'C', '1'};
enum {
    CRC_AT = 4,
    JSON_SIZE_AT = 8,
    PACKED_SIZE_AT = 12,
    RAW_SIZE_AT = 16,
    COVERED_AT = 8,
    UNITS_MAX = 1000000000
};
enum { ZSTD_LEVEL = 3 };

/* What the coordinator relies on: a type, whole units, counters that can be summed. */
static int check_header(const json_t *header, struct problem *problem) {
    const char *type;
    int64_t units;
    int error = json_get_string(header, "type", 64, &type, problem);
    if (!error)
        error = json_get_int(header, "units", 0, UNITS_MAX, &units, problem);
    if (error)
        return error;
    const json_t *counters = json_object_get(header, "counters");
    if (counters && !json_is_object(counters))
        return problem_set(problem, TG_EWRONG_TYPE, "counters", "must be an object");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)counters, name, value) {
        if (!json_is_number(value) || !isfinite(json_number_value(value))) {
            problem_set(problem, TG_EWRONG_TYPE, name, "must be a finite number");
            problem_prefix(problem, "counters");
            return TG_EWRONG_TYPE;
        }
    }
    const json_t *game = json_object_get(header, "game");
    if (game && !json_is_object(game))
        return problem_set(problem, TG_EWRONG_TYPE, "game", "must be an object");
    return TG_OK;
}

static int append_packed(struct buf *out, const void *body, size_t body_size, size_t *packed_size) {
    size_t bound = ZSTD_compressBound(body_size);
    int error = buf_reserve(out, bound);
    if (error)
        return error;
    size_t packed = ZSTD_compress(out->data + out->size, bound, body_size ? body : "", body_size, ZSTD_LEVEL);
    if (ZSTD_isError(packed))
        return TG_ENO_MEMORY;
    if (packed > CHUNK_PACKED_MAX)
        return TG_ETOO_LARGE;
    out->size += packed;
    out->data[out->size] = 0;
    *packed_size = packed;
    return TG_OK;
}

int chunk_encode(struct buf *out, const json_t *header, const void *body, size_t body_size) {
    if (body_size > CHUNK_RAW_MAX)
        return TG_ETOO_LARGE;
    if (!json_is_object(header) || check_header(header, NULL))
        return TG_EINVALID;
    size_t start = out->size, packed_size = 0;
    uint8_t head[CHUNK_HEAD_BYTES] = {0};
    int error = buf_append(out, head, sizeof head);
    if (!error)
        error = json_append(out, header);
    size_t json_size = out->size - start - (error ? 0 : CHUNK_HEAD_BYTES);
    if (!error && json_size > CHUNK_JSON_MAX)
        error = TG_ETOO_LARGE;
    if (!error)
        error = append_packed(out, body, body_size, &packed_size);
    if (error) {
        out->size = start;
        return error;
    }
    uint8_t *at = out->data + start;
    memcpy(at, magic, sizeof magic);
    write_u32(at + JSON_SIZE_AT, (uint32_t)json_size);
    write_u32(at + PACKED_SIZE_AT, (uint32_t)packed_size);
    write_u32(at + RAW_SIZE_AT, (uint32_t)body_size);
    write_u32(at + CRC_AT, crc32c(0, at + COVERED_AT, out->size - start - COVERED_AT));
    return TG_OK;
}

void chunk_view_free(struct chunk_view *view) {
    json_decref(view->header);
    *view = (struct chunk_view){0};
}

/* The head of 20 bytes against the size that came and against the limits. */
static int check_head(const uint8_t *at, size_t size, struct problem *problem) {
    if (size < CHUNK_HEAD_BYTES)
        return problem_set(problem, TG_ETRUNCATED, "chunk", "has %zu bytes, fewer than its head", size);
    if (memcmp(at, magic, sizeof magic) != 0)
        return problem_set(problem, TG_ECORRUPT, "chunk", "does not start with TGC1");
    uint64_t json_size = read_u32(at + JSON_SIZE_AT), packed = read_u32(at + PACKED_SIZE_AT);
    if (json_size > CHUNK_JSON_MAX || packed > CHUNK_PACKED_MAX || read_u32(at + RAW_SIZE_AT) > CHUNK_RAW_MAX)
        return problem_set(problem, TG_ETOO_LARGE, "chunk", "a length in its head is beyond the limit");
    uint64_t whole = CHUNK_HEAD_BYTES + json_size + packed;
    if (size < whole)
        return problem_set(problem, TG_ETRUNCATED, "chunk", "has %zu of %llu bytes", size,
                           (unsigned long long)whole);
    if (size > whole)
        return problem_set(problem, TG_ECORRUPT, "chunk", "has %zu bytes, its head says %llu", size,
                           (unsigned long long)whole);
    if (crc32c(0, at + COVERED_AT, size - COVERED_AT) != read_u32(at + CRC_AT))
        return problem_set(problem, TG_ECORRUPT, "chunk", "its checksum does not match");
    return TG_OK;
}

size_t chunk_raw_size(const void *data, size_t size) {
    size_t raw = size < CHUNK_HEAD_BYTES ? 0 : read_u32((const uint8_t *)data + RAW_SIZE_AT);
    return raw < CHUNK_RAW_MAX ? raw : CHUNK_RAW_MAX;
}

int chunk_open(const void *data, size_t size, struct chunk_view *view, struct problem *problem) {
    struct problem local = {0};
    if (!problem)
        problem = &local;
    *view = (struct chunk_view){0};
    const uint8_t *at = data;
    int error = check_head(at, size, problem);
    if (error)
        return error;
    size_t json_size = read_u32(at + JSON_SIZE_AT);
    json_t *header = json_parse_object(at + CHUNK_HEAD_BYTES, json_size, problem);
    if (!header || check_header(header, problem)) {
        json_decref(header);
        problem_prefix(problem, "chunk");
        return problem->error;
    }
    view->header = header;
    view->packed = at + CHUNK_HEAD_BYTES + json_size;
    view->packed_size = read_u32(at + PACKED_SIZE_AT);
    view->raw_size = read_u32(at + RAW_SIZE_AT);
    return TG_OK;
}

/* The zstd frame must state the size that the head states, before any room is made for it; and no more than
 * that room is ever written: a frame that unpacks to more is an error of zstd's, not a bomb. */
int chunk_unpack(const struct chunk_view *view, struct buf *out, struct problem *problem) {
    if (ZSTD_getFrameContentSize(view->packed, view->packed_size) != view->raw_size)
        return problem_set(problem, TG_ECORRUPT, "chunk",
                           "its body is not a zstd frame of the %u bytes that its head says",
                           (unsigned)view->raw_size);
    int error = buf_reserve(out, view->raw_size);
    if (error)
        return problem_set(problem, error, "chunk", "no room for its %u bytes", (unsigned)view->raw_size);
    size_t got = ZSTD_decompress(out->data + out->size, view->raw_size, view->packed, view->packed_size);
    if (ZSTD_isError(got))
        return problem_set(problem, TG_ECORRUPT, "chunk", "its body does not unpack: %s",
                           ZSTD_getErrorName(got));
    if (got != view->raw_size)
        return problem_set(problem, TG_ECORRUPT, "chunk", "its body unpacks to %zu bytes, its head says %u",
                           got, (unsigned)view->raw_size);
    out->size += got;
    out->data[out->size] = 0;
    return TG_OK;
}
