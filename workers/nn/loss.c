/* loss.c - see loss.h. Each loss comes with its gradient, because both need the same exponentials.
 *
 * All are means over the rows' weights, so that a gradient does not depend on how many rows of a batch count;
 * a row that does not (no target, weight 0) is written as zeros, never left as it was.
 *
 * Probabilities are never formed to take their logarithm: log p = x - log sum exp(x), with the largest x
 * taken out first, which neither overflows nor ends at log 0. */
#include <math.h>
#include <string.h>
#include "workers/nn/isa.h"
#include "workers/nn/loss.h"

static double weight_of(const float *weights, size_t row) {
    return weights ? (double)weights[row] : 1;
}

static double total_weight(size_t rows, const float *weights) {
    double total = 0;
    for (size_t row = 0; row < rows; row++)
        total += weight_of(weights, row);
    return total;
}

double loss_log_sum(int classes, const float *x, double temperature) {
    double most = (double)x[0], sum = 0;
    for (int i = 1; i < classes; i++)
        most = fmax(most, (double)x[i]);
    for (int i = 0; i < classes; i++)
        sum += exp(((double)x[i] - most) / temperature);
    return most / temperature + log(sum);
}

/* One row: its loss; dlogits = factor (p - target), where the target is 1 - smoothing at `truth` and
 * smoothing spread evenly over all. Everything of the logits is read before dlogits, which may be they, is
 * written. */
static double smoothed_row(int classes, const float *logits, int truth, double smoothing, double factor,
                           float *dlogits) {
    const struct kernels *k = kernels_get();
    size_t count = (size_t)classes;
    float most = k->largest(count, logits);
    double mean = smoothing > 0 ? (double)k->sum(count, logits) / classes : 0,
           true_logit = (double)logits[truth];
    float sum = k->exp_sum(count, most, logits, dlogits);
    double normal = (double)most + log((double)sum);
    k->affine(count, (float)(factor / (double)sum), (float)(-factor * smoothing / classes), dlogits, dlogits);
    dlogits[truth] -= (float)(factor * (1 - smoothing));
    return normal - (1 - smoothing) * true_logit - smoothing * mean;
}

double loss_cross_entropy(size_t rows, int classes, const float *logits, const int *targets,
                          const float *weights, float smoothing, float scale, float *dlogits) {
    double total = 0, loss = 0;
    for (size_t row = 0; row < rows; row++)
        total += targets[row] >= 0 ? weight_of(weights, row) : 0;
    for (size_t row = 0; row < rows; row++, logits += classes, dlogits += classes) {
        double weight = targets[row] >= 0 ? weight_of(weights, row) : 0;
        if (weight == 0) {
            memset(dlogits, 0, (size_t)classes * sizeof(float));
            continue;
        }
        loss += weight * smoothed_row(classes, logits, targets[row], (double)smoothing,
                                      (double)scale * weight / total, dlogits);
    }
    return total > 0 ? loss / total : 0;
}

double loss_cross_entropy_soft(size_t rows, int classes, const float *logits, const float *targets,
                               const float *weights, float scale, float *dlogits) {
    double total = total_weight(rows, weights), loss = 0;
    for (size_t row = 0; row < rows; row++, logits += classes, targets += classes, dlogits += classes) {
        double weight = weight_of(weights, row), mass = 0;
        memset(dlogits, 0, (size_t)classes * sizeof(float));
        if (weight == 0)
            continue;
        double normal = loss_log_sum(classes, logits, 1);
        for (int i = 0; i < classes; i++) {
            mass += (double)targets[i];
            loss -= targets[i] != 0 ? weight * (double)targets[i] * ((double)logits[i] - normal) : 0;
        }
        for (int i = 0; i < classes; i++)
            dlogits[i] = (float)((double)scale * weight / total *
                                 (mass * exp((double)logits[i] - normal) - (double)targets[i]));
    }
    return total > 0 ? loss / total : 0;
}

