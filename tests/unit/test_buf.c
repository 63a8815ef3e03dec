#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

static void test_appends_and_ends_in_zero(void **state) {
    struct buf buf = BUF_INIT;
    assert_null(buf.data);
    assert_int_equal(buf_append(&buf, NULL, 0), 0);
    assert_non_null(buf.data);
    assert_int_equal(buf.data[0], 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_printf(&buf, "%d,", i % 10), 0);
    assert_int_equal(buf.size, 2000);
    assert_int_equal(strlen((char *)buf.data), 2000);
    assert_memory_equal(buf.data + 1990, "5,6,7,8,9,", 10);
    buf_free(&buf);
    assert_null(buf.data);
}

static void test_limit_refuses_and_keeps(void **state) {
    struct buf buf = {.limit = 10};
    assert_int_equal(buf_append_text(&buf, "12345"), 0);
    assert_int_equal(buf_append_text(&buf, "678901"), TG_ETOO_LARGE);
    assert_int_equal(buf_printf(&buf, "%s", "678901"), TG_ETOO_LARGE);
    assert_string_equal((char *)buf.data, "12345");
    assert_int_equal(buf_append_text(&buf, "67890"), 0);
    assert_int_equal(buf_append(&buf, "", 1), TG_ETOO_LARGE);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), TG_ETOO_LARGE);
    assert_string_equal((char *)buf.data, "1234567890");
    buf_free(&buf);
    assert_int_equal(buf.limit, 10);
}

static void test_consume_clear_take(void **state) {
    struct buf buf = BUF_INIT;
    buf_consume(&buf, 0);
    buf_clear(&buf);
    buf_append_text(&buf, "headtail");
    buf_consume(&buf, 4);
    assert_string_equal((char *)buf.data, "tail");
    size_t size = 0;
    uint8_t *taken = buf_take(&buf, &size);
    assert_int_equal(size, 4);
    assert_string_equal((char *)taken, "tail");
    assert_null(buf.data);
    free(taken);
    buf_append_text(&buf, "x");
    size_t capacity = buf.capacity;
    buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    assert_int_equal(buf.capacity, capacity);
    buf_free(&buf);
}

static void test_numbers_are_little_endian(void **state) {
    struct buf buf = BUF_INIT;
    buf_append_u32(&buf, 0x11223344);
    buf_append_u64(&buf, 0x8899AABBCCDDEEFFu);
    const uint8_t bytes[] = {0x44, 0x33, 0x22, 0x11, 0xFF, 0xEE, 0xDD, 0xCC, 0xBB, 0xAA, 0x99, 0x88};
    assert_int_equal(buf.size, sizeof bytes);
    assert_memory_equal(buf.data, bytes, sizeof bytes);
    assert_int_equal(read_u16(bytes), 0x3344);
    assert_int_equal(read_u32(bytes + 1), 0xFF112233);
    assert_true(read_u64(bytes + 4) == 0x8899AABBCCDDEEFFu);
    buf_free(&buf);
}

static void test_clock_formats_utc(void **state) {
    char text[25];
    clock_format_utc(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_format_utc(1795470244123, text); /* date -d 2026-11-23T21:44:04Z +%s */
    assert_string_equal(text, "2026-11-23T21:44:04.123Z");
    clock_format_utc(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    clock_format_utc(-1, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_and_ends_in_zero), cmocka_unit_test(test_limit_refuses_and_keeps),
        cmocka_unit_test(test_consume_clear_take),       cmocka_unit_test(test_numbers_are_little_endian),
        cmocka_unit_test(test_clock_formats_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
