/* Decoding against searches that leave nothing out, puzzles, and a whole seq2seq task on a tiny slice. */
#include <fcntl.h>
#include <unistd.h>
#include "nn_support.h"
#include "workers/text/decode.h"
#include "workers/text/puzzle.h"
#include "workers/text/text.h"
#include "workers/zoo/network.h"

enum { SOURCE = 3, TARGET = 3, VOCABULARY = TOKEN_FIRST + 2, ROWS = 64 };

static struct network tiny_network(uint64_t seed) {
    static const char text[] =
        "{\"version\": 1, \"input\": {\"tokens\": 3, \"target_tokens\": 3, \"vocabulary\": 5}, \"trunk\": "
        "{\"family\": \"transformer\", \"layers\": 1, \"width\": 8, \"heads\": 2, \"feed_forward\": 8},"
        " \"heads\": [{\"kind\": \"tokens\"}]}";
    struct network network;
    json_t *given = json_loads(text, 0, NULL);
    assert_int_equal(network_create(given, false, seed, &network, NULL), 0);
    json_decref(given);
    for (size_t i = 0; i < graph_value_count(network.graph); i++)
        network.model.values[i] *= 3; /* opinions */
    return network;
}

/* log p of each next token after the tokens so far. */
static void next_log_p(struct infer *infer, const int *source, const int *tokens, int length, double *log_p) {
    double sum = 0;
    for (int i = 0; i < SOURCE; i++)
        infer_input(infer, 0)[i] = (float)source[i];
    for (int i = 0; i < TARGET; i++)
        infer_input(infer, 1)[i] = (float)(i == 0 ? TOKEN_BEGIN : i <= length ? tokens[i - 1] : TOKEN_PAD);
    infer_forward(infer, 1);
    const float *logits = infer_output(infer, "tokens") + length * VOCABULARY;
    for (int i = 0; i < VOCABULARY; i++)
        sum += exp((double)logits[i]);
    for (int i = 0; i < VOCABULARY; i++)
        log_p[i] = (double)logits[i] - log(sum);
}

struct found {
    double score;
    int tokens[TARGET];
};

/* Tries every sequence. */
static void search_all(struct infer *infer, const int *source, double penalty, int *tokens, int length,
                       double log_p, struct found *best) {
    double next[VOCABULARY];
    if (length < TARGET)
        next_log_p(infer, source, tokens, length, next);
    double score = (log_p + (length < TARGET ? next[TOKEN_END] : 0)) / pow((5.0 + length) / 6, penalty);
    if (score > best->score) {
        *best = (struct found){.score = score};
        memcpy(best->tokens, tokens, (size_t)length * sizeof *tokens);
    }
    for (int token = TOKEN_FIRST; token < VOCABULARY && length < TARGET; token++) {
        tokens[length] = token;
        search_all(infer, source, penalty, tokens, length + 1, log_p + next[token], best);
    }
}

static void greedy(struct infer *infer, const int *source, int *tokens) {
    memset(tokens, 0, TARGET * sizeof *tokens);
    for (int length = 0; length < TARGET; length++) {
        double next[VOCABULARY];
        int best = TOKEN_END;
        next_log_p(infer, source, tokens, length, next);
        for (int token = TOKEN_END; token < VOCABULARY; token++)
            best = next[token] > next[best] ? token : best;
        if (best == TOKEN_END)
            return;
        tokens[length] = best;
    }
}

static void a_wide_beam_finds_what_a_full_search_finds(void **state) {
    (void)state;
    static const int sources[3][SOURCE] = {{3, 4, 3}, {4, 0, 0}, {3, 3, 0}};
    int differ = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct network network = tiny_network(seed);
        struct decoder *decoder;
        struct infer *infer;
        int wide[3][TARGET], narrow[3][TARGET];
        assert_int_equal(decoder_create(network.graph, &network.model, ROWS, &decoder, NULL), 0);
        assert_int_equal(infer_create(network.graph, &network.model, 1, &infer, NULL), 0);
        decode(decoder, 3, 16, 0.6, sources[0], wide[0]);
        decode(decoder, 3, 1, 0.6, sources[0], narrow[0]);
        for (int i = 0; i < 3; i++) {
            struct found best = {.score = -INFINITY};
            int tokens[TARGET];
            search_all(infer, sources[i], 0.6, tokens, 0, 0, &best);
            assert_memory_equal(best.tokens, wide[i], sizeof best.tokens);
            greedy(infer, sources[i], tokens);
            assert_memory_equal(tokens, narrow[i], sizeof tokens);
            differ += memcmp(tokens, wide[i], sizeof tokens) != 0;
        }
        infer_destroy(infer);
        decoder_destroy(decoder);
        network_destroy(&network);
    }
    assert_true(differ > 0); /* else the beam was not tested */
}

