/* tools.c - what tengen-server does instead of serving: --check, --backup, token create. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/options.h"
#include "server/api/api.h"
#include "server/settings.h"

void print_problem(const struct problem *problem) {
    struct problem told = *problem;
    settings_name_flag(&told);
    fprintf(stderr, "tengen-server: %s%s%s\n", told.field, told.field[0] ? ": " : "",
            told.detail[0] ? told.detail : tg_error_title(told.error));
}

static int open_existing(const char *folder, struct store **store) {
    struct problem problem = {0};
    struct store_options options = {.folder = folder, .mode = STORE_LOOK};
    int error = store_open(&options, store, &problem);
    if (error) {
        print_problem(&problem);
    }
    return error;
}

static void print_fault(void *arg, const char *text) {
    printf("%s\n", text);
}

int tool_check(const char *folder) {
    struct problem problem = {0};
    struct store *store = NULL;
    int faults = 0;
    if (open_existing(folder, &store) != TG_OK) {
        return 1;
    }
    int error = store_check(store, print_fault, NULL, &faults, &problem);
    store_close(store);
    if (error) {
        print_problem(&problem);
        return 1;
    }
    printf(faults ? "%d faults\n" : "clean\n", faults);
    return faults ? 1 : 0;
}

int tool_backup(const char *folder, const char *file) {
    struct problem problem = {0};
    struct store *store = NULL;
    if (open_existing(folder, &store) != TG_OK) {
        return 1;
    }
    int error = store_backup(store, file, &problem);
    store_close(store);
    if (error) {
        print_problem(&problem);
    }
    return error ? 1 : 0;
}

static int write_all(int fd, const char *text) {
    size_t size = strlen(text), done = 0;
    while (done < size) {
        ssize_t wrote = write(fd, text + done, size - done);
        if (wrote < 0 && errno != EINTR) {
            return TG_EIO;
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return fsync(fd) == 0 ? TG_OK : TG_EIO;
}

int write_file(const char *path, const char *text, unsigned mode, struct problem *problem) {
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.tmp", path) < 0) {
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    }
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    int error = fd >= 0 ? write_all(fd, text) : TG_EIO;
    if (fd >= 0 && close(fd) != 0) {
        error = TG_EIO;
    }
    if (!error && rename(temporary, path) != 0) {
        error = TG_EIO;
    }
    if (error) {
        problem_set(problem, error, NULL, "cannot write %s: %s", path, strerror(errno));
        unlink(temporary);
    }
    free(temporary);
    return error;
}

static int make_token(struct store *store, const json_t *options, struct problem *problem) {
    char token[TOKEN_TEXT], line[TOKEN_TEXT + 1];
    const char *file = option_string(options, "file");
    int error = api_create_token(store, option_string(options, "role"), option_string(options, "name"), token,
                                 problem);
    if (error) {
        return error;
    }
    snprintf(line, sizeof line, "%s\n", token);
    if (file[0]) {
        return write_file(file, line, 0600, problem);
    }
    fputs(line, stdout);
    return TG_OK;
}

int tool_token(const json_t *options) {
    struct problem problem = {0};
    struct store *store = NULL;
    char *folder = settings_data_folder(options);
    struct store_options store_options = {.folder = folder, .mode = STORE_SERVE};
    int error = folder
                    ? store_open(&store_options, &store, &problem)
                    : problem_set(&problem, TG_EINVALID, "data", "there is no home folder; use --data DIR");
    if (!error) {
        error = make_token(store, options, &problem);
    }
    store_close(store);
    free(folder);
    if (error) {
        print_problem(&problem);
    }
    return error ? 1 : 0;
}
