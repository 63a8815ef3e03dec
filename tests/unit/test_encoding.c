/* The encoding "go-12": by diagrams, and against a naive form over random games; the eight symmetries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "naive_board.h"
#include "proto/base/rng.h"
#include "workers/go/diagram.h"
#include "workers/go/encoding.h"
#include "workers/go/playout.h"

static void planes_of(const char *text, enum color to_move, float *planes, struct board *board) {
    struct problem problem = {0};
    assert_int_equal(diagram_read(board, text, to_move, false, &problem), 0);
    encode_planes(board, planes);
}

/* One plane against a picture: x for ones, . for zeros. */
static void expect(const float *planes, int size, int plane, const char *picture) {
    for (int i = 0; i < size * size; i++, picture++) {
        while (*picture == ' ' || *picture == '\n')
            picture++;
        const float value = planes[i * GO12_PLANES + plane];
        if (value != (*picture == 'x' ? 1.0f : 0.0f))
            fail_msg("plane %d, point %d: %g where the picture has %c", plane, i, (double)value, *picture);
    }
}

static const char position[] = ". X O .\n"
                               "X O O .\n"
                               "O . X X\n"
                               ". . . .\n";

static void planes_are_what_the_page_says(void **state) {
    float planes[16 * GO12_PLANES];
    struct board board;
    planes_of(position, BLACK, planes, &board);
    expect(planes, 4, 0, ".x.. x... ..xx ....");
    expect(planes, 4, 1, "..x. .xx. x... ....");
    expect(planes, 4, 2, "x..x ...x .x.. xxxx");
    expect(planes, 4, 3, ".x.. x... .... ...."); /* two stones that share their one liberty */
    expect(planes, 4, 4, ".... .... .... ....");
    expect(planes, 4, 5, ".... .... ..xx ....");
    expect(planes, 4, 6, ".... .... .... ....");
    expect(planes, 4, 7, ".... .... x... ....");
    expect(planes, 4, 8, "..x. .xx. .... ....");
    expect(planes, 4, 9, "xxxx xxxx xxxx xxxx");
    expect(planes, 4, 10, ".... .... .... ....");
    expect(planes, 4, 11, ".... .... .... ....");
}

static void colours_are_the_movers(void **state) {
    float black[16 * GO12_PLANES], white[16 * GO12_PLANES];
    struct board board;
    planes_of(position, BLACK, black, &board);
    planes_of(position, WHITE, white, &board);
    static const int twin[GO12_PLANES] = {1, 0, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11};
    for (int i = 0; i < 16; i++)
        for (int plane = 0; plane < GO12_PLANES; plane++)
            assert_true(black[i * GO12_PLANES + plane] == white[i * GO12_PLANES + twin[plane]]);
}

static void the_last_move_and_the_ko_are_marked(void **state) {
    float planes[16 * GO12_PLANES];
    struct board board;
    planes_of(". X O .\n"
              "X O . O\n"
              ". X O .\n"
              ". . . .\n",
              BLACK, planes, &board);
    board_play(&board, BLACK, board_at(&board, 2, 1)); /* takes one stone: ko */
    encode_planes(&board, planes);
    expect(planes, 4, 10, ".... ..x. .... ....");
    expect(planes, 4, 11, ".... .x.. .... ....");
    board_play(&board, WHITE, PASS);
    encode_planes(&board, planes);
    expect(planes, 4, 10, ".... .... .... ....");
    expect(planes, 4, 11, ".... .... .... ....");
}

/* The page of encoding.h, point by point, by the naive board. */
static void naive_planes(const struct naive_board *naive, int last, int ko, float *planes) {
    const int me = naive->now.to_move;
    for (int p = 0; p < naive->size * naive->size; p++) {
        float *at = planes + p * GO12_PLANES;
        const int color = naive->now.color[p];
        memset(at, 0, GO12_PLANES * sizeof *at);
        at[color == 0 ? 2 : color == me ? 0 : 1] = 1;
        at[9] = 1;
        if (color) {
            int liberties = naive_liberties(naive, p);
            liberties = liberties > 3 ? 3 : liberties;
            at[(color == me ? 2 : 5) + liberties] = 1;
        }
        at[10] = p == last;
        at[11] = p == ko;
    }
}

