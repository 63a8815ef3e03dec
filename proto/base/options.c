/* options.c - checking values against an option table, and the table as JSON. The command line is in flags.c.
 *
 * Checking makes a new object and never changes what was given: every option of the table is in it, in the
 * table's order, with the type that the table says. So whoever reads it afterwards (option_int, ...) asserts
 * and has no fallbacks, and a job's stored config says everything about it for ever, even when a default
 * changes.
 *
 * Types are brought to one form: 1e3 is a whole number when the option is one, 0 is a real when the option is
 * one. The same config then has the same text, whoever wrote it.
 *
 * Unknown names are refused before anything else is looked at: a misspelt option would otherwise be taken for
 * its default. nearest_name gives the hint; a name much further away than a third of its length is none.
 *
 * Defaults are not range-checked. Some stand outside on purpose ("0: none" where given values begin at 1).
 */
#include "proto/base/options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/options_internal.h"

static int check_object(const struct option_spec *table, const json_t *given, json_t **out,
                        struct problem *problem);

const struct option_spec *option_find(const struct option_spec *table, const char *name) {
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

/* Optimal string alignment distance (Damerau-Levenshtein without re-editing), names of at most 63 bytes. */
static size_t edit_distance(const char *a, const char *b) {
    enum { LONGEST = 64 };
    size_t la = strlen(a), lb = strlen(b), rows[3][LONGEST];
    if (la >= LONGEST || lb >= LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[la % 3][lb];
}

const char *nearest_name(const char *name, const char *const *names) {
    const char *nearest = NULL;
    size_t least = strlen(name) / 3 + 2; /* further than this is no hint */
    for (; *names; names++) {
        size_t distance = edit_distance(name, *names);
        if (distance < least) {
            least = distance;
            nearest = *names;
        }
    }
    return nearest;
}

const char *option_nearest(const struct option_spec *table, const char *name) {
    enum { MOST = 128 };
    const char *names[MOST + 1];
    size_t count = 0;
    for (; table->name && count < MOST; table++)
        names[count++] = table->name;
    names[count] = NULL;
    return nearest_name(name, names);
}

/* "a, b, c", or as many as there is room for. */
static void list_names(const struct option_spec *table, char *out, size_t size) {
    static const char rest[] = ", ...";
    size_t used = 0;
    out[0] = 0;
    for (const struct option_spec *spec = table; spec->name; spec++) {
        if (used + 2 + strlen(spec->name) + sizeof rest > size) {
            snprintf(out + used, size - used, "%s", rest);
            return;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", spec->name);
    }
}

static int option_unknown(const struct option_spec *table, const char *name, struct problem *problem) {
    const char *nearest = option_nearest(table, name);
    if (nearest)
        return problem_set(problem, TG_EUNKNOWN_OPTION, name, "there is no such option; did you mean %s?",
                           nearest);
    char names[PROBLEM_DETAIL_MAX - 64];
    list_names(table, names, sizeof names);
    return problem_set(problem, TG_EUNKNOWN_OPTION, name, "there is no such option; there are %s",
                       names[0] ? names : "none");
}

static const char *json_type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

static int wrong_type(const struct option_spec *spec, const char *wanted, const json_t *value,
                      struct problem *problem) {
    return problem_set(problem, TG_EWRONG_TYPE, spec->name, "must be %s, is %s", wanted,
                       json_type_name(value));
}

/* Says the number as it was given: a double would bend what is beyond OPTION_INT_MAX. */
static int int_out_of_range(const struct option_spec *spec, const json_t *value, struct problem *problem) {
    char given[32];
    if (json_is_integer(value))
        snprintf(given, sizeof given, "%lld", (long long)json_integer_value(value));
    else
        snprintf(given, sizeof given, "%.17g", json_number_value(value));
    return problem_set(problem, TG_EOUT_OF_RANGE, spec->name, "must be %.0f to %.0f, is %s", spec->min,
                       spec->max, given);
}

/* A real with a whole value is taken as an integer: JavaScript and people write 1e3. */
static int check_int(const struct option_spec *spec, const json_t *value, json_t **out,
                     struct problem *problem) {
    if (!json_is_number(value))
        return wrong_type(spec, "a whole number", value, problem);
    double number = json_number_value(value);
    if (number != floor(number))
        return problem_set(problem, TG_EWRONG_TYPE, spec->name, "must be a whole number, is %.17g", number);
    if (number < spec->min || number > spec->max || fabs(number) > OPTION_INT_MAX)
        return int_out_of_range(spec, value, problem);
    *out = json_integer(json_is_integer(value) ? json_integer_value(value) : (json_int_t)number);
    return *out ? TG_OK : TG_ENO_MEMORY;
}

static int check_number(const struct option_spec *spec, const json_t *value, json_t **out,
                        struct problem *problem) {
    if (!json_is_number(value))
        return wrong_type(spec, "a number", value, problem);
    double number = json_number_value(value);
    if (!isfinite(number) || number < spec->min || number > spec->max)
        return problem_set(problem, TG_EOUT_OF_RANGE, spec->name, "must be %.15g to %.15g, is %.15g",
                           spec->min, spec->max, number);
    *out = json_real(number);
    return *out ? TG_OK : TG_ENO_MEMORY;
}

static bool has_control_character(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return true;
    return false;
}

static int check_string(const struct option_spec *spec, const json_t *value, json_t **out,
                        struct problem *problem) {
    if (!json_is_string(value))
        return wrong_type(spec, "a string", value, problem);
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    if (has_control_character(text, size))
        return problem_set(problem, TG_EOUT_OF_RANGE, spec->name, "must not have control characters");
    if ((double)size < spec->min || (double)size > spec->max)
        return problem_set(problem, TG_EOUT_OF_RANGE, spec->name, "must have %.0f to %.0f bytes, has %zu",
                           spec->min, spec->max, size);
    *out = json_stringn(text, size);
    return *out ? TG_OK : TG_ENO_MEMORY;
}

/* "chinese, tromp-taylor" */
static void list_choices(const char *const *choices, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; choices[i] && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", choices[i]);
}

static int check_choice(const struct option_spec *spec, const json_t *value, json_t **out,
                        struct problem *problem) {
    if (!json_is_string(value))
        return wrong_type(spec, "a string", value, problem);
    for (const char *const *choice = spec->choices; *choice; choice++)
        if (strcmp(*choice, json_string_value(value)) == 0) {
            *out = json_string(*choice);
            return *out ? TG_OK : TG_ENO_MEMORY;
        }
    char known[256];
    list_choices(spec->choices, known, sizeof known);
    return problem_set(problem, TG_EOUT_OF_RANGE, spec->name, "must be one of %s; is \"%.40s\"", known,
                       json_string_value(value));
}

/* min and max are of the number of members. */
static int check_list(const struct option_spec *spec, const json_t *value, json_t **out,
                      struct problem *problem) {
    if (!json_is_array(value))
        return wrong_type(spec, "an array of strings", value, problem);
    size_t count = json_array_size(value);
    if ((double)count < spec->min || (double)count > spec->max)
        return problem_set(problem, TG_EOUT_OF_RANGE, spec->name, "must have %.0f to %.0f members, has %zu",
                           spec->min, spec->max, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *member = json_array_get(value, i);
        if (!json_is_string(member))
            return wrong_type(spec, "an array of strings", member, problem);
        if (has_control_character(json_string_value(member), json_string_length(member)))
            return problem_set(problem, TG_EOUT_OF_RANGE, spec->name, "must not have control characters");
    }
    *out = json_deep_copy(value);
    return *out ? TG_OK : TG_ENO_MEMORY;
}

static int check_value(const struct option_spec *spec, const json_t *value, json_t **out,
                       struct problem *problem) {
    switch (spec->type) {
    case OPTION_INT:
        return check_int(spec, value, out, problem);
    case OPTION_NUMBER:
        return check_number(spec, value, out, problem);
    case OPTION_BOOL:
        if (!json_is_boolean(value))
            return wrong_type(spec, "true or false", value, problem);
        *out = json_boolean(json_is_true(value));
        return TG_OK;
    case OPTION_STRING:
        return check_string(spec, value, out, problem);
    case OPTION_CHOICE:
        return check_choice(spec, value, out, problem);
    case OPTION_LIST:
        return check_list(spec, value, out, problem);
    case OPTION_OBJECT:
        break;
    }
    if (!json_is_object(value))
        return wrong_type(spec, "an object", value, problem);
    int error = check_object(spec->fields, value, out, problem);
    if (error)
        problem_prefix(problem, spec->name);
    return error;
}

json_t *option_initial(const struct option_spec *spec) {
    return spec->initial ? json_loads(spec->initial, JSON_DECODE_ANY, NULL) : NULL;
}

/* The default of an option. For an object without one: the defaults of its fields, which may be missing. A
 * default of an object may leave fields out; they get their own defaults. */
static int check_default(const struct option_spec *spec, json_t **out, struct problem *problem) {
    if (!spec->initial && spec->type != OPTION_OBJECT)
        return problem_set(problem, TG_EMISSING_FIELD, spec->name, "is required%s%s", spec->help ? ": " : "",
                           spec->help ? spec->help : "");
    json_t *initial = spec->initial ? option_initial(spec) : json_object();
    if (!initial)
        return problem_set(problem, TG_ENO_MEMORY, spec->name, "out of memory");
    int error = TG_OK;
    if (spec->type == OPTION_OBJECT)
        error = check_value(spec, initial, out, problem);
    else if (spec->type == OPTION_NUMBER)
        *out = json_real(json_number_value(initial)); /* "0" in the table is 0.0, as a given 0 would be */
    else
        *out = json_incref(initial); /* as the table has it: 0 may stand for "none" below the least value */
    json_decref(initial);
    return error;
}

/* Objects within objects are bounded by the table, not by what is given: there is no depth to check. */
static int check_object(const struct option_spec *table, const json_t *given, json_t **out,
                        struct problem *problem) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)given, name, value) {
        if (!option_find(table, name))
            return option_unknown(table, name, problem);
    }
    json_t *made = json_object();
    if (!made)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    for (const struct option_spec *spec = table; spec->name; spec++) {
        const json_t *member = json_object_get(given, spec->name);
        json_t *checked = NULL;
        int error =
            member ? check_value(spec, member, &checked, problem) : check_default(spec, &checked, problem);
        if (!error && json_object_set_new(made, spec->name, checked))
            error = TG_ENO_MEMORY;
        if (error) {
            if (error == TG_ENO_MEMORY)
                problem_set(problem, TG_ENO_MEMORY, spec->name, "out of memory");
            json_decref(made);
            return error;
        }
    }
    *out = made;
    return TG_OK;
}

