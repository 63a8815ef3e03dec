/* search.h - what all searches have in common for their callers: options, the choice, when they pass and
 * resign.
 *
 * The end. Two passes are a leaf that is scored as the board stands: every stone on it counts as alive, so a
 * search takes dead stones off before it passes, when it needs them. It passes when the tree says so, and at
 * once when the opponent has passed and the area on the board wins; or when every point's owner is beyond
 * doubt and that wins. It does not pass into a lost count while another move is left.
 */
#ifndef TENGEN_SEARCH_SEARCH_H
#define TENGEN_SEARCH_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "workers/go/board.h"

struct search_options {
    uint32_t playouts;   /* simulations a move; 0: no limit (then seconds) */
    double seconds;      /* time a move; 0: no limit */
    double resign;       /* resigns when its winning chance is below; 0: never */
    size_t memory_bytes; /* for the tree */
    uint64_t seed;
    bool early_stop; /* ends a search whose most visited move can no longer be overtaken */
    bool reuse_tree; /* keeps what the last search learned of the position */
};

/* 1,000 playouts, a tree of 64 MiB. */
struct search_options search_options_default(void);

/* What the search saw at the root. */
struct search_choice {
    go_move move;
    bool resign;          /* move is then what it would have played */
    float winrate;        /* of the side to move */
    uint32_t playouts;    /* simulations run for this move */
    uint32_t root_visits; /* with those kept from before */
    int child_count;
    struct {
        go_move move;
        uint32_t visits;
        float value;
    } children[BOARD_POINTS_MAX + 1]; /* legal ones only, most visited first */
};

/* Asked every few milliseconds with a clock that is read then; true ends the search at once with what it has.
 */
typedef bool (*search_stop)(void *context);

#endif
