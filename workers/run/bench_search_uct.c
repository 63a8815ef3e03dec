/* bench_search_uct.c - simulations a second of the tree search on one core. */
#include <stdio.h>
#include <stdlib.h>
#include "proto/base/clock.h"
#include "workers/run/bench_options.h"
#include "workers/run/run.h"
#include "workers/search/uct.h"

static const char *const rollout_choices[] = {"pattern", "random", NULL};

static const struct option_spec bench_options[] = {
    BENCH_BOARD,
    BENCH_SECONDS,
    BENCH_SEED,
    {.name = "rollout",
     .type = OPTION_CHOICE,
     .choices = rollout_choices,
     .initial = "\"pattern\"",
     .help = "moves of the rollouts"},
    {.name = "memory",
     .type = OPTION_INT,
     .min = 1,
     .max = 65536,
     .initial = "256",
     .unit = "MiB",
     .help = "of the tree"},
    BENCH_JSON,
    {.name = NULL},
};

struct outcome {
    uint32_t playouts, nodes;
    double seconds;
};

static int measure(const json_t *options, struct outcome *outcome) {
    struct uct_options search = uct_options_default();
    const struct go_rules rules = {
        .size = (int)option_int(options, "board"), .komi2 = 15, .ko = KO_POSITIONAL};
    const bool random = option_string(options, "rollout")[0] == 'r';
    search.search.playouts = 0;
    search.search.seed = (uint64_t)option_int(options, "seed");
    search.search.memory_bytes = (size_t)option_int(options, "memory") << 20;
    search.rollout = rollout_policy_default(random ? ROLLOUT_RANDOM : ROLLOUT_PATTERN);
    struct game *game = game_create(&rules);
    struct uct *uct = uct_create(&search);
    struct search_choice *choice = malloc(sizeof(*choice));
    const int64_t start = clock_monotonic_ns();
    int error = game && uct && choice
                    ? uct_search(uct, game, BLACK, option_number(options, "seconds"), NULL, NULL, choice)
                    : TG_ENO_MEMORY;
    outcome->seconds = (double)(clock_monotonic_ns() - start) * 1e-9;
    outcome->playouts = error ? 0 : choice->playouts;
    outcome->nodes = error ? 0 : tree_used(uct_tree(uct));
    free(choice);
    uct_destroy(uct);
    game_destroy(game);
    return error;
}

int bench_search_uct(int argc, char **argv) {
    json_t *options;
    struct outcome outcome;
    int code = run_options("bench search-uct [options]", bench_options, argc, argv, &options, NULL);
    if (code || !options)
        return code;
    if (measure(options, &outcome)) {
        fprintf(stderr, "tengen-run bench search-uct: out of memory\n");
        code = RUN_FAILED;
    } else {
        const double rate = outcome.playouts / outcome.seconds;
        printf(option_bool(options, "json")
                   ? "{\"bench\": \"search-uct\", \"board\": %d, \"rollout\": \"%s\", "
                     "\"playouts\": %u, \"seconds\": %.3f, \"playouts_per_s\": %.1f, "
                     "\"nodes\": %u}\n"
                   : "board %d, %s rollouts: %u playouts in %.2f s, %.0f playouts/s, %u nodes\n",
               (int)option_int(options, "board"), option_string(options, "rollout"), outcome.playouts,
               outcome.seconds, rate, outcome.nodes);
    }
    json_decref(options);
    return code;
}
