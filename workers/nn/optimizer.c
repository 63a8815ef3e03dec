/* optimizer.c - see optimizer.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "workers/nn/isa.h"
#include "workers/nn/op.h"
#include "workers/nn/optimizer.h"

enum { SLOTS_MAX = 3 };

struct optimizer {
    struct optimizer_options options;
    const struct graph *graph;
    int64_t steps;
    int slot_count;
    const char *slot_name[SLOTS_MAX];
    float *slot[SLOTS_MAX];
};

static int check(const struct optimizer_options *o, struct problem *problem) {
    const struct {
        const char *name;
        float value, below; /* in 0 .. below */
    } ranges[] = {{"momentum", o->momentum, 1},
                  {"decay", o->decay, 1},
                  {"epsilon", o->epsilon, INFINITY},
                  {"weight_decay", o->weight_decay, INFINITY},
                  {"clip_norm", o->clip_norm, INFINITY}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= 0 && ranges[i].value < ranges[i].below))
            return problem_set(problem, TG_EOUT_OF_RANGE, ranges[i].name, "must be 0 to below %g, is %g",
                               (double)ranges[i].below, (double)ranges[i].value);
    return TG_OK;
}

static bool add_slot(struct optimizer *optimizer, const char *name) {
    optimizer->slot_name[optimizer->slot_count] = name;
    optimizer->slot[optimizer->slot_count] = calloc(optimizer->graph->value_count + 1, sizeof(float));
    return optimizer->slot[optimizer->slot_count++];
}

static bool add_slots(struct optimizer *optimizer) {
    const struct optimizer_options *o = &optimizer->options;
    switch (o->rule) {
    case OPTIMIZER_SGD:
        return o->momentum == 0 || add_slot(optimizer, "momentum");
    case OPTIMIZER_RMSPROP:
        return add_slot(optimizer, "square") && (!o->centred || add_slot(optimizer, "mean")) &&
               (o->momentum == 0 || add_slot(optimizer, "momentum"));
    case OPTIMIZER_ADAM:
    case OPTIMIZER_ADAMW:
        break;
    }
    return add_slot(optimizer, "mean") && add_slot(optimizer, "square");
}

int optimizer_create(const struct graph *graph, const struct optimizer_options *options,
                     struct optimizer **out, struct problem *problem) {
    int error = check(options, problem);
    struct optimizer *optimizer = error ? NULL : calloc(1, sizeof *optimizer);
    *out = NULL;
    if (error)
        return error;
    if (optimizer)
        *optimizer = (struct optimizer){.options = *options, .graph = graph};
    if (!optimizer || !add_slots(optimizer)) {
        optimizer_destroy(optimizer);
        return problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for the optimizer's state");
    }
    *out = optimizer;
    return TG_OK;
}

void optimizer_destroy(struct optimizer *optimizer) {
    for (int i = 0; optimizer && i < optimizer->slot_count; i++)
        free(optimizer->slot[i]);
    free(optimizer);
}

/* One parameter's stretch of all the arrays. */
struct stretch {
    size_t count;
    float *w, *g, *slot[SLOTS_MAX];
    float decay; /* weight decay that applies */
};

static void sgd(const struct optimizer_options *o, struct stretch s, float rate) {
    float *velocity = o->momentum > 0 ? s.slot[0] : NULL;
    for (size_t i = 0; i < s.count; i++) {
        float g = s.g[i] + s.decay * s.w[i], move = g;
        if (velocity) {
            velocity[i] = o->momentum * velocity[i] + g;
            move = o->nesterov ? g + o->momentum * velocity[i] : velocity[i];
        }
        s.w[i] -= rate * move;
    }
}

static void rmsprop(const struct optimizer_options *o, struct stretch s, float rate) {
    float *mean = o->centred ? s.slot[1] : NULL,
          *momentum = o->momentum > 0 ? s.slot[o->centred ? 2 : 1] : NULL;
    TG_ASSERT(s.slot[0]);
    for (size_t i = 0; i < s.count; i++) {
        float g = s.g[i] + s.decay * s.w[i];
        float square = s.slot[0][i] = o->decay * s.slot[0][i] + (1 - o->decay) * g * g;
        if (mean) {
            mean[i] = o->decay * mean[i] + (1 - o->decay) * g;
            square -= mean[i] * mean[i];
        }
        square = square > 0 ? square : 0; /* rounding must not make a root of a negative */
        float move = g / (o->epsilon_outside ? sqrtf(square) + o->epsilon : sqrtf(square + o->epsilon));
        if (momentum)
            move = momentum[i] = o->momentum * momentum[i] + move;
        s.w[i] -= rate * move;
    }
}

