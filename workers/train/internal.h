/* internal.h - the trainer's own state, shared by train.c (the loop) and state.c (its files). */
#ifndef TENGEN_TRAIN_INTERNAL_H
#define TENGEN_TRAIN_INTERNAL_H

#include "workers/nn/op.h"
#include "workers/train/train.h"

enum { SUMS_MAX = 16, FOLDER_MAX = 256 };
#define METRICS_NS  INT64_C(2000000000)
#define SCORE_SCALE 1e9 /* scores are kept as whole billionths */

struct train_sums {
    int count;
    struct {
        const char *name;
        double sum, weight;
    } item[SUMS_MAX];
};

struct trainer {
    struct network *network;
    const struct train_options *options;
    const struct train_ops *ops;
    void *self;
    struct port *port;

    struct run *run;
    struct optimizer *optimizer;
    float *gradients, *inputs[NODE_INPUTS_MAX];
    size_t value_count;
    struct model average, best; /* values NULL where there is none */

    /* What a state file keeps beside the arrays. */
    int64_t step, cpu_before_ns;                   /* processor time of earlier attempts */
    int64_t validated_cpu_ns;                      /* trainer_cpu_ns() at the last validation */
    int64_t validated_step, best_step, best_score; /* -1; 0: none yet; billionths */
    int64_t without_gain;

    int64_t cpu_begin_ns, saved_ns, saved_step, window_begin_ns, window_step;
    double last_loss;
    float rate;
    struct train_sums sums;
    char folder[FOLDER_MAX]; /* for files on their way out; "" until the first */
};

/* Processor time of all attempts. */
int64_t trainer_cpu_ns(const struct trainer *t);
/* What the next "checkpoint" would hold, and the step that made it. */
const float *trainer_kept(const struct trainer *t);
int64_t trainer_kept_step(const struct trainer *t);

/* A state that no chunk can carry would be found out at the first checkpoint, and all until then be lost:
 * TG_ETOO_LARGE before the first step. */
int trainer_check_size(struct trainer *t, struct problem *problem);
/* Sends "state" and "checkpoint". */
int trainer_save(struct trainer *t, struct problem *problem);
/* Goes on from options->resume. */
int trainer_resume(struct trainer *t, struct problem *problem);
void trainer_remove_files(struct trainer *t);

#endif
