/* flags.c - an option table as a command line: --games 10, --a.playouts=100, --detach, --no-tls; and its
 * --help.
 *
 * Words become the JSON object that a person would have written, nothing more; options_check then judges it
 * as it judges any other. So flags and files cannot differ in what they accept. What is decided here is only
 * what text alone cannot say: that "10" is a number where the option is one, which word is a flag's value,
 * what is given twice.
 *
 * A problem of options_check names its option by path (a.max_moves); on the way out that becomes the flag as
 * it is typed (--a.max-moves), because that is what the person has before them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/options_internal.h"

enum { FLAG_MAX = 64 };

/* One flag being read: which option it names and the object (of nested ones) that its value goes into. */
struct flag {
    const struct option_spec *spec;
    json_t *object;
    bool negated;
};

/* "--max-moves=3" -> name "max_moves", returns the text after '=' or NULL. */
static const char *split_flag(const char *word, char name[FLAG_MAX]) {
    const char *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    if (size >= FLAG_MAX)
        size = FLAG_MAX - 1;
    for (size_t i = 0; i < size; i++)
        name[i] = word[i] == '-' ? '_' : word[i];
    name[size] = 0;
    return equals ? equals + 1 : NULL;
}

/* `typed` is the flag up to what is not known of it: "a." of "--a.max-mvoes". */
static int unknown_flag(const struct option_spec *table, const char *typed, size_t known, const char *name,
                        struct problem *problem) {
    const char *nearest = option_nearest(table, name);
    char path[2 * FLAG_MAX], flag[2 * FLAG_MAX + 2];
    if (!nearest)
        return problem_set(problem, TG_EUNKNOWN_OPTION, name, "there is no such flag");
    snprintf(path, sizeof path, "%.*s%s", (int)known, typed, nearest);
    option_flag(path, flag, sizeof flag);
    return problem_set(problem, TG_EUNKNOWN_OPTION, name, "there is no such flag; did you mean %s?", flag);
}

/* The option that the last part of a flag names, with or without no_ before it. */
static void find_last(const struct option_spec *table, const char *name, struct flag *flag) {
    flag->spec = option_find(table, name);
    flag->negated = false;
    if (!flag->spec && strncmp(name, "no_", 3) == 0) {
        flag->spec = option_find(table, name + 3);
        flag->negated = true;
        if (flag->spec && flag->spec->type != OPTION_BOOL)
            flag->spec = NULL;
    }
}

/* Follows the dots of "a.playouts" into the tables and makes the objects on the way. */
static int find_flag(const struct option_spec *table, const char *name, json_t *root, struct flag *flag,
                     struct problem *problem) {
    const char *part = name;
    flag->object = root;
    for (const char *dot; (dot = strchr(part, '.')); part = dot + 1) {
        char parent[FLAG_MAX];
        snprintf(parent, sizeof parent, "%.*s", (int)(dot - part), part);
        const struct option_spec *spec = option_find(table, parent);
        if (!spec || spec->type != OPTION_OBJECT)
            return unknown_flag(table, name, (size_t)(part - name), parent, problem);
        json_t *object = json_object_get(flag->object, parent);
        if (!object) {
            object = json_object();
            if (json_object_set_new(flag->object, parent, object))
                return problem_set(problem, TG_ENO_MEMORY, name, "out of memory");
        }
        flag->object = object;
        table = spec->fields;
    }
    find_last(table, part, flag);
    return flag->spec ? TG_OK : unknown_flag(table, name, (size_t)(part - name), part, problem);
}

static int number_value(const struct option_spec *spec, const char *text, json_t **value,
                        struct problem *problem) {
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end || strspn(text, "+-.0123456789eE") != strlen(text))
        return problem_set(problem, TG_EWRONG_TYPE, spec->name, "must be a number, is \"%.40s\"", text);
    /* As a whole number where it is one: a double would round what is beyond 2^53 before it could be refused. */
    errno = 0;
    long long whole = strtoll(text, &end, 10);
    bool fits = !*end && spec->type == OPTION_INT && errno == 0;
    *value = fits ? json_integer(whole) : json_real(number);
    if (!*value)
        return problem_set(problem, TG_EOUT_OF_RANGE, spec->name, "must be a finite number, is \"%.40s\"",
                           text);
    return TG_OK;
}