static void adam(const struct optimizer_options *o, struct stretch s, float rate, int64_t step) {
    float first = 1 - powf(o->momentum, (float)step), second = 1 - powf(o->decay, (float)step);
    bool decoupled = o->rule == OPTIMIZER_ADAMW;
    TG_ASSERT(s.slot[0] && s.slot[1]);
    for (size_t i = 0; i < s.count; i++) {
        float g = s.g[i] + (decoupled ? 0 : s.decay * s.w[i]);
        s.slot[0][i] = o->momentum * s.slot[0][i] + (1 - o->momentum) * g;
        s.slot[1][i] = o->decay * s.slot[1][i] + (1 - o->decay) * g * g;
        float move = s.slot[0][i] / first / (sqrtf(s.slot[1][i] / second) + o->epsilon);
        s.w[i] -= rate * (move + (decoupled ? s.decay * s.w[i] : 0));
    }
}

static double norm_of(const struct graph *graph, const float *gradients) {
    double sum = 0;
    for (int p = 0; p < graph->param_count; p++)
        for (size_t i = 0; graph->params[p].trained && i < shape_elements(graph->params[p].shape); i++) {
            double g = (double)gradients[graph->params[p].offset + i];
            sum += g * g;
        }
    return sqrt(sum);
}

double optimizer_step(struct optimizer *optimizer, struct model *model, float *gradients, float rate) {
    const struct optimizer_options *o = &optimizer->options;
    double norm = norm_of(optimizer->graph, gradients);
    if (!isfinite(norm))
        return norm;
    if (o->clip_norm > 0 && norm > (double)o->clip_norm)
        kernels_get()->scale(optimizer->graph->value_count, (float)((double)o->clip_norm / norm), gradients);
    optimizer->steps++;
    for (int p = 0; p < optimizer->graph->param_count; p++) {
        const struct param *param = &optimizer->graph->params[p];
        if (!param->trained)
            continue;
        struct stretch s = {.count = shape_elements(param->shape),
                            .w = model->values + param->offset,
                            .g = gradients + param->offset,
                            .decay = param->decayed ? o->weight_decay : 0};
        for (int i = 0; i < optimizer->slot_count; i++)
            s.slot[i] = optimizer->slot[i] + param->offset;
        if (o->rule == OPTIMIZER_SGD)
            sgd(o, s, rate);
        else if (o->rule == OPTIMIZER_RMSPROP)
            rmsprop(o, s, rate);
        else
            adam(o, s, rate, optimizer->steps);
    }
    return norm;
}

int64_t optimizer_steps(const struct optimizer *optimizer) {
    return optimizer->steps;
}

void optimizer_set_steps(struct optimizer *optimizer, int64_t steps) {
    optimizer->steps = steps;
}

float *optimizer_state(struct optimizer *optimizer, int index, const char **name) {
    if (index < 0 || index >= optimizer->slot_count)
        return NULL;
    if (name)
        *name = optimizer->slot_name[index];
    return optimizer->slot[index];
}

/* The shape alone, 1 at its start, of step 0, 1, ... after the warm-up. */
static double shape_at(const struct schedule *s, int64_t step) {
    double through = s->period > 0 ? fmin(1, (double)step / (double)s->period) : 1, low = (double)s->factor;
    switch (s->shape) {
    case SCHEDULE_STEP:
        return pow(low, s->period > 0 ? (double)(step / s->period) : 0);
    case SCHEDULE_COSINE:
        return low + (1 - low) * (1 + cos(3.14159265358979323846 * through)) / 2;
    case SCHEDULE_LINEAR:
        return 1 + (low - 1) * through;
    case SCHEDULE_CONSTANT:
    case SCHEDULE_NOAM:
        break;
    }
    return 1;
}

float schedule_rate(const struct schedule *s, int64_t step) {
    double rate = (double)s->rate;
    if (step < s->warmup)
        return (float)(rate * (double)(step + 1) / (double)s->warmup);
    if (s->shape == SCHEDULE_NOAM)
        return (float)(rate * sqrt((double)(s->warmup > 0 ? s->warmup : 1) / (double)(step + 1)));
    return (float)(rate * shape_at(s, step - s->warmup));
}

void average_update(const struct graph *graph, float decay, const struct model *model,
                    struct model *average) {
    for (int p = 0; p < graph->param_count; p++) {
        const struct param *param = &graph->params[p];
        size_t count = shape_elements(param->shape);
        const float *from = model->values + param->offset;
        float *to = average->values + param->offset;
        for (size_t i = 0; i < count; i++)
            to[i] = param->trained ? decay * to[i] + (1 - decay) * from[i] : from[i];
    }
}
