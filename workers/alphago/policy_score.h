/* policy_score.h - how well a network predicts what experts played.
 *
 * What the figures mean: top1 is the share of positions in which the expert's move has the greatest logit of
 * all points and the pass; top5, in which it is among the five greatest. loss is the mean of -log p of the
 * expert's move. No move is masked, so an illegal favourite counts as wrong. mse is the mean of (v - z)^2
 * over positions whose game has a known result z of -1, 0 or 1 for the side to move.
 */
#ifndef TENGEN_ALPHAGO_POLICY_SCORE_H
#define TENGEN_ALPHAGO_POLICY_SCORE_H

#include "workers/alphago/experts.h"
#include "workers/nn/infer.h"

struct policy_score {
    int64_t positions, top1, top5;
    double loss;         /* sum of -log p */
    int64_t judged;      /* positions with a value and a known result */
    double square_error; /* sum over them */
};

/* Adds one position: logits of `moves` moves. */
void policy_score_move(struct policy_score *score, const float *logits, int moves, int played);
/* value: the network's; NULL: it has none. */
void policy_score_value(struct policy_score *score, const float *value, int result);

/* Scores at most `most` positions, evenly spread over the set (0: all), as they stand (no symmetry).
 * has_value: the network has a value head. between (may be NULL) is called after each batch; anything but 0
 * ends it and is returned. */
int policy_score_set(struct policy_score *score, struct infer *infer, int batch_max, bool has_value,
                     const struct experts *set, int64_t most, int (*between)(void *), void *context);

#endif
