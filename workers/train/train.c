/* train.c - see train.h.
 *
 * The loop is one list of questions after each step, each answered from counters alone: is the budget used,
 * has patience run out, was anything ordered, is a validation due, is a checkpoint due, are metrics due. So a
 * run that was killed and resumed asks the same questions at the same steps. (Those that ask a clock are the
 * exception that train.h names.)
 *
 * The order within a step: the progress first, since rate and batch depend on it; the batch before the
 * forward pass, from a generator that is seeded with the step's number; the loss is looked at before the
 * optimizer's step, so that one that is not finite does not reach the weights; the average after the step;
 * `step` last, which makes it the number of steps done.
 *
 * What there is of the network, and which one counts (trainer_kept in state.c):
 *
 *     weights ---moving average---> average ---scored by validate---> best
 *     what is trained               what would be used now            what "checkpoint" then holds
 *
 * Times. The budget by minutes and the intervals of validation are processor time, of all attempts
 * (cpu_before_ns is in the state): a busy machine gives the same training, later. Metrics and checkpoints go
 * by the clock on the wall, because people and crashes do.
 *
 * Scores are kept as whole billionths: a state file keeps its counters as JSON, and whole numbers survive
 * that bit for bit.
 */
#include "workers/train/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "workers/nn/op.h"
#include "workers/train/internal.h"

/* ---- budget ---- */

int64_t trainer_cpu_ns(const struct trainer *t) {
    return t->cpu_before_ns + clock_cpu_ns() - t->cpu_begin_ns;
}

static double cpu_seconds(const struct trainer *t) {
    return (double)trainer_cpu_ns(t) * 1e-9;
}

static double share(double used, double limit) {
    return limit > 0 ? used / limit : 0;
}

/* How much of the budget is used; 1 or more at its end. */
static double progress_of(const struct trainer *t) {
    const struct train_options *o = t->options;
    double by_steps = share((double)t->step, (double)o->steps);
    double by_epochs = share((double)(t->step * o->batch), o->epochs * (double)o->epoch_samples);
    double by_time = o->minutes > 0 ? share(cpu_seconds(t), o->minutes * 60) : 0;
    return fmax(by_steps, fmax(by_epochs, by_time));
}

float train_rate(const struct train_schedule *schedule, int64_t step, double progress) {
    const int64_t whole = 1 << 20;
    struct schedule shape = {.shape = schedule->shape, .rate = schedule->rate, .factor = schedule->factor};
    double through = fmin(fmax(progress, 0), 1);
    if (schedule->shape == SCHEDULE_NOAM) {
        shape.warmup = schedule->warmup;
        return schedule_rate(&shape, step);
    }
    float rise = step < schedule->warmup ? (float)(step + 1) / (float)schedule->warmup : 1;
    shape.period = whole;
    int64_t at = (int64_t)(through * (double)whole);
    if (schedule->shape == SCHEDULE_STEP) /* drops at 1/2 and 3/4 */
        at = ((through >= 0.5) + (through >= 0.75)) * whole;
    return rise * schedule_rate(&shape, at);
}

/* ---- metrics ---- */

void train_note(struct train_sums *sums, const char *name, double sum, double weight) {
    int i = 0;
    while (i < sums->count && strcmp(sums->item[i].name, name) != 0)
        i++;
    TG_ASSERT(i < SUMS_MAX);
    if (i == sums->count)
        sums->item[sums->count++].name = name;
    sums->item[i].sum += sum;
    sums->item[i].weight += weight;
}

/* Sends the means since the last time and begins anew. */
static void send_metrics(struct trainer *t) {
    struct train_sums *sums = &t->sums;
    int64_t now = clock_monotonic_ns();
    double seconds = (double)(now - t->window_begin_ns) * 1e-9;
    for (int i = 0; i < sums->count; i++)
        if (sums->item[i].weight > 0)
            port_metric(t->port, sums->item[i].name, t->step, sums->item[i].sum / sums->item[i].weight);
    if (t->step > t->window_step) {
        double samples = (double)((t->step - t->window_step) * t->options->batch);
        port_metric(t->port, "lr", t->step, (double)t->rate);
        port_metric(t->port, "epoch", t->step,
                    (double)(t->step * t->options->batch) / (double)t->options->epoch_samples);
        port_metric(t->port, "progress", t->step, fmin(progress_of(t), 1));
        port_metric(t->port, "samples_per_s", t->step, samples / fmax(seconds, 1e-9));
    }
    *sums = (struct train_sums){0};
    t->window_begin_ns = now;
    t->window_step = t->step;
}

static void maybe_send_metrics(struct trainer *t) {
    if (clock_monotonic_ns() - t->window_begin_ns >= METRICS_NS)
        send_metrics(t);
}

/* ---- one step ---- */

