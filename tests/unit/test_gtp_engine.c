/* GTP conversations: answers to the letter of the standard (GTP 2, draft). */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workers/go/gtp_clock.h"
#include "workers/go/gtp_engine.h"
#include "workers/go/gtp_handicap.h"

/* Plays the first legal point, resigns on boards of 3x3; remembers the time it was given. */
static double given_seconds;

static int choose(void *self, const struct game *game, enum color color, double seconds, go_move *move,
                  bool *resign) {
    given_seconds = seconds;
    const struct board *board = game_board(game);
    *resign = board->size == 3;
    *move = PASS;
    for (int i = board_points(board) - 1; i >= 0; i--)
        if (game_legality(game, color, board_move_at(board, i)) == MOVE_LEGAL)
            *move = board_move_at(board, i);
    return 0;
}

static struct gtp_engine *new_engine(void) {
    static const struct go_rules rules = {.size = 9, .komi2 = 14, .ko = KO_POSITIONAL};
    static const struct gtp_mover mover = {.choose = choose};
    struct gtp_engine *engine = gtp_engine_create("Tengen", "1.2", &rules, &mover);
    assert_non_null(engine);
    return engine;
}

/* Sends the lines of `in` and compares everything that comes back. */
static void converse_with(struct gtp_engine *engine, const char *in, const char *expected) {
    struct buf out = BUF_INIT;
    bool quit = false;
    while (*in) {
        size_t length = strcspn(in, "\n");
        assert_false(quit);
        assert_int_equal(gtp_engine_line(engine, in, length, &out, &quit), 0);
        in += length + (in[length] == '\n');
    }
    assert_string_equal(out.data ? (char *)out.data : "", expected);
    buf_free(&out);
}

static void converse(const char *in, const char *expected) {
    struct gtp_engine *engine = new_engine();
    converse_with(engine, in, expected);
    gtp_engine_destroy(engine);
}

static void test_form_of_lines_and_answers(void **state) {
    converse("name\n", "= Tengen\n\n");
    converse("17 version\n", "=17 1.2\n\n");
    converse("0 protocol_version\n", "=0 2\n\n");
    converse("\n   \n# only a comment\n", "");
    converse("  5   name  # says who\n", "=5 Tengen\n\n");
    converse("5\tname\r\n", "=5 Tengen\n\n");
    converse("\x01"
             "5 na\x02me\x7f\n",
             "=5 Tengen\n\n");
    converse("5 nonsense\n", "?5 unknown command\n\n");
    converse("NAME\n", "? unknown command\n\n"); /* commands are case sensitive */
    converse("7\n", "?7 syntax error\n\n");
    converse("name too many\n", "? syntax error\n\n");
    converse("6 play b\n", "?6 syntax error\n\n");
    converse("quit\n", "=\n\n");
}

static void test_commands_are_known(void **state) {
    static const char *const names[] = {
        "protocol_version",
        "name",
        "version",
        "known_command",
        "list_commands",
        "quit",
        "boardsize",
        "clear_board",
        "komi",
        "fixed_handicap",
        "place_free_handicap",
        "set_free_handicap",
        "play",
        "genmove",
        "undo",
        "time_settings",
        "time_left",
        "final_score",
        "final_status_list",
        "loadsgf",
        "reg_genmove",
        "showboard",
        "printsgf",
    };
    struct gtp_engine *engine = new_engine();
    struct buf list = BUF_INIT;
    bool quit;
    assert_int_equal(gtp_engine_line(engine, "list_commands", 13, &list, &quit), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char in[64], line[64];
        snprintf(in, sizeof(in), "known_command %s\n", names[i]);
        converse_with(engine, in, "= true\n\n");
        snprintf(line, sizeof(line), "%s\n", names[i]);
        assert_non_null(strstr((char *)list.data, line));
    }
    converse_with(engine, "known_command gogui-analyze_commands\n", "= false\n\n");
    buf_free(&list);
    gtp_engine_destroy(engine);
}

