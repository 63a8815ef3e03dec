/* train.h - the training loop that every kind which learns by gradients shares.
 *
 * One call, train_run(), takes a network through its whole training: batches come from a callback, a second
 * callback turns outputs into a loss and gradients, and the loop does the rest:
 *
 *     fill -> forward -> loss -> backward -> optimizer step (-> average)      step 0, 1, 2, ...
 *                          |                                   |
 *                       metrics          validate, each epoch; checkpoint + state, each minute; orders
 *
 * Same bits. Every random number of step n (the batch's, dropout's) follows from the seed and n alone, and a
 * sampler's order of samples from the seed and the epoch. So two runs of one seed are identical, and a run
 * that was killed goes on from its last state as if nothing had happened: the state is the weights, their
 * average, the best so far, the optimizer's arrays and a few counters. Limits by minutes are the exception:
 * how far a minute reaches depends on the machine, and with it the schedule.
 *
 * Budget. Training ends when the first of its limits is reached: steps, epochs, or minutes of processor time
 * (so that a busy machine gives the same training, only later). Schedules run over the share of the budget
 * that is used, whichever limit leads.
 *
 * Files. Every checkpoint_seconds, and at the end, a pair goes out through the port: "checkpoint", the
 * network as it would be used if training ended now (with validation: the best so far; else the average or
 * the weights themselves), and "state", what training needs to go on.
 */
#ifndef TENGEN_TRAIN_TRAIN_H
#define TENGEN_TRAIN_TRAIN_H

#include <jansson.h>
#include "workers/nn/run.h"
#include "workers/task/port.h"
#include "workers/zoo/network.h"

/* The learning rate of a step. Shapes as in optimizer.h, but over the share of the budget instead of a
 * period: linear and cosine fall to `factor` times the rate at the end; step multiplies by `factor` at one
 * half and at three quarters (He et al. 2015); noam goes by steps and needs a warm-up. */
struct train_schedule {
    enum schedule_shape shape;
    float rate, factor;
    int64_t warmup; /* steps of linear rise first */
};

struct train_options {
    int batch;
    int64_t epoch_samples;  /* samples that make an epoch */
    int64_t steps;          /* 0: no such limit; at least one of the three must be there */
    double epochs, minutes; /* minutes of this process's processor time */
    struct optimizer_options optimizer;
    struct train_schedule schedule;
    float average; /* decay of the moving average that is validated and kept; 0: none */
    uint64_t seed;
    int64_t validate_steps;    /* 0: once an epoch */
    double validate_seconds;   /* of processor time since the last; 0: no such rule */
    int patience;              /* validations without a better score before it ends early; 0: never */
    double checkpoint_seconds; /* of wall-clock time; 0: at the end only */
    int64_t checkpoint_steps;  /* 0: no such rule */
    const json_t *metadata;    /* strings to add to every checkpoint (encoding, parent), or NULL */
    const char *resume;        /* path of a "state" to go on from, or NULL */
};

/* What a step is about. */
struct train_batch {
    int64_t step;         /* 0, 1, ... */
    int64_t first;        /* samples before this batch: the number of its first sample (sampler.h) */
    int size;             /* samples */
    double progress;      /* share of the budget that is used, 0 .. 1 */
    struct rng *rng;      /* of this step alone */
    float *const *inputs; /* where the network's inputs go, in order of creation: [size][shape] each */
};

/* Sums that become the training series of metrics: train_note(sums, "accuracy", right, size) adds; what is
 * sent is sum / weight over the last two seconds. Names must outlive the run. */
struct train_sums;
void train_note(struct train_sums *sums, const char *name, double sum, double weight);

struct train_ops {
    /* Writes one batch. 0 or an error, which ends the training. */
    int (*fill)(void *self, const struct train_batch *batch, struct problem *problem);
    /* Reads run_output(), writes run_output_gradient() (zeroed before) and returns the loss of the batch. */
    double (*loss)(void *self, const struct train_batch *batch, struct run *run, struct train_sums *sums);
    /* Scores the network as it would be used (`values` laid out as network->model's, read only): higher is
     * better. Sends its own metrics. NULL: no validation. Long ones call port_alive(). */
    int (*validate)(void *self, const float *values, int64_t step, double *score, struct problem *problem);
};

enum train_end {
    TRAIN_BUDGET,  /* a limit was reached */
    TRAIN_EARLY,   /* patience ran out */
    TRAIN_DRAINED, /* told to drain: the state was sent, another attempt goes on from it */
};

struct train_result {
    enum train_end end;
    int64_t steps, samples;
    double epochs, cpu_minutes; /* of all attempts */
    double last_loss;           /* of the last step of this attempt; 0 when it made none */
    int64_t best_step;          /* 0: nothing was validated */
    double best_score;
};

/* network: built for training, with its first weights (drawn, or of a checkpoint); at the end it holds what
 * the last "checkpoint" holds. 0 (see result->end); TG_ECANCELLED when ordered to stop; TG_EINVALID for
 * options that make no sense (named) or a state of another run; TG_EOUT_OF_RANGE, field "loss", when loss or
 * gradients are not finite; TG_ENO_MEMORY; what a callback returned. One thread. */
int train_run(struct network *network, const struct train_options *options, const struct train_ops *ops,
              void *self, struct port *port, struct train_result *result, struct problem *problem);

/* The rate of a step, when `progress` (0 .. 1) of the budget is used. */
float train_rate(const struct train_schedule *schedule, int64_t step, double progress);

/* Copies every value of `from` to the parameter of the same name in `to`: from a network built for training
 * to the same without its auxiliary parts. 0, or TG_EINVALID naming what is missing. */
int train_copy_values(const struct graph *from, const float *values, struct model *to,
                      struct problem *problem);

#endif
