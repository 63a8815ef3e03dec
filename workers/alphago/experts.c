/* experts.c - see experts.h. Games become packed positions, each in its part of the split.
 *
 * The split is by game and by the game's hash alone: not by the seed, so that every run is measured on the
 * same games, and not by position, because positions of one game are nearly the same. Filters (rating,
 * winners) choose what is learnt from; what is held out is measured whole, or a filter would change the
 * measure with the lesson.
 *
 * The first game's board size is everybody's, unless one was asked for: then others are counted and left out. */
#include "workers/alphago/experts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/log.h"

bool expert_held_out(const struct game *game, double share) {
    return (double)(expert_game_hash(game) >> 11) * 0x1.0p-53 < share;
}

int expert_result(const struct expert_game *game, enum color color) {
    if (!game->has_winner)
        return RESULT_UNKNOWN;
    return game->winner == EMPTY ? 0 : game->winner == color ? 1 : -1;
}

int expert_positions(const struct expert_game *game, expert_position *each, void *user) {
    struct board board;
    board_copy(&board, game_start(game->game));
    int error = 0;
    for (int i = 0; i < game_move_count(game->game) && !error; i++) {
        enum color color;
        const go_move move = game_move(game->game, i, &color);
        if (board.to_move != color) { /* records in which a colour moves twice */
            board.to_move = (uint8_t)color;
            board.ko = PASS;
        }
        if (i >= game->opening_moves)
            error = each(user, &board, move, i);
        board_play(&board, color, move);
    }
    return error;
}

static int make_room(struct experts *set) {
    if (set->count < set->room)
        return 0;
    const int64_t room = set->room ? set->room * 2 : 1024;
    const size_t points = (size_t)(set->size * set->size);
    uint8_t *codes = realloc(set->codes, (size_t)room * points);
    if (!codes)
        return TG_ENO_MEMORY;
    set->codes = codes;
    uint16_t *moves = realloc(set->moves, (size_t)room * sizeof(*moves));
    if (!moves)
        return TG_ENO_MEMORY;
    set->moves = moves;
    int8_t *results = realloc(set->results, (size_t)room);
    if (!results)
        return TG_ENO_MEMORY;
    set->results = results;
    set->room = room;
    return 0;
}

struct reading {
    const struct expert_filter *filter;
    struct expert_sets *sets;
    struct problem *problem;
    const struct expert_game *game; /* at hand */
    struct experts *set;            /* where it goes */
};

static bool wanted(const struct reading *reading, enum color color) {
    const struct expert_filter *filter = reading->filter;
    if (reading->set == &reading->sets->held_out)
        return true;
    if (filter->min_rating && reading->game->rating[color] < filter->min_rating)
        return false;
    return !filter->winners_only || (reading->game->has_winner && reading->game->winner == color);
}

static int add_position(void *user, const struct board *board, go_move move, int number) {
    struct reading *reading = user;
    struct experts *set = reading->set;
    const enum color color = (enum color)board->to_move;
    (void)number;
    if (!wanted(reading, color))
        return 0;
    const int error = make_room(set);
    if (error)
        return error;
    encode_codes(board, set->codes + set->count * board_points(board));
    set->moves[set->count] = (uint16_t)board_index(board, move);
    set->results[set->count] = (int8_t)expert_result(reading->game, color);
    set->count++;
    return 0;
}

static int add_game(void *user, const struct expert_game *game) {
    struct reading *reading = user;
    struct expert_sets *sets = reading->sets;
    const int size = game_rules(game->game)->size, first = sets->train.size;
    sets->by_size[size]++;
    if (reading->filter->board && size != reading->filter->board) {
        sets->other_sizes++;
        return 0;
    }
    if (first && size != first)
        return problem_set(reading->problem, TG_EINVALID, NULL,
                           "board sizes differ: %s has %dx%d after games of %dx%d; give `board` to use the "
                           "games of one size",
                           game->name, size, size, first, first);
    sets->train.size = sets->held_out.size = size;
    reading->game = game;
    reading->set = expert_held_out(game->game, reading->filter->held_out) ? &sets->held_out : &sets->train;
    reading->set->games++;
    return expert_positions(game, add_position, reading);
}

