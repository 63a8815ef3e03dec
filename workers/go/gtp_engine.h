/* gtp_engine.h - Tengen as a GTP engine: the Go Text Protocol, version 2 (draft of 2002).
 *
 * The engine keeps a game and answers lines with text; whoever runs it brings the lines and takes the text,
 * so that it is tested without processes. Moves come from a mover, so that the protocol knows no search.
 *
 * Scores. final_score counts the area of the board as it stands and final_status_list calls every stone
 * alive: the rules here (score.h) know no agreement about dead stones, and the mover takes them off before it
 * passes.
 *
 * Beyond the standard: undo of handicap stones is refused ("cannot undo"); komi is rounded to half points;
 * printsgf prints the game, or with a file's name writes it there.
 */
#ifndef TENGEN_GO_GTP_ENGINE_H
#define TENGEN_GO_GTP_ENGINE_H

#include <stdbool.h>
#include <stdio.h>
#include "proto/base/buf.h"
#include "workers/go/game.h"

enum { GTP_LINE_MAX = 8192, GTP_WORDS_MAX = 1024 };

struct gtp_mover {
    void *self;
    int size; /* the only board that it can play on; 0: any */
    /* Chooses a move for `color` in the game, within `seconds` (0: no limit but its own). 0 or an error. */
    int (*choose)(void *self, const struct game *game, enum color color, double seconds, go_move *move,
                  bool *resign);
};

struct gtp_engine;

/* name and version must outlive the engine. NULL: out of memory. */
struct gtp_engine *gtp_engine_create(const char *name, const char *version, const struct go_rules *rules,
                                     const struct gtp_mover *mover);
void gtp_engine_destroy(struct gtp_engine *engine);

/* Answers one line (without its newline; cleaned here as the standard's 2.2 asks). Appends nothing for an
 * empty one. 0, or TG_ENO_MEMORY. *quit is set by the command quit. */
int gtp_engine_line(struct gtp_engine *engine, const char *line, size_t length, struct buf *out, bool *quit);

/* Reads lines and writes answers until quit or the end of input. A longer line than GTP_LINE_MAX is a syntax
 * error. 0 or TG_EIO. */
int gtp_engine_run(struct gtp_engine *engine, FILE *in, FILE *out);

/* The game as it stands, for tests. */
const struct game *gtp_engine_game(const struct gtp_engine *engine);

#endif
