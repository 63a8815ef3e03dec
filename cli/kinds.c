/* kinds.c - the reference of the kinds of jobs, from the same tables that check them: as text, JSON or
 * Markdown. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output.h"
#include "proto/kinds/kind.h"

/* "a whole number, 1 to 100", "one of a, b", "true or false" */
static void format_takes(const struct option_spec *spec, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    switch (spec->type) {
    case OPTION_INT:
    case OPTION_NUMBER:
        snprintf(out, size, "%s%.16g to %.16g", spec->type == OPTION_INT ? "whole " : "", spec->min,
                 spec->max);
        break;
    case OPTION_BOOL:
        snprintf(out, size, "true or false");
        break;
    case OPTION_STRING:
        snprintf(out, size, "text of %.0f to %.0f bytes", spec->min, spec->max);
        break;
    case OPTION_CHOICE:
        for (int i = 0; spec->choices[i] && used < size; i++)
            used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", spec->choices[i]);
        break;
    case OPTION_OBJECT:
        snprintf(out, size, "the options below");
        break;
    case OPTION_LIST:
        snprintf(out, size, "%.0f to %.0f texts", spec->min, spec->max);
        break;
    }
}

static const char *format_default(const struct option_spec *spec) {
    if (spec->initial)
        return spec->initial;
    return spec->type == OPTION_OBJECT ? "" : "required";
}

static void add_options(struct table *table, const struct option_spec *spec, const char *prefix) {
    for (; spec->name; spec++) {
        char takes[256], path[128], meaning[512];
        snprintf(path, sizeof path, "%s%s", prefix, spec->name);
        format_takes(spec, takes, sizeof takes);
        option_meaning(spec, meaning, sizeof meaning);
        table_row(table);
        table_cell(table, "%s", path);
        table_cell(table, "%s", takes);
        table_cell(table, "%s", spec->unit ? spec->unit : "");
        table_cell(table, "%s", format_default(spec));
        table_cell(table, "%s", meaning);
        if (spec->type == OPTION_OBJECT) {
            strncat(path, ".", sizeof path - strlen(path) - 1);
            add_options(table, spec->fields, path);
        }
    }
}

static void print_kind(const struct kind *kind) {
    static const char *const titles[] = {"OPTION", "TAKES", "UNIT", "DEFAULT", "MEANING", NULL};
    printf("%s: %s\n\n", kind->name, kind->summary);
    struct table *table = table_create(titles);
    add_options(table, kind->options, "");
    table_print(table, "");
}

/* A cell of a Markdown table: its bars would end it. */
static void print_cell(const char *text) {
    putchar(' ');
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
    fputs(" |", stdout);
}

static void print_markdown_rows(const struct option_spec *spec, const char *prefix) {
    for (; spec->name; spec++) {
        char takes[256], path[128], cell[160], meaning[512];
        const char *initial = format_default(spec);
        bool literal = spec->initial != NULL;
        format_takes(spec, takes, sizeof takes);
        option_meaning(spec, meaning, sizeof meaning);
        snprintf(path, sizeof path, "%s%s", prefix, spec->name);
        putchar('|');
        snprintf(cell, sizeof cell, "`%s`", path);
        print_cell(cell);
        print_cell(takes);
        print_cell(spec->unit ? spec->unit : "");
        snprintf(cell, sizeof cell, "%s%s%s", literal ? "`" : "", initial, literal ? "`" : "");
        print_cell(cell);
        print_cell(meaning);
        putchar('\n');
        if (spec->type == OPTION_OBJECT) {
            strncat(path, ".", sizeof path - strlen(path) - 1);
            print_markdown_rows(spec->fields, path);
        }
    }
}

static void print_markdown(void) {
    puts(
        "# The kinds of jobs and their options\n\n"
        "Written by `tengen kinds --markdown` from the tables in `proto/kinds/`, which also check every job; "
        "do not edit.\n"
        "A dotted name is a member of an object: `player.playouts` is `{\"player\": {\"playouts\": 1000}}`.");
    for (const struct kind *const *kind = kind_table(); *kind; kind++) {
        printf("\n## %s\n\n%s. Counted in %s.\n\n", (*kind)->name, (*kind)->summary, (*kind)->unit);
        puts("| option | takes | unit | default | meaning |\n|---|---|---|---|---|");
        print_markdown_rows((*kind)->options, "");
    }
}

static int print_all(bool json) {
    json_t *list = json_array();
    size_t width = 0;
    for (const struct kind *const *kind = kind_table(); *kind; kind++) {
        json_array_append_new(list, kind_describe(*kind));
        if (strlen((*kind)->name) > width)
            width = strlen((*kind)->name);
    }
    json_t *document = json_pack("{s:o}", "kinds", list);
    if (json)
        print_json(document);
    for (const struct kind *const *kind = kind_table(); !json && *kind; kind++)
        printf("%-*s  %s\n", (int)width, (*kind)->name, (*kind)->summary);
    if (!json)
        puts("\ntengen kinds NAME lists the options of one.");
    json_decref(document);
    return EXIT_OK;
}

int run_kinds(const struct invocation *invocation) {
    if (option_bool(invocation->options, "markdown")) {
        print_markdown();
        return EXIT_OK;
    }
    if (json_array_size(invocation->words) == 0)
        return print_all(invocation->json);
    struct problem problem = {0};
    const struct kind *kind = kind_find(invocation_word(invocation, 0));
    if (!kind) {
        kind_unknown(invocation_word(invocation, 0), &problem);
        return tell_usage(&problem);
    }
    if (invocation->json) {
        json_t *row = kind_describe(kind);
        print_json(row);
        json_decref(row);
    } else {
        print_kind(kind);
    }
    return EXIT_OK;
}
