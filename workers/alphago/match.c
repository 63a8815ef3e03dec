/* match.c - the kind match: player A against player B, in pairs of games that share an opening.
 *
 * A is Black in the even games of the job, White in the odd ones. A pair is counted (pentanomial) by the
 * attempt that has played both of its games; an attempt that begins with a second game does not know the
 * first one's result, and that pair is left out of the pair counters (never of wins, draws and losses).
 */
#include "workers/alphago/games.h"
#include "workers/alphago/go_team.h"

#include <stdio.h>
#include <string.h>

struct match {
    struct go_team a, b;
    int64_t first_number; /* the number of the even game last played, -1 before one was */
    int first_points;     /* half points of A in it */
};

static bool a_is_black(int64_t number) {
    return number % 2 == 0;
}

static void plan_game(void *self, int seat, int64_t number, struct game_plan *plan) {
    struct match *match = self;
    struct go_player *a = match->a.players[seat], *b = match->b.players[seat];
    plan->player[BLACK] = a_is_black(number) ? a : b;
    plan->player[WHITE] = a_is_black(number) ? b : a;
}

/* A's half points: 0, 1 or 2. */
static int points_of_a(int64_t number, const struct record *record) {
    if (record->winner == EMPTY)
        return 1;
    return (record->winner == BLACK) == a_is_black(number) ? 2 : 0;
}

static int count_game(void *self, int64_t number, const struct record *record, json_t *counters) {
    static const char *const outcomes[] = {"losses_a", "draws", "wins_a"};
    struct match *match = self;
    const int points = points_of_a(number, record);
    for (int i = 0; i < 3; i++)
        json_object_set_new(counters, outcomes[i], json_integer(i == points));
    if (number % 2 == 0) {
        match->first_number = number;
        match->first_points = points;
    } else if (match->first_number == number - 1) {
        char name[16];
        snprintf(name, sizeof(name), "pairs_%d", match->first_points + points);
        json_object_set_new(counters, name, json_integer(1));
    }
    return 0;
}

int match_run(const struct task *task, struct port *port, struct problem *problem) {
    static const struct games_ops ops = {.plan = plan_game, .count = count_game, .group = 2};
    const json_t *players[] = {option_object(task->config, "a"), option_object(task->config, "b")};
    const int seats = games_seats(task->config, task, players, 2);
    const int board = (int)option_int(task->config, "board");
    struct match match = {.first_number = -1};
    int error = go_team_create(players[0], "a_network", board, seats, task, port, &match.a, problem);
    if (error && strncmp(problem->field, "inputs", 6) != 0)
        problem_prefix(problem, "a");
    if (!error &&
        (error = go_team_create(players[1], "b_network", board, seats, task, port, &match.b, problem)) &&
        strncmp(problem->field, "inputs", 6) != 0)
        problem_prefix(problem, "b");
    if (!error)
        error = games_run(task, port, (int)option_int(task->config, "opening_moves"), seats, &ops, &match,
                          problem);
    go_team_destroy(&match.a);
    go_team_destroy(&match.b);
    return error;
}
