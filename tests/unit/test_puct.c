/* The search that a network guides: what it must see without any knowledge, that priors and values lead it,
 * and that nothing depends on who shares a batch. */
#include "tests/unit/search_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "workers/search/puct.h"

static struct search_choice choice;

static struct puct_options options(uint32_t playouts, uint64_t seed) {
    struct puct_options options = puct_options_default();
    options.search = small_search(playouts, seed);
    return options;
}

static void search(struct puct *puct, struct evaluator *evaluator, const struct game *game) {
    struct problem problem = {0};
    const enum color color = (enum color)game_board(game)->to_move;
    assert_int_equal(puct_search(puct, evaluator, game, color, 0, NULL, NULL, &choice, &problem), 0);
    assert_null(tree_check(puct_tree(puct)));
}

/* No node may keep the marks of leaves that were in flight, and priors are a distribution. */
static void check_nodes(struct tree *tree) {
    for (uint32_t i = TREE_ROOT; i < tree_used(tree); i++) {
        const struct node *node = tree_node(tree, i);
        assert_int_equal(node->in_flight, 0);
        assert_false(node->flags & NODE_PENDING);
        double sum = 0;
        for (uint32_t c = 0; c < node->child_count; c++)
            sum += (double)tree_node(tree, node->first_child + c)->prior_value;
        if (node->child_count)
            assert_true(fabs(sum - 1) < 1e-4);
    }
}

/* An evaluator made for a test: a favourite point, and a value for Black. */
struct biased {
    struct evaluator base;
    int favourite; /* index; -1: none */
    float logit, black;
    int largest; /* list so far */
};

static int biased_run(struct evaluator *evaluator, struct evaluation *const *list, int count,
                      struct problem *problem) {
    struct biased *self = (struct biased *)evaluator;
    self->largest = count > self->largest ? count : self->largest;
    for (int i = 0; i < count; i++) {
        memset(list[i]->logits, 0, sizeof(list[i]->logits));
        if (self->favourite >= 0)
            list[i]->logits[self->favourite] = self->logit;
        list[i]->value = list[i]->board.to_move == BLACK ? self->black : -self->black;
    }
    return 0;
}

static struct biased biased(int favourite, float logit, float black) {
    static const struct evaluator_ops ops = {biased_run, NULL};
    return (struct biased){.base = {.ops = &ops, .batch_max = 256, .has_value = true},
                           .favourite = favourite,
                           .logit = logit,
                           .black = black};
}

/* Rollouts alone find it: no network helps. */
static void test_takes_what_can_be_taken(void **state) {
    struct evaluator *uniform = evaluator_uniform();
    char vertex[VERTEX_TEXT_MAX];
    for (int leaves = 1; leaves <= 64; leaves *= 8) {
        struct puct_options o = options(2000, 3);
        o.leaves = leaves;
        struct puct *puct = puct_create(&o);
        struct game *game = game_at(CAPTURE_AT_F4, BLACK, 15);
        search(puct, uniform, game);
        vertex_text(game_board(game), choice.move, vertex);
        assert_string_equal(vertex, "F4");
        check_nodes(puct_tree(puct));
        game_destroy(game);
        puct_destroy(puct);
    }
    evaluator_destroy(uniform);
}

static void test_priors_are_the_softmax_of_legal_moves(void **state) {
    struct biased network = biased(12, 3, 0); /* the middle of 5x5 */
    for (int sharp = 0; sharp < 2; sharp++) {
        struct puct_options o = options(1, 1);
        o.prior_temperature = sharp ? 0.5 : 1;
        struct puct *puct = puct_create(&o);
        struct game *game = empty_game(5);
        search(puct, &network.base, game);
        const double favoured = exp(sharp ? 6 : 3), all = favoured + 25; /* 24 others and the pass */
        const uint32_t middle = tree_child(puct_tree(puct), TREE_ROOT, board_at(game_board(game), 2, 2));
        assert_true(fabs((double)tree_node(puct_tree(puct), middle)->prior_value - favoured / all) < 1e-5);
        const uint32_t pass = tree_child(puct_tree(puct), TREE_ROOT, PASS);
        assert_true(fabs((double)tree_node(puct_tree(puct), pass)->prior_value - 1 / all) < 1e-5);
        assert_int_equal(choice.move, board_at(game_board(game), 2, 2)); /* the only one visited */
        assert_int_equal(choice.playouts, 1);
        check_nodes(puct_tree(puct));
        game_destroy(game);
        puct_destroy(puct);
    }
}

