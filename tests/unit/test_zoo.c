/* The families: every one builds, learns one batch by heart, and says what does not fit. */
#include "nn_support.h"
#include "workers/nn/check.h"
#include "workers/nn/infer.h"
#include "workers/nn/loss.h"
#include "workers/nn/optimizer.h"
#include "workers/zoo/network.h"
#include "workers/zoo/parts.h"
#include "workers/zoo/zoo.h"

static json_t *parse(const char *text) {
    json_t *value = json_loads(text, 0, NULL);
    if (!value)
        fail_msg("bad JSON in the test: %s", text);
    return value;
}

static int check_text(const char *text, json_t **checked, struct problem *problem) {
    json_t *given = parse(text);
    int error = zoo_check(given, checked, problem);
    json_decref(given);
    return error;
}

/* A description with this trunk and these heads over an input of side x side x 2. */
static struct graph *build_sized(const char *trunk, const char *heads, bool training, int side) {
    char text[1000];
    struct problem problem = {0};
    struct graph *graph = NULL;
    json_t *checked = NULL;
    snprintf(text, sizeof text,
             "{\"version\": 1, \"input\": {\"height\": %d, \"width\": %d, \"channels\": 2}, \"trunk\": %s, "
             "\"heads\": %s}",
             side, side, trunk, heads);
    if (check_text(text, &checked, &problem) || zoo_build(checked, training, &graph, &problem))
        fail_msg("%s: %s: %s", trunk, problem.field, problem.detail);
    json_decref(checked);
    return graph;
}

static struct graph *build(const char *trunk, const char *heads, bool training) {
    return build_sized(trunk, heads, training, 12);
}

enum { BATCH = 8, CLASSES = 4 };

/* Steps of Adam on one random batch until the loss is below `enough`; the last loss. */
static double learn_by_heart(struct graph *graph, int steps, double enough) {
    struct model model;
    struct run *run;
    struct optimizer *optimizer;
    struct rng rng;
    rng_seed(&rng, 3);
    const struct optimizer_options adam = {
        .rule = OPTIMIZER_ADAM, .momentum = 0.9f, .decay = 0.999f, .epsilon = 1e-8f};
    assert_int_equal(model_create(graph, &model), 0);
    model_init(&model, 1);
    assert_int_equal(run_create(graph, RUN_TRAINING, BATCH, 1, &run, NULL), 0);
    assert_int_equal(optimizer_create(graph, &adam, &optimizer, NULL), 0);
    size_t size = BATCH * shape_elements(graph_input_shape(graph, 0));
    float *x = random_floats(&rng, size),
          *gradients = malloc((graph_value_count(graph) + 1) * sizeof *gradients);
    int targets[BATCH];
    for (int i = 0; i < BATCH; i++)
        targets[i] = i % CLASSES;
    double loss = INFINITY;
    for (int step = 0; step < steps && loss > enough; step++) {
        memset(gradients, 0, graph_value_count(graph) * sizeof *gradients);
        memcpy(run_input(run, 0), x, size * sizeof *x);
        run_forward(run, &model, BATCH);
        for (int o = 0; o < graph_output_count(graph); o++) {
            const char *name = graph_output_name(graph, o);
            double part = loss_cross_entropy(BATCH, CLASSES, run_output(run, name), targets, NULL, 0, 1,
                                             run_output_gradient(run, name));
            loss = strcmp(name, "classes") ? loss : part;
        }
        run_backward(run, &model, gradients);
        optimizer_step(optimizer, &model, gradients, 2e-3f);
    }
    free(x), free(gradients);
    optimizer_destroy(optimizer);
    run_destroy(run);
    model_destroy(&model);
    return loss;
}

static const char *const small_trunks[] = {
    "{\"family\": \"vgg\", \"stages\": \"8 8 / 16\"}",
    "{\"family\": \"googlenet\", \"width\": 0.05}",
    "{\"family\": \"resnet\", \"stages\": \"8 / 16\"}",
    "{\"family\": \"resnet\", \"stages\": \"4 / 8\", \"form\": \"bottleneck\"}",
    "{\"family\": \"resnet\", \"stages\": \"8x2\", \"form\": \"preactivation\", \"squeeze\": 4}",
    "{\"family\": \"densenet\", \"blocks\": \"3 / 3\", \"growth\": 6}",
    "{\"family\": \"transformer\", \"patch\": 3, \"layers\": 2, \"width\": 16, \"heads\": 2, "
    "\"feed_forward\": 32}",
    "{\"family\": \"alphago\", \"layers\": 4, \"filters\": 12}",
    "{\"family\": \"dqn\"}",
};

