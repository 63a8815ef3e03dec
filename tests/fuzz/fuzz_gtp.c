/* A controller that sends any lines: every line has one well-formed answer or none, and the board stays
 * sound. The first byte is the size of the board and whether the mover insists on it. Commands that name a
 * file are left out: they would read and write where the input says. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "workers/go/gtp_engine.h"

enum { LINES_MAX = 200 };

/* Plays the first legal move; resigns at move 100. */
static int choose(void *self, const struct game *game, enum color color, double seconds, go_move *move,
                  bool *resign) {
    const struct board *board = game_board(game);
    (void)self;
    FUZZ_CHECK(seconds >= 0);
    *resign = game_move_count(game) == 100;
    *move = PASS;
    for (int i = 0; i < board_points(board) && *move == PASS; i++)
        if (game_legality(game, color, board_move_at(board, i)) == MOVE_LEGAL)
            *move = board_move_at(board, i);
    return 0;
}

static bool names_a_file(const uint8_t *line, size_t length) {
    char text[GTP_LINE_MAX + 1];
    size_t used = 0;
    for (size_t i = 0; i < length && used < GTP_LINE_MAX; i++)
        if (line[i] > ' ' && line[i] != 127) /* what the engine drops may hide in the word */
            text[used++] = (char)line[i];
    text[used] = 0;
    const char *command = strstr(text, "sgf");
    return command && command[3];
}

static void check_answer(const struct buf *out) {
    const char *text = (const char *)out->data;
    if (out->size == 0)
        return;
    FUZZ_CHECK(strlen(text) == out->size && out->size > 2 && (text[0] == '=' || text[0] == '?'));
    FUZZ_CHECK(strstr(text, "\n\n") == text + out->size - 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    const struct go_rules rules = {.size = 2 + data[0] % 18, .komi2 = 15, .ko = KO_POSITIONAL};
    const struct gtp_mover mover = {.choose = choose, .size = data[0] & 128 ? rules.size : 0};
    struct gtp_engine *engine = gtp_engine_create("name", "version", &rules, &mover);
    struct buf out = BUF_INIT;
    bool quit = false;
    const uint8_t *at = data + 1, *end = data + size;
    for (int lines = 0; at < end && !quit && lines < LINES_MAX; lines++) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t length = (size_t)((stop ? stop : end) - at);
        if (!names_a_file(at, length))
            FUZZ_CHECK(gtp_engine_line(engine, (const char *)at, length, &out, &quit) == 0);
        check_answer(&out);
        buf_clear(&out);
        at += length + 1;
    }
    FUZZ_CHECK(board_check(game_board(gtp_engine_game(engine))) == NULL);
    FUZZ_CHECK(!mover.size || game_rules(gtp_engine_game(engine))->size == mover.size);
    buf_free(&out);
    gtp_engine_destroy(engine);
    return 0;
}
