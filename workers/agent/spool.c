/* spool.c - see spool.h for the files and for why a kill at any instant loses nothing.
 *
 * The order of a write (write_at), and what would be lost without each step:
 *
 *     NAME.tmp  write         a reader, or the next start, would find half a file under a name that counts
 *     fsync                   after a power cut the name would be there and its bytes not: file systems may
 *                             sync a rename before the data
 *     rename
 *     fsync of the folder     the name itself would be gone although we had said "stored"
 *
 * When only the last step fails the file stays under its name. That is no harm: the caller tries again, and
 * writes the same bytes under the same name.
 *
 * Removing is not synced. What a power cut brings back is sent again, and the coordinator knows it; an fsync
 * for each removal would double what a chunk costs.
 *
 * The names are the index. A scan learns numbers and finished units from them alone, so there is no second
 * file that could disagree with the first. For the same reason a name counts as ours only when it is exactly
 * what we would write (name_parse writes it again and compares): a file that somebody has put here or renamed
 * is left alone, never sent and never removed.
 *
 * Not done: no list in memory. Who works on an attempt knows its chunks (attempt_private.h), and the folder is
 * listed only at the start and when an attempt is forgotten or set aside. No locks: two threads never work on
 * one attempt.
 */
#include "workers/agent/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/log.h"
#include "proto/base/plural.h"
#include "proto/wire/chunk.h"
#include "proto/wire/json.h"

enum { NAME_BYTES = 96, SMALL_FILE_MAX = 8 << 20 };

struct spool {
    char *folder;
    int fd; /* of the folder: every name below is relative to it */
};

/* ---- durable writing ---- */

