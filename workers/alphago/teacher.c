/* teacher.c - the kind teacher: a GTP engine against itself, for games to learn from. */
#include "workers/alphago/games.h"

static void plan_game(void *self, int seat, int64_t number, struct game_plan *plan) {
    plan->player[BLACK] = plan->player[WHITE] = self;
}

int teacher_run(const struct task *task, struct port *port, struct problem *problem) {
    static const struct games_ops ops = {.plan = plan_game, .group = 1};
    struct go_player *player;
    int error = go_player_engine(option_string(task->config, "engine"),
                                 option_number(task->config, "seconds"), task, port, &player, problem);
    if (error)
        return error;
    error = games_run(task, port, (int)option_int(task->config, "random_moves"), 1, &ops, player, problem);
    go_player_destroy(player);
    return error;
}
