/* uct.c - see uct.h. One simulation, and what it teaches the nodes of its path.
 *
 * A child's score mixes three sources, each weighted by how many simulations it rests on:
 *
 *     own = (visits value + prior_visits prior_value) / n          n = visits + prior_visits
 *     score = own + beta (amaf_value - own)                       beta = a / (a + n + a n / rave_equivalence)
 *           + exploration sqrt(log(parent visits + 1) / (n + 1))
 *
 * beta falls from 1 to 0 as n grows: AMAF is biased but knows much after few simulations. The last term is
 * UCB1's up to the added ones, which spare the case of no visits; it is off by default, because AMAF explores
 * by itself. A move that nothing is known of scores 1.1, above every mean, so each is tried once.
 *
 * AMAF ("all moves as first"): a node's child is credited with a simulation when its side played that point
 * first among all moves that came after the node. back_up goes through the simulation from its end to its
 * start and keeps, for each point, who played there first from here on; each earlier move simply overwrites
 * the later ones. So one pass serves all nodes of the path.
 *
 *     end of the playout ... leaf ... root        first[p]: the earliest of the moves passed so far
 *     <-------------------------------
 *
 * Not done: AMAF from the moves of the opponent at the same point, and weights that fall with distance.
 */
#include "workers/search/uct.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "workers/search/mcts.h"
#include "workers/search/pattern3.h"

struct uct {
    struct mcts mcts; /* what it shares with other searches */
    struct uct_options options;
    struct mcts_steps steps;
    struct playout_record playout; /* of the simulation at hand; count 0: none */
};

struct uct_options uct_options_default(void) {
    return (struct uct_options){
        .search = search_options_default(),
        .exploration = 0,
        .rave_equivalence = 3000,
        .expand_visits = 4,
        .rollout = rollout_policy_default(ROLLOUT_PATTERN),
        .priors = prior_weights_default(),
    };
}

static struct node *select_child(void *self, struct node *parent);
static void expand_on_the_way(void *self, struct node *leaf);

struct uct *uct_create(const struct uct_options *options) {
    struct uct *uct = calloc(1, sizeof(*uct));
    if (!uct)
        return NULL;
    uct->options = *options;
    uct->steps = (struct mcts_steps){uct, select_child, expand_on_the_way};
    if (mcts_init(&uct->mcts, &options->search)) {
        uct_destroy(uct);
        return NULL;
    }
    pattern3_setup();
    return uct;
}

void uct_destroy(struct uct *uct) {
    if (!uct)
        return;
    mcts_release(&uct->mcts);
    free(uct);
}

struct tree *uct_tree(struct uct *uct) {
    return uct->mcts.tree;
}

/* ---- One simulation ---- */

static float score(const struct uct *uct, const struct node *node, float log_parent) {
    const float n = (float)(node->visits + node->prior_visits), a = (float)node->amaf_visits;
    float value =
        n > 0 ? ((float)node->visits * node->value + node->prior_visits * node->prior_value) / n : 1.1f;
    if (a > 0 && uct->options.rave_equivalence > 0) {
        float beta = a / (a + n + a * n / (float)uct->options.rave_equivalence);
        value += beta * (node->amaf_value - value);
    }
    if (uct->options.exploration > 0)
        value += (float)uct->options.exploration * sqrtf(log_parent / (n + 1));
    return value;
}

static struct node *select_child(void *self, struct node *parent) {
    const struct uct *uct = self;
    struct node *first = tree_node(uct->mcts.tree, parent->first_child), *best = NULL;
    float best_score = -1, log_parent = uct->options.exploration > 0 ? logf((float)parent->visits + 1) : 0;
    for (int i = 0; i < parent->child_count; i++) {
        if (first[i].flags & NODE_ILLEGAL)
            continue;
        float s = score(uct, &first[i], log_parent);
        if (s > best_score) {
            best_score = s;
            best = &first[i];
        }
    }
    TG_ASSERT(best != NULL); /* the pass is always legal */
    return best;
}

static void expand(struct uct *uct, struct node *leaf, const struct board *board) {
    go_move moves[BOARD_POINTS_MAX + 1];
    const int count = mcts_candidates(board, moves);
    struct node *children = tree_expand(uct->mcts.tree, leaf, moves, count);
    if (children)
        priors_set(&uct->options.priors, board, children, count);
}

