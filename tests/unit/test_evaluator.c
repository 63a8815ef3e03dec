/* Evaluators: an answer depends on its position alone, whatever it shares a batch with; checkpoints that do
 * not fit are refused with the reason. */
#include "tests/unit/unit.h"
#include "tests/unit/unit_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/rng.h"
#include "workers/go/encoding.h"
#include "workers/go/playout.h"
#include "workers/search/evaluator.h"
#include "workers/zoo/network.h"

enum { POSITIONS = 37, SIZE = 7, POINTS = SIZE * SIZE };

static struct evaluation questions[POSITIONS], answers[POSITIONS];

static void draw_positions(void) {
    struct rng rng;
    rng_seed(&rng, 4);
    for (int i = 0; i < POSITIONS; i++) {
        struct board *board = &questions[i].board;
        board_init(board, SIZE, false);
        for (int moves = i; moves > 0 && board->passes < 2; moves--)
            board_play(board, (enum color)board->to_move,
                       playout_choose(board, &rng, (enum color)board->to_move));
    }
}

static void save_network(const char *path, const char *architecture, const char *encoding) {
    struct network network;
    struct problem problem = {0};
    json_t *description = json_loads(architecture, 0, NULL);
    json_t *extra = encoding ? json_pack("{s:s}", ENCODING_KEY, encoding) : NULL;
    assert_non_null(description);
    if (network_create(description, false, 11, &network, &problem))
        fail_msg("%s: %s", problem.field, problem.detail);
    assert_int_equal(network_save(&network, path, extra, &problem), 0);
    network_destroy(&network);
    json_decref(description);
    json_decref(extra);
}

#define ARCHITECTURE(size, planes, heads)                                                                    \
    "{\"version\": 1, \"input\": {\"height\": " size ", \"width\": " size ", \"channels\": " planes          \
    "}, \"trunk\": {\"family\": \"resnet\", \"stages\": \"16x2\"}, \"heads\": [" heads "]}"
#define POLICY "{\"kind\": \"policy\"}"
#define BOTH   POLICY ", {\"kind\": \"value\"}"

static const char path[] = "test_evaluator.safetensors";

/* Every order and every company gives the same bits. */
static void check_companions(struct evaluator *evaluator) {
    struct evaluation *list[POSITIONS];
    struct problem problem = {0};
    for (int i = 0; i < POSITIONS; i++) {
        answers[i].board = questions[i].board;
        list[0] = &answers[i];
        assert_int_equal(evaluator_run(evaluator, list, 1, &problem), 0);
    }
    for (int shift = 0; shift < POSITIONS; shift += 5)
        for (int count = 1; count <= POSITIONS; count += 6) {
            for (int i = 0; i < POSITIONS; i++)
                list[i] = &questions[(i + shift) % POSITIONS];
            assert_int_equal(evaluator_run(evaluator, list, count, &problem), 0);
            for (int i = 0; i < count; i++) {
                const struct evaluation *alone = &answers[(i + shift) % POSITIONS];
                assert_memory_equal(list[i]->logits, alone->logits, (POINTS + 1) * sizeof(float));
                assert_true(list[i]->value == alone->value);
            }
        }
}

static void test_answers_depend_on_the_position_alone(void **state) {
    struct evaluator *evaluator;
    struct problem problem = {0};
    draw_positions();
    evaluator = evaluator_uniform();
    check_companions(evaluator);
    evaluator_destroy(evaluator);
    evaluator = evaluator_random(3);
    check_companions(evaluator);
    assert_true(fabsf(answers[1].logits[0] - answers[2].logits[0]) > 0);
    evaluator_destroy(evaluator);
    save_network(path, ARCHITECTURE("7", "12", BOTH), GO12_NAME);
    for (int batch_max = 1; batch_max <= 64; batch_max = batch_max * 2 + 1) {
        assert_int_equal(evaluator_network(path, SIZE, batch_max, &evaluator, &problem), 0);
        assert_true(evaluator->has_value);
        check_companions(evaluator);
        evaluator_destroy(evaluator);
    }
    unlink(path);
}

static void test_batches_are_as_large_as_they_may_be(void **state) {
    struct evaluator *evaluator;
    struct evaluation *list[POSITIONS];
    struct problem problem = {0};
    draw_positions();
    save_network(path, ARCHITECTURE("7", "12", POLICY), GO12_NAME);
    assert_int_equal(evaluator_network(path, 0, 16, &evaluator, &problem), 0);
    for (int i = 0; i < POSITIONS; i++)
        list[i] = &questions[i];
    assert_int_equal(evaluator_run(evaluator, list, POSITIONS, &problem), 0);
    assert_false(evaluator->has_value);
    assert_int_equal(evaluator->size, SIZE);
    assert_int_equal(evaluator->evaluations, POSITIONS);
    assert_int_equal(evaluator->batches, 3);
    evaluator_destroy(evaluator);
    unlink(path);
}