static int not_finite(const struct trainer *t, const char *what, double value, struct problem *problem) {
    return problem_set(problem, TG_EOUT_OF_RANGE, "loss",
                       "the %s is %g at step %" PRId64 " (learning rate %g): training has diverged; use a "
                       "lower learning_rate, a longer warmup or a clip_norm",
                       what, value, t->step, (double)t->rate);
}

static int step(struct trainer *t, struct problem *problem) {
    struct network *network = t->network;
    struct rng rng;
    rng_seed_stream(&rng, t->options->seed, (uint64_t)t->step);
    double progress = progress_of(t);
    t->rate = train_rate(&t->options->schedule, t->step, progress);
    struct train_batch batch = {.step = t->step,
                                .first = t->step * t->options->batch,
                                .size = t->options->batch,
                                .progress = progress,
                                .rng = &rng,
                                .inputs = t->inputs};
    run_reseed(t->run, rng_next(&rng));
    int error = t->ops->fill(t->self, &batch, problem);
    if (error)
        return error;
    run_forward(t->run, &network->model, batch.size);
    double loss = t->ops->loss(t->self, &batch, t->run, &t->sums);
    if (!isfinite(loss))
        return not_finite(t, "loss", loss, problem);
    run_gradients(t->run, &network->model, t->gradients);
    double norm = optimizer_step(t->optimizer, &network->model, t->gradients, t->rate);
    if (!isfinite(norm))
        return not_finite(t, "gradient's norm", norm, problem);
    if (t->options->average > 0) /* short at first, so that the first weights are soon forgotten */
        average_update(network->graph,
                       fminf(t->options->average, (float)(t->step + 1) / (float)(t->step + 10)),
                       &network->model, &t->average);
    t->last_loss = loss;
    train_note(&t->sums, "loss", loss, 1);
    train_note(&t->sums, "gradient_norm", norm, 1);
    t->step++;
    return TG_OK;
}

/* ---- validation ---- */

/* The network as it would be used if there were nothing better before. */
static const float *current_values(const struct trainer *t) {
    return t->options->average > 0 ? t->average.values : t->network->model.values;
}

static bool validation_due(const struct trainer *t) {
    const struct train_options *o = t->options;
    if (!t->ops->validate || t->validated_step == t->step)
        return false;
    if (o->validate_seconds > 0 &&
        (double)(trainer_cpu_ns(t) - t->validated_cpu_ns) * 1e-9 >= o->validate_seconds)
        return true;
    if (o->validate_steps > 0)
        return t->step % o->validate_steps == 0;
    int64_t before = (t->step - 1) * o->batch / o->epoch_samples;
    return o->validate_seconds <= 0 && t->step * o->batch / o->epoch_samples > before;
}

static int validate(struct trainer *t, struct problem *problem) {
    double score = 0;
    send_metrics(t);
    int error = t->ops->validate(t->self, current_values(t), t->step, &score, problem);
    if (error)
        return error;
    if (isnan(score))
        return not_finite(t, "validation's score", score, problem);
    t->validated_step = t->step;
    t->validated_cpu_ns = trainer_cpu_ns(t);
    t->without_gain++;
    int64_t scaled = llround(score * SCORE_SCALE); /* whole numbers survive a file bit for bit */
    if (!t->best_step || scaled > t->best_score) {
        t->best_step = t->step;
        t->best_score = scaled;
        t->without_gain = 0;
        memcpy(t->best.values, current_values(t), t->value_count * sizeof *t->best.values);
    }
    t->window_begin_ns = clock_monotonic_ns(); /* validation is not training's speed */
    return TG_OK;
}

/* ---- the loop ---- */

static bool out_of_patience(const struct trainer *t) {
    return t->options->patience > 0 && t->without_gain >= t->options->patience;
}

static bool save_due(const struct trainer *t) {
    const struct train_options *o = t->options;
    if (t->saved_step == t->step)
        return false;
    if (o->checkpoint_steps > 0 && t->step % o->checkpoint_steps == 0)
        return true;
    return o->checkpoint_seconds > 0 &&
           (double)(clock_monotonic_ns() - t->saved_ns) * 1e-9 >= o->checkpoint_seconds;
}

static int loop(struct trainer *t, enum train_end *end, struct problem *problem) {
    int error = TG_OK;
    while (!error) {
        enum order order = port_order(t->port);
        if (order == ORDER_STOP)
            return TG_ECANCELLED;
        bool over = progress_of(t) >= 1;
        *end = out_of_patience(t) ? TRAIN_EARLY : over ? TRAIN_BUDGET : TRAIN_DRAINED;
        if (over || out_of_patience(t) || order == ORDER_DRAIN)
            break;
        error = step(t, problem);
        if (!error && validation_due(t))
            error = validate(t, problem);
        if (!error && save_due(t))
            error = trainer_save(t, problem);
        maybe_send_metrics(t);
        port_alive(t->port);
    }
    return error;
}

