/* sl_policy.c - the kind sl-policy: a policy network learns to play as experts do (Silver et al. 2016,
 * "Supervised learning of policy networks"): stochastic gradient ascent on the log-likelihood of their moves.
 *
 *     games -> positions, split by game (experts.h)
 *     step  -> a batch of positions, each turned by one of the 8 symmetries at random
 *           -> cross-entropy of the move [+ value_weight x squared error of the game's result]
 *
 * docs/sl-policy.md has the deviations from the paper and what each metric means. The loop, its budget and
 * its files are workers/train's.
 *
 * Two networks of one description: `network` is built for training (dropout, auxiliary heads), `served` as it
 * will be used. Validation copies the values that training would keep into `served`, compiles that and scores
 * it, so what is measured is what a player gets, by the same code.
 *
 * Positions are kept packed, a byte a point (experts.h), and are expanded into planes as a batch is filled: a
 * million of them would not fit into memory as planes, and each is turned by another symmetry each time it is
 * seen.
 *
 * Nothing is sent before the end but checkpoints and metrics. The run is the task's one unit, so the chunk
 * that counts it comes last (count_run), after the report: an attempt that is cut off before it leaves a pair
 * of state and checkpoint, and the next one goes on from there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "workers/alphago/games.h"
#include "workers/alphago/policy_score.h"
#include "workers/nn/loss.h"
#include "workers/search/evaluator.h"
#include "workers/train/options.h"
#include "workers/train/sampler.h"
#include "workers/train/train.h"
#include "workers/zoo/zoo.h"

enum { SCORE_BATCH = 64 };

struct sl_policy {
    const json_t *config;
    struct port *port;
    struct expert_sets sets;
    struct sampler sampler;
    struct network network; /* in training */
    struct network served;  /* the same for inference: what is validated */
    int points, batch;
    float smoothing, value_weight;
    int64_t validate_positions;
    int *targets;                            /* [batch] */
    float *results, *result_weights;         /* [batch] */
    int64_t validated_ns, validated_samples; /* for positions/s */
};

/* ---- the network ---- */

/* "64x4": the stages notation of the zoo; the trunk `alphago` counts layers instead. */
static json_t *trunk_description(const json_t *config) {
    const char *family = option_string(config, "trunk");
    const int blocks = (int)option_int(config, "blocks"), channels = (int)option_int(config, "channels");
    if (strcmp(family, "alphago") == 0)
        return json_pack("{s:s, s:i, s:i}", "family", family, "layers", blocks, "filters", channels);
    json_t *trunk =
        json_pack("{s:s, s:o}", "family", family, "stages", json_sprintf("%dx%d", channels, blocks));
    if (option_int(config, "squeeze") > 0)
        json_object_set_new(trunk, "squeeze", json_integer(option_int(config, "squeeze")));
    return trunk;
}

static json_t *describe_input(int size) {
    return json_pack("{s:i, s:i, s:i}", "height", size, "width", size, "channels", GO12_PLANES);
}

static json_t *describe(const json_t *config, int size) {
    json_t *heads =
        json_pack("[{s:s, s:s, s:i}]", "kind", "policy", "form", option_string(config, "policy_head"),
                  "channels", (int)option_int(config, "policy_channels"));
    if (option_bool(config, "value_head"))
        json_array_append_new(heads, json_pack("{s:s, s:i}", "kind", "value", "channels",
                                               (int)option_int(config, "value_channels")));
    return json_pack("{s:i, s:o, s:o, s:o}", "version", 1, "input", describe_input(size), "trunk",
                     trunk_description(config), "heads", heads);
}

static int begin_with_another(struct sl_policy *self, const char *path, struct problem *problem) {
    json_t *metadata = NULL;
    int error = network_load(path, true, &self->network, &metadata, problem);
    if (!error)
        error = encoding_check(&self->network, metadata, self->sets.train.size, problem);
    json_decref(metadata);
    if (error)
        problem_prefix(problem, "inputs.network");
    return error;
}

