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
enum { BATCH = 6, SIZE = BATCH * 5 * 5 * 3, CLASSES = 3 };

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

static struct network create(uint64_t seed) {
    struct network network;
    struct problem problem = {0};
    json_t *text = json_loads(architecture, 0, NULL);
    if (network_create(text, true, seed, &network, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    json_decref(text);
    return network;
}

static struct optimizer *adam(const struct network *network) {
    const struct optimizer_options options = {
        .rule = OPTIMIZER_ADAM, .momentum = 0.9f, .decay = 0.999f, .epsilon = 1e-8f};
    struct optimizer *optimizer;
    assert_int_equal(optimizer_create(network->graph, &options, &optimizer, NULL), 0);
    return optimizer;
}

/* Some training steps on batches drawn from the generator. */
static void train(struct network *network, struct optimizer *optimizer, struct rng *rng, int steps) {
    size_t count = graph_value_count(network->graph);
    float *gradients = malloc(count * sizeof *gradients);
    for (int step = 0; step < steps; step++) {
        struct run *run; /* a new one each step, as after a restart: dropout's numbers come from the step */
        int targets[BATCH];
        assert_int_equal(run_create(network->graph, RUN_TRAINING, BATCH, (uint64_t)network->step, &run, NULL),
                         0);
        float *x = random_floats(rng, SIZE);
        for (int i = 0; i < BATCH; i++)
            targets[i] = (int)rng_below(rng, CLASSES);
        memcpy(run_input(run, 0), x, SIZE * sizeof *x);
        memset(gradients, 0, count * sizeof *gradients);
        run_forward(run, &network->model, BATCH);
        loss_cross_entropy(BATCH, CLASSES, run_output(run, "classes"), targets, NULL, 0, 1,
                           run_output_gradient(run, "classes"));
        run_backward(run, &network->model, gradients);
        optimizer_step(optimizer, &network->model, gradients, 1e-3f);
        network->step++;
        free(x);
        run_destroy(run);
    }
    free(gradients);
}

static void training_resumes_bit_for_bit(void **state) {
    (void)state;
    struct network straight = create(1), broken = create(1), resumed;
    struct optimizer *first = adam(&straight), *second = adam(&broken);
    struct rng rng, other;
    rng_seed(&rng, 5);
    rng_seed(&other, 5);
    train(&straight, first, &rng, 7);

    train(&broken, second, &other, 3);
    struct training_state saved = {
        .optimizer = second, .rng = &other, .counters = json_pack("{s:i}", "epoch", 4)};
    assert_int_equal(network_save(&broken, path_of("network"), NULL, NULL), 0);
    assert_int_equal(training_save(&broken, &saved, path_of("training"), NULL), 0);
    struct problem problem = {0};
    assert_int_equal(network_load(path_of("network"), true, &resumed, NULL, &problem), 0);
    struct optimizer *third = adam(&resumed);
    struct rng fresh = {{1, 2, 3, 4}};
    struct training_state loaded = {.optimizer = third, .rng = &fresh};
    assert_int_equal(training_load(&resumed, &loaded, path_of("training"), &problem), 0);
    assert_int_equal(json_integer_value(json_object_get(loaded.counters, "epoch")), 4);
    assert_int_equal(resumed.step, 3);
    train(&resumed, third, &fresh, 4);

    assert_memory_equal(straight.model.values, resumed.model.values,
                        graph_value_count(straight.graph) * sizeof(float));
    json_decref(saved.counters);
    json_decref(loaded.counters);
    optimizer_destroy(first);
    optimizer_destroy(second);
    optimizer_destroy(third);
    network_destroy(&straight);
    network_destroy(&broken);
    network_destroy(&resumed);
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
    assert_refused(TG_EINVALID, "stem.conv.weight", "3x3x3x8");
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
        cmocka_unit_test(training_resumes_bit_for_bit),
        cmocka_unit_test(metadata_carries_what_rebuilds_the_network),
        cmocka_unit_test(a_value_that_is_not_finite_is_refused),
        cmocka_unit_test(a_file_that_does_not_fit_its_architecture_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
