/* bench_nn.c - how fast networks run and learn: bench infer, bench train, bench dqn-step, bench
 * transformer.
 *
 * Each measures one thread for a stretch of time and prints the rate of its best tenth of a second beside the
 * mean: on a shared machine the mean measures the neighbours. tests/bench/peers/torch_bench.py runs the same
 * networks in PyTorch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/base/options.h"
#include "proto/base/rng.h"
#include "workers/nn/infer.h"
#include "workers/nn/isa.h"
#include "workers/nn/loss.h"
#include "workers/nn/optimizer.h"
#include "workers/nn/run.h"
#include "workers/run/run.h"
#include "workers/zoo/zoo.h"

#define TOWER_OPTIONS(batch_default)                                                                         \
    {.name = "board",                                                                                        \
     .type = OPTION_INT,                                                                                     \
     .min = 2,                                                                                               \
     .max = 19,                                                                                              \
     .initial = "9",                                                                                         \
     .unit = "points",                                                                                       \
     .help = "board size"},                                                                                  \
        {.name = "blocks",                                                                                   \
         .type = OPTION_INT,                                                                                 \
         .min = 1,                                                                                           \
         .max = 64,                                                                                          \
         .initial = "6",                                                                                     \
         .help = "residual blocks"},                                                                         \
        {.name = "channels",                                                                                 \
         .type = OPTION_INT,                                                                                 \
         .min = 1,                                                                                           \
         .max = 1024,                                                                                        \
         .initial = "96",                                                                                    \
         .help = "channels of a block"},                                                                     \
    {                                                                                                        \
        .name = "batch", .type = OPTION_INT, .min = 1, .max = 4096, .initial = batch_default,                \
        .unit = "samples", .help = "samples at a time"                                                       \
    }
#define COMMON_OPTIONS                                                                                       \
    {.name = "threads",                                                                                      \
     .type = OPTION_INT,                                                                                     \
     .min = 1,                                                                                               \
     .max = 1,                                                                                               \
     .initial = "1",                                                                                         \
     .help = "one: parallel work is processes"},                                                             \
        {.name = "seconds",                                                                                  \
         .type = OPTION_NUMBER,                                                                              \
         .min = 0.01,                                                                                        \
         .max = 600,                                                                                         \
         .initial = "2",                                                                                     \
         .unit = "s",                                                                                        \
         .help = "how long to measure"},                                                                     \
    {                                                                                                        \
        .name = "json", .type = OPTION_BOOL, .initial = "false", .flag_only = true,                          \
        .help = "print one JSON object"                                                                      \
    }

static const struct option_spec infer_options[] = {TOWER_OPTIONS("8"), COMMON_OPTIONS, {.name = NULL}};
static const struct option_spec train_options[] = {TOWER_OPTIONS("64"), COMMON_OPTIONS, {.name = NULL}};
static const struct option_spec dqn_options[] = {
    {.name = "channels",
     .type = OPTION_INT,
     .min = 1,
     .max = 64,
     .initial = "4",
     .unit = "planes",
     .help = "planes of the game"},
    {.name = "batch",
     .type = OPTION_INT,
     .min = 1,
     .max = 4096,
     .initial = "32",
     .unit = "samples",
     .help = "samples an update"},
    COMMON_OPTIONS,
    {.name = NULL},
};

static const struct option_spec transformer_options[] = {
    {.name = "layers",
     .type = OPTION_INT,
     .min = 1,
     .max = 64,
     .initial = "4",
     .help = "of encoder and decoder each"},
    {.name = "width",
     .type = OPTION_INT,
     .min = 4,
     .max = 4096,
     .initial = "256",
     .unit = "channels",
     .help = "of a token"},
    {.name = "heads", .type = OPTION_INT, .min = 1, .max = 64, .initial = "4", .help = "attention heads"},
    {.name = "tokens",
     .type = OPTION_INT,
     .min = 1,
     .max = 4096,
     .initial = "32",
     .unit = "tokens",
     .help = "of source and target each"},
    {.name = "vocabulary",
     .type = OPTION_INT,
     .min = 2,
     .max = 65536,
     .initial = "1000",
     .unit = "tokens",
     .help = "different ones"},
    {.name = "batch",
     .type = OPTION_INT,
     .min = 1,
     .max = 4096,
     .initial = "32",
     .unit = "samples",
     .help = "samples at a time"},
    COMMON_OPTIONS,
    {.name = NULL},
};

/* ---- timing ---- */

