/* options.h - one typed table describes a set of options, everywhere it appears.
 *
 * A table of `struct option_spec` (ended by a NULL name) drives: validation and defaults of a job's config,
 * GET /api/v1/kinds, the dashboard's form, command-line flags and their --help, and the tables in docs/. A
 * fact about an option is written once, here. Values are JSON (jansson).
 *
 *     static const struct option_spec selfplay_options[] = {
 *         {.name = "games", .type = OPTION_INT, .min = 1, .max = 1e7, .initial = "1000", .unit = "games",
 *          .help = "games to play"},
 *         ...
 *         {.name = NULL},
 *     };
 *
 * A nested object (a player of a match) is OPTION_OBJECT with a table of its own in `fields`; its path in
 * problems is dotted ("a.playouts"), its flags are dotted too (--a.playouts 100).
 */
#ifndef TENGEN_BASE_OPTIONS_H
#define TENGEN_BASE_OPTIONS_H

#include <stdbool.h>
#include <jansson.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

/* The largest whole number of an option: 2^53 - 1. Below it every reader of JSON, a browser's too, has the
 * same number as its writer. */
#define OPTION_INT_MAX 9007199254740991.0

enum option_type {
    OPTION_INT,    /* whole number, min..max (at most OPTION_INT_MAX either way) */
    OPTION_NUMBER, /* finite number, min..max */
    OPTION_BOOL,
    OPTION_STRING, /* UTF-8 without control characters, min..max bytes */
    OPTION_CHOICE, /* one of `choices` */
    OPTION_OBJECT, /* an object with the options of `fields` */
    OPTION_LIST,   /* an array of min..max strings (a flag that may be repeated) */
};

/* When an option says anything: only where that choice, of the same table or of an object in it
 * ("network.family"), is one of these; or where the text `or_given` of the same table is not empty. */
struct option_when {
    const char *option;
    const char *const *choices; /* NULL-terminated */
    const char *or_given;       /* NULL: none */
};

/* {OPTION, (choices) ..., NULL} as an initializer of a static struct option_when. */
#define OPTION_WHEN(option_, ...)                                                                            \
    {                                                                                                        \
        .option = option_, .choices = (const char *const[]) {                                                \
            __VA_ARGS__, NULL                                                                                \
        }                                                                                                    \
    }

struct option_spec {
    const char *name; /* snake_case; as a flag its _ become - */
    enum option_type type;
    double min, max;     /* see the type */
    const char *initial; /* default as JSON text; NULL: required (for OPTION_OBJECT: its fields' defaults) */
    const char *unit;    /* "games", "s", "bytes"; NULL when it has none */
    const char *const *choices;       /* NULL-terminated, for OPTION_CHOICE */
    const struct option_spec *fields; /* for OPTION_OBJECT */
    const char *help;                 /* one line, lower case, no full stop */
    const char *value;                /* what stands for it in --help: FILE, DIR, URL; NULL: by the type */
    const struct option_when *when;   /* NULL: always. Elsewhere it is not looked at, or refused */
    bool flag_only;                   /* OPTION_BOOL on a command line: takes no value (--detach) */
};

/* Checks `given` (an object, or NULL for none) against the table and returns in *out a new object with every
 * option present: the caller owns it. Unknown names, wrong types and values out of range fail with
 * TG_EUNKNOWN_OPTION, TG_EWRONG_TYPE, TG_EOUT_OF_RANGE or TG_EMISSING_FIELD, naming field and remedy (an
 * unknown name gets the nearest known one, or all). */
int options_check(const struct option_spec *table, const json_t *given, json_t **out,
                  struct problem *problem);

/* Reads --name value, --name=value, and bare --name for booleans (also --no-name). Positional words are put
 * into *words (array of strings) when words is not NULL, else refused. "--" ends the flags. Afterwards as
 * options_check. argv[0] is skipped. A problem's field is the flag as it is typed ("--a.max-moves"). */
int options_parse_argv(const struct option_spec *table, int argc, char **argv, json_t **out, json_t **words,
                       struct problem *problem);

/* The table as JSON:
 * [{"name","type","default","min","max","unit","choices","fields","required","help","when":
 * {"option","choices"}}, ...]. */
json_t *options_describe(const struct option_spec *table);

/* Lines for --help: "  --games N         games to play (1 to 10000000; default 1000)". */
int options_help(const struct option_spec *table, struct buf *out);

/* Whether the option says anything beside the other values of its table, which options_check made. */
bool option_applies(const struct option_spec *spec, const json_t *checked);

/* The option's help, and when it says anything: "weight of the prior; for type puct". */
void option_meaning(const struct option_spec *spec, char *out, size_t size);

/* The option as a flag: "--free-floor" for free_floor. */
void option_flag(const char *name, char *out, size_t size);
/* A problem's field that is the name of an option of the table becomes its flag: what a person typed. */
void options_name_flag(const struct option_spec *table, struct problem *problem);

/* The nearest of a NULL-terminated list of names to a mistyped one; NULL when none is near. */
const char *nearest_name(const char *name, const char *const *names);

/* Typed reads from an object that options_check has returned; assert on a name or type that the table lacks.
 */
int64_t option_int(const json_t *checked, const char *name);
double option_number(const json_t *checked, const char *name);
bool option_bool(const json_t *checked, const char *name);
const char *option_string(const json_t *checked, const char *name);
const json_t *option_object(const json_t *checked, const char *name);

#endif
