/* seq2seq.c - the kind seq2seq: an encoder-decoder Transformer learns to reverse or to sort sequences.
 *
 * Training is the paper's (Vaswani et al. 2017, 5): Adam with beta 0.9 and 0.98, Noam's warm-up, smoothed
 * labels, teacher forcing (the decoder sees the true beginning). A place of a padded target has no label. In
 * the end held-out sequences of all lengths, mixed, are decoded greedily and by beam search; a sequence
 * counts when every token and the end are right.
 *
 *     source   5 3 9 . .        target in    BEGIN 9 3 5 .  .         labels   9 3 5 END -1 -1
 *
 * The decoder is given at place t what should have come before it, and is asked for what comes at t: one pass
 * teaches all places at once, which the causal mask makes honest.
 *
 * There is no data set: sequences are drawn, and those to be learnt from and those held out are told apart by
 * the puzzle (puzzle.h), so that no tested one was ever learnt. Validation and the last test have seeds of
 * their own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "workers/nn/loss.h"
#include "workers/text/decode.h"
#include "workers/text/puzzle.h"
#include "workers/text/text.h"
#include "workers/train/train.h"

enum { DECODE_ROWS = 64, EPOCH_SAMPLES = 32768, VALIDATION_SEQUENCES = 256 };

struct seq2seq {
    const struct task *task;
    struct port *port;
    struct puzzle puzzle;
    struct network network;
    int vocabulary, source, target; /* lengths: longest, and one more for begin or end */
    float smoothing;
    int *truth, *sequence, *answer; /* of the batch; of one sequence */
};

/* ---- a step ---- */

static int fill(void *context, const struct train_batch *batch, struct problem *problem) {
    struct seq2seq *self = context;
    (void)problem;
    for (int i = 0; i < batch->size; i++) {
        float *source = batch->inputs[0] + i * self->source, *target = batch->inputs[1] + i * self->target;
        int length = puzzle_draw(&self->puzzle, false, batch->rng, self->sequence);
        int *truth = self->truth + i * self->target;
        puzzle_solve(&self->puzzle, self->sequence, length, self->answer);
        for (int t = 0; t < self->source; t++)
            source[t] = (float)self->sequence[t];
        for (int t = 0; t < self->target; t++) {
            target[t] = (float)(t == 0 ? TOKEN_BEGIN : t <= length ? self->answer[t - 1] : TOKEN_PAD);
            truth[t] = t < length ? self->answer[t] : t == length ? TOKEN_END : -1;
        }
    }
    return TG_OK;
}

