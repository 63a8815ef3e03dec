/* Strict JSON: what strangers send is refused with the right code, and the rest comes through. */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/wire/json.h"
#include "proto/wire/problem.h"

static void refuse(const char *text, size_t size, int error) {
    struct problem problem = {0};
    json_t *value = json_parse(text, size, &problem);
    assert_null(value);
    assert_int_equal(problem.error, error);
    assert_true(problem.detail[0]);
}

static void test_good_values(void **state) {
    static const char *const texts[] = {"{}", " [1,2.5,-3e2] ", "\"x\"", "null",
                                        "{\"a\":{\"a\":1},\"b\":\"\\u00e9\\ud83c\\udf4e\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *value = json_parse(texts[i], strlen(texts[i]), NULL);
        assert_non_null(value);
        json_decref(value);
    }
}

#define REFUSE(text, error) refuse(text, sizeof(text) - 1, error)

static void test_refusals(void **state) {
    REFUSE("", TG_EBAD_JSON);
    REFUSE("{", TG_EBAD_JSON);
    REFUSE("{} x", TG_EBAD_JSON);
    REFUSE("{}{}", TG_EBAD_JSON);
    REFUSE("{'a':1}", TG_EBAD_JSON);
    REFUSE("{\"a\":1,}", TG_EBAD_JSON);
    REFUSE("[01]", TG_EBAD_JSON);
    REFUSE("[NaN]", TG_EBAD_JSON);
    REFUSE("[1e999]", TG_EBAD_JSON);
    REFUSE("[99999999999999999999]", TG_EBAD_JSON);
    REFUSE("\xEF\xBB\xBF{}", TG_EBAD_JSON);
    REFUSE("{}\0", TG_EBAD_JSON);
    REFUSE("{\"a\0b\":1}", TG_EBAD_JSON);
    REFUSE("{\"a\":\"\\u0000\"}", TG_EBAD_JSON);
    REFUSE("{\"\\u0000\":1}", TG_EBAD_JSON);
    REFUSE("\"\\ud800\"", TG_EBAD_JSON);
    REFUSE("\"\\ud800x\"", TG_EBAD_JSON);
    REFUSE("\"\\udc00\"", TG_EBAD_JSON);
    REFUSE("\"\\ud800\\ud800\"", TG_EBAD_JSON);
    REFUSE("{\"a\":1,\"a\":1}", TG_EDUPLICATE_KEY);
    REFUSE("{\"a\":{\"b\":1,\"\\u0062\":2}}", TG_EDUPLICATE_KEY);
    REFUSE("\"\xFF\"", TG_EBAD_UTF8);
    REFUSE("\"\xC0\xAF\"", TG_EBAD_UTF8);
    REFUSE("\"\xED\xA0\x80\"", TG_EBAD_UTF8);
    REFUSE("\"\xF4\x90\x80\x80\"", TG_EBAD_UTF8);
    REFUSE("\"\xE2\x82\"", TG_EBAD_UTF8);
}

static void test_depth(void **state) {
    char text[4 * JSON_DEPTH_MAX + 8];
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    json_t *value = json_parse(text, 2 * JSON_DEPTH_MAX, NULL);
    assert_non_null(value);
    json_decref(value);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    refuse(text, 2 * JSON_DEPTH_MAX + 2, TG_ETOO_DEEP);
    /* Brackets in strings do not nest, nor does an escaped quote end one. */
    size_t size = (size_t)snprintf(text, sizeof text, "[\"\\\"");
    memset(text + size, '[', JSON_DEPTH_MAX * 2);
    memcpy(text + size + JSON_DEPTH_MAX * 2, "\"]", 2);
    value = json_parse(text, size + JSON_DEPTH_MAX * 2 + 2, NULL);
    assert_non_null(value);
    json_decref(value);
}

static void test_a_million_brackets_are_no_stack_overflow(void **state) {
    size_t size = 1 << 20;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '[', size);
    refuse(text, size, TG_ETOO_DEEP);
    free(text);
}

