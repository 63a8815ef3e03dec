/* Products, Winograd transforms and convolutions against their definitions, on every instruction set of this
 * machine. */
#include "nn_support.h"
#include "workers/nn/conv.h"
#include "workers/nn/reference.h"

/* float32 sums of up to some thousand terms of size 1; Winograd's transforms lose about one digit more. */
static const double PRODUCT_BOUND = 2e-6, WINOGRAD_BOUND = 2e-5;

static void check_product(struct rng *rng, int m, int n, int k, bool transposed) {
    const struct kernels *kernels = kernels_get();
    float *a = random_floats(rng, (size_t)(m * k)), *b = random_floats(rng, (size_t)(k * n));
    float *c = random_floats(rng, (size_t)(m * n)), *turned = random_floats(rng, (size_t)(m * k));
    double *truth = calloc((size_t)(m * n), sizeof *truth);
    int columns = (n + kernels->panel - 1) / kernels->panel * kernels->panel;
    float *packed = malloc((size_t)k * (size_t)columns * sizeof *packed);
    for (int i = 0; i < m; i++)
        for (int d = 0; d < k; d++)
            turned[d * m + i] = a[i * k + d];
    reference_product(m, n, k, a, b, truth);
    kernels->pack(k, n, (struct matrix){b, n, 1}, packed);
    kernels->gemm_packed(m, n, k, transposed ? (struct matrix){turned, 1, m} : (struct matrix){a, k, 1},
                         packed, c, n, NULL);
    assert_close((size_t)(m * n), c, truth, PRODUCT_BOUND);
    free(a), free(b), free(c), free(turned), free(truth), free(packed);
}

/* The same with B read in place. */
static void check_product_in_place(struct rng *rng, int m, int vectors, int k) {
    const struct kernels *kernels = kernels_get();
    int n = vectors * kernels->lanes;
    float *a = random_floats(rng, (size_t)(m * k)), *b = random_floats(rng, (size_t)(k * n));
    float *c = random_floats(rng, (size_t)(m * n));
    double *truth = calloc((size_t)(m * n), sizeof *truth);
    reference_product(m, n, k, a, b, truth);
    kernels->gemm(m, n, k, (struct matrix){a, k, 1}, b, n, c, n, NULL);
    assert_close((size_t)(m * n), c, truth, PRODUCT_BOUND);
    free(a), free(b), free(c), free(truth);
}

/* Several products at once, beside their operands or, where n = k, moved up into them. */
static void check_product_planes(struct rng *rng, int m, int n, int k) {
    enum { PLANES = 3 };
    const struct kernels *kernels = kernels_get();
    size_t of_a = (size_t)(m * k), of_b = (size_t)(k * n), of_c = (size_t)(m * n);
    size_t of_packed = (size_t)k * packed_columns(n),
           shift = n == k ? (size_t)(kernels->rows * n) : PLANES * of_c;
    float *c = random_floats(rng, shift + PLANES * of_a), *a = c + shift;
    float *b = random_floats(rng, PLANES * of_b), *packed = malloc(PLANES * of_packed * sizeof *packed);
    double *truth = calloc(PLANES * of_c, sizeof *truth);
    for (size_t p = 0; p < PLANES; p++) {
        reference_product(m, n, k, a + p * of_a, b + p * of_b, truth + p * of_c);
        kernels->pack(k, n, (struct matrix){b + p * of_b, n, 1}, packed + p * of_packed);
    }
    kernels->gemm_planes(PLANES, m, n, k, a, packed, c);
    assert_close(PLANES * of_c, c, truth, PRODUCT_BOUND);
    free(b), free(c), free(packed), free(truth);
}

/* Few columns, against a transposed B. */
static void check_product_few(struct rng *rng, int m, int n, int k) {
    float *a = random_floats(rng, (size_t)(m * k)), *b = random_floats(rng, (size_t)(k * n));
    float *c = random_floats(rng, (size_t)(m * n)), *turned = random_floats(rng, (size_t)(k * n));
    float *bias = random_floats(rng, (size_t)n), *residual = random_floats(rng, (size_t)(m * n));
    double *truth = calloc((size_t)(m * n), sizeof *truth);
    for (int i = 0; i < k * n; i++)
        turned[i % n * k + i / n] = b[i];
    reference_product(m, n, k, a, b, truth);
    const struct gemm_tail none = {0}, tail = {.bias = bias, .residual = residual, .ldr = n, .relu = true};
    kernels_get()->gemm_few(m, n, k, a, turned, c, &none);
    assert_close((size_t)(m * n), c, truth, PRODUCT_BOUND);
    for (int i = 0; i < m * n; i++)
        truth[i] = fmax(0, truth[i] + (double)bias[i % n] + (double)residual[i]);
    kernels_get()->gemm_few(m, n, k, a, turned, c, &tail);
    assert_close((size_t)(m * n), c, truth, PRODUCT_BOUND);
    free(a), free(b), free(c), free(turned), free(bias), free(residual), free(truth);
}