static void test_setup(void **state) {
    converse("boardsize 20\n", "? unacceptable size\n\n");
    converse("boardsize 1\n", "? unacceptable size\n\n");
    converse("boardsize x\n", "? syntax error\n\n");
    converse("komi 6.5\nfinal_score\n", "=\n\n= W+6.5\n\n");
    converse("komi -3\nfinal_score\n", "=\n\n= B+3\n\n");
    converse("komi many\nkomi nan\n", "? syntax error\n\n? syntax error\n\n");
    converse("komi 0\nfinal_score\n", "=\n\n= 0\n\n");
    /* A new size empties the board and keeps the komi. */
    converse("komi 1\nplay b d4\nboardsize 5\nfinal_score\nplay b e5\nplay b f6\n",
             "=\n\n=\n\n=\n\n= W+1\n\n=\n\n? syntax error\n\n");
    converse("play b d4\nclear_board\nplay w d4\n", "=\n\n=\n\n=\n\n");
}

static void test_handicap(void **state) {
    converse("boardsize 19\nfixed_handicap 9\n", "=\n\n= D4 Q16 D16 Q4 D10 Q10 K4 K16 K10\n\n");
    converse("boardsize 19\nfixed_handicap 5\n", "=\n\n= D4 Q16 D16 Q4 K10\n\n");
    converse("boardsize 13\nfixed_handicap 2\n", "=\n\n= D4 K10\n\n");
    converse("fixed_handicap 6\n", "= C3 G7 C7 G3 C5 G5\n\n");
    converse("boardsize 8\nfixed_handicap 4\n", "=\n\n= C3 F6 C6 F3\n\n");
    converse("boardsize 8\nfixed_handicap 5\n", "=\n\n? invalid number of stones\n\n");
    converse("fixed_handicap 1\nfixed_handicap 10\n",
             "? invalid number of stones\n\n? invalid number of stones\n\n");
    converse("play b d4\nfixed_handicap 2\n", "=\n\n? board not empty\n\n");
    converse("set_free_handicap a1 b2 j9\nundo\nplay b b2\n", "=\n\n? cannot undo\n\n? illegal move\n\n");
    converse("set_free_handicap a1 a1\n", "? bad vertex list\n\n");
    converse("set_free_handicap a1 pass\n", "? bad vertex list\n\n");
    converse("set_free_handicap a1\n", "? syntax error\n\n");
    converse("boardsize 5\nplace_free_handicap 3\n", "=\n\n= B4 D4 B2\n\n");
    converse("place_free_handicap 81\n", "? invalid number of stones\n\n");
}

static void test_play_and_undo(void **state) {
    converse("1 play black d4\n2 play white d4\n", "=1\n\n?2 illegal move\n\n");
    converse("play B D4\nplay b e5\nplay w pass\nplay W PASS\n", "=\n\n=\n\n=\n\n=\n\n"); /* twice is legal */
    converse("play b i5\nplay b a0\nplay b a10\nplay green a1\n",
             "? syntax error\n\n? syntax error\n\n? syntax error\n\n? syntax error\n\n");
    converse("play w a2\nplay w b1\nplay b a1\n", "=\n\n=\n\n? illegal move\n\n"); /* suicide */
    converse("undo\nplay b d4\nundo\nplay w d4\n", "? cannot undo\n\n=\n\n=\n\n=\n\n");
}

static void test_ko_is_refused(void **state) {
    /*  . X O .      Black plays at C3 of a 4x4 board and takes B3.
     *  X O . O
     *  . X O .  */
    converse("boardsize 4\nplay b b4\nplay w c4\nplay b a3\nplay w b3\nplay b b2\nplay w d3\nplay w c2\n"
             "play b c3\nplay w b3\nplay w d1\nplay b a1\nplay w b3\n",
             "=\n\n=\n\n=\n\n=\n\n=\n\n=\n\n=\n\n=\n\n=\n\n? illegal move\n\n=\n\n=\n\n=\n\n");
}

