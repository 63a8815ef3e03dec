#include "tests/unit/unit.h"

#include <string.h>

#include "proto/base/options.h"

static const char *const colours[] = {"black", "white", NULL};
static const struct option_spec inner[] = {
    {.name = "depth", .type = OPTION_INT, .min = 1, .max = 9, .initial = "3", .help = "how deep"},
    {.name = "name", .type = OPTION_STRING, .min = 1, .max = 8, .initial = "\"x\""},
    {.name = NULL},
};
static const struct option_when for_white = OPTION_WHEN("colour", "white");
static const struct option_when for_both = OPTION_WHEN("colour", "black", "white");
static const struct option_spec table[] = {
    {.name = "games",
     .type = OPTION_INT,
     .min = 1,
     .max = 1e7,
     .initial = "1000",
     .unit = "games",
     .help = "games to play"},
    {.name = "komi",
     .type = OPTION_NUMBER,
     .min = -361,
     .max = 361,
     .initial = "7",
     .help = "points",
     .when = &for_white},
    {.name = "fast", .type = OPTION_BOOL, .initial = "true"},
    {.name = "colour", .type = OPTION_CHOICE, .choices = colours, .initial = "\"white\""},
    {.name = "player", .type = OPTION_OBJECT, .fields = inner, .help = "who"},
    {.name = "engine_path",
     .type = OPTION_LIST,
     .min = 0,
     .max = 2,
     .initial = "[]",
     .help = "where",
     .value = "FILE",
     .when = &for_both},
    {.name = NULL},
};
static const struct option_spec required[] = {
    {.name = "file", .type = OPTION_STRING, .min = 1, .max = 10, .help = "the file"},
    {.name = "detach", .type = OPTION_BOOL, .initial = "false", .flag_only = true},
    {.name = NULL},
};

static json_t *accept(const struct option_spec *options, const char *text) {
    json_t *given = json_loads(text, 0, NULL), *out = NULL;
    struct problem problem = {0};
    assert_int_equal(options_check(options, given, &out, &problem), 0);
    json_decref(given);
    return out;
}

static void refuse(const struct option_spec *options, const char *text, int error, const char *field,
                   const char *words) {
    json_t *given = json_loads(text, JSON_DECODE_ANY, NULL), *out = NULL;
    assert_non_null(given);
    struct problem problem = {0};
    assert_int_equal(options_check(options, given, &out, &problem), error);
    assert_int_equal(problem.error, error);
    assert_string_equal(problem.field, field);
    assert_non_null(strstr(problem.detail, words));
    assert_null(out);
    json_decref(given);
}

static void test_defaults(void **state) {
    json_t *out = NULL;
    assert_int_equal(options_check(table, NULL, &out, NULL), 0);
    assert_int_equal(json_object_size(out), 6);
    assert_int_equal(option_int(out, "games"), 1000);
    assert_true(option_number(out, "komi") == 7.0);
    assert_true(option_bool(out, "fast"));
    assert_string_equal(option_string(out, "colour"), "white");
    assert_int_equal(option_int(option_object(out, "player"), "depth"), 3);
    json_decref(out);
}

static void test_given_values(void **state) {
    json_t *out = accept(
        table, "{\"games\":1e3,\"komi\":-5,\"fast\":false,\"player\":{\"depth\":9},\"engine_path\":[\"a\"]}");
    assert_int_equal(option_int(out, "games"), 1000);
    assert_true(option_number(out, "komi") == -5.0);
    assert_false(option_bool(out, "fast"));
    assert_int_equal(option_int(option_object(out, "player"), "depth"), 9);
    assert_string_equal(option_string(option_object(out, "player"), "name"), "x");
    json_decref(out);
}

