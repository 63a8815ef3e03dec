/* safetensors_write.c - writing, so that after a crash at any instant either the old file or the whole new
 * one is there: everything goes to a temporary file in the same folder, which is synced before it takes the
 * name, and the folder is synced after. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/model/safetensors.h"
#include "proto/wire/json.h"

enum { ALIGNMENT = 8, HEAD_BYTES = 8, NAME_MAX_BYTES = 512 };

static json_t *tensor_row(const struct tensor_view *tensor, uint64_t begin) {
    json_t *shape = json_array();
    for (int i = 0; i < tensor->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(tensor->dtype), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + tensor->bytes));
}

static int check_tensor(const json_t *header, const struct tensor_view *tensor, struct problem *problem) {
    const char *name = tensor->name;
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX_BYTES || strcmp(name, "__metadata__") == 0)
        return problem_set(problem, TG_EINVALID, name, "is no name for a tensor");
    if (json_object_get(header, name))
        return problem_set(problem, TG_EINVALID, name, "is the name of two tensors");
    if (tensor->rank < 0 || tensor->rank > SAFETENSORS_RANK_MAX)
        return problem_set(problem, TG_EINVALID, name, "has %d dimensions", tensor->rank);
    uint64_t bytes = dtype_size(tensor->dtype);
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] > INT64_MAX || __builtin_mul_overflow(bytes, tensor->shape[i], &bytes))
            return problem_set(problem, TG_EINVALID, name, "has a shape that is too large");
    if (bytes != tensor->bytes)
        return problem_set(problem, TG_EINVALID, name, "has %zu bytes, its shape takes %llu", tensor->bytes,
                           (unsigned long long)bytes);
    return TG_OK;
}

static int add_metadata(json_t *header, const json_t *metadata, struct problem *problem) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)metadata, name, value) {
        if (!json_is_string(value))
            return problem_set(problem, TG_EINVALID, name, "must be a string: metadata are strings");
    }
    return json_object_set(header, "__metadata__", (json_t *)metadata)
               ? problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory")
               : TG_OK;
}

static int add_tensors(json_t *header, const struct tensor_view *tensors, size_t count,
                       struct problem *problem) {
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        int error = check_tensor(header, &tensors[i], problem);
        if (error)
            return error;
        if (json_object_set_new(header, tensors[i].name, tensor_row(&tensors[i], at)))
            return problem_set(problem, TG_EINVALID, NULL, "tensor %zu has a name that is not UTF-8", i);
        at += tensors[i].bytes;
    }
    return TG_OK;
}

/* The size, then the JSON padded with spaces so that the tensors begin at a multiple of 8. */
static int make_header(const struct tensor_view *tensors, size_t count, const json_t *metadata,
                       struct buf *out, struct problem *problem) {
    if (count > SAFETENSORS_COUNT_MAX - 1)
        return problem_set(problem, TG_ETOO_LARGE, NULL, "%zu tensors are too many", count);
    json_t *header = json_object();
    int error = metadata ? add_metadata(header, metadata, problem) : TG_OK;
    if (!error)
        error = add_tensors(header, tensors, count, problem);
    if (!error) {
        error = buf_append_u64(out, 0);
        if (!error)
            error = json_append(out, header);
        while (!error && out->size % ALIGNMENT)
            error = buf_append(out, " ", 1);
        if (!error && out->size - HEAD_BYTES > SAFETENSORS_HEADER_MAX)
            error = TG_ETOO_LARGE;
        if (error)
            problem_set(problem, error, "header", "cannot be made: %s", tg_error_title(error));
        else
            write_u64(out->data, out->size - HEAD_BYTES);
    }
    json_decref(header);
    return error;
}

static int write_all(int fd, const void *data, size_t size) {
    const uint8_t *at = data;
    while (size) {
        ssize_t wrote = write(fd, at, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return TG_EIO;
        at += wrote;
        size -= (size_t)wrote;
    }
    return TG_OK;
}

/* Splits "folder/name" after its last slash. */
static int sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int failed = fd < 0 || fsync(fd);
    if (fd >= 0)
        close(fd);
    free(folder);
    return failed ? TG_EIO : TG_OK;
}

static int failed_step(const char *path, const char *step, struct problem *problem) {
    return problem_set(problem, errno == ENOSPC ? TG_ESTORAGE_FULL : TG_EIO, path, "cannot be %s: %s", step,
                       strerror(errno));
}

static int write_durably(const char *path, const struct buf *header, const struct tensor_view *tensors,
                         size_t count, struct problem *problem) {
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.tmp-XXXXXX", path) < 0)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    const char *step = "created";
    int fd = mkostemp(temporary, O_CLOEXEC), error = TG_EIO;
    if (fd < 0)
        goto done;
    step = "written";
    if (write_all(fd, header->data, header->size))
        goto done;
    for (size_t i = 0; i < count; i++)
        if (write_all(fd, tensors[i].data, tensors[i].bytes))
            goto done;
    step = "synced";
    if (fchmod(fd, 0644) || fsync(fd))
        goto done;
    step = "renamed";
    if (rename(temporary, path))
        goto done;
    step = "synced in its folder";
    error = sync_folder(path);
done:
    if (error)
        error = failed_step(path, step, problem);
    if (fd >= 0) {
        if (error)
            unlink(temporary); /* it is gone already when only the folder's sync failed */
        close(fd);
    }
    free(temporary);
    return error;
}

int safetensors_write(const char *path, const struct tensor_view *tensors, size_t count,
                      const json_t *metadata, struct problem *problem) {
    struct buf header = BUF_INIT;
    int error = make_header(tensors, count, metadata, &header, problem);
    if (!error)
        error = write_durably(path, &header, tensors, count, problem);
    buf_free(&header);
    return error;
}
