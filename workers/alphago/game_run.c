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

struct match {
    const struct game_plan *plan;
    struct port *port;
    struct record *record;
    struct problem *problem;
    bool over;
};

static void finish(struct match *match, enum game_end end, enum color winner) {
    match->record->end = end;
    match->record->winner = winner;
    match->over = true;
}

/* A player's call that returned TG_EENGINE: the other side wins. Every other error ends the task. */
static int forfeit(struct match *match, enum color color, int error) {
    struct go_player *player = match->plan->player[color];
    if (error != TG_EENGINE)
        return error;
    record_note(match->record, "%s (%s): %s", player->name, color_name(color), player->forfeit.note);
    finish(match, player->forfeit.end, color_other(color));
    return 0;
}

static int show(struct match *match) {
    json_t *live = json_pack("[o]", record_live(match->record, match->plan->number));
    int error = live ? port_progress(match->port, live) : TG_ENO_MEMORY;
    json_decref(live);
    return error;
}

/* Plays a legal move; the live view sees it. */
static int make_move(struct match *match, enum color color, go_move move, const struct thought *thought) {
    int error = record_move(match->record, color, move, thought);
    return error ? error : show(match);
}

/* Random moves that the rules allow and that fill no eye; an opening that nobody can continue is short. */
static int play_opening(struct match *match) {
    struct rng rng;
    rng_seed(&rng, match->plan->opening_seed);
    for (int i = 0; i < match->plan->random_moves; i++) {
        const struct board *now = game_board(match->record->game);
        const enum color color = (enum color)now->to_move;
        struct board scratch;
        board_copy(&scratch, now);
        go_move move = playout_choose(&scratch, &rng, color);
        if (move == PASS || game_legality(match->record->game, color, move) != MOVE_LEGAL)
            break;
        int error = make_move(match, color, move, NULL);
        if (error)
            return error;
        match->record->opening_moves++;
    }
    return 0;
}

static int illegal_move(struct match *match, enum color color, go_move move, enum legality why) {
    char vertex[VERTEX_TEXT_MAX];
    vertex_text(game_board(match->record->game), move, vertex);
    record_note(match->record, "%s (%s) played %s: %s", match->plan->player[color]->name, color_name(color),
                vertex, legality_text(why));
    finish(match, END_ILLEGAL, color_other(color));
    return 0;
}

static int take_turn(struct match *match, struct thought *thought) {
    const struct game_plan *plan = match->plan;
    const enum color color = (enum color)game_board(match->record->game)->to_move;
    struct go_player *player = plan->player[color], *other = plan->player[color_other(color)];
    go_move move = PASS;
    bool resign = false;
    memset(thought, 0, sizeof(*thought));
    int error =
        player->ops->choose(player, match->record->game, color, &move, &resign, thought, match->problem);
    if (error)
        return forfeit(match, color, error);
    if (resign) {
        finish(match, END_RESIGN, color_other(color));
        return 0;
    }
    enum legality why = game_legality(match->record->game, color, move);
    if (why != MOVE_LEGAL)
        return illegal_move(match, color, move, why);
    error = make_move(match, color, move, thought);
    if (!error && other != player) {
        error = other->ops->observe(other, match->record->game, color, move, match->problem);
        if (error)
            return forfeit(match, color_other(color), error);
    }
    return error;
}

/* Two passes, or the limit. */
static void count_when_over(struct match *match) {
    const struct game_plan *plan = match->plan;
    const int most = plan->max_moves ? plan->max_moves : 3 * plan->rules.size * plan->rules.size;
    const bool passed = game_over(match->record->game);
    if (!passed && game_move_count(match->record->game) < most)
        return;
    const int margin2 = game_margin2(match->record->game);
    finish(match, passed ? END_SCORE : END_MAX_MOVES, margin2 > 0 ? BLACK : margin2 < 0 ? WHITE : EMPTY);
}

/* "W+2.0" and "W+2" are one result; "0" is a draw. */
static bool same_result(const char *left, const char *right) {
    const char *at = strchr(left, '+'), *other = strchr(right, '+');
    if (!at || !other)
        return !at && !other && left[0] == right[0];
    return (left[0] | 32) == (right[0] | 32) && fabs(strtod(at, NULL) - strtod(other, NULL)) < 0.01;
}

/* An engine's own count, where the game was counted and it has one. Its silence is no reason to lose. */
static int ask_score(struct match *match, enum color color) {
    struct go_player *player = match->plan->player[color];
    char opinion[64] = "", ours[32];
    if (!player->ops->final_score || match->record->end != END_SCORE)
        return 0;
    int error = player->ops->final_score(player, opinion, sizeof(opinion), match->problem);
    if (error == TG_EENGINE) {
        record_note(match->record, "%s gave no score: %s", player->name, player->forfeit.note);
        return 0;
    }
    record_result(match->record, ours, sizeof(ours));
    if (!error && opinion[0] && !same_result(opinion, ours))
        record_note(match->record, "%s says %s", player->name, opinion);
    return error;
}

static int begin_players(struct match *match) {
    const struct game_plan *plan = match->plan;
    for (enum color color = BLACK; color <= WHITE && !match->over; color++) {
        struct go_player *player = plan->player[color];
        if (color == WHITE && player == plan->player[BLACK])
            break;
        player->forfeit = (struct forfeit){END_SCORE, ""};
        int error =
            player->ops->begin(player, match->record->game, plan->seed + (uint64_t)color, match->problem);
        if (error)
            error = forfeit(match, color, error);
        if (error)
            return error;
    }
    return 0;
}

static void end_players(const struct game_plan *plan) {
    plan->player[BLACK]->ops->end(plan->player[BLACK]);
    if (plan->player[WHITE] != plan->player[BLACK])
        plan->player[WHITE]->ops->end(plan->player[WHITE]);
}

static int play(struct match *match) {
    struct thought thought;
    int error = play_opening(match);
    if (!error)
        error = begin_players(match);
    while (!error && !match->over) {
        count_when_over(match);
        if (!match->over)
            error = take_turn(match, &thought);
    }
    if (error)
        return error;
    match->record->margin2 = game_margin2(match->record->game);
    error = ask_score(match, BLACK);
    if (!error && match->plan->player[WHITE] != match->plan->player[BLACK])
        error = ask_score(match, WHITE);
    return error;
}

int game_run(const struct game_plan *plan, struct port *port, struct record *record,
             struct problem *problem) {
    struct match match = {.plan = plan, .port = port, .record = record, .problem = problem};
    int error = record_begin(record, &plan->rules, plan->player[BLACK]->name, plan->player[WHITE]->name);
    if (error)
        return problem_set(problem, error, NULL, "no memory for a game");
    error = play(&match);
    end_players(plan);
    return error;
}
