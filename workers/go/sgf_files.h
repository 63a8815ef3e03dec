/* sgf_files.h - the SGF files in files, folders and archives (workers/files/files.h): "game.sgf",
 * "game.sgf.gz", "games.tar.xz", "games/". Within folders and archives names that end in .sgf, .sgf.gz and
 * .sgf.xz count, in folders also archives; everything else is passed over. A file of more than
 * SGF_FILE_BYTES_MAX is refused. */
#ifndef TENGEN_GO_SGF_FILES_H
#define TENGEN_GO_SGF_FILES_H

#include "workers/files/files.h"

#define SGF_FILE_BYTES_MAX (UINT64_C(64) << 20)

typedef files_visitor sgf_file_visitor;

/* See files_visit. */
int sgf_files_visit(const char *path, sgf_file_visitor *visitor, void *user, struct problem *problem);

#endif