/* The value is the mover's; the search turns it to each node's side. */
static void test_values_are_seen_from_the_right_side(void **state) {
    for (enum color color = BLACK; color <= WHITE; color++) {
        struct biased network = biased(-1, 0, 0.6f);
        struct puct_options o = options(200, 1);
        o.value_share = 1;
        struct puct *puct = puct_create(&o);
        struct game *game = game_at(". . .\n. . .\n. . .\n", color, 15);
        search(puct, &network.base, game);
        assert_true(fabsf(choice.winrate - (color == BLACK ? 0.8f : 0.2f)) < 0.05f);
        game_destroy(game);
        puct_destroy(puct);
    }
}

static void test_the_value_and_the_rollout_are_mixed(void **state) {
    static const char won[] = "X X X\nX . X\nX X .\n"; /* every rollout ends as Black's */
    struct game *game = game_at(won, WHITE, 1);
    for (int share = 0; share <= 4; share += 2) {
        struct biased network = biased(-1, 0, -1); /* White wins, it says */
        struct puct_options o = options(1, 1);
        o.value_share = share / 4.0;
        struct puct *puct = puct_create(&o);
        search(puct, &network.base, game);
        assert_true(fabs((double)choice.winrate - share / 4.0) < 1e-5);
        puct_destroy(puct);
    }
    game_destroy(game);
}

/* Black has 10 points, White 15. The same with and without a search. */
static void test_passing(void **state) {
    struct biased network = biased(25, 5, 0); /* likes to pass */
    for (int policy = 0; policy < 2; policy++) {
        struct puct_options o = options(policy ? 0 : 1000, 1);
        o.search.resign = 0;
        struct puct *puct = puct_create(&o);
        struct game *game = game_at(DIVIDED, BLACK, 1);
        play(game, "pass");
        search(puct, &network.base, game);
        assert_int_equal(choice.move, PASS); /* White wins by 5.5 and ends the game */
        assert_int_equal(choice.playouts, 0);
        assert_false(choice.resign);
        game_destroy(game);
        game = game_at(DIVIDED, WHITE, 1);
        search(puct, &network.base, game);
        assert_int_equal(choice.move, PASS);
        game_destroy(game);
        game = game_at(DIVIDED, WHITE, 1);
        play(game, "pass");
        search(puct, &network.base, game);
        assert_int_not_equal(choice.move, PASS); /* that would lose */
        assert_int_equal(game_legality(game, BLACK, choice.move), MOVE_LEGAL);
        game_destroy(game);
        puct_destroy(puct);
    }
}

static void test_resigns_a_lost_game(void **state) {
    for (int resigns = 0; resigns < 2; resigns++) {
        struct biased network = biased(-1, 0, -0.9f);
        struct puct_options o = options(300, 1);
        o.search.resign = resigns ? 0.1 : 0;
        struct puct *puct = puct_create(&o);
        struct game *game = game_at(DIVIDED, BLACK, 61);
        search(puct, &network.base, game);
        assert_int_equal(choice.resign, resigns);
        puct_destroy(puct);
        o.search.playouts = 0; /* the policy goes by its value head: 5 % */
        puct = puct_create(&o);
        search(puct, &network.base, game);
        assert_int_equal(choice.resign, resigns);
        game_destroy(game);
        puct_destroy(puct);
    }
}

static void test_takes_dead_stones_off_when_it_needs_them(void **state) {
    struct evaluator *uniform = evaluator_uniform();
    struct puct_options o = options(2000, 1);
    o.search.resign = 0;
    struct puct *puct = puct_create(&o);
    struct game *game = game_at(DEAD_STONES, BLACK, 5);
    for (int turn = 0; turn < 10 && !game_over(game); turn++) {
        search(puct, uniform, game);
        assert_int_equal(game_play(game, (enum color)game_board(game)->to_move, choice.move, NULL), 0);
    }
    assert_true(game_margin2(game) > 0);
    assert_true(game_over(game));
    game_destroy(game);
    puct_destroy(puct);
    evaluator_destroy(uniform);
}

static void test_the_policy_plays_its_favourite_or_draws(void **state) {
    struct biased network = biased(7, 2, 0);
    struct puct_options o = options(0, 1);
    struct puct *puct = puct_create(&o);
    struct game *game = empty_game(4);
    search(puct, &network.base, game);
    assert_int_equal(board_index(game_board(game), choice.move), 7);
    assert_int_equal(choice.root_visits, 0);
    puct_destroy(puct);
    int favourite = 0, others = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        o.search.seed = seed;
        o.temperature = 0.5;
        o.search.memory_bytes = 0;
        puct = puct_create(&o);
        search(puct, &network.base, game);
        favourite += board_index(game_board(game), choice.move) == 7;
        others += board_index(game_board(game), choice.move) != 7;
        puct_destroy(puct);
    }
    /* e^(2 / 0.5) against 15 others, the pass left out (Black would lose): 0.785, standard error 0.009 */
    const double share = favourite / 2000.0, expected = exp(4) / (exp(4) + 15);
    assert_int_equal(favourite + others, 2000);
    assert_true(fabs(share - expected) < 0.04);
    game_destroy(game);
}