static int check_size(const struct network *network, int size, struct problem *problem) {
    const int own = graph_input_shape(network->graph, 0).dim[0];
    return own == size
               ? 0
               : problem_set(problem, TG_EINVALID, "architecture.input",
                             "is a board of %dx%d, the games are of %dx%d: leave the input out, or set "
                             "board to learn from games of that size",
                             own, own, size, size);
}

/* A description of the user's own, which has to fit the game. */
static int make_as_described(struct sl_policy *self, const char *text, uint64_t seed,
                             struct problem *problem) {
    static const char *const with_value[] = {"policy", "value", NULL}, *const policy_alone[] = {"policy",
                                                                                                NULL};
    const int size = self->sets.train.size;
    json_t *architecture = NULL,
           *rest = json_pack("{s:o, s:[{s:s}]}", "input", describe_input(size), "heads", "kind", "policy");
    int error = zoo_parse(text, rest, &architecture, problem);
    if (!error)
        error = network_create(architecture, true, seed, &self->network, problem);
    if (!error)
        error = encoding_check_description(&self->network, problem);
    if (!error)
        error = check_size(&self->network, size, problem);
    if (!error)
        error = zoo_check_taught(self->network.architecture,
                                 self->value_weight > 0 ? "sl-policy" : "sl-policy with value_weight 0",
                                 self->value_weight > 0 ? with_value : policy_alone, problem);
    json_decref(rest);
    json_decref(architecture);
    if (error)
        problem_prefix(problem, "config");
    return error;
}

static int make_from_options(struct sl_policy *self, uint64_t seed, struct problem *problem) {
    json_t *architecture = describe(self->config, self->sets.train.size);
    const int error = architecture ? network_create(architecture, true, seed, &self->network, problem)
                                   : problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a network");
    json_decref(architecture);
    return error;
}

/* A new network, as one text or the options describe it; or, given one to begin with, that one. Its
 * description says in any case what the planes are. */
static int make_network(struct sl_policy *self, const char *begin_with, uint64_t seed,
                        struct problem *problem) {
    const char *own = option_string(self->config, "architecture");
    const int error = begin_with ? begin_with_another(self, begin_with, problem)
                      : *own     ? make_as_described(self, own, seed, problem)
                                 : make_from_options(self, seed, problem);
    json_t *input = json_object_get(self->network.architecture, "input");
    if (!error && json_object_set_new(input, ENCODING_KEY, json_string(GO12_NAME)))
        return problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a network");
    return error ? error : network_create(self->network.architecture, false, seed, &self->served, problem);
}

static bool has_output(const struct graph *graph, const char *name) {
    for (int i = 0; i < graph_output_count(graph); i++)
        if (strcmp(graph_output_name(graph, i), name) == 0)
            return true;
    return false;
}

/* ---- one step ---- */

static int fill(void *context, const struct train_batch *batch, struct problem *problem) {
    struct sl_policy *self = context;
    const struct experts *set = &self->sets.train;
    for (int i = 0; i < batch->size; i++) {
        const uint32_t from = sampler_at(&self->sampler, batch->first + i);
        const int symmetry = (int)rng_below(batch->rng, SYMMETRIES);
        const int8_t result = set->results[from];
        encode_expand(set->size, set->codes + (size_t)from * (size_t)self->points, symmetry,
                      batch->inputs[0] + (size_t)i * (size_t)self->points * GO12_PLANES);
        self->targets[i] = symmetry_index(set->size, symmetry, set->moves[from]);
        self->results[i] = result == RESULT_UNKNOWN ? 0 : (float)result;
        self->result_weights[i] = result == RESULT_UNKNOWN ? 0 : 1;
    }
    return 0;
}

static int64_t count_right(const struct sl_policy *self, const float *logits, int count) {
    struct policy_score score = {0};
    for (int i = 0; i < count; i++)
        policy_score_move(&score, logits + (size_t)i * (size_t)(self->points + 1), self->points + 1,
                          self->targets[i]);
    return score.top1;
}

