#include "workers/search/uct.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "workers/go/score.h"
#include "workers/search/pattern3.h"

enum {
    PATH_MAX_MOVES = 512, /* a simulation's way through the tree */
    CHECK_INTERVAL = 32,  /* simulations between looks at the clock and the caller's wish */
    SETTLED_MIN = 200,    /* simulations before ownership is trusted */
    RESIGN_MIN_VISITS = 100,
};
#define SETTLED_OWNERSHIP 0.9f

struct path {
    int length; /* nodes; node[0] is the root */
    uint32_t node[PATH_MAX_MOVES];
};

struct uct {
    struct uct_options options;
    struct tree *tree;
    struct rng rng;
    struct evaluator evaluator;

    /* The root: where the tree stands in the game. */
    struct board root;
    struct history *history; /* the game's positions; simulations push theirs and pop them */
    struct go_rules rules;
    int root_moves; /* moves of the game that lead to the root; -1: the tree belongs to no game */
    go_move played[2 * PATH_MAX_MOVES];
    uint64_t start_hash;

    int32_t owned[BOARD_POINTS_MAX]; /* Black's ends less White's */
    uint32_t owner_samples;

    struct path path;
    struct board scratch;
    struct evaluation evaluation;
};

struct uct_options uct_options_default(void) {
    return (struct uct_options){
        .playouts = 1000,
        .resign = 0.1,
        .memory_bytes = (size_t)64 << 20,
        .seed = 1,
        .early_stop = true,
        .reuse_tree = true,
        .exploration = 0,
        .rave_equivalence = 3000,
        .expand_visits = 4,
        .rollout = rollout_policy_default(ROLLOUT_PATTERN),
        .priors = prior_weights_default(),
    };
}

/* The evaluator of this search: one rollout. */
static void evaluate_by_rollout(void *self, struct board *board, int komi2, struct rng *rng,
                                struct evaluation *out) {
    const struct rollout_policy *policy = self;
    rollout_run(policy, board, rng, &out->playout);
    int margin2 = 2 * score_area(board, out->owner) - komi2;
    out->black = margin2 > 0 ? 1.0f : margin2 < 0 ? 0.0f : 0.5f;
    out->priors = NULL;
    out->has_owner = true;
}

struct uct *uct_create(const struct uct_options *options) {
    struct uct *uct = calloc(1, sizeof(*uct));
    if (!uct)
        return NULL;
    uct->options = *options;
    uct->root_moves = -1;
    rng_seed(&uct->rng, options->seed);
    uct->evaluator = (struct evaluator){&uct->options.rollout, evaluate_by_rollout};
    uct->tree = tree_create(options->memory_bytes);
    if (!uct->tree) {
        free(uct);
        return NULL;
    }
    pattern3_setup();
    return uct;
}

void uct_destroy(struct uct *uct) {
    if (!uct)
        return;
    tree_destroy(uct->tree);
    history_destroy(uct->history);
    free(uct);
}

struct tree *uct_tree(struct uct *uct) {
    return uct->tree;
}

/* ---- Where the tree stands in the game ---- */

/* Whether the game's first moves are those that led to our root. */
static bool continues(const struct uct *uct, const struct game *game) {
    const struct go_rules *rules = game_rules(game);
    if (!uct->options.reuse_tree || uct->root_moves < 0 || game_move_count(game) < uct->root_moves)
        return false;
    if (rules->size != uct->rules.size || rules->komi2 != uct->rules.komi2 || rules->ko != uct->rules.ko ||
        rules->suicide != uct->rules.suicide || board_situation(game_start(game)) != uct->start_hash)
        return false;
    for (int i = 0; i < uct->root_moves; i++)
        if (game_move(game, i, NULL) != uct->played[i])
            return false;
    return true;
}

/* Walks the tree along the moves that were played since; clears it where they lead out of it. */
static void follow(struct uct *uct, const struct game *game) {
    uint32_t node = TREE_ROOT;
    enum color expected = (enum color)uct->root.to_move;
    for (int i = uct->root_moves; i < game_move_count(game) && node != TREE_NONE; i++) {
        enum color color;
        go_move move = game_move(game, i, &color);
        node = color == expected ? tree_child(uct->tree, node, move) : (uint32_t)TREE_NONE;
        expected = color_other(color);
    }
    if (node == TREE_NONE)
        tree_clear(uct->tree);
    else if (node != TREE_ROOT)
        tree_reroot(uct->tree, node);
}

