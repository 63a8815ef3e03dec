/* The check evaluator: sound networks agree, damage of every sort is found and named. */
#include "nn_support.h"
#include "workers/nn/check.h"

enum { BATCH = 4, SIZE = 9 * 9 * 32 };

/* Sizes are multiples of every instruction set's panel, so that packed weights take the same room in all. */
static struct graph *tower(void) {
    struct graph *graph = graph_create();
    struct conv_spec same = {.channels = 32, .kernel = {3, 3}, .padding = {1, 1}, .no_bias = true};
    tensor x = graph_input(graph, "planes", SHAPE(9, 9, 32)), y = x;
    for (int i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "conv%d", i);
        y = graph_conv(graph, name, y, &same);
        snprintf(name, sizeof name, "norm%d", i);
        y = graph_batch_norm(graph, name, y);
    }
    x = graph_relu(graph, "relu", graph_add(graph, "add", y, x));
    graph_output(graph, "map", graph_conv(graph, "map", x, &(struct conv_spec){.channels = 32}));
    graph_output(graph, "value", graph_tanh(graph, "value", graph_global_average(graph, "pool", x)));
    assert_int_equal(graph_finish(graph, NULL), 0);
    return graph;
}

struct setup {
    struct graph *graph;
    struct model model;
    struct checked_infer *checked;
    float *x;
};

/* In place: what is made keeps the address of the model. */
static void setup_create(struct setup *s, struct check_options options) {
    *s = (struct setup){.graph = tower()};
    struct rng rng;
    rng_seed(&rng, 4);
    s->x = random_floats(&rng, BATCH * SIZE);
    assert_int_equal(model_create(s->graph, &s->model), 0);
    model_init(&s->model, 2);
    assert_int_equal(checked_infer_create(s->graph, &s->model, BATCH, &options, &s->checked, NULL), 0);
}

static void setup_destroy(struct setup *s) {
    checked_infer_destroy(s->checked);
    model_destroy(&s->model);
    graph_destroy(s->graph);
    free(s->x);
}

static int forward(struct setup *s, struct problem *problem) {
    memcpy(checked_infer_input(s->checked, 0), s->x, BATCH * SIZE * sizeof(float));
    return checked_infer_forward(s->checked, BATCH, problem);
}

static void check_sound(void) {
    struct setup s;
    setup_create(&s, (struct check_options){.share = 1});
    struct problem problem = {0};
    for (int i = 0; i < 3; i++)
        if (forward(&s, &problem))
            fail_msg("%s: %s", problem.field, problem.detail);
    struct check_counts counts = checked_infer_counts(s.checked);
    assert_int_equal(counts.evaluations, 3 * BATCH);
    assert_int_equal(counts.checked, 3);
    assert_true(counts.largest > 0 && counts.largest < 1e-5);
    assert_non_null(checked_infer_output(s.checked, "value"));
    setup_destroy(&s);
}

static void a_sound_network_agrees_with_its_reference(void **state) {
    (void)state;
    on_every_isa(check_sound);
}

static void about_the_wanted_share_is_checked(void **state) {
    (void)state;
    struct setup s;
    setup_create(&s, (struct check_options){.share = 0.05, .seed = 3});
    for (int i = 0; i < 100; i++)
        assert_int_equal(forward(&s, NULL), 0);
    assert_in_range(checked_infer_counts(s.checked).checked, 10, 30); /* 20, standard deviation 4 */
    setup_destroy(&s);
    setup_create(&s, (struct check_options){.share = 0});
    for (int i = 0; i < 100; i++)
        assert_int_equal(forward(&s, NULL), 0);
    assert_int_equal(checked_infer_counts(s.checked).checked, 0);
    setup_destroy(&s);
}

