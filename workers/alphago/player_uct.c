/* player_uct.c - the tree search of workers/search as a player. */
#include <stdlib.h>
#include <string.h>
#include "workers/alphago/go_player.h"
#include "workers/search/uct.h"

struct player_uct {
    struct go_player base;
    struct uct_options options;
    struct uct *uct; /* one for each game, so that a game depends on its own seed alone */
    struct search_choice choice;
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
    int error = uct_search(self->uct, game, color, 0, go_player_stopped, player->port, &self->choice);
    if (error)
        return problem_set(problem, error, NULL, "no memory to search");
    return go_player_take_choice(player, &self->choice, move, resign, thought);
}

static void player_uct_destroy(struct go_player *player) {
    struct player_uct *self = (struct player_uct *)player;
    uct_destroy(self->uct);
    free(self);
}

static const struct go_player_ops uct_ops = {
    .begin = uct_begin,
    .choose = uct_choose,
    .end = uct_end,
    .destroy = player_uct_destroy,
};

int go_player_uct(const json_t *options, struct port *port, struct go_player **player) {
    struct player_uct *self = calloc(1, sizeof(*self));
    if (!self)
        return TG_ENO_MEMORY;
    self->base = (struct go_player){.ops = &uct_ops, .port = port};
    self->options = uct_options_default();
    go_player_read_search(options, &self->options.search);
    if (strcmp(option_string(options, "rollout"), "random") == 0)
        self->options.rollout = rollout_policy_default(ROLLOUT_RANDOM);
    go_player_name_search(&self->base, "uct", &self->options.search);
    if (self->options.rollout.kind == ROLLOUT_RANDOM)
        strncat(self->base.name, " random", sizeof(self->base.name) - strlen(self->base.name) - 1);
    *player = &self->base;
    return 0;
}