int options_check(const struct option_spec *table, const json_t *given, json_t **out,
                  struct problem *problem) {
    *out = NULL;
    if (given && !json_is_object(given))
        return problem_set(problem, TG_EWRONG_TYPE, NULL, "must be an object, is %s", json_type_name(given));
    return check_object(table, given, out, problem);
}

static const char *const type_names[] = {
    [OPTION_INT] = "int",       [OPTION_NUMBER] = "number", [OPTION_BOOL] = "bool",
    [OPTION_STRING] = "string", [OPTION_CHOICE] = "choice", [OPTION_OBJECT] = "object",
    [OPTION_LIST] = "list",
};

static json_t *describe_choices(const char *const *choices) {
    json_t *list = json_array();
    for (; *choices; choices++)
        json_array_append_new(list, json_string(*choices));
    return list;
}

/* A number of the table as JSON: whole for OPTION_INT and lengths, so that a form shows 1000 and not 1000.0.
 */
static json_t *describe_bound(const struct option_spec *spec, double bound) {
    return spec->type == OPTION_NUMBER ? json_real(bound) : json_integer((json_int_t)bound);
}

static json_t *describe_when(const struct option_when *when) {
    return json_pack("{s:s, s:o, s:s*}", "option", when->option, "choices", describe_choices(when->choices),
                     "or_given", when->or_given);
}

