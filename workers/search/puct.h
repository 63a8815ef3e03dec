/* puct.h - Monte-Carlo tree search guided by a network: AlphaGo's search in its synchronous form.
 *
 * One simulation:
 *   1. select   from the root, the child of greatest Q + u until a node without children, where
 *               u = c_puct P sqrt(sum_b N(b)) / (1 + N(a))                     (Silver et al. 2016, Methods)
 *   2. evaluate the leaf: a rollout gives z; the network, once the leaf has been visited often enough to be
 *               expanded, gives the priors P of its moves and, where it has a value head, v
 *   3. back up  (1 - value_share) z + value_share v to every node of the path
 *
 * Leaves in flight. The search does not call the network: it collects leaves that wait for it, up to
 * `leaves`, and hands them out, so that one batch can hold the leaves of many searches. Where the answer is
 * part of the leaf's result (value_share > 0), each node of its path counts as so many lost simulations more
 * meanwhile (virtual loss), which sends the next walk elsewhere. Else the rollout's result is backed up at
 * once and only the priors are awaited. One move is:
 *
 *     puct_begin(...)
 *     do
 *         evaluator_run(evaluator, puct_requests(...), ...)       with those of any other searches
 *     while (puct_advance(...) == PUCT_WAITS)
 *     puct_choose(...)
 *
 * The tree that results depends on the position, the seed and the options alone, not on who shared the batch.
 *
 * The policy player is this search with `playouts` 0: it asks the network about the root and chooses by its
 * answer.
 *
 * Passing and resigning: search.h. A search belongs to one thread.
 */
#ifndef TENGEN_SEARCH_PUCT_H
#define TENGEN_SEARCH_PUCT_H

#include "workers/go/game.h"
#include "workers/search/evaluator.h"
#include "workers/search/rollout.h"
#include "workers/search/search.h"

enum { PUCT_LEAVES_MAX = 256 };

struct puct_options {
    struct search_options search; /* playouts 0 and seconds 0: no search, the network's move */
    double c_puct;                /* for Q between 0 and 1; AlphaGo's 5 for Q between -1 and 1 is 2.5 here */
    double fpu_reduction; /* a move that was never tried has its parent's Q less this (first-play urgency) */
    double prior_temperature; /* of the softmax that makes priors of logits; below 1 sharper */
    double
        temperature; /* of the move that is played, by visits (by the policy without search); 0: the best */
    double value_share;    /* of v in a leaf's result; 0: rollouts alone (and no value head is needed) */
    double noise;          /* share of Dirichlet noise in the root's priors; 0: none */
    double noise_alpha;    /* its concentration; 0: 10 / number of moves */
    uint32_t virtual_loss; /* lost simulations that a leaf in flight counts as */
    /* The network is asked at this many visits of a leaf. 0: at the first; where moves are given time, and
     * rollouts alone are believed, at as many as puct_pace says. */
    uint32_t expand_visits;
    int leaves; /* in flight at most */
    struct rollout_policy rollout;
};
struct puct_options puct_options_default(void);

struct puct;
struct puct *puct_create(const struct puct_options *options); /* NULL: out of memory */
void puct_destroy(struct puct *puct);

/* How often to ask, where time counts. A question costs as much as many rollouts, and their ratio depends on
 * the network and the machine: so the visits that it takes to ask are raised while the network has more than
 * its share of the time, and lowered while it has less (n_thr of Silver et al. 2016 is likewise adjusted to
 * what their GPUs kept up with). */
struct puct_pace {
    uint32_t expand_visits;
    int64_t network_ns, search_ns; /* lately */
};
enum { PACE_START = 12, PACE_VISITS_MAX = 1000 };
#define PACE_NETWORK_SHARE 0.25
/* One more batch of questions and the simulations after it took so long. */
void puct_pace_note(struct puct_pace *pace, int64_t network_ns, int64_t search_ns);
void puct_pace_age(struct puct_pace *pace); /* a new move: what was before counts half */

/* Begins to choose a move for `color` in the game's position; a search that was under way is forgotten. What
 * earlier ones learned is reused when the game has moved on from there. seconds, when it is > 0, is this
 * move's time, instead of the options' playouts and seconds. 0 or TG_ENO_MEMORY. */
int puct_begin(struct puct *puct, const struct game *game, enum color color, double seconds);

enum puct_state {
    PUCT_WAITS, /* for answers to puct_requests() */
    PUCT_DONE,  /* puct_choose() */
};
/* Takes the answers to the last requests and searches until it waits again or is done. stop may be NULL;
 * after it said true the search ends with what it has, once nothing is in flight. */
enum puct_state puct_advance(struct puct *puct, search_stop stop, void *context);

/* What is to be answered before the next puct_advance(): *count (0..leaves) evaluations, valid until then.
 * After puct_begin() it is the root, or nothing when the root is known. */
struct evaluation *const *puct_requests(const struct puct *puct, int *count);

/* After PUCT_DONE. */
void puct_choose(struct puct *puct, struct search_choice *choice);

/* All of it with an evaluator of its own. 0 or an error of the evaluator's. */
int puct_search(struct puct *puct, struct evaluator *evaluator, const struct game *game, enum color color,
                double seconds, search_stop stop, void *context, struct search_choice *choice,
                struct problem *problem);

struct tree *puct_tree(struct puct *puct); /* of the last search, for tests */

#endif
