/* bench_playouts.c - how fast random playouts from the empty board are, on one core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "workers/go/board.h"
#include "workers/go/playout.h"
#include "workers/run/bench_options.h"
#include "workers/run/go_commands.h"
#include "workers/run/run.h"

enum { BATCH = 256 };

static const struct option_spec bench_options[] = {
    BENCH_BOARD,
    BENCH_SECONDS,
    BENCH_SEED,
    {.name = "komi",
     .type = OPTION_NUMBER,
     .min = -361,
     .max = 361,
     .initial = "7.5",
     .unit = "points",
     .help = "for the share that Black wins"},
    {.name = "mercy",
     .type = OPTION_INT,
     .min = 0,
     .max = 361,
     .initial = "0",
     .unit = "stones",
     .help = "end a playout at this lead; 0: never"},
    BENCH_JSON,
    {.name = NULL},
};

struct tally {
    int64_t playouts, moves, black_wins, draws, score, elapsed_ns;
};

static void run_batch(const struct board *start, struct rng *rng, int mercy, double komi,
                      struct tally *tally) {
    struct board board;
    for (int i = 0; i < BATCH; i++) {
        board_copy(&board, start);
        struct playout_result result = playout_run(&board, rng, 0, mercy, NULL);
        tally->moves += result.moves;
        tally->score += result.score;
        tally->black_wins += result.score > komi;
        tally->draws += result.score == komi;
    }
    tally->playouts += BATCH;
}

static void measure(const json_t *options, struct tally *tally) {
    const int64_t wanted_ns = (int64_t)(option_number(options, "seconds") * 1e9);
    const int mercy = (int)option_int(options, "mercy");
    const double komi = option_number(options, "komi");
    struct board start;
    struct rng rng;
    memset(tally, 0, sizeof *tally);
    board_init(&start, (int)option_int(options, "board"), false);
    rng_seed(&rng, (uint64_t)option_int(options, "seed"));
    int64_t began = clock_monotonic_ns();
    do {
        run_batch(&start, &rng, mercy, komi, tally);
        tally->elapsed_ns = clock_monotonic_ns() - began;
    } while (tally->elapsed_ns < wanted_ns);
}

static json_t *figures(const json_t *options, const struct tally *tally) {
    const double n = (double)tally->playouts, seconds = (double)tally->elapsed_ns * 1e-9;
    return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "bench", "playouts", "board",
                     (json_int_t)option_int(options, "board"), "playouts", (json_int_t)tally->playouts,
                     "seconds", seconds, "playouts_per_s", n / seconds, "moves_per_playout",
                     (double)tally->moves / n, "ns_per_move",
                     (double)tally->elapsed_ns / (double)tally->moves, "komi", option_number(options, "komi"),
                     "black_wins", ((double)tally->black_wins + 0.5 * (double)tally->draws) / n, "mean_score",
                     (double)tally->score / n);
}

static int print_figures(const json_t *options, const struct tally *tally) {
    json_t *object = figures(options, tally);
    char *text = object ? json_dumps(object, JSON_REAL_PRECISION(6)) : NULL;
    if (text && option_bool(options, "json"))
        puts(text);
    else if (text)
        printf("%.0f playouts/s on %dx%d, %.1f moves each, %.1f ns a move\n",
               json_real_value(json_object_get(object, "playouts_per_s")), (int)option_int(options, "board"),
               (int)option_int(options, "board"),
               json_real_value(json_object_get(object, "moves_per_playout")),
               json_real_value(json_object_get(object, "ns_per_move")));
    int code = text ? 0 : 1;
    free(text);
    json_decref(object);
    return code;
}

int bench_playouts(int argc, char **argv) {
    struct tally tally;
    json_t *options;
    int code = run_options("bench playouts [options]", bench_options, argc, argv, &options, NULL);
    if (code || !options)
        return code;
    measure(options, &tally);
    code = print_figures(options, &tally);
    json_decref(options);
    return code;
}