static double loss(void *context, const struct train_batch *batch, struct run *run, struct train_sums *sums) {
    struct sl_policy *self = context;
    const size_t rows = (size_t)batch->size;
    const float *logits = run_output(run, "policy");
    train_note(sums, "accuracy", (double)count_right(self, logits, batch->size), batch->size);
    const double policy = loss_cross_entropy(rows, self->points + 1, logits, self->targets, NULL,
                                             self->smoothing, 1, run_output_gradient(run, "policy"));
    train_note(sums, "policy_loss", policy * batch->size, batch->size);
    if (self->value_weight <= 0)
        return policy;
    const double value =
        loss_squared_error(rows, 1, run_output(run, "value"), self->results, self->result_weights,
                           self->value_weight, run_output_gradient(run, "value"));
    train_note(sums, "value_loss", value * batch->size, batch->size);
    return policy + (double)self->value_weight * value;
}

/* ---- on held-out games ---- */

static int still_wanted(void *context) {
    struct sl_policy *self = context;
    port_alive(self->port);
    return port_order(self->port) == ORDER_STOP ? TG_ECANCELLED : 0;
}

static int score_held_out(struct sl_policy *self, const float *values, int64_t most,
                          struct policy_score *score, struct problem *problem) {
    struct infer *infer = NULL;
    *score = (struct policy_score){0};
    int error = train_copy_values(self->network.graph, values, &self->served.model, problem);
    if (!error)
        error = infer_create(self->served.graph, &self->served.model, SCORE_BATCH, &infer, problem);
    if (!error)
        error = policy_score_set(score, infer, SCORE_BATCH, has_output(self->served.graph, "value"),
                                 &self->sets.held_out, most, still_wanted, self);
    infer_destroy(infer);
    return error;
}

static int validate(void *context, const float *values, int64_t step, double *result,
                    struct problem *problem) {
    struct sl_policy *self = context;
    struct policy_score score;
    int error = score_held_out(self, values, self->validate_positions, &score, problem);
    const double n = score.positions ? (double)score.positions : 1;
    if (!error)
        error = port_metric(self->port, "top1", step, (double)score.top1 / n);
    if (!error)
        error = port_metric(self->port, "top5", step, (double)score.top5 / n);
    if (!error)
        error = port_metric(self->port, "held_out_loss", step, score.loss / n);
    if (!error && score.judged)
        error = port_metric(self->port, "mse", step, score.square_error / (double)score.judged);
    *result = -score.loss / n;
    return error;
}

/* ---- the run ---- */

static struct expert_filter read_filter(const json_t *config) {
    return (struct expert_filter){.board = (int)option_int(config, "board"),
                                  .held_out = option_number(config, "held_out"),
                                  .min_rating = (int)option_int(config, "min_rating"),
                                  .winners_only = option_bool(config, "winners_only")};
}

static int prepare(struct sl_policy *self, const struct task *task, struct problem *problem) {
    const struct expert_filter filter = read_filter(self->config);
    const char *games = json_string_value(json_object_get(task->inputs, "games"));
    if (!games)
        return problem_set(problem, TG_EMISSING_FIELD, "inputs.games",
                           "needs games to learn from: a data set of SGF, or a job that plays");
    int error = experts_read(games, &filter, &self->sets, problem);
    if (error) {
        if (!problem->field[0]) /* else a file, which the agent calls by its input's name */
            problem_prefix(problem, "inputs.games");
        return error;
    }
    const size_t batch = (size_t)option_int(self->config, "batch");
    self->points = self->sets.train.size * self->sets.train.size;
    self->targets = calloc(batch, sizeof(*self->targets));
    self->results = calloc(batch, sizeof(*self->results));
    self->result_weights = calloc(batch, sizeof(*self->result_weights));
    if (!self->targets || !self->results || !self->result_weights ||
        sampler_create(&self->sampler, (uint32_t)self->sets.train.count, task->seed))
        return problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for %lld positions",
                           (long long)self->sets.train.count);
    error =
        make_network(self, json_string_value(json_object_get(task->inputs, "network")), task->seed, problem);
    if (!error && !has_output(self->network.graph, "value"))
        self->value_weight = 0;
    return error;
}