/* A packed transpose equals the pack of the turned matrix. */
static void check_pack(struct rng *rng, int k, int n) {
    const struct kernels *kernels = kernels_get();
    size_t count = (size_t)k * packed_columns(n);
    float *b = random_floats(rng, (size_t)(k * n)), *turned = random_floats(rng, (size_t)(k * n));
    float *packed = calloc(count, sizeof *packed), *other = calloc(count, sizeof *other);
    for (int i = 0; i < k * n; i++)
        turned[i % n * k + i / n] = b[i];
    kernels->pack(k, n, (struct matrix){b, n, 1}, packed);
    kernels->pack(k, n, (struct matrix){turned, 1, k}, other);
    assert_memory_equal(packed, other, count * sizeof *packed);
    free(b), free(turned), free(packed), free(other);
}

static void check_products(void) {
    struct rng rng;
    rng_seed(&rng, 1);
    for (int m = 1; m <= 26; m++)
        check_product(&rng, m, 1 + (int)rng_below(&rng, 100), 1 + (int)rng_below(&rng, 70), m % 2);
    for (int m = 1; m <= 26; m++) {
        check_product_in_place(&rng, m, 1 + m % 5, 1 + (int)rng_below(&rng, 70));
        check_product_planes(&rng, m, 1 + (int)rng_below(&rng, 100), 1 + (int)rng_below(&rng, 70));
        check_product_planes(&rng, m, 3 * m, 3 * m);
        check_product_few(&rng, 7 + m, 1 + m % 5, kernels_get()->lanes * (1 + m % 3));
        check_pack(&rng, m, 1 + (int)rng_below(&rng, 100));
    }
    check_product_in_place(&rng, 150, 3, 600); /* more than one chunk of rows */
    check_product(&rng, 7, 33, 2500, false);   /* more than one stretch of K */
    check_product(&rng, 13, 64, 1024, true);
    check_product_few(&rng, 1, 4, 96);
}

static void products_equal_the_definition(void **state) {
    (void)state;
    on_every_isa(check_products);
}

static void check_tail(void) {
    enum { M = 15, N = 37, K = 9 };
    struct rng rng;
    rng_seed(&rng, 2);
    float *a = random_floats(&rng, M * K), *b = random_floats(&rng, K * N), *c = random_floats(&rng, M * N);
    float *bias = random_floats(&rng, N), *residual = random_floats(&rng, M * N);
    float packed[K * 256];
    double truth[M * N];
    reference_product(M, N, K, a, b, truth);
    for (int i = 0; i < M * N; i++)
        truth[i] = fmax(0, truth[i] + (double)c[i] + (double)bias[i % N] + (double)residual[i]);
    struct gemm_tail tail = {.accumulate = true, .relu = true, .bias = bias, .residual = residual, .ldr = N};
    kernels_get()->pack(K, N, (struct matrix){b, N, 1}, packed);
    kernels_get()->gemm_packed(M, N, K, (struct matrix){a, K, 1}, packed, c, N, &tail);
    assert_close(M * N, c, truth, PRODUCT_BOUND);
    free(a), free(b), free(c), free(bias), free(residual);
}

static void a_product_may_end_in_bias_residual_and_relu(void **state) {
    (void)state;
    on_every_isa(check_tail);
}

struct arrays {
    size_t x, y, w;
};

static struct arrays sizes_of(const struct conv_shape *s, int batch) {
    return (struct arrays){(size_t)batch * (size_t)(s->height * s->width * s->in),
                           (size_t)batch * (size_t)(s->out_height * s->out_width * s->out),
                           (size_t)(s->kernel[0] * s->kernel[1] * (s->in / s->groups) * s->out)};
}

static const float CANARY = 12345.5f;

static float *scratch_with_canary(size_t count) {
    float *scratch = malloc((count + 1) * sizeof *scratch);
    assert_non_null(scratch);
    scratch[count] = CANARY;
    return scratch;
}

