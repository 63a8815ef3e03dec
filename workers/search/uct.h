/* uct.h - Monte-Carlo tree search without networks: UCT with AMAF (RAVE), priors and rollouts.
 *
 * One simulation:
 *   1. select   from the root, the child of greatest score until a node without children; score() in uct.c
 *   2. expand   once the leaf has been visited often enough: all moves that are legal and fill no own eye,
 * and the pass
 *   3. evaluate the leaf by an evaluator (a rollout)
 *   4. back up  the result to every node of the path; and to those children of each that their side played
 * later on (AMAF)
 *
 * Superko. The search walks with the game's history and its own path: a child that would repeat a position is
 * marked illegal when it is first tried, and never has visits. Rollouts know the simple ko only.
 *
 * The end. Two passes are a leaf that is scored as the board stands: every stone on it counts as alive, so
 * the search takes dead stones off before it passes, when it needs them. See uct_search() for when it passes
 * and resigns.
 *
 * Sources: Kocsis & Szepesvari 2006 (UCT); Gelly & Silver 2007, 2011 (RAVE, priors; the weight of AMAF is the
 * formula of Silver's thesis with bias 0 as Pachi has it: beta = a / (a + n + a n / rave_equivalence)).
 *
 * A search belongs to one thread. Same options, seed, position and playouts: same move.
 */
#ifndef TENGEN_SEARCH_UCT_H
#define TENGEN_SEARCH_UCT_H

#include <stddef.h>
#include "workers/go/game.h"
#include "workers/search/evaluator.h"
#include "workers/search/priors.h"
#include "workers/search/rollout.h"
#include "workers/search/tree.h"

struct uct_options {
    uint32_t playouts;   /* simulations a move; 0: no limit (then seconds) */
    double seconds;      /* time a move; 0: no limit */
    double resign;       /* resigns when its winning chance is below; 0: never */
    size_t memory_bytes; /* for the tree */
    uint64_t seed;
    bool early_stop;         /* ends a search whose most visited move can no longer be overtaken */
    bool reuse_tree;         /* keeps what the last search learned of the position */
    double exploration;      /* of the UCB term; RAVE does without */
    double rave_equivalence; /* simulations at which the tree weighs as much as AMAF; 0: no AMAF */
    uint32_t expand_visits;  /* a leaf is expanded at this many visits */
    struct rollout_policy rollout;
    struct prior_weights priors;
};
struct uct_options uct_options_default(void);

struct uct;

/* NULL: out of memory. */
struct uct *uct_create(const struct uct_options *options);
void uct_destroy(struct uct *uct);

/* What the search saw at the root. */
struct uct_choice {
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
typedef bool (*uct_stop)(void *context);

/* Chooses a move for `color` in the game's position. What earlier calls learned of it is reused when the game
 * has moved on from there. stop may be NULL. seconds overrides the option's when it is > 0.
 *
 * It passes when the tree says so, and at once when the opponent has passed and the area on the board wins;
 * or when every point's owner is beyond doubt and that wins. It does not pass into a lost count while another
 * move is left. */
int uct_search(struct uct *uct, const struct game *game, enum color color, double seconds, uct_stop stop,
               void *context, struct uct_choice *choice);

/* How often, of the last search's simulations, each point (by index) ended as Black's less White's: -1 to 1.
 * Returns how many simulations that rests on. */
uint32_t uct_ownership(const struct uct *uct, float *owner);

/* The tree of the last search, for tests. */
struct tree *uct_tree(struct uct *uct);

#endif
