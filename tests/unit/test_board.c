/* Rules as board diagrams: captures, ko, superko, suicide, setup, and boards and points as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "workers/go/diagram.h"
#include "workers/go/game.h"
#include "workers/go/score.h"

static struct board board_of(const char *diagram, enum color to_move, bool suicide) {
    struct board board;
    struct problem problem = {0};
    int error = diagram_read(&board, diagram, to_move, suicide, &problem);
    if (error)
        print_message("# %s\n", problem.detail);
    assert_int_equal(error, 0);
    return board;
}

static void assert_board(const struct board *board, const char *expected) {
    struct buf text = BUF_INIT;
    assert_null(board_check(board));
    assert_int_equal(diagram_write(board, &text), 0);
    assert_string_equal((const char *)text.data, expected);
    buf_free(&text);
}

static go_move point_of(const struct board *board, const char *sgf) {
    int x, y;
    bool pass;
    assert_int_equal(sgf_point_parse(board->size, sgf, strlen(sgf), &x, &y, &pass), 0);
    return pass ? (go_move)PASS : board_at(board, x, y);
}

/* Plays "B cd": each move must be legal. Returns what the last one took. */
static int play(struct board *board, const char *moves) {
    int taken = 0;
    for (const char *at = moves; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        char sgf[3] = {at[2], at[3], 0};
        enum color color = at[0] == 'B' ? BLACK : WHITE;
        assert_int_equal(board_legality(board, color, point_of(board, sgf)), MOVE_LEGAL);
        taken = board_play(board, color, point_of(board, sgf));
        at += 2;
    }
    return taken;
}

static enum legality legality(const struct board *board, enum color color, const char *sgf) {
    return board_legality(board, color, point_of(board, sgf));
}

static void a_stone_in_the_corner_is_taken(void **state) {
    struct board board = board_of("O X .\n"
                                  ". . .\n"
                                  ". . .\n",
                                  BLACK, false);
    assert_int_equal(play(&board, "B ab"), 1);
    assert_board(&board, ". X .\n"
                         "X . .\n"
                         ". . .\n");
    assert_int_equal(board.captured[WHITE], 1);
    assert_int_equal(board.captured[BLACK], 0);
    assert_int_equal(board.ko, PASS);
}

static void several_chains_are_taken_at_once(void **state) {
    struct board board = board_of(". X X X .\n"
                                  "X O O O X\n"
                                  "X O . O X\n"
                                  "X X O X X\n"
                                  ". . X . .\n",
                                  BLACK, false);
    assert_int_equal(play(&board, "B cc"), 6);
    assert_board(&board, ". X X X .\n"
                         "X . . . X\n"
                         "X . X . X\n"
                         "X X . X X\n"
                         ". . X . .\n");
}

static void taking_comes_before_suicide(void **state) {
    struct board board = board_of(". O X .\n"
                                  "O O X .\n"
                                  "X X X .\n"
                                  ". . . .\n",
                                  BLACK, false);
    assert_int_equal(play(&board, "B aa"), 3);
    assert_board(&board, "X . X .\n"
                         ". . X .\n"
                         "X X X .\n"
                         ". . . .\n");
}

static void snapback(void **state) {
    struct board board = board_of("O O X . .\n"
                                  ". O X . .\n"
                                  ". O X . .\n"
                                  "O O X . .\n"
                                  "X X X . .\n",
                                  BLACK, false);
    assert_int_equal(play(&board, "B ab"), 0);
    assert_int_equal(play(&board, "W ac"), 1);
    assert_int_equal(board.ko, PASS); /* the taker is part of a larger chain */
    assert_int_equal(play(&board, "B ab"), 7);
}

