/* The tree search: what it must see with few simulations, and what must hold of its tree after any game. */
#include "tests/unit/search_support.h"

#include <stdlib.h>
#include <string.h>

#include "workers/search/pattern3.h"
#include "workers/search/tactics.h"
#include "workers/search/uct.h"

static struct search_choice choice;

static struct uct_options options(uint32_t playouts, uint64_t seed) {
    struct uct_options options = uct_options_default();
    options.search = small_search(playouts, seed);
    return options;
}

static void search(struct uct *uct, const struct game *game) {
    enum color color = (enum color)game_board(game)->to_move;
    assert_int_equal(uct_search(uct, game, color, 0, NULL, NULL, &choice), 0);
}

/* The move that a fresh search finds, as GTP names it. */
static const char *best(const char *text, enum color to_move, int komi2, uint32_t playouts) {
    static char vertex[VERTEX_TEXT_MAX];
    struct uct_options o = options(playouts, 3);
    struct uct *uct = uct_create(&o);
    struct game *game = game_at(text, to_move, komi2);
    search(uct, game);
    vertex_text(game_board(game), choice.move, vertex);
    assert_null(tree_check(uct_tree(uct)));
    game_destroy(game);
    uct_destroy(uct);
    return vertex;
}

/* White's six stones decide the game; one move takes them. */
static void test_takes_what_can_be_taken(void **state) {
    assert_string_equal(best(CAPTURE_AT_F4, BLACK, 15, 1000), "F4");
}

/* The same for White, who must not let it happen. */
static void test_saves_what_would_be_taken(void **state) {
    assert_string_equal(best(CAPTURE_AT_F4, WHITE, 15, 1000), "F4");
}

/* The middle of three in a row decides about life. */
static const char VITAL_AT_B7[] = ". . . O X . X\n"
                                  "O O O O X X .\n"
                                  "X X X X X X X\n"
                                  ". . . . . . .\n"
                                  "O O O O O O O\n"
                                  "O . O O O . O\n"
                                  "O O O O O O O\n";

static void test_kills_by_the_vital_point(void **state) {
    assert_string_equal(best(VITAL_AT_B7, BLACK, -11, 2000), "B7");
}

static void test_lives_by_the_vital_point(void **state) {
    assert_string_equal(best(VITAL_AT_B7, WHITE, -21, 2000), "B7");
}

/* White runs with the stones at C4 to wherever they get the most liberties. */
static void run_away(struct game *game, go_move stone) {
    const struct board *board = game_board(game);
    go_move liberties[BOARD_POINTS_MAX], best_move = PASS;
    int count = board_liberty_list(board, stone, liberties), most = 0;
    for (int i = 0; i < count; i++) {
        int after;
        board_after(board, WHITE, liberties[i], NULL, &after, NULL);
        if (after > most && game_legality(game, WHITE, liberties[i]) == MOVE_LEGAL) {
            most = after;
            best_move = liberties[i];
        }
    }
    assert_int_equal(game_play(game, WHITE, best_move, NULL), 0);
}

/* Three stones and the whole game are caught in a ladder, move by move. */
static void test_follows_a_ladder(void **state) {
    static const char text[] = ". . . . . . .\n"
                               ". . . . . . .\n"
                               ". X X X . . .\n"
                               ". X O O X . .\n"
                               ". . X O . . .\n"
                               ". . . . . . .\n"
                               ". . . . . . .\n";
    struct uct_options o = options(3000, 1);
    struct uct *uct = uct_create(&o);
    struct game *game = game_at(text, BLACK, 41);
    const go_move stone = board_at(game_board(game), 2, 3);
    for (int turn = 0; turn < 12 && board_color(game_board(game), stone) == WHITE; turn++) {
        search(uct, game);
        assert_int_equal(game_play(game, BLACK, choice.move, NULL), 0);
        if (board_color(game_board(game), stone) == WHITE)
            run_away(game, stone);
    }
    assert_int_equal(board_color(game_board(game), stone), EMPTY);
    game_destroy(game);
    uct_destroy(uct);
}

