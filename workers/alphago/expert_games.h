/* expert_games.h - finished games to learn from or to be measured by, from wherever they are kept: SGF files,
 * folders and archives (workers/go/sgf_files.h), or the stream of a job that plays games (its chunks, as
 * GET /api/v1/streams/{job} gives them: u64 cursor, u32 size, chunk; record.h has the body).
 *
 * One thread at a time.
 */
#ifndef TENGEN_ALPHAGO_EXPERT_GAMES_H
#define TENGEN_ALPHAGO_EXPERT_GAMES_H

#include <stdbool.h>
#include "proto/base/error.h"
#include "workers/go/game.h"

struct expert_game {
    const char *name;        /* of the file, or "game 17 of the stream" */
    const struct game *game; /* rules, start and moves; every one legal but for superko */
    bool has_winner;
    enum color winner; /* EMPTY: a draw */
    int opening_moves; /* random ones that nobody chose: no expert's */
    int rating[3];     /* by colour; 0: unknown. Numbers only: BR and WR, or "(2113)" at a name's end */
};

/* What was met beside the games. */
struct expert_tally {
    int64_t games;           /* visited */
    int64_t unreadable;      /* not SGF, not Go, damaged */
    int64_t illegal;         /* a move that the rules do not allow */
    char first_problem[256]; /* why the first of these was left out; "" when none was */
};

/* 0 to go on; any other value ends the visit and is returned. */
typedef int expert_visitor(void *user, const struct expert_game *game);

/* Visits the games at `path` in a fixed order. Damaged games are counted and passed over; a path that cannot
 * be read at all is an error (TG_EIO, TG_ENOT_FOUND, TG_ECORRUPT, TG_ETOO_LARGE, TG_ETRUNCATED). Counts are
 * added to *tally. */
int expert_games_visit(const char *path, expert_visitor *visitor, void *user, struct expert_tally *tally,
                       struct problem *problem);

/* A number that follows from the start and the moves alone: who is in which part of a split is decided by it,
 * whatever the order of the files, the seed or the attempt. Uniform over 64 bits. */
uint64_t expert_game_hash(const struct game *game);

#endif
