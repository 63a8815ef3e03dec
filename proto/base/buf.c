#include "proto/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"

enum { BUF_SMALLEST = 64 };

/* Makes room for `more` bytes and the closing 0 byte. Grows by half, so that appending is linear overall. */
int buf_reserve(struct buf *buf, size_t more) {
    if (more > SIZE_MAX / 4 || buf->size > SIZE_MAX / 4)
        return TG_ETOO_LARGE;
    size_t need = buf->size + more;
    if (buf->limit && need > buf->limit)
        return TG_ETOO_LARGE;
    if (buf->data && need + 1 <= buf->capacity)
        return TG_OK;
    size_t capacity = buf->capacity + buf->capacity / 2;
    if (capacity < need + 1)
        capacity = need + 1;
    if (capacity < BUF_SMALLEST)
        capacity = BUF_SMALLEST;
    uint8_t *data = realloc(buf->data, capacity);
    if (!data)
        return TG_ENO_MEMORY;
    data[buf->size] = 0;
    buf->data = data;
    buf->capacity = capacity;
    return TG_OK;
}

int buf_append(struct buf *buf, const void *data, size_t size) {
    int error = buf_reserve(buf, size);
    if (error)
        return error;
    if (size)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = 0;
    return TG_OK;
}

int buf_append_text(struct buf *buf, const char *text) {
    return buf_append(buf, text, strlen(text));
}

int buf_vprintf(struct buf *buf, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    int error = size < 0 ? TG_EINVALID : buf_reserve(buf, (size_t)size);
    if (!error) {
        vsnprintf((char *)buf->data + buf->size, (size_t)size + 1, format, again);
        buf->size += (size_t)size;
    }
    va_end(again);
    return error;
}

int buf_printf(struct buf *buf, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int error = buf_vprintf(buf, format, arguments);
    va_end(arguments);
    return error;
}

int buf_append_u32(struct buf *buf, uint32_t value) {
    uint8_t bytes[4];
    write_u32(bytes, value);
    return buf_append(buf, bytes, sizeof bytes);
}

int buf_append_u64(struct buf *buf, uint64_t value) {
    uint8_t bytes[8];
    write_u64(bytes, value);
    return buf_append(buf, bytes, sizeof bytes);
}

void buf_consume(struct buf *buf, size_t size) {
    TG_ASSERT(size <= buf->size);
    if (!size)
        return;
    buf->size -= size;
    memmove(buf->data, buf->data + size, buf->size);
    buf->data[buf->size] = 0;
}

void buf_clear(struct buf *buf) {
    buf->size = 0;
    if (buf->data)
        buf->data[0] = 0;
}

void buf_free(struct buf *buf) {
    free(buf->data);
    buf->data = NULL;
    buf->size = buf->capacity = 0;
}

uint8_t *buf_take(struct buf *buf, size_t *size) {
    uint8_t *data = buf->data;
    if (size)
        *size = buf->size;
    buf->data = NULL;
    buf->size = buf->capacity = 0;
    return data;
}

uint16_t read_u16(const void *at) {
    const uint8_t *p = at;
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t read_u32(const void *at) {
    const uint8_t *p = at;
    return (uint32_t)read_u16(p) | (uint32_t)read_u16(p + 2) << 16;
}

uint64_t read_u64(const void *at) {
    const uint8_t *p = at;
    return (uint64_t)read_u32(p) | (uint64_t)read_u32(p + 4) << 32;
}

void write_u16(void *at, uint16_t value) {
    uint8_t *p = at;
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

void write_u32(void *at, uint32_t value) {
    uint8_t *p = at;
    write_u16(p, (uint16_t)value);
    write_u16(p + 2, (uint16_t)(value >> 16));
}

void write_u64(void *at, uint64_t value) {
    uint8_t *p = at;
    write_u32(p, (uint32_t)value);
    write_u32(p + 4, (uint32_t)(value >> 32));
}
