/* json.c - see json.h. jansson, made strict, and typed reads that fail with a sentence.
 *
 * The depth is counted over the text before the parser sees it, because the parser recurses: a megabyte of
 * "[" would cost its stack. Duplicate keys are refused: two readers could take different ones, and what was
 * checked would not be what is used.
 *
 * Reads name the field and the remedy and nothing about where it stood; whoever descends adds that on the way
 * back (problem_prefix), so that "board" becomes "jobs.3.config.board".
 */
#include "proto/wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/options.h"

/* Depth is counted over the raw text, before the parser recurses: brackets outside strings. */
static int check_depth(const char *text, size_t size, struct problem *problem) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_DEPTH_MAX)
                return problem_set(problem, TG_ETOO_DEEP, NULL, "nested deeper than %d levels (at byte %zu)",
                                   JSON_DEPTH_MAX, i);
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return TG_OK;
}

struct fault {
    enum json_error_code code;
    int error;
    const char *text; /* instead of the parser's own words; NULL: those */
};

static int parse_error(const json_error_t *found, struct problem *problem) {
    static const struct fault faults[] = {
        {json_error_duplicate_key, TG_EDUPLICATE_KEY, NULL},
        {json_error_invalid_utf8, TG_EBAD_UTF8, NULL},
        {json_error_stack_overflow, TG_ETOO_DEEP, NULL},
        {json_error_out_of_memory, TG_ENO_MEMORY, NULL},
        {json_error_null_character, TG_EBAD_JSON, "\\u0000 may not stand in a string"},
        {json_error_null_byte_in_key, TG_EBAD_JSON, "\\u0000 may not stand in a key"},
        {json_error_premature_end_of_input, TG_EBAD_JSON, "the text ends too early"},
    };
    struct fault fault = {.error = TG_EBAD_JSON};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (faults[i].code == json_error_code(found))
            fault = faults[i];
    return problem_set(problem, fault.error, NULL, "line %d, column %d: %.300s", found->line, found->column,
                       fault.text ? fault.text : found->text);
}

json_t *json_parse(const void *text, size_t size, struct problem *problem) {
    if (check_depth(text, size, problem))
        return NULL;
    json_error_t error;
    json_t *value = json_loadb(size ? text : "", size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value)
        parse_error(&error, problem);
    return value;
}

json_t *json_parse_object(const void *text, size_t size, struct problem *problem) {
    json_t *value = json_parse(text, size, problem);
    if (value && !json_is_object(value)) {
        problem_set(problem, TG_EWRONG_TYPE, NULL, "must be a JSON object");
        json_decref(value);
        value = NULL;
    }
    return value;
}

/* Reads on until the end or an error; a file that grows beyond its limit while being read is refused too. */
static int read_all(int fd, struct buf *out) {
    for (;;) {
        char piece[1 << 14];
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return TG_EIO;
        if (got == 0)
            return TG_OK;
        int error = buf_append(out, piece, (size_t)got);
        if (error)
            return error;
    }
}

json_t *json_read_file(const char *path, size_t limit, struct problem *problem) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        problem_set(problem, errno == ENOENT ? TG_ENOT_FOUND : TG_EIO, path, "cannot be opened: %s",
                    strerror(errno));
        return NULL;
    }
    struct buf text = {.limit = limit};
    int error = read_all(fd, &text);
    json_t *value = NULL;
    if (error == TG_ETOO_LARGE)
        problem_set(problem, error, path, "must have at most %zu bytes", limit);
    else if (error)
        problem_set(problem, error, path, "cannot be read: %s", strerror(errno));
    else if (!(value = json_parse(text.data, text.size, problem)))
        problem_prefix(problem, path);
    close(fd);
    buf_free(&text);
    return value;
}

static int missing(const char *name, struct problem *problem) {
    return problem_set(problem, TG_EMISSING_FIELD, name, "is required");
}

int json_get_int(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *out,
                 struct problem *problem) {
    const json_t *value = json_object_get(object, name);
    if (!value)
        return missing(name, problem);
    if (!json_is_integer(value))
        return problem_set(problem, TG_EWRONG_TYPE, name, "must be a whole number");
    int64_t number = json_integer_value(value);
    if (number < min || number > max)
        return problem_set(problem, TG_EOUT_OF_RANGE, name, "must be %lld to %lld, is %lld", (long long)min,
                           (long long)max, (long long)number);
    *out = number;
    return TG_OK;
}

int json_get_int_or(const json_t *object, const char *name, int64_t min, int64_t max, int64_t fallback,
                    int64_t *out, struct problem *problem) {
    if (json_object_get(object, name))
        return json_get_int(object, name, min, max, out, problem);
    *out = fallback;
    return TG_OK;
}

int json_get_string(const json_t *object, const char *name, size_t max_bytes, const char **out,
                    struct problem *problem) {
    const json_t *value = json_object_get(object, name);
    if (!value)
        return missing(name, problem);
    if (!json_is_string(value))
        return problem_set(problem, TG_EWRONG_TYPE, name, "must be a string");
    if (json_string_length(value) > max_bytes)
        return problem_set(problem, TG_EOUT_OF_RANGE, name, "must have at most %zu bytes, has %zu", max_bytes,
                           json_string_length(value));
    *out = json_string_value(value);
    return TG_OK;
}

int json_get_object(const json_t *object, const char *name, const json_t **out, struct problem *problem) {
    const json_t *value = json_object_get(object, name);
    if (!value)
        return missing(name, problem);
    if (!json_is_object(value))
        return problem_set(problem, TG_EWRONG_TYPE, name, "must be an object");
    *out = value;
    return TG_OK;
}

static bool is_listed(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

int json_only(const json_t *object, const char *const *names, struct problem *problem) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        if (is_listed(name, names))
            continue;
        const char *nearest = nearest_name(name, names);
        if (nearest)
            return problem_set(problem, TG_EUNKNOWN_OPTION, name, "there is no such field; did you mean %s?",
                               nearest);
        return problem_set(problem, TG_EUNKNOWN_OPTION, name, "there is no such field");
    }
    return TG_OK;
}
