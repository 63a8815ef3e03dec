/* parts.h - what the families' files share: named groups of layers, and the stages notation. */
#ifndef TENGEN_ZOO_PARTS_H
#define TENGEN_ZOO_PARTS_H

#include "workers/nn/graph.h"

enum { PART_NAME_MAX = 80, STAGES_MAX = 16, STAGE_LAYERS_MAX = 64 };

/* "PREFIX.SUFFIX" with a number in between where it is not negative: part_name(out, "block", 3, "conv") is
 * "block3.conv". */
const char *part_name(char out[PART_NAME_MAX], const char *prefix, int number, const char *suffix);

/* Convolution with "same" padding and no bias, batch normalization, and, when wanted, ReLU: NAME.conv,
 * NAME.norm, NAME.relu. */
tensor conv_norm(struct graph *graph, const char *name, tensor x, int channels, int kernel, int stride);
tensor conv_norm_relu(struct graph *graph, const char *name, tensor x, int channels, int kernel, int stride);

/* Where a checked choice stands in its table. */
int choice_index(const char *const *choices, const char *choice);

/* "64 64 / 128 128": the numbers of each stage. "96x6" stands for six times 96. 0, or -1 when it is not of
 * this form. */
struct stages {
    int count;
    int layers[STAGES_MAX];
    int value[STAGES_MAX][STAGE_LAYERS_MAX];
};
int stages_parse(const char *text, struct stages *out);
#define STAGES_HELP "stages between /, each a list of numbers or NUMBERxTIMES"

#endif
