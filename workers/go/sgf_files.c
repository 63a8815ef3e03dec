/* sgf_files.c - see sgf_files.h. */
#include "workers/go/sgf_files.h"

int sgf_files_visit(const char *path, sgf_file_visitor *visitor, void *user, struct problem *problem) {
    static const char *const endings[] = {".sgf", NULL};
    static const struct files_rules rules = {endings, SGF_FILE_BYTES_MAX, "an SGF file"};
    return files_visit(path, &rules, visitor, user, problem);
}
