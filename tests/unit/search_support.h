/* search_support.h - what the tests of searches share: positions with a known answer. */
#ifndef TENGEN_TESTS_SEARCH_SUPPORT_H
#define TENGEN_TESTS_SEARCH_SUPPORT_H

#include "tests/unit/unit.h"

#include "workers/go/diagram.h"
#include "workers/go/game.h"
#include "workers/search/search.h"
#include "workers/search/tree.h"

/* White's six stones decide the game; F4 takes them, or saves them. */
static const char CAPTURE_AT_F4[] = ". . . . . . .\n"
                                    ". . X X X . .\n"
                                    ". X O O O X .\n"
                                    ". X O O O . .\n"
                                    ". . X X X . .\n"
                                    ". O . O . O .\n"
                                    ". . . . . . .\n";

/* Black has 10 points, White 15, and nothing is open. */
static const char DIVIDED[] = ". X O . .\n"
                              "X X O O O\n"
                              ". X O . .\n"
                              "X X O O O\n"
                              ". X O . .\n";

/* White's stones in Black's area are dead but count as alive: with komi 2.5 Black wins only by taking them.
 */
static const char DEAD_STONES[] = ". O . X O\n"
                                  ". . X X O\n"
                                  "X X X O O\n"
                                  "X X O O .\n"
                                  ". X O . O\n";

/* The search's part of a test's options. */
static inline struct search_options small_search(uint32_t playouts, uint64_t seed) {
    struct search_options options = search_options_default();
    options.playouts = playouts;
    options.seed = seed;
    options.memory_bytes = (size_t)16 << 20;
    return options;
}

/* A game that begins at a diagram. */
static inline struct game *game_at(const char *text, enum color to_move, int komi2) {
    struct board board;
    uint8_t colors[BOARD_POINTS_MAX];
    assert_int_equal(diagram_read(&board, text, to_move, false, NULL), 0);
    for (int i = 0; i < board_points(&board); i++)
        colors[i] = (uint8_t)board_color(&board, board_move_at(&board, i));
    const struct go_rules rules = {.size = board.size, .komi2 = komi2, .ko = KO_POSITIONAL};
    struct game *game = game_create(&rules);
    assert_int_equal(game_setup(game, colors, to_move), 0);
    return game;
}

static inline struct game *empty_game(int size) {
    const struct go_rules rules = {.size = size, .komi2 = 15, .ko = KO_POSITIONAL};
    return game_create(&rules);
}

static inline void play(struct game *game, const char *vertex) {
    go_move move;
    assert_int_equal(vertex_parse(game_board(game), vertex, &move), 0);
    assert_int_equal(game_play(game, (enum color)game_board(game)->to_move, move, NULL), 0);
}

#endif
