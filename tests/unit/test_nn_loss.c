/* Losses: gradients against finite differences, values against hand calculation, rows that do not count. */
#include "nn_support.h"
#include "workers/nn/loss.h"

enum { ROWS = 4, COLUMNS = 6, COUNT = ROWS * COLUMNS };

struct batch {
    float y[COUNT], targets[COUNT], weights[ROWS];
    int classes[ROWS];
};

typedef double (*loss_function)(const struct batch *batch, float *gradient);

static double cross_entropy(const struct batch *b, float *g) {
    return loss_cross_entropy(ROWS, COLUMNS, b->y, b->classes, b->weights, 0, 1.5f, g);
}

static double smoothed(const struct batch *b, float *g) {
    return loss_cross_entropy(ROWS, COLUMNS, b->y, b->classes, NULL, 0.1f, 1.5f, g);
}

static double soft(const struct batch *b, float *g) {
    return loss_cross_entropy_soft(ROWS, COLUMNS, b->y, b->targets, b->weights, 1.5f, g);
}

static double distillation(const struct batch *b, float *g) {
    return loss_distillation(ROWS, COLUMNS, b->y, b->targets, b->weights, 3, 1.5f, g);
}

static double squared_error(const struct batch *b, float *g) {
    return loss_squared_error(ROWS, COLUMNS, b->y, b->targets, b->weights, 1.5f, g);
}

static double huber(const struct batch *b, float *g) {
    return loss_huber(ROWS, COLUMNS, b->y, b->targets, b->weights, 0.7f, 1.5f, g);
}

static double binary(const struct batch *b, float *g) {
    return loss_binary(ROWS, COLUMNS, b->y, b->targets, b->weights, 1.5f, g);
}

static double dice(const struct batch *b, float *g) {
    return loss_dice(ROWS, COLUMNS, b->y, b->targets, 1.5f, g);
}

static struct batch random_batch(void) {
    struct batch b;
    struct rng rng;
    rng_seed(&rng, 23);
    for (int i = 0; i < COUNT; i++) {
        b.y[i] = (float)(6 * rng_uniform(&rng) - 3);
        b.targets[i] = (float)rng_uniform(&rng);
    }
    for (int i = 0; i < ROWS; i++) {
        b.weights[i] = (float)(0.5 + rng_uniform(&rng));
        b.classes[i] = (int)rng_below(&rng, COLUMNS);
    }
    return b;
}

static void check(const char *name, loss_function loss) {
    const float step = 1e-2f;
    struct batch b = random_batch();
    float gradient[COUNT], unused[COUNT];
    loss(&b, gradient);
    for (int i = 0; i < COUNT; i++) {
        float kept = b.y[i];
        b.y[i] = kept + step;
        double above = loss(&b, unused);
        b.y[i] = kept - step;
        double below = loss(&b, unused), truth = 1.5 * (above - below) / (2 * (double)step);
        b.y[i] = kept;
        if (!(fabs((double)gradient[i] - truth) <= 2e-3 * fabs(truth) + 2e-5))
            fail_msg("%s: gradient %d is %.6f, finite difference %.6f", name, i, (double)gradient[i], truth);
    }
}

static void gradients_equal_finite_differences(void **state) {
    (void)state;
    check("cross-entropy", cross_entropy);
    check("smoothed cross-entropy", smoothed);
    check("soft cross-entropy", soft);
    check("distillation", distillation);
    check("squared error", squared_error);
    check("Huber", huber);
    check("binary", binary);
    check("Dice", dice);
}

static void values_are_those_of_the_definitions(void **state) {
    (void)state;
    float g[4];
    const float logits[4] = {0, logf(3), 0, 0}, even[4] = {0, 0, 0, 0}, targets[4] = {1, 0, 1, 1};
    const int classes[2] = {1, 0};
    assert_float_equal(loss_cross_entropy(2, 2, logits, classes, NULL, 0, 1, g), (log(4.0 / 3) + log(2)) / 2,
                       1e-6);
    assert_float_equal(loss_cross_entropy(1, 2, logits, classes, NULL, 0.2f, 1, g),
                       0.9 * log(4.0 / 3) + 0.1 * log(4), 1e-6);
    assert_float_equal(loss_cross_entropy_soft(1, 2, logits, targets, NULL, 1, g), log(4), 1e-6);
    assert_float_equal(loss_distillation(1, 2, logits, logits, NULL, 2, 1, g), 0, 1e-9);
    assert_float_equal(loss_distillation(1, 2, even, logits, NULL, 1, 1, g),
                       0.25 * log(0.5) + 0.75 * log(1.5), 1e-6);
    assert_float_equal(loss_squared_error(2, 2, even, targets, NULL, 1, g), 0.75, 1e-6);
    assert_float_equal(g[0], -0.5, 1e-6);
    assert_float_equal(loss_huber(1, 2, even, (float[]){0.5f, 3}, NULL, 1, 1, g), (0.125 + 2.5) / 2, 1e-6);
    assert_float_equal(loss_binary(1, 2, logits, targets, NULL, 1, g), (log(2) + log(4)) / 2, 1e-6);
    assert_float_equal(loss_dice(1, 4, even, targets, 1, g), 1 - (2 * 1.5 + 1) / (2 + 3 + 1), 1e-6);
}

static void rows_without_weight_or_label_contribute_nothing(void **state) {
    (void)state;
    const float logits[4] = {NAN, NAN, 0, 0}, weights[2] = {0, 1}, targets[4] = {0, 0, 0, 0};
    const int unlabelled[2] = {-1, 1};
    float g[4];
    assert_float_equal(loss_cross_entropy(2, 2, logits, unlabelled, NULL, 0, 1, g), log(2), 1e-6);
    assert_true(g[0] == 0 && g[1] == 0);
    assert_float_equal(loss_squared_error(2, 2, logits, targets, weights, 1, g), 0, 1e-9);
    assert_true(g[0] == 0 && g[1] == 0);
    assert_true(loss_cross_entropy(1, 2, logits, unlabelled, NULL, 0, 1, g) == 0);
    assert_float_equal(loss_cross_entropy_soft(2, 2, logits, targets, weights, 1, g), 0, 1e-9);
    assert_true(g[0] == 0 && g[2] == 0);
}

static void extreme_logits_give_finite_results(void **state) {
    (void)state;
    const float logits[2] = {1e4f, -1e4f}, targets[2] = {0, 1};
    const int wrong[1] = {1};
    float g[2];
    assert_float_equal(loss_cross_entropy(1, 2, logits, wrong, NULL, 0, 1, g), 2e4, 1);
    assert_float_equal(g[0], 1, 1e-6);
    assert_float_equal(loss_binary(1, 2, logits, targets, NULL, 1, g), 1e4, 1);
    assert_float_equal(g[1], -0.5, 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_finite_differences),
        cmocka_unit_test(values_are_those_of_the_definitions),
        cmocka_unit_test(rows_without_weight_or_label_contribute_nothing),
        cmocka_unit_test(extreme_logits_give_finite_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
