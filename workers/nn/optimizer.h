/* optimizer.h - how gradients move parameters.
 *
 * One optimizer serves one model. Its state is `slots` arrays laid out as the model's values and a step
 * count, so that a checkpoint of it is a plain copy (see optimizer_state) and training resumes bit for bit.
 *
 *     sgd       v = momentum v + g;  w -= rate (g + momentum v)  with Nesterov,  else  w -= rate v
 *     rmsprop   s = decay s + (1 - decay) g^2;  centred: m = decay m + (1 - decay) g, s - m^2 instead of s;
 *               w -= rate g / sqrt(s + epsilon)   (Graves 2013, as DQN 2015: epsilon inside the root; with
 *               `epsilon_outside` it is where PyTorch has it)
 *     adam      Kingma & Ba 2015 with bias correction; weight decay is added to g
 *     adamw     Loshchilov & Hutter 2019: weight decay is applied to w directly, times the rate
 */
#ifndef TENGEN_NN_OPTIMIZER_H
#define TENGEN_NN_OPTIMIZER_H

#include <stdint.h>
#include "workers/nn/model.h"

enum optimizer_rule { OPTIMIZER_SGD, OPTIMIZER_RMSPROP, OPTIMIZER_ADAM, OPTIMIZER_ADAMW };

struct optimizer_options {
    enum optimizer_rule rule;
    float momentum; /* sgd: momentum; adam: beta 1; rmsprop: momentum of the step */
    float decay;    /* rmsprop: of the squares' average; adam: beta 2 */
    float epsilon;
    float weight_decay; /* of parameters that are `decayed` */
    float clip_norm;    /* the gradient's norm is brought down to this; 0: no limit */
    bool nesterov, centred, epsilon_outside;
};

struct optimizer;
/* TG_ENO_MEMORY, or TG_EOUT_OF_RANGE naming the member that makes no sense. */
int optimizer_create(const struct graph *graph, const struct optimizer_options *options,
                     struct optimizer **out, struct problem *problem);
void optimizer_destroy(struct optimizer *optimizer);

/* One step: model->values move by `gradients` (laid out the same; changed by clipping). Returns the
 * gradient's norm before clipping; when it is not finite nothing moves, and the caller should stop. */
double optimizer_step(struct optimizer *optimizer, struct model *model, float *gradients, float rate);

int64_t optimizer_steps(const struct optimizer *optimizer);
void optimizer_set_steps(struct optimizer *optimizer, int64_t steps);
int optimizer_slot_count(const struct optimizer *optimizer);
/* Slot `index` of the state (graph_value_count floats, to read or to fill), and its name; NULL beyond the
 * last. */
float *optimizer_state(struct optimizer *optimizer, int index, const char **name);

/* Learning rates over time. */
enum schedule_shape {
    SCHEDULE_CONSTANT,
    SCHEDULE_STEP,   /* times `factor` after every `period` steps */
    SCHEDULE_COSINE, /* down to `factor` times the rate at `period`, along half a cosine (Loshchilov & Hutter
                        2017) */
    SCHEDULE_LINEAR, /* the same along a line */
    SCHEDULE_NOAM, /* rate * sqrt(warmup) * min(step^-0.5, step * warmup^-1.5): its peak is `rate` (Vaswani et
                      al. 2017) */
};
struct schedule {
    enum schedule_shape shape;
    float rate, factor;
    int64_t period, warmup; /* warmup: steps of linear rise first (for all shapes) */
};
float schedule_rate(const struct schedule *schedule, int64_t step); /* of step 0, 1, ... */

/* average = decay average + (1 - decay) values: exponential moving average of the weights (states are
 * copied). */
void average_update(const struct graph *graph, float decay, const struct model *model, struct model *average);

#endif