static json_t *describe_option(const struct option_spec *spec) {
    json_t *row = json_object();
    json_object_set_new(row, "name", json_string(spec->name));
    json_object_set_new(row, "type", json_string(type_names[spec->type]));
    json_object_set_new(row, "required", json_boolean(!spec->initial && spec->type != OPTION_OBJECT));
    if (spec->initial)
        json_object_set_new(row, "default", option_initial(spec));
    if (spec->type != OPTION_BOOL && spec->type != OPTION_CHOICE && spec->type != OPTION_OBJECT) {
        json_object_set_new(row, "min", describe_bound(spec, spec->min));
        json_object_set_new(row, "max", describe_bound(spec, spec->max));
    }
    if (spec->unit)
        json_object_set_new(row, "unit", json_string(spec->unit));
    if (spec->choices)
        json_object_set_new(row, "choices", describe_choices(spec->choices));
    if (spec->fields)
        json_object_set_new(row, "fields", options_describe(spec->fields));
    if (spec->help)
        json_object_set_new(row, "help", json_string(spec->help));
    if (spec->when)
        json_object_set_new(row, "when", describe_when(spec->when));
    return row;
}

json_t *options_describe(const struct option_spec *table) {
    json_t *list = json_array();
    for (; table->name; table++)
        json_array_append_new(list, describe_option(table));
    return list;
}

