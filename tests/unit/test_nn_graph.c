/* Graphs: refusals that name the operator, gradients against finite differences, the memory plan,
 * determinism. */
#include "nn_support.h"
#include "workers/nn/infer.h"
#include "workers/nn/plan.h"
#include "workers/nn/reference_run.h"
#include "workers/nn/run.h"

static tensor conv_norm_tanh(struct graph *graph, const char *name, tensor x, int channels, int kernel) {
    char part[64];
    snprintf(part, sizeof part, "%s.conv", name);
    x = graph_conv(graph, part, x,
                   &(struct conv_spec){.channels = channels,
                                       .kernel = {kernel, kernel},
                                       .padding = {kernel / 2, kernel / 2}});
    snprintf(part, sizeof part, "%s.norm", name);
    x = graph_batch_norm(graph, part, x);
    snprintf(part, sizeof part, "%s.tanh", name);
    return graph_tanh(graph, part, x);
}

/* A little of everything, smooth (tanh) so that finite differences mean something. */
static struct graph *small_net(void) {
    struct graph *graph = graph_create();
    assert_non_null(graph);
    tensor x = graph_input(graph, "planes", SHAPE(6, 5, 9));
    tensor stem = conv_norm_tanh(graph, "stem", x, 8, 3);
    tensor branch = conv_norm_tanh(graph, "branch", stem, 8, 3);
    tensor sum = graph_add(graph, "sum", branch, stem);
    tensor wide = graph_concat(graph, "wide", 2, (tensor[]){sum, conv_norm_tanh(graph, "point", stem, 3, 1)});
    tensor pooled = graph_pool(graph, "pool", wide, &(struct pool_spec){.kernel = {2, 2}, .average = true});
    tensor features =
        graph_linear(graph, "features", graph_reshape(graph, "flat", pooled, SHAPE(3 * 2 * 11)), 7, true);
    graph_output(graph, "policy", graph_linear(graph, "policy", wide, 2, false));
    graph_output(graph, "value", graph_tanh(graph, "value", features));
    return graph;
}

static void check_gradients(void) {
    struct trial trial =
        trial_create(small_net(), 4, 3, 3, 0); /* a smaller batch than the run was made for */
    trial_check_gradients(&trial);
    trial_destroy(&trial);
}

static void gradients_equal_finite_differences(void **state) {
    (void)state;
    on_every_isa(check_gradients);
}

/* The arena reuses memory; a run in which nothing is shared (batch 1 of the same samples, one after the
 * other) agrees in inference, where samples do not influence each other. */
static void a_batch_gives_what_its_samples_give_alone(void **state) {
    (void)state;
    enum { BATCH = 5, SIZE = 6 * 5 * 9 };
    struct graph *graph = small_net();
    assert_int_equal(graph_finish(graph, NULL), 0);
    struct model model;
    struct run *together, *alone;
    struct rng rng;
    rng_seed(&rng, 6);
    assert_int_equal(model_create(graph, &model), 0);
    model_init(&model, 4);
    assert_int_equal(run_create(graph, RUN_INFERENCE, BATCH, 1, &together, NULL), 0);
    assert_int_equal(run_create(graph, RUN_INFERENCE, 1, 1, &alone, NULL), 0);
    float *x = random_floats(&rng, BATCH * SIZE);
    memcpy(run_input(together, 0), x, BATCH * SIZE * sizeof(float));
    run_forward(together, &model, BATCH);
    for (int i = 0; i < BATCH; i++) {
        memcpy(run_input(alone, 0), x + i * SIZE, SIZE * sizeof(float));
        run_forward(alone, &model, 1);
        for (int j = 0; j < 7; j++)
            assert_float_equal(run_output(together, "value")[i * 7 + j], run_output(alone, "value")[j], 1e-5);
    }
    free(x);
    run_destroy(together);
    run_destroy(alone);
    model_destroy(&model);
    graph_destroy(graph);
}

