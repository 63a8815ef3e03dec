/* Optimizers against the recurrences of their papers, written out again here for one weight; schedules; state
 * that resumes. */
#include "nn_support.h"
#include "workers/nn/optimizer.h"

/* y = w x without bias. */
static struct graph *weights(int count) {
    struct graph *graph = graph_create();
    graph_output(graph, "y", graph_linear(graph, "w", graph_input(graph, "x", SHAPE(count)), 1, false));
    assert_int_equal(graph_finish(graph, NULL), 0);
    return graph;
}

static struct graph *one_weight(void) {
    return weights(1);
}

static const double gradients[] = {1, -0.5, 2, 0.25, -3, 0.125};
enum { STEPS = sizeof gradients / sizeof *gradients };
static const double RATE = 0.1;

enum { WEIGHTS = 37 }; /* whole vectors and a rest, on every instruction set */

/* The weight after STEPS steps from 1, of WEIGHTS equal ones with equal gradients. */
static double run_with_kernels(const struct optimizer_options *options, int resume_after) {
    struct graph *graph = weights(WEIGHTS);
    struct model model;
    struct optimizer *optimizer;
    assert_int_equal(model_create(graph, &model), 0);
    assert_int_equal(optimizer_create(graph, options, &optimizer, NULL), 0);
    for (int w = 0; w < WEIGHTS; w++)
        model.values[w] = 1;
    for (int i = 0; i < STEPS; i++) {
        float g[WEIGHTS];
        for (int w = 0; w < WEIGHTS; w++)
            g[w] = (float)gradients[i];
        optimizer_step(optimizer, &model, g, (float)RATE);
        if (i + 1 != resume_after)
            continue;
        struct optimizer *fresh; /* as after a restart: state copied, step count set */
        assert_int_equal(optimizer_create(graph, options, &fresh, NULL), 0);
        for (int s = 0; optimizer_state(optimizer, s, NULL); s++)
            memcpy(optimizer_state(fresh, s, NULL), optimizer_state(optimizer, s, NULL),
                   WEIGHTS * sizeof(float));
        optimizer_set_steps(fresh, optimizer_steps(optimizer));
        optimizer_destroy(optimizer);
        optimizer = fresh;
    }
    double result = (double)model.values[0];
    for (int w = 0; w < WEIGHTS; w++)
        if (!(fabs((double)model.values[w] - result) <= 1e-6))
            fail_msg("weight %d moved to %g, not to %g (%s)", w, (double)model.values[w], result,
                     kernels_get()->name);
    optimizer_destroy(optimizer);
    model_destroy(&model);
    graph_destroy(graph);
    return result;
}

/* The same on every instruction set; they must agree. */
static double run_steps(const struct optimizer_options *options, int resume_after) {
    double first = NAN, result = NAN;
    for (const struct kernels *const *kernels = isa_available(); *kernels; kernels++) {
        assert_int_equal(isa_select((*kernels)->name, NULL), 0);
        result = run_with_kernels(options, resume_after);
        first = isnan(first) ? result : first;
        assert_float_equal(result, first, 1e-6);
    }
    assert_int_equal(isa_select(NULL, NULL), 0);
    return result;
}

static void sgd_with_momentum_follows_its_recurrence(void **state) {
    (void)state;
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        struct optimizer_options o = {
            .rule = OPTIMIZER_SGD, .momentum = 0.9f, .weight_decay = 0.01f, .nesterov = nesterov};
        double w = 1, v = 0;
        for (int i = 0; i < STEPS; i++) {
            double g = gradients[i] + 0.01 * w;
            v = 0.9 * v + g;
            w -= RATE * (nesterov ? g + 0.9 * v : v);
        }
        assert_float_equal(run_steps(&o, 0), w, 1e-5);
    }
}

static void rmsprop_follows_its_recurrence(void **state) {
    (void)state;
    struct optimizer_options o = {
        .rule = OPTIMIZER_RMSPROP, .decay = 0.95f, .epsilon = 0.01f, .centred = true, .momentum = 0.5f};
    double w = 1, square = 0, mean = 0, v = 0;
    for (int i = 0; i < STEPS; i++) {
        square = 0.95 * square + 0.05 * gradients[i] * gradients[i];
        mean = 0.95 * mean + 0.05 * gradients[i];
        v = 0.5 * v + gradients[i] / sqrt(square - mean * mean + 0.01);
        w -= RATE * v;
    }
    assert_float_equal(run_steps(&o, 0), w, 1e-5);
}