static int likeliest(const float *logits, int count) {
    int best = 0;
    for (int i = 1; i < count; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

static double loss(void *context, const struct train_batch *batch, struct run *run, struct train_sums *sums) {
    struct seq2seq *self = context;
    const float *logits = run_output(run, "tokens");
    size_t rows = (size_t)(batch->size * self->target);
    int right = 0, labels = 0;
    for (size_t row = 0; row < rows; row++)
        if (self->truth[row] >= 0) {
            right += likeliest(logits + row * (size_t)self->vocabulary, self->vocabulary) == self->truth[row];
            labels++;
        }
    train_note(sums, "accuracy", right, labels);
    return loss_cross_entropy(rows, self->vocabulary, logits, self->truth, NULL, self->smoothing, 1,
                              run_output_gradient(run, "tokens"));
}

/* ---- exactness ---- */

struct exactness {
    int64_t right, count;
    double share, low, high; /* with Wilson's 95 % interval */
};

static void finish_exactness(struct exactness *e) {
    const double z = 1.959964;
    double n = (double)e->count, p = (double)e->right / n, middle = p + z * z / (2 * n);
    double spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    e->share = p;
    e->low = fmax(0, (middle - spread) / (1 + z * z / n));
    e->high = fmin(1, (middle + spread) / (1 + z * z / n));
}

/* Decodes `count` held-out sequences that follow from `seed`. */
static int measure(struct seq2seq *self, struct decoder *decoder, int count, int beam, uint64_t seed,
                   struct exactness *out) {
    int group = DECODE_ROWS / beam;
    int *source = calloc((size_t)(group * (self->source + 2 * self->target)), sizeof *source);
    int *truth = source + group * self->source, *got = truth + group * self->target;
    struct rng rng;
    rng_seed(&rng, seed);
    *out = (struct exactness){.count = count};
    for (int first = 0; source && first < count; first += group) {
        int size = count - first < group ? count - first : group;
        for (int i = 0; i < size; i++) {
            int *sequence = source + i * self->source;
            int length = puzzle_draw(&self->puzzle, true, &rng, sequence);
            puzzle_solve(&self->puzzle, sequence, length, truth + i * self->target);
            truth[(i + 1) * self->target - 1] = TOKEN_PAD;
        }
        decode(decoder, size, beam, option_number(self->task->config, "length_penalty"), source, got);
        for (int i = 0; i < size; i++)
            out->right +=
                !memcmp(truth + i * self->target, got + i * self->target, (size_t)self->target * sizeof *got);
        port_alive(self->port);
        if (port_order(self->port) == ORDER_STOP)
            break;
    }
    int error = !source ? TG_ENO_MEMORY : port_order(self->port) == ORDER_STOP ? TG_ECANCELLED : TG_OK;
    free(source);
    finish_exactness(out);
    return error;
}

static int validate(void *context, const float *values, int64_t step, double *score,
                    struct problem *problem) {
    struct seq2seq *self = context;
    struct model model = {.graph = self->network.graph, .values = (float *)values}; /* read only */
    struct decoder *decoder;
    struct exactness exact = {0};
    int error = decoder_create(self->network.graph, &model, DECODE_ROWS, &decoder, problem);
    if (!error)
        error = measure(self, decoder, VALIDATION_SEQUENCES, 1, self->task->seed + 1, &exact);
    decoder_destroy(decoder);
    /* Of equally exact networks the last is kept: it has learnt longest. */
    *score = exact.share + (double)step * 1e-9;
    return error ? error : port_metric(self->port, "validation_exact", step, exact.share);
}

static const struct train_ops ops = {fill, loss, validate};

/* ---- before ---- */

static json_t *architecture_of(const struct seq2seq *self) {
    const json_t *c = self->task->config;
    return json_pack(
        "{s:i, s:{s:i, s:i, s:i, s:s}, s:{s:s, s:I, s:I, s:I, s:I, s:f, s:s, s:b}, s:[{s:s}]}", "version", 1,
        "input", "tokens", self->source, "target_tokens", self->target, "vocabulary", self->vocabulary,
        "encoding", "puzzle", "trunk", "family", "transformer", "layers", (json_int_t)option_int(c, "layers"),
        "width", (json_int_t)option_int(c, "width"), "heads", (json_int_t)option_int(c, "heads"),
        "feed_forward", (json_int_t)option_int(c, "feed_forward"), "dropout", option_number(c, "dropout"),
        "activation", "relu", "norm_first", option_bool(c, "norm_first"), "heads", "kind", "tokens");
}

static int prepare(struct seq2seq *self, struct problem *problem) {
    const json_t *c = self->task->config;
    bool sort = !strcmp(option_string(c, "task"), "sort");
    self->puzzle = (struct puzzle){.task = sort ? PUZZLE_SORT : PUZZLE_REVERSE,
                                   .symbols = (int)option_int(c, "symbols"),
                                   .shortest = (int)option_int(c, "shortest"),
                                   .longest = (int)option_int(c, "longest")};
    self->vocabulary = TOKEN_FIRST + self->puzzle.symbols;
    self->source = self->puzzle.longest;
    self->target = self->puzzle.longest + 1;
    self->smoothing = (float)option_number(c, "label_smoothing");
    self->truth = calloc((size_t)option_int(c, "batch") * (size_t)self->target, sizeof *self->truth);
    self->sequence = calloc((size_t)self->source, sizeof *self->sequence);
    self->answer = calloc((size_t)self->source, sizeof *self->answer);
    json_t *architecture = architecture_of(self);
    int error = self->truth && self->sequence && self->answer && architecture ? TG_OK : TG_ENO_MEMORY;
    if (!error)
        error = network_create(architecture, true, self->task->seed, &self->network, problem);
    json_decref(architecture);
    return error;
}

static struct train_options options_of(const struct seq2seq *self) {
    const json_t *c = self->task->config;
    return (struct train_options){
        .batch = (int)option_int(c, "batch"),
        .epoch_samples = EPOCH_SAMPLES,
        .steps = option_int(c, "steps"),
        .minutes = option_number(c, "minutes"),
        .optimizer = {.rule = OPTIMIZER_ADAM,
                      .momentum = 0.9f,
                      .decay = 0.98f,
                      .epsilon = 1e-9f,
                      .clip_norm = (float)option_number(c, "clip_norm")},
        .schedule = {.shape = SCHEDULE_NOAM,
                     .rate = (float)option_number(c, "learning_rate"),
                     .warmup = option_int(c, "warmup")},
        .average = (float)option_number(c, "average"),
        .seed = self->task->seed,
        .validate_steps = option_int(c, "validate_steps"),
        .patience = (int)option_int(c, "patience"),
        .checkpoint_seconds = option_number(c, "checkpoint_seconds"),
        .resume = self->task->resume ? json_string_value(json_object_get(self->task->resume, "state")) : NULL,
    };
}

/* ---- after ---- */

static int send_result(struct seq2seq *self, const struct train_result *result,
                       const struct exactness exact[2]) {
    json_t *summary =
        json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:f, s:I}", "task",
                  option_string(self->task->config, "task"), "greedy_exact", exact[0].share, "greedy_low",
                  exact[0].low, "greedy_high", exact[0].high, "beam_exact", exact[1].share, "beam_low",
                  exact[1].low, "beam_high", exact[1].high, "test_sequences", (json_int_t)exact[0].count,
                  "steps", (json_int_t)result->steps, "kept_step", (json_int_t)result->best_step,
                  "parameters", (json_int_t)graph_value_count(self->network.graph), "cpu_minutes",
                  result->cpu_minutes, "seed", (json_int_t)self->task->seed);
    json_t *header = json_pack("{s:s, s:i, s:{s:i, s:I}, s:O}", "type", "result", "units", 1, "counters",
                               "runs", 1, "sequences", (json_int_t)result->samples, "result", summary);
    int error = summary && header ? port_report(self->port, "summary", summary) : TG_ENO_MEMORY;
    if (!error)
        error = port_chunk(self->port, header, "", 0);
    json_decref(header);
    json_decref(summary);
    return error;
}