static int bool_value(const struct option_spec *spec, const char *text, json_t **value,
                      struct problem *problem) {
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0;
    bool no = strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "0") == 0;
    if (!yes && !no)
        return problem_set(problem, TG_EWRONG_TYPE, spec->name, "must be true or false, is \"%.40s\"", text);
    *value = json_boolean(yes);
    return TG_OK;
}

static int text_value(const struct option_spec *spec, const char *text, json_t **value,
                      struct problem *problem) {
    *value = json_string(text); /* NULL when it is not UTF-8 */
    if (!*value)
        return problem_set(problem, TG_EBAD_UTF8, spec->name, "must be valid UTF-8");
    return TG_OK;
}

static int object_value(const struct option_spec *spec, const char *text, json_t **value,
                        struct problem *problem) {
    *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(*value)) {
        json_decref(*value);
        *value = NULL;
        return problem_set(problem, TG_EWRONG_TYPE, spec->name,
                           "must be a JSON object; or give its members: --%s.NAME", spec->name);
    }
    return TG_OK;
}

static int flag_value(const struct option_spec *spec, const char *text, json_t **value,
                      struct problem *problem) {
    switch (spec->type) {
    case OPTION_INT:
    case OPTION_NUMBER:
        return number_value(spec, text, value, problem);
    case OPTION_BOOL:
        return bool_value(spec, text, value, problem);
    case OPTION_OBJECT:
        return object_value(spec, text, value, problem);
    default:
        return text_value(spec, text, value, problem);
    }
}

/* A list takes one more member each time; everything else is given once. */
static int store_flag(const struct flag *flag, json_t *value, struct problem *problem) {
    const char *name = flag->spec->name;
    json_t *present = json_object_get(flag->object, name);
    int failed;
    if (flag->spec->type == OPTION_LIST) {
        if (!present) {
            present = json_array();
            json_object_set_new(flag->object, name, present);
        }
        failed = json_array_append_new(present, value);
    } else if (present) {
        json_decref(value);
        return problem_set(problem, TG_EINVALID, name, "is given twice");
    } else {
        failed = json_object_set_new(flag->object, name, value);
    }
    return failed ? problem_set(problem, TG_ENO_MEMORY, name, "out of memory") : TG_OK;
}

/* Reads the value of a flag, which is `text` after its '=' or the next word, and stores it. */
static int read_value(const struct flag *flag, const char *text, int argc, char **argv, int *at,
                      struct problem *problem) {
    const struct option_spec *spec = flag->spec;
    json_t *value = NULL;
    TG_ASSERT(spec != NULL);
    if (spec->type == OPTION_BOOL && !text)
        return store_flag(flag, json_boolean(!flag->negated), problem);
    if (flag->negated || spec->flag_only)
        return problem_set(problem, TG_EINVALID, spec->name, "takes no value");
    if (!text && *at + 1 >= argc)
        return problem_set(problem, TG_EMISSING_FIELD, spec->name, "needs a value");
    int error = flag_value(spec, text ? text : argv[++*at], &value, problem);
    return error ? error : store_flag(flag, value, problem);
}

/* Reads the flag at argv[*at]; moves *at past its value. */
static int read_flag(const struct option_spec *table, int argc, char **argv, int *at, json_t *root,
                     struct problem *problem) {
    char name[FLAG_MAX];
    const char *typed = argv[*at], *text = split_flag(typed + 2, name);
    struct flag flag = {0};
    int error = find_flag(table, name, root, &flag, problem);
    error = error ? error : read_value(&flag, text, argc, argv, at, problem);
    if (error)
        snprintf(problem->field, sizeof problem->field, "%.*s", (int)strcspn(typed, "="), typed);
    return error;
}

static int read_words(const struct option_spec *table, int argc, char **argv, json_t *root, json_t *words,
                      struct problem *problem) {
    bool flags = true;
    for (int i = 1; i < argc; i++) {
        int error = TG_OK;
        if (flags && strcmp(argv[i], "--") == 0)
            flags = false;
        else if (flags && strncmp(argv[i], "--", 2) == 0)
            error = read_flag(table, argc, argv, &i, root, problem);
        else if (flags && argv[i][0] == '-' && argv[i][1])
            error = problem_set(problem, TG_EUNKNOWN_OPTION, argv[i], "flags start with two dashes");
        else if (!words)
            error = problem_set(problem, TG_EINVALID, NULL, "\"%.60s\" is not expected here", argv[i]);
        else if (json_array_append_new(words, json_string(argv[i])))
            error = problem_set(problem, TG_EBAD_UTF8, NULL, "word %d must be valid UTF-8", i);
        if (error)
            return error;
    }
    return TG_OK;
}