static void test_position_is_told(void **state) {
    struct problem problem = {0};
    const char *text = "{\n \"a\": tru}";
    assert_null(json_parse(text, strlen(text), &problem));
    assert_non_null(strstr(problem.detail, "line 2, column"));
    assert_null(json_parse_object("[]", 2, &problem));
    assert_int_equal(problem.error, TG_EWRONG_TYPE);
}

static void test_members(void **state) {
    json_t *object = json_pack("{s:i,s:s,s:{},s:f}", "n", 5, "s", "text", "o", "f", 1.5);
    struct problem problem = {0};
    int64_t number = 0;
    const char *text = NULL;
    const json_t *inner = NULL;
    assert_int_equal(json_get_int(object, "n", 1, 5, &number, &problem), 0);
    assert_int_equal(number, 5);
    assert_int_equal(json_get_int(object, "n", 1, 4, &number, &problem), TG_EOUT_OF_RANGE);
    assert_string_equal(problem.field, "n");
    assert_int_equal(json_get_int(object, "f", 1, 4, &number, &problem), TG_EWRONG_TYPE);
    assert_int_equal(json_get_int(object, "x", 1, 4, &number, &problem), TG_EMISSING_FIELD);
    assert_int_equal(json_get_int_or(object, "x", 1, 4, 77, &number, &problem), 0);
    assert_int_equal(number, 77);
    assert_int_equal(json_get_int_or(object, "n", 1, 4, 77, &number, &problem), TG_EOUT_OF_RANGE);
    assert_int_equal(json_get_string(object, "s", 4, &text, &problem), 0);
    assert_string_equal(text, "text");
    assert_int_equal(json_get_string(object, "s", 3, &text, &problem), TG_EOUT_OF_RANGE);
    assert_int_equal(json_get_string(object, "n", 3, &text, &problem), TG_EWRONG_TYPE);
    assert_int_equal(json_get_string(object, "x", 3, &text, &problem), TG_EMISSING_FIELD);
    assert_int_equal(json_get_object(object, "o", &inner, &problem), 0);
    assert_int_equal(json_get_object(object, "n", &inner, &problem), TG_EWRONG_TYPE);
    assert_int_equal(json_get_object(object, "x", &inner, &problem), TG_EMISSING_FIELD);
    json_decref(object);
}

static void test_only(void **state) {
    static const char *const names[] = {"kind", "name", NULL};
    json_t *object = json_pack("{s:i,s:i}", "kind", 1, "nmae", 2);
    struct problem problem = {0};
    assert_int_equal(json_only(object, names, &problem), TG_EUNKNOWN_OPTION);
    assert_string_equal(problem.field, "nmae");
    assert_non_null(strstr(problem.detail, "did you mean name?"));
    json_object_del(object, "nmae");
    assert_int_equal(json_only(object, names, &problem), 0);
    json_decref(object);
}

static void test_append(void **state) {
    struct buf out = {.limit = 20};
    json_t *value = json_pack("{s:f,s:i}", "a", 0.1, "b", 1);
    assert_int_equal(buf_append_text(&out, ">"), 0);
    assert_int_equal(json_append(&out, value), 0);
    assert_string_equal((char *)out.data, ">{\"a\":0.1,\"b\":1}");
    assert_int_equal(json_append(&out, value), TG_ETOO_LARGE);
    assert_string_equal((char *)out.data, ">{\"a\":0.1,\"b\":1}");
    json_decref(value);
    buf_free(&out);
}

