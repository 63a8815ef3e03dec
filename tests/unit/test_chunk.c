#include "tests/unit/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "proto/base/hash.h"
#include "proto/wire/chunk.h"

static const char game_header[] = "{\"type\":\"game\",\"units\":1,\"counters\":{\"games\":1,\"moves\":57}}";

/* A chunk from parts, with lengths and checksum that fit unless the test changes them. */
static struct buf build(const char *json, const void *packed, size_t packed_size, uint32_t raw_size) {
    struct buf out = BUF_INIT;
    buf_append_text(&out, "TGC1");
    buf_append_u32(&out, 0);
    buf_append_u32(&out, (uint32_t)strlen(json));
    buf_append_u32(&out, (uint32_t)packed_size);
    buf_append_u32(&out, raw_size);
    buf_append_text(&out, json);
    buf_append(&out, packed, packed_size);
    return out;
}

static void seal(struct buf *chunk) {
    write_u32(chunk->data + 4, crc32c(0, chunk->data + 8, chunk->size - 8));
}

static void refuse(struct buf *chunk, int error) {
    struct chunk_view view;
    struct problem problem = {0};
    assert_int_equal(chunk_open(chunk->data, chunk->size, &view, &problem), error);
    assert_int_equal(problem.error, error);
    assert_int_equal(strncmp(problem.field, "chunk", 5), 0);
    assert_null(view.header);
    assert_int_equal(chunk_open(chunk->data, chunk->size, &view, NULL), error);
    buf_free(chunk);
}

static void round_trip(const void *body, size_t size) {
    struct buf out = BUF_INIT, back = BUF_INIT;
    json_t *header = json_loads(game_header, 0, NULL);
    buf_append_text(&out, "before");
    assert_int_equal(chunk_encode(&out, header, body, size), 0);
    struct chunk_view view;
    assert_int_equal(chunk_open(out.data + 6, out.size - 6, &view, NULL), 0);
    assert_true(json_equal(view.header, header));
    assert_int_equal(view.raw_size, size);
    assert_int_equal(chunk_unpack(&view, &back, NULL), 0);
    assert_int_equal(back.size, size);
    if (size)
        assert_memory_equal(back.data, body, size);
    chunk_view_free(&view);
    json_decref(header);
    buf_free(&out);
    buf_free(&back);
}

static void test_round_trip(void **state) {
    round_trip(NULL, 0);
    round_trip("x", 1);
    char *body = malloc(300000);
    assert_non_null(body);
    for (int i = 0; i < 300000; i++)
        body[i] = (char)((unsigned)i * (unsigned)i >> 3);
    round_trip(body, 300000);
    free(body);
}

static void test_truncations_and_trailing_bytes(void **state) {
    struct buf out = BUF_INIT;
    json_t *header = json_loads(game_header, 0, NULL);
    chunk_encode(&out, header, "body", 4);
    json_decref(header);
    struct chunk_view view;
    for (size_t size = 0; size < out.size; size++)
        assert_int_equal(chunk_open(out.data, size, &view, NULL), TG_ETRUNCATED);
    buf_append(&out, "x", 1);
    seal(&out);
    refuse(&out, TG_ECORRUPT);
}

