/* network.c - see network.h.
 *
 * Loading goes by the description and not by the file: the network is built from its architecture first, and
 * each of its parameters is then looked for in the file by name, type and shape, with finite values. So a
 * file can lack or falsify something and will be refused with the name of it, but nothing that it holds
 * besides ever reaches a network.
 *
 * A training state is every array that training needs, each under "ARRAY.parameter": the optimizer's slots,
 * then what the trainer adds. Both directions walk the same list (state_array), so a new array cannot be
 * saved and not loaded. Its `step` is the optimizer's. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/model/safetensors.h"
#include "proto/wire/json.h"
#include "workers/zoo/network.h"
#include "workers/zoo/zoo.h"

static const char network_format[] = "tengen-network/1", training_format[] = "tengen-training/1";

int network_create(const json_t *architecture, bool training, uint64_t seed, struct network *out,
                   struct problem *problem) {
    *out = (struct network){0};
    int error = zoo_check(architecture, &out->architecture, problem);
    if (!error)
        error = zoo_build(out->architecture, training, &out->graph, problem);
    if (!error && model_create(out->graph, &out->model))
        error = problem_set(problem, TG_ENO_MEMORY, "architecture", "no memory for %zu parameters",
                            graph_value_count(out->graph));
    if (error)
        network_destroy(out);
    else
        model_init(&out->model, seed);
    return error;
}

void network_destroy(struct network *network) {
    model_destroy(&network->model);
    graph_destroy(network->graph);
    json_decref(network->architecture);
    *network = (struct network){0};
}

/* ---- values in and out of tensors ---- */

static struct tensor_view view_of(struct param_view param, const char *name, const float *values) {
    struct tensor_view view = {.name = name,
                               .dtype = DTYPE_F32,
                               .rank = param.shape.rank,
                               .data = values + param.offset,
                               .bytes = shape_elements(param.shape) * sizeof(float)};
    for (int i = 0; i < param.shape.rank; i++)
        view.shape[i] = (uint64_t)param.shape.dim[i];
    return view;
}

static bool fits(const struct tensor_view *found, struct param_view param) {
    bool same = found->dtype == DTYPE_F32 && found->rank == param.shape.rank;
    for (int i = 0; same && i < found->rank; i++)
        same = found->shape[i] == (uint64_t)param.shape.dim[i];
    return same;
}

/* "F32 3x3x3x8", as the file has it. */
enum { VIEW_TEXT_MAX = 16 + 21 * SAFETENSORS_RANK_MAX };
static const char *view_text(const struct tensor_view *view, char text[VIEW_TEXT_MAX]) {
    int length = snprintf(text, VIEW_TEXT_MAX, "%s %s", dtype_name(view->dtype), view->rank ? "" : "scalar");
    for (int i = 0; i < view->rank; i++)
        length += snprintf(text + length, VIEW_TEXT_MAX - (size_t)length, "%s%" PRIu64, i ? "x" : "",
                           view->shape[i]);
    return text;
}

/* One array of values, laid out as the model's, from the tensors named "PREFIXparameter". */
static int read_values(const struct safetensors *file, const struct graph *graph, const char *prefix,
                       float *values, struct problem *problem) {
    int error = TG_OK;
    for (int i = 0; i < graph_param_count(graph) && !error; i++) {
        struct param_view param = graph_param_view(graph, i);
        char name[160], shape[64], has[VIEW_TEXT_MAX];
        snprintf(name, sizeof name, "%s%s", prefix, param.name);
        const struct tensor_view *found = safetensors_find(file, name);
        if (!found)
            return problem_set(problem, TG_EINVALID, name,
                               "is missing; the architecture needs it as F32 of shape %s",
                               shape_text(param.shape, shape));
        if (!fits(found, param))
            return problem_set(problem, TG_EINVALID, name, "is %s in the file, the architecture needs F32 %s",
                               view_text(found, has), shape_text(param.shape, shape));
        memcpy(values + param.offset, found->data, found->bytes);
        error = tensor_check_finite(name, found->dtype, found->data, shape_elements(param.shape), 0, problem);
    }
    return error;
}

