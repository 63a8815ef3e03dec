/* SGF: what real files hold, round trips, and hostile input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/rng.h"
#include "workers/go/diagram.h"
#include "workers/go/playout.h"
#include "workers/go/sgf.h"
#include "workers/go/sgf_game.h"

static int read_first(const char *text, size_t size, struct sgf_record *record, struct problem *problem) {
    struct sgf_reader reader;
    sgf_reader_init(&reader, text, size);
    return sgf_read(&reader, record, problem);
}

static struct sgf_record record_of(const char *text) {
    struct sgf_record record = {0};
    struct problem problem = {0};
    int error = read_first(text, strlen(text), &record, &problem);
    if (error)
        print_message("# %s\n", problem.detail);
    assert_int_equal(error, 0);
    return record;
}

/* The record as it is written again. */
static void assert_written(const char *text, const char *expected) {
    struct sgf_record record = record_of(text);
    struct buf out = BUF_INIT;
    assert_int_equal(sgf_write_record(&out, &record), 0);
    assert_string_equal((const char *)out.data, expected);
    buf_free(&out);
    sgf_record_free(&record);
}

static void the_main_line_is_followed(void **state) {
    assert_written("(;CA[UTF-8]FF[4](;B[aa](;W[bb];B[cc])(;W[dd]))(;B[ee](;W[ff])))",
                   "(;CA[UTF-8]FF[4];B[aa];W[bb];B[cc])\n");
    assert_written("  (\n;\n)", "(;CA[UTF-8])\n");
    assert_written("From: me\n(see below)\n\n(;B[aa])\n\n", "(;CA[UTF-8]B[aa])\n");
    assert_written("\xef\xbb\xbf(;AB[aa] [bb]\n[cc:dd]AW [ee])", "(;CA[UTF-8]AB[aa][bb][cc:dd]AW[ee])\n");
    assert_written("(;White[x]BlacK[y]B[aa])", "(;CA[UTF-8]W[x]BK[y]B[aa])\n");
}

static void escapes_and_line_breaks(void **state) {
    struct sgf_record record = record_of("(;C[a\\]b\\\\c\\:d [x\r\nnext\n\rmore\\\nsame\\\r\n!]GN[])");
    assert_string_equal(sgf_root_text(&record, "C"), "a]b\\c:d [x\nnext\nmoresame!");
    assert_string_equal(sgf_root_text(&record, "GN"), "");
    assert_null(sgf_root_text(&record, "PB"));
    sgf_record_free(&record);
    assert_written("(;C[\\]\\\\])", "(;CA[UTF-8]C[\\]\\\\])\n");
}

static void character_sets(void **state) {
    struct sgf_record record = record_of("(;PB[Andr\xe9]CA[ISO-8859-1])");
    assert_string_equal(sgf_root_text(&record, "PB"), "Andr\xc3\xa9");
    assert_true(record.utf8);
    sgf_record_free(&record);
    record = record_of("(;PB[Andr\xe9])"); /* no CA, not UTF-8: the format's default */
    assert_string_equal(sgf_root_text(&record, "PB"), "Andr\xc3\xa9");
    sgf_record_free(&record);
    record = record_of("(;PB[Andr\xc3\xa9])");
    assert_string_equal(sgf_root_text(&record, "PB"), "Andr\xc3\xa9");
    sgf_record_free(&record);
    record = record_of("(;CA[Big5]PB[\xa4\xa4])");
    assert_string_equal(sgf_root_text(&record, "PB"), "\xa4\xa4");
    assert_false(record.utf8);
    sgf_record_free(&record);
    assert_written("(;CA[Big5]PB[\xa4\xa4])", "(;CA[Big5]PB[\xa4\xa4])\n");
    assert_written("(;PB[\xe9]CA[latin1])", "(;PB[\xc3\xa9]CA[UTF-8])\n");
    record = record_of("(;CA[UTF-8]PB[\xff])");
    assert_false(record.utf8);
    sgf_record_free(&record);
}

