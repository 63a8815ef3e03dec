/* accuracy.c - how well a checkpoint's network predicts the moves (and, with a value head, the results) of
 * games: tengen-run accuracy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workers/alphago/policy_score.h"
#include "workers/go/encoding.h"
#include "workers/run/run.h"
#include "workers/search/evaluator.h"
#include "workers/zoo/network.h"

enum { BATCH = 64 };

static const struct option_spec accuracy_options[] = {
    {.name = "checkpoint",
     .type = OPTION_STRING,
     .value = "FILE",
     .min = 1,
     .max = 4096,
     .help = "file of the network"},
    {.name = "held_out",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "only games that the network's training run held out (its share is in the checkpoint)"},
    {.name = "json",
     .type = OPTION_BOOL,
     .initial = "false",
     .flag_only = true,
     .help = "print one JSON object"},
    {.name = NULL},
};

struct accuracy {
    struct network network;
    struct infer *infer;
    bool has_value;
    int size;
    double held_out; /* share of the games to score; 1: all */
    /* A batch under way. */
    int waiting, played[BATCH], results[BATCH];
    const struct expert_game *game;
    struct policy_score score;
    struct expert_tally tally;
    int64_t games, other_sizes;
};

static void flush(struct accuracy *self) {
    if (!self->waiting)
        return;
    const int moves = self->size * self->size + 1;
    infer_forward(self->infer, self->waiting);
    const float *logits = infer_output(self->infer, "policy");
    const float *values = self->has_value ? infer_output(self->infer, "value") : NULL;
    for (int i = 0; i < self->waiting; i++) {
        policy_score_move(&self->score, logits + (size_t)i * (size_t)moves, moves, self->played[i]);
        policy_score_value(&self->score, values ? values + i : NULL, self->results[i]);
    }
    self->waiting = 0;
}

static int add_position(void *user, const struct board *board, go_move move, int number) {
    struct accuracy *self = user;
    const size_t values = (size_t)(self->size * self->size) * GO12_PLANES;
    (void)number;
    encode_planes(board, infer_input(self->infer, 0) + (size_t)self->waiting * values);
    self->played[self->waiting] = board_index(board, move);
    self->results[self->waiting] = expert_result(self->game, (enum color)board->to_move);
    if (++self->waiting == BATCH)
        flush(self);
    return 0;
}

static int add_game(void *user, const struct expert_game *game) {
    struct accuracy *self = user;
    if (game_rules(game->game)->size != self->size) {
        self->other_sizes++;
        return 0;
    }
    if (!expert_held_out(game->game, self->held_out))
        return 0;
    self->games++;
    self->game = game;
    return expert_positions(game, add_position, self);
}

static bool has_value_head(const struct graph *graph) {
    for (int i = 0; i < graph_output_count(graph); i++)
        if (strcmp(graph_output_name(graph, i), "value") == 0)
            return true;
    return false;
}

static int open_network(struct accuracy *self, const json_t *options, struct problem *problem) {
    const char *path = option_string(options, "checkpoint");
    json_t *metadata = NULL;
    int error = network_load(path, false, &self->network, &metadata, problem);
    if (!error)
        error = encoding_check(&self->network, metadata, 0, problem);
    if (!error)
        error = infer_create(self->network.graph, &self->network.model, BATCH, &self->infer, problem);
    const char *share = json_string_value(json_object_get(metadata, "held_out"));
    self->held_out = 1;
    if (!error && option_bool(options, "held_out")) {
        if (!share)
            error = problem_set(problem, TG_EINVALID, "checkpoint.held_out",
                                "is missing: this network does not say which games it never saw");
        else
            self->held_out = strtod(share, NULL);
    }
    json_decref(metadata);
    if (error) {
        problem_in_file(problem, path);
    } else {
        self->size = graph_input_shape(self->network.graph, 0).dim[0];
        self->has_value = has_value_head(self->network.graph);
    }
    return error;
}

static int read_games(struct accuracy *self, const json_t *paths, struct problem *problem) {
    size_t i;
    const json_t *path;
    json_array_foreach(paths, i, path) {
        const int error = expert_games_visit(json_string_value(path), add_game, self, &self->tally, problem);
        if (error)
            return error;
    }
    flush(self);
    if (self->score.positions)
        return 0;
    return problem_set(problem, TG_EINVALID, "games",
                       "no position to score: %lld games, %lld of them of another board size than %dx%d, "
                       "%lld unreadable, %lld with illegal moves%s%s",
                       (long long)self->tally.games, (long long)self->other_sizes, self->size, self->size,
                       (long long)self->tally.unreadable, (long long)self->tally.illegal,
                       self->tally.first_problem[0] ? "; first: " : "", self->tally.first_problem);
}

static void print_score(const struct accuracy *self, bool json) {
    const struct policy_score *score = &self->score;
    const double n = (double)score->positions;
    json_t *figures =
        json_pack("{s:I, s:I, s:f, s:f, s:f, s:I, s:I}", "games", (json_int_t)self->games, "positions",
                  (json_int_t)score->positions, "top1", (double)score->top1 / n, "top5",
                  (double)score->top5 / n, "loss", score->loss / n, "left_out",
                  (json_int_t)(self->tally.unreadable + self->tally.illegal + self->other_sizes), "step",
                  (json_int_t)self->network.step);
    if (figures && score->judged)
        json_object_set_new(figures, "mse", json_real(score->square_error / (double)score->judged));
    if (json) {
        json_dumpf(figures, stdout, JSON_REAL_PRECISION(6));
        putchar('\n');
    } else {
        printf("%lld positions of %lld games: top1 %.2f %%, top5 %.2f %%, loss %.4f",
               (long long)score->positions, (long long)self->games, 100 * (double)score->top1 / n,
               100 * (double)score->top5 / n, score->loss / n);
        if (score->judged)
            printf(", mse %.4f", score->square_error / (double)score->judged);
        putchar('\n');
    }
    json_decref(figures);
}

static int run_accuracy(const json_t *options, const json_t *paths) {
    struct accuracy self = {0};
    struct problem problem = {0};
    int error = open_network(&self, options, &problem);
    if (!error)
        error = read_games(&self, paths, &problem);
    if (error)
        run_complain("accuracy", &problem);
    else
        print_score(&self, option_bool(options, "json"));
    infer_destroy(self.infer);
    network_destroy(&self.network);
    return error ? RUN_FAILED : RUN_OK;
}

int command_accuracy(int argc, char **argv) {
    static const char usage[] = "accuracy --checkpoint FILE [--held-out] [--json] PATH...";
    json_t *options, *paths;
    int code = run_options(usage, accuracy_options, argc, argv, &options, &paths);
    if (code || !options)
        return code;
    if (json_array_size(paths) == 0) {
        fprintf(stderr, "usage: tengen-run %s\n", usage);
        code = RUN_USAGE;
    } else {
        code = run_accuracy(options, paths);
    }
    json_decref(options);
    json_decref(paths);
    return code;
}
