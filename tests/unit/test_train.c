/* The training loop: it learns, one seed gives one result, a killed run goes on bit for bit, limits and
 * patience end it, what diverges stops with a reason. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "nn_support.h"
#include "proto/base/hash.h"
#include "proto/model/safetensors.h"
#include "workers/nn/loss.h"
#include "workers/train/sampler.h"
#include "workers/train/train.h"

static const char architecture[] =
    "{\"version\": 1, \"input\": {\"height\": 6, \"width\": 6, \"channels\": 1},"
    " \"trunk\": {\"family\": \"resnet\", \"stages\": \"8x1\"}, \"heads\": [{\"kind\": \"classes\", "
    "\"classes\": 3, \"dropout\": 0.2}]}";
enum { SAMPLES = 48, PIXELS = 36, CLASSES = 3, BATCH = 8 };

/* Three sorts of noisy images: a bright row, column or diagonal. */
struct set {
    float image[SAMPLES][PIXELS];
    int label[SAMPLES];
    struct sampler sampler;
    int batch_label[BATCH];
    int64_t die_at; /* the step at which the order comes; -1: never */
    enum order order;
    int64_t nan_at;
    struct port *port;
    int validations;
    double score_step; /* added to the score with each validation */
};

static void make_set(struct set *set, uint64_t seed) {
    struct rng rng;
    rng_seed(&rng, 5);
    *set = (struct set){.die_at = -1, .order = ORDER_STOP, .nan_at = -1, .score_step = 0.001};
    for (int n = 0; n < SAMPLES; n++) {
        set->label[n] = n % CLASSES;
        for (int i = 0; i < PIXELS; i++)
            set->image[n][i] = (float)rng_uniform(&rng) * 0.5f;
        int at = (int)rng_below(&rng, 6);
        for (int i = 0; i < 6; i++)
            set->image[n][n % CLASSES == 0 ? at * 6 + i : n % CLASSES == 1 ? i * 6 + at : i * 7] += 1;
    }
    assert_int_equal(sampler_create(&set->sampler, SAMPLES, seed), 0);
}

static int fill(void *self, const struct train_batch *batch, struct problem *problem) {
    struct set *set = self;
    (void)problem;
    for (int i = 0; i < batch->size; i++) {
        uint32_t n = sampler_at(&set->sampler, batch->first + i);
        float noise = (float)rng_uniform(batch->rng) * 0.1f;
        set->batch_label[i] = set->label[n];
        for (int p = 0; p < PIXELS; p++)
            batch->inputs[0][i * PIXELS + p] = set->image[n][p] + noise;
    }
    if (batch->step == set->die_at)
        port_interrupt(set->port, set->order);
    return 0;
}

static double loss(void *self, const struct train_batch *batch, struct run *run, struct train_sums *sums) {
    struct set *set = self;
    double result = loss_cross_entropy((size_t)batch->size, CLASSES, run_output(run, "classes"),
                                       set->batch_label, NULL, 0, 1, run_output_gradient(run, "classes"));
    train_note(sums, "ones", batch->size, batch->size);
    return batch->step == set->nan_at ? (double)NAN : result;
}

static int validate(void *self, const float *values, int64_t step, double *score, struct problem *problem) {
    struct set *set = self;
    (void)problem;
    *score = 0.5 + set->score_step * ++set->validations;
    return values[0] == values[0] && step > 0 ? 0 : TG_EINTERNAL;
}

static const struct train_ops ops = {fill, loss, NULL}, validating = {fill, loss, validate};

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/tengen-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path_of("state.safetensors"));
    unlink(path_of("checkpoint.safetensors"));
    return rmdir(folder);
}

static struct train_options options_of(uint64_t seed) {
    return (struct train_options){
        .batch = BATCH,
        .epoch_samples = SAMPLES,
        .steps = 30,
        .optimizer = {.rule = OPTIMIZER_SGD, .momentum = 0.9f, .weight_decay = 1e-4f, .nesterov = true},
        .schedule = {.shape = SCHEDULE_COSINE, .rate = 0.05f, .warmup = 3},
        .average = 0.9f,
        .seed = seed};
}

/* One attempt; the digest of what it ends with. */
struct attempt {
    struct train_result result;
    struct problem problem;
    int error;
    uint8_t digest[32];
};

