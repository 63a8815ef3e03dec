/* player_uct.c - the tree search of workers/search as a player. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workers/alphago/go_player.h"
#include "workers/search/uct.h"

struct player_uct {
    struct go_player base;
    struct uct_options options;
    struct uct *uct;              /* one for each game, so that a game depends on its own seed alone */
    struct search_choice *choice; /* large: kept off the stack */
};

static void uct_end(struct go_player *player) {
    struct player_uct *self = (struct player_uct *)player;
    uct_destroy(self->uct);
    self->uct = NULL;
}

static int uct_begin(struct go_player *player, const struct game *game, uint64_t seed,
                     struct problem *problem) {
    struct player_uct *self = (struct player_uct *)player;
    (void)game;
    uct_end(player);
    self->options.search.seed = seed;
    self->uct = uct_create(&self->options);
    return self->uct ? 0 : problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a search tree");
}

static int uct_choose(struct go_player *player, const struct game *game, enum color color, go_move *move,
                      bool *resign, struct thought *thought, struct problem *problem) {
    struct player_uct *self = (struct player_uct *)player;
    int error = uct_search(self->uct, game, color, 0, go_player_stopped, player->port, self->choice);
    if (error)
        return problem_set(problem, error, NULL, "no memory to search");
    if (port_order(player->port) == ORDER_STOP)
        return TG_ECANCELLED;
    *move = self->choice->move;
    *resign = self->choice->resign;
    go_player_keep_thought(self->choice, thought);
    return 0;
}

static int uct_observe(struct go_player *player, const struct game *game, enum color color, go_move move,
                       struct problem *problem) {
    return 0; /* uct_search() sees from the game what was played */
}

static void player_uct_destroy(struct go_player *player) {
    struct player_uct *self = (struct player_uct *)player;
    uct_destroy(self->uct);
    free(self->choice);
    free(self);
}

static const struct go_player_ops uct_ops = {
    .begin = uct_begin,
    .choose = uct_choose,
    .observe = uct_observe,
    .end = uct_end,
    .destroy = player_uct_destroy,
};

/* "uct 1000", "uct 2.5s", "uct 1000 random". */
static void name_player(struct player_uct *self) {
    const struct uct_options *options = &self->options;
    const char *rollout = options->rollout.kind == ROLLOUT_RANDOM ? " random" : "";
    if (options->search.seconds > 0)
        snprintf(self->base.name, sizeof(self->base.name), "uct %gs%s", options->search.seconds, rollout);
    else
        snprintf(self->base.name, sizeof(self->base.name), "uct %u%s", options->search.playouts, rollout);
}

int go_player_uct(const json_t *options, struct port *port, struct go_player **player) {
    struct player_uct *self = calloc(1, sizeof(*self));
    if (!self)
        return TG_ENO_MEMORY;
    self->choice = malloc(sizeof(*self->choice));
    if (!self->choice) {
        free(self);
        return TG_ENO_MEMORY;
    }
    const double seconds = option_number(options, "seconds");
    self->base = (struct go_player){.ops = &uct_ops, .port = port};
    self->options = uct_options_default();
    self->options.search.resign = option_number(options, "resign");
    self->options.search.seconds = seconds;
    self->options.search.playouts = seconds > 0 ? 0 : (uint32_t)option_int(options, "playouts");
    if (strcmp(option_string(options, "rollout"), "random") == 0)
        self->options.rollout = rollout_policy_default(ROLLOUT_RANDOM);
    name_player(self);
    *player = &self->base;
    return 0;
}
