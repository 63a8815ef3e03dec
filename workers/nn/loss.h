/* loss.h - losses and their gradients, on plain arrays.
 *
 * Each function returns the mean loss over the rows that count and writes (not adds) the gradient of that
 * mean times `scale` to the array of its last output argument: scale is the loss's weight in a sum of losses.
 * Sums over rows are in double precision. Rows with a weight of 0 (padding, positions without a label)
 * contribute nothing, also when they hold NaN. NULL weights: every row counts 1. When no row counts the loss
 * and all gradients are 0.
 */
#ifndef TENGEN_NN_LOSS_H
#define TENGEN_NN_LOSS_H

#include <stddef.h>

/* log(sum exp(x / temperature)) over the classes, without overflow: what log softmax takes off x /
 * temperature. */
double loss_log_sum(int classes, const float *x, double temperature);

/* Softmax cross-entropy with one true class a row: -log p[target]. smoothing (0..1) moves that share of the
 * target evenly over all classes (Szegedy et al. 2016). A target below 0 leaves its row out. dlogits may be
 * logits. */
double loss_cross_entropy(size_t rows, int classes, const float *logits, const int *targets,
                          const float *weights, float smoothing, float scale, float *dlogits);

/* Softmax cross-entropy with a distribution a row (need not sum to 1; a row of zeros counts nothing): -sum t
 * log p. */
double loss_cross_entropy_soft(size_t rows, int classes, const float *logits, const float *targets,
                               const float *weights, float scale, float *dlogits);

/* T^2 KL(softmax(teacher / T) || softmax(logits / T)): distillation (Hinton et al. 2015); T^2 keeps the
 * gradient's size. */
double loss_distillation(size_t rows, int classes, const float *logits, const float *teacher,
                         const float *weights, float temperature, float scale, float *dlogits);

/* (y - t)^2, mean over rows and columns. Without the factor 1/2. */
double loss_squared_error(size_t rows, int columns, const float *y, const float *targets,
                          const float *weights, float scale, float *dy);

/* Huber 1964: e^2 / 2 within delta, delta (|e| - delta / 2) beyond; delta 1 is the "smooth L1" of DQN. Mean
 * over rows and columns. */
double loss_huber(size_t rows, int columns, const float *y, const float *targets, const float *weights,
                  float delta, float scale, float *dy);

/* Binary cross-entropy of sigmoid(logit) with targets 0..1, mean over rows and columns. */
double loss_binary(size_t rows, int columns, const float *logits, const float *targets, const float *weights,
                   float scale, float *dlogits);

/* 1 - (2 sum p t + 1) / (sum p + sum t + 1), p = sigmoid(logit), over each of `samples` stretches of `size`,
 * mean over the samples (Milletari et al. 2016, with the sums unsquared). */
double loss_dice(size_t samples, size_t size, const float *logits, const float *targets, float scale,
                 float *dlogits);

#endif