static int write_all(int fd, const uint8_t *data, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Names the step that failed, so that "No space left on device" says where. */
static int io_problem(struct problem *problem, const char *step, const char *name) {
    int code = errno == ENOSPC || errno == EDQUOT ? TG_ESTORAGE_FULL : TG_EIO;
    return problem_set(problem, code, name, "%s failed: %s", step, strerror(errno));
}

static int write_at(int folder, const char *name, const void *data, size_t size, struct problem *problem) {
    /* One for each name: a write that was torn is written over, not added to. */
    char temporary[NAME_BYTES + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", name);
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_problem(problem, "creating the file", name);
    int error = 0;
    if (write_all(fd, data, size) < 0)
        error = io_problem(problem, "writing", name);
    else if (fsync(fd) < 0)
        error = io_problem(problem, "fsync", name);
    if (close(fd) < 0 && !error)
        error = io_problem(problem, "closing", name);
    if (!error && renameat(folder, temporary, folder, name) < 0)
        error = io_problem(problem, "renaming", name);
    if (error)
        unlinkat(folder, temporary, 0);
    else if (fsync(folder) < 0)
        error = io_problem(problem, "fsync of the folder", name);
    return error;
}

int durable_write(const char *folder, const char *name, const void *data, size_t size,
                  struct problem *problem) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_problem(problem, "opening the folder", folder);
    int error = write_at(fd, name, data, size, problem);
    close(fd);
    return error;
}

/* ---- names ---- */

enum file_type { FILE_LEASE, FILE_CHUNK, FILE_END, FILE_UNKNOWN };

struct file_name {
    enum file_type type;
    struct spool_key key;
    struct spool_chunk chunk;
};

static void name_lease(char out[NAME_BYTES], struct spool_key key) {
    snprintf(out, NAME_BYTES, "%lld-%lld.task", (long long)key.task, (long long)key.attempt);
}

static void name_end(char out[NAME_BYTES], struct spool_key key) {
    snprintf(out, NAME_BYTES, "%lld-%lld.end", (long long)key.task, (long long)key.attempt);
}

static void name_chunk(char out[NAME_BYTES], struct spool_key key, struct spool_chunk chunk) {
    snprintf(out, NAME_BYTES, "%lld-%lld-%08lu-%lld-%lld.chunk", (long long)key.task, (long long)key.attempt,
             (unsigned long)chunk.number, (long long)chunk.units_after, (long long)chunk.units);
}

/* Understands exactly the names that the three functions above make. sscanf alone would take "007-1.task",
 * too, and what is behind the name: so each is made anew and compared. */
static struct file_name name_parse(const char *name) {
    struct file_name file = {.type = FILE_UNKNOWN};
    long long task, attempt, units_after, units;
    unsigned long number;
    char again[NAME_BYTES] = "";
    /* The widths keep every number within its type. NOLINTBEGIN(cert-err34-c) */
    if (strlen(name) >= NAME_BYTES || sscanf(name, "%18lld-%18lld", &task, &attempt) != 2 || task < 1 ||
        attempt < 1)
        return file;
    file.key = (struct spool_key){task, attempt};
    if (sscanf(name, "%*18[0-9]-%*18[0-9]-%9lu-%18lld-%18lld.chunk", &number, &units_after, &units) == 3) {
        /* NOLINTEND(cert-err34-c) */
        file.chunk = (struct spool_chunk){(uint32_t)number, units_after, units};
        name_chunk(again, file.key, file.chunk);
        if (strcmp(again, name) == 0)
            file.type = FILE_CHUNK;
        return file;
    }
    name_lease(again, file.key);
    if (strcmp(again, name) == 0)
        file.type = FILE_LEASE;
    name_end(again, file.key);
    if (strcmp(again, name) == 0)
        file.type = FILE_END;
    return file;
}

/* ---- opening ---- */

static bool ends_with(const char *text, const char *tail) {
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && strcmp(text + n - m, tail) == 0;
}

static DIR *list_folder(const struct spool *spool) {
    int fd = openat(spool->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list && fd >= 0)
        close(fd);
    return list;
}

/* ---- one folder a coordinator ---- */

bool spool_is_coordinator(const char *id) {
    return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

struct contents {
    size_t chunks, leases, coordinators;
};

static struct contents look_into(const char *folder) {
    struct contents found = {0};
    DIR *list = opendir(folder);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        enum file_type type = name_parse(entry->d_name).type;
        found.chunks += type == FILE_CHUNK;
        found.leases += type == FILE_LEASE;
        found.coordinators += spool_is_coordinator(entry->d_name);
    }
    if (list)
        closedir(list);
    return found;
}

/* A folder cannot be moved into itself, so it goes by way of DATA/spool-ID. Killed after the first step, or
 * the second, the next start finds that folder and does the rest: each step is skipped when it is done. */
static int adopt(const char *data, const char *spool, const char *id, struct problem *problem) {
    char between[SPOOL_PATH_MAX], target[SPOOL_PATH_MAX];
    snprintf(between, sizeof between, "%s/spool-%s", data, id);
    snprintf(target, sizeof target, "%s/%s", spool, id);
    struct contents found = look_into(spool);
    /* A folder of a coordinator in it: the files beside it are those of one without an id, and stay its own. */
    if (found.coordinators == 0 && found.chunks + found.leases > 0 && rename(spool, between) < 0)
        return io_problem(problem, "moving the folder", spool);
    if (mkdir(spool, 0700) < 0 && errno != EEXIST)
        return io_problem(problem, "creating the folder", spool);
    if (rename(between, target) < 0 && errno != ENOENT)
        return io_problem(problem, "moving the folder", between);
    return 0;
}

static void tell_kept(const char *folder) {
    struct contents kept = look_into(folder);
    if (kept.chunks + kept.leases > 0)
        log_warn("spool",
                 "%s keeps %zu chunk%s of another coordinator; they are sent when we work for that one again",
                 folder, kept.chunks, plural_s((int64_t)kept.chunks));
}

static void tell_others(const char *spool, const char *id) {
    char path[SPOOL_PATH_MAX];
    DIR *list = opendir(spool);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        if (!spool_is_coordinator(entry->d_name) || strcmp(entry->d_name, id) == 0)
            continue;
        snprintf(path, sizeof path, "%s/%.32s", spool, entry->d_name);
        tell_kept(path);
    }
    if (list)
        closedir(list);
    if (id[0])
        tell_kept(spool);
}

