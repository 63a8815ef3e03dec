/* uct.h - Monte-Carlo tree search without networks: UCT with AMAF (RAVE), priors and rollouts.
 *
 * One simulation:
 *   1. select   from the root, the child of greatest score until a node without children; score() in uct.c
 *   2. expand   once the leaf has been visited often enough: all moves that are legal and fill no own eye,
 *               and the pass
 *   3. evaluate the leaf by a rollout
 *   4. back up  the result to every node of the path; and to those children of each that their side played
 *               later on (AMAF)
 *
 * Superko. The search walks with the game's history and its own path: a child that would repeat a position is
 * marked illegal when it is first tried, and never has visits. Rollouts know the simple ko only.
 *
 * The end, passing and resigning: search.h. What it shares with other searches: mcts.h.
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
#include "workers/search/priors.h"
#include "workers/search/rollout.h"
#include "workers/search/search.h"
#include "workers/search/tree.h"

struct uct_options {
    struct search_options search;
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

/* Chooses a move for `color` in the game's position. What earlier calls learned of it is reused when the game
 * has moved on from there. stop may be NULL. seconds, when it is > 0, is this move's time, instead of the
 * options' playouts and seconds. When it passes and resigns: search.h. */
int uct_search(struct uct *uct, const struct game *game, enum color color, double seconds, search_stop stop,
               void *context, struct search_choice *choice);

/* How often, of the last search's simulations, each point (by index) ended as Black's less White's: -1 to 1.
 * Returns how many simulations that rests on. */
uint32_t uct_ownership(const struct uct *uct, float *owner);

/* The tree of the last search, for tests. */
struct tree *uct_tree(struct uct *uct);

#endif
