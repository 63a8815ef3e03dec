/* Expert games as positions, and the training run that learns from them, on games of a few moves. */
#include "tests/unit/unit.h"
#include "tests/unit/unit_folder.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/rng.h"
#include "workers/alphago/experts.h"
#include "workers/alphago/games.h"
#include "workers/alphago/policy_score.h"
#include "workers/go/playout.h"
#include "workers/go/sgf_game.h"
#include "workers/search/evaluator.h"
#include "workers/zoo/network.h"

static const char sgf[] = "test_sl_policy.sgf", folder[] = "test_sl_policy";

static void write_text(const char *text) {
    FILE *file = fopen(sgf, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Random games of `size`, one after another in one file. */
static void write_games(int count, int size, const char *extra) {
    const struct go_rules rules = {.size = size, .komi2 = 1, .ko = KO_POSITIONAL};
    const struct sgf_header header = {.black = "b (1500)", .white = "w", .result = "B+3.5"};
    struct buf out = BUF_INIT;
    struct rng rng;
    rng_seed(&rng, 3);
    for (int i = 0; i < count; i++) {
        struct game *game = game_create(&rules);
        for (int k = 0; k < 20 && !game_over(game); k++) {
            struct board scratch;
            board_copy(&scratch, game_board(game));
            const enum color color = (enum color)scratch.to_move;
            const go_move move = playout_choose(&scratch, &rng, color);
            game_play_repeating(game, color, move, NULL, NULL);
        }
        assert_int_equal(sgf_write_game(&out, game, &header), 0);
        game_destroy(game);
    }
    buf_append_text(&out, extra);
    write_text((const char *)out.data);
    buf_free(&out);
}

/* ---- experts ---- */

static void read_experts(const struct expert_filter *filter, struct expert_sets *sets) {
    struct problem problem = {0};
    if (experts_read(sgf, filter, sets, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
}

static void test_positions_moves_and_results(void **state) {
    struct expert_sets sets;
    const struct expert_filter filter = {0};
    write_text("(;SZ[3]KM[0.5]RE[W+2.5];B[bb];W[ab];B[])");
    read_experts(&filter, &sets);
    const struct experts *set = &sets.train;
    assert_int_equal(set->count, 3);
    assert_int_equal(set->games, 1);
    assert_int_equal(sets.held_out.count, 0);
    const uint16_t moves[] = {4, 3, 9};
    const int8_t results[] = {-1, 1, -1};
    assert_memory_equal(set->moves, moves, sizeof(moves));
    assert_memory_equal(set->results, results, sizeof(results));
    /* Black to move: own middle with 3 liberties or more, White's stone was the last move */
    const uint8_t codes[9] = {0, 0, 0, 5 + CODE_LAST, 3, 0, 0, 0, 0};
    assert_memory_equal(set->codes + 18, codes, 9);
    experts_free(&sets);
    write_text("(;SZ[3];B[bb];W[ab])(;SZ[3]RE[0];B[bb])");
    read_experts(&filter, &sets);
    assert_int_equal(sets.train.results[0], RESULT_UNKNOWN);
    assert_int_equal(sets.train.results[2], 0);
    experts_free(&sets);
    unlink(sgf);
}

static void test_the_split_is_by_game_and_stays(void **state) {
    struct expert_sets all, parts, again;
    write_games(200, 5, "");
    read_experts(&(struct expert_filter){0}, &all);
    read_experts(&(struct expert_filter){.held_out = 0.25}, &parts);
    read_experts(&(struct expert_filter){.held_out = 0.5}, &again);
    assert_int_equal(parts.train.count + parts.held_out.count, all.train.count);
    assert_in_range(parts.held_out.games, 30, 70);
    assert_in_range(again.held_out.games, 70, 130);
    /* A larger share holds out the same games and more: the hash decides, not a draw. */
    int64_t found = 0;
    for (int64_t i = 0, k = 0; i < parts.held_out.count; i++) {
        while (k < again.held_out.count &&
               memcmp(parts.held_out.codes + i * 25, again.held_out.codes + k * 25, 25))
            k++;
        found += k < again.held_out.count;
    }
    assert_int_equal(found, parts.held_out.count);
    experts_free(&all);
    experts_free(&parts);
    experts_free(&again);
    unlink(sgf);
}

static void test_filters(void **state) {
    struct expert_sets sets;
    write_text(
        "(;SZ[5]BR[1800]WR[1200?]RE[W+R];B[cc];W[bb];B[aa])(;SZ[5]PB[x (1900)]PW[y]RE[B+1];B[cc];W[bb])"
        "(;SZ[5]BR[3d];B[cc])(;SZ[4];B[cc])");
    read_experts(&(struct expert_filter){.board = 5, .min_rating = 1500}, &sets);
    assert_int_equal(sets.train.count, 3); /* Black's two, Black's one */
    assert_int_equal(sets.other_sizes, 1);
    experts_free(&sets);
    read_experts(&(struct expert_filter){.board = 5, .winners_only = true}, &sets);
    assert_int_equal(sets.train.count, 2); /* White's one, Black's one */
    experts_free(&sets);
    unlink(sgf);
}

static void refuse(const char *text, const struct expert_filter *filter, int error, const char *words) {
    struct expert_sets sets;
    struct problem problem = {0};
    write_text(text);
    assert_int_equal(experts_read(sgf, filter, &sets, &problem), error);
    if (!strstr(problem.detail, words))
        fail_msg("\"%s\" does not say \"%s\"", problem.detail, words);
    experts_free(&sets);
    unlink(sgf);
}

static void test_what_cannot_be_learnt_from_is_refused(void **state) {
    const struct expert_filter any = {0}, nine = {.board = 9};
    refuse("(;SZ[5];B[cc])(;SZ[9];B[cc])", &any, TG_EINVALID, "board sizes differ");
    refuse("(;SZ[5];B[cc])(;SZ[5];B[bb])(;SZ[13];B[cc])", &nine, TG_EINVALID,
           "none is of 9x9, as `board` asks for; found are (games): 5x5 (2), 13x13 (1)");
    refuse("(;SZ[5];B[cc])", &(struct expert_filter){.held_out = 1}, TG_EINVALID,
           "of 1 games of 5x5 1 are held out");
    refuse("(;SZ[5];B[cc])", &(struct expert_filter){.min_rating = 1000}, TG_EINVALID,
           "0 are held out, and in the others is no move that min_rating and winners_only let through");
    refuse("", &nine, TG_EINVALID, "neither an SGF file nor a game that a job played");
    refuse("(;SZ[5];B[cc];W[cc])", &any, TG_EINVALID, "1 with illegal moves");
    refuse("(;SZ[5];B[zz])", &any, TG_EINVALID, "1 unreadable");
    refuse("nonsense", &any, TG_EINVALID, "1 unreadable");
    refuse("(;SZ[5])", &any, TG_EINVALID, "of 1 games of 5x5 0 are held out");
    struct expert_sets sets;
    struct problem problem = {0};
    assert_int_equal(experts_read("there/is/nothing", &any, &sets, &problem), TG_ENOT_FOUND);
}

/* ---- the score ---- */

static void test_scores_by_hand(void **state) {
    struct policy_score score = {0};
    const float logits[8] = {1, 3, 2, 0, 0, 0, 0, -9}, sure = 0.5f;
    policy_score_move(&score, logits, 8, 1);
    policy_score_move(&score, logits, 8, 4);
    policy_score_move(&score, logits, 8, 7);
    policy_score_move(&score, logits, 8, 5); /* the sixth */
    policy_score_value(&score, &sure, 1);
    policy_score_value(&score, &sure, RESULT_UNKNOWN);
    policy_score_value(&score, NULL, 1);
    const double z = log(exp(1) + exp(3) + exp(2) + 4 + exp(-9));
    assert_int_equal(score.positions, 4);
    assert_int_equal(score.top1, 1);
    assert_int_equal(score.top5, 2); /* of equal ones the first count first */
    assert_true(fabs(score.loss - (4 * z - 3 + 9)) < 1e-5);
    assert_int_equal(score.judged, 1);
    assert_true(fabs(score.square_error - 0.25) < 1e-9);
}

/* ---- the run ---- */

static int run_task(json_t *config, json_t *inputs, json_t *resume, struct problem *problem) {
    struct task task;
    json_t *document = json_pack("{s:s, s:i, s:i, s:o, s:o}", "kind", "sl-policy", "seed", 5, "units", 1,
                                 "config", config, "inputs", inputs);
    if (resume)
        json_object_set_new(document, "resume", resume);
    if (task_parse(document, &task, problem))
        fail_msg("%s: %s", problem->field, problem->detail);
    const int null = open("/dev/null", O_WRONLY);
    struct port *port = port_create(-1, null, PORT_FRAMES);
    mkdir(folder, 0700);
    port_keep(port, folder);
    const int error = sl_policy_run(&task, port, problem);
    if (!error)
        assert_int_equal(port_units(port), 1);
    port_destroy(port);
    close(null);
    task_free(&task);
    json_decref(document);
    return error;
}

static json_t *tiny(int steps) {
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:f, s:i, s:i}", "blocks", 1, "channels", 8,
                     "steps", steps, "epochs", 0, "minutes", 0, "batch", 8, "value_head", 1, "held_out", 0.25,
                     "warmup", 2, "checkpoint_seconds", 0);
}

static json_t *from_sgf(void) {
    return json_pack("{s:s}", "games", sgf);
}

static char *read_file(const char *name, size_t *size) {
    char path[100];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &status), 0);
    *size = (size_t)status.st_size;
    char *data = calloc(1, *size + 1);
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

static void test_a_run_makes_a_network_that_can_play(void **state) {
    struct problem problem = {0};
    struct evaluator *evaluator;
    size_t size;
    write_games(40, 5, "");
    if (run_task(tiny(12), from_sgf(), NULL, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    assert_int_equal(evaluator_network("test_sl_policy/checkpoint.safetensors", 5, 4, &evaluator, &problem),
                     0);
    assert_true(evaluator->has_value);
    evaluator_destroy(evaluator);
    char *text = read_file("summary.json", &size);
    json_t *report = json_loads(text, 0, NULL);
    const json_t *summary = json_object_get(report, "data") ? json_object_get(report, "data") : report;
    assert_int_equal(json_integer_value(json_object_get(summary, "steps")), 12);
    assert_int_equal(json_integer_value(json_object_get(summary, "samples")), 96);
    assert_true(json_number_value(json_object_get(summary, "top5")) >=
                json_number_value(json_object_get(summary, "top1")));
    assert_true(json_integer_value(json_object_get(summary, "held_out_positions")) > 0);
    free(text);
    json_decref(report);
    unlink(sgf);
}

/* One run of 12 steps, and one that is resumed from the state of step 12 of a run that would go on: the same
 * network bit for bit as a run that was never interrupted. */
static void test_resumes_bit_for_bit(void **state) {
    struct problem problem = {0};
    size_t whole_size, size;
    write_games(40, 5, "");
    json_t *config = tiny(12);
    json_object_set_new(config, "schedule", json_string("constant")); /* the budgets differ */
    assert_int_equal(run_task(json_deep_copy(config), from_sgf(), NULL, &problem), 0);
    rename("test_sl_policy/state.safetensors", "test_sl_policy/kept-state.safetensors");
    rename("test_sl_policy/checkpoint.safetensors", "test_sl_policy/kept-checkpoint.safetensors");
    json_object_set_new(config, "steps", json_integer(20));
    assert_int_equal(run_task(json_deep_copy(config), from_sgf(), NULL, &problem), 0);
    char *whole = read_file("state.safetensors", &whole_size);
    json_t *resume = json_pack("{s:s, s:s}", "checkpoint", "test_sl_policy/kept-checkpoint.safetensors",
                               "state", "test_sl_policy/kept-state.safetensors");
    if (run_task(config, from_sgf(), resume, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    char *resumed = read_file("state.safetensors", &size);
    /* The values lie behind the header, which also counts processor time. */
    const uint64_t header = read_u64(whole), other = read_u64(resumed);
    assert_int_equal(whole_size - header, size - other);
    assert_memory_equal(whole + 8 + header, resumed + 8 + other, size - 8 - other);
    free(whole);
    free(resumed);
    unlink(sgf);
}

static json_t *described(const char *architecture) {
    json_t *config = tiny(4);
    for (size_t i = 0; i < 3; i++)
        json_object_del(config, (const char *const[]){"blocks", "channels", "value_head"}[i]);
    json_object_set_new(config, "architecture", json_string(architecture));
    return config;
}

/* What the last run's checkpoint says that its planes are, in its description. */
static void assert_encoding(const char *name) {
    struct network network;
    struct problem problem = {0};
    if (network_load("test_sl_policy/checkpoint.safetensors", false, &network, NULL, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    assert_string_equal(option_string(json_object_get(network.architecture, "input"), "encoding"), name);
    network_destroy(&network);
}

/* A checkpoint as it was before descriptions named their planes. */
static void save_unnamed(const char *path) {
    struct network network;
    struct problem problem = {0};
    json_t *description = json_loads(
               "{\"version\": 1, \"input\": {\"height\": 5, \"width\": 5, \"channels\": 12}, "
               "\"trunk\": {\"family\": \"vgg\", \"stages\": \"4\"}, \"heads\": [{\"kind\": \"policy\"}]}",
               0, NULL),
           *metadata = json_pack("{s:s}", ENCODING_KEY, GO12_NAME);
    assert_int_equal(network_create(description, false, 1, &network, &problem), 0);
    assert_int_equal(network_save(&network, path, metadata, &problem), 0);
    network_destroy(&network);
    json_decref(description);
    json_decref(metadata);
}

/* However the network was described, and also when it was begun by an older version. */
static void test_a_checkpoint_says_what_its_planes_are(void **state) {
    struct problem problem = {0};
    write_games(10, 5, "");
    assert_int_equal(run_task(tiny(2), from_sgf(), NULL, &problem), 0);
    assert_encoding(GO12_NAME);
    assert_int_equal(
        run_task(
            described(
                "{\"trunk\": {\"family\": \"vgg\", \"stages\": \"4\"}, \"input\": {\"encoding\": \"\"}}"),
            from_sgf(), NULL, &problem),
        0);
    assert_encoding(GO12_NAME);
    save_unnamed("test_sl_policy/checkpoint.safetensors");
    assert_encoding("");
    json_t *inputs = from_sgf();
    json_object_set_new(inputs, "network", json_string("test_sl_policy/checkpoint.safetensors"));
    assert_int_equal(run_task(tiny(2), inputs, NULL, &problem), 0);
    assert_encoding(GO12_NAME);
    unlink(sgf);
}

/* The board, the planes and the policy head are filled in. */
static void test_a_network_of_ones_own(void **state) {
    struct problem problem = {0};
    struct evaluator *evaluator;
    size_t size;
    write_games(40, 5, "");
    if (run_task(described("{\"trunk\": {\"family\": \"vgg\", \"stages\": \"6\", \"pool\": false}}"),
                 from_sgf(), NULL, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    assert_int_equal(evaluator_network("test_sl_policy/checkpoint.safetensors", 5, 4, &evaluator, &problem),
                     0);
    assert_false(evaluator->has_value);
    evaluator_destroy(evaluator);
    char *text = read_file("checkpoint.safetensors", &size);
    assert_non_null(strstr(text + 8, "\\\"stages\\\":\\\"6\\\""));
    free(text);
    unlink(sgf);
}

static void test_a_network_that_does_not_fit_the_game(void **state) {
    static const char *const cases[][3] = {
        {"{\"trunk\": {\"family\": \"vgg\"}, \"input\": {\"height\": 7, \"width\": 7}}",
         "config.architecture.input", "is a board of 7x7, the games are of 5x5: leave the input out"},
        {"{\"trunk\": {\"family\": \"vgg\"}, \"input\": {\"channels\": 3}}", "config.architecture.input",
         "must be a square board of 12 planes"},
        {"{\"trunk\": {\"family\": \"vgg\"}, \"input\": {\"encoding\": \"go-48\"}}",
         "config.architecture.input.encoding", "must be go-12 or left out, is go-48"},
        {"{\"trunk\": {\"family\": \"vgg\"}, \"heads\": [{\"kind\": \"value\"}]}",
         "config.architecture.heads", "no policy head"},
        {"{\"trunk\": {\"family\": \"vgg\"}, \"heads\": [{\"kind\": \"policy\"}, {\"kind\": \"ownership\"}]}",
         "config.architecture.heads",
         "a head ownership, which nothing would teach; the heads that sl-policy teaches are: policy, value"},
        {"{\"trunk\": {\"family\": \"lenet\"}}", "config.architecture.trunk.family", "vgg"},
        {"{\"heads\": []}", "config.architecture.trunk.family", ""},
    };
    write_games(10, 5, "");
    json_t *untaught =
        described("{\"trunk\": {\"family\": \"vgg\"}, \"heads\": [{\"kind\": \"policy\"}, {\"kind\": "
                  "\"value\"}]}");
    struct problem refused = {0};
    json_object_set_new(untaught, "value_weight", json_integer(0));
    assert_int_equal(run_task(untaught, from_sgf(), NULL, &refused), TG_EINVALID);
    assert_non_null(strstr(refused.detail, "head value, which nothing would teach"));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct problem problem = {0};
        assert_int_not_equal(run_task(described(cases[i][0]), from_sgf(), NULL, &problem), 0);
        assert_string_equal(problem.field, cases[i][1]);
        assert_non_null(strstr(problem.detail, cases[i][2]));
    }
    unlink(sgf);
}

static void test_bad_input(void **state) {
    struct problem problem = {0};
    assert_int_equal(run_task(tiny(2), json_object(), NULL, &problem), TG_EMISSING_FIELD);
    assert_string_equal(problem.field, "inputs.games");
    problem = (struct problem){0};
    write_text("(;SZ[5])");
    assert_int_equal(run_task(tiny(2), from_sgf(), NULL, &problem), TG_EINVALID);
    assert_string_equal(problem.field, "inputs.games");
    problem = (struct problem){0};
    write_games(10, 7, ""); /* the network of the last test is for 5x5 */
    json_t *inputs = from_sgf();
    json_object_set_new(inputs, "network", json_string("test_sl_policy/checkpoint.safetensors"));
    assert_int_equal(run_task(tiny(2), inputs, NULL, &problem), TG_EINVALID);
    assert_string_equal(problem.field, "inputs.network.board");
    unlink(sgf);
}

/* An attempt that sent its result and was cut off before it could say so: nothing is read or learnt again. */
static void test_what_is_done_is_not_done_again(void **state) {
    struct task task;
    struct problem problem = {0};
    json_t *document =
        json_pack("{s:s, s:i, s:i, s:i, s:o, s:{s:s}}", "kind", "sl-policy", "seed", 5, "units", 1,
                  "units_done", 1, "config", tiny(2), "inputs", "games", "no such file");
    assert_int_equal(task_parse(document, &task, &problem), 0);
    const int null = open("/dev/null", O_WRONLY);
    struct port *port = port_create(-1, null, PORT_FRAMES);
    assert_int_equal(sl_policy_run(&task, port, &problem), 0);
    assert_int_equal(port_units(port), 0);
    port_destroy(port);
    close(null);
    task_free(&task);
    json_decref(document);
}

/* Games that were played by a job come back from its stream as they were. */
static void test_a_stream_of_games_is_read_back(void **state) {
    struct task task;
    struct problem problem = {0};
    struct expert_sets sets;
    json_t *document =
        json_pack("{s:s, s:i, s:{s:i, s:i, s:i, s:{s:i}}}", "kind", "selfplay", "seed", 5, "config", "games",
                  6, "games_per_task", 6, "board", 5, "player", "playouts", 20);
    assert_int_equal(task_parse(document, &task, &problem), 0);
    const int null = open("/dev/null", O_WRONLY);
    struct port *port = port_create(-1, null, PORT_FRAMES);
    mkdir(folder, 0700);
    unlink("test_sl_policy/chunks.bin");
    port_keep(port, folder);
    assert_int_equal(selfplay_run(&task, port, &problem), 0);
    port_destroy(port);
    close(null);
    if (experts_read("test_sl_policy/chunks.bin", &(struct expert_filter){0}, &sets, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    assert_int_equal(sets.tally.games, 6);
    assert_int_equal(sets.tally.unreadable + sets.tally.illegal, 0);
    assert_int_equal(sets.train.size, 5);
    int64_t first = 0; /* the random opening is no expert's: each game begins after 4 moves */
    for (int i = 0; i < 25; i++)
        first += (sets.train.codes[i] & CODE_STONE) != 0;
    assert_in_range(first, 3, 4);
    for (int64_t i = 0; i < sets.train.count; i++)
        assert_true(sets.train.results[i] != RESULT_UNKNOWN);
    experts_free(&sets);
    assert_int_equal(truncate("test_sl_policy/chunks.bin", 200), 0);
    assert_int_equal(experts_read("test_sl_policy/chunks.bin", &(struct expert_filter){0}, &sets, &problem),
                     TG_ETRUNCATED);
    experts_free(&sets);
    task_free(&task);
    json_decref(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions_moves_and_results),
        cmocka_unit_test(test_the_split_is_by_game_and_stays),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_what_cannot_be_learnt_from_is_refused),
        cmocka_unit_test(test_scores_by_hand),
        cmocka_unit_test(test_a_run_makes_a_network_that_can_play),
        cmocka_unit_test(test_resumes_bit_for_bit),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_a_checkpoint_says_what_its_planes_are),
        cmocka_unit_test(test_a_network_of_ones_own),
        cmocka_unit_test(test_a_network_that_does_not_fit_the_game),
        cmocka_unit_test(test_what_is_done_is_not_done_again),
        cmocka_unit_test(test_a_stream_of_games_is_read_back),
    };
    return unit_folder_enter() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
