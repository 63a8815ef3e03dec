#include "proto/base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct error_row {
    const char *code, *title;
    int status;
};

static const struct error_row rows[TG_ERROR_COUNT] = {
#define X(name, code, status, title) [TG_INDEX_##name] = {code, title, status},
    TG_ERROR_MAP(X)
#undef X
};

static const struct error_row *error_row(int error) {
    static const struct error_row ok = {"ok", "OK", 200};
    if (error == TG_OK)
        return &ok;
    if (error > 0 || error < -(int)TG_ERROR_COUNT)
        return &rows[TG_INDEX_INTERNAL];
    return &rows[-1 - error];
}

const char *tg_error_code(int error) {
    return error_row(error)->code;
}

const char *tg_error_title(int error) {
    return error_row(error)->title;
}

int tg_error_status(int error) {
    return error_row(error)->status;
}

int tg_error_from_code(const char *code) {
    for (int i = 0; i < (int)TG_ERROR_COUNT; i++)
        if (strcmp(rows[i].code, code) == 0)
            return -1 - i;
    return TG_EINTERNAL;
}

/* Cuts a text that did not fit its array back to a whole UTF-8 character. */
static void cut_to_character(char *text) {
    size_t end = strlen(text), start = end;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (end - (start - 1) < need)
        text[start - 1] = 0;
}

int problem_set(struct problem *problem, int error, const char *field, const char *format, ...) {
    if (!problem)
        return error;
    struct problem made = {.error = error}; /* apart: the arguments may point into *problem */
    if (field && snprintf(made.field, sizeof made.field, "%s", field) >= (int)sizeof made.field)
        cut_to_character(made.field);
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(made.detail, sizeof made.detail, format, arguments) >= (int)sizeof made.detail)
        cut_to_character(made.detail);
    va_end(arguments);
    *problem = made;
    return error;
}

void problem_prefix(struct problem *problem, const char *prefix) {
    if (!problem)
        return;
    char field[PROBLEM_FIELD_MAX];
    int size = problem->field[0] ? snprintf(field, sizeof field, "%s.%s", prefix, problem->field)
                                 : snprintf(field, sizeof field, "%s", prefix);
    if (size >= (int)sizeof field)
        cut_to_character(field);
    memcpy(problem->field, field, sizeof field);
}

void problem_in_file(struct problem *problem, const char *file) {
    if (!problem)
        return;
    const bool whole = !problem->field[0] || strcmp(problem->field, file) == 0;
    problem_set(problem, problem->error, file, "%s%s%s", whole ? "" : problem->field, whole ? "" : ": ",
                problem->detail[0] ? problem->detail : tg_error_title(problem->error));
}

_Noreturn void tg_assert_failed(const char *expression, const char *file, int line, const char *function) {
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
    abort();
}
