/* parts.c - see parts.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/error.h"
#include "workers/zoo/parts.h"

enum { LAYER_MAX = 4096 };

const char *part_name(char out[PART_NAME_MAX], const char *prefix, int number, const char *suffix) {
    if (number >= 0)
        snprintf(out, PART_NAME_MAX, "%.36s%d.%.30s", prefix, number, suffix);
    else
        snprintf(out, PART_NAME_MAX, "%.46s.%.30s", prefix, suffix);
    return out;
}

tensor conv_norm(struct graph *graph, const char *name, tensor x, int channels, int kernel, int stride) {
    char part[PART_NAME_MAX];
    struct conv_spec spec = {.channels = channels,
                             .kernel = {kernel, kernel},
                             .stride = {stride, stride},
                             .padding = {kernel / 2, kernel / 2},
                             .no_bias = true};
    x = graph_conv(graph, part_name(part, name, -1, "conv"), x, &spec);
    return graph_batch_norm(graph, part_name(part, name, -1, "norm"), x);
}

tensor conv_norm_relu(struct graph *graph, const char *name, tensor x, int channels, int kernel, int stride) {
    char part[PART_NAME_MAX];
    return graph_relu(graph, part_name(part, name, -1, "relu"),
                      conv_norm(graph, name, x, channels, kernel, stride));
}

static const char *skip_space(const char *at) {
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* A whole number of 1 to LAYER_MAX at *at, which moves past it; 0 when there is none. */
static int number_at(const char **at) {
    int number = 0;
    while (isdigit((unsigned char)**at) && number <= LAYER_MAX)
        number = number * 10 + *(*at)++ - '0';
    return number <= LAYER_MAX ? number : 0;
}

int stages_parse(const char *text, struct stages *out) {
    *out = (struct stages){.count = 1};
    for (const char *at = skip_space(text); *at; at = skip_space(at)) {
        int stage = out->count - 1;
        if (*at == '/') {
            if (!out->layers[stage] || out->count == STAGES_MAX)
                return -1;
            out->count++;
            at++;
            continue;
        }
        int number = number_at(&at), times = 1;
        if (*at == 'x') {
            at++;
            times = number_at(&at);
        }
        if (!number || !times || times > STAGE_LAYERS_MAX - out->layers[stage])
            return -1;
        while (times--)
            out->value[stage][out->layers[stage]++] = number;
    }
    return out->layers[out->count - 1] ? 0 : -1;
}

int choice_index(const char *const *choices, const char *choice) {
    int index = 0;
    while (choices[index] && strcmp(choices[index], choice) != 0)
        index++;
    TG_ASSERT(choices[index] && "a choice that its table lacks");
    return index;
}
