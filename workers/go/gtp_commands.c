/* gtp_commands.c - the commands of GTP 2 (draft), with its section numbers. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "proto/base/clock.h"
#include "workers/go/diagram.h"
#include "workers/go/gtp_handicap.h"
#include "workers/go/gtp_internal.h"
#include "workers/go/score.h"
#include "workers/go/sgf_files.h"
#include "workers/go/sgf_game.h"

static const char syntax_error[] = "syntax error", no_memory[] = "out of memory";

/* ---- Words ---- */

static bool read_int(const char *word, long *out) {
    char *end;
    errno = 0;
    *out = strtol(word, &end, 10);
    return end != word && !*end && !errno;
}

static bool read_number(const char *word, double *out) {
    char *end;
    *out = strtod(word, &end);
    return end != word && !*end && isfinite(*out);
}

static bool read_color(const char *word, enum color *out) {
    const bool black = strcasecmp(word, "b") == 0 || strcasecmp(word, "black") == 0;
    *out = black ? BLACK : WHITE;
    return black || strcasecmp(word, "w") == 0 || strcasecmp(word, "white") == 0;
}

static bool append(struct buf *reply, const char *text) {
    return buf_append_text(reply, text) == 0;
}

static bool append_vertex(const struct gtp_engine *engine, struct buf *reply, go_move move) {
    char vertex[VERTEX_TEXT_MAX];
    vertex_text(game_board(engine->game), move, vertex);
    return append(reply, reply->size ? " " : "") && append(reply, vertex);
}

/* ---- 3.1 Administrative ---- */

static const char *protocol_version(struct gtp_engine *engine, const struct gtp_words *words,
                                    struct buf *reply) {
    return append(reply, "2") ? NULL : no_memory;
}

static const char *name(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    return append(reply, engine->name) ? NULL : no_memory;
}

static const char *version(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    return append(reply, engine->version) ? NULL : no_memory;
}

static const char *known_command(struct gtp_engine *engine, const struct gtp_words *words,
                                 struct buf *reply) {
    return append(reply, gtp_command_find(words->word[0]) ? "true" : "false") ? NULL : no_memory;
}

static const char *list_commands(struct gtp_engine *engine, const struct gtp_words *words,
                                 struct buf *reply) {
    for (const struct gtp_command *command = gtp_commands; command->name; command++)
        if (buf_printf(reply, "%s\n", command->name))
            return no_memory;
    return NULL;
}

static const char *quit(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    engine->quit = true;
    return NULL;
}

/* ---- 3.2 Setup ---- */

static const char *new_game(struct gtp_engine *engine, int size, int komi2) {
    struct go_rules rules = engine->rules;
    rules.size = size;
    rules.komi2 = komi2;
    struct game *game = game_create(&rules);
    if (!game)
        return no_memory;
    game_destroy(engine->game);
    engine->game = game;
    gtp_clock_reset(&engine->clock);
    return NULL;
}

static const char *boardsize(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    long size;
    if (!read_int(words->word[0], &size))
        return syntax_error;
    if (size < BOARD_SIZE_MIN || size > BOARD_SIZE_MAX || (engine->mover.size && size != engine->mover.size))
        return "unacceptable size";
    return new_game(engine, (int)size, game_rules(engine->game)->komi2);
}

static const char *clear_board(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    const struct go_rules *rules = game_rules(engine->game);
    return new_game(engine, rules->size, rules->komi2);
}

static const char *komi(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    enum { SILLY = 10000 };
    double value;
    if (!read_number(words->word[0], &value) || fabs(value) > SILLY)
        return syntax_error;
    game_set_komi(engine->game, (int)lrint(2 * value));
    return NULL;
}

/* Black stones on the empty board; White is to move. */
static const char *put_handicap(struct gtp_engine *engine, const go_move *points, int count) {
    const struct board *board = game_board(engine->game);
    uint8_t colors[BOARD_POINTS_MAX] = {EMPTY};
    for (int i = 0; i < count; i++)
        colors[board_index(board, points[i])] = BLACK;
    return game_setup(engine->game, colors, WHITE) ? "bad vertex list" : NULL;
}

static const char *show_points(struct gtp_engine *engine, const go_move *points, int count,
                               struct buf *reply) {
    for (int i = 0; i < count; i++)
        if (!append_vertex(engine, reply, points[i]))
            return no_memory;
    return NULL;
}

static bool board_is_empty(const struct gtp_engine *engine) {
    const struct board *board = game_board(engine->game);
    return board->empty_count == board_points(board) && game_move_count(engine->game) == 0;
}

static const char *fixed_handicap(struct gtp_engine *engine, const struct gtp_words *words,
                                  struct buf *reply) {
    go_move points[HANDICAP_MAX];
    long stones;
    if (!read_int(words->word[0], &stones))
        return syntax_error;
    if (!board_is_empty(engine))
        return "board not empty";
    int count = stones > HANDICAP_MAX ? 0 : handicap_fixed(game_board(engine->game), (int)stones, points);
    if (!count)
        return "invalid number of stones";
    const char *error = put_handicap(engine, points, count);
    return error ? error : show_points(engine, points, count, reply);
}

