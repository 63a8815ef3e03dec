/* json_write.c - JSON values as text: the one place where Tengen prints a real number.
 *
 * jansson prints all reals of a document with one number of digits: 17 keep every bit but turn 0.1 into
 * 0.10000000000000001, 15 keep what people wrote but lose bits of what was measured. Here each real gets the
 * fewest digits that read back as the same number. */
#include "proto/wire/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    struct buf *out;
    int indent; /* spaces a level; 0: compact */
};

const char *json_real_text(double value, char out[JSON_REAL_TEXT]) {
    int size = 0;
    TG_ASSERT(isfinite(value));
    for (int digits = 15; digits <= 17; digits++) {
        size = snprintf(out, JSON_REAL_TEXT - 2, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    if (!strpbrk(out, ".e"))
        memcpy(out + size, ".0", 3); /* stays a real when it is read again */
    return out;
}

/* What may stand in a string as it is, from `text` on. */
static size_t plain_size(const char *text, size_t size) {
    size_t plain = 0;
    while (plain < size && (unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\')
        plain++;
    return plain;
}

static int write_escape(struct buf *out, char c) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *known = memchr(from, c, sizeof from - 1);
    if (known)
        return buf_append(out, (char[]){'\\', to[known - from]}, 2);
    return buf_printf(out, "\\u%04X", (unsigned)(unsigned char)c);
}

static int write_string(struct buf *out, const char *text, size_t size) {
    int error = buf_append(out, "\"", 1);
    while (size > 0 && !error) {
        size_t plain = plain_size(text, size);
        error = buf_append(out, text, plain);
        if (!error && plain < size)
            error = write_escape(out, text[plain++]);
        text += plain;
        size -= plain;
    }
    return error ? error : buf_append(out, "\"", 1);
}

static int write_real(struct buf *out, double value) {
    char text[JSON_REAL_TEXT];
    return buf_append_text(out, json_real_text(value, text));
}

/* A new line of this level; nothing in the compact form. */
static int write_break(const struct writer *writer, int level) {
    return writer->indent ? buf_printf(writer->out, "\n%*s", writer->indent * level, "") : TG_OK;
}

static int write_value(const struct writer *writer, const json_t *value, int level);

/* Before a member: the comma after the one before it, and its line. */
static int write_gap(const struct writer *writer, bool first, int level) {
    int error = first ? TG_OK : buf_append(writer->out, ",", 1);
    return error ? error : write_break(writer, level);
}

static int write_array(const struct writer *writer, const json_t *array, int level) {
    size_t count = json_array_size(array);
    int error = buf_append(writer->out, "[", 1);
    for (size_t i = 0; i < count && !error; i++) {
        error = write_gap(writer, i == 0, level + 1);
        error = error ? error : write_value(writer, json_array_get(array, i), level + 1);
    }
    if (!error && count > 0)
        error = write_break(writer, level);
    return error ? error : buf_append(writer->out, "]", 1);
}

static int write_member(const struct writer *writer, const char *name, const json_t *value, int level) {
    int error = write_string(writer->out, name, strlen(name));
    error = error ? error : buf_append_text(writer->out, writer->indent ? ": " : ":");
    return error ? error : write_value(writer, value, level);
}

static int write_object(const struct writer *writer, json_t *object, int level) {
    const char *name;
    json_t *value;
    bool first = true;
    int error = buf_append(writer->out, "{", 1);
    json_object_foreach(object, name, value) {
        error = error ? error : write_gap(writer, first, level + 1);
        error = error ? error : write_member(writer, name, value, level + 1);
        first = false;
    }
    if (!error && !first)
        error = write_break(writer, level);
    return error ? error : buf_append(writer->out, "}", 1);
}

static int write_value(const struct writer *writer, const json_t *value, int level) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return write_object(writer, (json_t *)(uintptr_t)value, level);
    case JSON_ARRAY:
        return write_array(writer, value, level);
    case JSON_STRING:
        return write_string(writer->out, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return buf_printf(writer->out, "%lld", (long long)json_integer_value(value));
    case JSON_REAL:
        return write_real(writer->out, json_real_value(value));
    case JSON_TRUE:
        return buf_append_text(writer->out, "true");
    case JSON_FALSE:
        return buf_append_text(writer->out, "false");
    default:
        return buf_append_text(writer->out, "null");
    }
}

static int append(struct buf *out, const json_t *value, int indent) {
    size_t before = out->size;
    int error = write_value(&(struct writer){out, indent}, value, 0);
    if (error) {
        out->size = before;
        if (out->data)
            out->data[before] = 0;
    }
    return error;
}

int json_append(struct buf *out, const json_t *value) {
    return append(out, value, 0);
}

int json_append_pretty(struct buf *out, const json_t *value) {
    return append(out, value, 2);
}

char *json_text(const json_t *value) {
    struct buf text = BUF_INIT;
    if (!value || json_append(&text, value)) {
        buf_free(&text);
        return NULL;
    }
    return (char *)text.data;
}

int json_print(FILE *file, const json_t *value, bool pretty) {
    struct buf text = BUF_INIT;
    int error = append(&text, value, pretty ? 2 : 0);
    error = error ? error : buf_append(&text, "\n", 1);
    if (!error && fwrite(text.data, 1, text.size, file) != text.size)
        error = TG_EIO;
    buf_free(&text);
    return error;
}