/* Few games may all fall on one side of the split. */
static void warn_unmeasured(const struct expert_sets *sets, double held_out) {
    if (held_out > 0 && sets->held_out.count == 0)
        log_warn("sl-policy",
                 "of %lld games none is held out: what is learnt is not measured; give more games or a "
                 "greater held_out than %g",
                 (long long)sets->train.games, held_out);
}

enum { SIZES_TEXT_MAX = 200 };

/* "9x9 (732), 13x13 (1)": the sizes that were found. */
static const char *sizes_text(const struct expert_sets *sets, char text[SIZES_TEXT_MAX]) {
    size_t used = 0;
    text[0] = 0;
    for (int size = BOARD_SIZE_MIN; size <= BOARD_SIZE_MAX; size++)
        if (sets->by_size[size] && used < SIZES_TEXT_MAX)
            used += (size_t)snprintf(text + used, SIZES_TEXT_MAX - used, "%s%dx%d (%lld)", used ? ", " : "",
                                     size, size, (long long)sets->by_size[size]);
    return text;
}

/* Games were read, but none of the size that `board` asks for. */
static int none_of_size(const struct expert_sets *sets, int board, struct problem *problem) {
    char sizes[SIZES_TEXT_MAX];
    return problem_set(
        problem, TG_EINVALID, NULL,
        "no usable game: none is of %dx%d, as `board` asks for; found are (games): %s; set board to such a "
        "size, or give other games",
        board, board, sizes_text(sets, sizes));
}

/* Nothing could be read as a game. */
static int none_readable(const struct expert_tally *tally, struct problem *problem) {
    if (tally->unreadable + tally->illegal == 0)
        return problem_set(problem, TG_EINVALID, NULL,
                           "no usable game: there is neither an SGF file nor a game that a job played");
    return problem_set(problem, TG_EINVALID, NULL,
                       "no usable game: %lld unreadable, %lld with illegal moves; first: %s",
                       (long long)tally->unreadable, (long long)tally->illegal, tally->first_problem);
}

/* Says what was found and what is wanted. */
static int nothing_to_learn(const struct expert_sets *sets, const struct expert_filter *filter,
                            struct problem *problem) {
    if (sets->tally.games == 0)
        return none_readable(&sets->tally, problem);
    if (sets->train.games + sets->held_out.games == 0)
        return none_of_size(sets, filter->board, problem);
    return problem_set(
        problem, TG_EINVALID, NULL,
        "no usable game: of %lld games of %dx%d %lld are held out, and in the others is no move that "
        "%s; give more games, or a smaller held_out",
        (long long)(sets->train.games + sets->held_out.games), sets->train.size, sets->train.size,
        (long long)sets->held_out.games,
        filter->min_rating || filter->winners_only ? "min_rating and winners_only let through"
                                                   : "an expert chose");
}

int experts_read(const char *path, const struct expert_filter *filter, struct expert_sets *out,
                 struct problem *problem) {
    memset(out, 0, sizeof(*out));
    struct reading reading = {.filter = filter, .sets = out, .problem = problem};
    int error = expert_games_visit(path, add_game, &reading, &out->tally, problem);
    if (error == TG_ENO_MEMORY)
        return problem_set(problem, error, NULL, "no memory for %lld positions",
                           (long long)(out->train.count + out->held_out.count));
    if (!error)
        warn_unmeasured(out, filter->held_out);
    return error || out->train.count ? error : nothing_to_learn(out, filter, problem);
}

static void free_set(struct experts *set) {
    free(set->codes);
    free(set->moves);
    free(set->results);
    *set = (struct experts){0};
}

void experts_free(struct expert_sets *sets) {
    free_set(&sets->train);
    free_set(&sets->held_out);
}