int spool_choose(const char *data, const char *id, char path[SPOOL_PATH_MAX], struct problem *problem) {
    char spool[SPOOL_PATH_MAX - 64];
    if ((size_t)snprintf(spool, sizeof spool, "%s/spool", data) >= sizeof spool)
        return problem_set(problem, TG_EINVALID, "data", "the folder's name is too long");
    int error = id[0] ? adopt(data, spool, id, problem) : 0;
    if (error)
        return error;
    tell_others(spool, id);
    snprintf(path, SPOOL_PATH_MAX, id[0] ? "%s/%s" : "%s", spool, id);
    return 0;
}

static void remove_unfinished(struct spool *spool) {
    DIR *list = list_folder(spool);
    if (!list)
        return;
    for (struct dirent *entry; (entry = readdir(list));)
        if (ends_with(entry->d_name, ".tmp"))
            unlinkat(spool->fd, entry->d_name, 0);
    closedir(list);
}

int spool_open(const char *folder, struct spool **out, struct problem *problem) {
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return io_problem(problem, "creating the folder", folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_problem(problem, "opening the folder", folder);
    struct spool *spool = calloc(1, sizeof *spool);
    char *copy = strdup(folder);
    if (!spool || !copy) {
        free(spool);
        free(copy);
        close(fd);
        return problem_set(problem, TG_ENO_MEMORY, folder, "out of memory");
    }
    *spool = (struct spool){copy, fd};
    remove_unfinished(spool);
    *out = spool;
    return 0;
}

void spool_close(struct spool *spool) {
    if (!spool)
        return;
    close(spool->fd);
    free(spool->folder);
    free(spool);
}

/* ---- putting and removing ---- */

static int put_json(struct spool *spool, const char *name, const json_t *value, struct problem *problem) {
    struct buf text = BUF_INIT;
    int error = json_append(&text, value);
    if (error)
        problem_set(problem, error, name, "cannot be written as JSON");
    else
        error = write_at(spool->fd, name, text.data, text.size, problem);
    buf_free(&text);
    return error;
}

int spool_put_lease(struct spool *spool, struct spool_key key, const json_t *lease, struct problem *problem) {
    char name[NAME_BYTES];
    name_lease(name, key);
    return put_json(spool, name, lease, problem);
}

int spool_put_end(struct spool *spool, struct spool_key key, const json_t *end, struct problem *problem) {
    char name[NAME_BYTES];
    name_end(name, key);
    return put_json(spool, name, end, problem);
}

int spool_put_chunk(struct spool *spool, struct spool_key key, struct spool_chunk chunk, const void *data,
                    size_t size, struct problem *problem) {
    char name[NAME_BYTES];
    name_chunk(name, key, chunk);
    return write_at(spool->fd, name, data, size, problem);
}

void spool_remove_chunk(struct spool *spool, struct spool_key key, struct spool_chunk chunk) {
    char name[NAME_BYTES];
    name_chunk(name, key, chunk);
    unlinkat(spool->fd, name,
             0); /* no fsync: one that comes back after a power cut is sent again, harmlessly */
}

static void move_to(struct spool *spool, const char *subfolder, const char *name) {
    char target[NAME_BYTES * 4];
    snprintf(target, sizeof target, "%s/%s", subfolder, name);
    mkdirat(spool->fd, subfolder, 0700);
    if (renameat(spool->fd, name, spool->fd, target) < 0)
        log_warn("spool", "cannot move %s to %s/: %s", name, subfolder, strerror(errno));
    else
        log_warn("spool", "moved %s to %s/", name, subfolder);
}

void spool_set_aside(struct spool *spool, struct spool_key key, struct spool_chunk chunk) {
    char name[NAME_BYTES];
    name_chunk(name, key, chunk);
    move_to(spool, "refused", name);
}

void spool_set_aside_from(struct spool *spool, struct spool_key key, uint32_t number) {
    DIR *list = list_folder(spool);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        struct file_name file = name_parse(entry->d_name);
        if (file.type == FILE_CHUNK && file.key.task == key.task && file.key.attempt == key.attempt &&
            file.chunk.number >= number)
            move_to(spool, "refused", entry->d_name);
    }
    if (list)
        closedir(list);
}

