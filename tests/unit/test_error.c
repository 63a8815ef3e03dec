/* The table of errors: codes are unique and well formed, statuses mean something, problems survive odd input.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "proto/base/error.h"

static void test_codes_are_unique_and_come_back(void **state) {
    for (int i = 0; i < (int)TG_ERROR_COUNT; i++) {
        int error = -1 - i;
        const char *code = tg_error_code(error);
        assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(code));
        assert_int_equal(tg_error_from_code(code), error); /* would find an earlier twin */
        assert_true(tg_error_title(error)[0] >= 'A' && tg_error_title(error)[0] <= 'Z');
    }
}

static void test_statuses_are_http_errors(void **state) {
    for (int i = 0; i < (int)TG_ERROR_COUNT; i++)
        assert_in_range(tg_error_status(-1 - i), 400, 599);
    assert_int_equal(tg_error_status(TG_ELEASE_LOST), 409);
    assert_int_equal(tg_error_status(TG_ETOKEN_MISSING), 401);
    assert_int_equal(tg_error_status(TG_OK), 200);
}

static void test_unknown_numbers_are_internal(void **state) {
    assert_string_equal(tg_error_code(1), "internal");
    assert_string_equal(tg_error_code(-1 - (int)TG_ERROR_COUNT), "internal");
    assert_string_equal(tg_error_code(TG_OK), "ok");
    assert_int_equal(tg_error_from_code("no such code"), TG_EINTERNAL);
}

static void test_problem_set_fills_and_returns(void **state) {
    struct problem problem = {0};
    assert_int_equal(problem_set(&problem, TG_EOUT_OF_RANGE, "games", "is %d", 0), TG_EOUT_OF_RANGE);
    assert_int_equal(problem.error, TG_EOUT_OF_RANGE);
    assert_string_equal(problem.field, "games");
    assert_string_equal(problem.detail, "is 0");
    assert_int_equal(problem_set(NULL, TG_EIO, NULL, "unheard"), TG_EIO);
}

static void test_problem_may_quote_itself(void **state) {
    struct problem problem = {0};
    problem_set(&problem, TG_EIO, "file", "broke");
    problem_set(&problem, TG_EIO, problem.field, "again: %s", problem.detail);
    assert_string_equal(problem.field, "file");
    assert_string_equal(problem.detail, "again: broke");
}

static void test_problem_prefix(void **state) {
    struct problem problem = {0};
    problem_set(&problem, TG_EIO, "playouts", "x");
    problem_prefix(&problem, "a");
    problem_prefix(&problem, "config");
    assert_string_equal(problem.field, "config.a.playouts");
    problem.field[0] = 0;
    problem_prefix(&problem, "config");
    assert_string_equal(problem.field, "config");
}

static void test_problem_in_file(void **state) {
    struct problem problem = {0};
    problem_set(&problem, TG_EINVALID, "weight", "is odd");
    problem_in_file(&problem, "a.safetensors");
    assert_string_equal(problem.field, "a.safetensors");
    assert_string_equal(problem.detail, "weight: is odd");
    problem_set(&problem, TG_EINVALID, "a.safetensors", "is empty");
    problem_in_file(&problem, "a.safetensors");
    assert_string_equal(problem.detail, "is empty");
    problem_set(&problem, TG_ENO_MEMORY, NULL, "%s", "");
    problem_in_file(&problem, "a.safetensors");
    assert_string_equal(problem.field, "a.safetensors");
    assert_string_equal(problem.detail, "Out of memory");
    assert_int_equal(problem.error, TG_ENO_MEMORY);
}

/* A cut must not leave half a character: it would make the problem document invalid UTF-8. */
static void test_long_texts_are_cut_between_characters(void **state) {
    char text[PROBLEM_DETAIL_MAX * 2];
    for (int shift = 0; shift < 2; shift++) {
        size_t size = 0;
        if (shift)
            text[size++] = 'x';
        while (size + 2 < sizeof text) {
            memcpy(text + size, "\xC3\xA9", 2);
            size += 2;
        }
        text[size] = 0;
        struct problem problem = {0};
        problem_set(&problem, TG_EIO, text, "%s", text);
        assert_int_equal(strlen(problem.detail), shift ? PROBLEM_DETAIL_MAX - 1 : PROBLEM_DETAIL_MAX - 2);
        assert_int_equal(strlen(problem.field), shift ? PROBLEM_FIELD_MAX - 1 : PROBLEM_FIELD_MAX - 2);
        for (int i = 0; i < 100; i++)
            problem_prefix(&problem, shift ? "a" : "bc");
        assert_true(strlen(problem.field) < PROBLEM_FIELD_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_are_unique_and_come_back),
        cmocka_unit_test(test_statuses_are_http_errors),
        cmocka_unit_test(test_unknown_numbers_are_internal),
        cmocka_unit_test(test_problem_set_fills_and_returns),
        cmocka_unit_test(test_problem_may_quote_itself),
        cmocka_unit_test(test_problem_prefix),
        cmocka_unit_test(test_problem_in_file),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
