/* files.h - the files in files, folders and archives, for everything that reads what people bring: games,
 * images, data sets.
 *
 * A path may be a file, a folder (walked without following links), or a tar or zip archive, each also
 * compressed by gzip or xz; "-" is the standard input. Nothing is unpacked to disk. Archives come from
 * strangers: a file beyond the rules' limit is refused, and so is an archive that grows beyond
 * FILES_BYTES_MAX, FILES_COUNT_MAX entries, or a thousand times its own size.
 */
#ifndef TENGEN_FILES_FILES_H
#define TENGEN_FILES_FILES_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/error.h"

#define FILES_BYTES_MAX (UINT64_C(16) << 30)
#define FILES_COUNT_MAX UINT64_C(20000000)
#define FILES_RATIO_MAX UINT64_C(1000)

struct files_rules {
    const char *const *endings; /* of names that count within folders and archives, NULL-terminated, without
                                   regard to case; .gz and .xz may follow (and are unpacked) */
    uint64_t file_bytes_max;    /* unpacked */
    const char *a_file;         /* what such a file is called in messages: "an SGF file" */
};

/* One file: its name ("games.tar.xz/a/1.sgf"; bytes, not always UTF-8) and contents, both valid during the
 * call only; `data` is never NULL. Return 0 to go on; any other value ends the visit and is returned. */
typedef int files_visitor(void *user, const char *name, const void *data, size_t size);

/* Visits in the order of names within folders and of entries within archives. A path that is itself a plain
 * or compressed file is visited whatever its name; without any entry (empty), as an empty file, so that it
 * does not go by unnoticed. 0, the visitor's value, or TG_EIO, TG_ETOO_LARGE, TG_ECORRUPT, TG_ENOT_FOUND with
 * the name of the file in problem->field. */
int files_visit(const char *path, const struct files_rules *rules, files_visitor *visitor, void *user,
                struct problem *problem);
/* The same for a file that is in memory, called `name`. */
int files_visit_memory(const char *name, const void *data, size_t size, const struct files_rules *rules,
                       files_visitor *visitor, void *user, struct problem *problem);

#endif