static void attempt_with(const char *description, struct set *set, const struct train_options *options,
                         const struct train_ops *with, struct attempt *out) {
    struct network network;
    json_t *text = json_loads(description, 0, NULL);
    int null = open("/dev/null", O_WRONLY);
    *out = (struct attempt){0};
    assert_int_equal(network_create(text, true, options->seed, &network, &out->problem), 0);
    set->port = port_create(-1, null, PORT_TEXT);
    port_keep(set->port, folder);
    out->error = train_run(&network, options, with, set, set->port, &out->result, &out->problem);
    sha256(network.model.values, graph_value_count(network.graph) * sizeof(float), out->digest);
    port_destroy(set->port);
    network_destroy(&network);
    json_decref(text);
    close(null);
}

static void attempt(struct set *set, const struct train_options *options, const struct train_ops *with,
                    struct attempt *out) {
    attempt_with(architecture, set, options, with, out);
}

/* Two layers of 1020 channels: 18.8 million parameters, whose weights, average, best and momentum are 287
 * MiB. */
static void a_state_that_cannot_be_kept_is_refused_before_the_first_step(void **state) {
    static const char large[] = "{\"version\": 1, \"input\": {\"height\": 6, \"width\": 6, \"channels\": 1},"
                                " \"trunk\": {\"family\": \"resnet\", \"stages\": \"1020x1\"},"
                                " \"heads\": [{\"kind\": \"classes\", \"classes\": 3}]}";
    struct set set;
    struct attempt got;
    struct train_options options = options_of(7);
    (void)state;
    make_set(&set, 7);
    attempt_with(large, &set, &options, &validating, &got);
    assert_int_equal(got.error, TG_ETOO_LARGE);
    assert_string_equal(got.problem.field, "config.network");
    assert_non_null(strstr(got.problem.detail, "of 286 MiB (4 arrays"));
    assert_non_null(strstr(got.problem.detail, "more than the 253 MiB"));
    assert_int_equal(got.result.steps, 0);
    sampler_destroy(&set.sampler);
}

static void one_seed_gives_one_result(void **state) {
    struct set set;
    struct attempt first, second, other;
    struct train_options options = options_of(7);
    (void)state;
    make_set(&set, 7);
    attempt(&set, &options, &ops, &first);
    attempt(&set, &options, &ops, &second);
    assert_int_equal(first.error, 0);
    assert_int_equal(first.result.steps, 30);
    assert_memory_equal(first.digest, second.digest, 32);
    options.seed = 8;
    attempt(&set, &options, &ops, &other);
    assert_memory_not_equal(first.digest, other.digest, 32);
    sampler_destroy(&set.sampler);
}

/* Killed at several steps, with the state of some step before. The best is what validated last, or first. */
static void killed_and_resumed(double score_step) {
    struct set set;
    struct attempt whole, part;
    struct train_options options = options_of(7);
    make_set(&set, 7);
    set.score_step = score_step;
    attempt(&set, &options, &validating, &whole);
    assert_int_equal(whole.result.best_step, score_step > 0 ? 30 : 6);
    options.checkpoint_steps = 4;
    for (int64_t kill = 5; kill < 30; kill += 11) {
        char resume[128];
        set.validations = 0;
        set.die_at = kill;
        options.resume = NULL;
        attempt(&set, &options, &validating, &part);
        assert_int_equal(part.error, TG_ECANCELLED);
        set.die_at = -1;
        set.validations = (int)(kill / 4 * 4 / 6); /* the score of the test's own counts on */
        strcpy(resume, path_of("state.safetensors"));
        options.resume = resume;
        attempt(&set, &options, &validating, &part);
        assert_int_equal(part.error, 0);
        assert_int_equal(part.result.steps, 30);
        assert_int_equal(part.result.best_step, whole.result.best_step);
        assert_true(part.result.best_score == whole.result.best_score);
        assert_memory_equal(part.digest, whole.digest, 32);
    }
    sampler_destroy(&set.sampler);
}

static void a_killed_run_goes_on_bit_for_bit(void **state) {
    (void)state;
    killed_and_resumed(0.001);
    killed_and_resumed(-0.001);
}

