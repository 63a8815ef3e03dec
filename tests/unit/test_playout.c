/* Playouts: each choice uniform, each move legal and none fills an eye, the end scored as the full scorer
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "workers/go/diagram.h"
#include "workers/go/playout.h"
#include "workers/go/score.h"

static bool acceptable(const struct board *board, enum color color, go_move p) {
    return board_legal(board, color, p) && !board_eye(board, color, p);
}

static bool has_acceptable(const struct board *board, enum color color) {
    for (int i = 0; i < board_points(board); i++)
        if (acceptable(board, color, board_move_at(board, i)))
            return true;
    return false;
}

/* Replays a record move by move on `board`, by the slow functions alone. */
static void replay(struct board *board, const struct playout_record *record) {
    enum color color = record->first;
    for (int i = 0; i < record->count; i++, color = color_other(color)) {
        go_move move = record->moves[i];
        assert_true(board->passes < 2);
        if (move == PASS)
            assert_false(has_acceptable(board, color));
        else
            assert_true(acceptable(board, color, move));
        board_play(board, color, move);
    }
}

static void every_move_is_legal_and_fills_no_eye(void **state) {
    static struct playout_record record;
    struct board start, board;
    struct rng rng;
    rng_seed(&rng, 7);
    for (int size = 2; size <= 19; size++) {
        for (int i = 0; i < (size < 10 ? 60 : 8); i++) {
            board_init(&start, size, i % 2);
            board_copy(&board, &start);
            struct playout_result result = playout_run(&board, &rng, 0, 0, &record);
            assert_int_equal(result.moves, record.count);
            assert_null(board_check(&board));
            replay(&start, &record);
            assert_true(start.hash == board.hash);
            assert_int_equal(start.move_count, board.move_count);
            assert_int_equal(start.passes, board.passes);
            assert_int_equal(start.to_move, board.to_move);
            assert_memory_equal(start.captured, board.captured, sizeof board.captured);
            assert_int_equal(result.cut, board.passes < 2);
            assert_int_equal(result.score, score_area(&board, NULL));
        }
    }
}

/* Draws many first moves and compares how often each came with what equal chances give. The seed is fixed:
 * the statistic is one number, far below its limit unless the choice is skewed. */
static void assert_uniform(const char *diagram, enum color color, int choices) {
    enum { DRAWS = 40000 };
    struct board start, board;
    struct rng rng;
    int counts[BOARD_CELLS_MAX] = {0}, seen = 0;
    double chi_square = 0, expected = (double)DRAWS / choices;
    assert_int_equal(diagram_read(&start, diagram, color, false, NULL), 0);
    rng_seed(&rng, 11);
    for (int i = 0; i < DRAWS; i++) {
        board_copy(&board, &start); /* always the same order of the list: the worst case */
        counts[playout_choose(&board, &rng, color)]++;
    }
    for (unsigned p = 0; p < start.cells; p++) {
        if (counts[p] == 0)
            continue;
        assert_true(acceptable(&start, color, (go_move)p));
        seen++;
        chi_square += (counts[p] - expected) * (counts[p] - expected) / expected;
    }
    assert_int_equal(seen, choices);
    /* Mean choices - 1, variance twice that: five deviations above. */
    double limit = choices - 1 + 5 * 1.4143 * (choices > 2 ? choices - 1 : 1);
    if (chi_square > limit)
        print_message("# chi-square %.1f over %d choices\n", chi_square, choices);
    assert_true(chi_square <= limit);
}

static void choices_are_uniform(void **state) {
    assert_uniform(". . .\n. . .\n. . .\n", BLACK, 9);
    /* Black may not fill aa and ca, nor end its life at ae; the free points follow the forbidden ones. */
    assert_uniform(". X . X O\n"
                   "X X X X O\n"
                   ". . . . O\n"
                   "O O O O O\n"
                   ". O . O .\n",
                   BLACK, 4);
    assert_uniform(". X . X O\n"
                   "X X X X O\n"
                   ". . . . O\n"
                   "O O O O O\n"
                   ". O . O .\n",
                   WHITE, 4);
    assert_uniform(". X O .\n"
                   "X * X O\n"
                   ". X O .\n"
                   "O . . .\n",
                   WHITE, 6);
}

static void one_who_cannot_move_passes(void **state) {
    struct board board;
    struct rng rng;
    rng_seed(&rng, 3);
    assert_int_equal(diagram_read(&board, ". X .\nX X X\n. X .\n", BLACK, false, NULL), 0);
    assert_int_equal(playout_choose(&board, &rng, BLACK), PASS);
    assert_int_equal(playout_choose(&board, &rng, WHITE), PASS);
    struct playout_result result = playout_run(&board, &rng, 0, 0, NULL);
    assert_int_equal(result.moves, 2);
    assert_int_equal(result.score, 9);
    assert_false(result.cut);
}

static void a_pass_before_the_playout_counts(void **state) {
    struct board board;
    struct rng rng;
    rng_seed(&rng, 3);
    /* White has passed and Black cannot move: over at once, with open points that only the full scorer can
     * tell. */
    assert_int_equal(diagram_read(&board, ". . X .\n. . X X\nX X X X\n. X . X\n", BLACK, false, NULL), 0);
    board_play(&board, WHITE, PASS);
    board_play(&board, BLACK, PASS);
    struct playout_result result = playout_run(&board, &rng, 0, 0, NULL);
    assert_int_equal(result.moves, 0);
    assert_int_equal(result.score, 16);
}

static void limits_end_a_playout(void **state) {
    static struct playout_record record;
    struct board board;
    struct rng rng;
    rng_seed(&rng, 5);
    board_init(&board, 9, false);
    struct playout_result result = playout_run(&board, &rng, 10, 0, &record);
    assert_int_equal(result.moves, 10);
    assert_true(result.cut);
    assert_int_equal(record.count, 10);
    assert_int_equal(result.score, score_area(&board, NULL));
    board_init(&board, 19, false);
    result = playout_run(&board, &rng, 1000000, 20, NULL);
    assert_true(result.cut);
    int lead = abs(board.stones[BLACK] - board.stones[WHITE]);
    assert_true(lead > 20 && lead < 100); /* one above the limit, or a capture beyond it */
}

static void the_same_seed_gives_the_same_playout(void **state) {
    static struct playout_record one, other;
    struct board board;
    struct rng rng;
    for (int i = 0; i < 2; i++) {
        board_init(&board, 9, false);
        rng_seed(&rng, 99);
        playout_run(&board, &rng, 0, 0, i ? &other : &one);
    }
    assert_int_equal(one.count, other.count);
    assert_memory_equal(one.moves, other.moves, (size_t)one.count * sizeof one.moves[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_move_is_legal_and_fills_no_eye),
        cmocka_unit_test(choices_are_uniform),
        cmocka_unit_test(one_who_cannot_move_passes),
        cmocka_unit_test(a_pass_before_the_playout_counts),
        cmocka_unit_test(limits_end_a_playout),
        cmocka_unit_test(the_same_seed_gives_the_same_playout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