static void test_every_flipped_bit_is_found(void **state) {
    struct buf out = BUF_INIT;
    json_t *header = json_loads(game_header, 0, NULL);
    chunk_encode(&out, header, "some body", 9);
    json_decref(header);
    for (size_t bit = 0; bit < out.size * 8; bit++) {
        struct chunk_view view;
        out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(chunk_open(out.data, out.size, &view, NULL) < 0);
        out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_free(&out);
}

static void test_head_lies(void **state) {
    struct buf chunk = build(game_header, "", 0, 0);
    write_u32(chunk.data + 8, CHUNK_JSON_MAX + 1);
    refuse(&chunk, TG_ETOO_LARGE);
    chunk = build(game_header, "", 0, 0);
    write_u32(chunk.data + 12, UINT32_MAX);
    refuse(&chunk, TG_ETOO_LARGE);
    chunk = build(game_header, "", 0, (uint32_t)CHUNK_RAW_MAX + 1);
    refuse(&chunk, TG_ETOO_LARGE);
    chunk = build(game_header, "", 0, 0); /* never sealed */
    refuse(&chunk, TG_ECORRUPT);
}

static void refuse_header(const char *json, int error) {
    struct buf chunk = build(json, "", 0, 0);
    seal(&chunk);
    refuse(&chunk, error);
}

static void test_bad_headers(void **state) {
    refuse_header("", TG_EBAD_JSON);
    refuse_header("[]", TG_EWRONG_TYPE);
    refuse_header("{}", TG_EMISSING_FIELD);
    refuse_header("{\"type\":\"game\"}", TG_EMISSING_FIELD);
    refuse_header("{\"type\":1,\"units\":1}", TG_EWRONG_TYPE);
    refuse_header("{\"type\":\"game\",\"units\":-1}", TG_EOUT_OF_RANGE);
    refuse_header("{\"type\":\"game\",\"units\":1000000001}", TG_EOUT_OF_RANGE);
    refuse_header("{\"type\":\"game\",\"units\":1.5}", TG_EWRONG_TYPE);
    refuse_header("{\"type\":\"game\",\"units\":1,\"counters\":[]}", TG_EWRONG_TYPE);
    refuse_header("{\"type\":\"game\",\"units\":1,\"counters\":{\"a\":\"1\"}}", TG_EWRONG_TYPE);
    refuse_header("{\"type\":\"game\",\"units\":1,\"counters\":{\"a\":1e999}}", TG_EBAD_JSON);
    refuse_header("{\"type\":\"game\",\"units\":1,\"counters\":{\"a\":NaN}}", TG_EBAD_JSON);
    refuse_header("{\"type\":\"game\",\"units\":1,\"units\":1}", TG_EDUPLICATE_KEY);
    refuse_header("{\"type\":\"game\",\"units\":1,\"game\":3}", TG_EWRONG_TYPE);
}

static void test_encoder_refuses_what_the_decoder_would(void **state) {
    struct buf out = BUF_INIT;
    buf_append_text(&out, "kept");
    json_t *header = json_loads(game_header, 0, NULL);
    assert_int_equal(chunk_encode(&out, header, "", (size_t)CHUNK_RAW_MAX + 1), TG_ETOO_LARGE);
    json_object_set_new(header, "units", json_integer(-1));
    assert_int_equal(chunk_encode(&out, header, "", 0), TG_EINVALID);
    json_decref(header);
    assert_int_equal(chunk_encode(&out, json_null(), "", 0), TG_EINVALID);
    assert_int_equal(out.size, 4);
    buf_free(&out);
}

static void expect_bad_body(const void *packed, size_t packed_size, uint32_t raw_size) {
    struct buf chunk = build(game_header, packed, packed_size, raw_size), out = BUF_INIT;
    seal(&chunk);
    struct chunk_view view;
    struct problem problem = {0};
    assert_int_equal(chunk_open(chunk.data, chunk.size, &view, &problem), 0);
    assert_int_equal(chunk_unpack(&view, &out, &problem), TG_ECORRUPT);
    assert_int_equal(out.size, 0);
    chunk_view_free(&view);
    buf_free(&chunk);
    buf_free(&out);
}

/* 64 MiB of zeros in a few kilobytes, under a head that admits to 100 bytes; and heads that promise too much.
 */
static void test_bombs(void **state) {
    size_t size = 64 << 20, bound = ZSTD_compressBound(size);
    char *zeros = calloc(1, size), *packed = malloc(bound);
    assert_true(zeros && packed);
    size_t packed_size = ZSTD_compress(packed, bound, zeros, size, 1);
    assert_true(packed_size < 65536);
    expect_bad_body(packed, packed_size, 100);
    expect_bad_body(packed, packed_size, CHUNK_RAW_MAX);
    expect_bad_body(packed, packed_size - 1, (uint32_t)size); /* cut */
    /* A good frame of 100 bytes with the bomb behind it. */
    char twice[65536 + 256];
    size_t first = ZSTD_compress(twice, 256, zeros, 100, 1);
    memcpy(twice + first, packed, packed_size);
    expect_bad_body(twice, first + packed_size, 100);
    expect_bad_body("not zstd", 8, 100);
    expect_bad_body("", 0, 0);
    free(zeros);
    free(packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_truncations_and_trailing_bytes),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_head_lies),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_encoder_refuses_what_the_decoder_would),
        cmocka_unit_test(test_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
