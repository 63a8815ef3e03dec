/* The fast board against the naive one: random moves over all sizes, rules and ko rules, everything compared.
 *
 * TENGEN_TEST_MOVES=N plays N moves in all instead of the few seconds' worth of every test run;
 * TENGEN_TEST_QUICK=1 a sixth of those.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "naive_board.h"
#include "proto/base/rng.h"
#include "workers/go/game.h"
#include "workers/go/score.h"

enum { DEFAULT_MOVES = 90000, QUICK_MOVES = 15000 };

static struct naive_board naive; /* its history is large */

static const enum legality answers[] = {MOVE_LEGAL, MOVE_OCCUPIED, MOVE_SUICIDE, MOVE_KO, MOVE_SUPERKO};

/* Where a difference was found, printed before the assertion that fails. */
static void show(const struct game *game, const char *what) {
    const struct board *board = game_board(game);
    print_message("# %s differs: size %d, suicide %d, ko rule %d, after %d moves\n", what, board->size,
                  board->suicide, (int)game_rules(game)->ko, game_move_count(game));
    for (int y = 0; y < board->size; y++) {
        print_message("#   ");
        for (int x = 0; x < board->size; x++)
            print_message("%c", ".XO"[board->color[board_at(board, x, y)]]);
        print_message("\n");
    }
}

#define SAME(game, what, ours, naives)                                                                       \
    do {                                                                                                     \
        if ((ours) != (naives))                                                                              \
            show(game, what);                                                                                \
        assert_int_equal(ours, naives);                                                                      \
    } while (0)

static void compare_stone(const struct game *game, int index) {
    const struct board *board = game_board(game);
    go_move p = board_move_at(board, index), lists[BOARD_POINTS_MAX], liberty = PASS;
    int liberties = naive_liberties(&naive, index);
    SAME(game, "a liberty count", board_liberty_count(board, p, BOARD_POINTS_MAX), liberties);
    SAME(game, "a limited liberty count", board_liberty_count(board, p, 2), liberties < 2 ? liberties : 2);
    SAME(game, "a liberty list", board_liberty_list(board, p, lists), liberties);
    SAME(game, "a chain's size", board_chain_size(board, p), naive_chain_size(&naive, index));
    SAME(game, "atari", board_in_atari(board, p, &liberty), liberties == 1);
    if (liberties == 1)
        SAME(game, "the last liberty", liberty, lists[0]);
}

static void compare_empty(const struct game *game, int color, int index) {
    const struct board *board = game_board(game);
    int ours[3], naives[3];
    go_move p = board_move_at(board, index);
    board_after(board, (enum color)color, p, &ours[0], &ours[1], &ours[2]);
    naive_after(&naive, color, index, &naives[0], &naives[1], &naives[2]);
    SAME(game, "stones taken", ours[0], naives[0]);
    SAME(game, "liberties after a move", ours[1], naives[1]);
    if (naives[1] > 0)
        SAME(game, "a chain's size after a move", ours[2], naives[2]);
    SAME(game, "an eye", board_eye(board, (enum color)color, p), naive_eye(&naive, color, index));
}

static void compare_point(const struct game *game, int color, int index) {
    const struct board *board = game_board(game);
    go_move p = board_move_at(board, index);
    SAME(game, "legality", game_legality(game, (enum color)color, p),
         answers[naive_legality(&naive, color, index)]);
    if (naive.now.color[index])
        compare_stone(game, index);
    else
        compare_empty(game, color, index);
}

static void compare_stones(const struct game *game) {
    const struct board *board = game_board(game);
    for (int i = 0; i < board_points(board); i++)
        SAME(game, "a colour", board->color[board_move_at(board, i)], naive.now.color[i]);
}

static void compare_all(const struct game *game) {
    const struct board *board = game_board(game);
    uint8_t ours[BOARD_POINTS_MAX], naives[BOARD_POINTS_MAX];
    const char *wrong = board_check(board);
    if (wrong)
        show(game, wrong);
    assert_null(wrong);
    for (int i = 0; i < board_points(board); i++) {
        compare_point(game, BLACK, i);
        compare_point(game, WHITE, i);
    }
    SAME(game, "the score", score_area(board, ours), naive_score(&naive, naives));
    assert_memory_equal(ours, naives, (size_t)board_points(board));
}