/* A network that nearly always wants to pass, where passing loses: no draw may give the pass. */
static void test_draws_never_pass_into_a_loss(void **state) {
    struct biased network = biased(25, 8, 0);
    struct game *game = game_at(DIVIDED, WHITE, 1);
    play(game, "pass");
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct puct_options o = options(seed % 2 ? 50 : 0, seed);
        o.search.resign = 0;
        o.search.memory_bytes = 0;
        o.temperature = 1;
        struct puct *puct = puct_create(&o);
        search(puct, &network.base, game);
        assert_int_not_equal(choice.move, PASS);
        puct_destroy(puct);
    }
    game_destroy(game);
}

static void test_noise_is_off_unless_asked_for(void **state) {
    struct biased network = biased(3, 1, 0);
    float quiet[26], loud[26];
    for (int noisy = 0; noisy < 2; noisy++) {
        struct puct_options o = options(20, 1);
        o.noise = noisy ? 0.25 : 0;
        struct puct *puct = puct_create(&o);
        struct game *game = empty_game(5);
        search(puct, &network.base, game);
        check_nodes(puct_tree(puct));
        for (int i = 0; i < 26; i++) {
            const uint32_t child = tree_child(puct_tree(puct), TREE_ROOT, board_move_at(game_board(game), i));
            (noisy ? loud : quiet)[i] = tree_node(puct_tree(puct), child)->prior_value;
        }
        game_destroy(game);
        puct_destroy(puct);
    }
    int moved = 0;
    for (int i = 0; i < 26; i++) {
        assert_true(loud[i] >= 0.75f * quiet[i] - 1e-6f);
        assert_true(i == 3 || fabsf(quiet[i] - quiet[0]) < 1e-7f);
        moved += fabsf(loud[i] - quiet[i]) > 1e-4f;
    }
    assert_true(moved > 10);
}

static void test_fewer_questions_when_leaves_expand_later(void **state) {
    int64_t asked[2];
    for (int late = 0; late < 2; late++) {
        struct biased network = biased(-1, 0, 0);
        struct puct_options o = options(500, 1);
        o.expand_visits = late ? 8 : 1;
        o.leaves = 5;
        o.search.early_stop = false;
        struct puct *puct = puct_create(&o);
        struct game *game = empty_game(5);
        search(puct, &network.base, game);
        assert_int_equal(choice.playouts, 500);
        assert_int_equal(choice.root_visits, 500);
        assert_in_range(network.largest, 2, 5);
        asked[late] = network.base.evaluations;
        check_nodes(puct_tree(puct));
        game_destroy(game);
        puct_destroy(puct);
    }
    assert_true(asked[0] > 400); /* all but what ended in two passes */
    assert_true(asked[1] > 1 && asked[1] < asked[0] / 4);
}

/* The rollout's result does not wait for priors: only where the value head is part of the result do visits
 * stay behind and leave their marks meanwhile. */
static void test_only_values_are_awaited(void **state) {
    for (int share = 0; share <= 1; share++) {
        struct biased network = biased(-1, 0, 0);
        struct puct_options o = options(500, 1);
        struct problem problem = {0};
        struct game *game = empty_game(5);
        int count;
        o.value_share = 0.5 * share;
        o.leaves = 4;
        struct puct *puct = puct_create(&o);
        assert_int_equal(puct_begin(puct, game, BLACK, 0), 0);
        assert_int_equal(evaluator_run(&network.base, puct_requests(puct, &count), 1, &problem), 0);
        assert_int_equal(puct_advance(puct, NULL, NULL), PUCT_WAITS);
        puct_requests(puct, &count);
        assert_in_range(count, 1, 4);
        const struct node *root = tree_node(puct_tree(puct), TREE_ROOT);
        assert_int_equal(root->visits, share ? 0 : count);
        assert_int_equal(root->in_flight, share ? count : 0);
        game_destroy(game);
        puct_destroy(puct);
    }
}

