/* classify.c - the kind classify: trains a network to tell the images of a data set apart.
 *
 * The training part of the set is cut in two by the seed: what is learnt from, and what validates after each
 * epoch and decides which weights are kept. The test part is looked at once, at the end.
 *
 *     train part ---seed---> learnt from | validation        test part, or cut off the training part, too
 *                              steps        which weights       the result
 *
 * So the figure that is reported has chosen nothing. The cuts and the order of images follow from the seed,
 * and an attempt that resumes makes the same ones.
 *
 * Two networks, as in sl-policy: in training it may have auxiliary classifiers (GoogLeNet's, whose losses
 * count with auxiliary_weight), and what is scored and kept is the same without them (`plain`). */
#include <stdlib.h>
#include <string.h>
#include "workers/data/check.h"
#include "workers/nn/loss.h"
#include "workers/train/options.h"
#include "workers/train/sampler.h"
#include "workers/vision/augment.h"
#include "workers/vision/describe.h"
#include "workers/vision/report.h"
#include "workers/vision/vision.h"
#include "workers/zoo/zoo.h"

enum { SCORE_BATCH = 100, AUXILIARY_MAX = 4, AUXILIARY_NAME_MAX = 8 };

struct classify {
    const struct task *task;
    struct port *port;
    struct image_set set;
    struct image_part validation;
    struct sampler sampler;
    struct network network, plain; /* in training; the same without its auxiliary parts, to score with */
    struct augmentation augmentation;
    float smoothing, auxiliary_weight;
    char auxiliary[AUXILIARY_MAX][AUXILIARY_NAME_MAX]; /* names of outputs that only training has */
    int auxiliary_count;
    int *targets; /* of the batch */
};

/* ---- a step ---- */

static int fill(void *context, const struct train_batch *batch, struct problem *problem) {
    struct classify *self = context;
    size_t floats = image_bytes(&self->set);
    for (int i = 0; i < batch->size; i++) {
        uint32_t index = sampler_at(&self->sampler, batch->first + i);
        self->targets[i] = self->set.train.labels[index];
        image_augment(&self->set, &self->set.train, index, &self->augmentation, batch->rng,
                      batch->inputs[0] + (size_t)i * floats);
    }
    return TG_OK;
}

static int count_right(const float *logits, const int *targets, int size, int classes) {
    int right = 0;
    for (int i = 0; i < size; i++, logits += classes) {
        int best = 0;
        for (int c = 1; c < classes; c++)
            best = logits[c] > logits[best] ? c : best;
        right += best == targets[i];
    }
    return right;
}

static double loss_of(struct classify *self, struct run *run, const char *output, int size, float weight) {
    return (double)weight * loss_cross_entropy((size_t)size, self->set.class_count, run_output(run, output),
                                               self->targets, NULL, self->smoothing, weight,
                                               run_output_gradient(run, output));
}

static double loss(void *context, const struct train_batch *batch, struct run *run, struct train_sums *sums) {
    struct classify *self = context;
    int right = count_right(run_output(run, "classes"), self->targets, batch->size, self->set.class_count);
    double sum = loss_of(self, run, "classes", batch->size, 1);
    train_note(sums, "accuracy", right, batch->size);
    for (int i = 0; i < self->auxiliary_count; i++)
        sum += loss_of(self, run, self->auxiliary[i], batch->size, self->auxiliary_weight);
    return sum;
}

static int validate(void *context, const float *values, int64_t step, double *score,
                    struct problem *problem) {
    struct classify *self = context;
    struct scores scores = {0};
    int error = train_copy_values(self->network.graph, values, &self->plain.model, problem);
    if (!error)
        error = scores_make(self->plain.graph, &self->plain.model, &self->set, &self->validation, SCORE_BATCH,
                            self->port, &scores, problem);
    if (!error) {
        *score = accuracy_of(scores.top1, scores.count).share;
        error = port_metric(self->port, "validation_accuracy", step, *score);
    }
    if (!error)
        error = port_metric(self->port, "validation_loss", step, scores.loss);
    scores_free(&scores);
    return error;
}

static const struct train_ops ops = {fill, loss, validate};

/* ---- before ---- */

static int read_data(struct classify *self, struct problem *problem) {
    const json_t *config = self->task->config;
    const char *path = json_string_value(json_object_get(self->task->inputs, "data"));
    if (!path)
        return problem_set(problem, TG_EMISSING_FIELD, "inputs.data", "needs a data set of labelled images");
    int error = image_set_read(path, &self->set, problem);
    if (!error && self->set.train.count == 0)
        error =
            problem_set(problem, TG_EINVALID, "inputs.data", "has no images to learn from, only a test part");
    if (!error && self->set.test.count == 0)
        error = image_part_split(&self->set, &self->set.train, &self->set.test,
                                 option_number(config, "test_share"), train_seed(self->task), problem);
    if (!error)
        error =
            image_part_split(&self->set, &self->set.train, &self->validation,
                             option_number(config, "validation_share"), train_seed(self->task) + 1, problem);
    if (!error && sampler_create(&self->sampler, self->set.train.count, train_seed(self->task)))
        error = TG_ENO_MEMORY;
    return error;
}

static void find_auxiliary(struct classify *self) {
    const struct graph *graph = self->network.graph;
    for (int i = 0; i < graph_output_count(graph) && self->auxiliary_count < AUXILIARY_MAX; i++) {
        const char *name = graph_output_name(graph, i);
        if (strncmp(name, "aux", 3) == 0 && strlen(name) < AUXILIARY_NAME_MAX)
            snprintf(self->auxiliary[self->auxiliary_count++], AUXILIARY_NAME_MAX, "%s", name);
    }
}

