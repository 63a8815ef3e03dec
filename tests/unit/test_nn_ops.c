/* Every operator's backward pass against finite differences of its forward pass, and forward passes against
 * their definitions. */
#include "nn_support.h"

/* Something with parameters before the operator under test, so that its input's gradient is checked too. */
static tensor image(struct graph *graph, int height, int width, int channels) {
    tensor x = graph_input(graph, "image", SHAPE(height, width, 5));
    return graph_conv(graph, "before", x, &(struct conv_spec){.channels = channels});
}

static tensor sequence(struct graph *graph, const char *name, int length, int width) {
    tensor x = graph_input(graph, name, SHAPE(length, 6));
    return graph_linear(graph, name, x, width, true);
}

static void check(tensor (*build)(struct graph *graph), int ids_below) {
    for (int batch = 1; batch <= 3; batch += 2) {
        struct graph *graph = graph_create();
        graph_output(graph, "out", build(graph));
        struct trial trial = trial_create(graph, 3, batch, 17, ids_below);
        trial_check_gradients(&trial);
        trial_destroy(&trial);
    }
}

#define OPERATOR(NAME, IDS, EXPRESSION)                                                                      \
    static tensor build_##NAME(struct graph *graph) {                                                        \
        return EXPRESSION;                                                                                   \
    }                                                                                                        \
    static void check_##NAME(void) {                                                                         \
        check(build_##NAME, IDS);                                                                            \
    }                                                                                                        \
    static void NAME##_has_the_gradient_of_its_forward_pass(void **state) {                                  \
        (void)state;                                                                                         \
        on_every_isa(check_##NAME);                                                                          \
    }

#define ATTENTION(heads_, causal_) (&(struct attention_spec){.heads = heads_, .causal = causal_})

OPERATOR(sigmoid, 0, graph_sigmoid(graph, "op", image(graph, 3, 4, 7)))
OPERATOR(tanh, 0, graph_tanh(graph, "op", image(graph, 3, 4, 19)))
OPERATOR(gelu, 0, graph_gelu(graph, "op", image(graph, 3, 4, 19)))
OPERATOR(softmax, 0, graph_softmax(graph, "op", image(graph, 2, 2, 21)))
OPERATOR(layer_norm, 0, graph_layer_norm(graph, "op", sequence(graph, "x", 4, 18)))
OPERATOR(batch_norm, 0, graph_batch_norm(graph, "op", image(graph, 3, 3, 18)))
OPERATOR(average_pool, 0,
         graph_pool(graph, "op", image(graph, 7, 5, 9),
                    &(struct pool_spec){
                        .kernel = {3, 2}, .stride = {2, 2}, .padding = {1, 1}, .average = true}))
OPERATOR(global_average, 0, graph_global_average(graph, "op", image(graph, 4, 5, 9)))
OPERATOR(strided_conv, 0,
         graph_conv(graph, "op", image(graph, 7, 8, 6),
                    &(struct conv_spec){
                        .channels = 8, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 0}, .groups = 2}))
OPERATOR(upsample_nearest, 0, graph_upsample(graph, "op", image(graph, 3, 2, 5), 2, false))
OPERATOR(upsample_bilinear, 0, graph_upsample(graph, "op", image(graph, 3, 4, 5), 3, true))
OPERATOR(squeeze_excite, 0, graph_squeeze_excite(graph, "op", image(graph, 3, 4, 12), 2))
OPERATOR(embedding, 9,
         graph_tanh(graph, "tanh", graph_embedding(graph, "op", graph_input(graph, "ids", SHAPE(6)), 9, 10)))
OPERATOR(positions, 0, graph_positions(graph, "op", sequence(graph, "x", 5, 8)))
OPERATOR(self_attention, 0,
         graph_attention(graph, "op", sequence(graph, "q", 5, 8), sequence(graph, "k", 5, 8),
                         sequence(graph, "v", 5, 8), NO_KEEP, ATTENTION(2, false)))