static void ko_forbids_taking_back_at_once(void **state) {
    struct board board = board_of(". X O . .\n"
                                  "X O . O .\n"
                                  ". X O . .\n"
                                  ". . . . .\n"
                                  ". . . . .\n",
                                  BLACK, false);
    assert_int_equal(play(&board, "B cb"), 1);
    assert_board(&board, ". X O . .\n"
                         "X * X O .\n"
                         ". X O . .\n"
                         ". . . . .\n"
                         ". . . . .\n");
    assert_int_equal(legality(&board, WHITE, "bb"), MOVE_KO);
    assert_int_equal(legality(&board, BLACK, "bb"), MOVE_LEGAL); /* filling it is Black's right */
    play(&board, "W ee");
    assert_int_equal(board.ko, PASS);
    play(&board, "B ed");
    assert_int_equal(play(&board, "W bb"), 1);
    assert_int_equal(legality(&board, BLACK, "cb"), MOVE_KO);
}

static void a_pass_ends_the_ko(void **state) {
    struct board board = board_of(". X O .\n"
                                  "X * X O\n"
                                  ". X O .\n"
                                  ". . . .\n",
                                  WHITE, false);
    assert_int_equal(legality(&board, WHITE, "bb"), MOVE_KO);
    board_play(&board, WHITE, PASS);
    board_play(&board, BLACK, PASS);
    assert_int_equal(board.passes, 2);
    assert_int_equal(legality(&board, WHITE, "bb"), MOVE_LEGAL);
}

static void taking_two_is_no_ko(void **state) {
    struct board board = board_of(". X O .\n"
                                  "X O . O\n"
                                  "X O X O\n"
                                  ". X O .\n",
                                  WHITE, false);
    assert_int_equal(play(&board, "B cb"), 2);
    assert_int_equal(legality(&board, WHITE, "bb"), MOVE_LEGAL);
}

static void suicide_goes_by_the_rule(void **state) {
    const char *diagram = ". X . X .\n"
                          "X . X O X\n"
                          ". X X O X\n"
                          "X O O . X\n"
                          ". X X X .\n";
    struct board chinese = board_of(diagram, WHITE, false), tromp_taylor = board_of(diagram, WHITE, true);
    assert_int_equal(legality(&chinese, WHITE, "bb"), MOVE_SUICIDE);
    assert_int_equal(legality(&tromp_taylor, WHITE, "bb"), MOVE_SUICIDE); /* a single stone: never */
    assert_int_equal(legality(&chinese, WHITE, "dd"), MOVE_SUICIDE);
    assert_int_equal(legality(&tromp_taylor, WHITE, "dd"), MOVE_LEGAL);
    assert_int_equal(legality(&chinese, BLACK, "dd"), MOVE_LEGAL);
    assert_true(board_hash_after(&tromp_taylor, WHITE, point_of(&tromp_taylor, "dd")) != tromp_taylor.hash);
    uint64_t after = board_hash_after(&tromp_taylor, WHITE, point_of(&tromp_taylor, "dd"));
    assert_int_equal(play(&tromp_taylor, "W dd"), 5);
    assert_true(tromp_taylor.hash == after);
    assert_board(&tromp_taylor, ". X . X .\n"
                                "X . X . X\n"
                                ". X X . X\n"
                                "X . . . X\n"
                                ". X X X .\n");
    assert_int_equal(tromp_taylor.captured[WHITE], 5);
}

static void occupied_and_outside(void **state) {
    struct board board = board_of("X .\n"
                                  ". .\n",
                                  WHITE, false);
    assert_int_equal(legality(&board, WHITE, "aa"), MOVE_OCCUPIED);
    assert_int_equal(board_legality(&board, WHITE, (go_move)(board.stride - 1)), MOVE_OFF_BOARD);
    assert_int_equal(board_legality(&board, WHITE, 60000), MOVE_OFF_BOARD);
    assert_int_equal(board_legality(&board, WHITE, PASS), MOVE_LEGAL);
}

static void assert_eye(const char *diagram, const char *point, bool black, bool white) {
    struct board board = board_of(diagram, BLACK, false);
    assert_int_equal(board_eye(&board, BLACK, point_of(&board, point)), black);
    assert_int_equal(board_eye(&board, WHITE, point_of(&board, point)), white);
}

