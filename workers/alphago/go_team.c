/* go_team.c - which player an object of player_options describes; the one network that all of a team ask. */
#include "workers/alphago/go_team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/kinds/player.h"

enum { NETWORK_BATCH_MAX = 64 };

static int load_network(const char *input, int board, const struct task *task, struct evaluator **evaluator,
                        struct problem *problem) {
    char field[64];
    snprintf(field, sizeof(field), "inputs.%s", input);
    const char *path = json_string_value(json_object_get(task->inputs, input));
    if (!path)
        return problem_set(
            problem, TG_EMISSING_FIELD, field,
            "a player of type puct or policy needs a network: give a checkpoint as this input");
    const int error = evaluator_network(path, board, NETWORK_BATCH_MAX, evaluator, problem);
    if (error)
        problem_prefix(problem, field);
    return error;
}

static int create_one(const json_t *options, const struct go_team *team, const struct task *task,
                      struct port *port, struct go_player **player, struct problem *problem) {
    if (strcmp(option_string(options, "type"), "uct") == 0)
        return go_player_uct(options, port, player);
    if (player_has_network(options))
        return go_player_puct(options, team->evaluator, port, player);
    return go_player_engine(option_string(options, "engine"), option_number(options, "seconds"), task, port,
                            player, problem);
}

int go_team_create(const json_t *options, const char *network, int board, int count, const struct task *task,
                   struct port *port, struct go_team *team, struct problem *problem) {
    *team = (struct go_team){.players = calloc((size_t)count, sizeof(*team->players))};
    int error = team->players ? 0 : TG_ENO_MEMORY;
    if (!error && player_has_network(options))
        error = load_network(network, board, task, &team->evaluator, problem);
    for (; team->count < count && !error; team->count += !error)
        error = create_one(options, team, task, port, &team->players[team->count], problem);
    if (error == TG_ENO_MEMORY && !problem->error)
        problem_set(problem, error, NULL, "no memory for %d players", count);
    return error;
}

void go_team_destroy(struct go_team *team) {
    for (int i = 0; i < team->count; i++)
        go_player_destroy(team->players[i]);
    free(team->players);
    evaluator_destroy(team->evaluator);
    *team = (struct go_team){0};
}