/* Sets counters of the state in the folder, as if the attempt had taken that long. */
static void rewrite_counters(int64_t cpu_ns, int64_t validated_cpu_ns) {
    char path[128];
    struct problem problem = {0};
    struct tensor_view *views;
    strcpy(path, path_of("state.safetensors"));
    struct safetensors *file = safetensors_open(path, &problem);
    assert_non_null(file);
    size_t count = safetensors_count(file);
    assert_non_null(views = calloc(count, sizeof *views));
    for (size_t i = 0; i < count; i++)
        views[i] = *safetensors_at(file, i);
    json_t *metadata = json_deep_copy(safetensors_metadata(file));
    json_t *counters = json_loads(json_string_value(json_object_get(metadata, "counters")), 0, NULL);
    assert_non_null(counters);
    json_object_set_new(counters, "cpu_ns", json_integer(cpu_ns));
    json_object_set_new(counters, "validated_cpu_ns", json_integer(validated_cpu_ns));
    char *text = json_dumps(counters, 0);
    json_object_set_new(metadata, "counters", json_string(text));
    assert_int_equal(safetensors_write(path, views, count, metadata, &problem), 0);
    free(text);
    free(views);
    json_decref(counters);
    json_decref(metadata);
    safetensors_close(file);
}

/* The time since the last validation goes on over a kill: a run that is killed often does not validate each time. */
static void a_resumed_run_validates_when_it_would_have(void **state) {
    const int64_t second = 1000000000, hour = 3600 * second;
    struct set set;
    struct attempt got;
    struct train_options options = options_of(7);
    char resume[128];
    (void)state;
    make_set(&set, 7);
    options.checkpoint_steps = 4;
    options.validate_seconds = 3600;
    for (int due = 0; due <= 1; due++) {
        options.resume = NULL;
        set.die_at = 5;
        attempt(&set, &options, &validating, &got);
        assert_int_equal(got.error, TG_ECANCELLED);
        rewrite_counters(5 * hour, due ? 4 * hour - second : 5 * hour - 60 * second);
        strcpy(resume, path_of("state.safetensors"));
        options.resume = resume;
        set.die_at = -1;
        set.validations = 0;
        attempt(&set, &options, &validating, &got);
        assert_int_equal(got.error, 0);
        assert_int_equal(set.validations, 1 + due); /* and the one at the end */
    }
    sampler_destroy(&set.sampler);
}

static void a_drained_run_leaves_its_state(void **state) {
    struct set set;
    struct attempt whole, part;
    struct train_options options = options_of(7);
    char resume[128];
    (void)state;
    make_set(&set, 7);
    attempt(&set, &options, &ops, &whole);
    set.die_at = 10;
    set.order = ORDER_DRAIN;
    attempt(&set, &options, &ops, &part);
    assert_int_equal(part.error, 0);
    assert_int_equal(part.result.end, TRAIN_DRAINED);
    assert_int_equal(part.result.steps, 11);
    strcpy(resume, path_of("state.safetensors"));
    options.resume = resume;
    attempt(&set, &options, &ops, &part);
    assert_int_equal(part.result.end, TRAIN_BUDGET);
    assert_memory_equal(part.digest, whole.digest, 32);
    sampler_destroy(&set.sampler);
}

static void a_state_of_another_run_is_refused(void **state) {
    struct set set;
    struct attempt got;
    struct train_options options = options_of(7);
    char resume[128];
    (void)state;
    make_set(&set, 7);
    attempt(&set, &options, &ops, &got);
    strcpy(resume, path_of("state.safetensors"));
    options.resume = resume;
    options.seed = 9;
    attempt(&set, &options, &ops, &got);
    assert_int_equal(got.error, TG_EINVALID);
    assert_non_null(strstr(got.problem.detail, "seed 7"));
    sampler_destroy(&set.sampler);
}

static void it_learns_a_tiny_set(void **state) {
    struct set set;
    struct attempt got;
    struct train_options options = options_of(3);
    (void)state;
    make_set(&set, 3);
    options.steps = 0;
    options.epochs = 100;
    attempt(&set, &options, &ops, &got);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.result.steps, 100 * SAMPLES / BATCH);
    if (!(got.result.last_loss < 0.1))
        fail_msg("the loss is %g after 100 epochs", got.result.last_loss);
    sampler_destroy(&set.sampler);
}

