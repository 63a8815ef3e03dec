/* files.c - see files.h. libarchive reads everything, plain files included (its "raw" format). */
#include "workers/files/files.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fts.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/buf.h"

enum { READ_BYTES = 1 << 16, SMALL_BYTES = 1 << 24, NESTED_MAX = 2 };

static const char *const packings[] = {".gz", ".xz", NULL};
static const char *const archives[] = {".tar", ".tar.gz", ".tar.xz", ".tgz", ".txz", ".zip", NULL};

struct visit {
    const struct files_rules *rules;
    files_visitor *visitor;
    void *user;
    struct problem *problem;
    struct archive *archive;
    const char *path;
    uint64_t packed;   /* bytes of the file itself; 0: not known before its end */
    uint64_t unpacked; /* bytes out of it so far */
    uint64_t entries;
    int depth; /* of compressed files within archives */
    struct buf data, name;
};

/* Bytes of the longest ending that `name` has; 0: none. */
static size_t ending_of(const char *name, size_t length, const char *const *endings) {
    size_t longest = 0;
    for (; *endings; endings++) {
        size_t ending = strlen(*endings);
        if (ending > longest && length >= ending &&
            strncasecmp(name + length - ending, *endings, ending) == 0)
            longest = ending;
    }
    return longest;
}