/* The visits that it takes to ask settle where the network has its share of the time, whatever it costs. */
static void test_the_pace_follows_the_cost(void **state) {
    static const int64_t rollout_ns = 30000;
    for (int64_t question_ns = 1000; question_ns <= 3000000; question_ns *= 10) {
        struct puct_pace pace = {.expand_visits = PACE_START};
        double share = 0;
        for (int i = 0; i < 20000; i++) { /* a leaf is asked about at every expand_visits-th simulation */
            const int64_t search_ns = rollout_ns * pace.expand_visits;
            puct_pace_note(&pace, question_ns, search_ns);
            if (i >= 19000)
                share += (double)question_ns / (double)(question_ns + search_ns) / 1000;
            if (i % 500 == 0)
                puct_pace_age(&pace);
        }
        if (question_ns < rollout_ns)
            assert_int_equal(pace.expand_visits, 1); /* cheap: ask always */
        else
            assert_true(fabs(share - PACE_NETWORK_SHARE) < 0.02);
    }
    struct puct_pace pace = {.expand_visits = PACE_START};
    for (int i = 0; i < 2 * PACE_VISITS_MAX; i++)
        puct_pace_note(&pace, 1000, 1);
    assert_int_equal(pace.expand_visits, PACE_VISITS_MAX);
}

static uint64_t fingerprint(struct puct *puct, uint64_t sum) {
    struct tree *tree = puct_tree(puct);
    for (uint32_t i = TREE_ROOT; i < tree_used(tree); i++) {
        const struct node *node = tree_node(tree, i);
        uint32_t value;
        memcpy(&value, &node->value, sizeof(value));
        sum = (sum * 31 + node->visits) * 31 + value;
    }
    return sum * 31 + choice.move;
}

enum { GAMES = 5 };

/* Whole games, alone: what each search sees at each move. */
static void play_alone(struct evaluator *evaluator, uint64_t *sums) {
    for (int i = 0; i < GAMES; i++) {
        struct puct_options o = options(60 + 10 * (uint32_t)i, (uint64_t)i);
        struct puct *puct = puct_create(&o);
        struct game *game = empty_game(4 + i % 2);
        sums[i] = 0;
        for (int moves = 0; moves < 30 && !game_over(game); moves++) {
            search(puct, evaluator, game);
            check_nodes(puct_tree(puct));
            sums[i] = fingerprint(puct, sums[i]);
            assert_int_equal(game_legality(game, (enum color)game_board(game)->to_move, choice.move),
                             MOVE_LEGAL);
            game_play(game, (enum color)game_board(game)->to_move, choice.move, NULL);
        }
        game_destroy(game);
        puct_destroy(puct);
    }
}

/* The same games in lock-step: all leaves of a round in one call. */
static void play_together(struct evaluator *evaluator, uint64_t *sums) {
    struct puct *puct[GAMES];
    struct game *game[GAMES];
    struct evaluation *list[GAMES * PUCT_LEAVES_MAX];
    struct problem problem = {0};
    int moves[GAMES] = {0}, running = GAMES;
    for (int i = 0; i < GAMES; i++) {
        struct puct_options o = options(60 + 10 * (uint32_t)i, (uint64_t)i);
        puct[i] = puct_create(&o);
        game[i] = empty_game(4 + i % 2);
        sums[i] = 0;
        assert_int_equal(puct_begin(puct[i], game[i], BLACK, 0), 0);
    }
    while (running > 0) {
        int total = 0;
        for (int i = 0; i < GAMES; i++) {
            int count;
            struct evaluation *const *requests = puct_requests(puct[i], &count);
            for (int k = 0; k < count && game[i]; k++)
                list[total++] = requests[k];
        }
        assert_int_equal(evaluator_run(evaluator, list, total, &problem), 0);
        for (int i = 0; i < GAMES; i++) {
            if (!game[i] || puct_advance(puct[i], NULL, NULL) == PUCT_WAITS)
                continue;
            puct_choose(puct[i], &choice);
            sums[i] = fingerprint(puct[i], sums[i]);
            game_play(game[i], (enum color)game_board(game[i])->to_move, choice.move, NULL);
            if (++moves[i] < 30 && !game_over(game[i])) {
                assert_int_equal(puct_begin(puct[i], game[i], (enum color)game_board(game[i])->to_move, 0),
                                 0);
                continue;
            }
            game_destroy(game[i]);
            game[i] = NULL;
            running--;
        }
    }
    for (int i = 0; i < GAMES; i++)
        puct_destroy(puct[i]);
}

static void test_company_changes_nothing(void **state) {
    struct evaluator *random = evaluator_random(7);
    uint64_t alone[GAMES], again[GAMES], together[GAMES];
    play_alone(random, alone);
    play_alone(random, again);
    play_together(random, together);
    assert_memory_equal(alone, again, sizeof(alone));
    assert_memory_equal(alone, together, sizeof(alone));
    assert_true(alone[0] != alone[2]);
    evaluator_destroy(random);
}