OPERATOR(causal_attention, 0,
         graph_attention(graph, "op", sequence(graph, "q", 7, 6), sequence(graph, "k", 7, 6),
                         sequence(graph, "v", 7, 6), NO_KEEP, ATTENTION(3, true)))
OPERATOR(masked_cross_attention, 2,
         graph_attention(graph, "op", sequence(graph, "q", 4, 8), sequence(graph, "k", 6, 8),
                         sequence(graph, "v", 6, 8), graph_input(graph, "keep", SHAPE(6)),
                         ATTENTION(2, false)))

/* ReLU and maximum have kinks: check them where no kink is near, by construction of the inputs. */
static void relu_passes_the_gradient_where_it_is_positive(void **state) {
    (void)state;
    float x[5] = {-2, -0.0f, 0, 1e-30f, 3}, y[5], dy[5] = {1, 2, 3, 4, 5}, dx[5] = {10, 10, 10, 10, 10};
    kernels_get()->relu(5, x, y);
    kernels_get()->relu_backward(5, y, dy, dx);
    const float true_y[5] = {0, 0, 0, 1e-30f, 3}, true_dx[5] = {10, 10, 10, 14, 15};
    for (int i = 0; i < 5; i++) {
        assert_true(y[i] == true_y[i]);
        assert_true(dx[i] == true_dx[i]);
    }
}

static void max_pooling_takes_the_maximum_and_gives_it_the_gradient(void **state) {
    (void)state;
    struct graph *graph = graph_create();
    tensor x = graph_linear(graph, "scale", graph_input(graph, "x", SHAPE(2, 4, 1)), 1, false);
    graph_output(graph, "out", graph_pool(graph, "op", x, &(struct pool_spec){.kernel = {2, 2}}));
    struct trial t = trial_create(graph, 1, 1, 1, 0);
    const float values[8] = {1, -5, -3, -2, 4, 2, -1, -9};
    memcpy(t.x[0], values, sizeof values);
    t.model.values[0] = 2;
    trial_loss(&t, false);
    assert_float_equal(run_output(t.run, "out")[0], 8, 1e-6);
    assert_float_equal(run_output(t.run, "out")[1], -2, 1e-6);
    trial_loss(&t, true); /* the results' memory may serve the backward pass */
    /* d loss / d scale = 0.2 * 8 * 4 + 0.3 * (-2) * (-1) */
    assert_float_equal(t.gradients[0], 7.0, 1e-5);
    trial_destroy(&t);
}

/* Results of a graph of one input and no parameters, for `batch` samples of it. */
static void results_of(tensor (*build)(struct graph *graph), int batch, const float *x, size_t x_count,
                       float *y, size_t y_count) {
    struct graph *graph = graph_create();
    graph_output(graph, "out", build(graph));
    struct trial t = trial_create(graph, batch, batch, 1, 0);
    memcpy(t.x[0], x, x_count * sizeof *x);
    trial_loss(&t, false);
    memcpy(y, run_output(t.run, "out"), y_count * sizeof *y);
    trial_destroy(&t);
}

static tensor build_line_upsampled(struct graph *graph) {
    return graph_upsample(graph, "op", graph_input(graph, "x", SHAPE(1, 2, 1)), 2, true);
}

static void bilinear_upsampling_blends_by_the_distance_of_centres(void **state) {
    (void)state;
    const float x[2] = {0, 1}, truth[4] = {0, 0.25f, 0.75f, 1};
    float y[8];
    results_of(build_line_upsampled, 1, x, 2, y, 8);
    for (int i = 0; i < 8; i++) /* two equal lines */
        assert_float_equal(y[i], truth[i % 4], 1e-6);
}

static tensor build_gated_by_mean(struct graph *graph) {
    tensor x = graph_input(graph, "x", SHAPE(1, 2, 2));
    return graph_gate(graph, "op", x, graph_global_average(graph, "mean", x));
}

