/* json.h - JSON from strangers: strict, bounded, and errors that name the field.
 *
 * jansson parses; this adds what its callers would otherwise forget: a depth limit checked before parsing,
 * duplicate keys refused, UTF-8 and embedded NUL refused, errors told apart by code with line and column.
 * A message is checked against an option table (proto/base/options.h), so that every API body is described
 * once.
 */
#ifndef TENGEN_WIRE_JSON_H
#define TENGEN_WIRE_JSON_H

#include <stdbool.h>
#include <stdio.h>
#include <jansson.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

enum { JSON_DEPTH_MAX = 32 };

/* Parses exactly one JSON value (any type). Returns NULL and fills *problem (TG_EBAD_JSON, TG_EBAD_UTF8,
 * TG_EDUPLICATE_KEY, TG_ETOO_DEEP) on anything else. The caller owns the value. */
json_t *json_parse(const void *text, size_t size, struct problem *problem);
/* The same, and it must be an object. */
json_t *json_parse_object(const void *text, size_t size, struct problem *problem);
/* Reads a file of at most `limit` bytes. */
json_t *json_read_file(const char *path, size_t limit, struct problem *problem);

/* Text: members in the order in which they were set, each real with the fewest digits that read back as the
 * same number. Appended to *out: compact, or on lines of their own for people. TG_ENO_MEMORY, TG_ETOO_LARGE
 * (nothing is appended then). */
int json_append(struct buf *out, const json_t *value);
int json_append_pretty(struct buf *out, const json_t *value);
/* Compact, as a string of its own: free() it. NULL when out of memory or the value is NULL. */
char *json_text(const json_t *value);
/* To a file, with a newline. TG_EIO, TG_ENO_MEMORY. */
int json_print(FILE *file, const json_t *value, bool pretty);
enum { JSON_REAL_TEXT = 32 };
const char *json_real_text(double value, char out[JSON_REAL_TEXT]); /* of a finite number; returns out */

/* Reads of one member, each with a clear problem: TG_EMISSING_FIELD, TG_EWRONG_TYPE, TG_EOUT_OF_RANGE. */
int json_get_int(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *out,
                 struct problem *problem);
int json_get_int_or(const json_t *object, const char *name, int64_t min, int64_t max, int64_t fallback,
                    int64_t *out, struct problem *problem);
int json_get_string(const json_t *object, const char *name, size_t max_bytes, const char **out,
                    struct problem *problem);
int json_get_object(const json_t *object, const char *name, const json_t **out, struct problem *problem);
/* Refuses members that are not in the NULL-terminated list, naming the first and the nearest known name. */
int json_only(const json_t *object, const char *const *names, struct problem *problem);

#endif
