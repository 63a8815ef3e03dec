#include "workers/vision/score.h"

#include <math.h>
#include <stdlib.h>
#include "workers/nn/loss.h"
#include "workers/vision/augment.h"

struct accuracy accuracy_of(int64_t right, int64_t count) {
    const double z = 1.959963984540054, n = (double)(count > 0 ? count : 1), p = (double)right / n;
    double middle = (p + z * z / (2 * n)) / (1 + z * z / n),
           half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return (struct accuracy){p, middle - half, middle + half};
}

void scores_free(struct scores *scores) {
    free(scores->confusion);
    free(scores->predicted);
    free(scores->confidence);
    *scores = (struct scores){0};
}

/* Adds one image's answer. False when it is not finite. */
static bool add(struct scores *s, const float *logits, int label, uint32_t index) {
    int best = 0, above = 0;
    for (int c = 1; c < s->classes; c++)
        best = logits[c] > logits[best] ? c : best;
    for (int c = 0; c < s->classes; c++)
        above += logits[c] > logits[label];
    const double normal = loss_log_sum(s->classes, logits, 1);
    s->loss += normal - (double)logits[label];
    s->top1 += best == label;
    s->top5 += above < 5;
    s->confusion[(size_t)label * (size_t)s->classes + (size_t)best]++;
    s->predicted[index] = (uint16_t)best;
    s->confidence[index] = (float)exp((double)logits[best] - normal);
    s->count++;
    return isfinite(s->loss);
}

static int score_batches(struct infer *infer, const struct image_set *set, const struct image_part *part,
                         int batch, struct port *port, struct scores *out, struct problem *problem) {
    size_t floats = image_bytes(set);
    for (uint32_t at = 0; at < part->count; at += (uint32_t)batch) {
        int here = part->count - at < (uint32_t)batch ? (int)(part->count - at) : batch;
        if (port && (port_alive(port) || port_order(port) == ORDER_STOP))
            return TG_ECANCELLED;
        for (int i = 0; i < here; i++)
            image_encode(set, part, at + (uint32_t)i, infer_input(infer, 0) + (size_t)i * floats);
        infer_forward(infer, here);
        const float *logits = infer_output(infer, "classes");
        for (int i = 0; i < here; i++)
            if (!add(out, logits + (ptrdiff_t)i * out->classes, part->labels[at + (uint32_t)i],
                     at + (uint32_t)i))
                return problem_set(
                    problem, TG_EOUT_OF_RANGE, "classes",
                    "the network's answer to image %u is not finite: its weights are damaged, or "
                    "training has diverged (use a lower learning_rate)",
                    at + (uint32_t)i);
    }
    if (out->count)
        out->loss /= (double)out->count;
    return TG_OK;
}

int scores_make(const struct graph *graph, const struct model *model, const struct image_set *set,
                const struct image_part *part, int batch, struct port *port, struct scores *out,
                struct problem *problem) {
    struct infer *infer = NULL;
    size_t classes = (size_t)set->class_count;
    *out = (struct scores){.classes = set->class_count,
                           .confusion = calloc(classes * classes, sizeof *out->confusion),
                           .predicted = calloc(part->count + 1, sizeof *out->predicted),
                           .confidence = calloc(part->count + 1, sizeof *out->confidence)};
    int error = out->confusion && out->predicted && out->confidence
                    ? infer_create(graph, model, batch, &infer, problem)
                    : problem_set(problem, TG_ENO_MEMORY, NULL, "no memory to score %u images", part->count);
    if (!error)
        error = score_batches(infer, set, part, batch, port, out, problem);
    infer_destroy(infer);
    if (error)
        scores_free(out);
    return error;
}