/* `scale` multiplies the inputs: convolution is linear, so the bound stays relative. */
static void check_conv(struct conv_shape s, int batch, float scale) {
    assert_int_equal(conv_shape_finish(&s), 0);
    struct rng rng;
    rng_seed(&rng, (uint64_t)(s.in * 100 + s.out));
    struct arrays n = sizes_of(&s, batch);
    enum conv_method method = conv_method(&s);
    double bound = method == CONV_WINOGRAD3 || method == CONV_WINOGRAD4 ? WINOGRAD_BOUND : PRODUCT_BOUND;
    float *x = random_floats(&rng, n.x), *w = random_floats(&rng, n.w),
          *bias = random_floats(&rng, (size_t)s.out);
    float *y = random_floats(&rng, n.y), *dy = random_floats(&rng, n.y);
    float *dx = calloc(n.x, sizeof *dx), *dw = calloc(n.w, sizeof *dw),
          *dbias = calloc((size_t)s.out, sizeof *dbias);
    double *true_y = calloc(n.y, sizeof *true_y), *true_dx = calloc(n.x, sizeof *true_dx);
    double *true_dw = calloc(n.w, sizeof *true_dw), *true_dbias = calloc((size_t)s.out, sizeof *true_dbias);
    for (size_t i = 0; i < n.x; i++)
        x[i] *= scale;
    size_t forward = conv_forward_scratch(&s, batch), backward = conv_backward_scratch(&s, batch);
    float *forward_scratch = scratch_with_canary(forward), *backward_scratch = scratch_with_canary(backward);

    conv_forward(&s, batch, x, w, bias, y, forward_scratch);
    reference_conv_forward(&s, batch, x, w, bias, true_y);
    assert_close(n.y, y, true_y, bound);
    /* From nothing they are written, then added to: twice the truth. */
    for (size_t i = 0; i < n.w; i++)
        dw[i] = NAN;
    for (size_t i = 0; i < n.x; i++)
        dx[i] = NAN;
    dbias[0] = NAN;
    conv_backward(&s, batch, x, w, dy, dx, dw, dbias, (struct conv_fresh){.dx = true, .dw = true},
                  backward_scratch);
    conv_backward(&s, batch, x, w, dy, dx, dw, dbias, (struct conv_fresh){0}, backward_scratch);
    for (size_t i = 0; i < n.w; i++)
        dw[i] /= 2;
    for (size_t i = 0; i < n.x; i++)
        dx[i] /= 2;
    for (int i = 0; i < s.out; i++)
        dbias[i] /= 2;
    reference_conv_backward(&s, batch, x, w, dy, true_dx, true_dw, true_dbias);
    assert_close(n.x, dx, true_dx, bound);
    assert_close(n.w, dw, true_dw, bound);
    assert_close((size_t)s.out, dbias, true_dbias, bound);
    assert_true(forward_scratch[forward] == CANARY && backward_scratch[backward] == CANARY);

    free(x), free(w), free(bias), free(y), free(dy), free(dx), free(dw), free(dbias);
    free(true_y), free(true_dx), free(true_dw), free(true_dbias), free(forward_scratch),
        free(backward_scratch);
}

static struct conv_shape plain(int height, int width, int in, int out, int kernel) {
    return (struct conv_shape){.height = height,
                               .width = width,
                               .in = in,
                               .out = out,
                               .kernel = {kernel, kernel},
                               .stride = {1, 1},
                               .padding = {kernel / 2, kernel / 2},
                               .dilation = {1, 1},
                               .groups = 1};
}

static void check_winograd(void) {
    check_conv(plain(9, 9, 18, 16, 3), 3, 1);
    check_conv(plain(9, 9, 33, 20, 3), 19, 1); /* more than one group of images, odd channels */
    check_conv(plain(19, 19, 16, 24, 3), 2, 1);
    check_conv(plain(13, 7, 9, 10, 3), 5, 1); /* tiles that hang over both edges */
    check_conv(plain(1, 1, 8, 8, 3), 2, 1);
    check_conv(plain(2, 5, 8, 17, 3), 2, 1);
}

static void winograd_convolutions_equal_the_definition(void **state) {
    (void)state;
    on_every_isa(check_winograd);
}

static void check_hard_inputs(void) {
    check_conv(plain(9, 9, 16, 16, 3), 2, 1e-42f); /* denormals beside a bias of size 1 */
    check_conv(plain(9, 9, 16, 16, 3), 2, 1e30f);
    check_conv(plain(6, 6, 3, 5, 5), 2, 1e30f);
}

static void tiny_and_huge_values_keep_their_accuracy(void **state) {
    (void)state;
    on_every_isa(check_hard_inputs);
}

