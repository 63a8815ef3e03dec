/* Vectors: RFC 3720 B.4 (CRC-32C) and FIPS 180-2 (SHA-256). */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/base/hash.h"

static void test_crc32c_vectors(void **state) {
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8A9136AA);
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46DD794E);
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

/* Every length and alignment against a bit-by-bit reference. */
static void test_crc32c_against_a_naive_one(void **state) {
    uint8_t bytes[80];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t from = 0; from < 9; from++)
        for (size_t size = 0; from + size <= sizeof bytes; size++) {
            uint32_t crc = 0xFFFFFFFF;
            for (size_t i = 0; i < size; i++) {
                crc ^= bytes[from + i];
                for (int bit = 0; bit < 8; bit++)
                    crc = crc & 1 ? 0x82F63B78 ^ (crc >> 1) : crc >> 1;
            }
            assert_int_equal(crc32c(0, bytes + from, size), ~crc);
            size_t half = size / 3;
            assert_int_equal(crc32c(crc32c(0, bytes + from, half), bytes + from + half, size - half), ~crc);
        }
}

static void check_sha256(const char *text, const char *expected) {
    uint8_t digest[SHA256_BYTES], pieces[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256(text, strlen(text), digest);
    sha256_hex(digest, hex);
    assert_string_equal(hex, expected);
    struct sha256 running;
    sha256_init(&running);
    for (size_t i = 0; i < strlen(text); i++)
        sha256_update(&running, text + i, 1);
    sha256_final(&running, pieces);
    assert_memory_equal(digest, pieces, sizeof digest);
}

static void test_sha256_vectors(void **state) {
    check_sha256("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_sha256_text_form(void **state) {
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
         back[SHA256_HEX];
    assert_int_equal(sha256_parse(hex, digest), 0);
    sha256_hex(digest, back);
    assert_string_equal(back, hex);
    hex[0] = 'B';
    assert_int_equal(sha256_parse(hex, digest), TG_EINVALID);
    hex[0] = 'g';
    assert_int_equal(sha256_parse(hex, digest), TG_EINVALID);
    hex[63] = 0;
    assert_int_equal(sha256_parse(hex, digest), TG_EINVALID);
    assert_int_equal(sha256_parse("", digest), TG_EINVALID);
}

static void test_sha256_of_a_file(void **state) {
    char path[] = "/tmp/tengen-hash-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "abc", 3), 3);
    close(fd);
    uint8_t digest[SHA256_BYTES], expected[SHA256_BYTES];
    uint64_t size = 0;
    sha256("abc", 3, expected);
    assert_int_equal(sha256_file(path, digest, &size), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(digest, expected, sizeof digest);
    unlink(path);
    assert_int_equal(sha256_file(path, digest, &size), TG_EIO);
    assert_int_equal(sha256_file("/tmp", digest, NULL), TG_EIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_vectors),   cmocka_unit_test(test_crc32c_against_a_naive_one),
        cmocka_unit_test(test_sha256_vectors),   cmocka_unit_test(test_sha256_text_form),
        cmocka_unit_test(test_sha256_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
