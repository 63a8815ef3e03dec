/* The game loop and what becomes of a game, with players that follow a script. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/wire/chunk.h"
#include "proto/wire/frame.h"
#include "workers/alphago/games.h"
#include "workers/go/diagram.h"
#include "workers/go/sgf_game.h"

/* Plays the words of `script` ("d4", "pass", "resign", "dies", "hangs"), then passes. */
struct scripted {
    struct go_player base;
    const char *script;
    const char *score; /* its opinion; NULL: none */
    int begun, observed, ended;
};

static int begin(struct go_player *player, const struct game *game, uint64_t seed, struct problem *problem) {
    ((struct scripted *)player)->begun++;
    return 0;
}

static int fail_with(struct go_player *player, enum game_end end) {
    player->forfeit.end = end;
    snprintf(player->forfeit.note, FORFEIT_NOTE_MAX, "as the script says");
    return TG_EENGINE;
}

static int choose(struct go_player *player, const struct game *game, enum color color, go_move *move,
                  bool *resign, struct thought *thought, struct problem *problem) {
    struct scripted *self = (struct scripted *)player;
    char word[16] = "pass";
    int used = 0;
    if (sscanf(self->script, " %15s%n", word, &used) == 1)
        self->script += used;
    if (strcmp(word, "dies") == 0)
        return fail_with(player, END_DIED);
    if (strcmp(word, "hangs") == 0)
        return fail_with(player, END_TIMEOUT);
    *resign = strcmp(word, "resign") == 0;
    thought->visits = 100;
    thought->winrate = 0.25f;
    thought->child_count = 1;
    thought->children[0].move = PASS;
    thought->children[0].visits = 60;
    return *resign ? 0 : vertex_parse(game_board(game), word, move);
}

static int observe(struct go_player *player, const struct game *game, enum color color, go_move move,
                   struct problem *problem) {
    ((struct scripted *)player)->observed++;
    return 0;
}

static int final_score(struct go_player *player, char text[], size_t size, struct problem *problem) {
    struct scripted *self = (struct scripted *)player;
    if (self->score && strcmp(self->score, "dies") == 0)
        return fail_with(player, END_DIED);
    snprintf(text, size, "%s", self->score ? self->score : "");
    return 0;
}

static void end(struct go_player *player) {
    ((struct scripted *)player)->ended++;
}

static void destroy(struct go_player *player) {
}

static const struct go_player_ops ops = {begin, choose, observe, final_score, end, destroy, NULL};

static struct scripted black, white;
static struct record record;

static void script(const char *black_moves, const char *white_moves) {
    black = (struct scripted){.base = {.ops = &ops, .name = "first"}, .script = black_moves};
    white = (struct scripted){.base = {.ops = &ops, .name = "second"}, .script = white_moves};
}

static struct game_plan plan_of(int size) {
    return (struct game_plan){.rules = {.size = size, .komi2 = 1, .ko = KO_POSITIONAL},
                              .player = {NULL, &black.base, &white.base}};
}

static void run(const struct game_plan *plan) {
    struct problem problem = {0};
    int null = open("/dev/null", O_WRONLY);
    struct port *port = port_create(-1, null, PORT_FRAMES);
    assert_int_equal(game_run(plan, &record, &problem), 0);
    port_destroy(port);
    close(null);
}

static void check_end(enum game_end how, const char *result, const char *note) {
    char text[32];
    record_result(&record, text, sizeof(text));
    assert_string_equal(text, result);
    assert_int_equal(record.end, how);
    assert_string_equal(record.note, note);
    assert_int_equal(black.ended, 1);
    assert_int_equal(white.ended, 1);
    record_free(&record);
}

static void test_a_counted_game(void **state) {
    script("c3 pass", "pass");
    struct game_plan plan = plan_of(5);
    run(&plan);
    assert_int_equal(black.observed, 1);
    assert_int_equal(white.observed, 2);
    assert_int_equal(game_move_count(record.game), 3);
    assert_int_equal(record.winner, BLACK);
    check_end(END_SCORE, "B+24.5", "");
}

static void test_a_draw(void **state) {
    script("", "");
    struct game_plan plan = plan_of(5);
    plan.rules.komi2 = 0;
    run(&plan);
    assert_int_equal(record.winner, EMPTY);
    check_end(END_SCORE, "0", "");
}

static void test_resignation(void **state) {
    script("c3 resign", "d3");
    struct game_plan plan = plan_of(5);
    run(&plan);
    assert_int_equal(game_move_count(record.game), 2);
    check_end(END_RESIGN, "W+Resign", "");
}

