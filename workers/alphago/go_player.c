/* go_player.c - what players have in common. */
#include "workers/alphago/go_player.h"

#include <stdio.h>

bool go_player_stopped(void *port) {
    port_alive(port);
    return port_order(port) == ORDER_STOP;
}

void go_player_read_search(const json_t *options, struct search_options *search) {
    *search = search_options_default();
    search->resign = option_number(options, "resign");
    search->seconds = option_number(options, "seconds");
    search->playouts = search->seconds > 0 ? 0 : (uint32_t)option_int(options, "playouts");
}

void go_player_name_search(struct go_player *player, const char *type, const struct search_options *search) {
    if (search->seconds > 0)
        snprintf(player->name, sizeof(player->name), "%s %gs", type, search->seconds);
    else
        snprintf(player->name, sizeof(player->name), "%s %u", type, search->playouts);
}

static void keep_thought(const struct search_choice *choice, struct thought *thought) {
    thought->visits = choice->root_visits;
    thought->winrate = choice->winrate;
    thought->child_count = 0;
    for (int i = 0; i < choice->child_count && choice->children[i].visits; i++) {
        thought->children[i].move = choice->children[i].move;
        thought->children[i].visits = choice->children[i].visits;
        thought->child_count++;
    }
}

int go_player_take_choice(const struct go_player *player, const struct search_choice *choice, go_move *move,
                          bool *resign, struct thought *thought) {
    if (port_order(player->port) == ORDER_STOP)
        return TG_ECANCELLED;
    *move = choice->move;
    *resign = choice->resign;
    keep_thought(choice, thought);
    return 0;
}

void go_player_destroy(struct go_player *player) {
    if (player)
        player->ops->destroy(player);
}