/* The text at a dotted path. */
static const char *text_at(const json_t *checked, const char *path) {
    const char *dot = strchr(path, '.');
    char object[64];
    if (!dot)
        return option_string(checked, path);
    snprintf(object, sizeof object, "%.*s", (int)(dot - path), path);
    return text_at(option_object(checked, object), dot + 1);
}

bool option_applies(const struct option_spec *spec, const json_t *checked) {
    const struct option_when *when = spec->when;
    if (!when || (when->or_given && *option_string(checked, when->or_given)))
        return true;
    const char *chosen = text_at(checked, when->option);
    const char *const *choice = when->choices;
    while (*choice && strcmp(*choice, chosen) != 0)
        choice++;
    return *choice != NULL;
}

void option_meaning(const struct option_spec *spec, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "%s", spec->help ? spec->help : "");
    if (!spec->when)
        return;
    for (int i = 0; spec->when->choices[i] && used < size; i++) {
        const char *join = i == 0 ? "; for " : spec->when->choices[i + 1] ? ", " : " and ";
        used += (size_t)snprintf(out + used, size - used, "%s%s%s%s", join, i ? "" : spec->when->option,
                                 i ? "" : " ", spec->when->choices[i]);
    }
    if (spec->when->or_given && used < size)
        snprintf(out + used, size - used, " or with %s", spec->when->or_given);
}

void option_flag(const char *name, char *out, size_t size) {
    snprintf(out, size, "--%s", name);
    for (char *c = out; *c; c++)
        if (*c == '_')
            *c = '-';
}

void options_name_flag(const struct option_spec *table, struct problem *problem) {
    const struct option_spec *spec = option_find(table, problem->field);
    if (spec)
        option_flag(spec->name, problem->field, sizeof problem->field);
}

int64_t option_int(const json_t *checked, const char *name) {
    const json_t *value = json_object_get(checked, name);
    TG_ASSERT(json_is_integer(value));
    return json_integer_value(value);
}

double option_number(const json_t *checked, const char *name) {
    const json_t *value = json_object_get(checked, name);
    TG_ASSERT(json_is_number(value));
    return json_number_value(value);
}

bool option_bool(const json_t *checked, const char *name) {
    const json_t *value = json_object_get(checked, name);
    TG_ASSERT(json_is_boolean(value));
    return json_is_true(value);
}

const char *option_string(const json_t *checked, const char *name) {
    const json_t *value = json_object_get(checked, name);
    TG_ASSERT(json_is_string(value));
    return json_string_value(value);
}

const json_t *option_object(const json_t *checked, const char *name) {
    const json_t *value = json_object_get(checked, name);
    TG_ASSERT(json_is_object(value));
    return value;
}
