/* sgf.h - SGF, the Smart Game Format, FF[1] to FF[4] (https://www.red-bean.com/sgf/): bytes to records and
 * back.
 *
 * A reader goes over bytes in memory and gives one record for each game of a collection. A record is the main
 * line (the first variation at every fork): nodes in order, each with its properties, each with its values.
 * Other variations are checked for their form and skipped. What properties mean is not known here:
 * sgf_game.h.
 *
 *     collection = game...      game = "(" node... game... ")"     node = ";" property...
 *     property = NAME value...  value = "[" anything, with \] \\ escaped "]"
 *
 * Values are stored without escapes and line breaks as one '\n'. Text becomes UTF-8: CA[] of the root says
 * what it was (UTF-8, ISO-8859-1 and their usual names); without CA, bytes that are valid UTF-8 are kept and
 * others are taken as ISO-8859-1, the default of the format. Of any other character set the bytes are kept as
 * they are: record->utf8 is false then.
 *
 * Hostile input: nothing recurses (variations are a counter), every count and length has a limit below, and
 * each error names line and column (1-based, columns in bytes). Text before the first "(;" is skipped, as the
 * format asks.
 */
#ifndef TENGEN_GO_SGF_H
#define TENGEN_GO_SGF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

enum {
    SGF_NAME_MAX = 15,            /* letters of a property's name */
    SGF_VALUE_MAX = 1 << 18,      /* bytes of one value */
    SGF_NODES_MAX = 1 << 16,      /* nodes of one main line */
    SGF_PROPERTIES_MAX = 1 << 19, /* properties of one main line */
    SGF_VALUES_MAX = 1 << 20,     /* values of one main line */
    SGF_TEXT_MAX = 64 << 20,      /* bytes of all values of one main line */
    SGF_DEPTH_MAX = 1 << 16,      /* variations within variations */
};

struct sgf_property {
    char name[SGF_NAME_MAX + 1]; /* upper case; the lower-case letters of old files are dropped */
    uint32_t node;               /* which node it belongs to: properties are sorted by it */
    uint32_t first_value, value_count;
    uint32_t line, column; /* where its name begins, 1-based; 0 in records that were not read */
};

struct sgf_value {
    uint32_t at, length; /* in text; a 0 byte follows each value */
};

struct sgf_record {
    uint32_t node_count, property_count, value_count;
    struct sgf_property *properties;
    struct sgf_value *values;
    struct buf text;
    bool utf8;     /* whether text is valid UTF-8 */
    uint32_t line; /* where the game begins, 1-based */
    uint32_t property_room, value_room;
};

struct sgf_reader {
    const uint8_t *data;
    size_t size, at;
    uint32_t line, column; /* of data[at], 1-based */
    uint32_t games;        /* read so far */
};

void sgf_reader_init(struct sgf_reader *reader, const void *data, size_t size); /* data stays the caller's */

/* The next game into *record (begin with {0}; its memory is used again). 0, or TG_ENOT_FOUND when there is
 * none left, or TG_EINVALID, TG_ETRUNCATED, TG_ETOO_LARGE, TG_ETOO_DEEP, TG_ENO_MEMORY with "line 3, column
 * 7: ..." in *problem. After an error the reader stands where it stopped; nothing more can be read. */
int sgf_read(struct sgf_reader *reader, struct sgf_record *record, struct problem *problem);
void sgf_record_free(struct sgf_record *record);

/* A property of a node, NULL when it has none of that name. The first one if the file has several. */
const struct sgf_property *sgf_find(const struct sgf_record *record, uint32_t node, const char *name);
/* The first value of a property of the root; NULL when absent. Ends in a 0 byte, but may hold others. */
const char *sgf_root_text(const struct sgf_record *record, const char *name);
/* The properties of a node: [*first, *end) of record->properties. */
void sgf_node(const struct sgf_record *record, uint32_t node, uint32_t *first, uint32_t *end);
const char *sgf_value_text(const struct sgf_record *record, uint32_t value, size_t *length);

/* Writing. All append and return 0 or the error of the buffer. */
int sgf_write_value(struct buf *out, const char *text, size_t length);       /* "[...]", escaped */
int sgf_write_property(struct buf *out, const char *name, const char *text); /* NAME[text] */
int sgf_write_record(struct buf *out,
                     const struct sgf_record *record); /* the main line; CA follows record->utf8 */

#endif
