/* gtp_internal.h - between gtp_engine.c (lines, names, dispatch) and gtp_commands.c (what the commands do).
 */
#ifndef TENGEN_GO_GTP_INTERNAL_H
#define TENGEN_GO_GTP_INTERNAL_H

#include "workers/go/gtp_clock.h"
#include "workers/go/gtp_engine.h"

struct gtp_engine {
    const char *name, *version;
    struct go_rules rules; /* as created; boardsize and komi change the game's */
    struct game *game;
    struct gtp_mover mover;
    struct gtp_clock clock;
    bool quit;
};

/* The words behind a command's name; argument() of them is "" beyond the last. */
struct gtp_words {
    int count;
    char *word[GTP_WORDS_MAX];
};

/* A command appends its answer to *reply and returns NULL, or returns the standard's error message. */
typedef const char *(*gtp_handler)(struct gtp_engine *engine, const struct gtp_words *words,
                                   struct buf *reply);

struct gtp_command {
    const char *name;
    int least, most; /* words it takes; others are a syntax error */
    gtp_handler handle;
};

extern const struct gtp_command gtp_commands[]; /* ended by a NULL name, in the order of list_commands */
const struct gtp_command *gtp_command_find(const char *name);

#endif