static void test_refusals(void **state) {
    refuse(table, "{\"gmaes\":1}", TG_EUNKNOWN_OPTION, "gmaes", "did you mean games?");
    refuse(table, "{\"zzzzzzzz\":1}", TG_EUNKNOWN_OPTION, "zzzzzzzz",
           "there is no such option; there are games, ");
    refuse(table, "{\"games\":0}", TG_EOUT_OF_RANGE, "games", "must be 1 to 10000000, is 0");
    refuse(table, "{\"games\":10000001}", TG_EOUT_OF_RANGE, "games", "10000001");
    refuse(table, "{\"games\":1.5}", TG_EWRONG_TYPE, "games", "whole");
    refuse(table, "{\"games\":\"1\"}", TG_EWRONG_TYPE, "games", "is a string");
    refuse(table, "{\"games\":null}", TG_EWRONG_TYPE, "games", "is null");
    refuse(table, "{\"komi\":361.5}", TG_EOUT_OF_RANGE, "komi", "-361 to 361");
    refuse(table, "{\"fast\":1}", TG_EWRONG_TYPE, "fast", "true or false");
    refuse(table, "{\"colour\":\"red\"}", TG_EOUT_OF_RANGE, "colour", "black, white");
    refuse(table, "{\"player\":[]}", TG_EWRONG_TYPE, "player", "is an array");
    refuse(table, "{\"player\":{\"depth\":10}}", TG_EOUT_OF_RANGE, "player.depth", "1 to 9");
    refuse(table, "{\"player\":{\"dept\":1}}", TG_EUNKNOWN_OPTION, "player.dept", "depth");
    refuse(table, "{\"player\":{\"name\":\"\"}}", TG_EOUT_OF_RANGE, "player.name", "1 to 8 bytes");
    refuse(table, "{\"player\":{\"name\":\"a\\u001bb\"}}", TG_EOUT_OF_RANGE, "player.name", "control");
    refuse(table, "{\"engine_path\":[\"a\",\"b\",\"c\"]}", TG_EOUT_OF_RANGE, "engine_path", "0 to 2");
    refuse(table, "{\"engine_path\":[1]}", TG_EWRONG_TYPE, "engine_path", "strings");
    refuse(table, "[]", TG_EWRONG_TYPE, "", "must be an object");
    refuse(required, "{}", TG_EMISSING_FIELD, "file", "required");
}

static void test_nearest_name(void **state) {
    static const char *const names[] = {"playouts", "player", "seconds", NULL};
    assert_string_equal(nearest_name("playotus", names), "playouts");
    assert_string_equal(nearest_name("plaer", names), "player");
    assert_string_equal(nearest_name("Seconds", names), "seconds");
    assert_null(nearest_name("xyz", names));
    char longer[200];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_null(nearest_name(longer, names));
}

static int parse(const struct option_spec *options, const char *line, json_t **out, json_t **words,
                 struct problem *problem) {
    char text[512], *argv[32] = {"program"}, *rest = NULL;
    int argc = 1;
    memcpy(text, line, strlen(line) + 1);
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    *problem = (struct problem){0};
    return options_parse_argv(options, argc, argv, out, words, problem);
}

static void test_argv(void **state) {
    json_t *out, *words;
    struct problem problem;
    assert_int_equal(parse(table,
                           "first --games 12 --komi=-0.5 --no-fast --player.depth 4 --player.name=bob "
                           "--engine-path a --engine-path=b=c - -- --last",
                           &out, &words, &problem),
                     0);
    assert_int_equal(option_int(out, "games"), 12);
    assert_true(option_number(out, "komi") == -0.5);
    assert_false(option_bool(out, "fast"));
    assert_int_equal(option_int(option_object(out, "player"), "depth"), 4);
    assert_string_equal(option_string(option_object(out, "player"), "name"), "bob");
    assert_string_equal(json_string_value(json_array_get(json_object_get(out, "engine_path"), 1)), "b=c");
    assert_int_equal(json_array_size(words), 3);
    assert_string_equal(json_string_value(json_array_get(words, 1)), "-");
    assert_string_equal(json_string_value(json_array_get(words, 2)), "--last");
    json_decref(out);
    json_decref(words);
    assert_int_equal(parse(required, "--file x --detach", &out, NULL, &problem), 0);
    assert_true(option_bool(out, "detach"));
    json_decref(out);
}

static void refuse_line(const struct option_spec *options, const char *line, int error, const char *field) {
    json_t *out, *words;
    struct problem problem;
    assert_int_equal(parse(options, line, &out, &words, &problem), error);
    assert_string_equal(problem.field, field);
    assert_null(out);
    assert_null(words);
}