static void eyes_at_corners_and_edges(void **state) {
    const char *diagram = ". X . X .\n"
                          "X X X X .\n"
                          "O O . . .\n"
                          ". O . X X\n"
                          "O O . X .\n";
    assert_eye(diagram, "aa", true, false);
    assert_eye(diagram, "ca", true, false);
    assert_eye(diagram, "ad", false, true);
    assert_eye(diagram, "ee", true, false);
    assert_eye(diagram, "ea", false, false); /* not enclosed */
    assert_eye(diagram, "ce", false, false); /* between the two */
    assert_eye(diagram, "ba", false, false); /* a stone */
    /* At the edge one opponent on a diagonal spoils it, an empty diagonal does not. */
    assert_eye(". X . X .\n. O X . .\n. . . . .\n. . . . .\n. . . . .\n", "ca", false, false);
    assert_eye(". X . X .\n. . X . .\n. . . . .\n. . . . .\n. . . . .\n", "ca", true, false);
    assert_eye(". X O\nX O O\nO O .\n", "aa", false, false);
    assert_eye(". X O\nX O O\nO O .\n", "cc", false, true);
}

static void eyes_in_the_centre(void **state) {
    assert_eye(". . . . .\n. . X . .\n. X . X .\n. . X . .\n. . . . .\n", "cc", true, false);
    assert_eye(". . . . .\n. . X . .\n. X . X .\n. O X . .\n. . . . .\n", "cc", true, false);
    assert_eye(". . . . .\n. . X O .\n. X . X .\n. O X . .\n. . . . .\n", "cc", false, false);
    assert_eye(". . . . .\n. X O . .\n. O . O .\n. . O X .\n. . . . .\n", "cc", false, false);
    assert_eye(". . . . .\n. . O . .\n. O . O .\n. . O X .\n. . . . .\n", "cc", false, true);
}

static struct game *game_of(const char *diagram, enum color to_move, enum ko_rule ko) {
    struct board board = board_of(diagram, to_move, false);
    const struct go_rules rules = {.size = board.size, .komi2 = 15, .ko = ko};
    struct game *game = game_create(&rules);
    uint8_t colors[BOARD_POINTS_MAX];
    assert_non_null(game);
    for (int i = 0; i < board_points(&board); i++)
        colors[i] = board.color[board_move_at(&board, i)];
    assert_int_equal(game_setup(game, colors, to_move), 0);
    return game;
}

/* Plays "B cd W ee ..." and says how the last of them was judged; those before must be legal. */
static enum legality play_game(struct game *game, const char *moves) {
    enum legality why = MOVE_LEGAL;
    for (const char *at = moves; *at; at += 4, at += strspn(at, " ")) {
        char sgf[3] = {at[2], at[3], 0};
        assert_int_equal(why, MOVE_LEGAL);
        (void)game_play(game, at[0] == 'B' ? BLACK : WHITE, point_of(game_board(game), sgf), &why);
    }
    return why;
}

static const char sending_two[] = ". O . O .\n"
                                  "X X O O .\n"
                                  ". X O . .\n"
                                  "X X O O O\n"
                                  ". X O . O\n";

static void sending_two_returning_one(void **state) {
    struct game *simple = game_of(sending_two, WHITE, KO_SIMPLE);
    struct game *positional = game_of(sending_two, WHITE, KO_POSITIONAL);
    struct game *situational = game_of(sending_two, WHITE, KO_SITUATIONAL);
    bool repeats = false;
    assert_int_equal(play_game(simple, "W aa B ca W ba"), MOVE_LEGAL);
    assert_int_equal(play_game(positional, "W aa B ca W ba"), MOVE_SUPERKO);
    assert_int_equal(game_move_count(positional), 2);
    /* The first position had White to move, this one has Black: another situation. The second round is not. */
    assert_int_equal(play_game(situational, "W aa B ca W ba B tt W aa"), MOVE_SUPERKO);
    assert_int_equal(
        game_play_repeating(positional, WHITE, point_of(game_board(positional), "ba"), &repeats, NULL), 0);
    assert_true(repeats);
    game_destroy(simple);
    game_destroy(positional);
    game_destroy(situational);
}

