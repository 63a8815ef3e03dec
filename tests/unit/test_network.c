/* Networks in and out of files: what is loaded is what was saved, training resumes bit for bit, hostile or
 * wrong files are refused by name. */
#include <unistd.h>
#include "nn_support.h"
#include "proto/model/safetensors.h"
#include "workers/nn/loss.h"
#include "workers/zoo/network.h"

static const char architecture[] =
    "{\"version\": 1, \"input\": {\"height\": 5, \"width\": 5, \"channels\": 3, \"encoding\": \"test\"},"
    " \"trunk\": {\"family\": \"resnet\", \"stages\": \"8x2\"}, \"heads\": [{\"kind\": \"classes\", "
    "\"classes\": 3, \"dropout\": 0.3}]}";
enum { BATCH = 6 };

static char folder[64];

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/tengen-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path_of("network"));
    unlink(path_of("training"));
    return rmdir(folder);
}

static struct network create_from(const char *description, uint64_t seed) {
    struct network network;
    struct problem problem = {0};
    json_t *text = json_loads(description, 0, NULL);
    if (network_create(text, true, seed, &network, &problem))
        fail_msg("%s: %s: %s", description, problem.field, problem.detail);
    json_decref(text);
    return network;
}

static struct network create(uint64_t seed) {
    return create_from(architecture, seed);
}

static struct optimizer *adam(const struct network *network) {
    const struct optimizer_options options = {
        .rule = OPTIMIZER_ADAM, .momentum = 0.9f, .decay = 0.999f, .epsilon = 1e-8f};
    struct optimizer *optimizer;
    assert_int_equal(optimizer_create(network->graph, &options, &optimizer, NULL), 0);
    return optimizer;
}

static void fill_inputs(const struct graph *graph, struct run *run, struct rng *rng) {
    for (int i = 0; i < graph_input_count(graph); i++) {
        struct shape shape = graph_input_shape(graph, i);
        for (size_t j = 0; j < BATCH * shape_elements(shape); j++)
            run_input(run, i)[j] = shape.rank == 1 ? (float)rng_below(rng, 9) : (float)rng_uniform(rng);
    }
}

/* Some training steps towards random outputs on batches drawn from the generator. */
static void train(struct network *network, struct optimizer *optimizer, struct rng *rng, int steps) {
    const struct graph *graph = network->graph;
    size_t count = graph_value_count(graph);
    float *gradients = malloc(count * sizeof *gradients);
    for (int step = 0; step < steps; step++) {
        struct run *run; /* a new one each step, as after a restart: dropout's numbers come from the step */
        assert_int_equal(run_create(graph, RUN_TRAINING, BATCH, (uint64_t)network->step, &run, NULL), 0);
        memset(gradients, 0, count * sizeof *gradients);
        fill_inputs(graph, run, rng);
        run_forward(run, &network->model, BATCH);
        for (int o = 0; o < graph_output_count(graph); o++) {
            const char *name = graph_output_name(graph, o);
            int columns = (int)shape_elements(graph_output_shape(graph, o));
            float *targets = random_floats(rng, (size_t)(BATCH * columns));
            loss_squared_error(BATCH, columns, run_output(run, name), targets, NULL, 1,
                               run_output_gradient(run, name));
            free(targets);
        }
        run_backward(run, &network->model, gradients);
        optimizer_step(optimizer, &network->model, gradients, 1e-3f);
        network->step++;
        run_destroy(run);
    }
    free(gradients);
}

#define PLANES(trunk, heads)                                                                                 \
    "{\"version\": 1, \"input\": {\"height\": 12, \"width\": 12, \"channels\": 2}, \"trunk\": "              \
    "{\"family\": " trunk "}, \"heads\": [" heads "]}"
#define CLASS_HEAD "{\"kind\": \"classes\", \"classes\": 3, \"dropout\": 0.3}"

/* Every family, and the encoder-decoder. */
static const char *const families[] = {
    architecture,
    PLANES("\"vgg\", \"stages\": \"8 8 / 16\"", CLASS_HEAD),
    PLANES("\"googlenet\", \"width\": 0.05", CLASS_HEAD),
    PLANES("\"resnet\", \"stages\": \"4 / 8\", \"form\": \"bottleneck\", \"squeeze\": 2", CLASS_HEAD),
    PLANES("\"densenet\", \"blocks\": \"3 / 3\", \"growth\": 6", CLASS_HEAD),
    PLANES("\"transformer\", \"patch\": 3, \"layers\": 2, \"width\": 16, \"heads\": 2, \"feed_forward\": 32, "
           "\"dropout\": 0.1",
           CLASS_HEAD),
    PLANES("\"alphago\", \"layers\": 4, \"filters\": 12", "{\"kind\": \"policy\"}, {\"kind\": \"value\"}"),
    PLANES("\"dqn\"", "{\"kind\": \"q\", \"dueling\": true}"),
    "{\"version\": 1, \"input\": {\"tokens\": 7, \"target_tokens\": 6, \"vocabulary\": 9}, \"trunk\": "
    "{\"family\": \"transformer\", \"layers\": 2, \"width\": 16, \"heads\": 2, \"feed_forward\": 32, "
    "\"dropout\": 0.1, \"norm_first\": false}, \"heads\": [{\"kind\": \"tokens\"}]}",
};

