/* The kinds: every table is sound, and each kind refuses what it must with the field at fault. */
#include "tests/unit/unit.h"

#include <string.h>

#include "proto/kinds/kind.h"
#include "proto/kinds/player.h"

static bool is_among(const char *name, const char *const *names) {
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

/* What an option waits for is a choice of its own table, or of an object in it. */
static const struct option_spec *named(const struct option_spec *table, const char *path) {
    const size_t size = strcspn(path, ".");
    while (table->name && (strlen(table->name) != size || strncmp(table->name, path, size) != 0))
        table++;
    assert_non_null(table->name);
    return path[size] ? named(table->fields, path + size + 1) : table;
}

static void check_when(const struct option_spec *table, const struct option_when *when) {
    const struct option_spec *chosen = named(table, when->option);
    assert_true(chosen->type == OPTION_CHOICE);
    for (const char *const *choice = when->choices; *choice; choice++)
        assert_true(is_among(*choice, chosen->choices));
    assert_true(!when->or_given || named(table, when->or_given)->type == OPTION_STRING);
}

static void check_table(const struct option_spec *table) {
    for (const struct option_spec *spec = table; spec->name; spec++) {
        if (spec->when)
            check_when(table, spec->when);
        assert_int_equal(strspn(spec->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(spec->name));
        assert_non_null(spec->help);
        assert_true(strlen(spec->help) < 100 && spec->help[strlen(spec->help) - 1] != '.');
        assert_true(spec->min <= spec->max);
        assert_true((spec->type == OPTION_CHOICE) == (spec->choices != NULL));
        assert_true((spec->type == OPTION_OBJECT) == (spec->fields != NULL));
        if (spec->fields)
            check_table(spec->fields);
    }
}

static void test_tables_are_sound(void **state) {
    for (const struct kind *const *kind = kind_table(); *kind; kind++) {
        check_table((*kind)->options);
        assert_ptr_equal(kind_find((*kind)->name), *kind);
        json_t *config = NULL;
        struct problem problem = {0};
        assert_int_equal(kind_check((*kind)->name, NULL, NULL, &config, &problem), 0);
        if ((*kind)->split == SPLIT_COUNT) {
            assert_true(option_int(config, (*kind)->count_option) > 0);
            assert_true(option_int(config, (*kind)->task_option) > 0);
        }
        if ((*kind)->score && (*kind)->score->sprt_option)
            option_bool(option_object(config, (*kind)->score->sprt_option), "enabled");
        /* Checking what came out of a check changes nothing. */
        json_t *again = NULL;
        assert_int_equal(kind_check((*kind)->name, config, NULL, &again, &problem), 0);
        assert_true(json_equal(config, again));
        json_decref(again);
        json_decref(config);
    }
}

static void test_descriptions(void **state) {
    for (const struct kind *const *kind = kind_table(); *kind; kind++) {
        json_t *row = kind_describe(*kind);
        assert_non_null(row);
        assert_string_equal(json_string_value(json_object_get(row, "name")), (*kind)->name);
        assert_true(json_array_size(json_object_get(row, "options")) > 3);
        assert_true(json_is_array(json_object_get(row, "inputs")));
        for (const char *const *output = (*kind)->outputs; output && *output; output++)
            assert_true(strcmp(*output, "games") == 0 || strcmp(*output, "checkpoint") == 0);
        assert_true((*kind)->split != SPLIT_COUNT || (*kind)->outputs);
        json_decref(row);
    }
}

static void refuse(const char *kind, const char *text, int error, const char *field) {
    json_t *config = json_loads(text, 0, NULL), *checked = NULL;
    assert_non_null(config);
    struct problem problem = {0};
    assert_int_equal(kind_check(kind, config, NULL, &checked, &problem), error);
    assert_string_equal(problem.field, field);
    assert_null(checked);
    json_decref(config);
}

static void test_refusals(void **state) {
    refuse("selfpaly", "{}", TG_EUNKNOWN_KIND, "kind");
    refuse("selfplay", "{\"komi\":6.25}", TG_EOUT_OF_RANGE, "config.komi");
    refuse("selfplay", "{\"board\":20}", TG_EOUT_OF_RANGE, "config.board");
    refuse("selfplay", "{\"rules\":\"japanese\"}", TG_EOUT_OF_RANGE, "config.rules");
    refuse("selfplay", "{\"player\":{\"type\":\"engine\"}}", TG_EMISSING_FIELD, "config.player.engine");
    refuse("selfplay", "{\"player\":{\"engine\":\"gnugo\"}}", TG_EINVALID, "config.player.engine");
    refuse("selfplay", "{\"player\":{\"playouts\":0}}", TG_EOUT_OF_RANGE, "config.player.playouts");
    refuse("selfplay", "{\"player\":{\"resign\":0.6}}", TG_EOUT_OF_RANGE, "config.player.resign");
    refuse("selfplay", "{\"player\":{\"value_share\":1.5}}", TG_EOUT_OF_RANGE, "config.player.value_share");
    refuse("sl-policy", "{\"board\":1}", TG_EOUT_OF_RANGE, "config.board");
    refuse("sl-policy", "{\"epochs\":0}", TG_EOUT_OF_RANGE, "config.epochs");
    refuse("sl-policy", "{\"trunk\":\"alphago\",\"blocks\":1}", TG_EOUT_OF_RANGE, "config.blocks");
    refuse("sl-policy", "{\"value_head\":true,\"value_weight\":0}", TG_EOUT_OF_RANGE, "config.value_weight");
    refuse("selfplay", "{\"white\":{}}", TG_EUNKNOWN_OPTION, "config.white");
    refuse("selfplay", "{\"random_moves\":200}", TG_EOUT_OF_RANGE, "config.random_moves");
    refuse("selfplay", "{\"random_moves\":9,\"max_moves\":8}", TG_EOUT_OF_RANGE, "config.random_moves");
    refuse("teacher", "{\"engine\":\"gnugo --mode gtp\"}", TG_EOUT_OF_RANGE, "config.engine");
    refuse("teacher", "{\"engine\":\"\"}", TG_EOUT_OF_RANGE, "config.engine");
    refuse("match", "{\"games\":7}", TG_EOUT_OF_RANGE, "config.games");
    refuse("match", "{\"games_per_task\":3}", TG_EOUT_OF_RANGE, "config.games_per_task");
    refuse("match", "{\"b\":{\"type\":\"engine\",\"engine\":\"/bin/sh\"}}", TG_EOUT_OF_RANGE,
           "config.b.engine");
    refuse("match", "{\"sprt\":{\"elo0\":20}}", TG_EOUT_OF_RANGE, "config.sprt.elo1");
    refuse("classify", "{\"epochs\":0}", TG_EOUT_OF_RANGE, "config.epochs");
    refuse("classify", "{\"schedule\":\"noam\",\"warmup\":0}", TG_EOUT_OF_RANGE, "config.warmup");
    refuse("classify", "{\"network\":{\"family\":\"alexnet\"}}", TG_EOUT_OF_RANGE, "config.network.family");
    refuse("classify", "{\"architecture\":\"{nope\"}", TG_EBAD_JSON, "config.architecture");
    refuse("classify", "{\"network\":{\"depth\":3}}", TG_EUNKNOWN_OPTION, "config.network.depth");
    refuse("classify", "{\"architecture\":\"{}\",\"network\":{\"stages\":\"8x2\"}}", TG_EINVALID,
           "config.network.stages");
    refuse("sl-policy", "{\"architecture\":\"{nope\"}", TG_EBAD_JSON, "config.architecture");
    refuse("sl-policy", "{\"architecture\":\"{}\",\"blocks\":5}", TG_EINVALID, "config.blocks");
    refuse("sl-policy", "{\"architecture\":\"{}\",\"value_head\":true}", TG_EINVALID, "config.value_head");
    refuse("evaluate", "{\"part\":\"all\"}", TG_EOUT_OF_RANGE, "config.part");
    refuse("match", "{\"sprt\":{\"alpha\":0}}", TG_EOUT_OF_RANGE, "config.sprt.alpha");
}

static void check_needs(const char *name, const char *text, const char *expected) {
    json_t *config = json_loads(text, 0, NULL), *checked = NULL, *wanted = json_loads(expected, 0, NULL);
    const struct kind *kind;
    assert_int_equal(kind_check(name, config, &kind, &checked, NULL), 0);
    json_t *needs = kind->needs(checked);
    assert_true(json_equal(needs, wanted));
    json_decref(needs);
    json_decref(wanted);
    json_decref(checked);
    json_decref(config);
}

/* Defaults are no wish: every stored job has them. */
static void test_an_architecture_describes_the_whole_network(void **state) {
    for (size_t i = 0; i < 2; i++) {
        const struct kind *kind = (const struct kind *[]){&kind_classify, &kind_sl_policy}[i];
        json_t *given = json_pack("{s:s}", "architecture", "{}"), *all = NULL, *again = NULL;
        json_t *inputs = json_pack("{s:{}}", "network");
        struct problem problem = {0};
        assert_int_equal(kind_check(kind->name, given, NULL, &all, &problem), 0);
        assert_int_equal(kind_check(kind->name, all, NULL, &again, &problem), 0);
        assert_int_equal(kind->check_inputs(all, inputs, &problem), TG_EINVALID);
        assert_string_equal(problem.field, "inputs.network");
        assert_non_null(strstr(problem.detail, "config.architecture"));
        json_object_set_new(all, "architecture", json_string(""));
        assert_int_equal(kind->check_inputs(all, inputs, &problem), 0);
        json_decref(given);
        json_decref(all);
        json_decref(again);
        json_decref(inputs);
    }
}

static void check_networks(const char *config, const char *inputs, int error, const char *field) {
    json_t *given = json_loads(config, 0, NULL), *names = json_loads(inputs, 0, NULL), *checked = NULL;
    struct problem problem = {0};
    assert_int_equal(kind_check("match", given, NULL, &checked, &problem), 0);
    assert_int_equal(kind_match.check_inputs(checked, names, &problem), error);
    assert_string_equal(problem.field, field);
    json_decref(given);
    json_decref(names);
    json_decref(checked);
}

static void test_players_have_the_networks_that_they_need(void **state) {
    const char *puct = "{\"a\":{\"type\":\"puct\"}}", *policy = "{\"b\":{\"type\":\"policy\"}}";
    check_networks(puct, "{}", TG_EMISSING_FIELD, "inputs.a_network");
    check_networks(puct, "{\"a_network\":{}}", 0, "");
    check_networks(puct, "{\"a_network\":{},\"b_network\":{}}", TG_EINVALID, "inputs.b_network");
    check_networks(policy, "{\"b_network\":{}}", 0, "");
    check_networks(policy, "{\"a_network\":{}}", TG_EINVALID, "inputs.a_network");
    check_networks("{}", "{}", 0, "");
}

static void test_needs(void **state) {
    check_needs("selfplay", "{}", "[]");
    check_needs("selfplay", "{\"player\":{\"type\":\"engine\",\"engine\":\"pachi\"}}", "[\"engine:pachi\"]");
    check_needs("teacher", "{}", "[\"engine:gnugo\"]");
    check_needs("match", "{}", "[\"engine:gnugo\"]");
    check_needs("match", "{\"a\":{\"type\":\"engine\",\"engine\":\"gnugo\"}}", "[\"engine:gnugo\"]");
    check_needs("match", "{\"a\":{\"type\":\"engine\",\"engine\":\"x\"}}", "[\"engine:x\",\"engine:gnugo\"]");
    check_needs("match", "{\"b\":{}}", "[]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_sound),
        cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_an_architecture_describes_the_whole_network),
        cmocka_unit_test(test_players_have_the_networks_that_they_need),
        cmocka_unit_test(test_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