/* The run is the task's one unit: with it the task is done. */
static int count_run(struct sl_policy *self, const struct train_result *result) {
    json_t *header = json_pack("{s:s, s:i, s:{s:I, s:I}}", "type", "run", "units", 1, "counters", "steps",
                               (json_int_t)result->steps, "samples", (json_int_t)result->samples);
    const int error = header ? port_chunk(self->port, header, NULL, 0) : TG_ENO_MEMORY;
    json_decref(header);
    return error;
}

/* What the finished network is worth on everything that was held out. */
static int report(struct sl_policy *self, const struct train_result *result, struct problem *problem) {
    struct policy_score score = {0};
    int error =
        self->sets.held_out.count ? score_held_out(self, self->network.model.values, 0, &score, problem) : 0;
    const double n = score.positions ? (double)score.positions : 1;
    json_t *summary = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "games", (json_int_t)self->sets.train.games,
        "held_out_games", (json_int_t)self->sets.held_out.games, "games_left_out",
        (json_int_t)(self->sets.tally.unreadable + self->sets.tally.illegal + self->sets.other_sizes),
        "positions", (json_int_t)self->sets.train.count, "held_out_positions", (json_int_t)score.positions,
        "steps", (json_int_t)result->steps, "samples", (json_int_t)result->samples, "epochs", result->epochs,
        "cpu_minutes", result->cpu_minutes, "positions_per_s",
        result->cpu_minutes > 0 ? (double)result->samples / (60 * result->cpu_minutes) : 0.0);
    if (summary && score.positions) {
        json_object_set_new(summary, "top1", json_real((double)score.top1 / n));
        json_object_set_new(summary, "top5", json_real((double)score.top5 / n));
        json_object_set_new(summary, "held_out_loss", json_real(score.loss / n));
    }
    if (summary && score.judged)
        json_object_set_new(summary, "mse", json_real(score.square_error / (double)score.judged));
    if (!error)
        error = summary ? port_report(self->port, "summary", summary) : TG_ENO_MEMORY;
    json_decref(summary);
    return error;
}

static json_t *metadata_of(const struct sl_policy *self) {
    return json_pack("{s:s, s:s, s:o, s:o}", ENCODING_KEY, GO12_NAME, "kind", "sl-policy", "held_out",
                     json_sprintf("%.6g", option_number(self->config, "held_out")), "games",
                     json_sprintf("%lld", (long long)self->sets.train.games));
}

static int train(struct sl_policy *self, const struct task *task, struct problem *problem) {
    static const struct train_ops measured = {fill, loss, validate}, blind = {fill, loss, NULL};
    struct train_options options;
    struct train_result result;
    json_t *metadata = metadata_of(self);
    train_options_read(task, &options);
    options.validate_seconds = option_number(self->config, "validate_seconds");
    options.epoch_samples = self->sets.train.count;
    options.metadata = metadata;
    int error = metadata ? train_run(&self->network, &options, self->sets.held_out.count ? &measured : &blind,
                                     self, self->port, &result, problem)
                         : TG_ENO_MEMORY;
    if (!error && result.end != TRAIN_DRAINED)
        error = report(self, &result, problem);
    if (!error && result.end != TRAIN_DRAINED)
        error = count_run(self, &result);
    json_decref(metadata);
    return error;
}

static void release(struct sl_policy *self) {
    network_destroy(&self->network);
    network_destroy(&self->served);
    sampler_destroy(&self->sampler);
    experts_free(&self->sets);
    free(self->targets);
    free(self->results);
    free(self->result_weights);
}

int sl_policy_run(const struct task *task, struct port *port, struct problem *problem) {
    struct sl_policy self = {
        .config = task->config,
        .port = port,
        .smoothing = (float)option_number(task->config, "label_smoothing"),
        .value_weight = (float)option_number(task->config, "value_weight"),
        .validate_positions = option_int(task->config, "validate_positions"),
    };
    if (task->units_done >= task->units)
        return 0; /* an earlier attempt sent its result and was cut off before it could say so */
    int error = prepare(&self, task, problem);
    if (!error)
        error = train(&self, task, problem);
    release(&self);
    return error;
}
