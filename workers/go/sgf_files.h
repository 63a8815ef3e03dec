/* sgf_files.h - the SGF files in files, folders and archives.
 *
 * A path may be an SGF file, a folder (walked without following links), or a tar or zip archive, each also
 * compressed by gzip or xz: "game.sgf", "game.sgf.gz", "games.tar.xz", "games/". Within folders and archives,
 * names that end in .sgf count (and .sgf.gz, .sgf.xz, .tar, .tar.gz, .tar.xz, .tgz, .txz, .zip in folders);
 * everything else is passed over.
 *
 * Archives come from strangers: nothing is unpacked to disk, a file of more than SGF_FILE_BYTES_MAX is
 * refused, and so is an archive that grows beyond SGF_ARCHIVE_BYTES_MAX, SGF_ARCHIVE_FILES_MAX entries, or a
 * thousand times its own size.
 */
#ifndef TENGEN_GO_SGF_FILES_H
#define TENGEN_GO_SGF_FILES_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/error.h"

#define SGF_FILE_BYTES_MAX    (UINT64_C(64) << 20)
#define SGF_ARCHIVE_BYTES_MAX (UINT64_C(16) << 30)
#define SGF_ARCHIVE_FILES_MAX UINT64_C(20000000)
#define SGF_ARCHIVE_RATIO_MAX UINT64_C(1000)

/* One file: its name ("games.tar.xz/a/1.sgf"; bytes, not always UTF-8) and contents, both valid during the
 * call only. Return 0 to go on; any other value ends the visit and is returned. */
typedef int sgf_file_visitor(void *user, const char *name, const void *data, size_t size);

/* A file or archive without any entry is visited as an empty file, so that it does not go by unnoticed.
 * In the order of names within folders and of entries within archives. 0, the visitor's value, or TG_EIO,
 * TG_ETOO_LARGE, TG_ECORRUPT, TG_ENOT_FOUND with the name of the file in problem->field. */
int sgf_files_visit(const char *path, sgf_file_visitor *visitor, void *user, struct problem *problem);

#endif