static void test_recorded_answers(void **state) {
    struct evaluator *evaluator = evaluator_recorded(true);
    struct evaluation *list[1] = {&questions[2]};
    struct problem problem = {0};
    draw_positions();
    answers[2].board = questions[2].board;
    answers[2].logits[5] = 1.5f;
    answers[2].value = -0.25f;
    assert_int_equal(evaluator_record(evaluator, &answers[2]), 0);
    assert_int_equal(evaluator_run(evaluator, list, 1, &problem), 0);
    assert_true(questions[2].logits[5] == 1.5f && questions[2].value == -0.25f);
    list[0] = &questions[3];
    assert_int_equal(evaluator_run(evaluator, list, 1, &problem), TG_ENOT_FOUND);
    evaluator_destroy(evaluator);
}

static void refuse(const char *architecture, const char *encoding, int board, const char *field,
                   const char *words) {
    struct evaluator *evaluator = NULL;
    struct problem problem = {0};
    save_network(path, architecture, encoding);
    assert_int_equal(evaluator_network(path, board, 8, &evaluator, &problem), TG_EINVALID);
    assert_null(evaluator);
    assert_string_equal(problem.field, field);
    if (!strstr(problem.detail, words))
        fail_msg("\"%s\" does not say \"%s\"", problem.detail, words);
    unlink(path);
}

static void test_what_does_not_fit_is_refused(void **state) {
    refuse(ARCHITECTURE("7", "12", POLICY), NULL, 0, "checkpoint.encoding", "missing");
    refuse(ARCHITECTURE("7", "12", POLICY), "go-48", 0, "checkpoint.encoding", "go-48");
    refuse(ARCHITECTURE("7", "13", POLICY), GO12_NAME, 0, "checkpoint.architecture.input", "7x7x13");
    refuse(ARCHITECTURE("7", "12, \"encoding\": \"go-48\"", POLICY), GO12_NAME, 0,
           "checkpoint.architecture.input.encoding", "must be go-12 or left out, is go-48");
    refuse(ARCHITECTURE("7", "12", POLICY), GO12_NAME, 9, "board", "7x7, not for 9x9");
    refuse(ARCHITECTURE("7", "12", "{\"kind\": \"value\"}"), GO12_NAME, 0, "checkpoint.architecture.heads",
           "no policy head");
}

static void test_another_board_and_broken_weights(void **state) {
    struct evaluator *evaluator;
    struct evaluation question, *list[1] = {&question};
    struct problem problem = {0};
    save_network(path, ARCHITECTURE("7", "12", POLICY), GO12_NAME);
    assert_int_equal(evaluator_network(path, 0, 8, &evaluator, &problem), 0);
    board_init(&question.board, 9, false);
    assert_int_equal(evaluator_run(evaluator, list, 1, &problem), TG_EINVALID);
    assert_string_equal(problem.field, "board");
    evaluator_destroy(evaluator);

    /* Finite weights whose product is not. */
    struct network network;
    json_t *metadata = NULL;
    assert_int_equal(network_load(path, false, &network, &metadata, &problem), 0);
    for (int i = 0; i < graph_param_count(network.graph); i++) {
        const struct param_view param = graph_param_view(network.graph, i);
        for (size_t k = 0; strncmp(param.name, "policy.bias", 11) == 0 && k < shape_elements(param.shape);
             k++)
            network.model.values[param.offset + k] = 3e38f;
    }
    json_t *extra = json_pack("{s:s}", ENCODING_KEY, GO12_NAME);
    assert_int_equal(network_save(&network, path, extra, &problem), 0);
    network_destroy(&network);
    json_decref(metadata);
    json_decref(extra);
    assert_int_equal(evaluator_network(path, 0, 8, &evaluator, &problem), 0);
    board_init(&question.board, 7, false);
    assert_int_equal(evaluator_run(evaluator, list, 1, &problem), TG_EOUT_OF_RANGE);
    evaluator_destroy(evaluator);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_depend_on_the_position_alone),
        cmocka_unit_test(test_batches_are_as_large_as_they_may_be),
        cmocka_unit_test(test_recorded_answers),
        cmocka_unit_test(test_what_does_not_fit_is_refused),
        cmocka_unit_test(test_another_board_and_broken_weights),
    };
    return unit_folder_enter() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
