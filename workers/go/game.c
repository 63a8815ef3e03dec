/* game.c - see game.h. The board, the history and the list of moves say the same, each for its own questions:
 * what stands there, what has been, how it came about. They change together or not at all: play_checked makes
 * room first and puts the board back when the history cannot grow. */
#include <stdlib.h>
#include "proto/base/error.h"
#include "workers/go/game.h"
#include "workers/go/score.h"

struct played {
    go_move move;
    uint8_t color;
};

struct game {
    struct go_rules rules;
    struct board start;
    struct board board;
    struct history *history; /* the position at the start, then one after each move */
    struct played *moves;
    int count, capacity;
};

struct game *game_create(const struct go_rules *rules) {
    struct game *game = calloc(1, sizeof *game);
    if (!game)
        return NULL;
    game->rules = *rules;
    game->history = history_create(rules->ko);
    board_init(&game->start, rules->size, rules->suicide);
    board_init(&game->board, rules->size, rules->suicide);
    if (!game->history || history_push(game->history, &game->board) != 0) {
        game_destroy(game);
        return NULL;
    }
    return game;
}

void game_destroy(struct game *game) {
    if (!game)
        return;
    history_destroy(game->history);
    free(game->moves);
    free(game);
}

struct game *game_copy(const struct game *game) {
    struct game *copy = malloc(sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *game;
    copy->capacity = game->count + 64;
    copy->moves = malloc((size_t)copy->capacity * sizeof *copy->moves);
    copy->history = history_copy(game->history);
    if (!copy->moves || !copy->history) {
        game_destroy(copy);
        return NULL;
    }
    for (int i = 0; i < game->count; i++)
        copy->moves[i] = game->moves[i];
    return copy;
}

/* Back to the first position. Pushing cannot fail: a history never shrinks. */
static void rewind_game(struct game *game) {
    game->board = game->start;
    history_clear(game->history);
    TG_ASSERT(history_push(game->history, &game->board) == 0);
}

void game_reset(struct game *game) {
    board_init(&game->start, game->rules.size, game->rules.suicide);
    game->count = 0;
    rewind_game(game);
}

int game_setup(struct game *game, const uint8_t *colors, enum color to_move) {
    struct board next;
    board_init(&next, game->rules.size, game->rules.suicide);
    int error = board_setup(&next, colors, to_move);
    if (error != 0)
        return error;
    game->start = next;
    game->count = 0;
    rewind_game(game);
    return 0;
}

void game_set_komi(struct game *game, int komi2) {
    game->rules.komi2 = komi2;
}

const struct go_rules *game_rules(const struct game *game) {
    return &game->rules;
}

const struct board *game_board(const struct game *game) {
    return &game->board;
}

const struct board *game_start(const struct game *game) {
    return &game->start;
}

const struct history *game_history(const struct game *game) {
    return game->history;
}

enum legality game_legality(const struct game *game, enum color color, go_move move) {
    return history_legality(game->history, &game->board, color, move);
}

static int reserve_move(struct game *game) {
    if (game->count < game->capacity)
        return 0;
    int capacity = game->capacity ? game->capacity * 2 : 128;
    struct played *moves = realloc(game->moves, (size_t)capacity * sizeof *moves);
    if (!moves)
        return TG_ENO_MEMORY;
    game->moves = moves;
    game->capacity = capacity;
    return 0;
}

static int play_checked(struct game *game, enum color color, go_move move, bool *repeats) {
    struct board before = game->board;
    if (reserve_move(game) != 0)
        return TG_ENO_MEMORY;
    board_play(&game->board, color, move);
    if (repeats)
        *repeats = move != PASS && history_seen(game->history, &game->board);
    if (history_push(game->history, &game->board) != 0) {
        game->board = before;
        return TG_ENO_MEMORY;
    }
    game->moves[game->count++] = (struct played){.move = move, .color = (uint8_t)color};
    return 0;
}

int game_play(struct game *game, enum color color, go_move move, enum legality *why) {
    enum legality legality = game_legality(game, color, move);
    if (why)
        *why = legality;
    return legality == MOVE_LEGAL ? play_checked(game, color, move, NULL) : TG_EILLEGAL_MOVE;
}

int game_play_repeating(struct game *game, enum color color, go_move move, bool *repeats,
                        enum legality *why) {
    enum legality legality = board_legality(&game->board, color, move);
    if (why)
        *why = legality;
    return legality == MOVE_LEGAL ? play_checked(game, color, move, repeats) : TG_EILLEGAL_MOVE;
}

int game_undo(struct game *game) {
    if (game->count == 0)
        return TG_EWRONG_STATE;
    game->count--;
    rewind_game(game);
    for (int i = 0; i < game->count; i++) {
        board_play(&game->board, (enum color)game->moves[i].color, game->moves[i].move);
        TG_ASSERT(history_push(game->history, &game->board) == 0);
    }
    return 0;
}

int game_move_count(const struct game *game) {
    return game->count;
}

go_move game_move(const struct game *game, int number, enum color *color) {
    TG_ASSERT(number >= 0 && number < game->count);
    if (color)
        *color = (enum color)game->moves[number].color;
    return game->moves[number].move;
}

bool game_over(const struct game *game) {
    return game->board.passes >= 2;
}

int game_margin2(const struct game *game) {
    return 2 * score_area(&game->board, NULL) - game->rules.komi2;
}
