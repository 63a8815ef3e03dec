/* sgf_files.c - see sgf_files.h. libarchive reads everything, plain files included (its "raw" format). */
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
#include "proto/base/buf.h"
#include "workers/go/sgf_files.h"

enum { READ_BYTES = 1 << 16, SMALL_BYTES = 1 << 24 };

struct visit {
    const char *path;
    sgf_file_visitor *visitor;
    void *user;
    struct problem *problem;
    struct archive *archive;
    uint64_t packed;   /* bytes of the file itself */
    uint64_t unpacked; /* bytes out of it so far */
    uint64_t entries;
    struct buf data;
    struct buf name;
};

static bool ends_with(const char *name, const char *const *endings) {
    size_t length = strlen(name);
    for (; *endings; endings++) {
        size_t ending = strlen(*endings);
        if (length >= ending && strcasecmp(name + length - ending, *endings) == 0)
            return true;
    }
    return false;
}

static bool is_sgf(const char *name) {
    static const char *const endings[] = {".sgf", NULL};
    return ends_with(name, endings);
}

static bool may_hold_sgf(const char *name) {
    static const char *const endings[] = {".sgf",    ".sgf.gz", ".sgf.xz", ".tar", ".tar.gz",
                                          ".tar.xz", ".tgz",    ".txz",    ".zip", NULL};
    return ends_with(name, endings);
}

static int archive_failed(struct visit *visit) {
    const char *why = archive_error_string(visit->archive);
    return problem_set(visit->problem, TG_ECORRUPT, visit->path, "cannot be read: %s", why ? why : "unknown");
}

static int too_large(struct visit *visit, const char *what) {
    return problem_set(visit->problem, TG_ETOO_LARGE, visit->path, "%s", what);
}

/* After each piece that came out, whether it was wanted or not. */
static int check_growth(struct visit *visit) {
    if (visit->unpacked > SGF_ARCHIVE_BYTES_MAX)
        return too_large(visit, "unpacks to more than 16 GiB");
    if (visit->unpacked > SMALL_BYTES && visit->unpacked / SGF_ARCHIVE_RATIO_MAX > visit->packed)
        return too_large(visit, "unpacks to more than a thousand times its size");
    return 0;
}

/* Reads the entry to its end; keeps the bytes when they are wanted. */
static int read_entry(struct visit *visit, bool wanted) {
    uint64_t size = 0;
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
        error = size > SGF_FILE_BYTES_MAX && wanted
                    ? too_large(visit, "holds an SGF file of more than 64 MiB")
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

static int visit_entry(struct visit *visit, struct archive_entry *entry) {
    bool raw = archive_format(visit->archive) == ARCHIVE_FORMAT_RAW;
    const char *name = archive_entry_pathname(entry);
    bool wanted = raw || (archive_entry_filetype(entry) == AE_IFREG && name && is_sgf(name));
    if (++visit->entries > SGF_ARCHIVE_FILES_MAX)
        return too_large(visit, "holds more than 20000000 entries");
    int error = read_entry(visit, wanted);
    if (error != 0 || !wanted)
        return error;
    error = name_entry(visit, raw ? NULL : name);
    return error ? error
                 : visit->visitor(visit->user, (const char *)visit->name.data, visit->data.data,
                                  visit->data.size);
}

static int visit_entries(struct visit *visit) {
    struct archive_entry *entry;
    for (;;) {
        int status = archive_read_next_header(visit->archive, &entry);
        if (status == ARCHIVE_EOF) /* without entries (empty, or zeros alone): a file without a game */
            return visit->entries ? 0 : visit->visitor(visit->user, visit->path, "", 0);
        if (status < ARCHIVE_WARN)
            return archive_failed(visit);
        int error = visit_entry(visit, entry);
        if (error != 0)
            return error;
    }
}

static void support_formats(struct archive *archive) {
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_zip_seekable(archive);
    archive_read_support_format_raw(archive);
    archive_read_support_format_empty(archive);
}

static int visit_file(struct visit *visit, const char *path, uint64_t size) {
    visit->path = path;
    visit->packed = size;
    visit->unpacked = visit->entries = 0;
    visit->archive = archive_read_new();
    if (!visit->archive)
        return TG_ENO_MEMORY;
    support_formats(visit->archive);
    int error = archive_read_open_filename(visit->archive, path, READ_BYTES) == ARCHIVE_OK
                    ? visit_entries(visit)
                    : archive_failed(visit);
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
    if (entry->fts_info != FTS_F || !may_hold_sgf(entry->fts_name))
        return 0;
    return visit_file(visit, entry->fts_accpath, (uint64_t)entry->fts_statp->st_size);
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

int sgf_files_visit(const char *path, sgf_file_visitor *visitor, void *user, struct problem *problem) {
    struct visit visit = {.path = path, .visitor = visitor, .user = user, .problem = problem};
    struct stat status;
    int error;
    if (stat(path, &status) != 0)
        return problem_set(problem, errno == ENOENT ? TG_ENOT_FOUND : TG_EIO, path, "cannot be opened: %s",
                           strerror(errno));
    if (S_ISDIR(status.st_mode))
        error = visit_folder(&visit, path);
    else if (S_ISREG(status.st_mode))
        error = visit_file(&visit, path, (uint64_t)status.st_size);
    else
        error = problem_set(problem, TG_EINVALID, path, "is neither a file nor a folder");
    buf_free(&visit.data);
    buf_free(&visit.name);
    return error;
}
