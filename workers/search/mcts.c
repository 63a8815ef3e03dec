/* mcts.c - see mcts.h.
 *
 * The tree follows the game by itself: mcts_begin is given nothing but the game, and finds out whether that
 * is the game that the tree was made for (continues: same rules, same start, the moves that led to our root),
 * and which moves have been played since (follow). So no caller need tell a search of moves, undos or new
 * games, and one that jumps about gets a fresh tree. More moves than `played` holds: no reuse from there on,
 * which costs time only.
 *
 * The root's position is the game's, never one that was played along the tree. When the side to move is not
 * the one that is asked for (a GTP genmove out of turn) the tree is for the wrong side, and goes.
 *
 * Superko needs the history of the game and of the walk. The history is copied once for each search; a walk
 * pushes its positions and mcts_end_walk pops them. Whether a child repeats is asked only when it has no
 * visits yet: its path is always the same, so its answer is too. At the root it is asked beforehand for all
 * children, for their visits may have come from before.
 *
 * A walk goes down on the board `scratch`, which stands at the leaf afterwards: rollouts and evaluations
 * begin there.
 *
 * Ends. A playout tells whose every point was; summed over a search (`owned`) that is how sure each point is.
 * Passing rests on it: a pass ends the game, and the game is scored with all stones on the board alive, so a
 * position that is won only once its dead stones are taken must not be passed in. settled() asks for more
 * agreement than any single move needs, because a wrong pass is the one mistake that nothing can be done
 * about.
 */
#include "workers/search/mcts.h"

#include <stdlib.h>
#include <string.h>
#include "proto/base/error.h"
#include "workers/go/score.h"

enum {
    SETTLED_MIN = 200, /* simulations before ownership is trusted */
    RESIGN_MIN_VISITS = 100,
};
#define SETTLED_OWNERSHIP 0.9f /* of -1 to 1: 19 of 20 playouts end with the point as it is now */

struct search_options search_options_default(void) {
    return (struct search_options){
        .playouts = 1000,
        .resign = 0.1,
        .memory_bytes = (size_t)64 << 20,
        .seed = 1,
        .early_stop = true,
        .reuse_tree = true,
    };
}

int mcts_init(struct mcts *mcts, const struct search_options *options) {
    mcts->options = *options;
    mcts->root_moves = -1;
    rng_seed(&mcts->rng, options->seed);
    mcts->tree = tree_create(options->memory_bytes);
    return mcts->tree ? 0 : TG_ENO_MEMORY;
}

void mcts_release(struct mcts *mcts) {
    tree_destroy(mcts->tree);
    history_destroy(mcts->history);
}

/* ---- Where the tree stands in the game ---- */

/* Whether the game's first moves are those that led to our root. */
static bool continues(const struct mcts *mcts, const struct game *game) {
    const struct go_rules *rules = game_rules(game);
    if (!mcts->options.reuse_tree || mcts->root_moves < 0 || game_move_count(game) < mcts->root_moves)
        return false;
    if (rules->size != mcts->rules.size || rules->komi2 != mcts->rules.komi2 || rules->ko != mcts->rules.ko ||
        rules->suicide != mcts->rules.suicide || board_situation(game_start(game)) != mcts->start_hash)
        return false;
    for (int i = 0; i < mcts->root_moves; i++)
        if (game_move(game, i, NULL) != mcts->played[i])
            return false;
    return true;
}

/* Walks the tree along the moves that were played since; clears it where they lead out of it. */
static void follow(struct mcts *mcts, const struct game *game) {
    uint32_t node = TREE_ROOT;
    enum color expected = (enum color)mcts->root.to_move;
    for (int i = mcts->root_moves; i < game_move_count(game) && node != TREE_NONE; i++) {
        enum color color;
        go_move move = game_move(game, i, &color);
        node = color == expected ? tree_child(mcts->tree, node, move) : (uint32_t)TREE_NONE;
        expected = color_other(color);
    }
    if (node == TREE_NONE)
        tree_clear(mcts->tree);
    else if (node != TREE_ROOT)
        tree_reroot(mcts->tree, node);
}