static void expand_on_the_way(void *self, struct node *leaf) {
    struct uct *uct = self;
    if (leaf->visits >= uct->options.expand_visits)
        expand(uct, leaf, &uct->mcts.scratch);
}

/* Gives a node's children their AMAF results. first[p] is the side that plays p first from here on, or EMPTY.
 */
static void back_up_amaf(struct uct *uct, struct node *node, const uint8_t *first, enum color color,
                         float z) {
    struct node *children = tree_node(uct->mcts.tree, node->first_child);
    for (int i = 0; i < node->child_count; i++)
        if (first[children[i].move] == color)
            mcts_update_mean(&children[i].amaf_value, &children[i].amaf_visits, z);
}

/* From the end of the playout to the root, so that `first` always describes what came after the node at hand.
 * black: Black's result. */
static void back_up(struct uct *uct, float black) {
    uint8_t first[BOARD_CELLS_MAX] = {EMPTY};
    const struct path *path = &uct->mcts.path;
    const enum color root_color = (enum color)uct->mcts.root.to_move;
    const int tree_moves = path->length - 1;
    enum color to_move = tree_moves % 2 ? color_other(root_color) : root_color;
    for (int i = uct->playout.count - 1; i >= 0; i--)
        first[uct->playout.moves[i]] = i % 2 ? color_other(to_move) : to_move;
    for (int depth = tree_moves; depth >= 0; depth--) {
        struct node *node = tree_node(uct->mcts.tree, path->node[depth]);
        float z = to_move == BLACK ? black : 1 - black;
        first[PASS] = EMPTY; /* passing later says nothing about passing now */
        if (node->child_count)
            back_up_amaf(uct, node, first, to_move, z);
        mcts_update_mean(&node->value, &node->visits, 1 - z);
        to_move = color_other(to_move);
        if (depth > 0)
            first[node->move] = to_move;
    }
}

static void simulate(struct uct *uct) {
    struct mcts *mcts = &uct->mcts;
    uint8_t owner[BOARD_POINTS_MAX];
    const struct node *leaf = mcts_descend(mcts, &uct->steps);
    mcts_end_walk(mcts);
    uct->playout.count = 0;
    if (!(leaf->flags & NODE_TERMINAL))
        rollout_run(&uct->options.rollout, &mcts->scratch, &mcts->rng, &uct->playout);
    back_up(uct, mcts_judge(mcts, &mcts->scratch, owner));
    mcts_count_owners(mcts, owner);
}

/* ---- The choice ---- */

uint32_t uct_ownership(const struct uct *uct, float *owner) {
    const struct mcts *mcts = &uct->mcts;
    for (int i = 0; i < board_points(&mcts->root); i++)
        owner[i] = mcts->owner_samples ? (float)mcts->owned[i] / (float)mcts->owner_samples : 0;
    return mcts->owner_samples;
}

/* Simulations until `limit` (0: none) or the time is up. */
static uint32_t run(struct uct *uct, uint32_t limit, double seconds, search_stop stop, void *context) {
    const int64_t end = seconds > 0 ? clock_monotonic_ns() + (int64_t)(seconds * 1e9) : INT64_MAX;
    uint32_t done = 0;
    while (!limit || done < limit) {
        simulate(uct);
        if (++done % CHECK_INTERVAL)
            continue;
        if ((stop && stop(context)) || (seconds > 0 && clock_monotonic_ns() >= end))
            break;
        if (uct->options.search.early_stop && limit && mcts_decided(&uct->mcts, limit - done))
            break;
    }
    return done;
}

int uct_search(struct uct *uct, const struct game *game, enum color color, double seconds, search_stop stop,
               void *context, struct search_choice *choice) {
    const struct search_options *options = &uct->options.search;
    struct mcts *mcts = &uct->mcts;
    int error = mcts_begin(mcts, game, color);
    if (error)
        return error;
    memset(choice, 0, sizeof(*choice));
    struct node *root = tree_node(mcts->tree, TREE_ROOT);
    if (!root->child_count)
        expand(uct, root, &mcts->root);
    mcts_forbid_repetitions_at_root(mcts);
    if (mcts_wins_by_pass(mcts, color)) {
        mcts_choose_pass(mcts, choice);
        return 0;
    }
    choice->playouts = seconds > 0 ? run(uct, 0, seconds, stop, context)
                                   : run(uct, options->playouts, options->seconds, stop, context);
    mcts_choose(mcts, color, choice);
    return 0;
}