static void test_the_limit_of_moves(void **state) {
    script("a1 b2 c3", "a5 b5 c5");
    struct game_plan plan = plan_of(5);
    plan.max_moves = 5;
    run(&plan);
    assert_int_equal(game_move_count(record.game), 5);
    assert_int_equal(record.end, END_MAX_MOVES);
    record_free(&record);
}

static void test_failures_lose(void **state) {
    struct game_plan plan = plan_of(5);
    script("c3 c3", "pass");
    run(&plan);
    check_end(END_ILLEGAL, "W+Forfeit", "first (black) played C3: occupied");
    script("a1 a2 b1", "b2 dies");
    run(&plan);
    check_end(END_DIED, "B+Forfeit", "second (white): as the script says");
    script("hangs", "");
    run(&plan);
    check_end(END_TIMEOUT, "W+Time", "first (black): as the script says");
}

static void test_other_opinions_are_noted(void **state) {
    struct game_plan plan = plan_of(5);
    script("c3", "");
    black.score = "B+24.50";
    white.score = "W+0.5";
    run(&plan);
    check_end(END_SCORE, "B+24.5", "second says W+0.5");
    script("c3", "");
    black.score = "dies";
    run(&plan);
    check_end(END_SCORE, "B+24.5", "first gave no score: as the script says");
}

/* An engine may have said anything, and the room may end within a character. */
static void test_notes_are_printable(void **state) {
    static const struct {
        const char *said, *note;
    } cases[] = {{"a\xff z", "a? z"},
                 {"\xc3(\x80", "?(?"},
                 {"line\nline\x7f", "line line "},
                 {"\xc3\xa9\xed\xa0\x80", "\xc3\xa9???"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct record one = {0};
        record_note(&one, "%s", cases[i].said);
        assert_string_equal(one.note, cases[i].note);
    }
    struct record full = {0};
    for (int i = 0; i < RECORD_NOTE_MAX; i++)
        record_note(&full, "\xc3\xa9");
    json_t *text = json_string(full.note); /* NULL: not UTF-8 */
    assert_non_null(text);
    json_decref(text);
}

static void test_openings_follow_from_the_seed(void **state) {
    char first[256] = "";
    for (int i = 0; i < 3; i++) {
        struct game_plan plan = plan_of(9);
        plan.random_moves = 12;
        plan.opening_seed = i < 2 ? 77 : 78;
        script("", "");
        run(&plan);
        assert_int_equal(record.opening_moves, 12);
        char *moves = json_dumps(record.live_moves, JSON_COMPACT);
        if (i == 0)
            snprintf(first, sizeof(first), "%s", moves);
        else
            assert_int_equal(strcmp(first, moves) == 0, i == 1);
        free(moves);
        record_free(&record);
    }
}

static void test_body_and_sgf(void **state) {
    struct buf body = BUF_INIT, sgf = BUF_INIT;
    struct game_plan plan = plan_of(5);
    plan.rules.komi2 = -3;
    plan.rules.suicide = true;
    plan.random_moves = 2;
    script("pass", "pass");
    run(&plan);
    assert_int_equal(record_body(&record, &body), 0);
    assert_memory_equal(body.data, "TGG1", 4);
    assert_int_equal(body.data[4], 5);
    assert_int_equal(body.data[5], 1 | KO_POSITIONAL << 1);
    assert_int_equal((int16_t)read_u16(body.data + 6), -3);
    assert_int_equal((int16_t)read_u16(body.data + 8), record.margin2);
    assert_int_equal(body.data[10], record.winner);
    assert_int_equal(body.data[11], END_SCORE);
    assert_int_equal(read_u16(body.data + 12), 2);
    assert_int_equal(read_u16(body.data + 14), 4);
    size_t at = RECORD_HEAD_BYTES;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(read_u16(body.data + at),
                         board_index(game_board(record.game), game_move(record.game, i, NULL)));
        assert_int_equal(body.data[at + 2], i % 2 ? WHITE : BLACK);
        uint32_t visits = read_u32(body.data + at + 4), winrate;
        assert_int_equal(visits, i < 2 ? 0 : 100);
        at += 8;
        if (!visits)
            continue;
        const float expected = 0.25f;
        memcpy(&winrate, &expected, sizeof(winrate));
        assert_int_equal(read_u32(body.data + at), winrate);
        assert_int_equal(read_u16(body.data + at + 4), 1);
        assert_int_equal(read_u16(body.data + at + 6), 25); /* the pass */
        assert_int_equal(read_u32(body.data + at + 8), 60);
        at += 12;
    }
    assert_int_equal(at, body.size);

    struct sgf_reader reader;
    struct sgf_record read = {0};
    struct sgf_info info;
    assert_int_equal(record_sgf(&record, &sgf), 0);
    sgf_reader_init(&reader, sgf.data, sgf.size);
    assert_int_equal(sgf_read(&reader, &read, NULL), 0);
    assert_int_equal(sgf_info_read(&read, &info, NULL), 0);
    assert_int_equal(info.size, 5);
    assert_int_equal(info.komi2, -3);
    assert_string_equal(info.black, "first");
    assert_int_equal(info.margin2, record.margin2);
    assert_non_null(strstr((char *)sgf.data, "C[25.0% of 100 visits]"));
    sgf_record_free(&read);
    buf_free(&body);
    buf_free(&sgf);
    record_free(&record);
}