static void test_argv_refusals(void **state) {
    refuse_line(table, "--gams 3", TG_EUNKNOWN_OPTION, "--gams");
    refuse_line(table, "-g", TG_EUNKNOWN_OPTION, "-g");
    refuse_line(table, "--games", TG_EMISSING_FIELD, "--games");
    refuse_line(table, "--games x", TG_EWRONG_TYPE, "--games");
    refuse_line(table, "--games 0x10", TG_EWRONG_TYPE, "--games");
    refuse_line(table, "--games 1 --games 2", TG_EINVALID, "--games");
    refuse_line(table, "--games 0", TG_EOUT_OF_RANGE, "--games");
    refuse_line(table, "--games 99999999999999999999", TG_EOUT_OF_RANGE, "--games");
    refuse_line(table, "--komi nan", TG_EWRONG_TYPE, "--komi");
    refuse_line(table, "--komi 1e999", TG_EOUT_OF_RANGE, "--komi");
    refuse_line(table, "--fast=maybe", TG_EWRONG_TYPE, "--fast");
    refuse_line(table, "--no-games", TG_EUNKNOWN_OPTION, "--no-games");
    refuse_line(table, "--no-fast=1", TG_EINVALID, "--no-fast");
    refuse_line(table, "--player.depht 1", TG_EUNKNOWN_OPTION, "--player.depht");
    refuse_line(table, "--games.depth 1", TG_EUNKNOWN_OPTION, "--games.depth");
    refuse_line(table, "--player.depth 10", TG_EOUT_OF_RANGE, "--player.depth");
    refuse_line(table, "--player {", TG_EWRONG_TYPE, "--player");
    refuse_line(table, "--player {} --player.depth 1 --player.depth 2", TG_EINVALID, "--player.depth");
    refuse_line(table, "--player.name \xFF", TG_EBAD_UTF8, "--player.name");
    refuse_line(required, "", TG_EMISSING_FIELD, "--file");
    refuse_line(required, "--file x --detach=1", TG_EINVALID, "--detach");
    json_t *out;
    struct problem problem;
    assert_int_equal(parse(table, "word", &out, NULL, &problem), TG_EINVALID);
    assert_non_null(strstr(problem.detail, "word"));
    assert_int_equal(parse(table, "--engin-path x", &out, NULL, &problem), TG_EUNKNOWN_OPTION);
    assert_string_equal(problem.detail, "there is no such flag; did you mean --engine-path?");
    assert_int_equal(parse(table, "--player.depht=1", &out, NULL, &problem), TG_EUNKNOWN_OPTION);
    assert_string_equal(problem.field, "--player.depht");
    assert_string_equal(problem.detail, "there is no such flag; did you mean --player.depth?");
    problem_set(&problem, TG_EIO, "engine_path", "no");
    options_name_flag(table, &problem);
    assert_string_equal(problem.field, "--engine-path");
}

static void test_describe(void **state) {
    json_t *rows = options_describe(table);
    assert_int_equal(json_array_size(rows), 6);
    json_t *games = json_array_get(rows, 0), *player = json_array_get(rows, 4);
    json_t *expected =
        json_pack("{s:s,s:s,s:b,s:i,s:i,s:i,s:s,s:s}", "name", "games", "type", "int", "required", 0,
                  "default", 1000, "min", 1, "max", 10000000, "unit", "games", "help", "games to play");
    assert_true(json_equal(games, expected));
    assert_int_equal(json_array_size(json_object_get(player, "fields")), 2);
    json_t *when = json_pack("{s:s, s:[s]}", "option", "colour", "choices", "white");
    assert_true(json_equal(json_object_get(json_array_get(rows, 1), "when"), when));
    json_decref(when);
    json_t *white = json_pack("{s:s}", "colour", "white"), *black = json_pack("{s:s}", "colour", "black");
    assert_true(option_applies(&table[1], white) && !option_applies(&table[1], black));
    assert_true(option_applies(&table[0], black));
    json_decref(white);
    json_decref(black);
    json_decref(expected);
    json_decref(rows);
}