/* Black has 10 points, White 15. */
static void test_passes_when_that_wins(void **state) {
    struct uct_options o = options(1000, 1);
    struct uct *uct = uct_create(&o);
    struct game *game = game_at(DIVIDED, BLACK, 1);
    play(game, "pass");
    search(uct, game);
    assert_int_equal(choice.move,
                     PASS); /* White wins by 5.5: the opponent has passed, so this ends the game */
    assert_int_equal(choice.playouts, 0);
    game_destroy(game);
    game = game_at(DIVIDED, WHITE, 1);
    search(uct, game);
    assert_int_equal(choice.move, PASS); /* nothing is open and it wins, although Black has not passed */
    assert_false(choice.resign);
    game_destroy(game);
    uct_destroy(uct);
}

/* A pass would end the game as a loss; Black plays on, for White may go wrong. */
static void test_does_not_pass_into_a_loss(void **state) {
    struct uct_options o = options(1000, 1);
    o.search.resign = 0;
    struct uct *uct = uct_create(&o);
    struct game *game = game_at(DIVIDED, WHITE, 1);
    play(game, "pass");
    search(uct, game);
    assert_int_not_equal(choice.move, PASS);
    assert_int_equal(game_legality(game, BLACK, choice.move), MOVE_LEGAL);
    game_destroy(game);
    uct_destroy(uct);
}

static void test_resigns_a_lost_game(void **state) {
    struct uct_options o = options(1000, 1);
    struct uct *uct = uct_create(&o);
    struct game *game = game_at(DIVIDED, BLACK, 61);
    search(uct, game);
    assert_true(choice.resign);
    game_destroy(game);
    uct_destroy(uct);
    o.search.resign = 0;
    uct = uct_create(&o);
    game = game_at(DIVIDED, BLACK, 61);
    search(uct, game);
    assert_false(choice.resign);
    game_destroy(game);
    uct_destroy(uct);
}

/* White's stones in Black's area are dead but count as alive: Black wins only by taking them, and so does not
 * pass. */
static void test_takes_dead_stones_off_when_it_needs_them(void **state) {
    struct uct_options o = options(2000, 1);
    o.search.resign = 0;
    struct uct *uct = uct_create(&o);
    struct game *game = game_at(DEAD_STONES, BLACK, 5);
    for (int turn = 0; turn < 10 && !game_over(game); turn++) {
        search(uct, game);
        assert_int_equal(game_play(game, (enum color)game_board(game)->to_move, choice.move, NULL), 0);
    }
    assert_true(game_margin2(game) > 0);
    assert_true(game_over(game));
    game_destroy(game);
    uct_destroy(uct);
}

/* Whole games on small boards, where positions repeat all the time. */
static int play_game(int size, enum ko_rule ko, bool suicide, struct uct_options *o, uint64_t *fingerprint) {
    const struct go_rules rules = {.size = size, .komi2 = 1, .ko = ko, .suicide = suicide};
    struct game *game = game_create(&rules);
    struct uct *uct = uct_create(o);
    const int most = 4 * size * size;
    *fingerprint = 0;
    while (!game_over(game) && game_move_count(game) < most) {
        search(uct, game);
        const enum color color = (enum color)game_board(game)->to_move;
        assert_null(tree_check(uct_tree(uct)));
        for (int i = 0; i < choice.child_count; i++)
            assert_int_equal(game_legality(game, color, choice.children[i].move), MOVE_LEGAL);
        *fingerprint =
            *fingerprint * 31 + choice.move * 7 + choice.children[0].visits + tree_used(uct_tree(uct));
        assert_int_equal(game_play(game, color, choice.move, NULL), 0);
    }
    const int moves = game_move_count(game);
    uct_destroy(uct);
    game_destroy(game);
    return moves;
}

static void test_plays_legal_games_and_keeps_its_tree_sound(void **state) {
    static const enum ko_rule rules[] = {KO_POSITIONAL, KO_SITUATIONAL, KO_SIMPLE};
    uint64_t fingerprint;
    for (int i = 0; i < 24; i++) {
        struct uct_options o = options(150, (uint64_t)i + 1);
        o.search.resign = 0;
        o.rollout.kind = i % 2 ? ROLLOUT_RANDOM : ROLLOUT_PATTERN;
        o.exploration = i % 3 ? 0 : 0.5;
        o.expand_visits = (uint32_t)(i % 4);
        assert_true(play_game(2 + i % 5, rules[i % 3], i % 4 == 3, &o, &fingerprint) > 0);
    }
}

