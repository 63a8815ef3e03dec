#include "workers/alphago/go_player.h"

#include <string.h>

bool go_player_stopped(void *port) {
    port_alive(port);
    return port_order(port) == ORDER_STOP;
}

int go_player_create(const json_t *options, const struct task *task, struct port *port,
                     struct go_player **player, struct problem *problem) {
    if (strcmp(option_string(options, "type"), "uct") == 0)
        return go_player_uct(options, port, player);
    return go_player_engine(option_string(options, "engine"), option_number(options, "seconds"), task, port,
                            player, problem);
}

void go_player_destroy(struct go_player *player) {
    if (player)
        player->ops->destroy(player);
}