void spool_forget(struct spool *spool, struct spool_key key) {
    /* By the folder's list and not by the numbers that are known: a chunk that was written when its result
     * was not wanted any more has never been counted. */
    DIR *list = list_folder(spool);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        struct file_name file = name_parse(entry->d_name);
        if (file.type == FILE_CHUNK && file.key.task == key.task && file.key.attempt == key.attempt)
            unlinkat(spool->fd, entry->d_name, 0);
    }
    if (list)
        closedir(list);
    char name[NAME_BYTES];
    name_lease(name, key);
    unlinkat(spool->fd, name, 0);
    name_end(name, key);
    unlinkat(spool->fd, name, 0);
}

/* ---- reading ---- */

static int read_file(struct spool *spool, const char *name, size_t limit, struct buf *out,
                     struct problem *problem) {
    int fd = openat(spool->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    if (fd < 0)
        return problem_set(problem, errno == ENOENT ? TG_ENOT_FOUND : TG_EIO, name, "opening failed: %s",
                           strerror(errno));
    int error = 0;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        error = problem_set(problem, TG_EIO, name, "is not a regular file");
    else if ((uint64_t)status.st_size > limit)
        error = problem_set(problem, TG_ETOO_LARGE, name, "has %lld bytes", (long long)status.st_size);
    else if (buf_reserve(out, (size_t)status.st_size + 1) != 0)
        error = problem_set(problem, TG_ENO_MEMORY, name, "out of memory");
    char block[65536];
    while (!error) {
        ssize_t n = read(fd, block, sizeof block);
        if (n == 0)
            break;
        if (n < 0 || out->size + (size_t)n > limit || buf_append(out, block, (size_t)n) != 0)
            error = problem_set(problem, TG_EIO, name, "reading failed");
    }
    close(fd);
    return error;
}

int spool_read_chunk(struct spool *spool, struct spool_key key, struct spool_chunk chunk, struct buf *out,
                     struct problem *problem) {
    char name[NAME_BYTES];
    name_chunk(name, key, chunk);
    int error = read_file(spool, name, CHUNK_PACKED_MAX + CHUNK_JSON_MAX + CHUNK_HEAD_BYTES, out, problem);
    if (error)
        return error;
    struct chunk_view view = {0};
    error = chunk_open(out->data, out->size, &view, problem);
    if (error) {
        move_to(spool, "damaged", name);
        return TG_ECORRUPT;
    }
    chunk_view_free(&view);
    return 0;
}

/* ---- scanning ---- */

static struct spool_attempt *found_attempt(struct spool_found *found, struct spool_key key) {
    for (size_t i = 0; i < found->count; i++)
        if (found->attempts[i].key.task == key.task && found->attempts[i].key.attempt == key.attempt)
            return &found->attempts[i];
    struct spool_attempt *more = realloc(found->attempts, (found->count + 1) * sizeof *more);
    if (!more)
        return NULL;
    found->attempts = more;
    more[found->count] = (struct spool_attempt){.key = key};
    return &more[found->count++];
}

static json_t *read_json(struct spool *spool, struct spool_found *found, struct spool_attempt *attempt,
                         const char *name) {
    struct buf text = BUF_INIT;
    struct problem problem = {0};
    json_t *value = NULL;
    if (read_file(spool, name, SMALL_FILE_MAX, &text, &problem) == 0)
        value = json_parse_object(text.data, text.size, &problem);
    buf_free(&text);
    if (!value) {
        log_error("spool", "%s is damaged: %s", name, problem.detail);
        move_to(spool, "damaged", name);
        attempt->broken = true;
        found->damaged++;
    }
    return value;
}

static int add_chunk(struct spool_attempt *attempt, struct spool_chunk chunk) {
    struct spool_chunk *more = realloc(attempt->chunks, (attempt->chunk_count + 1) * sizeof *more);
    if (!more)
        return TG_ENO_MEMORY;
    attempt->chunks = more;
    more[attempt->chunk_count++] = chunk;
    return 0;
}

static int scan_entry(struct spool *spool, struct spool_found *found, const char *name) {
    if (name[0] == '.' || strcmp(name, "damaged") == 0 || strcmp(name, "refused") == 0 ||
        spool_is_coordinator(name))
        return 0;
    struct file_name file = name_parse(name);
    if (file.type == FILE_UNKNOWN) {
        log_warn("spool", "%s/%s is not one of our files and is left alone", spool->folder, name);
        found->unknown++;
        return 0;
    }
    struct spool_attempt *attempt = found_attempt(found, file.key);
    if (!attempt)
        return TG_ENO_MEMORY;
    if (file.type == FILE_CHUNK)
        return add_chunk(attempt, file.chunk);
    json_t **place = file.type == FILE_LEASE ? &attempt->lease : &attempt->end;
    *place = read_json(spool, found, attempt, name);
    return 0;
}

static int compare_chunks(const void *a, const void *b) {
    const struct spool_chunk *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->units_after < y->units_after ? -1 : x->units_after > y->units_after;
}

/* Sorts the chunks, checks each one's bytes, and cuts the list at the first that is damaged or out of line.
 * What lies behind a gap cannot be sent: `done` names how many chunks there are, from 0, and the units before
 * it would be missing. The list need not begin at 0: those before it were delivered. */
static void check_chunks(struct spool *spool, struct spool_found *found, struct spool_attempt *attempt) {
    size_t good = 0;
    if (attempt->chunk_count > 0)
        qsort(attempt->chunks, attempt->chunk_count, sizeof *attempt->chunks, compare_chunks);
    for (; good < attempt->chunk_count; good++) {
        const struct spool_chunk *chunk = &attempt->chunks[good];
        struct buf bytes = BUF_INIT;
        struct problem problem = {0};
        bool follows = good == 0 || chunk->number == chunk[-1].number + 1;
        int error = follows ? spool_read_chunk(spool, attempt->key, *chunk, &bytes, &problem) : TG_ECORRUPT;
        buf_free(&bytes);
        if (error) {
            log_error("spool", "task %lld attempt %lld: chunk %lu cannot be used: %s",
                      (long long)attempt->key.task, (long long)attempt->key.attempt,
                      (unsigned long)chunk->number,
                      follows ? problem.detail : "the one before it is missing");
            break;
        }
    }
    for (size_t i = good; i < attempt->chunk_count; i++) {
        char name[NAME_BYTES];
        name_chunk(name, attempt->key, attempt->chunks[i]);
        if (faccessat(spool->fd, name, F_OK, 0) == 0) /* spool_read_chunk has moved the first of them */
            move_to(spool, "damaged", name);
        attempt->broken = true;
        found->damaged++;
    }
    attempt->chunk_count = good;
}

int spool_scan(struct spool *spool, struct spool_found *found, struct problem *problem) {
    *found = (struct spool_found){0};
    DIR *list = list_folder(spool);
    if (!list)
        return io_problem(problem, "listing the folder", spool->folder);
    int error = 0;
    for (struct dirent *entry; !error && (entry = readdir(list));)
        error = scan_entry(spool, found, entry->d_name);
    closedir(list);
    if (error) {
        spool_found_free(found);
        return problem_set(problem, error, spool->folder, "out of memory");
    }
    for (size_t i = 0; i < found->count; i++)
        check_chunks(spool, found, &found->attempts[i]);
    return 0;
}

void spool_found_free(struct spool_found *found) {
    for (size_t i = 0; i < found->count; i++) {
        json_decref(found->attempts[i].lease);
        json_decref(found->attempts[i].end);
        free(found->attempts[i].chunks);
    }
    free(found->attempts);
    *found = (struct spool_found){0};
}
