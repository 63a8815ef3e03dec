/* mcts.h - what every Monte-Carlo tree search here shares. Private to workers/search; uct.h and puct.h are
 * the searches.
 *
 * A search differs in how it scores children, what it makes of a leaf and how it backs a result up. All the
 * rest is here, once: where the tree stands in the game, the walk down with superko and the end of the game,
 * whose point each one ends as, when it is time to stop, and which move is made of the visits (when to pass,
 * when to resign).
 *
 *     mcts_begin      position of the game -> root; the tree follows the moves played since
 *     mcts_descend    root -> leaf, on a scratch board; the path is remembered
 *     mcts_end_walk   takes the walk's positions off the history
 *     mcts_count...   what the playouts say about ownership
 *     mcts_choose     visits -> move
 */
#ifndef TENGEN_SEARCH_MCTS_H
#define TENGEN_SEARCH_MCTS_H

#include "proto/base/rng.h"
#include "workers/go/game.h"
#include "workers/search/search.h"
#include "workers/search/tree.h"

enum {
    PATH_MAX_MOVES = 512, /* a simulation's way through the tree */
    CHECK_INTERVAL = 32,  /* simulations between looks at the clock and the caller's wish */
};

struct path {
    int length; /* nodes; node[0] is the root */
    uint32_t node[PATH_MAX_MOVES];
};

struct mcts {
    struct search_options options;
    struct tree *tree;
    struct rng rng;

    /* The root: where the tree stands in the game. */
    struct board root;
    struct history *history; /* the game's positions; walks push theirs and pop them */
    size_t positions;        /* of the game alone */
    struct go_rules rules;
    int root_moves; /* moves of the game that lead to the root; -1: the tree belongs to no game */
    go_move played[2 * PATH_MAX_MOVES];
    uint64_t start_hash;

    int32_t owned[BOARD_POINTS_MAX]; /* Black's ends less White's */
    uint32_t owner_samples;

    struct path path;
    struct board scratch;
};

int mcts_init(struct mcts *mcts, const struct search_options *options); /* 0 or TG_ENO_MEMORY */
void mcts_release(struct mcts *mcts);

/* 0 or TG_ENO_MEMORY. */
int mcts_begin(struct mcts *mcts, const struct game *game, enum color color);

/* The moves worth a node at `board`: legal, fills no own eye; and the pass, last. Returns how many. */
int mcts_candidates(const struct board *board, go_move moves[BOARD_POINTS_MAX + 1]);

/* How a search goes down. */
struct mcts_steps {
    void *self;
    struct node *(*select)(void *self, struct node *parent); /* among children that are not NODE_ILLEGAL */
    void (*expand)(void *self,
                   struct node *leaf); /* a leaf on the way, the position on scratch; may leave it */
};
/* From the root to a leaf; the path, scratch and the history grow with it. */
struct node *mcts_descend(struct mcts *mcts, const struct mcts_steps *steps);
void mcts_end_walk(struct mcts *mcts);

/* Marks the root's children that would repeat a position. */
void mcts_forbid_repetitions_at_root(struct mcts *mcts);

/* The count of the scratch board: Black's result 0, 0.5 or 1; owner: by index. */
float mcts_judge(const struct mcts *mcts, const struct board *end, uint8_t *owner);
void mcts_count_owners(struct mcts *mcts, const uint8_t *owner);

/* Whether `left` more simulations could no longer change the most visited move. */
bool mcts_decided(struct mcts *mcts, uint32_t left);

/* The opponent has passed and the count wins: the search is over before it begins, with mcts_choose_pass().
 */
bool mcts_wins_by_pass(const struct mcts *mcts, enum color color);
void mcts_choose_pass(struct mcts *mcts, struct search_choice *choice);
/* The move by visits, and whether to pass or resign: search.h. */
void mcts_choose(struct mcts *mcts, enum color color, struct search_choice *choice);
/* Lists the root's children, most visited first. */
void mcts_list_children(struct mcts *mcts, struct search_choice *choice);
/* Whether passing now would lose the game while the points are not beyond doubt. */
bool mcts_pass_loses(const struct mcts *mcts, enum color color);

static inline void mcts_update_mean(float *mean, uint32_t *count, float z) {
    *mean += (z - *mean) / (float)++*count;
}

#endif