/* A problem's field is the option that describes it, where there is one. */
static int create_described(struct classify *self, const json_t *architecture, struct problem *problem) {
    int error = network_create(architecture, true, train_seed(self->task), &self->network, problem);
    if (error && *option_string(self->task->config, "architecture"))
        problem_prefix(problem, "config");
    return error;
}

/* A new network as described, or the input's with its weights. */
static int make_network(struct classify *self, struct problem *problem) {
    static const char *const taught[] = {"classes", NULL};
    const char *from = json_string_value(json_object_get(self->task->inputs, "network"));
    json_t *architecture = NULL;
    int error;
    if (from) {
        error = network_load(from, true, &self->network, NULL, problem);
        if (error)
            problem_prefix(problem, "inputs.network");
        else
            error = check_fits(self->network.architecture, &self->set, "inputs.network", problem);
    } else {
        error = describe_network(self->task->config, &self->set, &architecture, problem);
        if (!error)
            error = create_described(self, architecture, problem);
        if (!error)
            error = check_fits(self->network.architecture, &self->set, "config.architecture", problem);
        if (!error && (error = zoo_check_taught(self->network.architecture, "classify", taught, problem)))
            problem_prefix(problem, "config");
    }
    json_decref(architecture);
    self->network.step = 0;
    if (!error)
        error = network_create(self->network.architecture, false, 0, &self->plain, problem);
    return error;
}

static int prepare(struct classify *self, struct problem *problem) {
    const json_t *config = self->task->config;
    self->smoothing = (float)option_number(config, "label_smoothing");
    self->auxiliary_weight = (float)option_number(config, "auxiliary_weight");
    self->augmentation = (struct augmentation){.shift = (int)option_int(config, "shift"),
                                               .erase = (int)option_int(config, "erase"),
                                               .flip = option_bool(config, "flip")};
    self->targets = calloc((size_t)option_int(config, "batch"), sizeof *self->targets);
    if (!self->targets)
        return TG_ENO_MEMORY;
    int error = read_data(self, problem);
    if (!error)
        error = make_network(self, problem);
    if (!error)
        find_auxiliary(self);
    return error;
}

/* ---- after ---- */

static json_t *summary_of(const struct classify *self, const struct train_result *result) {
    static const char *const ends[] = {"budget", "patience", "drained"};
    return json_pack(
        "{s:s, s:s, s:I, s:f, s:I, s:f, s:I, s:f, s:I, s:I, s:s}", "family",
        json_string_value(json_object_get(json_object_get(self->network.architecture, "trunk"), "family")),
        "kept", "the weights with the best validation accuracy", "kept_step", (json_int_t)result->best_step,
        "validation_accuracy", result->best_score, "steps", (json_int_t)result->steps, "epochs",
        result->epochs, "training_images", (json_int_t)self->set.train.count, "cpu_minutes",
        result->cpu_minutes, "parameters", (json_int_t)graph_value_count(self->plain.graph), "seed",
        (json_int_t)train_seed(self->task), "end", ends[result->end]);
}

/* The kept weights on the test part, once. */
static int test(struct classify *self, const struct train_result *result, struct problem *problem) {
    struct scores scores = {0};
    json_t *summary = summary_of(self, result);
    int error =
        train_copy_values(self->network.graph, self->network.model.values, &self->plain.model, problem);
    if (!error)
        error = scores_make(self->plain.graph, &self->plain.model, &self->set, &self->set.test, SCORE_BATCH,
                            self->port, &scores, problem);
    if (!error)
        error = port_metric(self->port, "test_accuracy", result->steps,
                            accuracy_of(scores.top1, scores.count).share);
    if (!error)
        error = report_scores(self->port, &self->set, &self->set.test, &scores,
                              (int)option_int(self->task->config, "samples"), train_seed(self->task));
    if (!error)
        error = summary ? add_scores(summary, "test", &scores) : TG_ENO_MEMORY;
    if (!error)
        error = send_result(self->port, summary, result->samples);
    json_decref(summary);
    scores_free(&scores);
    return error;
}

static json_t *metadata_of(const struct classify *self) {
    json_t *names = class_names_json(self->set.class_names, self->set.class_count);
    char *text = names ? json_dumps(names, JSON_COMPACT) : NULL;
    json_t *metadata = text ? json_pack("{s:s, s:s, s:s}", "kind", "classify", "classes", text, "encoding",
                                        image_encoding(self->set.channels))
                            : NULL;
    free(text);
    json_decref(names);
    return metadata;
}

static int train(struct classify *self, struct problem *problem) {
    struct train_options options;
    struct train_result result;
    json_t *metadata = metadata_of(self);
    train_options_read(self->task, &options);
    options.epoch_samples = self->set.train.count;
    options.metadata = metadata;
    int error = metadata ? train_run(&self->network, &options, &ops, self, self->port, &result, problem)
                         : TG_ENO_MEMORY;
    if (!error && result.end != TRAIN_DRAINED)
        error = test(self, &result, problem);
    json_decref(metadata);
    return error;
}

int classify_run(const struct task *task, struct port *port, struct problem *problem) {
    struct classify self = {.task = task, .port = port};
    if (task->units_done >= task->units)
        return TG_OK; /* an earlier attempt sent its result and was cut off before it could say so */
    int error = prepare(&self, problem);
    if (!error)
        error = train(&self, problem);
    image_set_free(&self.set);
    image_part_free(&self.validation);
    sampler_destroy(&self.sampler);
    network_destroy(&self.network);
    network_destroy(&self.plain);
    free(self.targets);
    return error;
}
