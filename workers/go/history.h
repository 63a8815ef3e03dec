/* history.h - the positions that have been on the board, for superko: a stack of hashes that is also a set.
 *
 * Because the last hash pushed is the first one popped, an open-addressed table needs no deletion marks:
 * clearing the slot of the last one restores the table as it was before. A hash of 64 bits stands for the
 * position; two different positions of one game meet with a chance below 10^-13.
 *
 * A search that walks down its tree pushes on the way and pops on the way back. One thread at a time.
 */
#ifndef TENGEN_GO_HISTORY_H
#define TENGEN_GO_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "workers/go/board.h"

/* Which repetitions are forbidden. In all of them the simple ko is. */
enum ko_rule {
    KO_SIMPLE,      /* no others */
    KO_POSITIONAL,  /* the stones of any earlier position, whoever was to move */
    KO_SITUATIONAL, /* the stones of any earlier position with the same colour to move */
};

struct history;

struct history *history_create(enum ko_rule rule); /* NULL: out of memory */
void history_destroy(struct history *history);     /* NULL is fine */
struct history *history_copy(const struct history *history);
enum ko_rule history_rule(const struct history *history);

/* Remembers the position on the board (with its to_move), pushed after each move and once at the start. 0 or
 * TG_ENO_MEMORY. */
int history_push(struct history *history, const struct board *board);
void history_pop(struct history *history);
void history_clear(struct history *history);
size_t history_count(const struct history *history);

/* Whether the position on the board is in the history already, whatever the rule (for KO_SIMPLE: as
 * positional). */
bool history_seen(const struct history *history, const struct board *board);

/* board_legality(), then superko as the rule says. Passing is never a repetition. */
enum legality history_legality(const struct history *history, const struct board *board, enum color color,
                               go_move move);

#endif
