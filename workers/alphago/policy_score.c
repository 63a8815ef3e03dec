#include "workers/alphago/policy_score.h"

#include "workers/nn/loss.h"

enum { TOP = 5 };

void policy_score_move(struct policy_score *score, const float *logits, int moves, int played) {
    int better = 0;
    for (int i = 0; i < moves; i++)
        better += logits[i] > logits[played] || (i < played && logits[i] == logits[played]);
    score->positions++;
    score->top1 += better == 0;
    score->top5 += better < TOP;
    score->loss += loss_log_sum(moves, logits, 1) - (double)logits[played];
}

void policy_score_value(struct policy_score *score, const float *value, int result) {
    if (!value || result == RESULT_UNKNOWN)
        return;
    const double error = (double)*value - result;
    score->judged++;
    score->square_error += error * error;
}

int policy_score_set(struct policy_score *score, struct infer *infer, int batch_max, bool has_value,
                     const struct experts *set, int64_t most, int (*between)(void *), void *context) {
    const int64_t count = most && most < set->count ? most : set->count;
    const int points = set->size * set->size;
    for (int64_t at = 0; at < count; at += batch_max) {
        const int batch = (int)(count - at < batch_max ? count - at : batch_max);
        float *planes = infer_input(infer, 0);
        for (int i = 0; i < batch; i++)
            encode_expand(set->size, set->codes + (at + i) * set->count / count * points, 0,
                          planes + (size_t)i * (size_t)points * GO12_PLANES);
        infer_forward(infer, batch);
        const float *logits = infer_output(infer, "policy");
        const float *values = has_value ? infer_output(infer, "value") : NULL;
        for (int i = 0; i < batch; i++) {
            const int64_t from = (at + i) * set->count / count;
            policy_score_move(score, logits + (size_t)i * (size_t)(points + 1), points + 1, set->moves[from]);
            policy_score_value(score, values ? values + i : NULL, set->results[from]);
        }
        const int error = between ? between(context) : 0;
        if (error)
            return error;
    }
    return 0;
}