static const char *base_name(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* Whether a file of this name counts. What macOS puts beside files ("._NAME") does not. */
static bool counts(const struct visit *visit, const char *name) {
    size_t length = strlen(name);
    if (strncmp(base_name(name), "._", 2) == 0)
        return false;
    length -= ending_of(name, length, packings);
    return ending_of(name, length, visit->rules->endings) > 0;
}

/* libarchive's own words ("Lzma library error: No progress is possible") do not say what is the matter. */
static int archive_failed(struct visit *visit) {
    const char *why = archive_error_string(visit->archive);
    int code = archive_errno(visit->archive);
    bool damaged = code <= 0 || code == EILSEQ; /* else it is the errno of a call */
    return problem_set(visit->problem, TG_ECORRUPT, visit->path, "cannot be read: %s%s",
                       damaged ? "the archive is damaged or cut short: " : "",
                       why ? why : "no further reason");
}

/* A name that promises an archive or a compressed file, and bytes that are neither. */
static int check_promise(struct visit *visit) {
    size_t length = strlen(visit->path), packing = ending_of(visit->path, length, packings);
    size_t ending = packing ? packing : ending_of(visit->path, length, archives);
    int format = archive_format(visit->archive);
    bool plain = format == ARCHIVE_FORMAT_RAW || format == ARCHIVE_FORMAT_EMPTY;
    if (ending == 0 || !plain || archive_filter_code(visit->archive, 0) != ARCHIVE_FILTER_NONE)
        return 0;
    return problem_set(visit->problem, TG_ECORRUPT, visit->path,
                       "is not what its name says (%s): it is damaged, or unpacked already and needs another "
                       "name",
                       visit->path + length - ending);
}

/* After each piece that came out, whether it was wanted or not. */
static int check_growth(struct visit *visit) {
    int64_t consumed = visit->packed ? (int64_t)visit->packed : archive_filter_bytes(visit->archive, -1);
    uint64_t packed = consumed > 0 ? (uint64_t)consumed : 1;
    if (visit->unpacked > FILES_BYTES_MAX)
        return problem_set(visit->problem, TG_ETOO_LARGE, visit->path, "unpacks to more than 16 GiB");
    if (visit->unpacked > SMALL_BYTES && visit->unpacked / FILES_RATIO_MAX > packed)
        return problem_set(visit->problem, TG_ETOO_LARGE, visit->path,
                           "unpacks to more than a thousand times its size");
    return 0;
}

/* Reads the entry to its end; keeps the bytes when they are wanted. */
static int read_entry(struct visit *visit, bool wanted) {
    uint64_t size = 0, most = visit->rules->file_bytes_max;
    int error = 0;
    buf_clear(&visit->data);
    while (error == 0) {
        error = wanted ? buf_reserve(&visit->data, READ_BYTES) : 0;
        uint8_t passed_over[4096];
        void *into = wanted ? (void *)(visit->data.data + visit->data.size) : passed_over;
        ssize_t got =
            error ? 0 : archive_read_data(visit->archive, into, wanted ? READ_BYTES : sizeof passed_over);
        if (got < 0)
            return archive_failed(visit);
        if (got == 0)
            break;
        size += (uint64_t)got;
        visit->unpacked += (uint64_t)got;
        visit->data.size += wanted ? (size_t)got : 0;
        error = size > most && wanted ? problem_set(visit->problem, TG_ETOO_LARGE, visit->path,
                                                    "holds %s of more than %llu MiB", visit->rules->a_file,
                                                    (unsigned long long)(most >> 20))
                                      : check_growth(visit);
    }
    return error;
}

/* "path" alone for a plain or compressed file, "path/entry" for an entry of an archive. */
static int name_entry(struct visit *visit, const char *entry) {
    buf_clear(&visit->name);
    int error = buf_append_text(&visit->name, visit->path);
    return entry && error == 0 ? buf_printf(&visit->name, "/%s", entry) : error;
}

static int visit_open(struct visit *visit);

/* A compressed file within an archive: its contents go through the same reading. */
static int visit_nested(struct visit *visit) {
    struct visit inner = {.rules = visit->rules,
                          .visitor = visit->visitor,
                          .user = visit->user,
                          .problem = visit->problem,
                          .path = (const char *)visit->name.data,
                          .packed = visit->data.size,
                          .depth = visit->depth + 1};
    if (inner.depth > NESTED_MAX)
        return problem_set(visit->problem, TG_ECORRUPT, inner.path, "is packed too many times over");
    inner.archive = archive_read_new();
    int error = inner.archive ? 0 : TG_ENO_MEMORY;
    if (!error) {
        archive_read_support_filter_gzip(inner.archive);
        archive_read_support_filter_xz(inner.archive);
        archive_read_support_format_raw(inner.archive);
        archive_read_support_format_empty(inner.archive);
        error = archive_read_open_memory(inner.archive, visit->data.data, visit->data.size) == ARCHIVE_OK
                    ? visit_open(&inner)
                    : archive_failed(&inner);
    }
    archive_read_free(inner.archive);
    visit->unpacked += inner.unpacked;
    buf_free(&inner.data);
    buf_free(&inner.name);
    return error ? error : check_growth(visit);
}

static bool is_packed(const char *name) {
    return ending_of(name, strlen(name), packings) > 0;
}

static int visit_entry(struct visit *visit, struct archive_entry *entry) {
    bool raw = archive_format(visit->archive) == ARCHIVE_FORMAT_RAW;
    const char *name = archive_entry_pathname(entry);
    bool wanted = raw || (archive_entry_filetype(entry) == AE_IFREG && name && counts(visit, name));
    if (++visit->entries > FILES_COUNT_MAX)
        return problem_set(visit->problem, TG_ETOO_LARGE, visit->path, "holds more than 20000000 entries");
    int error = read_entry(visit, wanted);
    if (error != 0 || !wanted)
        return error;
    error = name_entry(visit, raw ? NULL : name);
    if (!error && !raw && is_packed(name))
        return visit_nested(visit);
    return error
               ? error
               : visit->visitor(visit->user, (const char *)visit->name.data,
                                visit->data.data ? visit->data.data : (const uint8_t *)"", visit->data.size);
}

static int visit_open(struct visit *visit) {
    struct archive_entry *entry;
    for (;;) {
        int status = archive_read_next_header(visit->archive, &entry);
        if (status == ARCHIVE_EOF) { /* without entries (empty, or zeros alone): a file without a game */
            int error = visit->entries ? 0 : check_promise(visit);
            return error || visit->entries ? error : visit->visitor(visit->user, visit->path, "", 0);
        }
        if (status < ARCHIVE_WARN)
            return archive_failed(visit);
        int error = visit->entries ? 0 : check_promise(visit);
        error = error ? error : visit_entry(visit, entry);
        if (error != 0)
            return error;
    }
}

static void support_formats(struct archive *archive) {
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_zip(archive);
    archive_read_support_format_raw(archive);
    archive_read_support_format_empty(archive);
}

/* Where the bytes come from. */
struct source {
    const char *file; /* to open; "-": the standard input; NULL: memory */
    const void *memory;
    size_t size; /* 0 when it is not known */
};

static int open_source(struct archive *archive, const struct source *source) {
    if (!source->file)
        return archive_read_open_memory(archive, source->memory, source->size);
    if (strcmp(source->file, "-") == 0)
        return archive_read_open_fd(archive, STDIN_FILENO, READ_BYTES);
    return archive_read_open_filename(archive, source->file, READ_BYTES);
}

static int visit_source(struct visit *visit, const char *path, const struct source *source) {
    visit->path = path;
    visit->packed = source->size;
    visit->unpacked = visit->entries = 0;
    visit->archive = archive_read_new();
    if (!visit->archive)
        return TG_ENO_MEMORY;
    support_formats(visit->archive);
    int error = open_source(visit->archive, source) == ARCHIVE_OK ? visit_open(visit) : archive_failed(visit);
    archive_read_free(visit->archive);
    visit->archive = NULL;
    return error;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int visit_folder_entry(struct visit *visit, const FTSENT *entry) {
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
        return problem_set(visit->problem, TG_EIO, entry->fts_path, "cannot be read: %s",
                           strerror(entry->fts_errno));
    bool archive = ending_of(entry->fts_name, strlen(entry->fts_name), archives) > 0;
    if (entry->fts_info != FTS_F || !(archive || counts(visit, entry->fts_name)))
        return 0;
    const struct source source = {.file = entry->fts_accpath, .size = (size_t)entry->fts_statp->st_size};
    return visit_source(visit, entry->fts_path, &source);
}

static int visit_folder(struct visit *visit, const char *path) {
    char *copy = strdup(path), *paths[2] = {copy, NULL};
    FTS *tree = copy ? fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name) : NULL;
    int error = tree ? 0 : TG_ENO_MEMORY;
    for (FTSENT *entry; error == 0 && (entry = fts_read(tree));)
        error = visit_folder_entry(visit, entry);
    if (tree)
        fts_close(tree);
    free(copy);
    return error;
}

int files_visit(const char *path, const struct files_rules *rules, files_visitor *visitor, void *user,
                struct problem *problem) {
    struct visit visit = {.rules = rules, .visitor = visitor, .user = user, .problem = problem};
    struct stat status;
    int error, found = strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &status) : stat(path, &status);
    if (found != 0)
        return problem_set(problem, errno == ENOENT ? TG_ENOT_FOUND : TG_EIO, path, "cannot be opened: %s",
                           strerror(errno));
    const struct source source = {.file = path, .size = S_ISREG(status.st_mode) ? (size_t)status.st_size : 0};
    if (S_ISDIR(status.st_mode))
        error = visit_folder(&visit, path);
    else if (S_ISREG(status.st_mode) || strcmp(path, "-") == 0)
        error = visit_source(&visit, path, &source);
    else
        error = problem_set(problem, TG_EINVALID, path, "is neither a file nor a folder");
    buf_free(&visit.data);
    buf_free(&visit.name);
    return error;
}

int files_visit_memory(const char *name, const void *data, size_t size, const struct files_rules *rules,
                       files_visitor *visitor, void *user, struct problem *problem) {
    struct visit visit = {.rules = rules, .visitor = visitor, .user = user, .problem = problem};
    const struct source source = {.memory = data, .size = size};
    int error = visit_source(&visit, name, &source);
    buf_free(&visit.data);
    buf_free(&visit.name);
    return error;
}