static void check_others(void) {
    check_conv(plain(9, 9, 18, 16, 1), 3, 1);
    check_conv(plain(9, 9, 48, 2, 1), 3, 1);
    check_conv(plain(28, 28, 1, 8, 3), 2, 1);
    check_conv(plain(8, 8, 6, 5, 5), 3, 1);
    struct conv_shape odd = {.height = 11,
                             .width = 10,
                             .in = 6,
                             .out = 9,
                             .kernel = {5, 3},
                             .stride = {2, 3},
                             .padding = {2, 1},
                             .dilation = {2, 1},
                             .groups = 3};
    check_conv(odd, 3, 1);
    struct conv_shape wide = plain(3, 2, 5, 16, 7); /* most taps outside */
    check_conv(wide, 2, 1);
    wide.padding[0] = wide.padding[1] = 5;
    wide.stride[1] = 3;
    check_conv(wide, 2, 1);
    struct conv_shape valid = plain(10, 10, 4, 16, 3); /* no padding, a row of taps at a time */
    valid.padding[0] = valid.padding[1] = 0;
    check_conv(valid, 3, 1);
    valid.out = 6;
    check_conv(valid, 3, 1);
    valid.dilation[1] = 2;
    check_conv(valid, 3, 1);
    struct conv_shape strided = plain(11, 13, 7, 33, 5);
    strided.stride[0] = strided.dilation[0] = 2;
    strided.stride[1] = 3;
    check_conv(strided, 2, 1);
    check_conv(plain(9, 9, 200, 32, 1), 2, 1); /* many points: weights packed; few: as they are */
    check_conv(plain(4, 4, 200, 32, 1), 2, 1);
    struct conv_shape depthwise = plain(8, 8, 8, 8, 3);
    depthwise.groups = 8;
    check_conv(depthwise, 3, 1);
    struct conv_shape downsample = plain(9, 9, 12, 24, 1);
    downsample.stride[0] = downsample.stride[1] = 2;
    check_conv(downsample, 2, 1);
}

static void other_convolutions_equal_the_definition(void **state) {
    (void)state;
    on_every_isa(check_others);
}

static void the_cheaper_winograd_form_is_chosen(void **state) {
    (void)state;
    struct conv_shape nine = plain(9, 9, 32, 32, 3), thirteen = plain(13, 13, 32, 32, 3),
                      nineteen = plain(19, 19, 32, 32, 3), strided = nine;
    strided.stride[0] = 2;
    assert_int_equal(conv_method(&nine), CONV_WINOGRAD3);
    assert_int_equal(conv_method(&thirteen), CONV_WINOGRAD3);
    assert_int_equal(conv_method(&nineteen), CONV_WINOGRAD4);
    assert_int_equal(conv_shape_finish(&strided), 0);
    assert_int_equal(conv_method(&strided), CONV_LINES);
    strided.dilation[1] = 2;
    assert_int_equal(conv_method(&strided), CONV_COLUMNS);
}

/* A run lays its memory out for its largest batch and then takes any smaller one. */
static void scratch_for_a_batch_serves_every_smaller_one(void **state) {
    (void)state;
    const struct conv_shape shapes[] = {plain(9, 9, 64, 64, 3), plain(9, 9, 96, 96, 3),
                                        plain(19, 19, 32, 48, 3), plain(8, 8, 3, 16, 5),
                                        plain(9, 9, 64, 32, 1)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct conv_shape s = shapes[i];
        assert_int_equal(conv_shape_finish(&s), 0);
        size_t forward = 0, backward = 0, run = 0;
        for (int batch = 1; batch < 70; batch++) {
            assert_true(conv_forward_scratch(&s, batch) >= forward);
            assert_true(conv_backward_scratch(&s, batch) >= backward);
            assert_true(conv_run_scratch(&s, batch) >= run);
            forward = conv_forward_scratch(&s, batch);
            backward = conv_backward_scratch(&s, batch);
            run = conv_run_scratch(&s, batch);
        }
    }
}

static void shapes_that_do_not_fit_are_refused(void **state) {
    (void)state;
    struct conv_shape large = plain(3, 3, 4, 4, 5), groups = plain(9, 9, 6, 4, 3);
    large.padding[0] = large.padding[1] = 0;
    groups.groups = 4;
    assert_int_equal(conv_shape_finish(&large), -1);
    assert_int_equal(conv_shape_finish(&groups), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_the_definition),
        cmocka_unit_test(a_product_may_end_in_bias_residual_and_relu),
        cmocka_unit_test(winograd_convolutions_equal_the_definition),
        cmocka_unit_test(tiny_and_huge_values_keep_their_accuracy),
        cmocka_unit_test(other_convolutions_equal_the_definition),
        cmocka_unit_test(the_cheaper_winograd_form_is_chosen),
        cmocka_unit_test(scratch_for_a_batch_serves_every_smaller_one),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
