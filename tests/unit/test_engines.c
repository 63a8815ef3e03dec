/* The engines of a machine: GNU Go is found in the PATH first, and what cannot be an engine is refused. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers/task/engines.h"

static void make_program(const char *folder, mode_t mode) {
    char path[128];
    snprintf(path, sizeof path, "%s/gnugo", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void remove_program(const char *folder) {
    char path[128];
    snprintf(path, sizeof path, "%s/gnugo", folder);
    unlink(path);
    rmdir(folder);
}

/* The first word of gnugo's command; "" when it is not known. */
static void program_of(const json_t *engines, char *out, size_t size) {
    const char *command = json_string_value(json_object_get(engines, "gnugo"));
    snprintf(out, size, "%.*s", command ? (int)strcspn(command, " ") : 0, command ? command : "");
}

static void test_path_goes_first(void **state) {
    char plain[] = "/tmp/tengen-engines-XXXXXX", odd[] = "/tmp/tengen engines-XXXXXX", path[256], found[128];
    char *before = strdup(getenv("PATH"));
    assert_non_null(mkdtemp(plain));
    assert_non_null(mkdtemp(odd));
    make_program(plain, 0755);
    make_program(odd, 0755);
    snprintf(path, sizeof path, ".::%s:/nonexistent:%s", odd, plain);
    setenv("PATH", path, 1);
    json_t *engines = engines_known();
    program_of(engines, found, sizeof found);
    snprintf(path, sizeof path, "%s/gnugo", plain);
    assert_string_equal(found, path); /* the one with a blank in its name could not be given to a shell */
    assert_non_null(strstr(json_string_value(json_object_get(engines, "gnugo")), " --capture-all-dead "));
    json_decref(engines);
    make_program(plain, 0644);
    engines = engines_known();
    program_of(engines, found, sizeof found);
    assert_string_not_equal(found, path);
    json_decref(engines);
    setenv("PATH", before, 1);
    free(before);
    remove_program(plain);
    remove_program(odd);
}

static void test_names_are_checked(void **state) {
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"pachi=/opt/pachi -e uct", 0},
        {"pachi=another", 0},
        {"pachi", TG_EINVALID},
        {"pachi=", TG_EINVALID},
        {"=command", TG_EMISSING_FIELD},
        {"Pachi=command", TG_EOUT_OF_RANGE},
        {"pa chi=command", TG_EOUT_OF_RANGE},
        {"a123456789012345678901234567890123=command", TG_EOUT_OF_RANGE},
        {"pachi=\xff", TG_EINVALID},
    };
    json_t *engines = json_object();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct problem problem = {0};
        assert_int_equal(engines_add(engines, cases[i].text, &problem), cases[i].error);
        if (cases[i].error)
            assert_string_equal(problem.field, "engine");
    }
    assert_int_equal(json_object_size(engines), 1);
    assert_string_equal(json_string_value(json_object_get(engines, "pachi")), "another");
    json_t *texts = json_pack("[s, s, s]", "a=1", "b", "c=3");
    struct problem problem = {0};
    assert_int_equal(engines_add_all(engines, texts, &problem), TG_EINVALID);
    assert_null(json_object_get(engines, "c"));
    assert_int_equal(engines_add_all(engines, NULL, &problem), 0);
    json_decref(texts);
    json_decref(engines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_goes_first),
        cmocka_unit_test(test_names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