int options_parse_argv(const struct option_spec *table, int argc, char **argv, json_t **out, json_t **words,
                       struct problem *problem) {
    *out = NULL;
    if (words)
        *words = NULL;
    json_t *given = json_object(), *found = words ? json_array() : NULL;
    int error = read_words(table, argc, argv, given, found, problem);
    if (!error && (error = options_check(table, given, out, problem)) && problem->field[0]) {
        char field[PROBLEM_FIELD_MAX];
        snprintf(field, sizeof field, "%s", problem->field);
        option_flag(field, problem->field, sizeof problem->field);
    }
    json_decref(given);
    if (error)
        json_decref(found);
    else if (words)
        *words = found;
    return error;
}

/* "--max-moves N" */
static void help_flag(const struct option_spec *spec, const char *prefix, char *text, size_t size) {
    static const char *const values[] = {
        [OPTION_INT] = "N",       [OPTION_NUMBER] = "X",    [OPTION_BOOL] = NULL,   [OPTION_STRING] = "TEXT",
        [OPTION_CHOICE] = "NAME", [OPTION_OBJECT] = "JSON", [OPTION_LIST] = "TEXT",
    };
    const char *value = spec->value ? spec->value : values[spec->type];
    char path[128];
    snprintf(path, sizeof path, "%s%s", prefix, spec->name);
    option_flag(path, text, size);
    size_t used = strlen(text);
    if (value && !spec->flag_only)
        snprintf(text + used, size - used, " %s", value);
}

/* "1 to 100", "a, b" or "" */
static void help_range(const struct option_spec *spec, char *text, size_t size) {
    text[0] = 0;
    if (spec->type == OPTION_INT || spec->type == OPTION_NUMBER)
        snprintf(text, size, "%.16g to %.16g%s%s", spec->min, spec->max, spec->unit ? " " : "",
                 spec->unit ? spec->unit : "");
    size_t used = 0;
    if (spec->type == OPTION_CHOICE)
        for (int i = 0; spec->choices[i] && used < size; i++)
            used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", spec->choices[i]);
}

static bool is_quiet_default(const struct option_spec *spec) {
    return strcmp(spec->initial, "\"\"") == 0 || strcmp(spec->initial, "[]") == 0 ||
           spec->type == OPTION_BOOL;
}

static int help_option(const struct option_spec *spec, const char *prefix, struct buf *out) {
    enum { COLUMN = 26 };
    char flag[128], range[256], initial[256] = "", meaning[512];
    option_meaning(spec, meaning, sizeof meaning);
    help_flag(spec, prefix, flag, sizeof flag);
    help_range(spec, range, sizeof range);
    if (!spec->initial)
        snprintf(initial, sizeof initial, "%s", spec->type == OPTION_OBJECT ? "" : "required");
    else if (!is_quiet_default(spec))
        snprintf(initial, sizeof initial, "default %s", spec->initial);
    const char *gap = strlen(flag) < COLUMN ? "" : "\n                              ";
    const char *join = range[0] && initial[0] ? "; " : "";
    bool facts = range[0] || initial[0];
    return buf_printf(out, "  %-*s  %s%s%s%s%s%s%s\n", COLUMN, flag, gap, meaning, facts ? " (" : "", range,
                      join, initial, facts ? ")" : "");
}

static int help_table(const struct option_spec *table, const char *prefix, struct buf *out) {
    int error = TG_OK;
    for (; table->name && !error; table++) {
        error = help_option(table, prefix, out);
        if (!error && table->type == OPTION_OBJECT) {
            char longer[128];
            snprintf(longer, sizeof longer, "%s%s.", prefix, table->name);
            error = help_table(table->fields, longer, out);
        }
    }
    return error;
}

int options_help(const struct option_spec *table, struct buf *out) {
    return help_table(table, "", out);
}
