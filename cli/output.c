#include "cli/output.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "proto/base/buf.h"
#include "proto/wire/json.h"
#include "proto/wire/problem.h"

const char *clean_text(const char *text, char *out, size_t size) {
    size_t used = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c && used + 1 < size; c++) {
        bool c1 = c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0; /* U+0080 to U+009F */
        if (c1)
            c++;
        out[used++] = c1 || *c < 0x20 || *c == 0x7F ? '?' : (char)*c;
    }
    out[used] = 0;
    return out;
}

size_t text_width(const char *text) {
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void tell_words(const struct problem *problem) {
    char field[PROBLEM_FIELD_MAX], detail[PROBLEM_DETAIL_MAX];
    clean_text(problem->field, field, sizeof field);
    clean_text(problem->detail, detail, sizeof detail);
    const char *title = tg_error_title(problem->error);
    if (detail[0])
        fprintf(stderr, "tengen: %s%s%s", field, field[0] ? ": " : "", detail);
    else
        fprintf(stderr, "tengen: %s%s%s", field, field[0] ? ": " : "", title);
}

static bool as_json;

void tell_as_json(void) {
    as_json = true;
}

static void tell_document(const struct problem *problem) {
    json_t *document = problem_to_json(problem);
    json_print(stderr, document, false);
    json_decref(document);
}

int tell_problem(const struct problem *problem, bool json) {
    if (json) {
        tell_document(problem);
    } else {
        tell_words(problem);
        fprintf(stderr, " (%s)\n", tg_error_code(problem->error));
    }
    return problem->error == TG_EUNREACHABLE ? EXIT_NO_CONNECTION : EXIT_REFUSED;
}

int tell_usage(const struct problem *problem) {
    if (as_json) {
        tell_document(problem);
    } else {
        tell_words(problem);
        fputc('\n', stderr);
    }
    return EXIT_USAGE;
}

void print_json(const json_t *value) {
    json_print(stdout, value, true);
}

void print_json_line(const json_t *value) {
    json_print(stdout, value, false);
    fflush(stdout);
}

enum { COLUMNS_MAX = 12, CELL_MAX = 512 };

struct table {
    size_t columns;
    json_t *rows; /* arrays of strings; the first holds the titles */
    size_t widths[COLUMNS_MAX];
};

static void add_cell(struct table *table, const char *text) {
    json_t *row = json_array_get(table->rows, json_array_size(table->rows) - 1);
    size_t column = json_array_size(row);
    TG_ASSERT(column < COLUMNS_MAX);
    char cell[CELL_MAX];
    clean_text(text, cell, sizeof cell);
    json_t *string = json_string(cell);
    if (!string)
        string = json_string("?"); /* not UTF-8, or cut inside a character */
    size_t width = text_width(json_string_value(string));
    if (width > table->widths[column])
        table->widths[column] = width;
    json_array_append_new(row, string);
}

struct table *table_create(const char *const *titles) {
    struct table *table = calloc(1, sizeof *table);
    TG_ASSERT(table);
    table->rows = json_array();
    table_row(table);
    for (; *titles; titles++, table->columns++)
        add_cell(table, *titles);
    return table;
}

void table_row(struct table *table) {
    json_array_append_new(table->rows, json_array());
}

void table_cell(struct table *table, const char *format, ...) {
    char text[2 * CELL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add_cell(table, text);
}

static void print_row(const struct table *table, const json_t *row) {
    for (size_t i = 0; i < table->columns; i++) {
        const char *cell = json_string_value(json_array_get(row, i));
        TG_ASSERT(cell);
        fputs(cell, stdout);
        if (i + 1 < table->columns)
            printf("%*s", (int)(table->widths[i] - text_width(cell) + 2), "");
    }
    putchar('\n');
}

void table_print(struct table *table, const char *empty) {
    size_t count = json_array_size(table->rows);
    if (count == 1)
        puts(empty);
    else
        for (size_t i = 0; i < count; i++)
            print_row(table, json_array_get(table->rows, i));
    json_decref(table->rows);
    free(table);
}

const char *member_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

int64_t member_int(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

const char *unit_of(const json_t *job, char *out, size_t size) {
    snprintf(out, size, "%s", member_text(job, "unit"));
    size_t length = strlen(out);
    if (member_int(json_object_get(job, "units"), "total") == 1 && length > 0 && out[length - 1] == 's')
        out[length - 1] = 0;
    return out;
}

double member_number(const json_t *object, const char *name) {
    return json_number_value(json_object_get(object, name));
}

const char *format_rate(double per_s, char *out, size_t size) {
    const bool seconds = per_s >= 0.1, minutes = per_s * 60 >= 0.1;
    out[0] = 0;
    if (per_s > 0)
        snprintf(out, size, "%.3g/%s",
                 per_s * (seconds   ? 1
                          : minutes ? 60
                                    : 3600),
                 seconds   ? "s"
                 : minutes ? "min"
                           : "h");
    return out;
}

const char *format_duration(double seconds, char *out, size_t size) {
    if (!(seconds >= 0) || seconds > 1e9) {
        out[0] = 0;
        return out;
    }
    long whole = lround(seconds), minutes = whole / 60, hours = minutes / 60;
    if (hours >= 24)
        snprintf(out, size, "%ld d %02ld:%02ld", hours / 24, hours % 24, minutes % 60);
    else if (hours)
        snprintf(out, size, "%ld:%02ld:%02ld", hours, minutes % 60, whole % 60);
    else
        snprintf(out, size, "%ld:%02ld", minutes, whole % 60);
    return out;
}

const char *format_left(const json_t *job, const char *prefix, char *out, size_t size) {
    const json_t *eta = json_object_get(job, "eta_s");
    char time[32];
    out[0] = 0;
    if (json_is_number(eta) && lround(json_number_value(eta)) <= 0)
        snprintf(out, size, "ending");
    else if (json_is_number(eta) && format_duration(json_number_value(eta), time, sizeof time)[0])
        snprintf(out, size, "%s%s", prefix, time);
    return out;
}

double shown_progress(const json_t *job, double step) {
    double share = fmin(member_number(job, "progress"), 1);
    return strcmp(member_text(job, "state"), "succeeded") == 0 ? share : fmin(share, 1 - step);
}

const char *format_time(int64_t wall_ms, char *out, size_t size) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    if (wall_ms <= 0 || !localtime_r(&seconds, &local) || !strftime(out, size, "%Y-%m-%d %H:%M:%S", &local))
        out[0] = 0;
    return out;
}
