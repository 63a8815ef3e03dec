/* sgf_read.c - the reader of sgf.h: one pass over the bytes, no recursion.
 *
 * States. depth counts open "(". While `on_main`, properties are stored; the first ")" ends the main line,
 * because the first child of each fork is the one that is met first; from then on the rest of the game is
 * only checked.
 *
 *     find_game --"("--> EXPECT_NODE --";"--> EXPECT_INSIDE --")"--> EXPECT_VARIATION --")", the last--> end
 *                             ^                  |  ^  |                  |
 *                             +------ "(" -------+  +--+ ";", property    |
 *                             +------ "(" --------------------------------+
 *
 * Nesting is a number and not a stack, since all that is asked of it is when it comes back to 0: a file of a
 * million "(" costs nothing but an error.
 *
 * What the format asks of readers, and files of old programs need: text before the first game is skipped, but
 * not between games, where it would hide that a game was cut; lower-case letters in names are dropped (FF[1]
 * to FF[3] wrote "Black[...]"); any of CR, LF, CRLF and LFCR is one line break.
 *
 * Every byte is looked at once, so the time is linear in the file; and memory grows with what has come, never
 * by what a file claims.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "workers/go/sgf.h"
#include "workers/go/sgf_text.h"

/* What may stand next in a game. */
enum expect {
    EXPECT_NODE,     /* after "(": a ";" */
    EXPECT_INSIDE,   /* in a node: property, ";", "(" or ")" */
    EXPECT_VARIATION /* after ")": "(" or ")" */
};

struct parse {
    struct sgf_reader *reader;
    struct sgf_record *record;
    struct problem *problem;
    uint32_t depth;
    bool on_main;
    enum expect expect;
};

void sgf_reader_init(struct sgf_reader *reader, const void *data, size_t size) {
    memset(reader, 0, sizeof *reader);
    reader->data = data;
    reader->size = size;
    reader->line = reader->column = 1;
    if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        reader->at = 3;
}

static int peek(const struct sgf_reader *reader) {
    return reader->at < reader->size ? reader->data[reader->at] : -1;
}

/* Steps over one byte, or over one line break of one or two bytes. Returns it, '\n' for a break, -1 at the
 * end. */
static int next(struct sgf_reader *reader) {
    int c = peek(reader);
    if (c < 0)
        return -1;
    reader->at++;
    if (c != '\n' && c != '\r') {
        reader->column++;
        return c;
    }
    int second = peek(reader);
    if ((second == '\n' || second == '\r') && second != c)
        reader->at++;
    reader->line++;
    reader->column = 1;
    return '\n';
}

static int fail(struct parse *parse, int error, const char *what) {
    return problem_set(parse->problem, error, "sgf", "line %u, column %u: %s", parse->reader->line,
                       parse->reader->column, what);
}

static int fail_here(struct parse *parse, const char *expected) {
    int c = peek(parse->reader);
    const struct sgf_reader *reader = parse->reader;
    if (c < 0)
        return fail(parse, TG_ETRUNCATED, "the file ends within a game");
    if (c > ' ' && c < 127)
        return problem_set(parse->problem, TG_EINVALID, "sgf", "line %u, column %u: expected %s, found '%c'",
                           reader->line, reader->column, expected, c);
    return problem_set(parse->problem, TG_EINVALID, "sgf",
                       "line %u, column %u: expected %s, found byte 0x%02x", reader->line, reader->column,
                       expected, (unsigned)c);
}