static void triple_ko(void **state) {
    const char *diagram = "X O . O . X O . O\n"
                          ". X O . . . X O .\n"
                          ". . . . . . . . .\n"
                          ". . . . . . . . .\n"
                          ". . . . . . . . .\n"
                          ". . . . . . . . .\n"
                          ". . . . . . . . .\n"
                          ". X O . . . . . .\n"
                          "X . X O . . . . .\n";
    const char *cycle = "B ca W bi B ha W ba B ci W ga";
    struct game *simple = game_of(diagram, BLACK, KO_SIMPLE);
    struct game *positional = game_of(diagram, BLACK, KO_POSITIONAL);
    struct game *situational = game_of(diagram, BLACK, KO_SITUATIONAL);
    assert_int_equal(play_game(simple, cycle), MOVE_LEGAL);
    assert_true(game_board(simple)->hash == game_start(simple)->hash);
    assert_int_equal(play_game(positional, cycle), MOVE_SUPERKO);
    assert_int_equal(play_game(situational, cycle), MOVE_SUPERKO); /* Black to move, as at the start */
    assert_int_equal(game_move_count(positional), 5);
    assert_int_equal(play_game(positional, "W ee B ed W ga"), MOVE_LEGAL); /* the stones elsewhere are new */
    game_destroy(simple);
    game_destroy(positional);
    game_destroy(situational);
}

static void undo_takes_back_one_move_and_its_history(void **state) {
    struct game *game = game_of(sending_two, WHITE, KO_POSITIONAL);
    assert_int_equal(play_game(game, "W aa B ca"), MOVE_LEGAL);
    assert_int_equal(history_count(game_history(game)), 3);
    assert_int_equal(game_undo(game), 0);
    assert_int_equal(game_undo(game), 0);
    assert_board(game_board(game), sending_two);
    assert_int_equal(history_count(game_history(game)), 1);
    assert_int_equal(game_undo(game), TG_EWRONG_STATE);
    assert_int_equal(play_game(game, "W aa B ca W ba"), MOVE_SUPERKO);
    game_reset(game);
    assert_int_equal(game_board(game)->empty_count, 25);
    assert_int_equal(game_move_count(game), 0);
    game_destroy(game);
}

static void a_history_grows_and_shrinks(void **state) {
    struct history *history = history_create(KO_POSITIONAL), *copy;
    struct board board;
    enum { MANY = 5000 };
    board_init(&board, 9, false);
    for (int i = 0; i < MANY; i++) {
        board.hash = (uint64_t)(i / 2) * 512; /* all in one slot's reach, each twice */
        assert_int_equal(history_seen(history, &board), i % 2);
        assert_int_equal(history_push(history, &board), 0);
    }
    copy = history_copy(history);
    for (int i = MANY - 1; i >= 0; i--) {
        board.hash = (uint64_t)(i / 2) * 512;
        assert_true(history_seen(history, &board));
        history_pop(history);
        assert_int_equal(history_seen(history, &board), i % 2);
    }
    assert_int_equal(history_count(copy), MANY);
    history_destroy(copy);
    history_destroy(history);
}

static void dead_setups_are_refused(void **state) {
    struct board board;
    struct problem problem = {0};
    assert_int_equal(diagram_read(&board, "O X .\nX . .\n. . .\n", BLACK, false, &problem), TG_EINVALID);
    assert_non_null(strstr(problem.detail, "no liberty"));
    assert_int_equal(diagram_read(&board, "O X .\nX . .\n", BLACK, false, &problem), TG_EINVALID);
    assert_int_equal(diagram_read(&board, "O X\nX .\n. .\n", BLACK, false, &problem), TG_EINVALID);
    assert_int_equal(diagram_read(&board, ".\n", BLACK, false, &problem), TG_EINVALID);
    assert_int_equal(diagram_read(&board, "O ?\n. .\n", BLACK, false, &problem), TG_EINVALID);
}