struct rate {
    double best, mean; /* calls a second */
    int64_t calls;
};

static struct rate measure(double seconds, void (*call)(void *context), void *context) {
    const int64_t window_ns = 100 * 1000 * 1000;
    struct rate rate = {0};
    call(context); /* warm */
    int64_t begin = clock_monotonic_ns(), window = begin, now = begin, in_window = 0;
    while (now - begin < (int64_t)(seconds * 1e9)) {
        call(context);
        rate.calls++;
        in_window++;
        now = clock_monotonic_ns();
        if (now - window < window_ns)
            continue;
        double here = (double)in_window * 1e9 / (double)(now - window);
        rate.best = here > rate.best ? here : rate.best;
        window = now;
        in_window = 0;
    }
    rate.mean = (double)rate.calls * 1e9 / (double)(now - begin);
    rate.best = rate.best > rate.mean ? rate.best : rate.mean;
    return rate;
}

/* Bytes of memory that this process has in use; 0 where /proc does not say. */
static size_t resident_bytes(void) {
    char text[128] = "", *resident; /* the second number, in pages */
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    const bool got = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    resident = strchr(text, ' ');
    return got && resident ? strtoul(resident, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static size_t trained_values(const struct graph *graph) {
    size_t count = 0;
    for (int i = 0; i < graph_param_count(graph); i++) {
        struct param_view param = graph_param_view(graph, i);
        count += param.trained ? shape_elements(param.shape) : 0;
    }
    return count;
}

/* Prints what was measured and `memory`, further members of the figures, which it takes over. */
static int report(const json_t *options, const char *bench, const char *unit, double per_call,
                  struct rate rate, const struct graph *graph, json_t *memory) {
    json_t *figures =
        json_pack("{s:s, s:s, s:f, s:f, s:I, s:I, s:I}", "bench", bench, "isa", kernels_get()->name, unit,
                  rate.best * per_call, "mean", rate.mean * per_call, "calls", (json_int_t)rate.calls,
                  "parameters", (json_int_t)trained_values(graph), "resident", (json_int_t)resident_bytes());
    json_object_update(figures, memory);
    if (figures && option_bool(options, "json"))
        json_dumpf(figures, stdout, JSON_REAL_PRECISION(6));
    else
        printf("%s: %.1f %s (mean %.1f), %.1f MB resident, %s", bench, rate.best * per_call, unit,
               rate.mean * per_call, (double)resident_bytes() / 1e6, kernels_get()->name);
    printf("\n");
    json_decref(memory);
    json_decref(figures);
    return 0;
}

/* Of a training step, in bytes: the arena, what of it backward reads at its begin, the most that lives at a
 * step, and the values with their gradients and the optimizer's state. */
static json_t *training_memory(const struct graph *graph, const struct run *run,
                               const struct optimizer *optimizer) {
    const size_t arrays = 2 + (size_t)optimizer_slot_count(optimizer);
    struct run_memory memory = run_memory(run);
    return json_pack("{s:I, s:I, s:I, s:I}", "arena", (json_int_t)memory.arena, "needed",
                     (json_int_t)memory.needed, "live", (json_int_t)memory.live, "values",
                     (json_int_t)(arrays * graph_value_count(graph) * sizeof(float)));
}

/* ---- networks ---- */

static struct graph *network(const char *text, bool training) {
    struct problem problem = {0};
    struct graph *graph = NULL;
    json_t *given = json_loads(text, 0, NULL), *checked = NULL;
    if (zoo_check(given, &checked, &problem) || zoo_build(checked, training, &graph, &problem))
        fprintf(stderr, "tengen-run bench: %s: %s\n", problem.field, problem.detail);
    json_decref(given);
    json_decref(checked);
    return graph;
}

static struct graph *tower(const json_t *options, bool training) {
    char text[400];
    snprintf(text, sizeof text,
             "{\"version\": 1, \"input\": {\"height\": %d, \"width\": %d, \"channels\": 18}, \"trunk\": "
             "{\"family\": \"resnet\","
             " \"stages\": \"%dx%d\"}, \"heads\": [{\"kind\": \"policy\"}, {\"kind\": \"value\"}]}",
             (int)option_int(options, "board"), (int)option_int(options, "board"),
             (int)option_int(options, "channels"), (int)option_int(options, "blocks"));
    return network(text, training);
}

/* A batch for the network's first input, zeros and ones as planes are; the caller frees. */
static float *planes_create(const struct graph *graph, int batch) {
    size_t count = (size_t)batch * shape_elements(graph_input_shape(graph, 0));
    float *planes = malloc(count * sizeof *planes);
    struct rng rng;
    rng_seed(&rng, 1);
    for (size_t i = 0; planes && i < count; i++)
        planes[i] = (float)rng_below(&rng, 2);
    return planes;
}

static void planes_copy(const struct graph *graph, int batch, const float *planes, float *to) {
    memcpy(to, planes, (size_t)batch * shape_elements(graph_input_shape(graph, 0)) * sizeof *to);
}

/* ---- infer ---- */

struct infer_bench {
    struct graph *graph;
    struct model model;
    struct infer *infer;
    float *planes;
    int batch;
};

static void infer_call(void *context) {
    struct infer_bench *b = context;
    planes_copy(b->graph, b->batch, b->planes, infer_input(b->infer, 0));
    infer_forward(b->infer, b->batch);
}

static int infer_prepare(struct infer_bench *b) {
    struct problem problem = {.detail = "out of memory"};
    b->planes = planes_create(b->graph, b->batch);
    if (b->planes && !model_create(b->graph, &b->model)) {
        model_init(&b->model, 1);
        if (!infer_create(b->graph, &b->model, b->batch, &b->infer, &problem))
            return RUN_OK;
    }
    fprintf(stderr, "tengen-run bench: %s\n", problem.detail);
    return RUN_FAILED;
}

int bench_infer(int argc, char **argv) {
    json_t *options = NULL;
    struct infer_bench bench = {0};
    int code = run_options("bench infer [options]", infer_options, argc, argv, &options, NULL);
    if (options) {
        bench.batch = (int)option_int(options, "batch");
        bench.graph = tower(options, false);
        code = bench.graph ? infer_prepare(&bench) : RUN_FAILED;
        if (code == RUN_OK) {
            struct rate rate = measure(option_number(options, "seconds"), infer_call, &bench);
            code = report(options, "infer", "evals_per_s", bench.batch, rate, bench.graph,
                          json_pack("{s:I}", "bytes", (json_int_t)infer_bytes(bench.infer)));
        }
    }
    infer_destroy(bench.infer);
    model_destroy(&bench.model);
    graph_destroy(bench.graph);
    free(bench.planes);
    json_decref(options);
    return code;
}

/* ---- train and dqn-step ---- */

struct train_bench {
    struct graph *graph;
    struct model model, target;
    struct run *run;
    struct infer *frozen; /* dqn-step: the target network */
    struct optimizer *optimizer;
    float *planes, *gradients, *zeros;
    int *classes;
    int batch, outputs;
};

static void train_call(void *context) {
    struct train_bench *b = context;
    planes_copy(b->graph, b->batch, b->planes, run_input(b->run, 0));
    run_forward(b->run, &b->model, b->batch);
    loss_cross_entropy((size_t)b->batch, b->outputs, run_output(b->run, "policy"), b->classes, NULL, 0, 1,
                       run_output_gradient(b->run, "policy"));
    loss_squared_error((size_t)b->batch, 1, run_output(b->run, "value"), b->zeros, NULL, 1,
                       run_output_gradient(b->run, "value"));
    run_gradients(b->run, &b->model, b->gradients);
    optimizer_step(b->optimizer, &b->model, b->gradients, 1e-4f);
}

/* One update of DQN: the target network's best next value, the Huber loss of the action taken, centred
 * RMSProp. */
static void dqn_call(void *context) {
    struct train_bench *b = context;
    float targets[4096], *gradient = run_output_gradient(b->run, "q");
    planes_copy(b->graph, b->batch, b->planes, infer_input(b->frozen, 0));
    planes_copy(b->graph, b->batch, b->planes, run_input(b->run, 0));
    infer_forward(b->frozen, b->batch);
    run_forward(b->run, &b->model, b->batch);
    const float *next = infer_output(b->frozen, "q"), *q = run_output(b->run, "q");
    for (int i = 0; i < b->batch; i++) {
        float best = next[i * b->outputs], taken = q[i * b->outputs], slope;
        for (int a = 1; a < b->outputs; a++)
            best = next[i * b->outputs + a] > best ? next[i * b->outputs + a] : best;
        targets[i] = 0.99f * best;
        loss_huber(1, 1, &taken, &targets[i], NULL, 1, 1 / (float)b->batch, &slope);
        gradient[i * b->outputs] = slope;
    }
    run_gradients(b->run, &b->model, b->gradients);
    optimizer_step(b->optimizer, &b->model, b->gradients, 1e-4f);
}

static int train_prepare(struct train_bench *b, const struct optimizer_options *rule, const char *output) {
    struct problem problem = {0};
    int error = model_create(b->graph, &b->model);
    for (int i = 0; i < graph_output_count(b->graph); i++)
        if (!strcmp(graph_output_name(b->graph, i), output))
            b->outputs = (int)shape_elements(graph_output_shape(b->graph, i));
    if (!error)
        model_init(&b->model, 1);
    if (!error)
        error = run_create(b->graph, RUN_TRAINING, b->batch, 1, &b->run, &problem);
    if (!error)
        error = optimizer_create(b->graph, rule, &b->optimizer, &problem);
    b->planes = planes_create(b->graph, b->batch);
    b->gradients = calloc(graph_value_count(b->graph) + 1, sizeof(float));
    b->zeros = calloc((size_t)b->batch, sizeof(float));
    b->classes = calloc((size_t)b->batch, sizeof(int));
    if (error || !b->planes || !b->gradients || !b->zeros || !b->classes) {
        fprintf(stderr, "tengen-run bench: %s\n", error ? problem.detail : "out of memory");
        return 1;
    }
    return 0;
}

static void train_release(struct train_bench *b) {
    infer_destroy(b->frozen);
    optimizer_destroy(b->optimizer);
    run_destroy(b->run);
    model_destroy(&b->model);
    graph_destroy(b->graph);
    free(b->planes);
    free(b->gradients);
    free(b->zeros);
    free(b->classes);
}

int bench_train(int argc, char **argv) {
    json_t *options = NULL;
    struct train_bench bench = {0};
    const struct optimizer_options sgd = {.rule = OPTIMIZER_SGD, .momentum = 0.9f, .weight_decay = 1e-4f};
    int code = run_options("bench train [options]", train_options, argc, argv, &options, NULL);
    if (options) {
        bench.batch = (int)option_int(options, "batch");
        bench.graph = tower(options, true);
        code = !bench.graph || train_prepare(&bench, &sgd, "policy");
        if (code == 0) {
            struct rate rate = measure(option_number(options, "seconds"), train_call, &bench);
            code = report(options, "train", "samples_per_s", bench.batch, rate, bench.graph,
                          training_memory(bench.graph, bench.run, bench.optimizer));
        }
    }
    train_release(&bench);
    json_decref(options);
    return code;
}

int bench_dqn_step(int argc, char **argv) {
    json_t *options = NULL;
    struct problem problem = {0};
    struct train_bench bench = {0};
    const struct optimizer_options rmsprop = {
        .rule = OPTIMIZER_RMSPROP, .decay = 0.95f, .epsilon = 0.01f, .centred = true};
    int code = run_options("bench dqn-step [options]", dqn_options, argc, argv, &options, NULL);
    if (options) {
        char text[300];
        snprintf(text, sizeof text,
                 "{\"version\": 1, \"input\": {\"height\": 10, \"width\": 10, \"channels\": %d}, \"trunk\": "
                 "{\"family\": \"dqn\"},"
                 " \"heads\": [{\"kind\": \"q\"}]}",
                 (int)option_int(options, "channels"));
        bench.batch = (int)option_int(options, "batch");
        bench.graph = network(text, true);
        code = !bench.graph || train_prepare(&bench, &rmsprop, "q") ||
               infer_create(bench.graph, &bench.model, bench.batch, &bench.frozen, &problem);
        if (code == 0) {
            struct rate rate = measure(option_number(options, "seconds"), dqn_call, &bench);
            code = report(options, "dqn-step", "updates_per_s", 1, rate, bench.graph,
                          training_memory(bench.graph, bench.run, bench.optimizer));
        }
    }
    train_release(&bench);
    json_decref(options);
    return code;
}

/* ---- transformer ---- */

struct token_bench {
    struct graph *graph;
    struct model model;
    struct run *run;
    struct optimizer *optimizer;
    float *source, *target, *gradients;
    int *truth;
    size_t count; /* tokens of one side of the batch */
    int batch, vocabulary;
};

static void transformer_call(void *context) {
    struct token_bench *b = context;
    memcpy(run_input(b->run, 0), b->source, b->count * sizeof(float));
    memcpy(run_input(b->run, 1), b->target, b->count * sizeof(float));
    run_forward(b->run, &b->model, b->batch);
    loss_cross_entropy(b->count, b->vocabulary, run_output(b->run, "tokens"), b->truth, NULL, 0.1f, 1,
                       run_output_gradient(b->run, "tokens"));
    run_gradients(b->run, &b->model, b->gradients);
    optimizer_step(b->optimizer, &b->model, b->gradients, 1e-4f);
}

static int transformer_prepare(struct token_bench *b) {
    const struct optimizer_options adam = {
        .rule = OPTIMIZER_ADAM, .momentum = 0.9f, .decay = 0.98f, .epsilon = 1e-9f};
    struct problem problem = {.detail = "out of memory"};
    struct rng rng;
    rng_seed(&rng, 1);
    b->source = calloc(b->count, sizeof(float));
    b->target = calloc(b->count, sizeof(float));
    b->truth = calloc(b->count, sizeof(int));
    b->gradients = calloc(graph_value_count(b->graph) + 1, sizeof(float));
    bool ready = b->source && b->target && b->truth && b->gradients && !model_create(b->graph, &b->model);
    if (ready)
        model_init(&b->model, 1);
    if (!ready || run_create(b->graph, RUN_TRAINING, b->batch, 1, &b->run, &problem) ||
        optimizer_create(b->graph, &adam, &b->optimizer, &problem)) {
        fprintf(stderr, "tengen-run bench: %s\n", problem.detail);
        return RUN_FAILED;
    }
    for (size_t i = 0; i < b->count; i++) { /* 0 would be padding */
        b->source[i] = (float)(1 + rng_below(&rng, (uint32_t)b->vocabulary - 1));
        b->target[i] = (float)(1 + rng_below(&rng, (uint32_t)b->vocabulary - 1));
        b->truth[i] = 1 + (int)rng_below(&rng, (uint32_t)b->vocabulary - 1);
    }
    return RUN_OK;
}

/* As PyTorch's nn.Transformer: ReLU, normalization first, one more at the end of both halves. */
static struct graph *translator(const json_t *o) {
    char text[500];
    int tokens = (int)option_int(o, "tokens"), width = (int)option_int(o, "width");
    snprintf(
        text, sizeof text,
        "{\"version\": 1, \"input\": {\"tokens\": %d, \"target_tokens\": %d, \"vocabulary\": %d}, \"trunk\": "
        "{\"family\": \"transformer\", \"layers\": %d, \"width\": %d, \"heads\": %d, \"feed_forward\": %d, "
        "\"activation\": \"relu\"}, \"heads\": [{\"kind\": \"tokens\"}]}",
        tokens, tokens, (int)option_int(o, "vocabulary"), (int)option_int(o, "layers"), width,
        (int)option_int(o, "heads"), 4 * width);
    return network(text, true);
}

int bench_transformer(int argc, char **argv) {
    json_t *options = NULL;
    struct token_bench b = {0};
    int code = run_options("bench transformer [options]", transformer_options, argc, argv, &options, NULL);
    if (options) {
        b.batch = (int)option_int(options, "batch");
        b.vocabulary = (int)option_int(options, "vocabulary");
        b.count = (size_t)b.batch * (size_t)option_int(options, "tokens");
        b.graph = translator(options);
        code = b.graph ? transformer_prepare(&b) : RUN_FAILED;
        if (code == RUN_OK) {
            struct rate rate = measure(option_number(options, "seconds"), transformer_call, &b);
            code = report(options, "transformer", "samples_per_s", b.batch, rate, b.graph,
                          training_memory(b.graph, b.run, b.optimizer));
        }
    }
    optimizer_destroy(b.optimizer);
    run_destroy(b.run);
    model_destroy(&b.model);
    graph_destroy(b.graph);
    free(b.source), free(b.target), free(b.gradients), free(b.truth);
    json_decref(options);
    return code;
}