static bool is_space(int c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_space(struct sgf_reader *reader) {
    while (is_space(peek(reader)))
        next(reader);
}

/* Room for one entry more in an array that doubles up to `most`. */
static int make_room(struct parse *parse, void **array, uint32_t count, uint32_t *room, uint32_t most,
                     size_t each) {
    if (count < *room)
        return 0;
    if (count >= most)
        return fail(parse, TG_ETOO_LARGE, "the game has too many properties or values");
    uint32_t wanted = *room ? *room * 2 : 64;
    void *bigger = realloc(*array, wanted * each);
    if (!bigger)
        return fail(parse, TG_ENO_MEMORY, "out of memory");
    *array = bigger;
    *room = wanted;
    return 0;
}

static int append_byte(struct parse *parse, int c, size_t length) {
    uint8_t byte = (uint8_t)c;
    if (length >= SGF_VALUE_MAX)
        return fail(parse, TG_ETOO_LARGE, "a value is longer than 262144 bytes");
    if (!parse->on_main)
        return 0;
    int error = buf_append(&parse->record->text, &byte, 1);
    return error ? fail(parse, error, "the game has too much text") : 0;
}

/* From behind "[" to behind "]": appends the bytes without escapes. */
static int read_bytes(struct parse *parse, size_t *length) {
    struct sgf_reader *reader = parse->reader;
    for (*length = 0;;) {
        int c = next(reader);
        if (c == ']')
            return 0;
        if (c == '\\') {
            c = next(reader);
            if (c == '\n')
                continue;
        }
        if (c < 0)
            return fail(parse, TG_ETRUNCATED, "the file ends within a value");
        int error = append_byte(parse, c, (*length)++);
        if (error != 0)
            return error;
    }
}

static int read_value(struct parse *parse) {
    struct sgf_record *record = parse->record;
    size_t at = record->text.size, length;
    next(parse->reader);
    int error = read_bytes(parse, &length);
    if (error != 0 || !parse->on_main)
        return error;
    error = make_room(parse, (void **)&record->values, record->value_count, &record->value_room,
                      SGF_VALUES_MAX, sizeof *record->values);
    if (error == 0 && buf_append(&record->text, "", 1) != 0)
        error = fail(parse, TG_ETOO_LARGE, "the game has too much text");
    if (error == 0)
        record->values[record->value_count++] = (struct sgf_value){(uint32_t)at, (uint32_t)length};
    return error;
}

static int read_name(struct parse *parse, char name[SGF_NAME_MAX + 1]) {
    size_t length = 0;
    while (isalpha(peek(parse->reader)) && peek(parse->reader) < 128) {
        int c = peek(parse->reader);
        if (isupper(c) && length == SGF_NAME_MAX)
            return fail(parse, TG_ETOO_LARGE, "the name of a property is too long");
        if (isupper(c))
            name[length++] = (char)c;
        next(parse->reader);
    }
    name[length] = 0;
    return length > 0 ? 0 : fail(parse, TG_EINVALID, "the name of a property has no capital letter");
}

static int read_property(struct parse *parse) {
    struct sgf_record *record = parse->record;
    struct sgf_property property = {.node = record->node_count - 1,
                                    .first_value = record->value_count,
                                    .line = parse->reader->line,
                                    .column = parse->reader->column};
    int error = read_name(parse, property.name);
    if (error != 0)
        return error;
    skip_space(parse->reader);
    if (peek(parse->reader) != '[')
        return fail_here(parse, "[ after a property's name");
    while (error == 0 && peek(parse->reader) == '[') {
        error = read_value(parse);
        skip_space(parse->reader);
    }
    if (error != 0 || !parse->on_main)
        return error;
    property.value_count = record->value_count - property.first_value;
    error = make_room(parse, (void **)&record->properties, record->property_count, &record->property_room,
                      SGF_PROPERTIES_MAX, sizeof *record->properties);
    if (error == 0)
        record->properties[record->property_count++] = property;
    return error;
}

static int begin_node(struct parse *parse) {
    next(parse->reader);
    parse->expect = EXPECT_INSIDE;
    if (!parse->on_main)
        return 0;
    if (parse->record->node_count == SGF_NODES_MAX)
        return fail(parse, TG_ETOO_LARGE, "the game has more than 65536 nodes");
    parse->record->node_count++;
    return 0;
}

static int begin_variation(struct parse *parse) {
    if (parse->depth == SGF_DEPTH_MAX)
        return fail(parse, TG_ETOO_DEEP, "variations are nested too deeply");
    next(parse->reader);
    parse->depth++;
    parse->expect = EXPECT_NODE;
    return 0;
}

static int end_variation(struct parse *parse) {
    next(parse->reader);
    parse->depth--;
    parse->on_main = false;
    parse->expect = EXPECT_VARIATION;
    return 0;
}

/* One token and what belongs to it. */
static int step(struct parse *parse) {
    int c = peek(parse->reader);
    if (is_space(c)) {
        skip_space(parse->reader);
        return 0;
    }
    if (c == ';' && parse->expect != EXPECT_VARIATION)
        return begin_node(parse);
    if (parse->expect == EXPECT_NODE)
        return fail_here(parse, "; after (");
    if (c == '(')
        return begin_variation(parse);
    if (c == ')')
        return end_variation(parse);
    if (parse->expect == EXPECT_INSIDE && c >= 0 && c < 128 && isalpha(c))
        return read_property(parse);
    return fail_here(parse, parse->expect == EXPECT_INSIDE ? "a property, ;, ( or )" : "( or )");
}

/* Whether "(" and ";" stand here, with only space between them. */
static bool game_begins(const struct sgf_reader *reader) {
    size_t at = reader->at + 1;
    if (peek(reader) != '(')
        return false;
    while (at < reader->size && is_space(reader->data[at]))
        at++;
    return at < reader->size && reader->data[at] == ';';
}

/* Goes to the next game. Before the first one anything is skipped; a run of "(" and space is looked at only
 * once. */
static int find_game(struct parse *parse) {
    struct sgf_reader *reader = parse->reader;
    while (is_space(peek(reader)) || peek(reader) == 0 || peek(reader) == 0x1a)
        next(reader);
    while (reader->games == 0 && peek(reader) >= 0 && !game_begins(reader)) {
        next(reader);
        skip_space(reader);
    }
    if (peek(reader) < 0)
        return reader->games > 0 ? TG_ENOT_FOUND : fail(parse, TG_ENOT_FOUND, "no game: there is no \"(;\"");
    return peek(reader) == '(' ? 0 : fail_here(parse, "( or the end of the file");
}

static void record_clear(struct sgf_record *record) {
    record->node_count = record->property_count = record->value_count = 0;
    buf_clear(&record->text);
    record->text.limit = SGF_TEXT_MAX;
}

int sgf_read(struct sgf_reader *reader, struct sgf_record *record, struct problem *problem) {
    struct parse parse = {.reader = reader, .record = record, .problem = problem, .on_main = true};
    record_clear(record);
    int error = find_game(&parse);
    if (error != 0)
        return error;
    record->line = reader->line;
    error = begin_variation(&parse);
    while (error == 0 && parse.depth > 0)
        error = step(&parse);
    if (error != 0)
        return error;
    reader->games++;
    error = sgf_text_to_utf8(record);
    return error ? fail(&parse, error, "the game has too much text") : 0;
}