static void only_encoder_decoders_decode(void **state) {
    (void)state;
    struct network network;
    struct decoder *decoder;
    struct problem problem = {0};
    json_t *given = json_loads("{\"version\": 1, \"input\": {\"tokens\": 3, \"vocabulary\": 5}, \"trunk\": "
                               "{\"family\": \"transformer\", \"layers\": 1, \"width\": 8},"
                               " \"heads\": [{\"kind\": \"tokens\"}]}",
                               0, NULL);
    assert_int_equal(network_create(given, false, 1, &network, NULL), 0);
    assert_int_equal(decoder_create(network.graph, &network.model, 4, &decoder, &problem), TG_EINVALID);
    assert_null(decoder);
    assert_non_null(strstr(problem.detail, "encoder-decoder"));
    json_decref(given);
    network_destroy(&network);
}

static void puzzles_are_solved_and_test_sequences_never_learnt(void **state) {
    (void)state;
    struct puzzle puzzle = {PUZZLE_REVERSE, 9, 2, 6};
    const int sequence[6] = {5, 3, 9, 3, 0, 0};
    int answer[6], drawn[6], lengths = 0;
    puzzle_solve(&puzzle, sequence, 4, answer);
    assert_memory_equal(answer, ((int[]){3, 9, 3, 5, 0, 0}), sizeof answer);
    puzzle.task = PUZZLE_SORT;
    puzzle_solve(&puzzle, sequence, 4, answer);
    assert_memory_equal(answer, ((int[]){3, 3, 5, 9, 0, 0}), sizeof answer);
    struct rng rng;
    rng_seed(&rng, 2);
    for (int i = 0; i < 2000; i++) {
        int length = puzzle_draw(&puzzle, i % 2, &rng, drawn);
        assert_in_range(length, 2, 6);
        assert_int_equal(puzzle_held_out(drawn, length), i % 2);
        for (int j = 0; j < 6; j++)
            assert_true(j < length ? drawn[j] >= TOKEN_FIRST && drawn[j] < TOKEN_FIRST + 9 : drawn[j] == 0);
        lengths |= 1 << length;
    }
    assert_int_equal(lengths, 0x7C);
}

/* Runs the task and returns its summary as the report file holds it. */
static json_t *run_task(const char *folder, const char *config, int *error, struct problem *problem) {
    char document[600], path[200];
    snprintf(document, sizeof document, "{\"kind\": \"seq2seq\", \"seed\": 5, \"config\": %s}", config);
    json_t *given = json_loads(document, 0, NULL);
    struct task task;
    assert_non_null(given);
    *error = task_parse(given, &task, problem);
    json_decref(given);
    if (*error)
        return NULL;
    int null = open("/dev/null", O_WRONLY);
    struct port *port = port_create(-1, null, PORT_FRAMES);
    port_keep(port, folder);
    *error = seq2seq_run(&task, port, problem);
    port_destroy(port);
    close(null);
    task_free(&task);
    snprintf(path, sizeof path, "%s/summary.json", folder);
    return *error ? NULL : json_load_file(path, 0, NULL);
}

static void a_tiny_task_learns_and_reports(void **state) {
    (void)state;
    char folder[] = "/tmp/tengen-text-XXXXXX", command[100];
    struct problem problem = {0};
    int error;
    assert_non_null(mkdtemp(folder));
    json_t *summary = run_task(
        folder,
        "{\"task\": \"reverse\", \"symbols\": 3, \"shortest\": 2, \"longest\": 3, \"layers\": 1, \"width\": "
        "16,"
        " \"heads\": 2, \"feed_forward\": 32, \"batch\": 32, \"minutes\": 0, \"steps\": 300, \"warmup\": 50,"
        " \"learning_rate\": 0.01, \"average\": 0.9, \"validate_steps\": 150, \"test_sequences\": 40}",
        &error, &problem);
    if (error)
        fail_msg("%s: %s", problem.field, problem.detail);
    assert_non_null(summary);
    assert_true(json_number_value(json_object_get(summary, "greedy_exact")) > 0.5);
    assert_true(json_number_value(json_object_get(summary, "beam_exact")) > 0.5);
    assert_int_equal(json_integer_value(json_object_get(summary, "steps")), 300);
    json_decref(summary);
    run_task(folder, "{\"shortest\": 9, \"longest\": 3}", &error, &problem);
    assert_int_equal(error, TG_EOUT_OF_RANGE);
    assert_string_equal(problem.field, "config.shortest");
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wide_beam_finds_what_a_full_search_finds),
        cmocka_unit_test(only_encoder_decoders_decode),
        cmocka_unit_test(puzzles_are_solved_and_test_sequences_never_learnt),
        cmocka_unit_test(a_tiny_task_learns_and_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
