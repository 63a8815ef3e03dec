#include "workers/agent/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/buf.h"
#include "proto/wire/chunk.h"
#include "workers/agent/spool.h"

enum { PATH_BYTES = 4096 };

static void path_of(const struct part *part, const char *suffix, char out[PATH_BYTES]) {
    snprintf(out, PATH_BYTES, "%s/%s%s", part->folder, part->digest, suffix);
}

static int failed(struct problem *problem, const char *step) {
    return problem_set(problem, errno == ENOSPC ? TG_ESTORAGE_FULL : TG_EIO, "cache", "%s failed: %s", step,
                       strerror(errno));
}

static void read_etag(const struct part *part, char etag[HTTP_ETAG_MAX]) {
    char path[PATH_BYTES];
    path_of(part, ".etag", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, etag, HTTP_ETAG_MAX - 1);
    etag[n > 0 ? n : 0] = 0;
    if (fd >= 0)
        close(fd);
}

int part_open(struct part *part, uint64_t *size, char etag[HTTP_ETAG_MAX], struct problem *problem) {
    char path[PATH_BYTES];
    struct stat status;
    path_of(part, ".part", path);
    part->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (part->fd < 0 || fstat(part->fd, &status) < 0)
        return failed(problem, "opening a part");
    read_etag(part, etag);
    *size = etag[0] ? (uint64_t)status.st_size : 0;
    return *size == 0 ? part_restart(part, "", problem) : 0;
}

int part_restart(struct part *part, const char *etag, struct problem *problem) {
    char name[SHA256_HEX + 8], path[PATH_BYTES];
    if (ftruncate(part->fd, 0) < 0)
        return failed(problem, "emptying a part");
    if (etag[0]) {
        snprintf(name, sizeof name, "%s.etag", part->digest);
        return durable_write(part->folder, name, etag, strlen(etag), problem);
    }
    path_of(part, ".etag", path);
    unlink(path);
    return 0;
}

int part_write(struct part *part, uint64_t offset, const void *data, size_t size, struct problem *problem) {
    const char *at = data;
    while (size > 0) {
        ssize_t n = pwrite(part->fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failed(problem, "writing");
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

static int check_digest(const char *path, const char *wanted, struct problem *problem) {
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    uint64_t size = 0;
    if (sha256_file(path, digest, &size) != 0)
        return failed(problem, "reading");
    sha256_hex(digest, hex);
    if (strcmp(hex, wanted) == 0)
        return 0;
    return problem_set(problem, TG_EDIGEST, "sha256", "%llu bytes came for %s, but their digest is %s",
                       (unsigned long long)size, wanted, hex);
}

static int fsync_folder(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

static int publish(const struct part *part, struct problem *problem) {
    char from[PATH_BYTES], to[PATH_BYTES];
    path_of(part, ".part", from);
    path_of(part, "", to);
    return rename(from, to) < 0 || fsync_folder(part->folder) < 0 ? failed(problem, "renaming") : 0;
}

int part_finish(struct part *part, struct problem *problem) {
    char from[PATH_BYTES], etag[PATH_BYTES];
    path_of(part, ".part", from);
    path_of(part, ".etag", etag);
    int error = fsync(part->fd) < 0 ? failed(problem, "fsync") : check_digest(from, part->digest, problem);
    part_close(part);
    if (error == TG_EDIGEST)
        unlink(from);
    else if (!error)
        error = publish(part, problem);
    if (!error || error == TG_EDIGEST)
        unlink(etag);
    return error;
}

int part_publish(struct part *part, struct problem *problem) {
    int error = fsync(part->fd) < 0 ? failed(problem, "fsync") : 0;
    part_close(part);
    return error ? error : publish(part, problem);
}

/* ---- records ---- */

enum { RECORD_HEAD = 12 };

int records_check(const void *data, size_t size, int64_t until, int64_t *cursor, size_t *sound,
                  struct problem *problem) {
    const uint8_t *at = data;
    *sound = 0;
    while (*sound < size) {
        struct chunk_view view;
        const uint8_t *record = at + *sound;
        size_t left = size - *sound;
        if (left < RECORD_HEAD || read_u32(record + 8) > left - RECORD_HEAD)
            return problem_set(problem, TG_ECORRUPT, "inputs", "a page of chunks was cut short");
        int64_t next = (int64_t)read_u64(record);
        if (next <= *cursor)
            return problem_set(problem, TG_ECORRUPT, "inputs", "the cursors of a stream do not rise");
        if (next > until)
            break;
        int error = chunk_open(record + RECORD_HEAD, read_u32(record + 8), &view, problem);
        if (error)
            return error;
        chunk_view_free(&view);
        *cursor = next;
        *sound += RECORD_HEAD + read_u32(record + 8);
    }
    return 0;
}

/* Checks what was left, a mapping of the whole file; where it ends soundly the file is cut. */
static int keep_sound(struct part *part, size_t bytes, int64_t until, uint64_t *size, int64_t *cursor,
                      struct problem *problem) {
    struct problem ignored = {0};
    size_t sound = 0;
    if (bytes > 0) {
        void *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, part->fd, 0);
        if (map == MAP_FAILED)
            return failed(problem, "reading a part");
        records_check(map, bytes, until, cursor, &sound, &ignored);
        munmap(map, bytes);
    }
    *size = sound;
    return ftruncate(part->fd, (off_t)sound) < 0 ? failed(problem, "cutting a part") : 0;
}

int part_open_records(struct part *part, int64_t until, uint64_t *size, int64_t *cursor,
                      struct problem *problem) {
    char path[PATH_BYTES];
    struct stat status;
    path_of(part, ".part", path);
    *cursor = 0;
    part->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (part->fd < 0 || fstat(part->fd, &status) < 0)
        return failed(problem, "opening a part");
    return keep_sound(part, (size_t)status.st_size, until, size, cursor, problem);
}

void part_close(struct part *part) {
    if (part->fd >= 0)
        close(part->fd);
    part->fd = -1;
}
