/* tree.c - see tree.h. The pool, and moving what stays to its other half.
 *
 * Why two halves and no free list. A search only ever adds; what goes, goes all at once, when a move is
 * played in the game. Copying what is left is then cheaper than keeping account of single nodes would have
 * been all the while, and it closes the gaps: a parent's children are one stretch again, near the parent. It
 * is the copying collector of Cheney ("A nonrecursive list compacting algorithm", CACM 13, 1970), with
 * first_child as the only pointer.
 *
 * The halves are malloc'ed and never cleared as a whole, so memory that the search does not reach is never
 * touched: tree_expand clears the children that it gives out, and nothing else is read.
 *
 * Indices and not pointers: 32 bits each keep a node at 32 bytes, and a pool may be copied. A pointer into
 * the pool holds until the next tree_reroot() or tree_clear().
 *
 * A pool that is full is no error: tree_expand says NULL, and the leaf stays a leaf.
 */
#include "workers/search/tree.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/error.h"

enum { CAPACITY_MIN = 4096, FIRST_FREE = 2 };

struct tree {
    struct node *nodes, *spare; /* of `capacity` nodes each */
    uint32_t capacity, used;    /* used counts node 0 and the root */
};

struct tree *tree_create(size_t memory_bytes) {
    size_t capacity = memory_bytes / (2 * sizeof(struct node));
    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN;
    if (capacity > UINT32_MAX / 2)
        capacity = UINT32_MAX / 2;
    struct tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return NULL;
    tree->capacity = (uint32_t)capacity;
    tree->nodes = malloc(capacity * sizeof(struct node));
    tree->spare = malloc(capacity * sizeof(struct node));
    if (!tree->nodes || !tree->spare) {
        tree_destroy(tree);
        return NULL;
    }
    tree_clear(tree);
    return tree;
}

void tree_destroy(struct tree *tree) {
    if (!tree)
        return;
    free(tree->nodes);
    free(tree->spare);
    free(tree);
}

void tree_clear(struct tree *tree) {
    memset(tree->nodes, 0, FIRST_FREE * sizeof(struct node));
    tree->nodes[TREE_ROOT].move = NO_MOVE;
    tree->used = FIRST_FREE;
}

uint32_t tree_used(const struct tree *tree) {
    return tree->used;
}

uint32_t tree_capacity(const struct tree *tree) {
    return tree->capacity;
}

struct node *tree_node(struct tree *tree, uint32_t index) {
    return &tree->nodes[index];
}

struct node *tree_expand(struct tree *tree, struct node *parent, const go_move *moves, int count) {
    TG_ASSERT(parent->first_child == TREE_NONE && count > 0);
    if ((uint32_t)count > tree->capacity - tree->used)
        return NULL;
    struct node *first = &tree->nodes[tree->used];
    memset(first, 0, (size_t)count * sizeof(*first));
    for (int i = 0; i < count; i++)
        first[i].move = moves[i];
    parent->first_child = tree->used;
    parent->child_count = (uint16_t)count;
    tree->used += (uint32_t)count;
    return first;
}

uint32_t tree_child(struct tree *tree, uint32_t parent, go_move move) {
    const struct node *node = &tree->nodes[parent];
    for (uint32_t i = 0; i < node->child_count; i++)
        if (tree->nodes[node->first_child + i].move == move)
            return node->first_child + i;
    return TREE_NONE;
}

/* Breadth first: what has been copied is itself the queue of what is still to be visited. */
void tree_reroot(struct tree *tree, uint32_t node) {
    TG_ASSERT(node >= TREE_ROOT && node < tree->used);
    struct node *to = tree->spare;
    memset(to, 0, sizeof(*to));
    to[TREE_ROOT] = tree->nodes[node];
    uint32_t used = FIRST_FREE;
    for (uint32_t at = TREE_ROOT; at < used; at++) {
        if (to[at].first_child == TREE_NONE)
            continue;
        memcpy(&to[used], &tree->nodes[to[at].first_child], to[at].child_count * sizeof(*to));
        to[at].first_child = used;
        used += to[at].child_count;
    }
    tree->spare = tree->nodes;
    tree->nodes = to;
    tree->used = used;
}

static const char *check_children(struct tree *tree, const struct node *node) {
    bool seen[BOARD_CELLS_MAX] = {false};
    uint64_t visits = 0;
    double losses = 0;
    for (uint32_t i = 0; i < node->child_count; i++) {
        const struct node *child = &tree->nodes[node->first_child + i];
        if (child->move >= BOARD_CELLS_MAX || seen[child->move])
            return "a move twice among siblings";
        seen[child->move] = true;
        visits += child->visits;
        losses += child->visits * (1.0 - (double)child->value);
    }
    /* A child's value is from the side that chose it, so what it won is the parent's (other) side's loss. */
    if (visits > node->visits)
        return "children with more visits than their parent";
    /* What is left are the simulations that ended in this node: between no win and all. */
    double own = (double)(node->visits - visits), wins = node->visits * (double)node->value - losses;
    double slack = 1e-3 + 1e-4 * node->visits; /* the means are single precision */
    return wins < -slack || wins > own + slack ? "a value that its children contradict" : NULL;
}

const char *tree_check(struct tree *tree) {
    uint32_t expected = FIRST_FREE; /* expansions reserve stretches in any order; each must be owned once */
    bool *owned = calloc(tree->used, sizeof(*owned));
    if (!owned)
        return "out of memory";
    const char *wrong = NULL;
    for (uint32_t at = TREE_ROOT; at < tree->used && !wrong; at++) {
        const struct node *node = &tree->nodes[at];
        if (at != TREE_ROOT && !owned[at])
            wrong = "a node without a parent before it";
        else if (!(node->value >= 0 && node->value <= 1 && node->amaf_value >= 0 && node->amaf_value <= 1))
            wrong = "a value outside 0..1";
        else if ((node->flags & NODE_ILLEGAL) && node->visits)
            wrong = "an illegal move with visits";
        else if (node->first_child == TREE_NONE)
            continue;
        else if (node->first_child <= at || (uint64_t)node->first_child + node->child_count > tree->used)
            wrong = "children outside the pool";
        else
            wrong = check_children(tree, node);
        for (uint32_t i = 0; !wrong && i < node->child_count; i++, expected++) {
            if (owned[node->first_child + i])
                wrong = "a node with two parents";
            owned[node->first_child + i] = true;
        }
    }
    free(owned);
    return wrong ? wrong : expected != tree->used ? "nodes that nobody owns" : NULL;
}
