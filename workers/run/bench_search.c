/* bench_search.c - lock-step self-play against the network alone: how much of the inference rate the search
 * leaves. Both are measured in turns within one run, so that a busy machine slows both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "workers/go/encoding.h"
#include "workers/nn/infer.h"
#include "workers/run/run.h"
#include "workers/search/puct.h"
#include "workers/zoo/network.h"

enum { TURNS = 6, GAMES_MAX = 64, LEAVES_MAX = 32 };

static const struct option_spec bench_options[] = {
    {.name = "board",
     .type = OPTION_INT,
     .min = 2,
     .max = 19,
     .initial = "9",
     .unit = "points",
     .help = "board size"},
    {.name = "blocks",
     .type = OPTION_INT,
     .min = 1,
     .max = 64,
     .initial = "6",
     .help = "residual blocks of the network, which has policy and value heads"},
    {.name = "channels",
     .type = OPTION_INT,
     .min = 1,
     .max = 1024,
     .initial = "96",
     .help = "channels of a block"},
    {.name = "games",
     .type = OPTION_INT,
     .min = 1,
     .max = GAMES_MAX,
     .initial = "8",
     .unit = "games",
     .help = "games in lock-step"},
    {.name = "leaves",
     .type = OPTION_INT,
     .min = 1,
     .max = LEAVES_MAX,
     .initial = "8",
     .help = "leaves of one search in a batch"},
    {.name = "playouts",
     .type = OPTION_INT,
     .min = 1,
     .max = 1e6,
     .initial = "400",
     .unit = "playouts",
     .help = "of a move"},
    {.name = "value_share",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 1,
     .initial = "0.5",
     .help = "of the value head in a leaf's result; 1: no rollouts"},
    {.name = "seconds",
     .type = OPTION_NUMBER,
     .min = 0.1,
     .max = 600,
     .initial = "6",
     .unit = "s",
     .help = "how long to measure, half of it the network alone"},
    {.name = "json",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "print one JSON object"},
    {.name = NULL},
};

struct search_bench {
    struct evaluator *evaluator;
    struct network network; /* the same numbers again, for the network alone */
    struct infer *infer;
    int games, leaves;
    struct go_rules rules;
    struct game *game[GAMES_MAX];
    struct puct *puct[GAMES_MAX];
    struct search_choice choice;
    int64_t moves;
};

static int draw_network(const json_t *options, struct network *out, struct problem *problem) {
    const int board = (int)option_int(options, "board");
    json_t *description = json_pack(
        "{s:i, s:{s:i, s:i, s:i}, s:{s:s, s:o}, s:[{s:s}, {s:s}]}", "version", 1, "input", "height", board,
        "width", board, "channels", GO12_PLANES, "trunk", "family", "resnet", "stages",
        json_sprintf("%dx%d", (int)option_int(options, "channels"), (int)option_int(options, "blocks")),
        "heads", "kind", "policy", "kind", "value");
    const int error = network_create(description, false, 1, out, problem);
    json_decref(description);
    return error;
}

static int prepare(struct search_bench *self, const json_t *options, struct problem *problem) {
    struct network network;
    struct puct_options search = puct_options_default();
    self->games = (int)option_int(options, "games");
    search.leaves = self->leaves = (int)option_int(options, "leaves");
    search.search.playouts = (uint32_t)option_int(options, "playouts");
    search.search.resign = 0;
    search.search.early_stop = false;
    search.search.memory_bytes = (size_t)16 << 20;
    search.value_share = option_number(options, "value_share");
    self->rules =
        (struct go_rules){.size = (int)option_int(options, "board"), .komi2 = 15, .ko = KO_POSITIONAL};
    int error = draw_network(options, &network, problem);
    if (!error)
        error = evaluator_of_network(&network, self->games * self->leaves, &self->evaluator, problem);
    if (!error)
        error = draw_network(options, &self->network, problem);
    if (!error)
        error = infer_create(self->network.graph, &self->network.model, self->games * self->leaves,
                             &self->infer, problem);
    for (int i = 0; i < self->games && !error; i++) {
        search.search.seed = (uint64_t)i + 1;
        self->game[i] = game_create(&self->rules);
        self->puct[i] = puct_create(&search);
        if (!self->game[i] || !self->puct[i] || puct_begin(self->puct[i], self->game[i], BLACK, 0))
            error = problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for %d games", self->games);
    }
    return error;
}