static void test_a_full_pool_goes_on(void **state) {
    struct uct_options o = options(3000, 9);
    o.search.memory_bytes = 1; /* the least there is: 4,096 nodes */
    o.search.early_stop = false;
    struct uct *uct = uct_create(&o);
    const struct go_rules rules = {.size = 9, .komi2 = 15, .ko = KO_POSITIONAL};
    struct game *game = game_create(&rules);
    for (int i = 0; i < 6; i++) {
        search(uct, game);
        assert_int_equal(choice.playouts, 3000);
        assert_null(tree_check(uct_tree(uct)));
        assert_true(tree_used(uct_tree(uct)) <= tree_capacity(uct_tree(uct)));
        assert_int_equal(game_play(game, (enum color)game_board(game)->to_move, choice.move, NULL), 0);
    }
    game_destroy(game);
    uct_destroy(uct);
}

static void test_same_seed_same_game(void **state) {
    uint64_t first, again, other;
    struct uct_options o = options(200, 5);
    play_game(5, KO_POSITIONAL, false, &o, &first);
    play_game(5, KO_POSITIONAL, false, &o, &again);
    assert_int_equal(first, again);
    o.search.seed = 6;
    play_game(5, KO_POSITIONAL, false, &o, &other);
    assert_int_not_equal(first, other);
}

static void test_reuses_the_tree_of_the_game_that_went_on(void **state) {
    struct uct_options o = options(1000, 2);
    o.search.early_stop = false;
    struct uct *uct = uct_create(&o);
    const struct go_rules rules = {.size = 9, .komi2 = 15, .ko = KO_POSITIONAL};
    struct game *game = game_create(&rules);
    search(uct, game);
    const uint32_t expected = choice.children[0].visits;
    assert_int_equal(choice.root_visits, 1000);
    game_play(game, BLACK, choice.move, NULL);
    search(uct, game);
    assert_int_equal(choice.root_visits, expected + 1000);
    /* Another game, another komi, an undo: nothing old is believed. */
    game_undo(game);
    search(uct, game);
    assert_int_equal(choice.root_visits, 1000);
    game_set_komi(game, 1);
    search(uct, game);
    assert_int_equal(choice.root_visits, 1000);
    assert_int_equal(uct_search(uct, game, WHITE, 0, NULL, NULL, &choice), 0); /* out of turn */
    assert_int_equal(choice.root_visits, 1000);
    game_destroy(game);
    uct_destroy(uct);
}

/* A move that was played at once was also played later on, and no move was played more often than there were
 * simulations. */
static void test_amaf_counts(void **state) {
    struct uct_options o = options(2000, 4);
    o.search.early_stop = false;
    struct uct *uct = uct_create(&o);
    const struct go_rules rules = {.size = 7, .komi2 = 15, .ko = KO_POSITIONAL};
    struct game *game = game_create(&rules);
    search(uct, game);
    struct tree *tree = uct_tree(uct);
    for (uint32_t at = TREE_ROOT; at < tree_used(tree); at++) {
        const struct node *node = tree_node(tree, at);
        for (uint32_t i = 0; i < node->child_count; i++) {
            const struct node *child = tree_node(tree, node->first_child + i);
            assert_true(child->amaf_visits <= node->visits);
            if (child->move == PASS)
                assert_int_equal(child->amaf_visits, 0);
            else
                assert_true(child->amaf_visits >= child->visits);
        }
    }
    game_destroy(game);
    uct_destroy(uct);
}

static const struct node *child_at(const struct board *board, const struct node *children, int count,
                                   const char *vertex) {
    go_move move;
    assert_int_equal(vertex_parse(board, vertex, &move), 0);
    for (int i = 0; i < count; i++)
        if (children[i].move == move)
            return &children[i];
    fail_msg("%s is no child", vertex);
    return NULL;
}