static void test_reals_read_back(void **state) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1.0 / 3, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {5.0, "5.0"},
                 {-0.0, "-0.0"},
                 {1e300, "1e+300"},
                 {5e-324, "4.94065645841247e-324"},
                 {9007199254740993.0, "9007199254740992.0"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[JSON_REAL_TEXT];
        assert_string_equal(json_real_text(cases[i].value, text), cases[i].text);
        assert_true(strtod(text, NULL) == cases[i].value);
    }
    union {
        uint64_t bits;
        double value;
    } any = {.bits = 1};
    for (int i = 0; i < 100000; i++) {
        char text[JSON_REAL_TEXT];
        any.bits = any.bits * 6364136223846793005u + 1442695040888963407u;
        if (isfinite(any.value))
            assert_true(strtod(json_real_text(any.value, text), NULL) == any.value);
    }
}

/* What it writes, jansson reads as the value that was written; both ways of writing say the same. */
static void test_text_reads_back(void **state) {
    json_t *value =
        json_pack("{s:[], s:{}, s:[i, n, b, b, f], s:{s:s}}", "none", "empty", "list", -7, 1, 0, 2.5, "in",
                  "quote\"\\/\b\f\n\r\t\x01\x7f", "tab\t\"back\\slash\x1f \xE2\x98\x83 /");
    struct buf pretty = BUF_INIT;
    char *text = json_text(value);
    assert_int_equal(json_append_pretty(&pretty, value), 0);
    json_t *compact = json_loads(text, 0, NULL), *spread = json_loads((char *)pretty.data, 0, NULL);
    assert_true(json_equal(compact, value));
    assert_true(json_equal(spread, value));
    assert_non_null(strstr(text, "{\"none\":[],\"empty\":{},\"list\":[-7,null,true,false,2.5],\"in\":{"));
    assert_non_null(strstr(text, "\"quote\\\"\\\\/\\b\\f\\n\\r\\t\\u0001"));
    assert_non_null(
        strstr((char *)pretty.data, "{\n  \"none\": [],\n  \"empty\": {},\n  \"list\": [\n    -7,"));
    json_decref(compact);
    json_decref(spread);
    json_decref(value);
    buf_free(&pretty);
    free(text);
    assert_null(json_text(NULL));
}

static void test_file(void **state) {
    char path[] = "/tmp/tengen-json-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "{\"a\":1}", 7), 7);
    close(fd);
    struct problem problem = {0};
    json_t *value = json_read_file(path, 7, &problem);
    assert_int_equal(json_integer_value(json_object_get(value, "a")), 1);
    json_decref(value);
    assert_null(json_read_file(path, 6, &problem));
    assert_int_equal(problem.error, TG_ETOO_LARGE);
    unlink(path);
    assert_null(json_read_file(path, 7, &problem));
    assert_int_equal(problem.error, TG_ENOT_FOUND);
    assert_string_equal(problem.field, path);
}

static void test_problem_round_trip(void **state) {
    struct problem out = {0}, back = {0};
    problem_set(&out, TG_EOUT_OF_RANGE, "config.games", "must be 1 to 10, is 0");
    json_t *document = problem_to_json(&out);
    assert_int_equal(json_integer_value(json_object_get(document, "status")), 400);
    assert_string_equal(json_string_value(json_object_get(document, "type")), "about:blank");
    assert_string_equal(json_string_value(json_object_get(document, "code")), "out_of_range");
    problem_from_json(document, 400, &back);
    assert_memory_equal(&out, &back, sizeof out);
    json_decref(document);
}

static void test_problem_from_something_else(void **state) {
    struct problem problem = {0};
    problem_from_json(NULL, 502, &problem);
    assert_int_equal(problem.error, TG_EINTERNAL);
    assert_non_null(strstr(problem.detail, "502"));
    struct problem odd = {.error = TG_EIO, .field = "\xFF", .detail = "\xFF"};
    json_t *document = problem_to_json(&odd);
    assert_string_equal(json_string_value(json_object_get(document, "field")), "");
    json_decref(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_a_million_brackets_are_no_stack_overflow),
        cmocka_unit_test(test_position_is_told),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_reals_read_back),
        cmocka_unit_test(test_text_reads_back),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_problem_round_trip),
        cmocka_unit_test(test_problem_from_something_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