static void release(struct search_bench *self) {
    for (int i = 0; i < self->games; i++) {
        puct_destroy(self->puct[i]);
        game_destroy(self->game[i]);
    }
    evaluator_destroy(self->evaluator);
    infer_destroy(self->infer);
    network_destroy(&self->network);
}

/* Plays the move that a finished search has chosen; a finished game begins anew. */
static int next_move(struct search_bench *self, int i) {
    const int longest = 2 * self->rules.size * self->rules.size;
    enum color color = (enum color)game_board(self->game[i])->to_move;
    puct_choose(self->puct[i], &self->choice);
    self->moves++;
    int error = game_play(self->game[i], color, self->choice.move, NULL);
    if (game_over(self->game[i]) || game_move_count(self->game[i]) >= longest)
        game_reset(self->game[i]);
    color = (enum color)game_board(self->game[i])->to_move;
    return error ? error : puct_begin(self->puct[i], self->game[i], color, 0);
}

/* One round: every game's leaves in one batch, and on. */
static int round_of_games(struct search_bench *self, struct problem *problem) {
    struct evaluation *list[GAMES_MAX * LEAVES_MAX];
    int total = 0, error;
    for (int i = 0; i < self->games; i++) {
        int count;
        struct evaluation *const *requests = puct_requests(self->puct[i], &count);
        for (int k = 0; k < count; k++)
            list[total++] = requests[k];
    }
    error = evaluator_run(self->evaluator, list, total, problem);
    for (int i = 0; i < self->games && !error; i++)
        if (puct_advance(self->puct[i], NULL, NULL) == PUCT_DONE)
            error = next_move(self, i);
    return error;
}

/* Processor time, so that neighbours do not count. */
static double cpu_seconds(void) {
    return (double)clock_cpu_ns() * 1e-9;
}

struct rates {
    double search_s, alone_s;
    int64_t search_evals, alone_evals;
};

static int measure(struct search_bench *self, double seconds, struct rates *rates, struct problem *problem) {
    const int batch = self->games * self->leaves;
    int error = 0;
    for (int turn = 0; turn < TURNS && !error; turn++) {
        const double slice = seconds / (2 * TURNS);
        double begin = cpu_seconds();
        const int64_t before = self->evaluator->evaluations;
        while (!error && cpu_seconds() - begin < slice)
            error = round_of_games(self, problem);
        rates->search_s += cpu_seconds() - begin;
        rates->search_evals += self->evaluator->evaluations - before;
        begin = cpu_seconds();
        while (!error && cpu_seconds() - begin < slice) {
            infer_forward(self->infer, batch);
            rates->alone_evals += batch;
        }
        rates->alone_s += cpu_seconds() - begin;
    }
    return error;
}

static void print_rates(const struct search_bench *self, const struct rates *rates, bool json) {
    const double search = (double)rates->search_evals / rates->search_s,
                 alone = (double)rates->alone_evals / rates->alone_s;
    const double filled = self->evaluator->batches
                              ? (double)self->evaluator->evaluations / (double)self->evaluator->batches
                              : 0;
    printf(
        json ? "{\"bench\": \"search\", \"evals_per_s\": %.1f, \"infer_evals_per_s\": %.1f, \"ratio\": %.4f, "
               "\"batch\": %d, \"mean_batch\": %.1f, \"moves\": %lld}\n"
             : "%.0f evals/s in self-play, %.0f by the network alone: %.3f (batch %d, filled to %.1f; %lld "
               "moves)\n",
        search, alone, search / alone, self->games * self->leaves, filled, (long long)self->moves);
}

int bench_search(int argc, char **argv) {
    json_t *options;
    struct problem problem = {0};
    struct search_bench self = {0};
    struct rates rates = {0};
    int code = run_options("bench search [options]", bench_options, argc, argv, &options, NULL);
    if (code || !options)
        return code;
    int error = prepare(&self, options, &problem);
    if (!error)
        error = measure(&self, option_number(options, "seconds"), &rates, &problem);
    if (error) {
        run_complain("bench search", &problem);
        code = RUN_FAILED;
    } else {
        print_rates(&self, &rates, option_bool(options, "json"));
    }
    release(&self);
    json_decref(options);
    return code;
}