static void each_sample_has_its_own_gate(void **state) {
    (void)state;
    const float x[8] = {1, 2, 3, 4, 10, 20, 30, 40};
    const float truth[8] = {2, 6, 6, 12, 200, 600, 600, 1200}; /* times the means 2 and 3, 20 and 30 */
    float y[8];
    results_of(build_gated_by_mean, 2, x, 8, y, 8);
    for (int i = 0; i < 8; i++)
        assert_float_equal(y[i], truth[i], 1e-4);
}

static void check_transcendentals(void) {
    enum { COUNT = 1003 };
    float x[COUNT], y[COUNT];
    for (int i = 0; i < COUNT; i++)
        x[i] = (float)(i - 500) * 0.21f;
    kernels_get()->sigmoid(COUNT, x, y);
    for (int i = 0; i < COUNT; i++)
        assert_float_equal(y[i], 1 / (1 + exp(-(double)x[i])), 2e-7);
    for (int i = 0; i < COUNT; i++)
        x[i] *= 0.01f;
    kernels_get()->tanh(COUNT, x, y);
    for (int i = 0; i < COUNT; i++)
        if (fabs((double)y[i] - tanh((double)x[i])) > 3e-6 * fabs((double)x[i]) + 1e-9)
            fail_msg("tanh(%g) is %g, not %g", (double)x[i], (double)y[i], tanh((double)x[i]));
}

static void exponentials_are_accurate_over_their_whole_range(void **state) {
    (void)state;
    on_every_isa(check_transcendentals);
}

/* Far from 0, where squares would lose the variance; more rows than are taken at a time. */
static void check_moments(void) {
    enum { ROWS = 2500, CHANNELS = 70 };
    struct rng rng;
    rng_seed(&rng, 5);
    float *x = random_floats(&rng, (size_t)ROWS * CHANNELS), mean[CHANNELS], variance[CHANNELS];
    for (int i = 0; i < ROWS * CHANNELS; i++)
        x[i] += 2000 + (float)(i / CHANNELS) * 1e-3f;
    kernels_get()->column_moments(ROWS, CHANNELS, x, mean, variance);
    for (int c = 0; c < CHANNELS; c++) {
        double true_mean = 0, squares = 0;
        for (int row = 0; row < ROWS; row++)
            true_mean += (double)x[row * CHANNELS + c] / ROWS;
        for (int row = 0; row < ROWS; row++)
            squares += pow((double)x[row * CHANNELS + c] - true_mean, 2) / ROWS;
        assert_float_equal(mean[c], true_mean, 2e-3);
        assert_float_equal(variance[c] / squares, 1, 2e-5);
    }
    free(x);
}

static void moments_lose_nothing_far_from_zero(void **state) {
    (void)state;
    on_every_isa(check_moments);
}

static void check_masked_softmax(void) {
    enum { COLUMNS = 37 };
    float x[2 * COLUMNS], y[2 * COLUMNS];
    double sum = 0;
    for (int i = 0; i < COLUMNS; i++) {
        x[i] = i == 5 ? -INFINITY : 1000 + 3 * sinf((float)i);
        x[COLUMNS + i] = -INFINITY;
        sum += i == 5 ? 0 : exp(0.5 * ((double)x[i] - 1000));
    }
    kernels_get()->softmax(2, COLUMNS, 0.5f, x, y);
    for (int i = 0; i < COLUMNS; i++) {
        assert_float_equal(y[i], i == 5 ? 0 : exp(0.5 * ((double)x[i] - 1000)) / sum, 1e-6);
        assert_true(y[COLUMNS + i] == 0);
    }
}

static void softmax_is_stable_and_gives_masked_entries_nothing(void **state) {
    (void)state;
    on_every_isa(check_masked_softmax);
}