/* Every pattern that the compiled form fuses, and neighbours that it must leave alone: a result read twice,
 * an output in the middle, a residual that comes later than its convolution. */
static struct graph *tower(void) {
    struct graph *graph = graph_create();
    tensor x = graph_input(graph, "planes", SHAPE(9, 9, 9));
    tensor stem = graph_relu(graph, "stem.relu", conv_norm_tanh(graph, "stem", x, 12, 3));
    struct conv_spec same = {.channels = 12, .kernel = {3, 3}, .padding = {1, 1}, .no_bias = true},
                     point = {.channels = 12};
    tensor a = graph_conv(graph, "a", stem, &same);
    a = graph_relu(graph, "a.relu", graph_batch_norm(graph, "a.norm", a));
    tensor b = graph_batch_norm(graph, "b.norm", graph_conv(graph, "b", a, &same));
    tensor block = graph_relu(graph, "block", graph_add(graph, "block.add", b, stem));
    tensor c = graph_conv(graph, "c", block, &point), d = graph_conv(graph, "d", block, &same);
    tensor both = graph_relu(graph, "both", graph_add(graph, "both.add", c, d));
    tensor mixed =
        graph_add(graph, "mixed", graph_relu(graph, "c.relu", graph_conv(graph, "e", both, &point)), block);
    graph_output(graph, "middle", both);
    graph_output(graph, "out",
                 graph_linear(graph, "out", graph_global_average(graph, "pool", mixed), 5, true));
    struct problem problem = {0};
    if (graph_finish(graph, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    return graph;
}

/* Some training steps, so that the running averages are not their start. */
static void disturb_averages(const struct graph *graph, struct model *model, const float *x, size_t size,
                             int batch) {
    struct run *run;
    assert_int_equal(run_create(graph, RUN_TRAINING, batch, 1, &run, NULL), 0);
    for (int i = 0; i < 5; i++) {
        memcpy(run_input(run, 0), x, size * sizeof(float));
        run_forward(run, model, batch);
    }
    run_destroy(run);
}

static void check_infer(void) {
    enum { BATCH = 4, SIZE = BATCH * 81 * 9 };
    struct graph *graph = tower();
    struct model model;
    struct run *run;
    struct infer *infer;
    struct rng rng;
    rng_seed(&rng, 11);
    float *x = random_floats(&rng, SIZE);
    assert_int_equal(model_create(graph, &model), 0);
    model_init(&model, 8);
    disturb_averages(graph, &model, x, SIZE, BATCH);
    assert_int_equal(run_create(graph, RUN_INFERENCE, BATCH, 1, &run, NULL), 0);
    assert_int_equal(infer_create(graph, &model, BATCH, &infer, NULL), 0);
    for (int round = 0; round < 2; round++) { /* twice: nothing may be left over from the first */
        memcpy(run_input(run, 0), x, SIZE * sizeof(float));
        memcpy(infer_input(infer, 0), x, SIZE * sizeof(float));
        run_forward(run, &model, BATCH);
        infer_forward(infer, BATCH);
        for (int i = 0; i < BATCH * 5; i++)
            assert_float_equal(infer_output(infer, "out")[i], run_output(run, "out")[i], 1e-4);
        for (int i = 0; i < BATCH * 81 * 12; i++)
            assert_float_equal(infer_output(infer, "middle")[i], run_output(run, "middle")[i], 1e-4);
    }
    free(x);
    run_destroy(run);
    infer_destroy(infer);
    model_destroy(&model);
    graph_destroy(graph);
}

static void the_compiled_form_equals_the_plain_one(void **state) {
    (void)state;
    on_every_isa(check_infer);
}

static void two_runs_with_one_seed_are_identical(void **state) {
    (void)state;
    struct trial first = trial_create(small_net(), 3, 3, 9, 0),
                 second = trial_create(small_net(), 3, 3, 9, 0);
    size_t size = graph_value_count(first.graph) * sizeof(float);
    double loss = trial_loss(&first, true);
    assert_true(loss == trial_loss(&second, true));
    assert_memory_equal(first.gradients, second.gradients, size);
    trial_destroy(&first);
    trial_destroy(&second);
}

static void arrays_that_live_together_never_overlap(void **state) {
    (void)state;
    enum { COUNT = 60 };
    struct rng rng;
    rng_seed(&rng, 8);
    for (int round = 0; round < 200; round++) {
        struct plan_array arrays[COUNT];
        size_t alive[64] = {0}, peak = 0;
        for (int i = 0; i < COUNT; i++) {
            int first = (int)rng_below(&rng, 60);
            arrays[i] = (struct plan_array){16 * (size_t)rng_below(&rng, 40), first,
                                            first + (int)rng_below(&rng, 4), 0};
            for (int step = arrays[i].first; step <= arrays[i].last; step++)
                alive[step] += arrays[i].size;
        }
        size_t total = plan_layout(arrays, COUNT);
        for (int i = 0; i < COUNT; i++)
            for (int j = 0; j < i; j++) {
                const struct plan_array *a = &arrays[i], *b = &arrays[j];
                bool together = a->first <= b->last && b->first <= a->last && a->size && b->size;
                assert_false(together && a->offset < b->offset + b->size && b->offset < a->offset + a->size);
            }
        for (int step = 0; step < 64; step++)
            peak = alive[step] > peak ? alive[step] : peak;
        assert_in_range(total, peak, peak + peak / 2);
    }
}

static void training_needs_little_more_than_backward_reads(void **state) {
    (void)state;
    struct graph *graph = graph_create();
    tensor x = graph_input(graph, "planes", SHAPE(9, 9, 16));
    for (int i = 0; i < 8; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer%d", i);
        x = conv_norm_tanh(graph, name, x, 16, 3);
    }
    graph_output(graph, "out", x);
    assert_int_equal(graph_finish(graph, NULL), 0);
    struct run *run;
    assert_int_equal(run_create(graph, RUN_TRAINING, 64, 1, &run, NULL), 0);
    struct run_memory memory = run_memory(run);
    assert_in_range(memory.arena, memory.needed, memory.needed + memory.needed / 5);
    assert_true(memory.unshared > 2 * memory.arena);
    run_destroy(run);
    graph_destroy(graph);
}

/* Arrays shared in every way: a view of what others read too, of a rectified result, of a view, of an input
 * and as an output; rectifiers that are and are not the only reader. */
static struct graph *sharing_net(void) {
    struct graph *graph = graph_create();
    assert_non_null(graph);
    tensor x = graph_input(graph, "planes", SHAPE(3, 4, 6));
    tensor rows = graph_linear(graph, "rows", graph_reshape(graph, "flat", x, SHAPE(12, 6)), 7, true);
    tensor view = graph_reshape(graph, "view", rows, SHAPE(7, 12));
    tensor gated = graph_relu(graph, "gated", view);
    tensor alone = graph_relu(graph, "alone", graph_reshape(graph, "lone", rows, SHAPE(84)));
    tensor once = graph_relu(graph, "once", graph_linear(graph, "wide", rows, 9, true));
    tensor flat =
        graph_reshape(graph, "rows_of", graph_reshape(graph, "row", once, SHAPE(108)), SHAPE(9, 12));
    tensor sum =
        graph_concat(graph, "sum", 3, (tensor[]){gated, view, graph_linear(graph, "again", view, 4, false)});
    graph_output(graph, "sum", graph_linear(graph, "last", sum, 3, true));
    graph_output(graph, "flat", flat);
    graph_output(graph, "alone", alone);
    graph_output(graph, "side", graph_linear(graph, "side", graph_relu(graph, "twice", once), 2, true));
    return graph;
}

/* The same for normalizations and sums: rectified on the way and not, what others read too, one term twice. */
static struct graph *residual_net(void) {
    struct graph *graph = graph_create();
    assert_non_null(graph);
    tensor x = graph_linear(graph, "entry", graph_input(graph, "planes", SHAPE(3, 4, 6)), 70, true);
    tensor first = graph_relu(graph, "first", graph_batch_norm(graph, "first.norm", x));
    tensor branch = graph_batch_norm(graph, "branch", graph_linear(graph, "middle", first, 70, false));
    tensor block = graph_relu(graph, "block", graph_add(graph, "sum", branch, first));
    tensor both = graph_add(graph, "both", block,
                            graph_relu(graph, "again", graph_batch_norm(graph, "again.norm", block)));
    tensor end = graph_batch_norm(graph, "end", graph_linear(graph, "narrow", both, 5, true));
    tensor seen = graph_batch_norm(graph, "seen", graph_linear(graph, "other", block, 3, true));
    graph_output(graph, "twice", graph_linear(graph, "last", graph_add(graph, "same", end, end), 2, true));
    graph_output(graph, "seen", seen);
    graph_output(graph, "rectified",
                 graph_linear(graph, "of", graph_relu(graph, "seen.relu", seen), 2, true));
    return graph;
}

static void check_sharing_of(struct graph *graph) {
    struct trial trial = trial_create(graph, 5, 5, 11, 0);
    struct reference_run *reference;
    assert_int_equal(reference_run_create(trial.graph, RUN_TRAINING, 5, 1, &reference), 0);
    reference_run_load(reference, &trial.model);
    for (size_t i = 0; i < 5 * 3 * 4 * 6; i++)
        reference_run_input(reference, 0)[i] = (double)trial.x[0][i];
    reference_run_forward(reference, 5);
    trial_loss(&trial, false);
    for (int o = 0; o < graph_output_count(trial.graph); o++) {
        const char *name = graph_output_name(trial.graph, o);
        size_t count = 5 * shape_elements(graph_output_shape(trial.graph, o));
        assert_close(count, run_output(trial.run, name), reference_run_output(reference, name), 2e-6);
        for (size_t i = 0; i < count; i++)
            run_output_gradient(trial.run, name)[i] =
                (float)(reference_run_output_gradient(reference, name)[i] = (double)(i % 5) - 1.5);
    }
    run_gradients(trial.run, &trial.model, trial.gradients);
    reference_run_backward(reference);
    assert_close(graph_value_count(trial.graph), trial.gradients, reference_run_gradients(reference), 2e-6);
    reference_run_destroy(reference);
    trial_destroy(&trial);
}

static void check_sharing(void) {
    check_sharing_of(sharing_net());
    check_sharing_of(residual_net());
}

static void shared_arrays_change_no_result_and_no_gradient(void **state) {
    (void)state;
    on_every_isa(check_sharing);
}

/* Two embeddings with the same words. */
static void a_shared_parameter_gets_the_gradient_of_all_its_readers(void **state) {
    (void)state;
    struct graph *graph = graph_create();
    tensor words = graph_embedding(graph, "words", graph_input(graph, "ids", SHAPE(4)), 9, 5);
    tensor again = graph_embedding_again(graph, "again", graph_input(graph, "others", SHAPE(4)), words);
    graph_output(graph, "sum", graph_linear(graph, "last", graph_add(graph, "add", words, again), 3, true));
    struct trial trial = trial_create(graph, 6, 6, 12, 9);
    float *written = random_floats(&(struct rng){{1, 2, 3, 4}}, graph_value_count(graph));
    trial_loss(&trial, true);
    trial_loss(&trial, false);
    for (size_t i = 0; i < 6 * 4 * 3; i++)
        run_output_gradient(trial.run, "sum")[i] =
            (float)(0.2 + 0.1 * (double)(i % 7)) * run_output(trial.run, "sum")[i];
    run_gradients(trial.run, &trial.model, written);
    for (size_t i = 0; i < graph_value_count(graph); i++)
        if (fabsf(written[i] - trial.gradients[i]) > 1e-6f * (1 + fabsf(trial.gradients[i])))
            fail_msg("value %zu: written %g, added %g", i, (double)written[i], (double)trial.gradients[i]);
    free(written);
    trial_destroy(&trial);
}

/* Of two convolutions, a view and a rectifier only what backward reads, and one gradient at a time. */
static void views_and_rectifiers_need_no_memory(void **state) {
    (void)state;
    enum { BATCH = 16, MOST = 8 * 8 * 16 };
    struct graph *graph = graph_create();
    tensor x = graph_input(graph, "planes", SHAPE(10, 10, 4));
    x = graph_relu(graph, "relu",
                   graph_conv(graph, "conv", x, &(struct conv_spec){.channels = 16, .kernel = {3, 3}}));
    graph_output(graph, "out",
                 graph_linear(graph, "out", graph_reshape(graph, "flat", x, SHAPE(MOST)), 32, true));
    assert_int_equal(graph_finish(graph, NULL), 0);
    struct run *run;
    assert_int_equal(run_create(graph, RUN_TRAINING, BATCH, 1, &run, NULL), 0);
    struct run_memory memory = run_memory(run);
    assert_int_equal(memory.needed,
                     BATCH * (400 + MOST + 32) * sizeof(float)); /* and the output's gradient */
    assert_int_equal(memory.live, memory.needed + BATCH * MOST * sizeof(float));
    assert_in_range(memory.arena, memory.live, memory.live + memory.live / 5);
    run_destroy(run);
    graph_destroy(graph);
}

static void what_does_not_fit_is_refused_by_name_and_shapes(void **state) {
    (void)state;
    struct graph *graph = graph_create();
    struct problem problem = {0};
    tensor x = graph_input(graph, "planes", SHAPE(9, 9, 4));
    tensor y =
        graph_conv(graph, "down", x, &(struct conv_spec){.channels = 4, .kernel = {3, 3}, .stride = {2, 2}});
    graph_output(graph, "out", graph_relu(graph, "relu", graph_add(graph, "sum", x, y)));
    assert_int_equal(graph_finish(graph, &problem), TG_EINVALID);
    assert_string_equal(problem.field, "sum");
    assert_non_null(strstr(problem.detail, "9x9x4"));
    assert_non_null(strstr(problem.detail, "4x4x4"));
    graph_destroy(graph);
}

static void too_many_parameters_are_refused(void **state) {
    (void)state;
    struct graph *graph = graph_create();
    struct problem problem = {0};
    tensor x = graph_input(graph, "x", SHAPE(1 << 20));
    graph_output(graph, "out", graph_linear(graph, "huge", x, 1 << 20, false));
    assert_int_equal(graph_finish(graph, &problem), TG_EOUT_OF_RANGE);
    assert_string_equal(problem.field, "huge");
    graph_destroy(graph);
}

static void an_unknown_instruction_set_is_an_error_that_names_the_known(void **state) {
    (void)state;
    struct problem problem = {0};
    assert_int_equal(isa_select("mmx", &problem), TG_EINVALID);
    assert_string_equal(problem.field, "TENGEN_ISA");
    assert_non_null(strstr(problem.detail, "baseline"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_finite_differences),
        cmocka_unit_test(shared_arrays_change_no_result_and_no_gradient),
        cmocka_unit_test(a_shared_parameter_gets_the_gradient_of_all_its_readers),
        cmocka_unit_test(views_and_rectifiers_need_no_memory),
        cmocka_unit_test(a_batch_gives_what_its_samples_give_alone),
        cmocka_unit_test(the_compiled_form_equals_the_plain_one),
        cmocka_unit_test(two_runs_with_one_seed_are_identical),
        cmocka_unit_test(arrays_that_live_together_never_overlap),
        cmocka_unit_test(training_needs_little_more_than_backward_reads),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name_and_shapes),
        cmocka_unit_test(too_many_parameters_are_refused),
        cmocka_unit_test(an_unknown_instruction_set_is_an_error_that_names_the_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