/* Black to move: B7 takes three stones; E3 saves the stone at E4; A1 puts itself into atari. */
static void test_priors(void **state) {
    static const char text[] = "O . X . . . .\n"
                               "O O X . . . .\n"
                               "X X . . O . .\n"
                               ". . . O X O .\n"
                               ". . . . . . .\n"
                               "O . . . . . .\n"
                               ". . . . . . .\n";
    struct board board;
    struct node children[BOARD_POINTS_MAX + 1] = {0};
    int count = 0;
    pattern3_setup();
    assert_int_equal(diagram_read(&board, text, BLACK, false, NULL), 0);
    for (int i = 0; i < board.empty_count; i++)
        children[count++].move = board.empties[i];
    children[count++].move = PASS;
    const struct prior_weights weights = prior_weights_default();
    priors_set(&weights, &board, children, count);
    for (int i = 0; i < count; i++)
        assert_true(children[i].prior_visits >= weights.even && children[i].prior_value >= 0 &&
                    children[i].prior_value <= 1);
    assert_true(child_at(&board, children, count, "B7")->prior_value > 0.7f);
    assert_true(child_at(&board, children, count, "E3")->prior_value > 0.5f);
    assert_true(child_at(&board, children, count, "A1")->prior_value < 0.5f);
    assert_true(child_at(&board, children, count, "pass")->prior_value < 0.5f);
    const float quiet = child_at(&board, children, count, "G1")->prior_value;
    assert_true(quiet < child_at(&board, children, count, "E3")->prior_value);
    struct prior_weights careless = weights;
    const float saved = child_at(&board, children, count, "E3")->prior_value;
    careless.save = 0;
    priors_set(&careless, &board, children, count);
    assert_true(child_at(&board, children, count, "E3")->prior_value < saved);
    /* With White's last move at E5, its neighbourhood is worth more than before. */
    go_move last;
    assert_int_equal(vertex_parse(&board, "E5", &last), 0);
    const float before = child_at(&board, children, count, "E6")->prior_value;
    board.last_move[0] = last;
    priors_set(&weights, &board, children, count);
    assert_true(child_at(&board, children, count, "E6")->prior_value > before);
    assert_true(child_at(&board, children, count, "G1")->prior_value == quiet);
}

static bool stop_at_second_look(void *context) {
    return ++*(int *)context == 2;
}

static void test_stops_when_told(void **state) {
    struct uct_options o = options(1000000, 2);
    struct uct *uct = uct_create(&o);
    const struct go_rules rules = {.size = 9, .komi2 = 15, .ko = KO_POSITIONAL};
    struct game *game = game_create(&rules);
    int looks = 0;
    assert_int_equal(uct_search(uct, game, BLACK, 0, stop_at_second_look, &looks, &choice), 0);
    assert_int_equal(looks, 2);
    assert_true(choice.playouts > 0 && choice.playouts < 1000);
    assert_int_equal(game_legality(game, BLACK, choice.move), MOVE_LEGAL);
    game_destroy(game);
    uct_destroy(uct);
}

/* Time that is given for a move takes the place of the options' playouts. */
static void test_given_time_lifts_the_limit(void **state) {
    struct uct_options o = options(10, 2);
    struct uct *uct = uct_create(&o);
    struct game *game = empty_game(9);
    assert_int_equal(uct_search(uct, game, BLACK, 1e-9, NULL, NULL, &choice), 0);
    assert_true(choice.playouts > 10); /* it looks at the clock after some more */
    game_destroy(game);
    uct_destroy(uct);
}

/* Deciding early must not change the decision. */
static void test_early_stop_keeps_the_move(void **state) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        go_move found[2];
        for (int early = 0; early < 2; early++) {
            struct uct_options o = options(2000, seed);
            o.search.early_stop = early;
            struct uct *uct = uct_create(&o);
            struct game *game = game_at(". . . . .\n. X O . .\n. . X O .\n. . . . .\n. . . . .\n", BLACK, 1);
            search(uct, game);
            assert_true(early || choice.playouts == 2000);
            found[early] = choice.move;
            game_destroy(game);
            uct_destroy(uct);
        }
        assert_int_equal(found[0], found[1]);
    }
}

/* Whether the middle of a 7x7 board with these nine points in it is a pattern. */
static bool pattern_around(const char *nine) {
    char text[8 * 7 + 1] = "";
    struct board board;
    for (int y = 0; y < 7; y++)
        for (int x = 0; x < 8; x++)
            text[y * 8 + x] = x == 7                               ? '\n'
                              : x >= 2 && x < 5 && y >= 2 && y < 5 ? nine[(y - 2) * 3 + x - 2]
                                                                   : '.';
    assert_int_equal(diagram_read(&board, text, BLACK, false, NULL), 0);
    return pattern3_matches(board.around[board_at(&board, 3, 3)]);
}