static void test_a_full_tree_goes_on(void **state) {
    struct evaluator *random = evaluator_random(7);
    struct puct_options o = options(4000, 1);
    o.search.memory_bytes = 0; /* the least there is */
    o.search.early_stop = false;
    struct puct *puct = puct_create(&o);
    struct game *game = empty_game(9);
    for (int i = 0; i < 2; i++) {
        search(puct, random, game);
        assert_int_equal(choice.playouts, 4000);
        assert_true(tree_used(puct_tree(puct)) <= tree_capacity(puct_tree(puct)));
        check_nodes(puct_tree(puct));
        game_play(game, (enum color)game_board(game)->to_move, choice.move, NULL);
    }
    game_destroy(game);
    puct_destroy(puct);
    evaluator_destroy(random);
}

/* Where playouts are counted the network is asked at the first visit, and no clock has a say. */
static void test_playouts_know_no_pace(void **state) {
    struct evaluator *random = evaluator_random(7);
    uint64_t sums[2];
    for (int given = 0; given < 2; given++) {
        struct puct_options o = options(300, 1);
        o.expand_visits = (uint32_t)given;
        struct puct *puct = puct_create(&o);
        struct game *game = empty_game(7);
        search(puct, random, game);
        sums[given] = fingerprint(puct, 0);
        game_destroy(game);
        puct_destroy(puct);
    }
    assert_true(sums[0] == sums[1]);
    evaluator_destroy(random);
}

/* Time that is given for a move takes the place of the options' playouts. */
static void test_given_time_lifts_the_limit(void **state) {
    struct biased network = biased(-1, 0, 0);
    struct puct_options o = options(1, 2);
    struct problem problem = {0};
    struct puct *puct = puct_create(&o);
    struct game *game = empty_game(9);
    assert_int_equal(puct_search(puct, &network.base, game, BLACK, 0.02, NULL, NULL, &choice, &problem), 0);
    assert_true(choice.playouts > 1);
    check_nodes(puct_tree(puct));
    game_destroy(game);
    puct_destroy(puct);
}

static bool stop_at_third_look(void *context) {
    return ++*(int *)context >= 3;
}

static void test_stops_when_told(void **state) {
    struct evaluator *random = evaluator_random(7);
    struct puct_options o = options(1000000, 1);
    struct puct *puct = puct_create(&o);
    struct game *game = empty_game(9);
    struct problem problem = {0};
    int looks = 0;
    assert_int_equal(puct_search(puct, random, game, BLACK, 0, stop_at_third_look, &looks, &choice, &problem),
                     0);
    assert_in_range(choice.playouts, 1, 100);
    assert_int_equal(game_legality(game, BLACK, choice.move), MOVE_LEGAL);
    check_nodes(puct_tree(puct));
    /* A search that was given up in the middle leaves no marks. */
    assert_int_equal(puct_begin(puct, game, BLACK, 0), 0);
    assert_int_equal(puct_advance(puct, NULL, NULL), PUCT_WAITS);
    assert_int_equal(puct_begin(puct, game, BLACK, 0), 0);
    check_nodes(puct_tree(puct));
    game_destroy(game);
    puct_destroy(puct);
    evaluator_destroy(random);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_what_can_be_taken),
        cmocka_unit_test(test_priors_are_the_softmax_of_legal_moves),
        cmocka_unit_test(test_values_are_seen_from_the_right_side),
        cmocka_unit_test(test_the_value_and_the_rollout_are_mixed),
        cmocka_unit_test(test_passing),
        cmocka_unit_test(test_resigns_a_lost_game),
        cmocka_unit_test(test_takes_dead_stones_off_when_it_needs_them),
        cmocka_unit_test(test_the_policy_plays_its_favourite_or_draws),
        cmocka_unit_test(test_draws_never_pass_into_a_loss),
        cmocka_unit_test(test_noise_is_off_unless_asked_for),
        cmocka_unit_test(test_fewer_questions_when_leaves_expand_later),
        cmocka_unit_test(test_only_values_are_awaited),
        cmocka_unit_test(test_the_pace_follows_the_cost),
        cmocka_unit_test(test_company_changes_nothing),
        cmocka_unit_test(test_playouts_know_no_pace),
        cmocka_unit_test(test_given_time_lifts_the_limit),
        cmocka_unit_test(test_a_full_tree_goes_on),
        cmocka_unit_test(test_stops_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
