/* Losses: gradients against finite differences, values against hand calculation, rows that do not count. */
#include "nn_support.h"
#include "workers/nn/loss.h"
#include "workers/nn/reference.h"

enum { ROWS_MAX = 7, COLUMNS_MAX = 37, COUNT_MAX = ROWS_MAX * COLUMNS_MAX };

struct batch {
    int rows, columns;
    float y[COUNT_MAX], targets[COUNT_MAX], weights[ROWS_MAX];
    int classes[ROWS_MAX];
};

typedef double (*loss_function)(const struct batch *batch, float *gradient);

static double cross_entropy(const struct batch *b, float *g) {
    return loss_cross_entropy((size_t)b->rows, b->columns, b->y, b->classes, b->weights, 0, 1.5f, g);
}

static double smoothed(const struct batch *b, float *g) {
    return loss_cross_entropy((size_t)b->rows, b->columns, b->y, b->classes, NULL, 0.1f, 1.5f, g);
}

static double soft(const struct batch *b, float *g) {
    return loss_cross_entropy_soft((size_t)b->rows, b->columns, b->y, b->targets, b->weights, 1.5f, g);
}

static double distillation(const struct batch *b, float *g) {
    return loss_distillation((size_t)b->rows, b->columns, b->y, b->targets, b->weights, 3, 1.5f, g);
}

static double squared_error(const struct batch *b, float *g) {
    return loss_squared_error((size_t)b->rows, b->columns, b->y, b->targets, b->weights, 1.5f, g);
}

static double huber(const struct batch *b, float *g) {
    return loss_huber((size_t)b->rows, b->columns, b->y, b->targets, b->weights, 0.7f, 1.5f, g);
}

static double binary(const struct batch *b, float *g) {
    return loss_binary((size_t)b->rows, b->columns, b->y, b->targets, b->weights, 1.5f, g);
}

static double dice(const struct batch *b, float *g) {
    return loss_dice((size_t)b->rows, (size_t)b->columns, b->y, b->targets, 1.5f, g);
}

/* Every third row but the first is masked where the loss takes weights. */
static struct batch random_batch(int rows, int columns) {
    struct batch b = {.rows = rows, .columns = columns};
    struct rng rng;
    rng_seed(&rng, 23);
    for (int i = 0; i < rows * columns; i++) {
        b.y[i] = (float)(6 * rng_uniform(&rng) - 3);
        b.targets[i] = (float)rng_uniform(&rng);
    }
    for (int i = 0; i < rows; i++) {
        b.weights[i] = i % 3 == 1 ? 0 : (float)(0.5 + rng_uniform(&rng));
        b.classes[i] = i % 5 == 4 ? -1 : (int)rng_below(&rng, (uint32_t)columns);
    }
    return b;
}

static void check_shape(const char *name, loss_function loss, int rows, int columns) {
    const float step = 1e-2f;
    struct batch b = random_batch(rows, columns);
    float gradient[COUNT_MAX], unused[COUNT_MAX];
    loss(&b, gradient);
    for (int i = 0; i < rows * columns; i++) {
        float kept = b.y[i];
        b.y[i] = kept + step;
        double above = loss(&b, unused);
        b.y[i] = kept - step;
        double below = loss(&b, unused), truth = 1.5 * (above - below) / (2 * (double)step);
        b.y[i] = kept;
        if (!(fabs((double)gradient[i] - truth) <= 2e-3 * fabs(truth) + 3e-5))
            fail_msg("%s of %dx%d: gradient %d is %.6f, finite difference %.6f", name, rows, columns, i,
                     (double)gradient[i], truth);
    }
}

static void check(const char *name, loss_function loss) {
    static const int shapes[][2] = {{1, 2}, {4, 6}, {3, 16}, {ROWS_MAX, COLUMNS_MAX}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(name, loss, shapes[i][0], shapes[i][1]);
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

/* The fast cross-entropy against its reference: sizes with and without a rest, ordinary, equal and huge
 * logits. */
static void check_against_reference(void) {
    static const int sizes[] = {1, 2, 15, 64, 1000};
    static const float scales[] = {1, 0, 1e-40f, 50, 1e6f};
    enum { ROWS = 3 };
    struct rng rng;
    rng_seed(&rng, 41);
    for (int i = 0; i < 25; i++) {
        int classes = sizes[i % 5], targets[ROWS] = {0, classes - 1, -1};
        float scale = scales[i / 5], smoothing = i % 2 ? 0.1f : 0;
        float *logits = random_floats(&rng, (size_t)(ROWS * classes)),
              *g = random_floats(&rng, (size_t)(ROWS * classes));
        double *truth = calloc((size_t)(ROWS * classes), sizeof *truth);
        for (int j = 0; j < ROWS * classes; j++)
            logits[j] *= scale;
        double loss = loss_cross_entropy(ROWS, classes, logits, targets, NULL, smoothing, 1, g);
        double expected = reference_cross_entropy(ROWS, classes, logits, targets, NULL, smoothing, 1, truth);
        if (!(fabs(loss - expected) <= 2e-6 * fmax(1, fabs(expected))))
            fail_msg("%d classes at %g: loss %.9g, not %.9g (%s)", classes, (double)scale, loss, expected,
                     kernels_get()->name);
        for (int j = 0; j < ROWS * classes; j++)
            if (!(fabs((double)g[j] - truth[j]) <= 2e-6))
                fail_msg("%d classes at %g: gradient %.9g, not %.9g (%s)", classes, (double)scale,
                         (double)g[j], truth[j], kernels_get()->name);
        free(logits), free(g), free(truth);
    }
}

static void cross_entropy_equals_its_reference(void **state) {
    (void)state;
    on_every_isa(check_against_reference);
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
        cmocka_unit_test(cross_entropy_equals_its_reference),
        cmocka_unit_test(values_are_those_of_the_definitions),
        cmocka_unit_test(rows_without_weight_or_label_contribute_nothing),
        cmocka_unit_test(extreme_logits_give_finite_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
