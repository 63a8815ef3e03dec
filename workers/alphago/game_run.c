/* game_run.c - see game_run.h. One game as a coroutine by hand: playing_advance goes on until a player waits,
 * and is called again when its requests are answered.
 *
 *     begun? opening, players begin --> [turn] --waits--> returns; the next call is the same turn again
 *                                         |  ^
 *                                         |  +-- a legal move
 *                                         +-- two passes, the limit, resignation, forfeit --> over
 *
 * A turn that waits has changed nothing: choose() is asked again with the same position, and finds its
 * answers.
 *
 * Whose failure. TG_EENGINE is a player's: it loses the game, with a note that says why (forfeit). Anything
 * else ends the task's attempt: out of memory, a network that gives no finite numbers, an order to stop. An
 * illegal move is the player's as well, and is told apart, since it says something about the engine.
 *
 * The score is our own count of the final board. An engine is asked for its opinion only for the note: two
 * programs that disagree about dead stones must not disagree about who won.
 *
 * Players begin after the opening, which is nobody's move: begin() tells an engine of it, observe() of each
 * later one.
 */
#include "workers/alphago/game_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/rng.h"
#include "workers/go/diagram.h"
#include "workers/go/playout.h"
#include "workers/go/score.h"

int game_plan_rules(const json_t *config, struct game_plan *plan, struct problem *problem) {
    struct go_rules *rules = &plan->rules;
    rules->size = (int)option_int(config, "board");
    rules->komi2 = (int)lrint(2 * option_number(config, "komi"));
    plan->max_moves = (int)option_int(config, "max_moves");
    int error = rules_suicide_parse(option_string(config, "rules"), &rules->suicide);
    if (!error)
        error = rules_ko_parse(option_string(config, "ko"), &rules->ko);
    return error ? problem_set(problem, error, "config.rules", "rules that this version does not know") : 0;
}

static void finish(struct playing *playing, enum game_end end, enum color winner) {
    playing->record->end = end;
    playing->record->winner = winner;
    playing->over = true;
}

/* A player's call that returned TG_EENGINE: the other side wins. Every other error ends the task. */
static int forfeit(struct playing *playing, enum color color, int error) {
    struct go_player *player = playing->plan.player[color];
    if (error != TG_EENGINE)
        return error;
    record_note(playing->record, "%s (%s): %s", player->name, color_name(color), player->forfeit.note);
    finish(playing, player->forfeit.end, color_other(color));
    return 0;
}

/* Plays a legal move; the live view sees it. */
static int make_move(struct playing *playing, enum color color, go_move move, const struct thought *thought) {
    int error = record_move(playing->record, color, move, thought);
    if (error || !playing->plan.moved)
        return error;
    return playing->plan.moved(playing->plan.context);
}

/* Random moves that the rules allow and that fill no eye; an opening that nobody can continue is short. */
static int play_opening(struct playing *playing) {
    struct rng rng;
    rng_seed(&rng, playing->plan.opening_seed);
    for (int i = 0; i < playing->plan.random_moves; i++) {
        const struct board *now = game_board(playing->record->game);
        const enum color color = (enum color)now->to_move;
        struct board scratch;
        board_copy(&scratch, now);
        go_move move = playout_choose(&scratch, &rng, color);
        if (move == PASS || game_legality(playing->record->game, color, move) != MOVE_LEGAL)
            break;
        int error = make_move(playing, color, move, NULL);
        if (error)
            return error;
        playing->record->opening_moves++;
    }
    return 0;
}

static int illegal_move(struct playing *playing, enum color color, go_move move, enum legality why) {
    char vertex[VERTEX_TEXT_MAX];
    vertex_text(game_board(playing->record->game), move, vertex);
    record_note(playing->record, "%s (%s) played %s: %s", playing->plan.player[color]->name,
                color_name(color), vertex, legality_text(why));
    finish(playing, END_ILLEGAL, color_other(color));
    return 0;
}

/* The player at turn moves, or waits. */
static int take_turn(struct playing *playing) {
    const struct game_plan *plan = &playing->plan;
    const enum color color = (enum color)game_board(playing->record->game)->to_move;
    struct go_player *player = plan->player[color], *other = plan->player[color_other(color)];
    go_move move = PASS;
    bool resign = false;
    if (!playing->waits)
        memset(&playing->thought, 0, sizeof(playing->thought));
    int error = player->ops->choose(player, playing->record->game, color, &move, &resign, &playing->thought,
                                    playing->problem);
    playing->waits = error == PLAYER_WAITS ? player : NULL;
    if (playing->waits)
        return 0;
    if (error)
        return forfeit(playing, color, error);
    if (resign) {
        finish(playing, END_RESIGN, color_other(color));
        return 0;
    }
    enum legality why = game_legality(playing->record->game, color, move);
    if (why != MOVE_LEGAL)
        return illegal_move(playing, color, move, why);
    error = make_move(playing, color, move, &playing->thought);
    if (!error && other != player && other->ops->observe) {
        error = other->ops->observe(other, playing->record->game, color, move, playing->problem);
        if (error)
            return forfeit(playing, color_other(color), error);
    }
    return error;
}