/* What a match counts, through the whole way: run function, port, frames, chunks. */
struct sent {
    int chunks, pairs[5], pairs_seen, wins, draws, losses, black_a;
};

static void read_chunk(const struct frame *frame, struct sent *sent) {
    struct chunk_view view;
    struct buf body = BUF_INIT;
    assert_int_equal(chunk_open(frame->body, frame->body_size, &view, NULL), 0);
    assert_int_equal(chunk_unpack(&view, &body, NULL), 0);
    assert_memory_equal(body.data, "TGG1", 4);
    assert_int_equal(json_integer_value(json_object_get(frame->header, "seq")), sent->chunks);
    const json_t *counters = json_object_get(view.header, "counters");
    sent->chunks++;
    sent->wins += (int)json_integer_value(json_object_get(counters, "wins_a"));
    sent->draws += (int)json_integer_value(json_object_get(counters, "draws"));
    sent->losses += (int)json_integer_value(json_object_get(counters, "losses_a"));
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "pairs_%d", i);
        int count = (int)json_integer_value(json_object_get(counters, name));
        sent->pairs[i] += count;
        sent->pairs_seen += count;
    }
    const json_t *game = json_object_get(view.header, "game");
    sent->black_a += strcmp(json_string_value(json_object_get(game, "black")), "uct 30") == 0;
    assert_non_null(json_object_get(game, "sgf"));
    buf_free(&body);
    chunk_view_free(&view);
}

static struct sent run_match(int units_done) {
    char path[] = "/tmp/tengen-frames-XXXXXX", bytes[4096];
    int fd = mkstemp(path);
    struct sent sent = {0};
    struct task task;
    struct problem problem = {0};
    json_t *document =
        json_pack("{s:s, s:i, s:i, s:i, s:{s:i, s:i, s:i, s:{s:i}, s:{s:s, s:i}}}", "kind", "match", "units",
                  6, "units_done", units_done, "seed", 4, "config", "games", 6, "games_per_task", 6, "board",
                  5, "a", "playouts", 30, "b", "type", "uct", "playouts", 10);
    assert_non_null(document);
    assert_int_equal(task_parse(document, &task, &problem), 0);
    struct port *port = port_create(-1, fd, PORT_FRAMES);
    assert_int_equal(match_run(&task, port, &problem), 0);
    assert_int_equal(port_units(port), 6 - units_done);
    port_destroy(port);
    task_free(&task);
    json_decref(document);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    struct frame_decoder decoder;
    struct frame frame;
    frame_decoder_init(&decoder);
    ssize_t got;
    while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
        assert_int_equal(frame_decoder_feed(&decoder, bytes, (size_t)got), 0);
        while (frame_decoder_next(&decoder, &frame, NULL) == 1) {
            if (strcmp(json_string_value(json_object_get(frame.header, "type")), "chunk") == 0)
                read_chunk(&frame, &sent);
            frame_free(&frame);
        }
    }
    frame_decoder_free(&decoder);
    close(fd);
    unlink(path);
    return sent;
}

static void test_match_counts(void **state) {
    struct sent all = run_match(0);
    assert_int_equal(all.chunks, 6);
    assert_int_equal(all.wins + all.draws + all.losses, 6);
    assert_int_equal(all.black_a, 3);
    assert_int_equal(all.pairs_seen, 3);
    int points = 0;
    for (int i = 0; i < 5; i++)
        points += i * all.pairs[i];
    assert_int_equal(points, 2 * all.wins + all.draws);
    /* An attempt that begins within a pair cannot count that pair. */
    struct sent rest = run_match(3);
    assert_int_equal(rest.chunks, 3);
    assert_int_equal(rest.pairs_seen, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_counted_game),      cmocka_unit_test(test_a_draw),
        cmocka_unit_test(test_resignation),         cmocka_unit_test(test_the_limit_of_moves),
        cmocka_unit_test(test_failures_lose),       cmocka_unit_test(test_other_opinions_are_noted),
        cmocka_unit_test(test_notes_are_printable), cmocka_unit_test(test_openings_follow_from_the_seed),
        cmocka_unit_test(test_body_and_sgf),        cmocka_unit_test(test_match_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
