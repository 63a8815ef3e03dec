/* Games side by side: the same games as one after another, sent in order; and what a task says about a
 * network that is missing or does not fit. */
#include "tests/unit/unit.h"
#include "tests/unit/unit_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "workers/alphago/games.h"
#include "workers/go/encoding.h"
#include "workers/zoo/network.h"

static const char network_path[] = "test_lockstep.safetensors", folder[] = "test_lockstep";

static void save_network(const char *path, uint64_t seed) {
    struct network network;
    struct problem problem = {0};
    json_t *description = json_pack("{s:i, s:{s:i, s:i, s:i}, s:{s:s, s:s}, s:[{s:s}, {s:s}]}", "version", 1,
                                    "input", "height", 5, "width", 5, "channels", 12, "trunk", "family",
                                    "resnet", "stages", "8x1", "heads", "kind", "policy", "kind", "value");
    json_t *extra = json_pack("{s:s}", ENCODING_KEY, GO12_NAME);
    if (network_create(description, false, seed, &network, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    assert_int_equal(network_save(&network, path, extra, &problem), 0);
    network_destroy(&network);
    json_decref(description);
    json_decref(extra);
}

static char *read_chunks(size_t *size) {
    char path[64];
    struct stat status;
    snprintf(path, sizeof(path), "%s/chunks.bin", folder);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &status), 0);
    *size = (size_t)status.st_size;
    char *data = malloc(*size + 1);
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    unlink(path);
    return data;
}

static int run_seeded(int seed, const char *kind, const char *config, const char *inputs,
                      struct problem *problem) {
    struct task task;
    json_t *document = json_pack("{s:s, s:i, s:o, s:o}", "kind", kind, "seed", seed, "config",
                                 json_loads(config, 0, NULL), "inputs", json_loads(inputs, 0, NULL));
    assert_non_null(document);
    if (task_parse(document, &task, problem))
        fail_msg("%s: %s", problem->field, problem->detail);
    const int null = open("/dev/null", O_WRONLY);
    struct port *port = port_create(-1, null, PORT_FRAMES);
    mkdir(folder, 0700);
    port_keep(port, folder);
    const int error =
        strcmp(kind, "match") ? selfplay_run(&task, port, problem) : match_run(&task, port, problem);
    port_destroy(port);
    close(null);
    task_free(&task);
    json_decref(document);
    return error;
}

static int run_task(const char *kind, const char *config, const char *inputs, struct problem *problem) {
    return run_seeded(5, kind, config, inputs, problem);
}

/* The same bytes in the same order, however many games go on at once. */
static void check_lockstep(const char *kind, const char *config, const char *inputs) {
    size_t size, alone_size = 0;
    char *alone = NULL;
    for (int lockstep = 1; lockstep <= 7; lockstep += 2) {
        char text[600];
        struct problem problem = {0};
        snprintf(text, sizeof(text), config, lockstep);
        if (run_task(kind, text, inputs, &problem))
            fail_msg("%s: %s", problem.field, problem.detail);
        char *chunks = read_chunks(&size);
        assert_true(size > 1000);
        if (alone) {
            assert_int_equal(size, alone_size);
            assert_memory_equal(chunks, alone, size);
            free(chunks);
        } else {
            alone = chunks;
            alone_size = size;
        }
    }
    free(alone);
}

static void test_selfplay(void **state) {
    save_network(network_path, 1);
    check_lockstep("selfplay",
                   "{\"games\": 7, \"games_per_task\": 7, \"board\": 5, \"lockstep\": %d,"
                   " \"player\": {\"type\": \"puct\", \"playouts\": 30, \"leaves\": 3}}",
                   "{\"network\": \"test_lockstep.safetensors\"}");
    check_lockstep("selfplay",
                   "{\"games\": 7, \"games_per_task\": 7, \"board\": 5, \"lockstep\": %d,"
                   " \"player\": {\"type\": \"policy\", \"temperature\": 1}}",
                   "{\"network\": \"test_lockstep.safetensors\"}");
    unlink(network_path);
}

/* Without an opening a game differs from others by its own draws alone. */
static void test_draws_follow_from_the_seed(void **state) {
    static const char config[] = "{\"games\": 1, \"games_per_task\": 1, \"board\": 5, \"random_moves\": 0,"
                                 " \"player\": {\"type\": \"policy\", \"temperature\": 1}}";
    struct problem problem = {0};
    size_t size[3];
    char *chunks[3];
    save_network(network_path, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run_seeded(i < 2 ? 1 : 2, "selfplay", config,
                                    "{\"network\": \"test_lockstep.safetensors\"}", &problem),
                         0);
        chunks[i] = read_chunks(&size[i]);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(chunks[0], chunks[1], size[0]);
    assert_true(size[0] != size[2] || memcmp(chunks[0], chunks[2], size[0]) != 0);
    for (int i = 0; i < 3; i++)
        free(chunks[i]);
    unlink(network_path);
}

/* Two networks, and a player without one. */
static void test_match(void **state) {
    save_network(network_path, 1);
    save_network("test_lockstep2.safetensors", 2);
    check_lockstep("match",
                   "{\"games\": 6, \"games_per_task\": 6, \"board\": 5, \"lockstep\": %d,"
                   " \"a\": {\"type\": \"puct\", \"playouts\": 20}, \"b\": {\"type\": \"policy\"}}",
                   "{\"a_network\": \"test_lockstep.safetensors\", \"b_network\": "
                   "\"test_lockstep2.safetensors\"}");
    check_lockstep("match",
                   "{\"games\": 6, \"games_per_task\": 6, \"board\": 5, \"lockstep\": %d,"
                   " \"a\": {\"type\": \"uct\", \"playouts\": 20}, \"b\": {\"type\": \"policy\"}}",
                   "{\"b_network\": \"test_lockstep2.safetensors\"}");
    unlink(network_path);
    unlink("test_lockstep2.safetensors");
}

static void test_what_a_task_needs(void **state) {
    struct problem problem = {0};
    assert_int_equal(run_task("selfplay", "{\"board\": 5, \"player\": {\"type\": \"puct\"}}", "{}", &problem),
                     TG_EMISSING_FIELD);
    assert_string_equal(problem.field, "inputs.network");
    problem = (struct problem){0};
    save_network(network_path, 1);
    assert_int_equal(run_task("match", "{\"board\": 9, \"b\": {\"type\": \"policy\"}}",
                              "{\"b_network\": \"test_lockstep.safetensors\"}", &problem),
                     TG_EINVALID);
    assert_string_equal(problem.field, "inputs.b_network.board");
    assert_non_null(strstr(problem.detail, "5x5, not for 9x9"));
    unlink(network_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selfplay),
        cmocka_unit_test(test_draws_follow_from_the_seed),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_what_a_task_needs),
    };
    return unit_folder_enter() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
