/* hash.h - CRC-32C for damage on the wire, SHA-256 for the identity of stored content. */
#ifndef TENGEN_BASE_HASH_H
#define TENGEN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, as in RFC 3720). Start with crc 0; feed the previous value to go on. Uses the
 * processor's instruction where there is one. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

enum { SHA256_BYTES = 32, SHA256_HEX = 65 /* with the closing 0 */ };

struct sha256 {
    uint64_t opaque[16]; /* nettle's state */
};
void sha256_init(struct sha256 *state);
void sha256_update(struct sha256 *state, const void *data, size_t size);
void sha256_final(struct sha256 *state, uint8_t digest[SHA256_BYTES]);
void sha256(const void *data, size_t size, uint8_t digest[SHA256_BYTES]);
void sha256_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX]);
int sha256_parse(const char *hex, uint8_t digest[SHA256_BYTES]); /* 0, or TG_EINVALID: 64 lower-case digits */
int sha256_file(const char *path, uint8_t digest[SHA256_BYTES], uint64_t *size); /* 0 or TG_EIO */

#endif
