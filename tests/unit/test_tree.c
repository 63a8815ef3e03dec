/* The node pool: expansion, rerooting, and a check that does find what is wrong. */
#include "tests/unit/unit.h"

#include "proto/base/rng.h"
#include "workers/search/tree.h"

static const go_move moves[] = {10, 20, 30, PASS};
enum { MOVES = 4 };

static struct node *expand(struct tree *tree, uint32_t index) {
    struct node *children = tree_expand(tree, tree_node(tree, index), moves, MOVES);
    assert_non_null(children);
    return children;
}

/* One simulation along a path of child numbers that ends with `z` for the side that moved last. */
static void simulate(struct tree *tree, const int *path, int length, float z) {
    uint32_t index = TREE_ROOT;
    for (int depth = 0; depth <= length; depth++) {
        struct node *node = tree_node(tree, index);
        float own = (length - depth) % 2 ? 1 - z : z;
        node->visits++;
        node->value += (own - node->value) / (float)node->visits;
        if (depth < length)
            index = node->first_child + (uint32_t)path[depth];
    }
}

static void test_expansion_gives_contiguous_children(void **state) {
    struct tree *tree = tree_create(0);
    struct node *first = expand(tree, TREE_ROOT);
    assert_int_equal(tree_node(tree, TREE_ROOT)->child_count, MOVES);
    for (int i = 0; i < MOVES; i++) {
        assert_int_equal(first[i].move, moves[i]);
        assert_int_equal(first[i].visits, 0);
        assert_ptr_equal(tree_node(tree, tree_child(tree, TREE_ROOT, moves[i])), &first[i]);
    }
    assert_int_equal(tree_child(tree, TREE_ROOT, 11), TREE_NONE);
    assert_int_equal(tree_used(tree), 2 + MOVES);
    assert_null(tree_check(tree));
    tree_destroy(tree);
}

static void test_a_full_pool_refuses(void **state) {
    struct tree *tree = tree_create(0);
    uint32_t at = TREE_ROOT, used;
    while (tree_expand(tree, tree_node(tree, at), moves, MOVES))
        at++;
    used = tree_used(tree);
    assert_true(tree_capacity(tree) - used < MOVES);
    assert_int_equal(tree_node(tree, at)->first_child, TREE_NONE);
    assert_null(tree_check(tree));
    tree_destroy(tree);
}

static void test_reroot_keeps_exactly_the_subtree(void **state) {
    struct tree *tree = tree_create(0);
    expand(tree, TREE_ROOT);
    uint32_t second = tree_node(tree, TREE_ROOT)->first_child + 1;
    expand(tree, tree_node(tree, TREE_ROOT)->first_child);
    expand(tree, second);
    expand(tree, tree_node(tree, second)->first_child + 2);
    simulate(tree, (int[]){1, 2, 0}, 3, 1);
    simulate(tree, (int[]){1, 2, 3}, 3, 0);
    simulate(tree, (int[]){0, 1}, 2, 1);
    assert_null(tree_check(tree));
    tree_reroot(tree, second);
    struct node *root = tree_node(tree, TREE_ROOT);
    assert_int_equal(root->move, moves[1]);
    assert_int_equal(root->visits, 2);
    assert_int_equal(tree_used(tree), 2 + 2 * MOVES);
    const struct node *third = tree_node(tree, root->first_child + 2);
    assert_int_equal(third->visits, 2);
    assert_int_equal(tree_node(tree, third->first_child)->visits, 1);
    assert_null(tree_check(tree));
    tree_destroy(tree);
}

static void test_check_finds_faults(void **state) {
    struct tree *tree = tree_create(0);
    expand(tree, TREE_ROOT);
    uint32_t child = tree_node(tree, TREE_ROOT)->first_child;
    expand(tree, child);
    for (int i = 0; i < 10; i++)
        simulate(tree, (int[]){0, i % 3}, 2, (float)(i % 2));
    assert_null(tree_check(tree));
    struct node *node = tree_node(tree, child), kept = *node;
    node->value = 0.9f;
    assert_non_null(tree_check(tree));
    *node = kept;
    node->visits = 11;
    assert_non_null(tree_check(tree));
    *node = kept;
    node->flags = NODE_ILLEGAL;
    assert_non_null(tree_check(tree));
    *node = kept;
    node->first_child = TREE_ROOT + 1;
    assert_non_null(tree_check(tree));
    *node = kept;
    node->child_count--;
    assert_non_null(tree_check(tree));
    *node = kept;
    node->move = moves[1];
    assert_non_null(tree_check(tree));
    *node = kept;
    assert_null(tree_check(tree));
    tree_destroy(tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expansion_gives_contiguous_children),
        cmocka_unit_test(test_a_full_pool_refuses),
        cmocka_unit_test(test_reroot_keeps_exactly_the_subtree),
        cmocka_unit_test(test_check_finds_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