/* ---- checkpoints ---- */

static json_t *metadata_of(const char *format, int64_t step, const json_t *extra) {
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, step);
    json_t *metadata = json_pack("{s:s, s:s}", "format", format, "step", text);
    if (metadata && extra && json_object_update(metadata, (json_t *)extra)) {
        json_decref(metadata);
        return NULL;
    }
    return metadata;
}

static int set_json(json_t *metadata, const char *name, const json_t *value) {
    struct buf text = BUF_INIT;
    int error = json_append(&text, value);
    if (!error && json_object_set_new(metadata, name, json_stringn((const char *)text.data, text.size)))
        error = TG_ENO_MEMORY;
    buf_free(&text);
    return error;
}

int network_save(const struct network *network, const char *path, const json_t *extra,
                 struct problem *problem) {
    int count = graph_param_count(network->graph);
    struct tensor_view *views = calloc((size_t)count + 1, sizeof *views);
    json_t *metadata = metadata_of(network_format, network->step, extra);
    int error = views && metadata ? set_json(metadata, "architecture", network->architecture) : TG_ENO_MEMORY;
    for (int i = 0; i < count && !error; i++) {
        struct param_view param = graph_param_view(network->graph, i);
        views[i] = view_of(param, param.name, network->model.values);
    }
    error = error ? problem_set(problem, error, path, "no memory to write a checkpoint")
                  : safetensors_write(path, views, (size_t)count, metadata, problem);
    json_decref(metadata);
    free(views);
    return error;
}

static int check_format(const json_t *metadata, const char *format, struct problem *problem) {
    const char *found = json_string_value(json_object_get(metadata, "format"));
    if (found && !strcmp(found, format))
        return TG_OK;
    return problem_set(problem, TG_EINVALID, "__metadata__.format",
                       "must be %s, is %.40s: this file is of another sort", format,
                       found ? found : "missing");
}

static int read_step(const json_t *metadata, int64_t *step, struct problem *problem) {
    const char *text = json_string_value(json_object_get(metadata, "step"));
    char *end = NULL;
    errno = 0;
    *step = text ? strtoll(text, &end, 10) : -1;
    if (!text || end == text || *end || errno || *step < 0)
        return problem_set(problem, TG_EINVALID, "__metadata__.step",
                           "must be a whole number that is not negative");
    return TG_OK;
}

static json_t *metadata_json(const json_t *metadata, const char *name, struct problem *problem) {
    const char *text = json_string_value(json_object_get(metadata, name));
    if (text)
        return json_parse_object(text, strlen(text), problem);
    problem_set(problem, TG_EMISSING_FIELD, name, "is missing from the file's metadata");
    return NULL;
}

int network_load(const char *path, bool training, struct network *out, json_t **metadata,
                 struct problem *problem) {
    *out = (struct network){0};
    struct safetensors *file = safetensors_open(path, problem);
    if (!file)
        return problem->error;
    const json_t *found = safetensors_metadata(file);
    json_t *architecture = NULL;
    int64_t step = 0;
    int error = check_format(found, network_format, problem);
    if (!error)
        error = read_step(found, &step, problem);
    if (!error && !(architecture = metadata_json(found, "architecture", problem)))
        error = problem->error;
    if (!error)
        error = network_create(architecture, training, 0, out, problem);
    if (!error)
        error = read_values(file, out->graph, "", out->model.values, problem);
    out->step = step;
    if (!error && metadata)
        *metadata = json_deep_copy(found);
    json_decref(architecture);
    safetensors_close(file);
    if (error)
        network_destroy(out);
    return error;
}

/* ---- training state ---- */

enum { SLOT_PREFIX_MAX = 32, SLOT_NAME_MAX = 160 };

