/* score.h - what a network makes of a part of a data set, by the compiled form of inference. */
#ifndef TENGEN_VISION_SCORE_H
#define TENGEN_VISION_SCORE_H

#include "workers/data/image_set.h"
#include "workers/nn/infer.h"
#include "workers/task/port.h"

struct scores {
    int classes;
    int64_t count, top1, top5; /* images; those whose class was the likeliest, among the five likeliest */
    double loss;               /* mean cross-entropy, natural logarithm */
    int64_t *confusion;        /* [true class][predicted class] */
    uint16_t *predicted;       /* [image] */
    float *confidence;         /* [image]: the predicted class's probability */
};

/* Scores all images of the part in batches. TG_ECANCELLED when the port orders to stop; TG_ENO_MEMORY;
 * TG_EOUT_OF_RANGE when an output is not finite. */
int scores_make(const struct graph *graph, const struct model *model, const struct image_set *set,
                const struct image_part *part, int batch, struct port *port, struct scores *out,
                struct problem *problem);
void scores_free(struct scores *scores);

/* Share of right answers, and Wilson's 95 % interval of it (Wilson 1927). */
struct accuracy {
    double share, low, high;
};
struct accuracy accuracy_of(int64_t right, int64_t count);

#endif
