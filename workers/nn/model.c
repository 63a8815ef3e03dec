/* model.c - see model.h. */
#include <math.h>
#include <stdlib.h>
#include "workers/nn/model.h"
#include "workers/nn/op.h"

int model_create(const struct graph *graph, struct model *model) {
    model->graph = graph;
    model->values = calloc(graph->value_count + 1, sizeof(float)); /* never of size 0 */
    return model->values ? TG_OK : TG_ENO_MEMORY;
}

void model_destroy(struct model *model) {
    free(model->values);
    model->values = NULL;
}

static float draw(const struct param *param, struct rng *rng) {
    switch (param->init) {
    case INIT_ZERO:
        return 0;
    case INIT_ONE:
        return 1;
    case INIT_HE:
        return (float)(rng_gauss(rng) * sqrt(2.0 / param->fan_in));
    case INIT_GLOROT:
        break;
    }
    return (float)((2 * rng_uniform(rng) - 1) * sqrt(6.0 / (param->fan_in + param->fan_out)));
}

void model_init(struct model *model, uint64_t seed) {
    for (int i = 0; i < model->graph->param_count; i++) {
        const struct param *param = &model->graph->params[i];
        struct rng rng; /* one stream a parameter: adding a layer leaves the others' draws as they were */
        rng_seed_stream(&rng, seed, (uint64_t)i);
        for (size_t j = 0; j < shape_elements(param->shape); j++)
            model->values[param->offset + j] = draw(param, &rng);
    }
}

int graph_param_count(const struct graph *graph) {
    return graph->param_count;
}

struct param_view graph_param_view(const struct graph *graph, int index) {
    const struct param *p = &graph->params[index];
    return (struct param_view){p->name, p->shape, p->offset, p->trained, p->decayed};
}

size_t graph_value_count(const struct graph *graph) {
    return graph->value_count;
}
