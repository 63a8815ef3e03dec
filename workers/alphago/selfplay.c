/* selfplay.c - the kind selfplay: a player against itself. */
#include "workers/alphago/games.h"
#include "workers/alphago/go_team.h"

static void plan_game(void *self, int seat, int64_t number, struct game_plan *plan) {
    const struct go_team *team = self;
    plan->player[BLACK] = plan->player[WHITE] = team->players[seat];
}

int selfplay_run(const struct task *task, struct port *port, struct problem *problem) {
    static const struct games_ops ops = {.plan = plan_game, .group = 1};
    const json_t *player = option_object(task->config, "player");
    const int seats = games_seats(task->config, task, &player, 1);
    struct go_team team;
    int error = go_team_create(player, "network", (int)option_int(task->config, "board"), seats, task, port,
                               &team, problem);
    if (!error)
        error =
            games_run(task, port, (int)option_int(task->config, "random_moves"), seats, &ops, &team, problem);
    go_team_destroy(&team);
    return error;
}
