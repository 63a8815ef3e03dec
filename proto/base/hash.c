#include "proto/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <nettle/sha2.h>
#include <sodium.h>
#undef sha256_init /* nettle has given these names to its own functions */
#undef sha256_update

#include "proto/base/buf.h"
#include "proto/base/error.h"

/* CRC-32C: table of one byte (the portable way), and SSE4.2's instruction, eight bytes at a time. */

static uint32_t crc_table[256];
static uint32_t (*crc_update)(uint32_t crc, const uint8_t *data, size_t size);
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static uint32_t crc_update_table(uint32_t crc, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        crc = crc_table[(crc ^ data[i]) & 0xFF] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_update_sse42(uint32_t crc, const uint8_t *data,
                                                                   size_t size) {
    uint64_t wide = crc;
    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word; /* in this processor's order, which is the right one; a call of read_u64 costs more
                          than the rest */
        memcpy(&word, data, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    uint32_t narrow = (uint32_t)wide;
    for (; size; data++, size--)
        narrow = __builtin_ia32_crc32qi(narrow, *data);
    return narrow;
}
#endif

static void crc_prepare(void) {
    const uint32_t polynomial = 0x82F63B78; /* reflected */
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? polynomial ^ (crc >> 1) : crc >> 1;
        crc_table[i] = crc;
    }
    crc_update = crc_update_table;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        crc_update = crc_update_sse42;
#endif
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size) {
    pthread_once(&crc_once, crc_prepare);
    return ~crc_update(~crc, data, size);
}

/* SHA-256 is nettle's, which uses the processor's instructions for it: four times as fast as libsodium's. Its
 * state fits ours and is never copied between processes. */

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(struct sha256), "struct sha256 must hold nettle's state");
_Static_assert(SHA256_BYTES == SHA256_DIGEST_SIZE, "digest size");

static struct sha256_ctx *nettle_state(struct sha256 *state) {
    return (struct sha256_ctx *)(void *)state;
}

void sha256_init(struct sha256 *state) {
    nettle_sha256_init(nettle_state(state));
}

void sha256_update(struct sha256 *state, const void *data, size_t size) {
    nettle_sha256_update(nettle_state(state), size, data);
}

void sha256_final(struct sha256 *state, uint8_t digest[SHA256_BYTES]) {
    nettle_sha256_digest(nettle_state(state), SHA256_BYTES, digest);
}

void sha256(const void *data, size_t size, uint8_t digest[SHA256_BYTES]) {
    struct sha256 state;
    sha256_init(&state);
    sha256_update(&state, data, size);
    sha256_final(&state, digest);
}

void sha256_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX]) {
    sodium_bin2hex(hex, SHA256_HEX, digest, SHA256_BYTES);
}

int sha256_parse(const char *hex, uint8_t digest[SHA256_BYTES]) {
    if (strlen(hex) != 2 * SHA256_BYTES || strspn(hex, "0123456789abcdef") != 2 * SHA256_BYTES)
        return TG_EINVALID;
    size_t made = 0;
    return sodium_hex2bin(digest, SHA256_BYTES, hex, 2 * SHA256_BYTES, NULL, &made, NULL) ? TG_EINVALID
                                                                                          : TG_OK;
}

int sha256_file(const char *path, uint8_t digest[SHA256_BYTES], uint64_t *size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return TG_EIO;
    struct sha256 state;
    sha256_init(&state);
    uint64_t total = 0;
    ssize_t got;
    do {
        uint8_t piece[1 << 16];
        got = read(fd, piece, sizeof piece);
        if (got > 0) {
            sha256_update(&state, piece, (size_t)got);
            total += (uint64_t)got;
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    close(fd);
    sha256_final(&state, digest);
    if (size)
        *size = total;
    return got < 0 ? TG_EIO : TG_OK;
}