static void a_damaged_weight_is_found(void **state) {
    (void)state;
    struct setup s;
    setup_create(&s, (struct check_options){.share = 0.2, .seed = 1});
    assert_int_equal(forward(&s, NULL), 0);
    s.model.values[40] += 3; /* of the first convolution; the packed copy is as it was */
    struct problem problem = {0};
    int error = 0;
    for (int i = 0; i < 50 && !error; i++)
        error = forward(&s, &problem);
    assert_int_equal(error, TG_ECOMPUTATION);
    assert_string_equal(problem.field, "map");
    assert_non_null(strstr(problem.detail, "its reference"));
    setup_destroy(&s);
}

static void what_is_not_finite_is_found_in_every_evaluation(void **state) {
    (void)state;
    struct setup s;
    setup_create(&s, (struct check_options){.share = 0});
    struct problem problem = {0};
    s.x[2 * SIZE] = NAN; /* the third sample */
    assert_int_equal(forward(&s, &problem), TG_ECOMPUTATION);
    assert_string_equal(problem.field, "map");
    assert_non_null(strstr(problem.detail, "sample 2 of 4"));
    setup_destroy(&s);
}

/* The wrong kernels for these packed weights: panels of another width. */
static void a_wrong_kernel_is_found(void **state) {
    (void)state;
    const struct kernels *const *all = isa_available();
    const struct kernels *other = all[1];
    if (!other || other->panel == all[0]->panel)
        skip();
    assert_int_equal(isa_select(all[0]->name, NULL), 0);
    struct setup s;
    setup_create(&s, (struct check_options){.share = 1});
    assert_int_equal(forward(&s, NULL), 0);
    assert_int_equal(isa_select(other->name, NULL), 0);
    struct problem problem = {0};
    int error = forward(&s, &problem);
    assert_int_equal(isa_select(NULL, NULL), 0);
    assert_int_equal(error, TG_ECOMPUTATION);
    setup_destroy(&s);
}

static void a_comparison_names_the_largest_difference(void **state) {
    (void)state;
    struct setup s;
    setup_create(&s, (struct check_options){.share = 0});
    struct infer *infer;
    struct output_difference found[2];
    const float *inputs[] = {s.x};
    assert_int_equal(infer_create(s.graph, &s.model, BATCH, &infer, NULL), 0);
    assert_int_equal(nn_compare(infer, s.graph, &s.model, BATCH, inputs, found), 0);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(found[i].output, i ? "value" : "map");
        assert_true(found[i].difference >= 0 && found[i].difference < 1e-5);
        assert_true(found[i].magnitude > 0.1);
    }
    size_t count;
    float *weights = infer_weights(infer, &count);
    for (size_t i = 0; i < count; i += 7)
        weights[i] += 0.5f;
    assert_int_equal(nn_compare(infer, s.graph, &s.model, BATCH, inputs, found), 0);
    assert_true(found[0].difference > 0.1 && found[0].difference == fabs(found[0].fast - found[0].reference));
    weights[0] = NAN;
    assert_int_equal(nn_compare(infer, s.graph, &s.model, BATCH, inputs, found), 0);
    assert_true(isinf(found[0].difference));
    infer_destroy(infer);
    setup_destroy(&s);
}

static void senseless_options_are_refused(void **state) {
    (void)state;
    struct setup s;
    setup_create(&s, (struct check_options){.share = 0});
    struct checked_infer *checked;
    struct problem problem = {0};
    assert_int_equal(
        checked_infer_create(s.graph, &s.model, 1, &(struct check_options){.share = 1.5}, &checked, &problem),
        TG_EOUT_OF_RANGE);
    assert_null(checked);
    setup_destroy(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_network_agrees_with_its_reference),
        cmocka_unit_test(about_the_wanted_share_is_checked),
        cmocka_unit_test(a_damaged_weight_is_found),
        cmocka_unit_test(what_is_not_finite_is_found_in_every_evaluation),
        cmocka_unit_test(a_wrong_kernel_is_found),
        cmocka_unit_test(a_comparison_names_the_largest_difference),
        cmocka_unit_test(senseless_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