/* One random move, mostly by the player whose turn it is. Returns whether it was legal and played. */
static bool random_move(struct game *game, struct rng *rng) {
    const struct board *board = game_board(game);
    int points = board_points(board), index = (int)rng_below(rng, (uint32_t)points + 1);
    enum color color = (enum color)board->to_move;
    if (rng_below(rng, 20) == 0)
        color = color_other(color);
    if (index == points && rng_below(rng, 4) != 0)
        return false;
    go_move move = board_move_at(board, index);
    enum legality why, wanted = index == points ? MOVE_LEGAL : answers[naive_legality(&naive, color, index)];
    uint64_t after = wanted == MOVE_LEGAL ? board_hash_after(board, color, move) : board->hash;
    int error = game_play(game, color, move, &why);
    SAME(game, "legality of the move", why, wanted);
    assert_int_equal(error == 0, wanted == MOVE_LEGAL);
    if (error == 0)
        naive_play(&naive, color, index == points ? -1 : index);
    SAME(game, "the hash after the move", board->hash == after, true);
    compare_stones(game);
    return error == 0;
}

/* Undoes a random part of the game and plays it again: the same position must come out. */
static void undo_and_replay(struct game *game, struct rng *rng) {
    int count = game_move_count(game), back = (int)rng_below(rng, (uint32_t)(count < 20 ? count : 20) + 1);
    struct game *copy = game_copy(game);
    assert_non_null(copy);
    for (int i = 0; i < back; i++)
        assert_int_equal(game_undo(copy), 0);
    assert_int_equal(game_move_count(copy), count - back);
    for (int i = count - back; i < count; i++) {
        enum color color;
        go_move move = game_move(game, i, &color);
        assert_int_equal(game_play(copy, color, move, NULL), 0);
    }
    assert_true(board_situation(game_board(copy)) == board_situation(game_board(game)));
    assert_int_equal(game_board(copy)->ko, game_board(game)->ko);
    game_destroy(copy);
}

/* Plays one game of at most `limit` moves; returns how many were played. */
static int play_game(int size, bool suicide, enum ko_rule ko, int limit, struct rng *rng) {
    const struct go_rules rules = {.size = size, .komi2 = 15, .suicide = suicide, .ko = ko};
    struct game *game = game_create(&rules);
    int played = 0, tries = 0;
    assert_non_null(game);
    naive_init(&naive, size, suicide, (enum naive_ko)ko);
    while (played < limit && tries++ < 20 * limit) {
        if (!random_move(game, rng))
            continue;
        if (played++ % (size * 4) == 0)
            compare_all(game);
    }
    compare_all(game);
    undo_and_replay(game, rng);
    game_destroy(game);
    return played;
}

static int64_t moves_wanted(void) {
    const char *text = getenv("TENGEN_TEST_MOVES"), *quick = getenv("TENGEN_TEST_QUICK");
    long long moves = quick && quick[0] == '1' ? QUICK_MOVES : DEFAULT_MOVES;
    return text ? strtoll(text, NULL, 10) : moves;
}

static void play_all(bool suicide, enum ko_rule ko) {
    int64_t wanted = moves_wanted() / 6, played = 0;
    struct rng rng;
    rng_seed_stream(&rng, 2016, (uint64_t)ko * 2 + suicide);
    for (int64_t round = 0; played < wanted; round++) {
        int size = 2 + (int)(round % 18);
        /* Small boards live by captures: longer games. Each size gets a like share of the time. */
        int limit = size < 6 ? 400 : size * size * 2;
        for (int games = size < 8 ? 4 : 1; games > 0; games--)
            played += play_game(size, suicide, ko, limit, &rng);
    }
    print_message("# %lld moves\n", (long long)played);
}

static void simple_ko_without_suicide(void **state) {
    play_all(false, KO_SIMPLE);
}
static void simple_ko_with_suicide(void **state) {
    play_all(true, KO_SIMPLE);
}
static void positional_superko_without_suicide(void **state) {
    play_all(false, KO_POSITIONAL);
}
static void positional_superko_with_suicide(void **state) {
    play_all(true, KO_POSITIONAL);
}
static void situational_superko_without_suicide(void **state) {
    play_all(false, KO_SITUATIONAL);
}
static void situational_superko_with_suicide(void **state) {
    play_all(true, KO_SITUATIONAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_ko_without_suicide),
        cmocka_unit_test(simple_ko_with_suicide),
        cmocka_unit_test(positional_superko_without_suicide),
        cmocka_unit_test(positional_superko_with_suicide),
        cmocka_unit_test(situational_superko_without_suicide),
        cmocka_unit_test(situational_superko_with_suicide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
