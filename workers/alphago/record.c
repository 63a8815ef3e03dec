/* record.c - see record.h. A game is kept three times over while it is played: as a game (rules, position),
 * as the encoded body, and as the list of moves for the live view, each added to by one move at a time. So
 * ending a game costs nothing that grows with its length, and the live view can be sent at any moment.
 *
 * The body's moves are encoded as they come, the head (result, number of moves) is put before them at the
 * end. */
#include "workers/alphago/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "workers/go/diagram.h"
#include "workers/go/score.h"
#include "workers/go/sgf_game.h"
#include "workers/go/sgf_text.h"

const char *game_end_text(enum game_end end) {
    static const char *const texts[] = {
#define X(name, text) [END_##name] = text,
        GAME_END_MAP(X)
#undef X
    };
    return texts[end];
}

int record_begin(struct record *record, const struct go_rules *rules, const char *black, const char *white) {
    memset(record, 0, sizeof(*record));
    snprintf(record->names[BLACK], PLAYER_NAME_MAX, "%s", black);
    snprintf(record->names[WHITE], PLAYER_NAME_MAX, "%s", white);
    record->game = game_create(rules);
    record->live_moves = json_array();
    return record->game && record->live_moves ? 0 : TG_ENO_MEMORY;
}

void record_free(struct record *record) {
    game_destroy(record->game);
    buf_free(&record->body);
    buf_free(&record->comments);
    json_decref(record->live_moves);
    record->game = NULL;
    record->live_moves = NULL;
}

static int append_u16(struct buf *out, unsigned value) {
    uint8_t bytes[2];
    write_u16(bytes, (uint16_t)value);
    return buf_append(out, bytes, sizeof(bytes));
}

static int append_thought(struct buf *out, const struct board *board, const struct thought *thought) {
    uint32_t winrate_bits;
    memcpy(&winrate_bits, &thought->winrate, sizeof(winrate_bits));
    int error = buf_append_u32(out, winrate_bits);
    if (!error)
        error = append_u16(out, (unsigned)thought->child_count);
    for (int i = 0; i < thought->child_count && !error; i++) {
        error = append_u16(out, (unsigned)board_index(board, thought->children[i].move));
        if (!error)
            error = buf_append_u32(out, thought->children[i].visits);
    }
    return error;
}

static int append_comment(struct record *record, const struct thought *thought) {
    char comment[RECORD_COMMENT_MAX] = "";
    if (thought && thought->visits)
        snprintf(comment, sizeof(comment), "%.1f%% of %u visits", 100 * (double)thought->winrate,
                 thought->visits);
    return buf_append(&record->comments, comment, sizeof(comment));
}

static int append_move(struct record *record, enum color color, go_move move, const struct thought *thought) {
    const struct board *board = game_board(record->game);
    const uint32_t visits = thought ? thought->visits : 0;
    const uint8_t colors[2] = {(uint8_t)color, 0};
    int error = append_u16(&record->body, (unsigned)board_index(board, move));
    if (!error)
        error = buf_append(&record->body, colors, sizeof(colors));
    if (!error)
        error = buf_append_u32(&record->body, visits);
    if (!error && visits)
        error = append_thought(&record->body, board, thought);
    return error ? error : append_comment(record, thought);
}

int record_move(struct record *record, enum color color, go_move move, const struct thought *thought) {
    char point[3];
    int error = game_play(record->game, color, move, NULL);
    if (!error)
        error = append_move(record, color, move, thought);
    sgf_point_text(game_board(record->game), move, point);
    if (!error && json_array_append_new(record->live_moves, json_string(point)))
        error = TG_ENO_MEMORY;
    return error;
}

void record_note(struct record *record, const char *format, ...) {
    size_t used = strlen(record->note);
    if (used > 0 && used + 2 < sizeof(record->note)) {
        memcpy(record->note + used, "; ", 3);
        used += 2;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(record->note + used, sizeof(record->note) - used, format, arguments);
    va_end(arguments);
    utf8_mend(record->note); /* it may quote an engine, or end within a character */
}

int record_body(const struct record *record, struct buf *out) {
    const struct go_rules *rules = game_rules(record->game);
    uint8_t head[RECORD_HEAD_BYTES] = "TGG1";
    head[4] = (uint8_t)rules->size;
    head[5] = (uint8_t)((rules->suicide ? 1 : 0) | (unsigned)rules->ko << 1);
    write_u16(head + 6, (uint16_t)rules->komi2);
    write_u16(head + 8, (uint16_t)record->margin2);
    head[10] = (uint8_t)record->winner;
    head[11] = (uint8_t)record->end;
    write_u16(head + 12, (uint16_t)record->opening_moves);
    write_u16(head + 14, (uint16_t)game_move_count(record->game));
    int error = buf_append(out, head, sizeof(head));
    return error ? error : buf_append(out, record->body.data, record->body.size);
}

void record_result(const struct record *record, char *text, size_t size) {
    static const char *const ways[] = {[END_RESIGN] = "Resign",
                                       [END_ILLEGAL] = "Forfeit",
                                       [END_TIMEOUT] = "Time",
                                       [END_DIED] = "Forfeit",
                                       [END_NONSENSE] = "Forfeit"};
    if (record->end == END_SCORE || record->end == END_MAX_MOVES) {
        char score[SCORE_TEXT_MAX];
        score_text(record->margin2, score);
        snprintf(text, size, "%s", score);
    } else {
        snprintf(text, size, "%c+%s", record->winner == BLACK ? 'B' : 'W', ways[record->end]);
    }
}

int record_sgf(const struct record *record, struct buf *out) {
    const int moves = game_move_count(record->game);
    char result[32], date[25];
    const char **comments = calloc((size_t)moves + 1, sizeof(*comments));
    if (!comments)
        return TG_ENO_MEMORY;
    for (int i = 0; i < moves; i++) {
        const char *comment = (const char *)record->comments.data + (size_t)i * RECORD_COMMENT_MAX;
        comments[i] = comment[0] ? comment : NULL;
    }
    record_result(record, result, sizeof(result));
    clock_format_utc(clock_wall_ms(), date);
    date[10] = 0; /* the day alone */
    const struct sgf_header header = {
        .black = record->names[BLACK],
        .white = record->names[WHITE],
        .result = result,
        .date = date,
        .comment = record->note[0] ? record->note : NULL,
        .move_comments = comments,
    };
    int error = sgf_write_game(out, record->game, &header);
    free(comments);
    return error;
}

json_t *record_row(const struct record *record) {
    const struct go_rules *rules = game_rules(record->game);
    char result[32];
    struct buf sgf = BUF_INIT;
    record_result(record, result, sizeof(result));
    json_t *row =
        record_sgf(record, &sgf)
            ? NULL
            : json_pack("{s:i, s:f, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s}", "board", rules->size, "komi",
                        rules->komi2 / 2.0, "rules", rules_name(rules), "black", record->names[BLACK],
                        "white", record->names[WHITE], "result", result, "moves",
                        game_move_count(record->game), "reason", game_end_text(record->end), "note",
                        record->note, "sgf", (const char *)sgf.data);
    buf_free(&sgf);
    return row;
}

json_t *record_live(const struct record *record, int64_t number) {
    const struct go_rules *rules = game_rules(record->game);
    return json_pack("{s:I, s:i, s:f, s:s, s:s, s:O}", "game", (json_int_t)number, "board", rules->size,
                     "komi", rules->komi2 / 2.0, "black", record->names[BLACK], "white", record->names[WHITE],
                     "moves", record->live_moves);
}
