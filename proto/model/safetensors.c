/* safetensors.c - reading. The order of the checks is what makes it safe: sizes of the file, then the
 * header's text, then each tensor by itself, then all of them together, sorted by offset: each must begin
 * where the one before it ended, and the last must end with the file. Tensors without elements take no room
 * and may lie anywhere in range.
 *
 *     size of the file >= 8, header's length <= limit and <= the rest          no pointer beyond the file
 *     strict JSON of bounded depth, an object, no name twice                   (proto/wire/json.h)
 *     dtype known, shape's product fits 63 bits, offsets in range and
 *       exactly as far apart as dtype and shape say                            no multiplication overflows
 *     sorted: no overlap, no hole, nothing at the end                        every byte belongs to one tensor
 *
 * The last is more than safety: a file in which bytes belong to no tensor could carry anything along, and two
 * files of the same tensors could have different digests.
 *
 * Numbers are not looked at: a weight may be NaN. Whoever computes with them finds that out
 * (workers/nn/check.h).
 *
 * Views point into the mapping, so opening a checkpoint of any size costs its header. The header's JSON is
 * kept, since names and metadata live in it. */
#include "proto/model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/wire/json.h"

enum { HEAD_BYTES = 8 };

struct safetensors {
    json_t *header, *metadata;
    struct tensor_view *tensors; /* by offset; names point into the header */
    size_t count;
    void *mapping; /* NULL when the memory is the caller's */
    size_t mapping_size;
};

static const struct {
    const char *name;
    size_t size;
    unsigned
        exponent; /* its bits in a value's upper 16; all are set in what is not finite. 0: a whole number */
} dtypes[DTYPE_COUNT] = {
    [DTYPE_F64] = {"F64", 8, 0x7ff0},   [DTYPE_F32] = {"F32", 4, 0x7f80}, [DTYPE_F16] = {"F16", 2, 0x7c00},
    [DTYPE_BF16] = {"BF16", 2, 0x7f80}, [DTYPE_I64] = {"I64", 8, 0},      [DTYPE_I32] = {"I32", 4, 0},
    [DTYPE_I16] = {"I16", 2, 0},        [DTYPE_I8] = {"I8", 1, 0},        [DTYPE_U8] = {"U8", 1, 0},
    [DTYPE_BOOL] = {"BOOL", 1, 0},
};

const char *dtype_name(enum tensor_dtype dtype) {
    return dtypes[dtype].name;
}

size_t dtype_size(enum tensor_dtype dtype) {
    return dtypes[dtype].size;
}

bool dtype_is_float(enum tensor_dtype dtype) {
    return dtypes[dtype].exponent != 0;
}

int tensor_check_finite(const char *name, enum tensor_dtype dtype, const void *data, size_t count,
                        uint64_t first, struct problem *problem) {
    const unsigned exponent = dtypes[dtype].exponent;
    const size_t size = dtypes[dtype].size;
    const uint8_t *end = (const uint8_t *)data + size; /* of the element: little endian, its top comes last */
    for (size_t i = 0; exponent && i < count; i++, end += size)
        if (((unsigned)(end[-1] << 8 | end[-2]) & exponent) == exponent)
            return problem_set(problem, TG_EOUT_OF_RANGE, name,
                               "holds a value that is not a finite number (element %llu)",
                               (unsigned long long)(first + i));
    return TG_OK;
}

static int bad(struct problem *problem, const char *name, const char *what) {
    return problem_set(problem, TG_ECORRUPT, name, "%s", what);
}

static int read_dtype(const char *name, const json_t *row, enum tensor_dtype *dtype,
                      struct problem *problem) {
    const char *text = json_string_value(json_object_get(row, "dtype"));
    for (int i = 0; text && i < DTYPE_COUNT; i++)
        if (strcmp(dtypes[i].name, text) == 0) {
            *dtype = (enum tensor_dtype)i;
            return TG_OK;
        }
    return bad(problem, name, "has a dtype that is not F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL");
}