/* The optimizer's slots, then what else is kept; NULL where there is nothing. */
static float *state_array(const struct training_state *state, int slots, int index, const char **name) {
    if (index < slots)
        return optimizer_state(state->optimizer, index, name);
    *name = state->arrays[index - slots].name;
    return *name ? state->arrays[index - slots].values : NULL;
}

int training_array_count(const struct training_state *state) {
    int slots = optimizer_slot_count(state->optimizer), count = 0;
    const char *name;
    for (int i = 0; i < slots + TRAINING_ARRAYS_MAX; i++)
        count += state_array(state, slots, i, &name) != NULL;
    return count;
}

int training_save(const struct network *network, const struct training_state *state, const char *path,
                  struct problem *problem) {
    int params = graph_param_count(network->graph), slots = optimizer_slot_count(state->optimizer), count = 0;
    size_t most = (size_t)params * (size_t)(slots + TRAINING_ARRAYS_MAX) + 1;
    struct tensor_view *views = calloc(most, sizeof *views);
    char(*names)[SLOT_NAME_MAX] = calloc(most, sizeof *names);
    json_t *metadata = metadata_of(training_format, optimizer_steps(state->optimizer), NULL);
    int error = views && names && metadata ? TG_OK : TG_ENO_MEMORY;
    for (int array = 0; array < slots + TRAINING_ARRAYS_MAX && !error; array++) {
        const char *array_name;
        const float *values = state_array(state, slots, array, &array_name);
        for (int i = 0; values && i < params; i++, count++) {
            struct param_view param = graph_param_view(network->graph, i);
            snprintf(names[count], SLOT_NAME_MAX, "%s.%s", array_name, param.name);
            views[count] = view_of(param, names[count], values);
        }
    }
    if (!error)
        views[count] = (struct tensor_view){.name = "rng",
                                            .dtype = DTYPE_I64,
                                            .rank = 1,
                                            .shape = {4},
                                            .data = state->rng->s,
                                            .bytes = sizeof state->rng->s};
    if (!error && state->counters)
        error = set_json(metadata, "counters", state->counters);
    error = error ? problem_set(problem, error, path, "no memory to write the training state")
                  : safetensors_write(path, views, (size_t)count + 1, metadata, problem);
    json_decref(metadata);
    free(views);
    free(names);
    return error;
}

static int read_rng(const struct safetensors *file, struct rng *rng, struct problem *problem) {
    const struct tensor_view *found = safetensors_find(file, "rng");
    if (!found || found->dtype != DTYPE_I64 || found->bytes != sizeof rng->s)
        return problem_set(problem, TG_EINVALID, "rng", "is missing, or not four whole numbers");
    memcpy(rng->s, found->data, sizeof rng->s);
    return TG_OK;
}

int training_load(const struct network *network, struct training_state *state, const char *path,
                  struct problem *problem) {
    struct safetensors *file = safetensors_open(path, problem);
    if (!file)
        return problem->error;
    const json_t *metadata = safetensors_metadata(file);
    json_t *counters = NULL;
    int64_t steps = 0;
    int error = check_format(metadata, training_format, problem);
    if (!error)
        error = read_step(metadata, &steps, problem);
    int slots = optimizer_slot_count(state->optimizer);
    for (int array = 0; array < slots + TRAINING_ARRAYS_MAX && !error; array++) {
        const char *array_name;
        float *values = state_array(state, slots, array, &array_name);
        char prefix[SLOT_PREFIX_MAX];
        if (!values)
            continue;
        snprintf(prefix, sizeof prefix, "%s.", array_name);
        error = read_values(file, network->graph, prefix, values, problem);
    }
    if (!error)
        error = read_rng(file, state->rng, problem);
    if (!error && json_object_get(metadata, "counters") &&
        !(counters = metadata_json(metadata, "counters", problem)))
        error = problem->error;
    if (!error) {
        optimizer_set_steps(state->optimizer, steps);
        json_decref(state->counters);
        state->counters = counters;
    }
    safetensors_close(file);
    return error;
}
