/* safetensors.h - checkpoint files: named tensors behind a JSON header.
 *
 *      0             8                 8 + N
 *      +-------------+-----------------+----------------------------------------+
 *      | N (u64)     | JSON header     | the tensors' bytes, without holes      |
 *      +-------------+-----------------+----------------------------------------+
 *      {"__metadata__": {"step": "1000"}, "w": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}}
 *
 * Little endian, row-major; offsets count from the end of the header. The format is Hugging Face's
 * (github.com/huggingface/safetensors); the header is padded with spaces to a multiple of 8 bytes.
 *
 * The reader trusts nothing: before a byte of a tensor is handed out, the header's size, each dtype, shape
 * and range were checked, and the ranges were found to tile the data exactly (no overlap, no hole, nothing
 * beyond the end).
 */
#ifndef TENGEN_MODEL_SAFETENSORS_H
#define TENGEN_MODEL_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "proto/base/error.h"

enum { SAFETENSORS_HEADER_MAX = 16 << 20, SAFETENSORS_RANK_MAX = 8, SAFETENSORS_COUNT_MAX = 65536 };

enum tensor_dtype {
    DTYPE_F64,
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_I16,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_BOOL,
    DTYPE_COUNT
};

const char *dtype_name(enum tensor_dtype dtype); /* "F32" */
size_t dtype_size(enum tensor_dtype dtype);      /* bytes of one element */
bool dtype_is_float(enum tensor_dtype dtype);

/* TG_EOUT_OF_RANGE, the field being the tensor's name, where one of `count` elements at `data` is infinite or no
 * number; `first` is which element of the tensor that begins with. Whole numbers are finite. */
int tensor_check_finite(const char *name, enum tensor_dtype dtype, const void *data, size_t count,
                        uint64_t first, struct problem *problem);

struct tensor_view {
    const char *name;
    enum tensor_dtype dtype;
    int rank;
    uint64_t shape[SAFETENSORS_RANK_MAX];
    const void *data; /* aligned to 8 bytes in files that Tengen wrote; use memcpy for others */
    size_t bytes;
};

/* An opened file. It does not change and may be read by any thread. */
struct safetensors;

/* Checks `size` bytes at `data`, which stay the caller's and must outlive the handle. NULL with *problem
 * filled (TG_ETRUNCATED, TG_ETOO_LARGE, TG_ECORRUPT, TG_EBAD_JSON, ...) when they are not a sound file. */
struct safetensors *safetensors_open_memory(const void *data, size_t size, struct problem *problem);
/* Maps the file read-only. It must not be cut while it is open: Tengen's own files are replaced, never
 * rewritten. */
struct safetensors *safetensors_open(const char *path, struct problem *problem);
void safetensors_close(struct safetensors *file);

size_t safetensors_count(const struct safetensors *file);
const struct tensor_view *safetensors_at(const struct safetensors *file,
                                         size_t index); /* by offset in the file */
const struct tensor_view *safetensors_find(const struct safetensors *file, const char *name); /* NULL: none */
const json_t *safetensors_metadata(const struct safetensors *file); /* an object of strings, maybe empty */

/* Writes the tensors in the given order, with the metadata (an object of strings, may be NULL). Durable: a
 * temporary file beside it, fsync, rename, fsync of the folder; after a failure the old file is as it was (or
 * the new one is there, when only the folder could not be synced).
 * TG_EINVALID: a bad or doubled name, a size that does not fit its shape, metadata that are not strings.
 * TG_EIO. */
int safetensors_write(const char *path, const struct tensor_view *tensors, size_t count,
                      const json_t *metadata, struct problem *problem);

#endif