static void test_moves_are_generated(void **state) {
    struct gtp_engine *engine = new_engine();
    converse_with(engine, "1 genmove b\n2 genmove white\n", "=1 A9\n\n=2 B9\n\n");
    assert_int_equal(game_move_count(gtp_engine_game(engine)), 2);
    converse_with(engine, "reg_genmove b\n", "= C9\n\n");
    assert_int_equal(game_move_count(gtp_engine_game(engine)), 2);
    converse_with(engine, "genmove\ngenmove red\n", "? syntax error\n\n? syntax error\n\n");
    converse_with(engine, "boardsize 3\ngenmove b\n", "=\n\n= resign\n\n");
    assert_int_equal(game_move_count(gtp_engine_game(engine)), 0);
    gtp_engine_destroy(engine);
}

static void test_time(void **state) {
    struct gtp_engine *engine = new_engine();
    converse_with(engine, "genmove b\n", "= A9\n\n");
    assert_true(given_seconds == 0);
    converse_with(engine, "time_settings 0 60 6\nclear_board\ngenmove b\n", "=\n\n=\n\n= A9\n\n");
    assert_true(given_seconds > 5 && given_seconds <= 10);
    converse_with(engine, "time_left w 3 1\ngenmove w\n", "=\n\n= B9\n\n");
    assert_true(given_seconds > 1 && given_seconds <= 3);
    converse_with(engine, "time_left b 0 0\ngenmove b\n", "=\n\n= C9\n\n");
    assert_true(given_seconds > 0); /* 0 would mean no limit */
    converse_with(engine, "time_settings 0 1 0\ngenmove b\n", "=\n\n= D9\n\n");
    assert_true(given_seconds == 0);
    converse_with(engine, "time_settings 100 0 0\ngenmove b\n", "=\n\n= E9\n\n");
    assert_true(given_seconds > 0.5 && given_seconds < 20);
    converse_with(engine, "time_settings 1 2\ntime_settings a 0 0\ntime_settings -1 0 0\ntime_left b x 0\n",
                  "? syntax error\n\n? syntax error\n\n? syntax error\n\n? syntax error\n\n");
    gtp_engine_destroy(engine);
}

static void test_clock_runs_by_itself(void **state) {
    struct gtp_clock clock;
    gtp_clock_set(&clock, 10, 6, 3);
    gtp_clock_used(&clock, 0, 11); /* into the first period, one second of it gone */
    assert_int_equal(clock.side[0].stones, 3);
    assert_true(clock.side[0].left_s > 4.9 && clock.side[0].left_s < 5.1);
    gtp_clock_used(&clock, 0, 1);
    gtp_clock_used(&clock, 0, 1);
    assert_int_equal(clock.side[0].stones, 1);
    gtp_clock_used(&clock, 0, 1); /* the period's stones are played: the next one begins */
    assert_int_equal(clock.side[0].stones, 3);
    assert_true(clock.side[0].left_s > 5.9);
    assert_true(clock.side[1].left_s > 9.9);
}

static void test_final(void **state) {
    converse("boardsize 2\nkomi 0.5\nplay b a1\nplay b b2\nfinal_score\nfinal_status_list alive\n"
             "final_status_list dead\nfinal_status_list seki\nfinal_status_list odd\n",
             "=\n\n=\n\n=\n\n=\n\n= B+3.5\n\n= B2\nA1\n\n=\n\n=\n\n? syntax error\n\n");
}

