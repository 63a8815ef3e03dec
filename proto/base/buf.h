/* buf.h - a growable byte buffer that owns its memory. Not thread-safe; one owner at a time. */
#ifndef TENGEN_BASE_BUF_H
#define TENGEN_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; /* NULL while empty; always followed by a 0 byte once anything was appended */
    size_t size;   /* bytes in use */
    size_t capacity;
    size_t limit; /* refuses to grow beyond this many bytes; 0 means no limit */
};

#define BUF_INIT                                                                                             \
    { NULL, 0, 0, 0 }

/* All return 0, TG_ENO_MEMORY, or TG_ETOO_LARGE when the limit would be passed (nothing is appended then). */
int buf_reserve(struct buf *buf, size_t more);
int buf_append(struct buf *buf, const void *data, size_t size);
int buf_append_text(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *buf, const char *format, va_list arguments);
int buf_append_u32(struct buf *buf, uint32_t value); /* little endian, as all numbers on wire and disk */
int buf_append_u64(struct buf *buf, uint64_t value);

void buf_consume(struct buf *buf, size_t size); /* drops the first `size` bytes */
void buf_clear(struct buf *buf);                /* size 0, keeps the memory */
void buf_free(struct buf *buf);                 /* releases; the buffer may be used again */
uint8_t *buf_take(struct buf *buf,
                  size_t *size); /* hands the memory to the caller (free()); buffer is empty */

/* Little-endian reads from memory that the caller has bounds-checked. */
uint16_t read_u16(const void *at);
uint32_t read_u32(const void *at);
uint64_t read_u64(const void *at);
void write_u16(void *at, uint16_t value);
void write_u32(void *at, uint32_t value);
void write_u64(void *at, uint64_t value);

#endif