/* Saves after `before` steps and goes on with what was loaded. */
static struct network train_broken(const char *description, int before, int after) {
    struct network broken = create_from(description, 1), resumed;
    struct optimizer *first = adam(&broken);
    struct rng rng, fresh = {{1, 2, 3, 4}};
    struct problem problem = {0};
    rng_seed(&rng, 5);
    train(&broken, first, &rng, before);
    struct training_state saved = {
        .optimizer = first, .rng = &rng, .counters = json_pack("{s:i}", "epoch", 4)};
    assert_int_equal(network_save(&broken, path_of("network"), NULL, NULL), 0);
    assert_int_equal(training_save(&broken, &saved, path_of("training"), NULL), 0);
    assert_int_equal(network_load(path_of("network"), true, &resumed, NULL, &problem), 0);
    struct optimizer *second = adam(&resumed);
    struct training_state loaded = {.optimizer = second, .rng = &fresh};
    assert_int_equal(training_load(&resumed, &loaded, path_of("training"), &problem), 0);
    assert_int_equal(json_integer_value(json_object_get(loaded.counters, "epoch")), 4);
    assert_int_equal(resumed.step, before);
    train(&resumed, second, &fresh, after);
    json_decref(saved.counters);
    json_decref(loaded.counters);
    optimizer_destroy(first);
    optimizer_destroy(second);
    network_destroy(&broken);
    return resumed;
}

static void every_family_resumes_bit_for_bit(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct network networks[3] = {create_from(families[i], 1), create_from(families[i], 1),
                                      train_broken(families[i], 2, 3)};
        for (int j = 0; j < 2; j++) {
            struct optimizer *optimizer = adam(&networks[j]);
            struct rng rng;
            rng_seed(&rng, 5);
            train(&networks[j], optimizer, &rng, 5);
            optimizer_destroy(optimizer);
        }
        size_t size = graph_value_count(networks[0].graph) * sizeof(float);
        if (memcmp(networks[0].model.values, networks[1].model.values, size) != 0)
            fail_msg("two runs with one seed differ: %s", families[i]);
        if (memcmp(networks[0].model.values, networks[2].model.values, size) != 0)
            fail_msg("a resumed run differs: %s", families[i]);
        for (int j = 0; j < 3; j++)
            network_destroy(&networks[j]);
    }
}

static void metadata_carries_what_rebuilds_the_network(void **state) {
    (void)state;
    struct network network = create(2), loaded;
    struct problem problem = {0};
    json_t *extra = json_pack("{s:s}", "job", "12"), *metadata = NULL;
    network.step = 41;
    assert_int_equal(network_save(&network, path_of("network"), extra, NULL), 0);
    assert_int_equal(network_load(path_of("network"), false, &loaded, &metadata, &problem), 0);
    assert_string_equal(json_string_value(json_object_get(metadata, "job")), "12");
    assert_int_equal(loaded.step, 41);
    assert_true(json_equal(loaded.architecture, network.architecture));
    json_decref(extra);
    json_decref(metadata);
    network_destroy(&network);
    network_destroy(&loaded);
}

static void assert_refused(int error, const char *field, const char *part) {
    struct network network;
    struct problem problem = {0};
    assert_int_equal(network_load(path_of("network"), false, &network, NULL, &problem), error);
    assert_string_equal(problem.field, field);
    if (!strstr(problem.detail, part))
        fail_msg("\"%s\" does not say \"%s\"", problem.detail, part);
    assert_null(network.graph);
}

static void a_value_that_is_not_finite_is_refused(void **state) {
    (void)state;
    struct network network = create(3);
    network.model.values[7] = NAN;
    assert_int_equal(network_save(&network, path_of("network"), NULL, NULL), 0);
    assert_refused(TG_EOUT_OF_RANGE, "stem.conv.weight", "element 7");
    network_destroy(&network);
}

static void a_file_that_does_not_fit_its_architecture_is_refused(void **state) {
    (void)state;
    const float two[2] = {1, 2};
    const struct tensor_view small = {
        .name = "stem.conv.weight", .dtype = DTYPE_F32, .rank = 1, .shape = {2}, .data = two, .bytes = 8};
    json_t *metadata =
        json_pack("{s:s, s:s, s:s}", "format", "tengen-network/1", "step", "0", "architecture", architecture);
    assert_int_equal(safetensors_write(path_of("network"), &small, 1, metadata, NULL), 0);
    assert_refused(TG_EINVALID, "stem.conv.weight",
                   "is F32 2 in the file, the architecture needs F32 3x3x3x8");
    const struct tensor_view other = {.name = "stem.conv.weight",
                                      .dtype = DTYPE_U8,
                                      .rank = 3,
                                      .shape = {2, 1, 4},
                                      .data = two,
                                      .bytes = 8};
    assert_int_equal(safetensors_write(path_of("network"), &other, 1, metadata, NULL), 0);
    assert_refused(TG_EINVALID, "stem.conv.weight", "is U8 2x1x4 in the file");
    assert_int_equal(safetensors_write(path_of("network"), &small, 0, metadata, NULL), 0);
    assert_refused(TG_EINVALID, "stem.conv.weight", "missing");
    json_object_set_new(metadata, "architecture", json_string("{\"version\": 1, \"version\": 1}"));
    assert_int_equal(safetensors_write(path_of("network"), &small, 1, metadata, NULL), 0);
    assert_refused(TG_EDUPLICATE_KEY, "", "version");
    json_object_set_new(metadata, "format", json_string("tengen-training/1"));
    assert_int_equal(safetensors_write(path_of("network"), &small, 1, metadata, NULL), 0);
    assert_refused(TG_EINVALID, "__metadata__.format", "another sort");
    json_decref(metadata);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_resumes_bit_for_bit),
        cmocka_unit_test(metadata_carries_what_rebuilds_the_network),
        cmocka_unit_test(a_value_that_is_not_finite_is_refused),
        cmocka_unit_test(a_file_that_does_not_fit_its_architecture_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