double loss_distillation(size_t rows, int classes, const float *logits, const float *teacher,
                         const float *weights, float temperature, float scale, float *dlogits) {
    double total = total_weight(rows, weights), t = (double)temperature, loss = 0;
    for (size_t row = 0; row < rows; row++, logits += classes, teacher += classes, dlogits += classes) {
        double weight = weight_of(weights, row);
        memset(dlogits, 0, (size_t)classes * sizeof(float));
        if (weight == 0)
            continue;
        double normal = loss_log_sum(classes, logits, t), of_teacher = loss_log_sum(classes, teacher, t);
        for (int i = 0; i < classes; i++) {
            double log_p = (double)logits[i] / t - normal, log_q = (double)teacher[i] / t - of_teacher,
                   q = exp(log_q);
            loss += q > 0 ? weight * t * t * q * (log_q - log_p) : 0;
            dlogits[i] = (float)((double)scale * weight / total * t * (exp(log_p) - q));
        }
    }
    return total > 0 ? loss / total : 0;
}

/* The losses of one number against one: value and slope. */
struct point_loss {
    double loss, slope;
};

static struct point_loss squared(double y, double target, double unused) {
    (void)unused;
    return (struct point_loss){(y - target) * (y - target), 2 * (y - target)};
}

static struct point_loss huber(double y, double target, double delta) {
    double error = y - target;
    if (fabs(error) <= delta)
        return (struct point_loss){error * error / 2, error};
    return (struct point_loss){delta * (fabs(error) - delta / 2), error > 0 ? delta : -delta};
}

static struct point_loss binary(double x, double target, double unused) {
    (void)unused;
    double loss = fmax(x, 0) - x * target + log1p(exp(-fabs(x)));
    return (struct point_loss){loss, 1 / (1 + exp(-x)) - target};
}

static double mean_of(struct point_loss (*each)(double, double, double), size_t rows, int columns,
                      const float *y, const float *targets, const float *weights, double parameter,
                      float scale, float *dy) {
    double total = total_weight(rows, weights) * columns, loss = 0;
    for (size_t row = 0; row < rows; row++) {
        double weight = weight_of(weights, row);
        for (size_t at = row * (size_t)columns; at < (row + 1) * (size_t)columns; at++) {
            struct point_loss p = {0, 0};
            if (weight != 0)
                p = each((double)y[at], (double)targets[at], parameter);
            loss += weight * p.loss;
            dy[at] = weight != 0 ? (float)((double)scale * weight / total * p.slope) : 0;
        }
    }
    return total > 0 ? loss / total : 0;
}

double loss_squared_error(size_t rows, int columns, const float *y, const float *targets,
                          const float *weights, float scale, float *dy) {
    return mean_of(squared, rows, columns, y, targets, weights, 0, scale, dy);
}

double loss_huber(size_t rows, int columns, const float *y, const float *targets, const float *weights,
                  float delta, float scale, float *dy) {
    return mean_of(huber, rows, columns, y, targets, weights, (double)delta, scale, dy);
}

double loss_binary(size_t rows, int columns, const float *logits, const float *targets, const float *weights,
                   float scale, float *dlogits) {
    return mean_of(binary, rows, columns, logits, targets, weights, 0, scale, dlogits);
}

double loss_dice(size_t samples, size_t size, const float *logits, const float *targets, float scale,
                 float *dlogits) {
    double loss = 0;
    for (size_t n = 0; n < samples; n++, logits += size, targets += size, dlogits += size) {
        double both = 0, either = 0;
        for (size_t i = 0; i < size; i++) {
            double p = 1 / (1 + exp(-(double)logits[i]));
            both += p * (double)targets[i];
            either += p + (double)targets[i];
        }
        double dice = (2 * both + 1) / (either + 1);
        loss += 1 - dice;
        for (size_t i = 0; i < size; i++) {
            double p = 1 / (1 + exp(-(double)logits[i]));
            double slope = -(2 * (double)targets[i] - dice) / (either + 1);
            dlogits[i] = (float)((double)scale / (double)samples * slope * p * (1 - p));
        }
    }
    return samples ? loss / (double)samples : 0;
}