/* Every second point of every second line, as many as are wanted: for boards and numbers without fixed
 * places. */
static int spread_handicap(const struct board *board, int stones, go_move *out) {
    int count = 0;
    for (int y = 1; y < board->size; y += 2)
        for (int x = 1; x < board->size && count < stones; x += 2)
            out[count++] = board_at(board, x, y);
    return count;
}

/* The standard lets an engine place fewer stones than it was asked for, but two at least. */
static const char *place_free_handicap(struct gtp_engine *engine, const struct gtp_words *words,
                                       struct buf *reply) {
    const struct board *board = game_board(engine->game);
    go_move points[BOARD_POINTS_MAX];
    long stones;
    if (!read_int(words->word[0], &stones))
        return syntax_error;
    if (!board_is_empty(engine))
        return "board not empty";
    if (stones < 2 || stones >= board_points(board))
        return "invalid number of stones";
    int count = stones > HANDICAP_MAX ? 0 : handicap_fixed(board, (int)stones, points);
    if (!count)
        count = spread_handicap(board, (int)stones, points);
    if (count < 2)
        return "invalid number of stones";
    const char *error = put_handicap(engine, points, count);
    return error ? error : show_points(engine, points, count, reply);
}

static const char *set_free_handicap(struct gtp_engine *engine, const struct gtp_words *words,
                                     struct buf *reply) {
    const struct board *board = game_board(engine->game);
    bool taken[BOARD_CELLS_MAX] = {false};
    go_move points[GTP_WORDS_MAX];
    if (!board_is_empty(engine))
        return "board not empty";
    if (words->count >= board_points(board))
        return "bad vertex list";
    for (int i = 0; i < words->count; i++) {
        if (vertex_parse(board, words->word[i], &points[i]) || points[i] == PASS || taken[points[i]])
            return "bad vertex list";
        taken[points[i]] = true;
    }
    return put_handicap(engine, points, words->count);
}

/* ---- 3.3 Core play ---- */

static const char *play(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    enum color color;
    go_move move;
    if (!read_color(words->word[0], &color))
        return syntax_error;
    if (vertex_parse(game_board(engine->game), words->word[1], &move))
        return syntax_error;
    int error = game_play(engine->game, color, move, NULL);
    return error == TG_EILLEGAL_MOVE ? "illegal move" : error ? no_memory : NULL;
}

static const char *think(struct gtp_engine *engine, enum color color, go_move *move, bool *resign) {
    const struct board *board = game_board(engine->game);
    const int side = color == WHITE, moves_left = board_points(board) / 8 + board->empty_count / 4;
    const int64_t start = clock_monotonic_ns();
    double seconds = gtp_clock_budget(&engine->clock, side, moves_left);
    const int error = engine->mover.choose(engine->mover.self, engine->game, color, seconds, move, resign);
    if (error)
        return error == TG_ENO_MEMORY ? no_memory : "cannot choose a move";
    gtp_clock_used(&engine->clock, side, (double)(clock_monotonic_ns() - start) * 1e-9);
    return NULL;
}

static const char *generate(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply,
                            bool keep) {
    enum color color;
    go_move move = PASS;
    bool resign = false;
    if (!read_color(words->word[0], &color))
        return syntax_error;
    const char *error = think(engine, color, &move, &resign);
    if (error)
        return error;
    if (resign)
        return append(reply, "resign") ? NULL : no_memory;
    if (!append_vertex(engine, reply, move))
        return no_memory;
    return keep && game_play(engine->game, color, move, NULL) ? "illegal move" : NULL;
}

static const char *genmove(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    return generate(engine, words, reply, true);
}

static const char *undo(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    return game_undo(engine->game) ? "cannot undo" : NULL;
}

/* ---- 3.4 Tournament ---- */

static const char *time_settings(struct gtp_engine *engine, const struct gtp_words *words,
                                 struct buf *reply) {
    double main_s, byo_s;
    long stones;
    if (!read_number(words->word[0], &main_s) || !read_number(words->word[1], &byo_s) ||
        !read_int(words->word[2], &stones) || main_s < 0 || byo_s < 0 || stones < 0 || stones > 1000000)
        return syntax_error;
    gtp_clock_set(&engine->clock, main_s, byo_s, (int)stones);
    return NULL;
}

static const char *time_left(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    enum color color;
    double left_s;
    long stones;
    if (!read_color(words->word[0], &color) || !read_number(words->word[1], &left_s) ||
        !read_int(words->word[2], &stones) || stones < 0 || stones > 1000000)
        return syntax_error;
    gtp_clock_left(&engine->clock, color == WHITE, left_s, (int)stones);
    return NULL;
}

static const char *final_score(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    char score[SCORE_TEXT_MAX];
    score_text(game_margin2(engine->game), score);
    return append(reply, score) ? NULL : no_memory;
}