static void every_family_learns_one_batch_by_heart(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof small_trunks / sizeof *small_trunks; i++) {
        struct graph *graph = build(small_trunks[i], "[{\"kind\": \"classes\", \"classes\": 4}]", true);
        double loss = learn_by_heart(graph, 400, 0.01);
        if (!(loss <= 0.01))
            fail_msg("%s still has a loss of %.3f", small_trunks[i], loss);
        graph_destroy(graph);
    }
}

/* ---- the encoder-decoder ---- */

enum { SOURCE = 7, TARGET = 6, WORDS = 11 };

static const char *const pair_forms[] = {"true", "false"}; /* norm_first */

static struct network pair_network(const char *norm_first, uint64_t seed) {
    char text[700];
    struct network network;
    struct problem problem = {0};
    snprintf(text, sizeof text,
             "{\"version\": 1, \"input\": {\"tokens\": %d, \"target_tokens\": %d, \"vocabulary\": %d}, "
             "\"trunk\": {\"family\": \"transformer\", \"layers\": 2, \"width\": 16, \"heads\": 2, "
             "\"feed_forward\": 32, \"activation\": \"relu\", \"norm_first\": %s}, \"heads\": [{\"kind\": "
             "\"tokens\"}]}",
             SOURCE, TARGET, WORDS, norm_first);
    json_t *given = parse(text);
    if (network_create(given, true, seed, &network, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    json_decref(given);
    return network;
}

struct pair_batch {
    float source[BATCH * SOURCE], target[BATCH * TARGET];
    int truth[BATCH * TARGET];
};

/* Random sequences of mixed lengths, padded with 0; places of padding have no label. */
static struct pair_batch pair_batch(void) {
    struct pair_batch b = {0};
    struct rng rng;
    rng_seed(&rng, 12);
    for (int i = 0; i < BATCH; i++)
        for (int t = 0, length = 2 + i % (TARGET - 1); t < SOURCE; t++) {
            if (t < length)
                b.source[i * SOURCE + t] = (float)(1 + rng_below(&rng, WORDS - 1));
            if (t >= TARGET)
                continue;
            b.target[i * TARGET + t] = (float)(t < length ? 1 + rng_below(&rng, WORDS - 1) : 0);
            b.truth[i * TARGET + t] = t < length ? 1 + (int)rng_below(&rng, WORDS - 1) : -1;
        }
    return b;
}

static double pair_step(struct network *network, struct run *run, const struct pair_batch *b,
                        struct optimizer *optimizer, float *gradients) {
    memset(gradients, 0, graph_value_count(network->graph) * sizeof *gradients);
    memcpy(run_input(run, 0), b->source, sizeof b->source);
    memcpy(run_input(run, 1), b->target, sizeof b->target);
    run_forward(run, &network->model, BATCH);
    double loss = loss_cross_entropy(BATCH * TARGET, WORDS, run_output(run, "tokens"), b->truth, NULL, 0, 1,
                                     run_output_gradient(run, "tokens"));
    run_backward(run, &network->model, gradients);
    optimizer_step(optimizer, &network->model, gradients, 3e-3f);
    return loss;
}

static double pair_learn(struct network *network, int steps, double enough) {
    const struct optimizer_options adam = {
        .rule = OPTIMIZER_ADAM, .momentum = 0.9f, .decay = 0.98f, .epsilon = 1e-9f};
    struct pair_batch batch = pair_batch();
    struct run *run;
    struct optimizer *optimizer;
    double loss = INFINITY;
    float *gradients = calloc(graph_value_count(network->graph) + 1, sizeof *gradients);
    assert_int_equal(run_create(network->graph, RUN_TRAINING, BATCH, 1, &run, NULL), 0);
    assert_int_equal(optimizer_create(network->graph, &adam, &optimizer, NULL), 0);
    for (int step = 0; step < steps && loss > enough; step++)
        loss = pair_step(network, run, &batch, optimizer, gradients);
    free(gradients);
    optimizer_destroy(optimizer);
    run_destroy(run);
    return loss;
}

static void the_encoder_decoder_learns_one_batch_by_heart(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        struct network network = pair_network(pair_forms[form], 1), again = pair_network(pair_forms[form], 1);
        assert_string_equal(graph_output_name(network.graph, 0), "tokens");
        double loss = pair_learn(&network, 500, 0.01);
        if (!(loss <= 0.01))
            fail_msg("norm_first %s still has a loss of %.3f", pair_forms[form], loss);
        pair_learn(&again, 500, 0.01); /* two runs with one seed are identical */
        assert_memory_equal(network.model.values, again.model.values,
                            graph_value_count(network.graph) * sizeof(float));
        network_destroy(&network);
        network_destroy(&again);
    }
}

/* Outputs of `network` for the batch, to be freed. */
static float *pair_outputs(const struct network *network, const struct pair_batch *b) {
    size_t count = BATCH * TARGET * WORDS;
    float *out = malloc(count * sizeof *out);
    struct infer *infer;
    assert_int_equal(infer_create(network->graph, &network->model, BATCH, &infer, NULL), 0);
    memcpy(infer_input(infer, 0), b->source, sizeof b->source);
    memcpy(infer_input(infer, 1), b->target, sizeof b->target);
    infer_forward(infer, BATCH);
    memcpy(out, infer_output(infer, "tokens"), count * sizeof *out);
    infer_destroy(infer);
    return out;
}

/* A place of the target sees the source and what is before it in the target; padding of the source is not
 * there. */
static void the_decoder_does_not_see_the_future_or_padding(void **state) {
    (void)state;
    struct network network = pair_network("false", 3);
    struct pair_batch batch = pair_batch(), changed = batch;
    float *before = pair_outputs(&network, &batch);
    changed.target[4] = changed.target[4] == 3 ? 4 : 3; /* place 4 of the first sample */
    float *after = pair_outputs(&network, &changed);
    assert_memory_equal(before, after, 4 * WORDS * sizeof(float));
    assert_memory_not_equal(before + 4 * WORDS, after + 4 * WORDS, WORDS * sizeof(float));
    free(after);
    changed = batch;
    changed.source[0] = changed.source[0] == 3 ? 4 : 3;
    after = pair_outputs(&network, &changed);
    assert_memory_not_equal(before, after, WORDS * sizeof(float));
    free(before), free(after);
    network_destroy(&network);
}

static void every_family_carries_every_head_and_compiles(void **state) {
    (void)state;
    const char *heads =
        "[{\"kind\": \"policy\"}, {\"kind\": \"value\"}, {\"kind\": \"ownership\"}, {\"kind\": \"pixels\"},"
        " {\"kind\": \"q\", \"dueling\": true}, {\"kind\": \"classes\", \"hidden\": 8}]";
    for (size_t i = 0; i + 1 < sizeof small_trunks / sizeof *small_trunks;
         i++) { /* dqn has no map of points */
        struct graph *graph = build(small_trunks[i], heads, false);
        struct model model;
        struct run *run;
        struct infer *infer;
        struct rng rng;
        rng_seed(&rng, 4);
        float *x = random_floats(&rng, 2 * 12 * 12 * 2);
        assert_int_equal(model_create(graph, &model), 0);
        model_init(&model, 2);
        assert_int_equal(run_create(graph, RUN_INFERENCE, 2, 1, &run, NULL), 0);
        assert_int_equal(infer_create(graph, &model, 2, &infer, NULL), 0);
        memcpy(run_input(run, 0), x, 2 * 12 * 12 * 2 * sizeof *x);
        memcpy(infer_input(infer, 0), x, 2 * 12 * 12 * 2 * sizeof *x);
        run_forward(run, &model, 2);
        infer_forward(infer, 2);
        for (int o = 0; o < graph_output_count(graph); o++) {
            const char *name = graph_output_name(graph, o);
            size_t count = 2 * shape_elements(graph_output_shape(graph, o));
            for (size_t j = 0; j < count; j++)
                if (!(fabsf(infer_output(infer, name)[j] - run_output(run, name)[j]) < 1e-3f))
                    fail_msg("%s, %s: compiled %g, plain %g", small_trunks[i], name,
                             (double)infer_output(infer, name)[j], (double)run_output(run, name)[j]);
        }
        free(x);
        infer_destroy(infer);
        run_destroy(run);
        model_destroy(&model);
        graph_destroy(graph);
    }
}

static void auxiliary_classifiers_are_there_in_training_only(void **state) {
    (void)state;
    struct graph *training = build(small_trunks[1], "[{\"kind\": \"classes\"}]", true);
    struct graph *serving = build(small_trunks[1], "[{\"kind\": \"classes\"}]", false);
    assert_int_equal(graph_output_count(training), 3);
    assert_string_equal(graph_output_name(training, 0), "aux1");
    assert_int_equal(graph_output_count(serving), 1);
    graph_destroy(training);
    graph_destroy(serving);
}

/* At sizes that are trained for real; nothing is computed. (dqn is not among them: in a network of two or
 * three layers the gradient of the largest result is of the size of all that is kept: see below.) */
static void a_training_step_takes_little_more_than_backward_reads(void **state) {
    (void)state;
    const char *const trunks[] = {
        "{\"family\": \"vgg\"}",
        "{\"family\": \"googlenet\"}",
        "{\"family\": \"resnet\", \"stages\": \"32x3 / 64x3 / 128x3\"}",
        "{\"family\": \"resnet\", \"stages\": \"96x6\", \"squeeze\": 4}",
        "{\"family\": \"densenet\"}",
        "{\"family\": \"transformer\", \"patch\": 4}",
        "{\"family\": \"alphago\", \"filters\": 64}",
    };
    for (size_t i = 0; i < sizeof trunks / sizeof *trunks; i++) {
        struct graph *graph = build_sized(
            trunks[i], i == 7 ? "[{\"kind\": \"q\"}]" : "[{\"kind\": \"classes\"}]", true, i == 7 ? 84 : 28);
        struct run *run;
        assert_int_equal(run_create(graph, RUN_TRAINING, 128, 1, &run, NULL), 0);
        struct run_memory memory = run_memory(run);
        if (!(memory.needed > 0 && (double)memory.arena <= 1.2 * (double)memory.needed))
            fail_msg("%s: the arena is %zu bytes, backward needs %zu (%.3f)", trunks[i], memory.arena,
                     memory.needed, (double)memory.arena / (double)memory.needed);
        run_destroy(run);
        graph_destroy(graph);
    }
}

static void dqn_takes_little_more_than_its_results_and_one_gradient(void **state) {
    (void)state;
    struct graph *graph = build_sized("{\"family\": \"dqn\"}", "[{\"kind\": \"q\"}]", true, 10);
    struct run *run;
    assert_int_equal(run_create(graph, RUN_TRAINING, 32, 1, &run, NULL), 0);
    struct run_memory memory = run_memory(run);
    if (!(memory.live > 0 && (double)memory.arena <= 1.2 * (double)memory.live))
        fail_msg("the arena is %zu bytes, of which %zu live at once", memory.arena, memory.live);
    run_destroy(run);
    graph_destroy(graph);
}

static void the_papers_networks_have_their_number_of_parameters(void **state) {
    (void)state;
    /* AlphaGo's policy trunk: 5x5x48x192 + 11 of 3x3x192x192, with biases. ResNet-20's 0.27 M (He et al.,
     * table 6). */
    const struct {
        const char *text;
        size_t least, most;
    } known[] = {
        {"{\"version\": 1, \"input\": {\"height\": 19, \"width\": 19, \"channels\": 48}, \"trunk\": "
         "{\"family\": \"alphago\"},"
         " \"heads\": [{\"kind\": \"ownership\"}]}",
         230400 + 11 * 331776 + 12 * 192 + 193, 230400 + 11 * 331776 + 12 * 192 + 193},
        {"{\"version\": 1, \"input\": {\"height\": 32, \"width\": 32, \"channels\": 3}, \"trunk\": "
         "{\"family\": \"resnet\","
         " \"stages\": \"16x3 / 32x3 / 64x3\"}, \"heads\": [{\"kind\": \"classes\"}]}",
         265000, 280000},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        json_t *checked;
        struct graph *graph;
        assert_int_equal(check_text(known[i].text, &checked, NULL), 0);
        assert_int_equal(zoo_build(checked, false, &graph, NULL), 0);
        assert_in_range(graph_value_count(graph), known[i].least, known[i].most);
        graph_destroy(graph);
        json_decref(checked);
    }
}

static void assert_refused(const char *text, int error, const char *field, const char *part) {
    struct problem problem = {0};
    struct graph *graph = NULL;
    json_t *checked = NULL;
    int got = check_text(text, &checked, &problem);
    if (!got)
        got = zoo_build(checked, false, &graph, &problem);
    assert_int_equal(got, error);
    assert_string_equal(problem.field, field);
    if (!strstr(problem.detail, part))
        fail_msg("\"%s\" does not say \"%s\"", problem.detail, part);
    assert_null(graph);
    json_decref(checked);
}

#define INPUT "\"version\": 1, \"input\": {\"height\": 9, \"width\": 9, \"channels\": 12}"

static void what_does_not_fit_is_refused_by_name(void **state) {
    (void)state;
    assert_refused("{" INPUT ", \"trunk\": {\"family\": \"resnext\"}, \"heads\": []}", TG_EOUT_OF_RANGE,
                   "architecture.trunk.family", "densenet");
    assert_refused("{" INPUT ", \"trunk\": {\"family\": \"vgg\", \"stagse\": \"8\"}, \"heads\": []}",
                   TG_EUNKNOWN_OPTION, "architecture.trunk.stagse", "stages");
    assert_refused(
        "{" INPUT
        ", \"trunk\": {\"family\": \"vgg\"}, \"heads\": [{\"kind\": \"value\"}, {\"kind\": \"value\"}]}",
        TG_EINVALID, "architecture.heads.kind", "two heads");
    assert_refused(
        "{" INPUT
        ", \"trunk\": {\"family\": \"vgg\", \"stages\": \"8 /\"}, \"heads\": [{\"kind\": \"value\"}]}",
        TG_EINVALID, "architecture.trunk.stages", "between /");
    assert_refused("{" INPUT ", \"trunk\": {\"family\": \"densenet\", \"blocks\": \"3 9 / 3\"}, \"heads\": "
                   "[{\"kind\": \"value\"}]}",
                   TG_EINVALID, "architecture.trunk.blocks", "one number each");
    assert_refused(
        "{" INPUT ", \"trunk\": {\"family\": \"dqn\", \"form\": \"nature\"}, \"heads\": [{\"kind\": \"q\"}]}",
        TG_EINVALID, "architecture.layer1.conv", "1x1x32");
    assert_refused(
        "{" INPUT
        ", \"trunk\": {\"family\": \"transformer\", \"width\": 30}, \"heads\": [{\"kind\": \"value\"}]}",
        TG_EINVALID, "architecture.layer0.attend.attention", "multiple of its heads");
    assert_refused("{" INPUT ", \"trunk\": {\"family\": \"vgg\"}, \"heads\": [{\"kind\": \"pixels\"}]}",
                   TG_EINVALID, "architecture.pixels", "9x9x12");
    assert_refused("{\"version\": 1, \"input\": {\"tokens\": 5, \"vocabulary\": 9}, \"trunk\": {\"family\": "
                   "\"vgg\"}, \"heads\": [{\"kind\": \"tokens\"}]}",
                   TG_EINVALID, "architecture.input.tokens", "vgg takes planes");
    assert_refused("{\"version\": 1, \"input\": {\"tokens\": 5}, \"trunk\": {\"family\": \"transformer\"}, "
                   "\"heads\": [{\"kind\": \"tokens\"}]}",
                   TG_EMISSING_FIELD, "architecture.input.vocabulary", "required");
    assert_refused(
        "{\"version\": 1, \"input\": {\"tokens\": 4096, \"vocabulary\": 1000, \"target_tokens\": 9}, "
        "\"trunk\": {\"family\": \"transformer\", \"width\": 4096, \"layers\": 64, \"feed_forward\": "
        "16384}, \"heads\": [{\"kind\": \"tokens\"}]}",
        TG_EOUT_OF_RANGE, "architecture.layer5.attend.output", "limit");
    assert_refused(
        "{" INPUT
        ", \"trunk\": {\"family\": \"transformer\", \"patch\": 4}, \"heads\": [{\"kind\": \"classes\"}]}",
        TG_EINVALID, "architecture.patches", "patches of 4x4 do not cut 9x9 points");
    assert_refused("{\"version\": 2}", TG_EOUT_OF_RANGE, "architecture.version", "must be 1");
}

static void stages_are_read_or_refused(void **state) {
    (void)state;
    struct stages stages;
    assert_int_equal(stages_parse(" 64x2 32/128 ", &stages), 0);
    assert_int_equal(stages.count, 2);
    assert_int_equal(stages.layers[0], 3);
    assert_int_equal(stages.value[0][1], 64);
    assert_int_equal(stages.value[0][2], 32);
    assert_int_equal(stages.value[1][0], 128);
    const char *const bad[] = {
        "", "/", "8/", "8//8", "0", "8x", "8x0", "8x65", "5000", "99999999999999999999", "a", "-8"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(stages_parse(bad[i], &stages), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_learns_one_batch_by_heart),
        cmocka_unit_test(the_encoder_decoder_learns_one_batch_by_heart),
        cmocka_unit_test(the_decoder_does_not_see_the_future_or_padding),
        cmocka_unit_test(every_family_carries_every_head_and_compiles),
        cmocka_unit_test(auxiliary_classifiers_are_there_in_training_only),
        cmocka_unit_test(a_training_step_takes_little_more_than_backward_reads),
        cmocka_unit_test(dqn_takes_little_more_than_its_results_and_one_gradient),
        cmocka_unit_test(the_papers_networks_have_their_number_of_parameters),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(stages_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