static void patience_and_time_end_it(void **state) {
    struct set set;
    struct attempt got;
    struct train_options options = options_of(3);
    (void)state;
    make_set(&set, 3);
    options.steps = 1000;
    options.patience = 2;
    set.score_step = -0.001; /* the first validation is the best */
    attempt(&set, &options, &validating, &got);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.result.end, TRAIN_EARLY);
    assert_int_equal(got.result.steps, 3 * SAMPLES / BATCH);
    assert_int_equal(got.result.best_step, SAMPLES / BATCH);
    options.patience = 0;
    options.steps = 0;
    options.minutes = 0.0005; /* 30 ms */
    attempt(&set, &options, &ops, &got);
    assert_int_equal(got.result.end, TRAIN_BUDGET);
    assert_true(got.result.cpu_minutes >= 0.0005);
    sampler_destroy(&set.sampler);
}

static void what_diverges_says_so(void **state) {
    struct set set;
    struct attempt got;
    struct train_options options = options_of(3);
    (void)state;
    make_set(&set, 3);
    set.nan_at = 4;
    attempt(&set, &options, &ops, &got);
    assert_int_equal(got.error, TG_EOUT_OF_RANGE);
    assert_string_equal(got.problem.field, "loss");
    assert_non_null(strstr(got.problem.detail, "at step 4"));
    options.steps = 0;
    attempt(&set, &options, &ops, &got);
    assert_int_equal(got.error, TG_EINVALID);
    sampler_destroy(&set.sampler);
}

static void schedules_run_over_the_budget(void **state) {
    struct train_schedule s = {.shape = SCHEDULE_LINEAR, .rate = 1, .factor = 0, .warmup = 10};
    (void)state;
    assert_float_equal(train_rate(&s, 0, 0), 0.1f, 1e-6f);
    assert_float_equal(train_rate(&s, 500, 0.25), 0.75f, 1e-6f);
    assert_float_equal(train_rate(&s, 500, 2), 0.0f, 1e-6f);
    s.shape = SCHEDULE_COSINE;
    assert_float_equal(train_rate(&s, 500, 0.5), 0.5f, 1e-5f);
    s.shape = SCHEDULE_STEP;
    s.factor = 0.1f;
    assert_float_equal(train_rate(&s, 500, 0.49), 1.0f, 1e-6f);
    assert_float_equal(train_rate(&s, 500, 0.5), 0.1f, 1e-6f);
    assert_float_equal(train_rate(&s, 500, 0.75), 0.01f, 1e-6f);
}

static void an_epoch_sees_each_sample_once(void **state) {
    struct sampler sampler, again;
    int seen[50] = {0}, moved = 0;
    (void)state;
    assert_int_equal(sampler_create(&sampler, 50, 4), 0);
    assert_int_equal(sampler_create(&again, 50, 4), 0);
    for (int n = 0; n < 150; n++)
        seen[sampler_at(&sampler, n)]++;
    for (int i = 0; i < 50; i++)
        assert_int_equal(seen[i], 3);
    for (int n = 149; n >= 100; n--) {
        assert_int_equal(sampler_at(&again, n), sampler_at(&sampler, n));
        moved += sampler_at(&sampler, n) != sampler_at(&sampler, n - 50);
    }
    assert_true(moved > 25);
    sampler_destroy(&sampler);
    sampler_destroy(&again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_gives_one_result),
        cmocka_unit_test(a_state_that_cannot_be_kept_is_refused_before_the_first_step),
        cmocka_unit_test(a_killed_run_goes_on_bit_for_bit),
        cmocka_unit_test(a_resumed_run_validates_when_it_would_have),
        cmocka_unit_test(a_state_of_another_run_is_refused),
        cmocka_unit_test(it_learns_a_tiny_set),
        cmocka_unit_test(a_drained_run_leaves_its_state),
        cmocka_unit_test(patience_and_time_end_it),
        cmocka_unit_test(what_diverges_says_so),
        cmocka_unit_test(schedules_run_over_the_budget),
        cmocka_unit_test(an_epoch_sees_each_sample_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
