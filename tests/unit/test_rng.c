/* Known answers: xoshiro256** from state 1, 2, 3, 4 and splitmix64 from 1234567, as the authors' C gives
 * them. */
#include "tests/unit/unit.h"

#include <math.h>

#include "proto/base/rng.h"

static void test_xoshiro_known_answers(void **state) {
    static const uint64_t expected[] = {11520u,
                                        0u,
                                        1509978240u,
                                        1215971899390074240u,
                                        1216172134540287360u,
                                        607988272756665600u,
                                        16172922978634559625u,
                                        8476171486693032832u,
                                        10595114339597558777u,
                                        2904607092377533576u};
    struct rng rng = {{1, 2, 3, 4}};
    for (int i = 0; i < 10; i++)
        assert_true(rng_next(&rng) == expected[i]);
}

static void test_splitmix_known_answers(void **state) {
    struct rng rng;
    rng_seed(&rng, 1234567);
    assert_true(rng.s[0] == 6457827717110365317u);
    assert_true(rng.s[1] == 3203168211198807973u);
    assert_true(rng.s[2] == 9817491932198370423u);
    assert_true(rng.s[3] == 4593380528125082431u);
}

static void test_streams_differ_and_repeat(void **state) {
    struct rng a, b, again;
    for (uint64_t seed = 0; seed < 20; seed++)
        for (uint64_t stream = 0; stream < 20; stream++) {
            rng_seed_stream(&a, seed, stream);
            rng_seed_stream(&again, seed, stream);
            assert_memory_equal(&a, &again, sizeof a);
            rng_seed_stream(&b, seed, stream + 1);
            assert_memory_not_equal(&a, &b, sizeof a);
            rng_seed_stream(&b, seed + 1, stream);
            assert_memory_not_equal(&a, &b, sizeof a);
            rng_seed_stream(&b, stream, seed);
            if (seed != stream)
                assert_memory_not_equal(&a, &b, sizeof a);
        }
}

/* Chi-square with 9 degrees of freedom: beyond 33.7 once in 10,000 seeds; the seed is fixed. */
static void test_below_is_uniform(void **state) {
    struct rng rng;
    rng_seed(&rng, 42);
    int counts[10] = {0};
    for (int i = 0; i < 100000; i++)
        counts[rng_below(&rng, 10)]++;
    double chi_square = 0;
    for (int i = 0; i < 10; i++)
        chi_square += (counts[i] - 10000.0) * (counts[i] - 10000.0) / 10000.0;
    assert_true(chi_square < 33.7);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&rng, 1), 0);
}

static void test_uniform_and_gauss_moments(void **state) {
    struct rng rng;
    rng_seed(&rng, 7);
    const int count = 100000;
    double sum = 0, gauss = 0, square = 0;
    for (int i = 0; i < count; i++) {
        double u = rng_uniform(&rng), g = rng_gauss(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u;
        gauss += g;
        square += g * g;
    }
    assert_true(fabs(sum / count - 0.5) < 0.005);
    assert_true(fabs(gauss / count) < 0.02);
    assert_true(fabs(square / count - 1) < 0.03);
}

static void test_shuffle_is_a_permutation_of_any_order(void **state) {
    struct rng rng;
    rng_seed(&rng, 3);
    int seen[6] = {0};
    for (int round = 0; round < 600; round++) {
        uint16_t values[] = {0, 1, 2};
        rng_shuffle_u16(&rng, values, 3);
        assert_int_equal(1 << values[0] | 1 << values[1] | 1 << values[2], 7);
        seen[values[0] * 2 + (values[1] > values[2])]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 60, 140);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xoshiro_known_answers),
        cmocka_unit_test(test_splitmix_known_answers),
        cmocka_unit_test(test_streams_differ_and_repeat),
        cmocka_unit_test(test_below_is_uniform),
        cmocka_unit_test(test_uniform_and_gauss_moments),
        cmocka_unit_test(test_shuffle_is_a_permutation_of_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
