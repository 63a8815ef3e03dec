/* kind.h - the kinds of jobs. A new kind is one file here and one run function in workers/.
 *
 * A kind is data: its options, how its work splits into tasks, what a worker must offer to run it, what it
 * consumes and produces, and which of its counters make a score. Server, agent, client and dashboard read
 * this table and have no code for single kinds.
 */
#ifndef TENGEN_KINDS_KIND_H
#define TENGEN_KINDS_KIND_H

#include <jansson.h>
#include "proto/base/error.h"
#include "proto/base/options.h"

enum kind_split {
    SPLIT_COUNT, /* `count_option` units, cut into tasks of `task_option` units */
    SPLIT_ONE,   /* one task of one unit */
    SPLIT_GANG,  /* a learner and its actors, which end when the learner does */
};

/* A two-sided result: the counters (summed over the job's chunks) that hold the first side's wins, draws and
 * losses. server/rating turns them into an Elo difference with its 95 % interval, and into an SPRT when the
 * options ask. */
struct kind_score {
    const char *wins, *draws, *losses;
    const char
        *pairs[5]; /* pentanomial: pairs of games in which the first side made 0, 0.5, 1, 1.5, 2 points */
    const char
        *sprt_option; /* an OPTION_OBJECT with enabled, elo0, elo1, alpha, beta; NULL: fixed games only */
};

/* What an input may be, in the job's document and in the runner's hands. */
enum kind_takes {
    INPUT_DATASET = 1, /* {"dataset": id or name}: the data set's bytes as one file; by hand also a folder */
    INPUT_CHECKPOINT =
        2,           /* {"checkpoint": sha256}, {"job": id, "output": "checkpoint"}: a safetensors file */
    INPUT_GAMES = 4, /* {"job": id, "output": "games"}: the job's chunks, as GET /streams sends them */
};

struct kind_input {
    const char *name;
    bool required;
    unsigned takes; /* of enum kind_takes, at least one */
    const char *help;
    const char *const *formats; /* of a data set, as its check calls them ("idx"); ended by NULL. NULL: any */
};

/* The formats of data sets by what they hold. */
extern const char *const formats_of_images[], *const formats_of_games[];

struct kind {
    const char *name;
    const char *summary; /* one line, for lists and help */
    const char *unit;    /* what is counted: "games", "steps" */
    const struct option_spec *options;
    enum kind_split split;
    const char *count_option, *task_option; /* SPLIT_COUNT */
    const struct kind_input *inputs;        /* ended by a NULL name; NULL when it takes none */
    /* Names other jobs may refer to, NULL-terminated, may be NULL: "games" (the chunks), "checkpoint" (the
     * newest checkpoint of that name). */
    const char *const *outputs;
    const char *chunk_type;         /* "game", ...; NULL when it produces no experience */
    const struct kind_score *score; /* NULL when it has none */
    /* Checks across options (an engine player needs an engine's name). NULL when there are none. */
    int (*check)(const json_t *config, struct problem *problem);
    /* Checks the inputs' presence against the config (a player that needs a network); forms and required ones
     * are checked already. Fields start with "inputs.". NULL when there is nothing to check. */
    int (*check_inputs)(const json_t *config, const json_t *inputs, struct problem *problem);
    /* The capabilities that a worker must announce, as an array of strings ("engine:gnugo"). The kind itself
     * ("kind:selfplay") is always one and not listed. NULL when there are none. The caller owns the result.
     */
    json_t *(*needs)(const json_t *config);
    /* Seconds that a runner may be silent before it is taken for hanging. NULL: KIND_PATIENCE_S. */
    int (*patience_s)(const json_t *config);
};
enum { KIND_PATIENCE_S = 120 };

const struct kind *const *kind_table(void);     /* NULL-terminated, in the order of presentation */
const struct kind *kind_find(const char *name); /* NULL when unknown */
const struct kind_input *kind_input_find(const struct kind *kind,
                                         const char *name); /* NULL: it has none such */
/* Fills *problem for a name that is no kind's: with the nearest that is, or all. TG_EUNKNOWN_KIND. */
int kind_unknown(const char *name, struct problem *problem);
/* Checks a job's config: unknown kind or option, types, ranges, then kind->check. Fields start with
 * "config.". */
int kind_check(const char *name, const json_t *config, const struct kind **kind, json_t **checked,
               struct problem *problem);
json_t *kind_describe(const struct kind *kind); /* as GET /api/v1/kinds shows it */

/* The kinds. */
extern const struct kind kind_selfplay, kind_teacher, kind_match, kind_sl_policy, kind_classify,
    kind_evaluate, kind_seq2seq;

#endif