/* By a choice in an object of the table, or by a text that is there. */
static void test_when_by_what_is_inside(void **state) {
    static const char *const white[] = {"white", NULL};
    static const struct option_when deep = {"player.type", white, "name"};
    static const struct option_spec fields[] = {
        {.name = "type", .type = OPTION_CHOICE, .choices = colours, .initial = "\"black\""}, {.name = NULL}};
    static const struct option_spec outer[] = {
        {.name = "player", .type = OPTION_OBJECT, .fields = fields},
        {.name = "name", .type = OPTION_STRING, .max = 9, .initial = "\"\""},
        {.name = "komi", .type = OPTION_INT, .max = 9, .initial = "7", .help = "points", .when = &deep},
        {.name = NULL}};
    static const struct {
        const char *type, *name;
        bool applies;
    } cases[] = {{"black", "", false}, {"white", "", true}, {"black", "x", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *given = json_pack("{s:{s:s}, s:s}", "player", "type", cases[i].type, "name", cases[i].name),
               *checked = NULL;
        assert_int_equal(options_check(outer, given, &checked, NULL), 0);
        assert_int_equal(option_applies(&outer[2], checked), cases[i].applies);
        json_decref(given);
        json_decref(checked);
    }
    json_t *rows = options_describe(outer);
    const json_t *when = json_object_get(json_array_get(rows, 2), "when");
    assert_string_equal(json_string_value(json_object_get(when, "or_given")), "name");
    json_decref(rows);
    char meaning[100];
    option_meaning(&outer[2], meaning, sizeof meaning);
    assert_string_equal(meaning, "points; for player.type white or with name");
}

static void test_help(void **state) {
    struct buf text = BUF_INIT;
    assert_int_equal(options_help(table, &text), 0);
    assert_non_null(
        strstr((char *)text.data,
               "  --games N                   games to play (1 to 10000000 games; default 1000)\n"));
    assert_non_null(
        strstr((char *)text.data, "  --player.depth N            how deep (1 to 9; default 3)\n"));
    assert_non_null(
        strstr((char *)text.data, "--engine-path FILE          where; for colour black and white\n"));
    assert_non_null(strstr((char *)text.data, "points; for colour white (-361 to 361; default 7)\n"));
    buf_free(&text);
}

/* Between two neighbouring doubles there are whole numbers; none is bent into range, or in what is said of
 * it.
 */
static void whole_numbers_beyond_two_to_the_53(void **state) {
    static const struct option_spec seeds[] = {
        {.name = "seed", .type = OPTION_INT, .min = 0, .max = OPTION_INT_MAX, .initial = "0"},
        {.name = NULL}};
    struct problem problem = {0};
    json_t *checked = NULL, *given = json_pack("{s:I}", "seed", (json_int_t)9007199254740991);
    assert_int_equal(options_check(seeds, given, &checked, &problem), TG_OK);
    assert_int_equal(option_int(checked, "seed"), 9007199254740991);
    json_decref(checked);
    json_object_set_new(given, "seed", json_integer(9007199254740993));
    assert_int_equal(options_check(seeds, given, &checked, &problem), TG_EOUT_OF_RANGE);
    assert_string_equal(problem.detail, "must be 0 to 9007199254740991, is 9007199254740993");
    json_object_set_new(given, "seed", json_real(1e16));
    assert_int_equal(options_check(seeds, given, &checked, &problem), TG_EOUT_OF_RANGE);
    char *argv[] = {(char[]){"x"}, (char[]){"--seed"}, (char[]){"10000000000000001"}};
    assert_int_equal(options_parse_argv(seeds, 3, argv, &checked, NULL, &problem), TG_EOUT_OF_RANGE);
    assert_string_equal(problem.detail, "must be 0 to 9007199254740991, is 10000000000000001");
    json_decref(given);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_given_values),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_nearest_name),
        cmocka_unit_test(test_argv),     cmocka_unit_test(test_argv_refusals),
        cmocka_unit_test(test_describe), cmocka_unit_test(test_when_by_what_is_inside),
        cmocka_unit_test(test_help),     cmocka_unit_test(whole_numbers_beyond_two_to_the_53),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