/* Fills rank and shape; the number of elements times their size must fit 63 bits. */
static int read_shape(const char *name, const json_t *row, struct tensor_view *tensor,
                      struct problem *problem) {
    const json_t *shape = json_object_get(row, "shape");
    if (!json_is_array(shape) || json_array_size(shape) > SAFETENSORS_RANK_MAX)
        return bad(problem, name, "has no shape of at most 8 dimensions");
    tensor->rank = (int)json_array_size(shape);
    uint64_t bytes = dtype_size(tensor->dtype);
    for (int i = 0; i < tensor->rank; i++) {
        const json_t *extent = json_array_get(shape, (size_t)i);
        if (!json_is_integer(extent) || json_integer_value(extent) < 0)
            return bad(problem, name, "has a shape that is not made of whole numbers");
        tensor->shape[i] = (uint64_t)json_integer_value(extent);
        if (__builtin_mul_overflow(bytes, tensor->shape[i], &bytes) || bytes > INT64_MAX)
            return bad(problem, name, "has a shape whose size does not fit 63 bits");
    }
    tensor->bytes = bytes;
    return TG_OK;
}

static int read_offsets(const char *name, const json_t *row, const uint8_t *data, size_t size,
                        struct tensor_view *tensor, struct problem *problem) {
    const json_t *offsets = json_object_get(row, "data_offsets");
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return bad(problem, name, "has no data_offsets of two whole numbers");
    json_int_t begin = json_integer_value(from), end = json_integer_value(to);
    if (begin < 0 || end < begin || (uint64_t)end > size)
        return bad(problem, name, "lies outside the file");
    if ((uint64_t)(end - begin) != tensor->bytes)
        return bad(problem, name, "has data_offsets that do not fit its dtype and shape");
    tensor->data = data + begin;
    return TG_OK;
}

static int read_tensor(const char *name, const json_t *row, const uint8_t *data, size_t size,
                       struct tensor_view *tensor, struct problem *problem) {
    static const char *const members[] = {"dtype", "shape", "data_offsets", NULL};
    if (!json_is_object(row))
        return bad(problem, name, "must be an object with dtype, shape and data_offsets");
    if (json_only(row, members, NULL))
        return bad(problem, name, "has members beside dtype, shape and data_offsets");
    tensor->name = name;
    int error = read_dtype(name, row, &tensor->dtype, problem);
    if (!error)
        error = read_shape(name, row, tensor, problem);
    return error ? error : read_offsets(name, row, data, size, tensor, problem);
}

static int read_metadata(struct safetensors *file, struct problem *problem) {
    json_t *metadata = json_object_get(file->header, "__metadata__");
    if (metadata && !json_is_object(metadata))
        return bad(problem, "__metadata__", "must be an object of strings");
    const char *name;
    json_t *value;
    json_object_foreach(metadata, name, value) {
        if (!json_is_string(value))
            return bad(problem, "__metadata__", "must be an object of strings");
    }
    file->metadata = metadata ? json_incref(metadata) : json_object();
    return file->metadata ? TG_OK : problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
}