/* A padded key must not influence any result, whatever it holds. */
static void masked_keys_and_the_future_are_not_seen(void **state) {
    (void)state;
    for (int causal = 0; causal < 2; causal++) {
        struct graph *graph = graph_create();
        tensor x = graph_input(graph, "x", SHAPE(4, 6)), keep = graph_input(graph, "keep", SHAPE(4));
        graph_output(graph, "out",
                     graph_attention(graph, "op", x, x, x, causal ? NO_KEEP : keep, ATTENTION(2, causal)));
        struct trial t = trial_create(graph, 1, 1, 1, 2);
        const float all_but_last[4] = {1, 1, 1, 0};
        float before[3 * 6];
        memcpy(t.x[1], all_but_last, sizeof all_but_last);
        trial_loss(&t, false);
        memcpy(before, run_output(t.run, "out"), sizeof before);
        for (int i = 0; i < 6; i++)
            t.x[0][3 * 6 + i] += 7;
        trial_loss(&t, false);
        assert_memory_equal(before, run_output(t.run, "out"), sizeof before);
        for (int i = 0; i < 6; i++)
            t.x[0][2 * 6 + i] += 7; /* a key that is seen */
        trial_loss(&t, false);
        assert_memory_not_equal(before, run_output(t.run, "out"), sizeof before);
        trial_destroy(&t);
    }
}

static void dropout_drops_its_share_and_keeps_the_mean(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    struct graph *graph = graph_create();
    graph_output(graph, "out", graph_dropout(graph, "op", graph_input(graph, "x", SHAPE(COUNT)), 0.3f));
    struct trial t = trial_create(graph, 1, 1, 1, 0);
    int dropped = 0;
    double sum = 0;
    for (int i = 0; i < COUNT; i++)
        t.x[0][i] = 1;
    trial_loss(&t, false);
    for (int i = 0; i < COUNT; i++) {
        dropped += run_output(t.run, "out")[i] == 0;
        sum += (double)run_output(t.run, "out")[i];
    }
    assert_in_range(dropped, 5700, 6300); /* 6000, standard deviation 65 */
    assert_float_equal(sum / COUNT, 1, 0.02);
    trial_destroy(&t);
}

#define GRADIENT_TEST(NAME) cmocka_unit_test(NAME##_has_the_gradient_of_its_forward_pass)

int main(void) {
    const struct CMUnitTest tests[] = {
        GRADIENT_TEST(sigmoid),
        GRADIENT_TEST(tanh),
        GRADIENT_TEST(gelu),
        GRADIENT_TEST(softmax),
        GRADIENT_TEST(layer_norm),
        GRADIENT_TEST(batch_norm),
        GRADIENT_TEST(average_pool),
        GRADIENT_TEST(global_average),
        GRADIENT_TEST(strided_conv),
        GRADIENT_TEST(upsample_nearest),
        GRADIENT_TEST(upsample_bilinear),
        GRADIENT_TEST(squeeze_excite),
        GRADIENT_TEST(embedding),
        GRADIENT_TEST(positions),
        GRADIENT_TEST(self_attention),
        GRADIENT_TEST(causal_attention),
        GRADIENT_TEST(masked_cross_attention),
        cmocka_unit_test(relu_passes_the_gradient_where_it_is_positive),
        cmocka_unit_test(max_pooling_takes_the_maximum_and_gives_it_the_gradient),
        cmocka_unit_test(bilinear_upsampling_blends_by_the_distance_of_centres),
        cmocka_unit_test(each_sample_has_its_own_gate),
        cmocka_unit_test(moments_lose_nothing_far_from_zero),
        cmocka_unit_test(exponentials_are_accurate_over_their_whole_range),
        cmocka_unit_test(softmax_is_stable_and_gives_masked_entries_nothing),
        cmocka_unit_test(masked_keys_and_the_future_are_not_seen),
        cmocka_unit_test(dropout_drops_its_share_and_keeps_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
