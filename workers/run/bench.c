/* bench.c - the measurements by name. */
#include <stdio.h>
#include <string.h>
#include "workers/run/go_commands.h"
#include "workers/run/run.h"

static const struct bench {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} benches[] = {
    {"playouts", "uniformly random games from the empty board", bench_playouts},
    {"search-uct", "simulations of the tree search from the empty board", bench_search_uct},
    {"search", "evaluations of lock-step self-play, against the network alone", bench_search},
    {"infer", "evaluations of a residual network with policy and value heads", bench_infer},
    {"train", "training steps of the same network", bench_train},
    {"dqn-step", "updates of DQN on MinAtar's network", bench_dqn_step},
    {"transformer", "training steps of an encoder-decoder Transformer", bench_transformer},
};

int command_bench(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof(benches) / sizeof(benches[0]); i++)
        if (strcmp(argv[1], benches[i].name) == 0)
            return benches[i].run(argc - 1, argv + 1);
    const int helps = argc > 1 && strcmp(argv[1], "--help") == 0;
    FILE *out = helps ? stdout : stderr;
    if (argc > 1 && !helps)
        fprintf(out, "tengen-run: there is no benchmark '%s'\n", argv[1]);
    fprintf(out, "usage: tengen-run bench NAME [options] [--json]\n");
    for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
        fprintf(out, "  %-12s %s\n", benches[i].name, benches[i].summary);
    return helps ? RUN_OK : RUN_USAGE;
}
