#include "workers/task/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/error.h"

/* Reads `size` bytes, or what there is when the file has become shorter. */
static int read_all(int fd, struct buf *out, size_t size) {
    int error = buf_reserve(out, size);
    while (!error && size > 0) {
        ssize_t got = read(fd, out->data + out->size, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return TG_EIO;
        if (got == 0)
            break;
        out->size += (size_t)got;
        size -= (size_t)got;
    }
    return error;
}

int keep_read_file(const char *path, struct buf *out) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return TG_EIO;
    int error = fstat(fd, &status) < 0 ? TG_EIO : read_all(fd, out, (size_t)status.st_size);
    close(fd);
    return error;
}

static int write_all(int fd, const uint8_t *at, size_t size) {
    while (size > 0) {
        ssize_t wrote = write(fd, at, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return TG_EIO;
        at += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

int keep_file(const char *folder, const char *name, const char *suffix, const void *data, size_t size) {
    char path[PATH_MAX], part[PATH_MAX + 8];
    if (snprintf(path, sizeof(path), "%s/%s.%s", folder, name, suffix) >= (int)sizeof(path))
        return TG_EIO;
    snprintf(part, sizeof(part), "%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return TG_EIO;
    int error = write_all(fd, data, size);
    if (!error && fsync(fd) < 0)
        error = TG_EIO;
    if (close(fd) < 0 || (!error && rename(part, path) < 0))
        error = TG_EIO;
    if (error)
        unlink(part);
    return error;
}

int keep_chunk(const char *folder, int64_t cursor, const void *data, size_t size) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/chunks.bin", folder) >= (int)sizeof(path))
        return TG_EIO;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (cursor == 1 ? O_TRUNC : O_APPEND);
    int fd = open(path, flags, 0644);
    if (fd < 0)
        return TG_EIO;
    uint8_t head[12];
    write_u64(head, (uint64_t)cursor);
    write_u32(head + 8, (uint32_t)size);
    int error = write_all(fd, head, sizeof(head));
    if (!error)
        error = write_all(fd, data, size);
    return close(fd) < 0 && !error ? TG_EIO : error;
}
