/* network_evaluator.c - a checkpoint's network as an evaluator (evaluator.h). A small share of its
 * evaluations is computed a second time by the references (workers/nn/check.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/options.h"
#include "workers/go/encoding.h"
#include "workers/nn/check.h"
#include "workers/search/evaluator.h"
#include "workers/zoo/network.h"

struct network_evaluator {
    struct evaluator base;
    struct network network;
    struct checked_infer *infer;
};

/* Elements of an output; 0 when the network has none of that name. */
static size_t output_size(const struct graph *graph, const char *name) {
    for (int i = 0; i < graph_output_count(graph); i++)
        if (strcmp(graph_output_name(graph, i), name) == 0)
            return shape_elements(graph_output_shape(graph, i));
    return 0;
}

/* Networks that older versions trained left it empty. */
static int check_name(const struct network *network, struct problem *problem) {
    const char *name = option_string(json_object_get(network->architecture, "input"), "encoding");
    if (!*name || strcmp(name, GO12_NAME) == 0)
        return 0;
    return problem_set(problem, TG_EINVALID, "architecture.input.encoding",
                       "must be " GO12_NAME " or left out, is %.40s", name);
}

int encoding_check_description(const struct network *network, struct problem *problem) {
    const struct shape input = graph_input_shape(network->graph, 0);
    char text[64];
    if (input.rank != 3 || input.dim[0] != input.dim[1] || input.dim[2] != GO12_PLANES ||
        input.dim[0] < BOARD_SIZE_MIN || input.dim[0] > BOARD_SIZE_MAX)
        return problem_set(problem, TG_EINVALID, "architecture.input",
                           "must be a square board of %d planes, is %s", GO12_PLANES,
                           shape_text(input, text));
    const size_t points = (size_t)(input.dim[0] * input.dim[0]),
                 policy = output_size(network->graph, "policy");
    if (policy != points + 1)
        return problem_set(problem, TG_EINVALID, "architecture.heads",
                           policy ? "the policy head has another size than the board and the pass"
                                  : "has no policy head: this network cannot choose moves");
    return check_name(network, problem);
}

int encoding_check(const struct network *network, const json_t *metadata, int board,
                   struct problem *problem) {
    const char *encoding = json_string_value(json_object_get(metadata, ENCODING_KEY));
    if (!encoding || strcmp(encoding, GO12_NAME) != 0)
        return problem_set(problem, TG_EINVALID, "checkpoint.encoding",
                           "must be " GO12_NAME ", is %.40s: this network was not trained on these planes",
                           encoding ? encoding : "missing");
    const int error = encoding_check_description(network, problem);
    if (error) {
        problem_prefix(problem, "checkpoint");
        return error;
    }
    const int size = graph_input_shape(network->graph, 0).dim[0];
    return !board || size == board
               ? 0
               : problem_set(problem, TG_EINVALID, "board",
                             "the checkpoint's network is for %dx%d, not for %dx%d: play that size, or train "
                             "another network",
                             size, size, board, board);
}

static int network_run(struct evaluator *evaluator, struct evaluation *const *list, int count,
                       struct problem *problem) {
    struct network_evaluator *self = (struct network_evaluator *)evaluator;
    const size_t points = (size_t)(evaluator->size * evaluator->size);
    float *planes = checked_infer_input(self->infer, 0);
    for (int i = 0; i < count; i++)
        encode_planes(&list[i]->board, planes + (size_t)i * points * GO12_PLANES);
    const int error = checked_infer_forward(self->infer, count, problem);
    if (error)
        return error;
    const float *policy = checked_infer_output(self->infer, "policy");
    const float *value = evaluator->has_value ? checked_infer_output(self->infer, "value") : NULL;
    for (int i = 0; i < count; i++) {
        memcpy(list[i]->logits, policy + (size_t)i * (points + 1), (points + 1) * sizeof(float));
        list[i]->value = value ? value[i] : 0;
    }
    return 0;
}

static void network_evaluator_destroy(struct evaluator *evaluator) {
    struct network_evaluator *self = (struct network_evaluator *)evaluator;
    checked_infer_destroy(self->infer);
    network_destroy(&self->network);
    free(self);
}

int evaluator_of_network(struct network *network, int batch_max, struct evaluator **out,
                         struct problem *problem) {
    static const struct evaluator_ops ops = {network_run, network_evaluator_destroy};
    struct network_evaluator *self = calloc(1, sizeof(*self));
    *out = NULL;
    if (!self) {
        network_destroy(network);
        return problem_set(problem, TG_ENO_MEMORY, "checkpoint", "no memory for a network");
    }
    self->network = *network;
    *network = (struct network){0};
    self->base = (struct evaluator){.ops = &ops,
                                    .size = graph_input_shape(self->network.graph, 0).dim[0],
                                    .batch_max = batch_max,
                                    .has_value = output_size(self->network.graph, "value") == 1};
    const struct check_options check = {.share = CHECK_SHARE, .seed = 1};
    const int error = checked_infer_create(self->network.graph, &self->network.model, batch_max, &check,
                                           &self->infer, problem);
    if (error)
        network_evaluator_destroy(&self->base);
    else
        *out = &self->base;
    return error;
}

int evaluator_network(const char *path, int board, int batch_max, struct evaluator **out,
                      struct problem *problem) {
    struct network network;
    json_t *metadata = NULL;
    *out = NULL;
    int error = network_load(path, false, &network, &metadata, problem);
    if (error)
        return error;
    error = encoding_check(&network, metadata, board, problem);
    json_decref(metadata);
    if (!error)
        return evaluator_of_network(&network, batch_max, out, problem);
    network_destroy(&network);
    return error;
}