static void planes_equal_the_naive_form(void **state) {
    static struct naive_board naive;
    static float planes[BOARD_POINTS_MAX * GO12_PLANES], expected[BOARD_POINTS_MAX * GO12_PLANES];
    struct rng rng;
    rng_seed(&rng, 5);
    const char *quick = getenv("TENGEN_TEST_QUICK");
    const int games = quick && quick[0] == '1' ? 18 : 60, largest = games == 18 ? 9 : 19;
    for (int game = 0; game < games; game++) {
        const int size = 2 + game % (largest - 1);
        struct board board;
        board_init(&board, size, game % 2);
        naive_init(&naive, size, game % 2, NAIVE_SIMPLE);
        for (int i = 0; i < 3 * size * size && board.passes < 2; i++) {
            const enum color color = (enum color)board.to_move;
            const go_move move = playout_choose(&board, &rng, color);
            board_play(&board, color, move);
            naive_play(&naive, color, move == PASS ? -1 : board_index(&board, move));
            int ko = -1; /* found by asking, not by looking at board.ko */
            for (int p = 0; p < size * size; p++)
                if (naive_legality(&naive, naive.now.to_move, p) == NAIVE_KO)
                    ko = p;
            naive_planes(&naive, move == PASS ? -1 : board_index(&board, move), ko, expected);
            encode_planes(&board, planes);
            assert_memory_equal(planes, expected, (size_t)(size * size) * GO12_PLANES * sizeof *planes);
        }
    }
}

/* A symmetry is one of the moves of a square: neighbours stay neighbours. The inverse undoes it, and the
 * eight are all different. */
static void symmetries_form_the_group_of_the_square(void **state) {
    for (int size = 2; size <= 19; size++)
        for (int s = 0; s < SYMMETRIES; s++) {
            int moved = 0;
            for (int i = 0; i < size * size; i++) {
                const int to = symmetry_index(size, s, i);
                assert_in_range(to, 0, size * size - 1);
                assert_int_equal(symmetry_index(size, symmetry_inverse(s), to), i);
                moved += to != i;
                if (i % size) {
                    const int left = symmetry_index(size, s, i - 1);
                    assert_int_equal(abs(left / size - to / size) + abs(left % size - to % size), 1);
                }
            }
            assert_true(s == 0 ? moved == 0 : moved > 0);
            assert_int_equal(symmetry_index(size, s, size * size), size * size);
            for (int other = 0; other < s; other++)
                assert_false(symmetry_index(size, s, 0) == symmetry_index(size, other, 0) &&
                             symmetry_index(size, s, 1) == symmetry_index(size, other, 1));
        }
}

/* The planes under a symmetry are the planes of the turned board; a policy comes back by the inverse. */
static void planes_and_policies_turn_together(void **state) {
    float straight[25 * GO12_PLANES], turned[25 * GO12_PLANES], of_turned[25 * GO12_PLANES];
    float policy[26], there[26], back[26];
    struct board board, other;
    struct rng rng;
    uint8_t codes[25];
    rng_seed(&rng, 6);
    for (int s = 0; s < SYMMETRIES; s++) {
        board_init(&board, 5, false);
        board_init(&other, 5, false);
        for (int i = 0; i < 14; i++) {
            const enum color color = (enum color)board.to_move;
            const go_move move = playout_choose(&board, &rng, color);
            const int index = symmetry_index(5, s, board_index(&board, move));
            board_play(&board, color, move);
            board_play(&other, color, board_move_at(&other, index));
        }
        encode_codes(&board, codes);
        encode_planes(&board, straight);
        encode_planes(&other, of_turned);
        encode_expand(5, codes, s, turned);
        assert_memory_equal(turned, of_turned, sizeof turned);
        symmetry_planes(5, s, GO12_PLANES, straight, turned);
        assert_memory_equal(turned, of_turned, sizeof turned);
        for (int i = 0; i < 26; i++)
            policy[i] = (float)rng_uniform(&rng);
        symmetry_policy(5, s, policy, there);
        symmetry_policy(5, symmetry_inverse(s), there, back);
        assert_memory_equal(policy, back, sizeof policy);
        assert_true(there[25] == policy[25]);
        assert_true(there[symmetry_index(5, s, 7)] == policy[7]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes_are_what_the_page_says),
        cmocka_unit_test(colours_are_the_movers),
        cmocka_unit_test(the_last_move_and_the_ko_are_marked),
        cmocka_unit_test(planes_equal_the_naive_form),
        cmocka_unit_test(symmetries_form_the_group_of_the_square),
        cmocka_unit_test(planes_and_policies_turn_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