static void test_boards_and_records(void **state) {
    struct gtp_engine *engine = new_engine();
    struct buf out = BUF_INIT;
    bool quit;
    converse_with(engine, "boardsize 5\nplay b c3\nplay w d4\n", "=\n\n=\n\n=\n\n");
    assert_int_equal(gtp_engine_line(engine, "showboard", 9, &out, &quit), 0);
    assert_memory_equal(out.data, "= \n", 3);
    assert_non_null(strstr((char *)out.data, "A B C D E"));
    assert_null(strstr((char *)out.data + 3, "\n\n= "));
    assert_string_equal((char *)out.data + out.size - 2, "\n\n");
    assert_ptr_equal(strstr((char *)out.data, "\n\n"),
                     out.data + out.size - 2); /* an empty line only at the end */
    buf_clear(&out);

    char path[] = "/tmp/tengen-gtp-XXXXXX", line[128];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(line, sizeof(line), "printsgf %s\nclear_board\nboardsize 9\nloadsgf %s\n", path, path);
    converse_with(engine, line, "=\n\n=\n\n=\n\n= black\n\n");
    assert_int_equal(game_move_count(gtp_engine_game(engine)), 2);
    assert_int_equal(game_board(gtp_engine_game(engine))->size, 5);
    snprintf(line, sizeof(line), "loadsgf %s 2\n", path);
    converse_with(engine, line, "= white\n\n");
    assert_int_equal(game_move_count(gtp_engine_game(engine)), 1);
    snprintf(line, sizeof(line), "loadsgf %s 0\nloadsgf %s.none\n", path, path);
    converse_with(engine, line, "? syntax error\n\n? cannot load file\n\n");
    assert_int_equal(game_move_count(gtp_engine_game(engine)), 1);
    assert_int_equal(gtp_engine_line(engine, "printsgf", 8, &out, &quit), 0);
    assert_non_null(strstr((char *)out.data, "SZ[5]"));
    buf_free(&out);
    gtp_engine_destroy(engine);
    /* A mover that plays one size only keeps its board. */
    const struct go_rules rules = {.size = 9, .komi2 = 14, .ko = KO_POSITIONAL};
    const struct gtp_mover mover = {.choose = choose, .size = 9};
    engine = gtp_engine_create("Tengen", "1.2", &rules, &mover);
    snprintf(line, sizeof(line), "loadsgf %s\ngenmove b\n", path);
    converse_with(engine, line, "? unacceptable size\n\n= A9\n\n");
    unlink(path);
    gtp_engine_destroy(engine);
}

/* Through streams: long lines, a last line without a newline, and quit. */
static void test_streams(void **state) {
    char *in_text = malloc(3 * GTP_LINE_MAX), *out_text = NULL;
    size_t out_size = 0;
    assert_non_null(in_text);
    memset(in_text, 'x', 2 * GTP_LINE_MAX);
    strcpy(in_text + 2 * GTP_LINE_MAX, "\n1 name\n2 quit\n3 name");
    FILE *in = fmemopen(in_text, strlen(in_text), "r"), *out = open_memstream(&out_text, &out_size);
    struct gtp_engine *engine = new_engine();
    assert_int_equal(gtp_engine_run(engine, in, out), 0);
    fclose(in);
    fclose(out);
    assert_string_equal(out_text, "? syntax error\n\n=1 Tengen\n\n=2\n\n");
    free(out_text);
    gtp_engine_destroy(engine);
    engine = new_engine();
    strcpy(in_text, "4 name");
    in = fmemopen(in_text, strlen(in_text), "r");
    out = open_memstream(&out_text, &out_size);
    assert_int_equal(gtp_engine_run(engine, in, out), 0);
    fclose(in);
    fclose(out);
    assert_string_equal(out_text, "=4 Tengen\n\n");
    free(out_text);
    free(in_text);
    gtp_engine_destroy(engine);
}

/* Any bytes: an answer or none, never worse. */
static void test_noise(void **state) {
    struct gtp_engine *engine = new_engine();
    struct buf out = BUF_INIT;
    uint32_t x = 1;
    bool quit = false;
    for (int i = 0; i < 20000; i++) {
        char line[64];
        int length = (int)(x % sizeof(line));
        for (int j = 0; j < length; j++) {
            x = x * 1664525 + 1013904223;
            line[j] = "abplaygenmove 0123456789\t#\x01wkd-+"[x >> 27];
        }
        x = x * 1664525 + 1013904223;
        assert_int_equal(gtp_engine_line(engine, line, (size_t)length, &out, &quit), 0);
        if (out.size)
            assert_true((out.data[0] == '=' || out.data[0] == '?') && out.data[out.size - 1] == '\n');
        buf_clear(&out);
    }
    buf_free(&out);
    gtp_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form_of_lines_and_answers),
        cmocka_unit_test(test_commands_are_known),
        cmocka_unit_test(test_setup),
        cmocka_unit_test(test_handicap),
        cmocka_unit_test(test_play_and_undo),
        cmocka_unit_test(test_ko_is_refused),
        cmocka_unit_test(test_moves_are_generated),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_clock_runs_by_itself),
        cmocka_unit_test(test_final),
        cmocka_unit_test(test_boards_and_records),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