/* Two passes, or the limit. */
static void count_when_over(struct playing *playing) {
    const struct game_plan *plan = &playing->plan;
    const int most = plan->max_moves ? plan->max_moves : 3 * plan->rules.size * plan->rules.size;
    const bool passed = game_over(playing->record->game);
    if (!passed && game_move_count(playing->record->game) < most)
        return;
    const int margin2 = game_margin2(playing->record->game);
    finish(playing, passed ? END_SCORE : END_MAX_MOVES, margin2 > 0 ? BLACK : margin2 < 0 ? WHITE : EMPTY);
}

/* "W+2.0" and "W+2" are one result; "0" is a draw. */
static bool same_result(const char *left, const char *right) {
    const char *at = strchr(left, '+'), *other = strchr(right, '+');
    if (!at || !other)
        return !at && !other && left[0] == right[0];
    return (left[0] | 32) == (right[0] | 32) && fabs(strtod(at, NULL) - strtod(other, NULL)) < 0.01;
}

/* An engine's own count, where the game was counted and it has one. Its silence is no reason to lose. */
static int ask_score(struct playing *playing, enum color color) {
    struct go_player *player = playing->plan.player[color];
    char opinion[64] = "", ours[32];
    if (!player->ops->final_score || playing->record->end != END_SCORE)
        return 0;
    int error = player->ops->final_score(player, opinion, sizeof(opinion), playing->problem);
    if (error == TG_EENGINE) {
        record_note(playing->record, "%s gave no score: %s", player->name, player->forfeit.note);
        return 0;
    }
    record_result(playing->record, ours, sizeof(ours));
    if (!error && opinion[0] && !same_result(opinion, ours))
        record_note(playing->record, "%s says %s", player->name, opinion);
    return error;
}

static int begin_players(struct playing *playing) {
    const struct game_plan *plan = &playing->plan;
    for (enum color color = BLACK; color <= WHITE && !playing->over; color++) {
        struct go_player *player = plan->player[color];
        if (color == WHITE && player == plan->player[BLACK])
            break;
        player->forfeit = (struct forfeit){END_SCORE, ""};
        int error =
            player->ops->begin(player, playing->record->game, plan->seed + (uint64_t)color, playing->problem);
        if (error)
            error = forfeit(playing, color, error);
        if (error)
            return error;
    }
    return 0;
}

/* What is said about a finished game. */
static int close_record(struct playing *playing) {
    const struct game_plan *plan = &playing->plan;
    playing->record->margin2 = game_margin2(playing->record->game);
    int error = ask_score(playing, BLACK);
    if (!error && plan->player[WHITE] != plan->player[BLACK])
        error = ask_score(playing, WHITE);
    return error;
}

int playing_begin(struct playing *playing, const struct game_plan *plan, struct record *record,
                  struct problem *problem) {
    memset(playing, 0, sizeof(*playing));
    playing->plan = *plan;
    playing->record = record;
    playing->problem = problem;
    int error = record_begin(record, &plan->rules, plan->player[BLACK]->name, plan->player[WHITE]->name);
    return error ? problem_set(problem, error, NULL, "no memory for a game") : 0;
}

int playing_advance(struct playing *playing) {
    int error = 0;
    if (!playing->begun) {
        playing->begun = true;
        error = play_opening(playing);
        if (!error)
            error = begin_players(playing);
    }
    while (!error && !playing->over) {
        if (!playing->waits)
            count_when_over(playing);
        if (!playing->over)
            error = take_turn(playing);
        if (playing->waits)
            return error;
    }
    return error ? error : close_record(playing);
}

void playing_end(struct playing *playing) {
    const struct game_plan *plan = &playing->plan;
    plan->player[BLACK]->ops->end(plan->player[BLACK]);
    if (plan->player[WHITE] != plan->player[BLACK])
        plan->player[WHITE]->ops->end(plan->player[WHITE]);
}

int game_run(const struct game_plan *plan, struct record *record, struct problem *problem) {
    struct playing playing;
    int error = playing_begin(&playing, plan, record, problem);
    if (error)
        return error;
    while (!(error = playing_advance(&playing)) && !playing.over) {
        int count;
        struct evaluation *const *requests = playing.waits->ops->requests(playing.waits, &count);
        error = evaluator_run(playing.waits->evaluator, requests, count, problem);
        if (error)
            break;
    }
    playing_end(&playing);
    return error;
}
