/* go_team.h - the same player once for each of several games that are played side by side: they share a network
 * and nothing else. */
#ifndef TENGEN_ALPHAGO_GO_TEAM_H
#define TENGEN_ALPHAGO_GO_TEAM_H

#include "workers/alphago/go_player.h"

struct go_team {
    int count;
    struct go_player **players;  /* [count] */
    struct evaluator *evaluator; /* NULL: none */
};

/* The players that an object of player_options describes. network: the name of the task's input that holds
 * its checkpoint. board: the size that is to be played. TG_EENGINE with field "engine" when this machine does
 * not offer the engine; TG_EMISSING_FIELD when the network is; TG_EINVALID when it does not fit. Destroy in
 * any case. */
int go_team_create(const json_t *options, const char *network, int board, int count, const struct task *task,
                   struct port *port, struct go_team *team, struct problem *problem);
void go_team_destroy(struct go_team *team);

#endif
