/* optimizer.h - one step of an optimizer, in one pass over weights, gradients and state. */
#ifndef TENGEN_NN_KERNELS_OPTIMIZER_H
#define TENGEN_NN_KERNELS_OPTIMIZER_H

#include "workers/nn/kernels/vector.h"

INLINE vf square_root(vf x) {
    vf root;
    for (int lane = 0; lane < LANES; lane++)
        root[lane] = __builtin_sqrtf(x[lane]);
    return root;
}

static void sgd(size_t count, const struct step_sizes *s, const float *g, float *w, float *m) {
    FOR_VECTORS(count, {
        vf weight = load(w + i, n), slope = load(g + i, n) + s->weight_decay * weight, move = slope;
        if (m) {
            move += s->momentum * load(m + i, n);
            store(m + i, move, n);
            if (s->nesterov)
                move = slope + s->momentum * move;
        }
        store(w + i, weight - s->rate * move, n);
    });
}

static void rmsprop(size_t count, const struct step_sizes *s, const float *g, float *w, float *square,
                    float *mean, float *momentum) {
    const float fresh = 1 - s->decay;
    const float outside = s->epsilon_outside ? s->epsilon : 0, inside = s->epsilon - outside;
    FOR_VECTORS(count, {
        vf weight = load(w + i, n), slope = load(g + i, n) + s->weight_decay * weight;
        vf spread = s->decay * load(square + i, n) + fresh * slope * slope;
        store(square + i, spread, n);
        if (mean) {
            vf middle = s->decay * load(mean + i, n) + fresh * slope;
            store(mean + i, middle, n);
            spread -= middle * middle;
        }
        spread = positive(spread); /* rounding must not make a root of a negative */
        vf move = slope / (square_root(spread + inside) + outside);
        if (momentum) {
            move += s->momentum * load(momentum + i, n);
            store(momentum + i, move, n);
        }
        store(w + i, weight - s->rate * move, n);
    });
}

static void adam(size_t count, const struct step_sizes *s, const float *g, float *w, float *m, float *v) {
    const float new_first = 1 - s->momentum, new_second = 1 - s->decay;
    FOR_VECTORS(count, {
        vf weight = load(w + i, n), slope = load(g + i, n) + s->weight_decay * weight;
        vf first = s->momentum * load(m + i, n) + new_first * slope;
        vf second = s->decay * load(v + i, n) + new_second * slope * slope;
        store(m + i, first, n);
        store(v + i, second, n);
        vf move = s->first_factor * first / (square_root(s->second_factor * second) + s->epsilon);
        store(w + i, weight - s->rate * move - s->shrink * weight, n);
    });
}

#endif
