/* sgf_record.c - a game that was read, and what can be asked of it. Properties lie in the order of their nodes. */
#include <stdlib.h>
#include <string.h>
#include "workers/go/sgf.h"

void sgf_record_free(struct sgf_record *record) {
    free(record->properties);
    free(record->values);
    buf_free(&record->text);
    memset(record, 0, sizeof *record);
}

void sgf_node(const struct sgf_record *record, uint32_t node, uint32_t *first, uint32_t *end) {
    uint32_t low = 0, high = record->property_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (record->properties[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (low < record->property_count && record->properties[low].node == node)
        low++;
    *end = low;
}

const struct sgf_property *sgf_find(const struct sgf_record *record, uint32_t node, const char *name) {
    uint32_t first, end;
    sgf_node(record, node, &first, &end);
    for (; first < end; first++)
        if (strcmp(record->properties[first].name, name) == 0)
            return &record->properties[first];
    return NULL;
}

const char *sgf_value_text(const struct sgf_record *record, uint32_t value, size_t *length) {
    const struct sgf_value *at = &record->values[value];
    if (length)
        *length = at->length;
    return (const char *)record->text.data + at->at;
}

const char *sgf_root_text(const struct sgf_record *record, const char *name) {
    const struct sgf_property *property = sgf_find(record, 0, name);
    return property ? sgf_value_text(record, property->first_value, NULL) : NULL;
}