/* What is left at the end of the budget: the last weights may be the best. */
static int finish(struct trainer *t, enum train_end end, struct problem *problem) {
    int error = TG_OK;
    send_metrics(t);
    if (end != TRAIN_DRAINED && t->ops->validate && t->validated_step != t->step)
        error = validate(t, problem);
    if (!error && t->saved_step != t->step)
        error = trainer_save(t, problem);
    return error;
}

static void fill_result(const struct trainer *t, struct train_result *result) {
    result->steps = t->step;
    result->samples = t->step * t->options->batch;
    result->epochs = (double)result->samples / (double)t->options->epoch_samples;
    result->cpu_minutes = cpu_seconds(t) / 60;
    result->last_loss = t->last_loss;
    result->best_step = t->best_step;
    result->best_score = (double)t->best_score / SCORE_SCALE;
}

/* ---- making and unmaking ---- */

static int check_options(const struct train_options *o, struct problem *problem) {
    if (o->batch < 1)
        return problem_set(problem, TG_EINVALID, "batch", "must be at least 1");
    if (o->epoch_samples < 1)
        return problem_set(problem, TG_EINVALID, "data", "holds no sample to learn from");
    if (o->steps <= 0 && o->epochs <= 0 && o->minutes <= 0)
        return problem_set(problem, TG_EINVALID, "epochs",
                           "there is no limit: give epochs, steps or minutes above 0");
    return TG_OK;
}

static int create(struct trainer *t, struct problem *problem) {
    const struct graph *graph = t->network->graph;
    const struct train_options *o = t->options;
    t->value_count = graph_value_count(graph);
    t->gradients = calloc(t->value_count + 1, sizeof *t->gradients);
    int error = t->gradients ? TG_OK : TG_ENO_MEMORY;
    if (!error && o->average > 0)
        error = model_create(graph, &t->average);
    if (!error && t->ops->validate)
        error = model_create(graph, &t->best);
    if (error) {
        problem_set(problem, error, NULL, "no memory to train %zu values", t->value_count);
        return error;
    }
    error = run_create(graph, RUN_TRAINING, o->batch, o->seed, &t->run, problem);
    if (!error)
        error = optimizer_create(graph, &o->optimizer, &t->optimizer, problem);
    if (!error)
        error = trainer_check_size(t, problem);
    if (error)
        return error;
    TG_ASSERT(graph_input_count(graph) <= NODE_INPUTS_MAX);
    for (int i = 0; i < graph_input_count(graph); i++)
        t->inputs[i] = run_input(t->run, i);
    if (o->average > 0)
        memcpy(t->average.values, t->network->model.values, t->value_count * sizeof(float));
    return TG_OK;
}

static void destroy(struct trainer *t) {
    run_destroy(t->run);
    optimizer_destroy(t->optimizer);
    model_destroy(&t->average);
    model_destroy(&t->best);
    free(t->gradients);
    trainer_remove_files(t);
}

int train_run(struct network *network, const struct train_options *options, const struct train_ops *ops,
              void *self, struct port *port, struct train_result *result, struct problem *problem) {
    struct trainer t = {.network = network,
                        .options = options,
                        .ops = ops,
                        .self = self,
                        .port = port,
                        .validated_step = -1,
                        .saved_step = -1,
                        .cpu_begin_ns = clock_cpu_ns(),
                        .saved_ns = clock_monotonic_ns(),
                        .window_begin_ns = clock_monotonic_ns()};
    *result = (struct train_result){0};
    int error = check_options(options, problem);
    if (!error)
        error = create(&t, problem);
    if (!error && options->resume)
        error = trainer_resume(&t, problem);
    t.window_step = t.step;
    if (!error)
        error = loop(&t, &result->end, problem);
    if (!error)
        error = finish(&t, result->end, problem);
    if (!error) {
        fill_result(&t, result);
        memcpy(network->model.values, trainer_kept(&t), t.value_count * sizeof(float));
        network->step = trainer_kept_step(&t);
    }
    destroy(&t);
    return error;
}

int train_copy_values(const struct graph *from, const float *values, struct model *to,
                      struct problem *problem) {
    int have = graph_param_count(from), at = 0;
    for (int i = 0; i < graph_param_count(to->graph); i++) {
        struct param_view wanted = graph_param_view(to->graph, i), found;
        int tries = 0;
        do { /* both are in the order of building, so the next one nearly always fits */
            found = graph_param_view(from, at);
            at = (at + 1) % have;
        } while (strcmp(found.name, wanted.name) != 0 && ++tries < have);
        if (tries == have || !shape_equal(found.shape, wanted.shape))
            return problem_set(problem, TG_EINVALID, wanted.name, "is missing in the trained network");
        memcpy(to->values + wanted.offset, values + found.offset,
               shape_elements(wanted.shape) * sizeof(float));
    }
    return TG_OK;
}