static void copies_are_equal_and_apart(void **state) {
    struct board board = board_of(sending_two, WHITE, false), copy;
    memset(&copy, 0xee, sizeof copy);
    board_copy(&copy, &board);
    assert_board(&copy, sending_two);
    assert_true(board_situation(&copy) == board_situation(&board));
    play(&copy, "W aa B ca");
    assert_null(board_check(&copy));
    assert_board(&board, sending_two);
}

static void hashes_do_not_depend_on_the_order_of_moves(void **state) {
    struct board one, other;
    board_init(&one, 13, false);
    board_init(&other, 13, false);
    assert_true(one.hash == 0);
    play(&one, "B aa W cc B dd W mm");
    play(&other, "B dd W mm B aa W cc");
    assert_true(one.hash == other.hash);
    play(&one, "B gg");
    play(&other, "W gg");
    assert_true(one.hash != other.hash);
}

static int scored(const char *diagram, const char *owners) {
    struct board board = board_of(diagram, BLACK, false);
    uint8_t owner[BOARD_POINTS_MAX];
    int score = score_area(&board, owner), i = 0;
    for (const char *at = owners; *at; at++)
        if (strchr(".XO", *at))
            assert_int_equal(owner[i++], *at == 'X' ? BLACK : *at == 'O' ? WHITE : EMPTY);
    assert_int_equal(i, board_points(&board));
    assert_int_equal(score_area(&board, NULL), score);
    return score;
}

static void area_scores(void **state) {
    assert_int_equal(scored(". .\n. .\n", ". .\n. .\n"), 0);
    assert_int_equal(scored("X .\n. .\n", "X X\nX X\n"), 4);
    assert_int_equal(scored(". X . O .\n"
                            ". X . O .\n"
                            ". X . O .\n"
                            ". X . O O\n"
                            ". X . O .\n",
                            "X X . O O\n"
                            "X X . O O\n"
                            "X X . O O\n"
                            "X X . O O\n"
                            "X X . O O\n"),
                     0);
    /* A dead stone counts, and spoils what it touches, until it is taken. */
    assert_int_equal(scored(". X . O .\n"
                            ". X . O .\n"
                            ". X X O .\n"
                            ". X X O .\n"
                            "O . X O .\n",
                            ". X . O O\n"
                            ". X . O O\n"
                            ". X X O O\n"
                            ". X X O O\n"
                            "O . X O O\n"),
                     7 - 11);
}

static void seki_leaves_its_liberties_to_nobody(void **state) {
    assert_int_equal(scored("X X . O X . .\n"
                            "X . O O X . .\n"
                            "O O X X X . .\n"
                            ". O X . . . .\n"
                            ". O X . . . .\n"
                            ". O X . . . .\n"
                            ". O X . . . .\n",
                            "X X . O X X X\n"
                            "X . O O X X X\n"
                            "O O X X X X X\n"
                            "O O X X X X X\n"
                            "O O X X X X X\n"
                            "O O X X X X X\n"
                            "O O X X X X X\n"),
                     34 - 13);
}

static void results_as_text(void **state) {
    char text[SCORE_TEXT_MAX];
    score_text(7, text);
    assert_string_equal(text, "B+3.5");
    score_text(-24, text);
    assert_string_equal(text, "W+12");
    score_text(-1, text);
    assert_string_equal(text, "W+0.5");
    score_text(0, text);
    assert_string_equal(text, "0");
}

