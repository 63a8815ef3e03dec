/* diagram.c - see diagram.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "workers/go/diagram.h"

static const char column_letters[] = "ABCDEFGHJKLMNOPQRST";

const char *color_name(enum color color) {
    static const char *const names[] = {"empty", "black", "white", "border"};
    return names[color & 3];
}

/* The rows that hold a point; -1 when a character is none of ours. */
static int count_rows(const char *text, struct problem *problem) {
    int rows = 0;
    bool inside = false;
    for (const char *at = text; *at; at++) {
        if (*at == '\n') {
            inside = false;
        } else if (strchr(".XO*", *at)) {
            rows += !inside;
            inside = true;
        } else if (*at != ' ' && *at != '\t') {
            return problem_set(problem, TG_EINVALID, "diagram", "'%c' is none of . X O *", *at), -1;
        }
    }
    return rows;
}

/* Fills colors[] and *ko (an index, or -1); returns how many points there were, or -1 when too many. */
static int read_points(const char *text, int points, uint8_t *colors, int *ko) {
    int count = 0;
    *ko = -1;
    for (const char *at = text; *at; at++) {
        if (!strchr(".XO*", *at))
            continue;
        if (count == points)
            return -1;
        if (*at == '*')
            *ko = count;
        colors[count++] = *at == 'X' ? BLACK : *at == 'O' ? WHITE : EMPTY;
    }
    return count;
}

int diagram_read(struct board *board, const char *text, enum color to_move, bool suicide,
                 struct problem *problem) {
    uint8_t colors[BOARD_POINTS_MAX];
    int ko, size = count_rows(text, problem);
    if (size < 0)
        return TG_EINVALID;
    if (size < BOARD_SIZE_MIN || size > BOARD_SIZE_MAX)
        return problem_set(problem, TG_EINVALID, "diagram", "has %d rows, must have 2 to 19", size);
    if (read_points(text, size * size, colors, &ko) != size * size)
        return problem_set(problem, TG_EINVALID, "diagram", "%d rows must have %d points", size, size * size);
    board_init(board, size, suicide);
    if (board_setup(board, colors, to_move) != 0)
        return problem_set(problem, TG_EINVALID, "diagram", "a chain has no liberty");
    if (ko >= 0)
        board->ko = board_move_at(board, ko);
    return 0;
}

static char point_letter(const struct board *board, go_move point) {
    if (point == board->ko)
        return '*';
    return ".XO"[board->color[point]];
}

int diagram_write(const struct board *board, struct buf *out) {
    int error = 0;
    for (int y = 0; y < board->size; y++)
        for (int x = 0; x < board->size && error == 0; x++)
            error = buf_printf(out, "%c%c", point_letter(board, board_at(board, x, y)),
                               x + 1 < board->size ? ' ' : '\n');
    return error;
}

static int show_columns(const struct board *board, struct buf *out) {
    int error = buf_append_text(out, "  ");
    for (int x = 0; x < board->size && error == 0; x++)
        error = buf_printf(out, " %c", column_letters[x]);
    return error ? error : buf_append_text(out, "\n");
}

static int show_row(const struct board *board, int y, struct buf *out) {
    int number = board->size - y, error = buf_printf(out, "%2d", number);
    for (int x = 0; x < board->size && error == 0; x++) {
        go_move p = board_at(board, x, y);
        bool is_last = board->last_move[0] == p, after_last = x > 0 && board->last_move[0] == p - 1;
        error = buf_printf(out, "%c%c", is_last ? '(' : after_last ? ')' : ' ', ".XO"[board->color[p]]);
    }
    if (error == 0)
        error = buf_printf(out, "%c%d",
                           board->last_move[0] == board_at(board, board->size - 1, y) ? ')' : ' ', number);
    if (error == 0 && y == 0)
        error = buf_printf(out, "   black has taken %d", board->captured[WHITE]);
    if (error == 0 && y == 1)
        error = buf_printf(out, "   white has taken %d", board->captured[BLACK]);
    return error ? error : buf_append_text(out, "\n");
}

int diagram_show(const struct board *board, struct buf *out) {
    int error = show_columns(board, out);
    for (int y = 0; y < board->size && error == 0; y++)
        error = show_row(board, y, out);
    return error ? error : show_columns(board, out);
}

void vertex_text(const struct board *board, go_move move, char out[VERTEX_TEXT_MAX]) {
    if (move == PASS)
        (void)snprintf(out, VERTEX_TEXT_MAX, "pass");
    else
        (void)snprintf(out, VERTEX_TEXT_MAX, "%c%u", column_letters[board_x(board, move)],
                       (unsigned)(board->size - board_y(board, move)) % 100);
}

int vertex_parse(const struct board *board, const char *text, go_move *move) {
    if (strcasecmp(text, "pass") == 0) {
        *move = PASS;
        return 0;
    }
    const char *letter = text[0] ? strchr(column_letters, toupper((unsigned char)text[0])) : NULL;
    if (!letter || !isdigit((unsigned char)text[1]))
        return TG_EINVALID;
    char *end;
    long row = strtol(text + 1, &end, 10);
    int x = (int)(letter - column_letters);
    if (*end || row < 1 || row > board->size || x >= board->size)
        return TG_EINVALID;
    *move = board_at(board, x, board->size - (int)row);
    return 0;
}

void sgf_point_text(const struct board *board, go_move move, char out[3]) {
    out[0] = out[1] = out[2] = 0;
    if (move == PASS)
        return;
    out[0] = (char)('a' + board_x(board, move));
    out[1] = (char)('a' + board_y(board, move));
}

int sgf_point_parse(int size, const char *text, size_t length, int *x, int *y, bool *pass) {
    *x = *y = 0;
    *pass = length == 0 || (length == 2 && size <= 19 && text[0] == 't' && text[1] == 't');
    if (*pass)
        return 0;
    if (length != 2)
        return TG_EINVALID;
    *x = text[0] - 'a';
    *y = text[1] - 'a';
    return *x >= 0 && *y >= 0 && *x < size && *y < size ? 0 : TG_EINVALID;
}
