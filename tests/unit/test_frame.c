#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/hash.h"
#include "proto/wire/frame.h"

static struct buf encode(const char *type, const char *body) {
    struct buf out = BUF_INIT;
    json_t *header = json_pack("{s:s}", "type", type);
    assert_int_equal(frame_encode(&out, header, body, strlen(body)), 0);
    json_decref(header);
    return out;
}

static void expect_frame(struct frame_decoder *decoder, const char *type, const char *body) {
    struct frame frame;
    assert_int_equal(frame_decoder_next(decoder, &frame, NULL), 1);
    assert_string_equal(json_string_value(json_object_get(frame.header, "type")), type);
    assert_int_equal(frame.body_size, strlen(body));
    if (body[0])
        assert_memory_equal(frame.body, body, strlen(body));
    else
        assert_null(frame.body);
    frame_free(&frame);
}

static void test_layout(void **state) {
    struct buf out = encode("x", "body");
    static const char json[] = "{\"type\":\"x\"}";
    assert_int_equal(out.size, 12 + strlen(json) + 4);
    assert_int_equal(read_u32(out.data), out.size - 4);
    assert_int_equal(read_u32(out.data + 4), crc32c(0, out.data + 8, out.size - 8));
    assert_int_equal(read_u32(out.data + 8), strlen(json));
    assert_memory_equal(out.data + 12, json, strlen(json));
    assert_memory_equal(out.data + 12 + strlen(json), "body", 4);
    buf_free(&out);
}

static void test_byte_by_byte(void **state) {
    struct buf out = encode("first", ""), second = encode("second", "with a body");
    buf_append(&out, second.data, second.size);
    size_t first_size = out.size - second.size;
    struct frame_decoder decoder;
    struct frame frame;
    frame_decoder_init(&decoder);
    for (size_t i = 0; i < out.size; i++) {
        assert_int_equal(frame_decoder_next(&decoder, &frame, NULL), 0);
        assert_int_equal(frame_decoder_feed(&decoder, out.data + i, 1), 0);
        if (i + 1 == first_size)
            expect_frame(&decoder, "first", "");
    }
    expect_frame(&decoder, "second", "with a body");
    assert_int_equal(frame_decoder_next(&decoder, &frame, NULL), 0);
    assert_int_equal(decoder.pending.size, 0);
    frame_decoder_free(&decoder);
    buf_free(&out);
    buf_free(&second);
}

static void test_many_at_once(void **state) {
    struct buf out = BUF_INIT;
    for (int i = 0; i < 100; i++) {
        struct buf one = encode("n", "x");
        buf_append(&out, one.data, one.size);
        buf_free(&one);
    }
    struct frame_decoder decoder;
    frame_decoder_init(&decoder);
    assert_int_equal(frame_decoder_feed(&decoder, out.data, out.size), 0);
    for (int i = 0; i < 100; i++)
        expect_frame(&decoder, "n", "x");
    frame_decoder_free(&decoder);
    buf_free(&out);
}

/* Feeds damaged bytes; the error must come, must stay, and must not be cured by a good frame. */
static void expect_dead(const uint8_t *data, size_t size, int error) {
    struct frame_decoder decoder;
    struct frame frame;
    struct problem problem = {0};
    frame_decoder_init(&decoder);
    frame_decoder_feed(&decoder, data, size);
    assert_int_equal(frame_decoder_next(&decoder, &frame, &problem), error);
    assert_int_equal(problem.error, error);
    assert_int_equal(strncmp(problem.field, "frame", 5), 0);
    struct buf good = encode("good", "");
    assert_int_equal(frame_decoder_feed(&decoder, good.data, good.size), error);
    assert_int_equal(frame_decoder_next(&decoder, &frame, NULL), error);
    assert_null(frame.header);
    buf_free(&good);
    frame_decoder_free(&decoder);
}