int mcts_begin(struct mcts *mcts, const struct game *game, enum color color) {
    struct history *history = history_copy(game_history(game));
    if (!history)
        return TG_ENO_MEMORY;
    const int moves = game_move_count(game);
    if (continues(mcts, game))
        follow(mcts, game);
    else
        tree_clear(mcts->tree);
    history_destroy(mcts->history);
    mcts->history = history;
    mcts->positions = history_count(history);
    board_copy(&mcts->root, game_board(game));
    if (mcts->root.to_move != color) {
        mcts->root.to_move = (uint8_t)color;
        mcts->root.ko = PASS;
        tree_clear(mcts->tree);
    }
    struct node *root = tree_node(mcts->tree, TREE_ROOT);
    root->flags = 0; /* a finished game may still be asked about */
    const uint32_t room = tree_capacity(mcts->tree) - tree_used(mcts->tree);
    if (!root->child_count && room <= (uint32_t)board_points(&mcts->root))
        tree_clear(mcts->tree); /* what stays leaves no room to go on */
    mcts->rules = *game_rules(game);
    mcts->start_hash = board_situation(game_start(game));
    mcts->root_moves = moves <= (int)(sizeof(mcts->played) / sizeof(mcts->played[0])) ? moves : -1;
    for (int i = 0; i < mcts->root_moves; i++)
        mcts->played[i] = game_move(game, i, NULL);
    memset(mcts->owned, 0, sizeof(mcts->owned));
    mcts->owner_samples = 0;
    return 0;
}

/* ---- One walk ---- */

/* Superko is asked once for each child: its path never changes, so neither does the answer. */
static bool repeats(struct mcts *mcts, struct node *child) {
    const struct board *board = &mcts->scratch;
    if (child->visits > 0 || child->move == PASS || mcts->rules.ko == KO_SIMPLE)
        return false;
    if (history_legality(mcts->history, board, (enum color)board->to_move, child->move) == MOVE_LEGAL)
        return false;
    child->flags |= NODE_ILLEGAL;
    return true;
}

int mcts_candidates(const struct board *board, go_move moves[BOARD_POINTS_MAX + 1]) {
    const enum color color = (enum color)board->to_move;
    int count = 0;
    for (int i = 0; i < board->empty_count; i++) {
        go_move move = board->empties[i];
        if (!board_eye(board, color, move) && board_legal(board, color, move))
            moves[count++] = move;
    }
    moves[count++] = PASS;
    return count;
}

struct node *mcts_descend(struct mcts *mcts, const struct mcts_steps *steps) {
    struct node *node = tree_node(mcts->tree, TREE_ROOT);
    mcts->path.node[0] = TREE_ROOT;
    mcts->path.length = 1;
    board_copy(&mcts->scratch, &mcts->root);
    for (;;) {
        if (node->flags & NODE_TERMINAL || mcts->path.length == PATH_MAX_MOVES)
            return node;
        if (!node->child_count && steps->expand)
            steps->expand(steps->self, node);
        if (!node->child_count)
            return node;
        struct node *child = steps->select(steps->self, node);
        if (repeats(mcts, child)) /* it is marked: the next choice here is another one */
            continue;
        board_play(&mcts->scratch, (enum color)mcts->scratch.to_move, child->move);
        if (history_push(mcts->history, &mcts->scratch))
            return node;
        if (mcts->scratch.passes >= 2)
            child->flags |= NODE_TERMINAL;
        mcts->path.node[mcts->path.length++] = (uint32_t)(child - tree_node(mcts->tree, 0));
        node = child;
    }
}

void mcts_end_walk(struct mcts *mcts) {
    while (history_count(mcts->history) > mcts->positions)
        history_pop(mcts->history);
}

void mcts_forbid_repetitions_at_root(struct mcts *mcts) {
    const struct node *root = tree_node(mcts->tree, TREE_ROOT);
    board_copy(&mcts->scratch, &mcts->root);
    for (int i = 0; i < root->child_count; i++)
        repeats(mcts, tree_node(mcts->tree, root->first_child + (uint32_t)i));
}

