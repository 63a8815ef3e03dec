/* sgf_game.c - see sgf_game.h. From properties to a game that was played by the rules, and back.
 *
 * A replay plays each B and W in the order of the nodes, whoever's turn it is: records have moves out of
 * turn, and each names its colour. Superko is looked at but does not refuse (game_play_repeating): games were
 * played under many rules, and a repetition is told, not judged. What is refused, an occupied point or a
 * suicide, ends the replay there with line and column, and the game up to it stays usable.
 *
 * Setup (AB, AW, AE) may stand anywhere. It makes a new start of the game: the moves before it are forgotten
 * by game_setup, though `moves` goes on counting them. In one node the setup comes before the move, whatever
 * the order of the properties in the file: the format allows no such mix, and files have it.
 *
 * Numbers are read strictly where a wrong one would change the game (SZ, points) and leniently where it only
 * labels it (KM, HA, RE): a komi of "five" is no komi, and the moves are still good.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "workers/go/diagram.h"
#include "workers/go/sgf_game.h"

/* Copies without spaces at the ends; a character of UTF-8 is never cut in two. */
static void copy_text(char out[SGF_INFO_TEXT], const char *text) {
    out[0] = 0;
    if (!text)
        return;
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    if (length >= SGF_INFO_TEXT) {
        length = SGF_INFO_TEXT - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    memcpy(out, text, length);
    out[length] = 0;
}

/* "7", "6.50", ".5": a number of half points. 0 or TG_EINVALID. Nothing may follow but spaces. */
static int parse_half_points(const char *text, int *halves) {
    char *end;
    if (!isdigit((unsigned char)text[0]) && !strchr("+-.", text[0]))
        return TG_EINVALID;
    double value = strtod(text, &end) * 2;
    while (isspace((unsigned char)*end))
        end++;
    if (end == text || *end || !(value >= -4000 && value <= 4000) || value != (int)value)
        return TG_EINVALID;
    *halves = (int)value;
    return 0;
}

static void read_result(struct sgf_info *info) {
    const char *text = info->result_text;
    int halves = 0;
    info->has_result = *text && strcmp(text, "?") != 0;
    if (strcasecmp(text, "void") == 0) {
        info->result = SGF_RESULT_VOID;
    } else if (strcmp(text, "0") == 0 || strcasecmp(text, "draw") == 0 || strcasecmp(text, "jigo") == 0) {
        info->result = SGF_RESULT_SCORE;
    } else if ((text[0] == 'B' || text[0] == 'W') && text[1] == '+') {
        bool scored = parse_half_points(text + 2, &halves) == 0;
        info->margin2 = text[0] == 'B' ? halves : -halves;
        info->result = scored ? SGF_RESULT_SCORE : text[0] == 'B' ? SGF_RESULT_BLACK : SGF_RESULT_WHITE;
    }
}

static int read_size(const struct sgf_record *record, struct sgf_info *info, struct problem *problem) {
    const char *text = sgf_root_text(record, "SZ");
    char *end = NULL;
    info->size = 19;
    if (!text)
        return 0;
    long width = strtol(text, &end, 10), height = *end == ':' ? strtol(end + 1, &end, 10) : width;
    while (isspace((unsigned char)*end))
        end++;
    if (*end || width != height || width < BOARD_SIZE_MIN || width > BOARD_SIZE_MAX)
        return problem_set(
            problem, TG_EINVALID, "SZ", "line %u, column %u: boards are square, 2 to 19; this is \"%.20s\"",
            sgf_find(record, 0, "SZ")->line, sgf_find(record, 0, "SZ")->column, record->utf8 ? text : "?");
    info->size = (int)width;
    return 0;
}

int sgf_info_read(const struct sgf_record *record, struct sgf_info *info, struct problem *problem) {
    const char *kind = sgf_root_text(record, "GM"), *komi = sgf_root_text(record, "KM"),
               *handicap = sgf_root_text(record, "HA");
    memset(info, 0, sizeof *info);
    if (kind && strtol(kind, NULL, 10) != 1)
        return problem_set(problem, TG_EINVALID, "GM", "line %u, column %u: not a game of Go (GM[1])",
                           sgf_find(record, 0, "GM")->line, sgf_find(record, 0, "GM")->column);
    if (read_size(record, info, problem) != 0)
        return TG_EINVALID;
    info->has_komi = komi && parse_half_points(komi, &info->komi2) == 0;
    if (handicap) {
        long stones = strtol(handicap, NULL, 10);
        info->handicap = stones > 0 && stones <= BOARD_POINTS_MAX ? (int)stones : 0;
    }
    copy_text(info->black, sgf_root_text(record, "PB"));
    copy_text(info->white, sgf_root_text(record, "PW"));
    copy_text(info->place, sgf_root_text(record, "PC"));
    copy_text(info->rules, sgf_root_text(record, "RU"));
    copy_text(info->date, sgf_root_text(record, "DT"));
    copy_text(info->result_text, sgf_root_text(record, "RE"));
    read_result(info);
    return 0;
}

/* A replay under way. */
struct replaying {
    const struct sgf_record *record;
    const struct sgf_info *info;
    struct game *game;
    struct sgf_replay *replay;
    struct problem *problem;
    int limit; /* moves to play in all; negative for no limit */
};

static void printable(const char *text, size_t length, char *out, size_t room) {
    size_t i = 0;
    for (; i < length && i + 1 < room; i++)
        out[i] = text[i] > ' ' && text[i] < 127 ? text[i] : '?';
    out[i] = 0;
}

static void blame(struct replaying *at, const struct sgf_property *property) {
    at->replay->bad_line = property->line;
    at->replay->bad_column = property->column;
}

static int malformed(struct replaying *at, const struct sgf_property *property, const char *text,
                     size_t length) {
    char shown[16];
    printable(text, length, shown, sizeof shown);
    blame(at, property);
    return problem_set(at->problem, TG_EINVALID, property->name,
                       "line %u, column %u, after move %d: \"%s\" is not a point of %dx%d", property->line,
                       property->column, at->replay->moves, shown, at->info->size, at->info->size);
}

/* A move's colour is the property's name; its first value is the point, and more than one is a file's mistake
 * that changes nothing. */
static int play_move(struct replaying *at, enum color color, const struct sgf_property *property) {
    struct sgf_replay *replay = at->replay;
    const struct board *board = game_board(at->game);
    bool pass, repeats = false;
    int x, y;
    size_t length;
    const char *text = sgf_value_text(at->record, property->first_value, &length);
    if (sgf_point_parse(at->info->size, text, length, &x, &y, &pass) != 0)
        return malformed(at, property, text, length);
    go_move move = pass ? (go_move)PASS : board_at(board, x, y);
    int error = game_play_repeating(at->game, color, move, &repeats, &replay->why);
    if (error == TG_EILLEGAL_MOVE) {
        replay->bad_number = replay->moves + 1;
        replay->bad_color = color;
        printable(text, length, replay->bad_move, sizeof replay->bad_move);
        blame(at, property);
        return problem_set(at->problem, error, property->name, "line %u, column %u, move %d, %s %s: %s",
                           property->line, property->column, replay->bad_number, color_name(color),
                           replay->bad_move, legality_text(replay->why));
    }
    replay->moves += error == 0;
    replay->repetitions += repeats;
    return error;
}

/* "cd", or "ab:cd" for a rectangle, into the colours. */
static int set_points(struct replaying *at, const struct sgf_property *property, uint8_t color,
                      const char *text, size_t length, uint8_t *colors) {
    const int size = at->info->size;
    int x0, y0, x1, y1;
    bool pass0, pass1 = false, pair = length == 5 && text[2] == ':';
    int error = sgf_point_parse(size, text, pair ? 2 : length, &x0, &y0, &pass0);
    x1 = x0;
    y1 = y0;
    if (error == 0 && pair)
        error = sgf_point_parse(size, text + 3, 2, &x1, &y1, &pass1);
    if (error != 0 || pass0 || pass1 || x1 < x0 || y1 < y0)
        return malformed(at, property, text, length);
    for (int y = y0; y <= y1; y++)
        for (int x = x0; x <= x1; x++)
            colors[y * size + x] = color;
    return 0;
}

static int setup_color(const char *name) {
    return strcmp(name, "AB") == 0   ? BLACK
           : strcmp(name, "AW") == 0 ? WHITE
           : strcmp(name, "AE") == 0 ? EMPTY
                                     : -1;
}

/* Applies the setup properties to colours; *found says whether there were any. */
static int read_setup(struct replaying *at, uint32_t first, uint32_t end, uint8_t *colors, bool *found) {
    int error = 0;
    *found = false;
    for (; first < end; first++) {
        const struct sgf_property *property = &at->record->properties[first];
        int color = setup_color(property->name);
        for (uint32_t i = 0; color >= 0 && error == 0 && i < property->value_count; i++) {
            size_t length;
            const char *text = sgf_value_text(at->record, property->first_value + i, &length);
            *found = true;
            if (length > 0)
                error = set_points(at, property, (uint8_t)color, text, length, colors);
        }
    }
    return error;
}

/* Who moves after a setup: PL says, else White where Black alone has stones, as after a handicap. */
static enum color first_to_move(struct replaying *at, uint32_t node, const uint8_t *colors) {
    const struct sgf_property *player = sgf_find(at->record, node, "PL");
    int black = 0, white = 0;
    if (player) {
        const char *text = sgf_value_text(at->record, player->first_value, NULL);
        return text[0] == 'W' || text[0] == 'w' || text[0] == '2' ? WHITE : BLACK;
    }
    for (int i = 0; i < at->info->size * at->info->size; i++) {
        black += colors[i] == BLACK;
        white += colors[i] == WHITE;
    }
    return black > 0 && white == 0 ? WHITE : BLACK;
}

/* The node's setup, laid on what stands there by now. */
static int apply_setup(struct replaying *at, uint32_t node, uint32_t first, uint32_t end) {
    uint8_t colors[BOARD_POINTS_MAX] = {0};
    const struct board *board = game_board(at->game);
    bool found;
    for (int i = 0; i < board_points(board); i++)
        colors[i] = board->color[board_move_at(board, i)];
    int error = read_setup(at, first, end, colors, &found);
    /* PL alone matters only before the first move: later each move names its colour. */
    bool player_only = !found && game_move_count(at->game) == 0 && sgf_find(at->record, node, "PL");
    if (error != 0 || (!found && !player_only))
        return error;
    at->replay->setup = at->replay->setup || found;
    if (game_setup(at->game, colors, first_to_move(at, node, colors)) == 0)
        return 0;
    while (first + 1 < end && setup_color(at->record->properties[first].name) < 0)
        first++;
    const struct sgf_property *property = &at->record->properties[first];
    blame(at, property);
    return problem_set(at->problem, TG_EINVALID, property->name,
                       "line %u, column %u, after move %d: the setup leaves a chain without liberties",
                       property->line, property->column, at->replay->moves);
}

static int apply_moves(struct replaying *at, uint32_t first, uint32_t end) {
    int error = 0;
    for (; first < end && error == 0; first++) {
        const struct sgf_property *property = &at->record->properties[first];
        bool black = strcmp(property->name, "B") == 0, white = strcmp(property->name, "W") == 0;
        if ((!black && !white) || at->replay->moves == at->limit)
            continue;
        error = play_move(at, black ? BLACK : WHITE, property);
    }
    return error;
}

int sgf_replay(const struct sgf_record *record, const struct sgf_info *info, bool suicide, int limit,
               struct game **out, struct sgf_replay *replay, struct problem *problem) {
    const struct go_rules rules = {
        .size = info->size, .komi2 = info->komi2, .suicide = suicide, .ko = KO_POSITIONAL};
    struct replaying at = {record, info, game_create(&rules), replay, problem, limit};
    int error = at.game ? 0 : TG_ENO_MEMORY;
    memset(replay, 0, sizeof *replay);
    for (uint32_t node = 0; node < record->node_count && error == 0; node++) {
        uint32_t first, end;
        if (limit >= 0 && replay->moves >= limit && node > 0)
            break;
        sgf_node(record, node, &first, &end);
        error = apply_setup(&at, node, first, end);
        if (error == 0)
            error = apply_moves(&at, first, end);
    }
    *out = at.game;
    return error;
}

static int write_text(struct buf *out, const char *name, const char *text) {
    return text ? sgf_write_property(out, name, text) : 0;
}

static int write_root(struct buf *out, const struct game *game, const struct sgf_header *header) {
    const struct go_rules *rules = game_rules(game);
    int komi = abs(rules->komi2), error;
    error = buf_printf(out, "(;FF[4]GM[1]CA[UTF-8]AP[Tengen:%s]SZ[%d]KM[%s%d%s]", TENGEN_VERSION, rules->size,
                       rules->komi2 < 0 ? "-" : "", komi / 2, komi % 2 ? ".5" : "");
    error = error ? error : write_text(out, "RU", rules->suicide ? "Tromp-Taylor" : "Chinese");
    error = error ? error : write_text(out, "PB", header->black);
    error = error ? error : write_text(out, "PW", header->white);
    error = error ? error : write_text(out, "RE", header->result);
    error = error ? error : write_text(out, "EV", header->event);
    error = error ? error : write_text(out, "PC", header->place);
    error = error ? error : write_text(out, "DT", header->date);
    return error ? error : write_text(out, "C", header->comment);
}

static int write_stones(struct buf *out, const struct board *start, enum color color, const char *name) {
    int error = start->stones[color] ? buf_append_text(out, name) : 0;
    char point[3];
    for (int i = 0; i < board_points(start) && error == 0; i++) {
        if (start->color[board_move_at(start, i)] != color)
            continue;
        sgf_point_text(start, board_move_at(start, i), point);
        error = buf_printf(out, "[%s]", point);
    }
    return error;
}

static int write_setup(struct buf *out, const struct game *game) {
    const struct board *start = game_start(game);
    int stones = start->stones[BLACK], error;
    if (stones + start->stones[WHITE] == 0)
        return start->to_move == WHITE ? write_text(out, "PL", "W") : 0;
    error = start->stones[WHITE] == 0 && stones > 1 ? buf_printf(out, "HA[%d]", stones) : 0;
    error = error ? error : write_stones(out, start, BLACK, "AB");
    error = error ? error : write_stones(out, start, WHITE, "AW");
    return error ? error : write_text(out, "PL", start->to_move == WHITE ? "W" : "B");
}

int sgf_write_game(struct buf *out, const struct game *game, const struct sgf_header *header) {
    int error = write_root(out, game, header);
    error = error ? error : write_setup(out, game);
    for (int i = 0; i < game_move_count(game) && error == 0; i++) {
        enum color color;
        char point[3];
        sgf_point_text(game_board(game), game_move(game, i, &color), point);
        error = buf_printf(out, "%s;%c[%s]", i % 10 == 0 ? "\n" : "", color == BLACK ? 'B' : 'W', point);
        if (error == 0 && header->move_comments)
            error = write_text(out, "C", header->move_comments[i]);
    }
    return error ? error : buf_append_text(out, ")\n");
}
