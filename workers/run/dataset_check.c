/* dataset_check.c - tengen-run dataset-check PATH|-: one JSON object that says what a data set is, or why it
 * is none: {"error": {"code", "field", "detail"}}. */
#include <stdio.h>
#include <string.h>
#include "workers/data/check.h"
#include "workers/run/run.h"

static const struct option_spec no_options[] = {{.name = NULL}};

/* A field is a file's name: bytes, that JSON may not take. */
static void make_printable(char *text) {
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static int print(json_t *object) {
    int failed = !object || json_dumpf(object, stdout, JSON_PRESERVE_ORDER);
    printf("\n");
    json_decref(object);
    return failed || fflush(stdout) ? RUN_FAILED : RUN_OK;
}

static int check(const char *path) {
    json_t *info = NULL;
    struct problem problem = {0};
    int error = dataset_check(path, &info, &problem);
    if (!error)
        return print(info);
    make_printable(problem.field);
    make_printable(problem.detail);
    run_complain("dataset-check", &problem);
    print(json_pack("{s:{s:s, s:s, s:s}}", "error", "code", tg_error_code(error), "field", problem.field,
                    "detail", problem.detail[0] ? problem.detail : tg_error_title(error)));
    return RUN_FAILED;
}

int command_dataset_check(int argc, char **argv) {
    json_t *options, *words;
    int code = run_options("dataset-check PATH|-", no_options, argc, argv, &options, &words);
    if (code || !options)
        return code;
    if (json_array_size(words) == 1) {
        code = check(json_string_value(json_array_get(words, 0)));
    } else {
        fprintf(stderr, "usage: tengen-run dataset-check PATH|-\n");
        code = RUN_USAGE;
    }
    json_decref(options);
    json_decref(words);
    return code;
}
