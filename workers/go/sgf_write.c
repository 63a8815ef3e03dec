/* sgf_write.c - the writing half of sgf.h. */
#include <string.h>
#include "workers/go/sgf.h"

int sgf_write_value(struct buf *out, const char *text, size_t length) {
    int error = buf_append(out, "[", 1);
    for (size_t i = 0; i < length && error == 0; i++) {
        if (text[i] == ']' || text[i] == '\\')
            error = buf_append(out, "\\", 1);
        if (error == 0)
            error = buf_append(out, text + i, 1);
    }
    return error ? error : buf_append(out, "]", 1);
}

int sgf_write_property(struct buf *out, const char *name, const char *text) {
    int error = buf_append_text(out, name);
    return error ? error : sgf_write_value(out, text, strlen(text));
}

static int write_property(struct buf *out, const struct sgf_record *record,
                          const struct sgf_property *property) {
    int error = buf_append_text(out, property->name);
    if (strcmp(property->name, "CA") == 0 && record->utf8)
        return error ? error : buf_append_text(out, "[UTF-8]");
    for (uint32_t i = 0; i < property->value_count && error == 0; i++) {
        size_t length;
        const char *text = sgf_value_text(record, property->first_value + i, &length);
        error = sgf_write_value(out, text, length);
    }
    return error;
}

int sgf_write_record(struct buf *out, const struct sgf_record *record) {
    bool name_charset = record->utf8 && !sgf_find(record, 0, "CA");
    int error = buf_append_text(out, "(");
    for (uint32_t node = 0; node < record->node_count && error == 0; node++) {
        uint32_t first, end;
        error = buf_append_text(out, node == 0 && name_charset ? ";CA[UTF-8]" : ";");
        sgf_node(record, node, &first, &end);
        for (; first < end && error == 0; first++)
            error = write_property(out, record, &record->properties[first]);
    }
    return error ? error : buf_append_text(out, ")\n");
}