static void adam_follows_its_recurrence(void **state) {
    (void)state;
    for (int decoupled = 0; decoupled < 2; decoupled++) {
        struct optimizer_options o = {.rule = decoupled ? OPTIMIZER_ADAMW : OPTIMIZER_ADAM,
                                      .momentum = 0.9f,
                                      .decay = 0.999f,
                                      .epsilon = 1e-8f,
                                      .weight_decay = 0.1f};
        double w = 1, m = 0, v = 0;
        for (int i = 0; i < STEPS; i++) {
            double g = gradients[i] + (decoupled ? 0 : 0.1 * w);
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            double move = m / (1 - pow(0.9, i + 1)) / (sqrt(v / (1 - pow(0.999, i + 1))) + 1e-8);
            w -= RATE * (move + (decoupled ? 0.1 * w : 0));
        }
        assert_float_equal(run_steps(&o, 0), w, 1e-4);
    }
}

static void a_restart_changes_nothing(void **state) {
    (void)state;
    const struct optimizer_options all[] = {
        {.rule = OPTIMIZER_SGD, .momentum = 0.9f},
        {.rule = OPTIMIZER_RMSPROP, .decay = 0.95f, .epsilon = 0.01f, .centred = true, .momentum = 0.5f},
        {.rule = OPTIMIZER_ADAM, .momentum = 0.9f, .decay = 0.999f, .epsilon = 1e-8f}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_true(run_steps(&all[i], 0) == run_steps(&all[i], 3));
}

static void clipping_bounds_the_norm_and_nan_moves_nothing(void **state) {
    (void)state;
    struct graph *graph = one_weight();
    struct model model;
    struct optimizer *optimizer;
    struct optimizer_options o = {.rule = OPTIMIZER_SGD, .clip_norm = 2};
    assert_int_equal(model_create(graph, &model), 0);
    assert_int_equal(optimizer_create(graph, &o, &optimizer, NULL), 0);
    float g = -8;
    assert_float_equal(optimizer_step(optimizer, &model, &g, 0.5f), 8, 1e-6);
    assert_float_equal(model.values[0], 1, 1e-6);
    g = NAN;
    assert_true(isnan(optimizer_step(optimizer, &model, &g, 0.5f)));
    assert_float_equal(model.values[0], 1, 1e-6);
    assert_int_equal(optimizer_steps(optimizer), 1);
    optimizer_destroy(optimizer);
    model_destroy(&model);
    graph_destroy(graph);
}

static void senseless_options_are_refused_by_name(void **state) {
    (void)state;
    struct graph *graph = one_weight();
    struct optimizer *optimizer;
    struct problem problem = {0};
    struct optimizer_options o = {.rule = OPTIMIZER_SGD, .momentum = 1.5f};
    assert_int_equal(optimizer_create(graph, &o, &optimizer, &problem), TG_EOUT_OF_RANGE);
    assert_string_equal(problem.field, "momentum");
    graph_destroy(graph);
}

static void schedules_pass_through_their_known_points(void **state) {
    (void)state;
    const struct schedule step = {SCHEDULE_STEP, 1, 0.5f, 10, 0},
                          cosine = {SCHEDULE_COSINE, 2, 0.1f, 100, 10};
    const struct schedule linear = {SCHEDULE_LINEAR, 1, 0, 100, 0}, noam = {SCHEDULE_NOAM, 3, 0, 0, 400};
    assert_float_equal(schedule_rate(&step, 9), 1, 1e-6);
    assert_float_equal(schedule_rate(&step, 10), 0.5, 1e-6);
    assert_float_equal(schedule_rate(&step, 35), 0.125, 1e-6);
    assert_float_equal(schedule_rate(&cosine, 4), 1, 1e-6); /* warming up: 5 of 10 */
    assert_float_equal(schedule_rate(&cosine, 10), 2, 1e-6);
    assert_float_equal(schedule_rate(&cosine, 60), 1.1, 1e-5);
    assert_float_equal(schedule_rate(&cosine, 500), 0.2, 1e-6);
    assert_float_equal(schedule_rate(&linear, 25), 0.75, 1e-6);
    assert_float_equal(schedule_rate(&noam, 199), 1.5, 1e-5);
    assert_float_equal(schedule_rate(&noam, 399), 3, 1e-5);
    assert_float_equal(schedule_rate(&noam, 1599), 1.5, 1e-5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_with_momentum_follows_its_recurrence),
        cmocka_unit_test(rmsprop_follows_its_recurrence),
        cmocka_unit_test(adam_follows_its_recurrence),
        cmocka_unit_test(a_restart_changes_nothing),
        cmocka_unit_test(clipping_bounds_the_norm_and_nan_moves_nothing),
        cmocka_unit_test(senseless_options_are_refused_by_name),
        cmocka_unit_test(schedules_pass_through_their_known_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