static void test_patterns(void **state) {
    pattern3_setup();
    assert_true(pattern_around("XOX"
                               "..."
                               "...")); /* hane from both sides */
    assert_true(pattern_around("O.."
                               "X.."
                               "O..")); /* turned, colours exchanged */
    assert_true(pattern_around("XO."
                               "O.."
                               "...")); /* a cut */
    assert_false(pattern_around("XO."
                                "O.O"
                                "...")); /* protected */
    assert_true(pattern_around("XO."
                               "X.."
                               "..."));
    assert_true(pattern_around("..."
                               "O.."
                               "OX.")); /* the same upside down, colours exchanged */
    assert_false(pattern_around("..."
                                "..."
                                "..."));
}

static struct move_list answers(const char *text, const char *last_vertex, struct board *board) {
    struct move_list list = {.count = 0};
    go_move last;
    assert_int_equal(diagram_read(board, text, BLACK, false, NULL), 0);
    assert_int_equal(vertex_parse(board, last_vertex, &last), 0);
    tactics_answer_atari(board, BLACK, last, &list);
    return list;
}

static bool has(const struct board *board, const struct move_list *list, const char *vertex) {
    go_move move;
    assert_int_equal(vertex_parse(board, vertex, &move), 0);
    for (int i = 0; i < list->count; i++)
        if (list->moves[i] == move)
            return true;
    return false;
}

static void test_answers_to_atari(void **state) {
    struct board board;
    /* E3 put D3 into atari: run to D2, or take D4, which is in atari itself. */
    struct move_list list = answers(". . . . . .\n"
                                    ". . . X . .\n"
                                    ". . X O . .\n"
                                    ". . O X O .\n"
                                    ". . . . . .\n"
                                    ". . . . . .\n",
                                    "E3", &board);
    assert_int_equal(list.count, 2);
    assert_true(has(&board, &list, "D2"));
    assert_true(has(&board, &list, "E4"));
    /* The same with two liberties left: nothing to answer. */
    list = answers(". . . . . .\n"
                   ". . . . . .\n"
                   ". . . . . .\n"
                   ". . O X O .\n"
                   ". . . . . .\n"
                   ". . . . . .\n",
                   "E3", &board);
    assert_int_equal(list.count, 0);
    /* Running along the edge to C4 leads to one liberty only: no answer. The stone that was played may be
     * taken. */
    list = answers("O X . .\n"
                   ". O O .\n"
                   ". . . .\n"
                   ". . . .\n",
                   "A4", &board);
    assert_int_equal(list.count, 1);
    assert_true(has(&board, &list, "A3"));
}

static void test_self_atari(void **state) {
    struct board board;
    go_move corner;
    int size = 0;
    assert_int_equal(diagram_read(&board, ". X O .\nO . . .\n. . . .\n. . . .\n", BLACK, false, NULL), 0);
    assert_int_equal(vertex_parse(&board, "A4", &corner), 0);
    assert_true(tactics_self_atari(&board, BLACK, corner, &size));
    assert_int_equal(size, 2);
    assert_int_equal(vertex_parse(&board, "B3", &corner), 0);
    assert_false(tactics_self_atari(&board, BLACK, corner, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_what_can_be_taken),
        cmocka_unit_test(test_saves_what_would_be_taken),
        cmocka_unit_test(test_kills_by_the_vital_point),
        cmocka_unit_test(test_lives_by_the_vital_point),
        cmocka_unit_test(test_follows_a_ladder),
        cmocka_unit_test(test_passes_when_that_wins),
        cmocka_unit_test(test_does_not_pass_into_a_loss),
        cmocka_unit_test(test_resigns_a_lost_game),
        cmocka_unit_test(test_takes_dead_stones_off_when_it_needs_them),
        cmocka_unit_test(test_plays_legal_games_and_keeps_its_tree_sound),
        cmocka_unit_test(test_a_full_pool_goes_on),
        cmocka_unit_test(test_same_seed_same_game),
        cmocka_unit_test(test_reuses_the_tree_of_the_game_that_went_on),
        cmocka_unit_test(test_amaf_counts),
        cmocka_unit_test(test_priors),
        cmocka_unit_test(test_stops_when_told),
        cmocka_unit_test(test_given_time_lifts_the_limit),
        cmocka_unit_test(test_early_stop_keeps_the_move),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_answers_to_atari),
        cmocka_unit_test(test_self_atari),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