static void test_every_flipped_bit_is_found(void **state) {
    struct buf out = encode("x", "body");
    for (size_t bit = 4 * 8; bit < out.size * 8; bit++) {
        out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct frame_decoder decoder;
        struct frame frame;
        frame_decoder_init(&decoder);
        frame_decoder_feed(&decoder, out.data, out.size);
        assert_true(frame_decoder_next(&decoder, &frame, NULL) < 0);
        frame_decoder_free(&decoder);
        out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_free(&out);
}

static void test_lengths(void **state) {
    uint8_t head[12] = {0};
    write_u32(head, FRAME_SIZE_MAX + 1);
    expect_dead(head, 4, TG_ETOO_LARGE); /* before any more is stored */
    write_u32(head, UINT32_MAX);
    expect_dead(head, 12, TG_ETOO_LARGE);
    write_u32(head, 7);
    expect_dead(head, 4, TG_ECORRUPT);
    write_u32(head, FRAME_SIZE_MAX);
    write_u32(head + 8, FRAME_JSON_MAX + 1);
    expect_dead(head, 12, TG_ETOO_LARGE);
    write_u32(head, 100);
    write_u32(head + 8, 93);
    expect_dead(head, 12, TG_ECORRUPT);
}

static void test_a_wrong_checksum_ends_the_stream(void **state) {
    struct buf out = encode("x", "body");
    out.data[out.size - 1] ^= 1;
    expect_dead(out.data, out.size, TG_ECORRUPT);
    buf_free(&out);
}

/* A frame whose checksum is right and whose header is not an object. */
static void expect_bad_header(const char *json, int error) {
    struct buf out = BUF_INIT;
    uint8_t head[12] = {0};
    buf_append(&out, head, 12);
    buf_append_text(&out, json);
    write_u32(out.data, (uint32_t)out.size - 4);
    write_u32(out.data + 8, (uint32_t)strlen(json));
    write_u32(out.data + 4, crc32c(0, out.data + 8, out.size - 8));
    expect_dead(out.data, out.size, error);
    buf_free(&out);
}

static void test_bad_headers(void **state) {
    expect_bad_header("", TG_EBAD_JSON);
    expect_bad_header("[]", TG_EWRONG_TYPE);
    expect_bad_header("{\"a\":1,\"a\":2}", TG_EDUPLICATE_KEY);
    expect_bad_header("{\"a\":\"\xFF\"}", TG_EBAD_UTF8);
}

static void test_encoder_refuses_what_the_decoder_would(void **state) {
    struct buf out = BUF_INIT;
    buf_append_text(&out, "kept");
    char *text = malloc(FRAME_JSON_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', FRAME_JSON_MAX);
    text[FRAME_JSON_MAX] = 0;
    json_t *header = json_pack("{s:s}", "type", text);
    assert_int_equal(frame_encode(&out, header, NULL, 0), TG_ETOO_LARGE);
    assert_string_equal((char *)out.data, "kept");
    json_decref(header);
    header = json_object();
    assert_int_equal(frame_encode(&out, header, text, (size_t)FRAME_SIZE_MAX + 1), TG_ETOO_LARGE);
    assert_int_equal(out.size, 4);
    json_decref(header);
    free(text);
    buf_free(&out);
}

static void test_write_to_a_pipe(void **state) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    json_t *header = json_pack("{s:s}", "type", "hello");
    assert_int_equal(frame_write(ends[1], header, "abc", 3), 0);
    close(ends[1]);
    uint8_t piece[256];
    ssize_t got = read(ends[0], piece, sizeof piece);
    struct frame_decoder decoder;
    frame_decoder_init(&decoder);
    assert_int_equal(frame_decoder_feed(&decoder, piece, (size_t)got), 0);
    expect_frame(&decoder, "hello", "abc");
    frame_decoder_free(&decoder);
    close(ends[0]);
    assert_int_equal(frame_write(ends[1], header, "abc", 3), TG_EIO); /* closed */
    json_decref(header);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),          cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_many_at_once),    cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_lengths),         cmocka_unit_test(test_a_wrong_checksum_ends_the_stream),
        cmocka_unit_test(test_bad_headers),     cmocka_unit_test(test_encoder_refuses_what_the_decoder_would),
        cmocka_unit_test(test_write_to_a_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
