/* tree.h - the search tree: one pool of nodes, the children of a node next to each other.
 *
 *      nodes[]   0       1        2 .. 83                      84 .. 163
 *              +------+------+--------------------------+--------------------------+----
 *              | none | root | children of the root     | children of the first    | ...
 *              +------+------+--------------------------+  node that was expanded  |
 *                        |      ^ first_child = 2, child_count = 82 (81 points and the pass)
 *                        +------'
 *
 * A node stands for the position after its move; the move and everything known about it are in the node, so
 * choosing among children reads one stretch of memory. Children always lie behind their parent. Nothing is
 * ever freed but the whole: when a move is played in the game, tree_reroot() copies the subtree that stays
 * into the spare half of the pool.
 *
 * Point of view. `value` and `amaf_value` of a node are from the side that PLAYS the node's move, that is the
 * side to move in its parent: 1 is a win for that side. So a parent maximizes over its children's values as
 * they stand, and a result changes its sign (1 - z) from one level to the next. The root's are those of the
 * side that is not to move.
 *
 * One thread at a time.
 */
#ifndef TENGEN_SEARCH_TREE_H
#define TENGEN_SEARCH_TREE_H

#include <stddef.h>
#include <stdint.h>
#include "workers/go/board.h"

enum node_flag {
    NODE_ILLEGAL = 1,  /* the move would repeat a position: found when the move was first tried */
    NODE_TERMINAL = 2, /* two passes: the position is scored as it stands */
    NODE_PENDING = 4,  /* puct: its children wait for an evaluator's answer */
};

struct node {
    uint32_t visits; /* simulations through this node */
    float value;     /* their mean result; see point of view */
    union {
        uint32_t
            amaf_visits; /* uct: simulations through the parent in which the side later played here first */
        uint32_t in_flight; /* puct: simulations through this node whose leaf is still being judged */
    };
    float amaf_value;     /* uct: mean result of amaf_visits */
    uint32_t first_child; /* 0: not expanded */
    uint16_t child_count;
    go_move move;
    float prior_value;     /* uct: what is believed of the move before it is tried; puct: its probability */
    uint16_t prior_visits; /* uct: how many simulations that belief is worth */
    uint16_t flags;        /* enum node_flag */
};
_Static_assert(sizeof(struct node) == 32, "two nodes fill a cache line");

struct tree;
enum { TREE_NONE = 0, TREE_ROOT = 1 };

/* A tree of as many nodes as two halves of `memory_bytes` hold (at least 4,096). The memory is touched only
 * as it is used. NULL: out of memory. */
struct tree *tree_create(size_t memory_bytes);
void tree_destroy(struct tree *tree);
void tree_clear(struct tree *tree); /* a root without children remains */

uint32_t tree_used(const struct tree *tree); /* nodes */
uint32_t tree_capacity(const struct tree *tree);
struct node *tree_node(struct tree *tree, uint32_t index); /* valid until tree_reroot() or tree_clear() */

/* Gives the unexpanded `parent` the zeroed children of `moves`. Returns the first, or NULL when the pool is
 * full. */
struct node *tree_expand(struct tree *tree, struct node *parent, const go_move *moves, int count);

/* The child of `parent` by that move; TREE_NONE when there is none. */
uint32_t tree_child(struct tree *tree, uint32_t parent, go_move move);

/* Makes `node` the root and forgets everything that is not below it. */
void tree_reroot(struct tree *tree, uint32_t node);

/* Checks from scratch that every node is some node's child exactly once, that no move occurs twice among
 * siblings, that visits add up, and that values are those of the children seen from the other side. For
 * tests. NULL, or what is wrong. */
const char *tree_check(struct tree *tree);

#endif