/* The kept weights on held-out sequences that validation has not seen. */
static int test(struct seq2seq *self, const struct train_result *result, struct problem *problem) {
    static const char *const names[] = {"greedy_exact", "beam_exact"};
    const json_t *c = self->task->config;
    struct exactness exact[2] = {0};
    struct decoder *decoder;
    int error = decoder_create(self->network.graph, &self->network.model, DECODE_ROWS, &decoder, problem);
    for (int i = 0; i < 2 && !error; i++) {
        int beam = i ? (int)option_int(c, "beam") : 1;
        error = measure(self, decoder, (int)option_int(c, "test_sequences"), beam, self->task->seed + 2,
                        &exact[i]);
        if (!error)
            error = port_metric(self->port, names[i], result->steps, exact[i].share);
    }
    decoder_destroy(decoder);
    return error ? error : send_result(self, result, exact);
}

int seq2seq_run(const struct task *task, struct port *port, struct problem *problem) {
    struct seq2seq self = {.task = task, .port = port};
    struct train_result result;
    if (task->units_done >= task->units)
        return TG_OK; /* an earlier attempt sent its result and was cut off before it could say so */
    int error = prepare(&self, problem);
    if (!error) {
        struct train_options options = options_of(&self);
        error = train_run(&self.network, &options, &ops, &self, port, &result, problem);
    }
    if (!error && result.end != TRAIN_DRAINED)
        error = test(&self, &result, problem);
    network_destroy(&self.network);
    free(self.truth);
    free(self.sequence);
    free(self.answer);
    return error;
}