static int set_position(struct uct *uct, const struct game *game, enum color color) {
    struct history *history = history_copy(game_history(game));
    if (!history)
        return TG_ENO_MEMORY;
    const int moves = game_move_count(game);
    if (continues(uct, game))
        follow(uct, game);
    else
        tree_clear(uct->tree);
    history_destroy(uct->history);
    uct->history = history;
    board_copy(&uct->root, game_board(game));
    if (uct->root.to_move != color) {
        uct->root.to_move = (uint8_t)color;
        uct->root.ko = PASS;
        tree_clear(uct->tree);
    }
    tree_node(uct->tree, TREE_ROOT)->flags = 0; /* a finished game may still be asked about */
    uct->rules = *game_rules(game);
    uct->start_hash = board_situation(game_start(game));
    uct->root_moves = moves <= (int)(sizeof(uct->played) / sizeof(uct->played[0])) ? moves : -1;
    for (int i = 0; i < uct->root_moves; i++)
        uct->played[i] = game_move(game, i, NULL);
    memset(uct->owned, 0, sizeof(uct->owned));
    uct->owner_samples = 0;
    return 0;
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

static struct node *select_child(const struct uct *uct, const struct node *parent) {
    struct node *first = tree_node(uct->tree, parent->first_child), *best = NULL;
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

/* Superko is asked once for each child: its path never changes, so neither does the answer. */
static bool repeats(struct uct *uct, struct node *child) {
    const struct board *board = &uct->scratch;
    if (child->visits > 0 || child->move == PASS || uct->rules.ko == KO_SIMPLE)
        return false;
    if (history_legality(uct->history, board, (enum color)board->to_move, child->move) == MOVE_LEGAL)
        return false;
    child->flags |= NODE_ILLEGAL;
    return true;
}

static void expand(struct uct *uct, struct node *leaf) {
    const struct board *board = &uct->scratch;
    const enum color color = (enum color)board->to_move;
    go_move moves[BOARD_POINTS_MAX + 1];
    int count = 0;
    for (int i = 0; i < board->empty_count; i++) {
        go_move move = board->empties[i];
        if (!board_eye(board, color, move) && board_legal(board, color, move))
            moves[count++] = move;
    }
    moves[count++] = PASS;
    struct node *children = tree_expand(uct->tree, leaf, moves, count);
    if (children)
        priors_set(&uct->options.priors, board, children, count);
}

/* Walks from the root to a leaf, playing on the scratch board; the path and the history grow with it. */
static struct node *descend(struct uct *uct) {
    struct node *node = tree_node(uct->tree, TREE_ROOT);
    uct->path.node[0] = TREE_ROOT;
    uct->path.length = 1;
    board_copy(&uct->scratch, &uct->root);
    for (;;) {
        if (node->flags & NODE_TERMINAL || uct->path.length == PATH_MAX_MOVES)
            return node;
        if (!node->child_count && (node->visits >= uct->options.expand_visits || uct->path.length == 1))
            expand(uct, node);
        if (!node->child_count)
            return node;
        struct node *child = select_child(uct, node);
        if (repeats(uct, child))
            continue;
        board_play(&uct->scratch, (enum color)uct->scratch.to_move, child->move);
        if (history_push(uct->history, &uct->scratch))
            return node;
        if (uct->scratch.passes >= 2)
            child->flags |= NODE_TERMINAL;
        uct->path.node[uct->path.length++] = (uint32_t)(child - tree_node(uct->tree, 0));
        node = child;
    }
}

static void judge_terminal(struct uct *uct) {
    struct evaluation *evaluation = &uct->evaluation;
    int margin2 = 2 * score_area(&uct->scratch, evaluation->owner) - uct->rules.komi2;
    evaluation->black = margin2 > 0 ? 1.0f : margin2 < 0 ? 0.0f : 0.5f;
    evaluation->playout.count = 0;
    evaluation->has_owner = true;
}

static void update_mean(float *mean, uint32_t *count, float z) {
    *mean += (z - *mean) / (float)++*count;
}

/* Gives a node's children their AMAF results. first[p] is the side that plays p first from here on, or EMPTY.
 */
static void back_up_amaf(struct uct *uct, struct node *node, const uint8_t *first, enum color color,
                         float z) {
    struct node *children = tree_node(uct->tree, node->first_child);
    for (int i = 0; i < node->child_count; i++)
        if (first[children[i].move] == color)
            update_mean(&children[i].amaf_value, &children[i].amaf_visits, z);
}

/* From the end of the playout to the root, so that `first` always describes what came after the node at hand.
 */
static void back_up(struct uct *uct) {
    const struct evaluation *evaluation = &uct->evaluation;
    uint8_t first[BOARD_CELLS_MAX] = {EMPTY};
    const int tree_moves = uct->path.length - 1;
    enum color to_move =
        tree_moves % 2 ? color_other((enum color)uct->root.to_move) : (enum color)uct->root.to_move;
    for (int i = evaluation->playout.count - 1; i >= 0; i--)
        first[evaluation->playout.moves[i]] = i % 2 ? color_other(to_move) : to_move;
    for (int depth = tree_moves; depth >= 0; depth--) {
        struct node *node = tree_node(uct->tree, uct->path.node[depth]);
        float z = to_move == BLACK ? evaluation->black : 1 - evaluation->black;
        first[PASS] = EMPTY; /* passing later says nothing about passing now */
        if (node->child_count)
            back_up_amaf(uct, node, first, to_move, z);
        update_mean(&node->value, &node->visits, 1 - z);
        to_move = color_other(to_move);
        if (depth > 0)
            first[node->move] = to_move;
    }
}

static void count_owners(struct uct *uct) {
    if (!uct->evaluation.has_owner)
        return;
    const int points = board_points(&uct->root);
    for (int i = 0; i < points; i++)
        uct->owned[i] += (uct->evaluation.owner[i] == BLACK) - (uct->evaluation.owner[i] == WHITE);
    uct->owner_samples++;
}

static void simulate(struct uct *uct) {
    const size_t positions = history_count(uct->history);
    struct node *leaf = descend(uct);
    while (history_count(uct->history) > positions)
        history_pop(uct->history);
    if (leaf->flags & NODE_TERMINAL)
        judge_terminal(uct);
    else
        uct->evaluator.evaluate(uct->evaluator.self, &uct->scratch, uct->rules.komi2, &uct->rng,
                                &uct->evaluation);
    back_up(uct);
    count_owners(uct);
}

/* ---- The choice ---- */

uint32_t uct_ownership(const struct uct *uct, float *owner) {
    const int points = board_points(&uct->root);
    for (int i = 0; i < points; i++)
        owner[i] = uct->owner_samples ? (float)uct->owned[i] / (float)uct->owner_samples : 0;
    return uct->owner_samples;
}

/* The area margin of the board as it stands, in half points, for `color`. */
static int margin2_for(const struct uct *uct, enum color color, uint8_t *owner) {
    int margin2 = 2 * score_area(&uct->root, owner) - uct->rules.komi2;
    return color == BLACK ? margin2 : -margin2;
}

/* Whether simulations nearly always end with every point where the count of the board as it stands has it. */
static bool settled(const struct uct *uct) {
    uint8_t owner[BOARD_POINTS_MAX];
    float owned[BOARD_POINTS_MAX];
    if (uct_ownership(uct, owned) < SETTLED_MIN)
        return false;
    score_area(&uct->root, owner);
    for (int i = 0; i < board_points(&uct->root); i++) {
        float agreement = owner[i] == BLACK ? owned[i] : -owned[i];
        if (owner[i] == EMPTY || agreement < SETTLED_OWNERSHIP)
            return false;
    }
    return true;
}

static int compare_children(const void *a, const void *b) {
    const struct node *left = *(const struct node *const *)a, *right = *(const struct node *const *)b;
    if (left->visits != right->visits)
        return left->visits < right->visits ? 1 : -1;
    return left->move < right->move ? -1 : left->move > right->move;
}

static void list_children(struct uct *uct, struct uct_choice *choice) {
    const struct node *root = tree_node(uct->tree, TREE_ROOT), *sorted[BOARD_POINTS_MAX + 1] = {NULL};
    int count = 0;
    for (int i = 0; i < root->child_count; i++) {
        const struct node *child = tree_node(uct->tree, root->first_child + (uint32_t)i);
        if (!(child->flags & NODE_ILLEGAL))
            sorted[count++] = child;
    }
    qsort(sorted, (size_t)count, sizeof(sorted[0]), compare_children);
    choice->child_count = count;
    for (int i = 0; i < count; i++) {
        choice->children[i].move = sorted[i]->move;
        choice->children[i].visits = sorted[i]->visits;
        choice->children[i].value = sorted[i]->value;
    }
    choice->root_visits = root->visits;
}

/* The most visited move, but no pass into a lost count while there is another. */
static void choose(struct uct *uct, enum color color, struct uct_choice *choice) {
    list_children(uct, choice);
    int at = 0;
    const bool pass_loses = margin2_for(uct, color, NULL) < 0 && (uct->root.passes > 0 || !settled(uct));
    if (choice->children[0].move == PASS && pass_loses && choice->child_count > 1)
        at = 1;
    choice->move = choice->children[at].move;
    choice->winrate =
        choice->children[at].visits ? choice->children[at].value : 1 - tree_node(uct->tree, TREE_ROOT)->value;
    if (choice->move != PASS && margin2_for(uct, color, NULL) > 0 && settled(uct))
        choice->move = PASS;
    choice->resign = uct->options.resign > 0 && choice->winrate < uct->options.resign &&
                     choice->root_visits >= RESIGN_MIN_VISITS;
}

static void forbid_repetitions_at_root(struct uct *uct) {
    struct node *root = tree_node(uct->tree, TREE_ROOT);
    board_copy(&uct->scratch, &uct->root);
    if (!root->child_count)
        expand(uct, root);
    for (int i = 0; i < root->child_count; i++)
        repeats(uct, tree_node(uct->tree, root->first_child + (uint32_t)i));
}

/* Whether `left` more simulations could still change the most visited move. */
static bool decided(struct uct *uct, uint32_t left) {
    const struct node *root = tree_node(uct->tree, TREE_ROOT);
    uint32_t most = 0, second = 0;
    for (int i = 0; i < root->child_count; i++) {
        uint32_t visits = tree_node(uct->tree, root->first_child + (uint32_t)i)->visits;
        if (visits > most) {
            second = most;
            most = visits;
        } else if (visits > second) {
            second = visits;
        }
    }
    return most - second > left;
}

static uint32_t run(struct uct *uct, double seconds, uct_stop stop, void *context) {
    const int64_t end = seconds > 0 ? clock_monotonic_ns() + (int64_t)(seconds * 1e9) : INT64_MAX;
    const uint32_t limit = uct->options.playouts ? uct->options.playouts : UINT32_MAX;
    uint32_t done = 0;
    while (done < limit) {
        simulate(uct);
        if (++done % CHECK_INTERVAL)
            continue;
        if ((stop && stop(context)) || (seconds > 0 && clock_monotonic_ns() >= end))
            break;
        if (uct->options.early_stop && uct->options.playouts && decided(uct, limit - done))
            break;
    }
    return done;
}

int uct_search(struct uct *uct, const struct game *game, enum color color, double seconds, uct_stop stop,
               void *context, struct uct_choice *choice) {
    int error = set_position(uct, game, color);
    if (error)
        return error;
    memset(choice, 0, sizeof(*choice));
    forbid_repetitions_at_root(uct);
    if (uct->root.passes > 0 && margin2_for(uct, color, NULL) > 0) {
        list_children(uct, choice);
        choice->move = PASS;
        choice->winrate = 1;
        return 0;
    }
    choice->playouts = run(uct, seconds > 0 ? seconds : uct->options.seconds, stop, context);
    choose(uct, color, choice);
    return 0;
}
