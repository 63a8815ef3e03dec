/* keep.h - files that a task run by hand leaves in its folder. Each is written beside its place and renamed:
 * a reader finds the old one or the new one whole. All block; 0, TG_EIO, TG_ETOO_LARGE, TG_ENO_MEMORY. */
#ifndef TENGEN_TASK_KEEP_H
#define TENGEN_TASK_KEEP_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/buf.h"

/* Appends the whole file to *out, whose limit holds. */
int keep_read_file(const char *path, struct buf *out);
/* Replaces folder/NAME.SUFFIX. */
int keep_file(const char *folder, const char *name, const char *suffix, const void *data, size_t size);
/* Appends a record of GET /streams (u64 cursor, u32 size, bytes; little endian) to folder/chunks.bin; cursor
 * 1 begins the file anew. */
int keep_chunk(const char *folder, int64_t cursor, const void *data, size_t size);

#endif
