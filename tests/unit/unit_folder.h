/* unit_folder.h - a folder of a test's own: it becomes the working directory and goes with the process. */
#ifndef TENGEN_TESTS_UNIT_FOLDER_H
#define TENGEN_TESTS_UNIT_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char unit_folder_path[] = "/tmp/tengen-test-XXXXXX";

static int unit_folder_drop(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static void unit_folder_leave(void) {
    if (chdir("/") == 0)
        nftw(unit_folder_path, unit_folder_drop, 8, FTW_DEPTH | FTW_PHYS);
}

/* 0, or 1 with a message: then the test cannot run. */
static inline int unit_folder_enter(void) {
    if (!mkdtemp(unit_folder_path) || chdir(unit_folder_path)) {
        perror("a folder for the test");
        return 1;
    }
    return atexit(unit_folder_leave);
}

#endif
