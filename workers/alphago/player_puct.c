/* player_puct.c - the search that a network guides, and the network alone, as players. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workers/alphago/go_player.h"
#include "workers/search/puct.h"

struct player_puct {
    struct go_player base;
    struct puct_options options;
    struct puct *puct; /* one for each game, so that a game depends on its own seed alone */
    bool thinking;     /* between the calls of choose() for one move */
    struct search_choice choice;
};

static void puct_end(struct go_player *player) {
    struct player_puct *self = (struct player_puct *)player;
    puct_destroy(self->puct);
    self->puct = NULL;
    self->thinking = false;
}

static int puct_player_begin(struct go_player *player, const struct game *game, uint64_t seed,
                             struct problem *problem) {
    struct player_puct *self = (struct player_puct *)player;
    (void)game;
    puct_end(player);
    self->options.search.seed = seed;
    self->puct = puct_create(&self->options);
    return self->puct ? 0 : problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a search tree");
}

static int puct_player_choose(struct go_player *player, const struct game *game, enum color color,
                              go_move *move, bool *resign, struct thought *thought, struct problem *problem) {
    struct player_puct *self = (struct player_puct *)player;
    if (!self->thinking) {
        int count;
        const int error = puct_begin(self->puct, game, color, 0);
        if (error)
            return problem_set(problem, error, NULL, "no memory to search");
        puct_requests(self->puct, &count);
        self->thinking = true;
        if (count > 0)
            return PLAYER_WAITS;
    }
    if (puct_advance(self->puct, go_player_stopped, player->port) == PUCT_WAITS)
        return PLAYER_WAITS;
    self->thinking = false;
    puct_choose(self->puct, &self->choice);
    return go_player_take_choice(player, &self->choice, move, resign, thought);
}

static struct evaluation *const *puct_player_requests(struct go_player *player, int *count) {
    return puct_requests(((struct player_puct *)player)->puct, count);
}

static void puct_player_destroy(struct go_player *player) {
    struct player_puct *self = (struct player_puct *)player;
    puct_destroy(self->puct);
    free(self);
}

static const struct go_player_ops puct_ops = {
    .begin = puct_player_begin,
    .choose = puct_player_choose,
    .end = puct_end,
    .destroy = puct_player_destroy,
    .requests = puct_player_requests,
};

/* "puct 1000", "puct 2.5s", "policy", "policy T=0.5". */
static void name_player(struct player_puct *self, bool searches) {
    const struct puct_options *options = &self->options;
    char *name = self->base.name;
    const size_t room = sizeof(self->base.name);
    if (!searches && options->temperature > 0)
        snprintf(name, room, "policy T=%g", options->temperature);
    else if (!searches)
        snprintf(name, room, "policy");
    else
        go_player_name_search(&self->base, "puct", &options->search);
}

static void options_read(const json_t *options, struct puct_options *out) {
    *out = puct_options_default();
    go_player_read_search(options, &out->search);
    if (strcmp(option_string(options, "type"), "policy") == 0) {
        out->search.playouts = 0;
        out->search.seconds = 0;
    }
    out->c_puct = option_number(options, "c_puct");
    out->prior_temperature = option_number(options, "prior_temperature");
    out->temperature = option_number(options, "temperature");
    out->value_share = option_number(options, "value_share");
    out->noise = option_number(options, "noise");
    out->expand_visits = (uint32_t)option_int(options, "expand_visits");
    out->leaves = (int)option_int(options, "leaves");
    if (strcmp(option_string(options, "rollout"), "random") == 0)
        out->rollout = rollout_policy_default(ROLLOUT_RANDOM);
}

int go_player_puct(const json_t *options, struct evaluator *evaluator, struct port *port,
                   struct go_player **player) {
    struct player_puct *self = calloc(1, sizeof(*self));
    if (!self)
        return TG_ENO_MEMORY;
    self->base = (struct go_player){.ops = &puct_ops, .port = port, .evaluator = evaluator};
    options_read(options, &self->options);
    if (!evaluator->has_value)
        self->options.value_share = 0;
    name_player(self, strcmp(option_string(options, "type"), "puct") == 0);
    *player = &self->base;
    return 0;
}