static int by_offset(const void *a, const void *b) {
    const struct tensor_view *x = a, *y = b;
    if (x->data != y->data)
        return (const uint8_t *)x->data < (const uint8_t *)y->data ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* By now every range is inside the data, so the sums below cannot pass its end. */
static int check_tiling(const struct safetensors *file, const uint8_t *data, size_t size,
                        struct problem *problem) {
    const uint8_t *end = data;
    for (size_t i = 0; i < file->count; i++) {
        const struct tensor_view *tensor = &file->tensors[i];
        if (tensor->bytes == 0)
            continue;
        if ((const uint8_t *)tensor->data < end)
            return bad(problem, tensor->name, "overlaps another tensor");
        if ((const uint8_t *)tensor->data > end)
            return bad(problem, tensor->name, "has a hole before it that belongs to no tensor");
        end += tensor->bytes;
    }
    if (end != data + size)
        return bad(problem, "file", "has bytes at its end that belong to no tensor");
    return TG_OK;
}

static int read_tensors(struct safetensors *file, const uint8_t *data, size_t size, struct problem *problem) {
    size_t most = json_object_size(file->header);
    if (most > SAFETENSORS_COUNT_MAX)
        return problem_set(problem, TG_ETOO_LARGE, "header", "has more than %d tensors",
                           SAFETENSORS_COUNT_MAX);
    file->tensors = calloc(most + 1, sizeof *file->tensors);
    if (!file->tensors)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    const char *name;
    json_t *row;
    json_object_foreach(file->header, name, row) {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        int error = read_tensor(name, row, data, size, &file->tensors[file->count], problem);
        if (error)
            return error;
        file->count++;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, by_offset);
    return check_tiling(file, data, size, problem);
}

static int read_header(struct safetensors *file, const uint8_t *data, size_t size, size_t *header_size,
                       struct problem *problem) {
    if (size < HEAD_BYTES)
        return problem_set(problem, TG_ETRUNCATED, "file", "has %zu bytes, fewer than its head", size);
    uint64_t stated = read_u64(data);
    if (stated > SAFETENSORS_HEADER_MAX)
        return problem_set(problem, TG_ETOO_LARGE, "header",
                           "this is no safetensors file: its first 8 bytes say that %llu bytes of header "
                           "follow, and at most %d may",
                           (unsigned long long)stated, SAFETENSORS_HEADER_MAX);
    if (stated > size - HEAD_BYTES)
        return problem_set(problem, TG_ETRUNCATED, "header", "says %llu bytes, the file has %zu",
                           (unsigned long long)stated, size - HEAD_BYTES);
    *header_size = (size_t)stated;
    if (stated == 0 || data[HEAD_BYTES] != '{')
        return bad(problem, "header", "this is no safetensors file: its header must start with {");
    struct problem unread = {0};
    if (!problem)
        problem = &unread;
    file->header = json_parse_object(data + HEAD_BYTES, *header_size, problem);
    if (!file->header)
        problem_prefix(problem, "header");
    return file->header ? TG_OK : problem->error;
}

struct safetensors *safetensors_open_memory(const void *data, size_t size, struct problem *problem) {
    struct safetensors *file = calloc(1, sizeof *file);
    if (!file) {
        problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    size_t header_size = 0;
    int error = read_header(file, data, size, &header_size, problem);
    if (!error)
        error = read_metadata(file, problem);
    size_t before = HEAD_BYTES + header_size;
    if (!error)
        error = read_tensors(file, (const uint8_t *)data + before, size - before, problem);
    if (!error)
        return file;
    safetensors_close(file);
    return NULL;
}

static void *map_file(const char *path, size_t *size, struct problem *problem) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info = {0};
    void *mapping = MAP_FAILED;
    if (fd < 0 || fstat(fd, &info)) {
        problem_set(problem, errno == ENOENT ? TG_ENOT_FOUND : TG_EIO, path, "cannot be opened: %s",
                    strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        problem_set(problem, TG_EIO, path, "is not a file");
    } else if (info.st_size < HEAD_BYTES) {
        problem_set(problem, TG_ETRUNCATED, path, "has %lld bytes, fewer than its head",
                    (long long)info.st_size);
    } else {
        *size = (size_t)info.st_size;
        mapping = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapping == MAP_FAILED)
            problem_set(problem, TG_EIO, path, "cannot be mapped: %s", strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return mapping == MAP_FAILED ? NULL : mapping;
}

struct safetensors *safetensors_open(const char *path, struct problem *problem) {
    size_t size = 0;
    void *mapping = map_file(path, &size, problem);
    if (!mapping)
        return NULL;
    struct safetensors *file = safetensors_open_memory(mapping, size, problem);
    if (!file) {
        munmap(mapping, size);
        return NULL;
    }
    file->mapping = mapping;
    file->mapping_size = size;
    return file;
}

void safetensors_close(struct safetensors *file) {
    if (!file)
        return;
    if (file->mapping)
        munmap(file->mapping, file->mapping_size);
    free(file->tensors);
    json_decref(file->metadata);
    json_decref(file->header);
    free(file);
}

size_t safetensors_count(const struct safetensors *file) {
    return file->count;
}

const struct tensor_view *safetensors_at(const struct safetensors *file, size_t index) {
    TG_ASSERT(index < file->count);
    return &file->tensors[index];
}

const struct tensor_view *safetensors_find(const struct safetensors *file, const char *name) {
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const json_t *safetensors_metadata(const struct safetensors *file) {
    return file->metadata;
}