float mcts_judge(const struct mcts *mcts, const struct board *end, uint8_t *owner) {
    const int margin2 = 2 * score_area(end, owner) - mcts->rules.komi2;
    return margin2 > 0 ? 1.0f : margin2 < 0 ? 0.0f : 0.5f;
}

void mcts_count_owners(struct mcts *mcts, const uint8_t *owner) {
    const int points = board_points(&mcts->root);
    for (int i = 0; i < points; i++)
        mcts->owned[i] += (owner[i] == BLACK) - (owner[i] == WHITE);
    mcts->owner_samples++;
}

/* ---- The choice ---- */

/* The area margin of the board as it stands, in half points, for `color`. */
static int margin2_for(const struct mcts *mcts, enum color color, uint8_t *owner) {
    int margin2 = 2 * score_area(&mcts->root, owner) - mcts->rules.komi2;
    return color == BLACK ? margin2 : -margin2;
}

/* Whether simulations nearly always end with every point where the count of the board as it stands has it. */
static bool settled(const struct mcts *mcts) {
    uint8_t owner[BOARD_POINTS_MAX];
    if (mcts->owner_samples < SETTLED_MIN)
        return false;
    score_area(&mcts->root, owner);
    for (int i = 0; i < board_points(&mcts->root); i++) {
        const float owned = (float)mcts->owned[i] / (float)mcts->owner_samples;
        const float agreement = owner[i] == BLACK ? owned : -owned;
        if (owner[i] == EMPTY || agreement < SETTLED_OWNERSHIP)
            return false;
    }
    return true;
}

bool mcts_pass_loses(const struct mcts *mcts, enum color color) {
    return margin2_for(mcts, color, NULL) < 0 && (mcts->root.passes > 0 || !settled(mcts));
}

bool mcts_wins_by_pass(const struct mcts *mcts, enum color color) {
    return mcts->root.passes > 0 && margin2_for(mcts, color, NULL) > 0;
}

void mcts_choose_pass(struct mcts *mcts, struct search_choice *choice) {
    mcts_list_children(mcts, choice);
    choice->move = PASS;
    choice->winrate = 1;
}

static int compare_children(const void *a, const void *b) {
    const struct node *left = *(const struct node *const *)a, *right = *(const struct node *const *)b;
    if (left->visits != right->visits)
        return left->visits < right->visits ? 1 : -1;
    return left->move < right->move ? -1 : left->move > right->move;
}

void mcts_list_children(struct mcts *mcts, struct search_choice *choice) {
    const struct node *root = tree_node(mcts->tree, TREE_ROOT), *sorted[BOARD_POINTS_MAX + 1] = {NULL};
    int count = 0;
    for (int i = 0; i < root->child_count; i++) {
        const struct node *child = tree_node(mcts->tree, root->first_child + (uint32_t)i);
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

void mcts_choose(struct mcts *mcts, enum color color, struct search_choice *choice) {
    mcts_list_children(mcts, choice);
    int at = 0;
    if (choice->children[0].move == PASS && choice->child_count > 1 && mcts_pass_loses(mcts, color))
        at = 1;
    choice->move = choice->children[at].move;
    choice->winrate = choice->children[at].visits ? choice->children[at].value
                                                  : 1 - tree_node(mcts->tree, TREE_ROOT)->value;
    if (choice->move != PASS && margin2_for(mcts, color, NULL) > 0 && settled(mcts))
        choice->move = PASS;
    choice->resign = mcts->options.resign > 0 && choice->winrate < mcts->options.resign &&
                     choice->root_visits >= RESIGN_MIN_VISITS;
}

/* Were the second to get all the visits that are left it would still have fewer. */
bool mcts_decided(struct mcts *mcts, uint32_t left) {
    const struct node *root = tree_node(mcts->tree, TREE_ROOT);
    uint32_t most = 0, second = 0;
    for (int i = 0; i < root->child_count; i++) {
        uint32_t visits = tree_node(mcts->tree, root->first_child + (uint32_t)i)->visits;
        if (visits > most) {
            second = most;
            most = visits;
        } else if (visits > second) {
            second = visits;
        }
    }
    return most - second > left;
}