static void collections(void **state) {
    const char *text = "(;PB[a];B[aa])\n\n(;PB[b]) (;PB[c](;B[aa])(;B[bb]))\n";
    struct sgf_reader reader;
    struct sgf_record record = {0};
    struct problem problem = {0};
    sgf_reader_init(&reader, text, strlen(text));
    for (int i = 0; i < 3; i++) {
        char name[2] = {(char)('a' + i), 0};
        assert_int_equal(sgf_read(&reader, &record, &problem), 0);
        assert_string_equal(sgf_root_text(&record, "PB"), name);
        assert_int_equal(record.line, i == 0 ? 1 : 3);
    }
    assert_int_equal(sgf_read(&reader, &record, &problem), TG_ENOT_FOUND);
    assert_int_equal(reader.games, 3);
    sgf_record_free(&record);
}

static void hostile_input_gets_line_and_column(void **state) {
    static const struct {
        const char *text;
        int error;
        const char *where;
    } cases[] = {
        {"", TG_ENOT_FOUND, "line 1, column 1: no game"},
        {"hello\nworld (", TG_ENOT_FOUND, "line 2, column 8: no game"},
        {"(;B[aa]", TG_ETRUNCATED, "line 1, column 8: the file ends within a game"},
        {"(;\nB[aa", TG_ETRUNCATED, "line 2, column 5: the file ends within a value"},
        {"(;B[aa\\", TG_ETRUNCATED, "line 1, column 8: the file ends within a value"},
        {"(;B)", TG_EINVALID, "line 1, column 4: expected [ after a property's name, found ')'"},
        {"(;B", TG_ETRUNCATED, "line 1, column 4"},
        {"(;[aa])", TG_EINVALID, "line 1, column 3: expected a property, ;, ( or ), found '['"},
        {"(;b[aa])", TG_EINVALID, "line 1, column 4: the name of a property has no capital"},
        {"(;B[aa](B[bb]))", TG_EINVALID, "line 1, column 9: expected ; after (, found 'B'"},
        {"(;B[aa](;W[bb]);B[cc])", TG_EINVALID, "line 1, column 16: expected ( or ), found ';'"},
        {"(;\xff[aa])", TG_EINVALID, "line 1, column 3: expected a property, ;, ( or ), found byte 0xff"},
        {"(;ABCDEFGHIJKLMNOP[x])", TG_ETOO_LARGE, "line 1, column 18"},
        {"(;B[aa]\r\n;W[bb]\r\n;])", TG_EINVALID, "line 3, column 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sgf_record record = {0};
        struct problem problem = {0};
        int error = read_first(cases[i].text, strlen(cases[i].text), &record, &problem);
        if (error != cases[i].error || strncmp(problem.detail, cases[i].where, strlen(cases[i].where)) != 0)
            print_message("# %s: %d, %s\n", cases[i].text, error, problem.detail);
        assert_int_equal(error, cases[i].error);
        assert_int_equal(problem.error, error);
        assert_int_equal(strncmp(problem.detail, cases[i].where, strlen(cases[i].where)), 0);
        sgf_record_free(&record);
    }
}

static void a_second_game_must_be_one(void **state) {
    const char *text = "(;B[aa])\nrubbish";
    struct sgf_reader reader;
    struct sgf_record record = {0};
    struct problem problem = {0};
    sgf_reader_init(&reader, text, strlen(text));
    assert_int_equal(sgf_read(&reader, &record, &problem), 0);
    assert_int_equal(sgf_read(&reader, &record, &problem), TG_EINVALID);
    assert_string_equal(problem.detail, "line 2, column 1: expected ( or the end of the file, found 'r'");
    sgf_record_free(&record);
}

/* `prefix`, then `unit` n times, then `suffix`; returns the error of reading it. */
static int read_repeated(const char *prefix, const char *unit, size_t n, const char *suffix,
                         uint32_t *nodes) {
    struct buf text = BUF_INIT;
    struct sgf_record record = {0};
    assert_int_equal(buf_append_text(&text, prefix), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_append_text(&text, unit), 0);
    assert_int_equal(buf_append_text(&text, suffix), 0);
    int error = read_first((const char *)text.data, text.size, &record, NULL);
    *nodes = record.node_count;
    sgf_record_free(&record);
    buf_free(&text);
    return error;
}

static void every_length_has_a_limit(void **state) {
    uint32_t nodes;
    assert_int_equal(read_repeated("(", ";", SGF_NODES_MAX, ")", &nodes), 0);
    assert_int_equal(nodes, SGF_NODES_MAX);
    assert_int_equal(read_repeated("(", ";", SGF_NODES_MAX + 1, ")", &nodes), TG_ETOO_LARGE);
    assert_int_equal(read_repeated("(;C[", "x", SGF_VALUE_MAX, "])", &nodes), 0);
    assert_int_equal(read_repeated("(;C[", "x", SGF_VALUE_MAX + 1, "])", &nodes), TG_ETOO_LARGE);
    assert_int_equal(read_repeated("", "(;", SGF_DEPTH_MAX, "", &nodes), TG_ETRUNCATED);
    assert_int_equal(nodes, SGF_DEPTH_MAX);
    assert_int_equal(read_repeated("(;B[aa])(", ";", SGF_NODES_MAX + 1, ")", &nodes), 0);
    assert_int_equal(read_repeated("(;(;B[aa])", "(;", SGF_DEPTH_MAX, "", &nodes), TG_ETOO_DEEP);
    assert_int_equal(read_repeated("(;AB", "[aa]", SGF_VALUES_MAX, ")", &nodes), 0);
    assert_int_equal(read_repeated("(;AB", "[aa]", SGF_VALUES_MAX + 1, ")", &nodes), TG_ETOO_LARGE);
    assert_int_equal(read_repeated("(;", "A[]", SGF_PROPERTIES_MAX + 1, ")", &nodes), TG_ETOO_LARGE);
    assert_int_equal(read_repeated("", "(    ", 200000, "", &nodes), TG_ENOT_FOUND);
}

static void cut_anywhere_is_never_a_game(void **state) {
    const char *text = "(;FF[4]CA[UTF-8]AB[aa][bb]C[a\\]b](;B[cc];W[])(;B[dd]))";
    for (size_t size = 0; size < strlen(text); size++) {
        struct sgf_record record = {0};
        char *exact = malloc(size + !size); /* of that very size, so that a sanitizer sees a step too far */
        assert_non_null(exact);
        memcpy(exact, text, size);
        assert_int_not_equal(read_first(exact, size, &record, NULL), 0);
        sgf_record_free(&record);
        free(exact);
    }
}

static struct sgf_info info_of(const char *text, int error) {
    struct sgf_record record = record_of(text);
    struct sgf_info info;
    assert_int_equal(sgf_info_read(&record, &info, NULL), error);
    sgf_record_free(&record);
    return info;
}

static void what_the_root_says(void **state) {
    struct sgf_info info = info_of("(;RE[ W+2.5 ]KM[6.50]SZ[9]PB[a b]PW[ c\n]HA[2]PC[Here]RU[Chinese])", 0);
    assert_int_equal(info.size, 9);
    assert_int_equal(info.komi2, 13);
    assert_true(info.has_komi);
    assert_int_equal(info.handicap, 2);
    assert_int_equal(info.result, SGF_RESULT_SCORE);
    assert_int_equal(info.margin2, -5);
    assert_string_equal(info.black, "a b");
    assert_string_equal(info.white, "c");
    assert_string_equal(info.place, "Here");
    info = info_of("(;)", 0);
    assert_int_equal(info.size, 19);
    assert_false(info.has_komi);
    assert_false(info.has_result);
    assert_int_equal(info_of("(;SZ[13:13])", 0).size, 13);
    info_of("(;SZ[13:9])", TG_EINVALID);
    info_of("(;SZ[1])", TG_EINVALID);
    info_of("(;SZ[20])", TG_EINVALID);
    info_of("(;SZ[9x])", TG_EINVALID);
    info_of("(;GM[2])", TG_EINVALID);
}

static void results(void **state) {
    static const struct {
        const char *text;
        enum sgf_result result;
        int margin2;
    } cases[] = {
        {"(;RE[B+3.5])", SGF_RESULT_SCORE, 7},  {"(;RE[W+10])", SGF_RESULT_SCORE, -20},
        {"(;RE[0])", SGF_RESULT_SCORE, 0},      {"(;RE[Draw])", SGF_RESULT_SCORE, 0},
        {"(;RE[B+R])", SGF_RESULT_BLACK, 0},    {"(;RE[W+Time])", SGF_RESULT_WHITE, 0},
        {"(;RE[W+])", SGF_RESULT_WHITE, 0},     {"(;RE[Void])", SGF_RESULT_VOID, 0},
        {"(;RE[?])", SGF_RESULT_NONE, 0},       {"(;RE[])", SGF_RESULT_NONE, 0},
        {"(;RE[B+0.25])", SGF_RESULT_BLACK, 0}, {"(;RE[B+1e9])", SGF_RESULT_BLACK, 0},
        {"(;RE[B+nan])", SGF_RESULT_BLACK, 0},  {"(;RE[Black wins])", SGF_RESULT_NONE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sgf_info info = info_of(cases[i].text, 0);
        assert_int_equal(info.result, cases[i].result);
        assert_int_equal(info.margin2, cases[i].margin2);
    }
}

static int replay(const char *text, int limit, struct game **game, struct sgf_replay *found,
                  struct problem *problem) {
    struct sgf_record record = record_of(text);
    struct sgf_info info;
    assert_int_equal(sgf_info_read(&record, &info, NULL), 0);
    int error = sgf_replay(&record, &info, false, limit, game, found, problem);
    sgf_record_free(&record);
    return error;
}

static void assert_replays(const char *text, int limit, const char *diagram, int moves, enum color to_move) {
    struct game *game = NULL;
    struct sgf_replay found;
    struct buf out = BUF_INIT;
    assert_int_equal(replay(text, limit, &game, &found, NULL), 0);
    assert_int_equal(found.moves, moves);
    assert_int_equal(game_board(game)->to_move, to_move);
    assert_int_equal(diagram_write(game_board(game), &out), 0);
    assert_string_equal((const char *)out.data, diagram);
    buf_free(&out);
    game_destroy(game);
}

static void setup_passes_and_odd_moves(void **state) {
    assert_replays("(;SZ[3]AB[aa:bb]AE[ba]AW[cc])", -1, "X . .\nX X .\n. . O\n", 0, BLACK);
    assert_replays("(;SZ[3]AB[aa]PL[B])", -1, "X . .\n. . .\n. . .\n", 0, BLACK);
    assert_replays("(;SZ[3]AB[aa])", -1, "X . .\n. . .\n. . .\n", 0, WHITE);
    assert_replays("(;SZ[3]PL[W]AB[aa]AW[bb])", -1, "X . .\n. O .\n. . .\n", 0, WHITE);
    assert_replays("(;SZ[3];B[aa];W[];B[tt];W[bb])", -1, "X . .\n. O .\n. . .\n", 4, BLACK);
    assert_replays("(;SZ[3];B[aa];B[bb];AW[cc];W[ac])", -1, "X . .\n. X .\nO . O\n", 3, BLACK);
    assert_replays("(;SZ[3];BL[10]B[aa]C[x]W[bb]N[y])", -1, "X . .\n. O .\n. . .\n", 2, BLACK);
    assert_replays("(;SZ[3];B[aa];W[bb];B[cc])", 2, "X . .\n. O .\n. . .\n", 2, BLACK);
    assert_replays("(;SZ[3]AB[bb];W[aa])", 0, ". . .\n. X .\n. . .\n", 0, WHITE);
}

static void assert_not_replayed(const char *text, int error, const char *detail) {
    struct game *game = NULL;
    struct sgf_replay found;
    struct problem problem = {0};
    assert_int_equal(replay(text, -1, &game, &found, &problem), error);
    assert_string_equal(problem.detail, detail);
    game_destroy(game);
}

static void games_that_cannot_be(void **state) {
    assert_not_replayed("(;SZ[3];B[aa];W[aa])", TG_EILLEGAL_MOVE,
                        "line 1, column 15, move 2, white aa: occupied");
    assert_not_replayed("\n(;SZ[3]AB[ba][ab];W[aa])", TG_EILLEGAL_MOVE,
                        "line 2, column 19, move 1, white aa: suicide");
    assert_not_replayed("(;SZ[4]AB[ba][ab][bc]AW[ca][db][cc][bb];B[cb];W[bb])", TG_EILLEGAL_MOVE,
                        "line 1, column 47, move 2, white bb: ko");
    assert_not_replayed("(;SZ[3];B[dd])", TG_EINVALID,
                        "line 1, column 9, after move 0: \"dd\" is not a point of 3x3");
    assert_not_replayed("(;SZ[3];B[a\x01"
                        "b])",
                        TG_EINVALID, "line 1, column 9, after move 0: \"a?b\" is not a point of 3x3");
    assert_not_replayed("(;SZ[3]AB[cc:aa])", TG_EINVALID,
                        "line 1, column 8, after move 0: \"cc:aa\" is not a point of 3x3");
    assert_not_replayed("(;SZ[3]AB[tt])", TG_EINVALID,
                        "line 1, column 8, after move 0: \"tt\" is not a point of 3x3");
    assert_not_replayed("(;SZ[2]AB[aa:bb])", TG_EINVALID,
                        "line 1, column 8, after move 0: the setup leaves a chain without liberties");
}

static void repetitions_are_counted_not_refused(void **state) {
    struct game *game = NULL;
    struct sgf_replay found;
    const char *text = "(;SZ[5]AW[ba][da][cb][db][cc][cd][dd][ed][ce][ee]AB[ab][bb][bc][ad][bd][be]"
                       ";W[aa];B[ca];W[ba];B[];W[aa])";
    assert_int_equal(replay(text, -1, &game, &found, NULL), 0);
    assert_int_equal(found.moves, 5);
    assert_int_equal(found.repetitions, 2);
    game_destroy(game);
}

/* Random games with random setups, written and read again: the same game. */
static void written_games_come_back(void **state) {
    static struct playout_record record;
    struct rng rng;
    rng_seed(&rng, 21);
    for (int i = 0; i < 200; i++) {
        struct go_rules rules = {.size = 2 + i % 18, .komi2 = (int)rng_below(&rng, 40) - 20, .ko = KO_SIMPLE};
        struct game *game = game_create(&rules), *again = NULL;
        struct board board;
        uint8_t colors[BOARD_POINTS_MAX];
        for (int p = 0; p < BOARD_POINTS_MAX; p++)
            colors[p] = i % 3 == 0 ? (uint8_t)(rng_below(&rng, 8) == 0 ? BLACK : EMPTY) : EMPTY;
        assert_int_equal(game_setup(game, colors, i % 5 == 0 ? WHITE : BLACK), 0);
        board_copy(&board, game_board(game));
        playout_run(&board, &rng, 0, 0, &record);
        const char *comments[PLAYOUT_MOVES_MAX] = {"a comment with ] and \\ and \xc3\xa9\nin two lines"};
        for (int m = 0; m < record.count; m++)
            assert_int_equal(game_play(game, (enum color)game_board(game)->to_move, record.moves[m], NULL),
                             0);
        struct buf out = BUF_INIT;
        struct sgf_header header = {.black = "uct [1000]",
                                    .white = "a\\b",
                                    .result = "B+3.5",
                                    .comment = "]",
                                    .move_comments = comments};
        struct sgf_replay found;
        struct sgf_info info;
        assert_int_equal(sgf_write_game(&out, game, &header), 0);
        struct sgf_record read = record_of((const char *)out.data);
        assert_int_equal(sgf_info_read(&read, &info, NULL), 0);
        assert_int_equal(info.komi2, rules.komi2);
        assert_string_equal(info.black, "uct [1000]");
        assert_string_equal(info.white, "a\\b");
        assert_int_equal(info.margin2, 7);
        assert_string_equal(sgf_value_text(&read, sgf_find(&read, 1, "C")->first_value, NULL), comments[0]);
        assert_int_equal(sgf_replay(&read, &info, false, -1, &again, &found, NULL), 0);
        assert_int_equal(found.moves, record.count);
        assert_true(game_start(again)->hash == game_start(game)->hash);
        assert_int_equal(game_start(again)->to_move, game_start(game)->to_move);
        assert_true(board_situation(game_board(again)) == board_situation(game_board(game)));
        for (int m = 0; m < record.count; m++)
            assert_int_equal(game_move(again, m, NULL), record.moves[m]);
        buf_free(&out);
        sgf_record_free(&read);
        game_destroy(game);
        game_destroy(again);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_main_line_is_followed),
        cmocka_unit_test(escapes_and_line_breaks),
        cmocka_unit_test(character_sets),
        cmocka_unit_test(collections),
        cmocka_unit_test(hostile_input_gets_line_and_column),
        cmocka_unit_test(a_second_game_must_be_one),
        cmocka_unit_test(every_length_has_a_limit),
        cmocka_unit_test(cut_anywhere_is_never_a_game),
        cmocka_unit_test(what_the_root_says),
        cmocka_unit_test(results),
        cmocka_unit_test(setup_passes_and_odd_moves),
        cmocka_unit_test(games_that_cannot_be),
        cmocka_unit_test(repetitions_are_counted_not_refused),
        cmocka_unit_test(written_games_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
