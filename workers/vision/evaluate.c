/* evaluate.c - the kind evaluate: scores a checkpoint of classify on a data set. */
#include <string.h>
#include "workers/train/options.h"
#include "workers/vision/describe.h"
#include "workers/vision/report.h"
#include "workers/vision/vision.h"
#include "workers/zoo/network.h"

static int input_path(const struct task *task, const char *name, const char **path, struct problem *problem) {
    char field[64];
    *path = json_string_value(json_object_get(task->inputs, name));
    snprintf(field, sizeof field, "inputs.%s", name);
    return *path ? TG_OK : problem_set(problem, TG_EMISSING_FIELD, field, "is required");
}

/* What is scored, and how its figures are called: "test_accuracy". */
struct part {
    const struct image_part *images;
    const char *name; /* "": a set without parts */
};

/* A part by name. A set of one part is that part; where it has images to learn from alone, these are the whole set
 * and not what was asked for. */
static struct part part_of(const struct image_set *set, const char *name) {
    const bool test = strcmp(name, "test") == 0;
    if (set->test.count == 0)
        return (struct part){&set->train, test ? "" : "train"};
    return set->train.count == 0 || test ? (struct part){&set->test, "test"}
                                         : (struct part){&set->train, "train"};
}

static int score(const struct task *task, struct port *port, const struct network *network,
                 const struct image_set *set, json_t *summary, struct problem *problem) {
    const struct part part = part_of(set, option_string(task->config, "part"));
    struct scores scores;
    int error = scores_make(network->graph, &network->model, set, part.images,
                            (int)option_int(task->config, "batch"), port, &scores, problem);
    if (error)
        return error;
    error = port_metric(port, "accuracy", network->step, accuracy_of(scores.top1, scores.count).share);
    if (!error)
        error = port_metric(port, "loss", network->step, scores.loss);
    if (!error)
        error = report_scores(port, set, part.images, &scores, (int)option_int(task->config, "samples"),
                              train_seed(task));
    if (!error)
        error = add_scores(summary, part.name, &scores);
    if (!error)
        error = send_result(port, summary, part.images->count);
    scores_free(&scores);
    return error;
}

static int evaluate(const struct task *task, struct port *port, struct problem *problem) {
    const char *checkpoint, *data;
    struct network network = {0};
    struct image_set set = {0};
    json_t *summary = json_object();
    int error = input_path(task, "network", &checkpoint, problem);
    if (!error)
        error = input_path(task, "data", &data, problem);
    if (!error && (error = network_load(checkpoint, false, &network, NULL, problem)))
        problem_prefix(problem, "inputs.network");
    if (!error)
        error = image_set_read(data, &set, problem);
    if (!error)
        error = check_fits(network.architecture, &set, "inputs.network", problem);
    if (!error)
        error = score(task, port, &network, &set, summary, problem);
    image_set_free(&set);
    network_destroy(&network);
    json_decref(summary);
    return error;
}

int evaluate_run(const struct task *task, struct port *port, struct problem *problem) {
    return task->units_done >= task->units ? TG_OK : evaluate(task, port, problem);
}
