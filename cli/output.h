/* output.h - what a person reads: tables, durations, errors. Text from the server is cleaned of control
 * characters before it reaches a terminal. */
#ifndef TENGEN_CLI_OUTPUT_H
#define TENGEN_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "proto/base/error.h"

/* Tells a problem on stderr ("tengen: config.games: must be 1 to 10000000, is 0 (out_of_range)"), as JSON
 * when asked, and returns the exit code for it. */
int tell_problem(const struct problem *problem, bool json);
/* Tells that the command line or a local file is wrong, as JSON after tell_as_json; returns EXIT_USAGE. */
int tell_usage(const struct problem *problem);
void tell_as_json(void); /* --json was given */

void print_json(const json_t *value);      /* indented, to stdout */
void print_json_line(const json_t *value); /* compact, one line, to stdout, at once */

/* A table with aligned columns, built row by row, cell by cell. */
struct table;
struct table *table_create(const char *const *titles); /* NULL-terminated */
void table_row(struct table *table);                   /* begins the next row */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints and frees. The last column may be as long as it likes; a table without rows prints `empty`. */
void table_print(struct table *table, const char *empty);

/* Members of an object of the server's, without surprises when they are missing. */
const char *member_text(const json_t *object, const char *name);
int64_t member_int(const json_t *object, const char *name);
/* What a job counts, as it reads after its total: "1 run", "1000 games". Returns out. */
const char *unit_of(const json_t *job, char *out, size_t size);
double member_number(const json_t *object, const char *name);

/* "3:28", "2:03:28" or "5 d 02:03" ; "" when seconds < 0 */
const char *format_duration(double seconds, char *out, size_t size);
/* What is left of a job, "3:28" after the prefix; "ending" when that is nothing any more; "" while unknown.
 */
const char *format_left(const json_t *job, const char *prefix, char *out, size_t size);
/* A job's progress, 0 to 1; of one that has not succeeded at most 1 - step, so that no rounding to whole
 * steps calls it complete. */
double shown_progress(const json_t *job, double step);
/* "1.25/s", "4.5/min", "3/h": with the time base in which it reads well; "" for none. */
const char *format_rate(double per_s, char *out, size_t size);
const char *format_time(int64_t wall_ms, char *out, size_t size); /* local time, "" for 0 */

/* The text without control characters (as ?), valid until the next call with the same `out`. */
const char *clean_text(const char *text, char *out, size_t size);
size_t text_width(const char *text); /* characters of UTF-8 */

#endif
