/* cmocka.h - as much of cmocka as the tests of workers/nn use, for the cross-compiled build, where the
 * library itself is not to be had without a second architecture of Debian. A failed check ends the program.
 */
#ifndef TENGEN_TESTS_ARM64_CMOCKA_H
#define TENGEN_TESTS_ARM64_CMOCKA_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
};

#define cmocka_unit_test(function)                                                                           \
    { #function, function }
#define fail_msg(...)                                                                                        \
    do {                                                                                                     \
        printf("%s:%d: ", __FILE__, __LINE__);                                                               \
        printf(__VA_ARGS__);                                                                                 \
        printf("\n");                                                                                        \
        exit(1);                                                                                             \
    } while (0)
#define assert_true(value)                                                                                   \
    do {                                                                                                     \
        if (!(value))                                                                                        \
            fail_msg("%s does not hold", #value);                                                            \
    } while (0)
#define assert_false(value)               assert_true(!(value))
#define assert_null(pointer)              assert_true((pointer) == NULL)
#define assert_non_null(pointer)          assert_true((pointer) != NULL)
#define assert_int_equal(a, b)            assert_true((long long)(a) == (long long)(b))
#define assert_in_range(value, low, high) assert_true((value) >= (low) && (value) <= (high))
#define assert_float_equal(a, b, within)                                                                     \
    do {                                                                                                     \
        if (!(fabs((double)(a) - (double)(b)) <= (double)(within)))                                          \
            fail_msg("%s is %.9g, not %.9g", #a, (double)(a), (double)(b));                                  \
    } while (0)
#define assert_string_equal(a, b)                      assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, n)                   assert_true(memcmp(a, b, n) == 0)
#define assert_memory_not_equal(a, b, n)               assert_true(memcmp(a, b, n) != 0)
#define skip()                                         return

#define cmocka_run_group_tests(tests, setup, teardown) arm64_run(tests, sizeof(tests) / sizeof *(tests))

static inline int arm64_run(const struct CMUnitTest *tests, size_t count) {
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < count; i++) {
        tests[i].test(NULL);
        printf("ok %s\n", tests[i].name);
    }
    return 0;
}

#endif