static void vertices_as_text(void **state) {
    struct board board;
    char text[VERTEX_TEXT_MAX], sgf[3];
    go_move move;
    board_init(&board, 19, false);
    for (int i = 0; i <= 361; i++) {
        vertex_text(&board, board_move_at(&board, i), text);
        assert_int_equal(vertex_parse(&board, text, &move), 0);
        assert_int_equal(move, board_move_at(&board, i));
        assert_int_equal(board_index(&board, move), i);
        sgf_point_text(&board, move, sgf);
        assert_int_equal(point_of(&board, sgf), move);
    }
    assert_int_equal(vertex_parse(&board, "J10", &move), 0);
    assert_int_equal(move, board_at(&board, 8, 9));
    assert_int_equal(vertex_parse(&board, "PASS", &move), 0);
    assert_int_equal(move, PASS);
    static const char *const bad[] = {"",    "I5", "A0",  "A20", "5A",  "A",
                                      "A1x", "U1", "A-1", "A 1", "AA1", "A99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(vertex_parse(&board, bad[i], &move), TG_EINVALID);
    board_init(&board, 9, false);
    assert_int_equal(vertex_parse(&board, "K1", &move), TG_EINVALID);
    assert_int_equal(vertex_parse(&board, "A10", &move), TG_EINVALID);
}

static void boards_for_people(void **state) {
    struct board board = board_of("O X .\n"
                                  ". . .\n"
                                  ". . .\n",
                                  BLACK, false);
    struct buf text = BUF_INIT;
    play(&board, "B ab");
    assert_int_equal(diagram_show(&board, &text), 0);
    assert_string_equal((const char *)text.data, "   A B C\n"
                                                 " 3 . X . 3   black has taken 1\n"
                                                 " 2(X). . 2   white has taken 0\n"
                                                 " 1 . . . 1\n"
                                                 "   A B C\n");
    buf_free(&text);
}

static void rules_by_name(void **state) {
    struct go_rules rules = {.size = 9};
    assert_int_equal(rules_suicide_parse("tromp-taylor", &rules.suicide), 0);
    assert_string_equal(rules_name(&rules), "tromp-taylor");
    assert_int_equal(rules_suicide_parse("chinese", &rules.suicide), 0);
    assert_string_equal(rules_name(&rules), "chinese");
    assert_int_equal(rules_suicide_parse("japanese", &rules.suicide), TG_EINVALID);
    for (int ko = KO_SIMPLE; ko <= KO_SITUATIONAL; ko++) {
        assert_int_equal(rules_ko_parse(rules_ko_name((enum ko_rule)ko), &rules.ko), 0);
        assert_int_equal(rules.ko, ko);
    }
    assert_int_equal(rules_ko_parse("super", &rules.ko), TG_EINVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stone_in_the_corner_is_taken),
        cmocka_unit_test(several_chains_are_taken_at_once),
        cmocka_unit_test(taking_comes_before_suicide),
        cmocka_unit_test(snapback),
        cmocka_unit_test(ko_forbids_taking_back_at_once),
        cmocka_unit_test(a_pass_ends_the_ko),
        cmocka_unit_test(taking_two_is_no_ko),
        cmocka_unit_test(suicide_goes_by_the_rule),
        cmocka_unit_test(occupied_and_outside),
        cmocka_unit_test(eyes_at_corners_and_edges),
        cmocka_unit_test(eyes_in_the_centre),
        cmocka_unit_test(sending_two_returning_one),
        cmocka_unit_test(triple_ko),
        cmocka_unit_test(undo_takes_back_one_move_and_its_history),
        cmocka_unit_test(a_history_grows_and_shrinks),
        cmocka_unit_test(dead_setups_are_refused),
        cmocka_unit_test(copies_are_equal_and_apart),
        cmocka_unit_test(hashes_do_not_depend_on_the_order_of_moves),
        cmocka_unit_test(area_scores),
        cmocka_unit_test(seki_leaves_its_liberties_to_nobody),
        cmocka_unit_test(results_as_text),
        cmocka_unit_test(vertices_as_text),
        cmocka_unit_test(boards_for_people),
        cmocka_unit_test(rules_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
