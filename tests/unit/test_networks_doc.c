/* docs/networks.md against the tables that check descriptions: every family, head and option is there, with
 * what it takes and its default, and nothing else. `test_networks_doc --print` writes the tables anew. */
#include <jansson.h>
#include "nn_support.h"
#include "proto/base/buf.h"
#include "workers/zoo/zoo.h"

static void append_takes(struct buf *out, const struct option_spec *spec) {
    char text[100];
    if (spec->type == OPTION_CHOICE) {
        for (int i = 0; spec->choices[i]; i++) {
            buf_append_text(out, i ? ", " : "");
            buf_append_text(out, spec->choices[i]);
        }
        return;
    }
    if (spec->type == OPTION_BOOL)
        snprintf(text, sizeof text, "true or false");
    else if (spec->type == OPTION_STRING)
        snprintf(text, sizeof text, "text of %g to %g bytes", spec->min, spec->max);
    else
        snprintf(text, sizeof text, "%s%g to %g", spec->type == OPTION_INT ? "whole " : "", spec->min,
                 spec->max);
    buf_append_text(out, text);
}

static void append_table(struct buf *out, const struct option_spec *spec) {
    if (!spec->name) {
        buf_append_text(out, "\nNo options.\n");
        return;
    }
    buf_append_text(out, "\n| option | takes | default | meaning |\n|---|---|---|---|\n");
    for (; spec->name; spec++) {
        buf_append_text(out, "| `");
        buf_append_text(out, spec->name);
        buf_append_text(out, "` | ");
        append_takes(out, spec);
        buf_append_text(out, " | ");
        buf_append_text(out, spec->initial ? "`" : "required");
        buf_append_text(out, spec->initial ? spec->initial : "");
        buf_append_text(out, spec->initial ? "` | " : " | ");
        buf_append_text(out, spec->help);
        buf_append_text(out, " |\n");
    }
}

/* What must stand below the heading `### kind: name`. */
static void append_section(struct buf *out, const char *kind, const char *name, const char *summary,
                           const struct option_spec *options) {
    char heading[300];
    snprintf(heading, sizeof heading, "### %s: %s\n\n%s.\n", kind, name, summary);
    buf_append_text(out, heading);
    append_table(out, options);
}

/* Calls for every section. */
static void each_section(void (*call)(struct buf *section)) {
    struct buf section = BUF_INIT;
    append_section(&section, "input", "planes", "an image or a board", zoo_plane_options);
    call(&section);
    buf_free(&section);
    append_section(&section, "input", "tokens", "a sequence, or a pair of them", zoo_token_options);
    call(&section);
    buf_free(&section);
    for (const struct trunk_family *const *f = zoo_families(); *f; f++) {
        char summary[200];
        snprintf(summary, sizeof summary, "%s (%s)", (*f)->summary, (*f)->paper);
        append_section(&section, "trunk", (*f)->name, summary, (*f)->options);
        call(&section);
        buf_free(&section);
    }
    for (const struct head_kind *const *h = zoo_heads(); *h; h++) {
        append_section(&section, "head", (*h)->name, (*h)->summary, (*h)->options);
        call(&section);
        buf_free(&section);
    }
}

static char *page;
static int sections;

static void find_section(struct buf *section) {
    buf_append(section, "", 1);
    if (!strstr(page, (const char *)section->data))
        fail_msg("docs/networks.md lacks, or has otherwise (write it with test_networks_doc --print):\n%s",
                 (const char *)section->data);
    sections++;
}

static int count_of(const char *text, const char *part) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        count++;
    return count;
}

static void the_page_has_what_the_tables_have(void **state) {
    (void)state;
    char path[4096];
    const char *root = getenv("TENGEN_SOURCE");
    snprintf(path, sizeof path, "%s/docs/networks.md", root ? root : ".");
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s cannot be read", path);
    page = calloc(1, 1 << 20);
    assert_in_range(fread(page, 1, (1 << 20) - 1, file), 1000, (1 << 20) - 2);
    fclose(file);
    each_section(find_section);
    assert_int_equal(count_of(page, "\n### "), sections);
    free(page);
}

static void print_section(struct buf *section) {
    fwrite(section->data, 1, section->size, stdout);
    putchar('\n');
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_what_the_tables_have),
    };
    if (argc > 1 && !strcmp(argv[1], "--print")) {
        each_section(print_section);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