/* Each chain on a line of its own. */
static const char *append_chains(const struct gtp_engine *engine, struct buf *reply) {
    const struct board *board = game_board(engine->game);
    for (int i = 0; i < board_points(board); i++) {
        const go_move head = board_move_at(board, i);
        if (board_color(board, head) == EMPTY || board_chain(board, head) != head)
            continue;
        struct buf line = BUF_INIT;
        go_move stone = head;
        bool kept = true;
        do {
            kept = kept && append_vertex(engine, &line, stone);
            stone = board_next_stone(board, stone);
        } while (stone != head);
        kept = kept && buf_printf(reply, "%s\n", (const char *)line.data) == 0;
        buf_free(&line);
        if (!kept)
            return no_memory;
    }
    return NULL;
}

static const char *final_status_list(struct gtp_engine *engine, const struct gtp_words *words,
                                     struct buf *reply) {
    if (strcmp(words->word[0], "alive") == 0)
        return append_chains(engine, reply);
    const bool known = strcmp(words->word[0], "dead") == 0 || strcmp(words->word[0], "seki") == 0;
    return known ? NULL : syntax_error;
}

/* ---- 3.5 Regression ---- */

static const char *reg_genmove(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    const struct gtp_clock clock = engine->clock; /* nothing changes, time neither */
    const char *error = generate(engine, words, reply, false);
    engine->clock = clock;
    return error;
}

/* The first game of a file, up to but without the given move. */
struct loading {
    const struct gtp_engine *engine;
    int limit;
    struct game *game;
};

static int load_file(void *context, const char *file, const void *data, size_t size) {
    struct loading *loading = context;
    struct sgf_record record = {0};
    struct sgf_reader reader;
    struct sgf_info info;
    struct sgf_replay replay;
    sgf_reader_init(&reader, data, size);
    int error = loading->game ? TG_EINVALID : sgf_read(&reader, &record, NULL);
    if (!error)
        error = sgf_info_read(&record, &info, NULL);
    if (!error)
        error = sgf_replay(&record, &info, loading->engine->rules.suicide, loading->limit, &loading->game,
                           &replay, NULL);
    sgf_record_free(&record);
    return error;
}

static const char *loadsgf(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    struct loading loading = {.engine = engine, .limit = -1};
    long number;
    if (words->count == 2) {
        if (!read_int(words->word[1], &number) || number < 1 || number > 1000000)
            return syntax_error;
        loading.limit = (int)number - 1;
    }
    if (sgf_files_visit(words->word[0], load_file, &loading, NULL) || !loading.game) {
        game_destroy(loading.game);
        return "cannot load file";
    }
    if (engine->mover.size && game_rules(loading.game)->size != engine->mover.size) {
        game_destroy(loading.game);
        return "unacceptable size";
    }
    game_destroy(engine->game);
    engine->game = loading.game;
    gtp_clock_reset(&engine->clock);
    const enum color next = (enum color)game_board(engine->game)->to_move;
    return append(reply, color_name(next)) ? NULL : no_memory;
}

/* ---- 3.6 Debug, and printsgf as GNU Go has it ---- */

static const char *showboard(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    return append(reply, "\n") && diagram_show(game_board(engine->game), reply) == 0 ? NULL : no_memory;
}

static const char *write_file(const char *path, const struct buf *text) {
    FILE *file = fopen(path, "w");
    if (!file)
        return "cannot write file";
    bool written = fwrite(text->data, 1, text->size, file) == text->size;
    written = fclose(file) == 0 && written;
    return written ? NULL : "cannot write file";
}

static const char *printsgf(struct gtp_engine *engine, const struct gtp_words *words, struct buf *reply) {
    char score[SCORE_TEXT_MAX];
    score_text(game_margin2(engine->game), score);
    const struct sgf_header header = {.result = game_over(engine->game) ? score : NULL};
    struct buf text = BUF_INIT;
    const char *error = sgf_write_game(&text, engine->game, &header) ? no_memory : NULL;
    if (!error && words->count)
        error = write_file(words->word[0], &text);
    else if (!error && buf_append(reply, text.data, text.size))
        error = no_memory;
    buf_free(&text);
    return error;
}

const struct gtp_command gtp_commands[] = {
    {"protocol_version", 0, 0, protocol_version},
    {"name", 0, 0, name},
    {"version", 0, 0, version},
    {"known_command", 1, 1, known_command},
    {"list_commands", 0, 0, list_commands},
    {"quit", 0, 0, quit},
    {"boardsize", 1, 1, boardsize},
    {"clear_board", 0, 0, clear_board},
    {"komi", 1, 1, komi},
    {"fixed_handicap", 1, 1, fixed_handicap},
    {"place_free_handicap", 1, 1, place_free_handicap},
    {"set_free_handicap", 2, GTP_WORDS_MAX, set_free_handicap},
    {"play", 2, 2, play},
    {"genmove", 1, 1, genmove},
    {"undo", 0, 0, undo},
    {"time_settings", 3, 3, time_settings},
    {"time_left", 3, 3, time_left},
    {"final_score", 0, 0, final_score},
    {"final_status_list", 1, 1, final_status_list},
    {"loadsgf", 1, 2, loadsgf},
    {"reg_genmove", 1, 1, reg_genmove},
    {"showboard", 0, 0, showboard},
    {"printsgf", 0, 1, printsgf},
    {NULL, 0, 0, NULL},
};
