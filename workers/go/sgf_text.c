/* sgf_text.c - see sgf.h for what is done with which character set. */
#include <string.h>
#include <strings.h>
#include "workers/go/sgf_text.h"

/* The bytes of the sequence at `at`, or 0 when it is not valid: overlong, a surrogate, beyond U+10FFFF, cut
 * off. */
static size_t utf8_sequence(const uint8_t *at, size_t left) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = at[0] < 0x80         ? 1
                    : (at[0] >> 5) == 6  ? 2
                    : (at[0] >> 4) == 14 ? 3
                    : (at[0] >> 3) == 30 ? 4
                                         : 0;
    if (length <= 1 || length > left)
        return length > left ? 0 : length;
    uint32_t code = at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    bool valid = code >= least[length] && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
    return valid ? length : 0;
}

bool utf8_valid(const void *text, size_t length) {
    const uint8_t *at = text;
    while (length > 0) {
        size_t step = utf8_sequence(at, length);
        if (step == 0)
            return false;
        at += step;
        length -= step;
    }
    return true;
}

void utf8_mend(char *text) {
    const size_t length = strlen(text);
    for (size_t i = 0, step; i < length; i += step) {
        step = utf8_sequence((const uint8_t *)text + i, length - i);
        if (step == 0)
            text[i] = '?';
        else if ((unsigned char)text[i] < ' ' || text[i] == 127)
            text[i] = ' ';
        step = step ? step : 1;
    }
}

static bool one_of(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}

static int append_latin1(struct buf *out, const char *text, size_t length) {
    int error = 0;
    for (size_t i = 0; i < length && error == 0; i++) {
        uint8_t c = (uint8_t)text[i], pair[2] = {(uint8_t)(0xc0 | c >> 6), (uint8_t)(0x80 | (c & 0x3f))};
        error = c < 0x80 ? buf_append(out, &c, 1) : buf_append(out, pair, 2);
    }
    return error;
}

static int from_latin1(struct sgf_record *record) {
    struct buf out = BUF_INIT;
    int error = 0;
    out.limit = record->text.limit;
    for (uint32_t i = 0; i < record->value_count && error == 0; i++) {
        struct sgf_value *value = &record->values[i];
        size_t at = out.size;
        error = append_latin1(&out, sgf_value_text(record, i, NULL), value->length);
        *value = (struct sgf_value){(uint32_t)at, (uint32_t)(out.size - at)};
        if (error == 0)
            error = buf_append(&out, "", 1);
    }
    buf_free(&record->text);
    record->text = out;
    return error;
}

int sgf_text_to_utf8(struct sgf_record *record) {
    static const char *const latin1[] = {"ISO-8859-1", "ISO8859-1", "ISO_8859-1", "LATIN1",
                                         "LATIN-1",    "L1",        NULL};
    const char *name = sgf_root_text(record, "CA");
    record->utf8 = record->text.size == 0 || utf8_valid(record->text.data, record->text.size);
    bool convert = name && *name ? one_of(name, latin1) : !record->utf8;
    if (!convert)
        return 0;
    int error = from_latin1(record);
    record->utf8 = error == 0;
    return error;
}
