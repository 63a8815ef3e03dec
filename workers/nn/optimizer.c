/* optimizer.c - see optimizer.h. The rules themselves are kernels (kernels_impl.c); here is what they are
 * called with.
 *
 * A rule's arrays ("slots") are laid out as the model's values, whole, so that one offset finds a parameter
 * in all of them; what is not trained (running averages) has unused places there. Their names and order are
 * those of the training state's file, and `steps` is part of it: Adam's first steps are corrected by their
 * number (Kingma & Ba 2015, 3).
 *
 * Weight decay is added to the gradient (L2), but for AdamW, where it shrinks the weights by itself
 * (Loshchilov & Hutter 2019); only weights decay, not biases and scales (param->decayed).
 *
 * The norm is looked at before anything moves: what is not finite changes no weight, and the caller is told.
 * It is summed in stretches because a float sum over millions of squares would lose them. */
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
    float *w, *slot[SLOTS_MAX]; /* slot: NULL beyond the rule's last */
    const float *g;
};

static struct step_sizes sizes_of(const struct optimizer *optimizer, float rate, bool decayed) {
    const struct optimizer_options *o = &optimizer->options;
    float decay = decayed ? o->weight_decay : 0, step = (float)optimizer->steps;
    bool decoupled = o->rule == OPTIMIZER_ADAMW;
    return (struct step_sizes){.rate = rate,
                               .momentum = o->momentum,
                               .decay = o->decay,
                               .epsilon = o->epsilon,
                               .weight_decay = decoupled ? 0 : decay,
                               .shrink = decoupled ? rate * decay : 0,
                               .first_factor = 1 / (1 - powf(o->momentum, step)),
                               .second_factor = 1 / (1 - powf(o->decay, step)),
                               .nesterov = o->nesterov,
                               .epsilon_outside = o->epsilon_outside};
}

/* Moves one parameter by its rule; slots are in the order of add_slots. */
static void move(const struct optimizer *optimizer, struct stretch s, const struct step_sizes *sizes) {
    const struct optimizer_options *o = &optimizer->options;
    const struct kernels *k = kernels_get();
    switch (o->rule) {
    case OPTIMIZER_SGD:
        k->sgd(s.count, sizes, s.g, s.w, s.slot[0]);
        break;
    case OPTIMIZER_RMSPROP:
        k->rmsprop(s.count, sizes, s.g, s.w, s.slot[0], o->centred ? s.slot[1] : NULL,
                   o->momentum > 0 ? s.slot[o->centred ? 2 : 1] : NULL);
        break;
    case OPTIMIZER_ADAM:
    case OPTIMIZER_ADAMW:
        k->adam(s.count, sizes, s.g, s.w, s.slot[0], s.slot[1]);
        break;
    }
}

/* The sum of squares, by stretches in the kernels' precision; in double where that overflows. */
static double squares_of(const float *g, size_t count) {
    enum { STRETCH = 4096 };
    double sum = 0;
    for (size_t first = 0; first < count; first += STRETCH) {
        size_t size = count - first < STRETCH ? count - first : STRETCH;
        double part = (double)kernels_get()->dot(size, g + first, g + first);
        bool overflow = !isfinite(part);
        part = overflow ? 0 : part;
        for (size_t i = first; overflow && i < first + size; i++)
            part += (double)g[i] * (double)g[i];
        sum += part;
    }
    return sum;
}

static double norm_of(const struct graph *graph, const float *gradients) {
    double sum = 0;
    for (int p = 0; p < graph->param_count; p++)
        if (graph->params[p].trained)
            sum += squares_of(gradients + graph->params[p].offset, shape_elements(graph->params[p].shape));
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
                            .g = gradients + param->offset};
        for (int i = 0; i < optimizer->slot_count; i++)
            s.slot[i] = optimizer->slot[i] + param->offset;
        struct step_sizes sizes = sizes_of(optimizer, rate, param->decayed);
        move(optimizer, s, &sizes);
    }
    return norm;
}

int64_t optimizer_steps(const struct optimizer *optimizer) {
    return optimizer->steps;
}

void optimizer_set_steps(struct optimizer *optimizer, int64_t steps) {
    optimizer->steps = steps;
}

int optimizer_slot_count(const struct optimizer *optimizer) {
    return optimizer->slot_count;
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
