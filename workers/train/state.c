/* state.c - the trainer's files: what goes out as "checkpoint" and "state", and the way back.
 *
 *     "state"        weights, average, best, the optimizer's arrays, counters: all that a next attempt needs
 *     "checkpoint"   the network as it would be used (trainer_kept), alone
 *
 * The state goes first. The coordinator resumes from the newest pair of one step and one attempt, so a run
 * that is killed between the two leaves the pair before it as the one that counts, and never a checkpoint
 * without its state.
 *
 * Random numbers are not part of it: every step seeds its own generator (train.h), so there is nothing to
 * save.
 *
 * A state of another run is refused by its seed and batch, which are what the same bits depend on; of another
 * network, by its names and shapes (training_load). The arrays are read in place, so after an error the
 * trainer is of no use.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/wire/chunk.h"
#include "proto/wire/json.h"
#include "workers/train/internal.h"

const float *trainer_kept(const struct trainer *t) {
    if (t->best_step)
        return t->best.values;
    return t->options->average > 0 ? t->average.values : t->network->model.values;
}

int64_t trainer_kept_step(const struct trainer *t) {
    return t->best_step ? t->best_step : t->step;
}

/* ---- files on their way out ---- */

static int make_folder(struct trainer *t, struct problem *problem) {
    const char *where = getenv("TMPDIR");
    if (t->folder[0])
        return TG_OK;
    snprintf(t->folder, sizeof t->folder, "%.200s/tengen-train-XXXXXX", where && *where ? where : "/tmp");
    if (mkdtemp(t->folder))
        return TG_OK;
    int error =
        problem_set(problem, TG_EIO, t->folder, "no folder for checkpoints can be made: %s", strerror(errno));
    t->folder[0] = 0;
    return error;
}

static const char *path_of(const struct trainer *t, const char *name, char out[FOLDER_MAX + 32]) {
    snprintf(out, FOLDER_MAX + 32, "%s/%s.safetensors", t->folder, name);
    return out;
}

void trainer_remove_files(struct trainer *t) {
    char path[FOLDER_MAX + 32];
    if (!t->folder[0])
        return;
    unlink(path_of(t, "checkpoint", path));
    unlink(path_of(t, "state", path));
    rmdir(t->folder);
    t->folder[0] = 0;
}

/* ---- counters ---- */

static json_t *counters_of(const struct trainer *t) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "step", (json_int_t)t->step, "cpu_ns",
                     (json_int_t)trainer_cpu_ns(t), "validated_cpu_ns", (json_int_t)t->validated_cpu_ns,
                     "validated_step", (json_int_t)t->validated_step, "best_step", (json_int_t)t->best_step,
                     "best_score", (json_int_t)t->best_score, "without_gain", (json_int_t)t->without_gain,
                     "seed", (json_int_t)t->options->seed, "batch", (json_int_t)t->options->batch);
}

static int read_counters(struct trainer *t, const json_t *counters, struct problem *problem) {
    int64_t seed = 0, batch = 0;
    const struct {
        const char *name;
        int64_t *out;
    } all[] = {{"step", &t->step},
               {"cpu_ns", &t->cpu_before_ns},
               {"validated_step", &t->validated_step},
               {"best_step", &t->best_step},
               {"best_score", &t->best_score},
               {"without_gain", &t->without_gain},
               {"seed", &seed},
               {"batch", &batch}};
    int error = TG_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && !error; i++)
        error = json_get_int(counters, all[i].name, INT64_MIN, INT64_MAX, all[i].out, problem);
    if (!error) /* states of an older version have none */
        error = json_get_int_or(counters, "validated_cpu_ns", 0, INT64_MAX, t->cpu_before_ns,
                                &t->validated_cpu_ns, problem);
    if (!error && (t->step < 0 || t->step > INT64_MAX / (1 << 20) || t->best_step < 0))
        error = problem_set(problem, TG_EINVALID, "step", "the state's counters make no sense");
    if (!error && (seed != (int64_t)t->options->seed || batch != t->options->batch))
        error = problem_set(problem, TG_EINVALID, "resume",
                            "the state is of a run with seed %" PRId64 " and batch %" PRId64
                            ", this one has seed %" PRIu64 " and batch %d",
                            seed, batch, t->options->seed, t->options->batch);
    return error;
}

/* ---- out and back ---- */

/* Everything that a state file holds, in place. */
static struct training_state state_of(struct trainer *t, struct rng *rng) {
    struct training_state state = {.optimizer = t->optimizer, .rng = rng};
    int count = 0;
    state.arrays[count].name = "weights";
    state.arrays[count++].values = t->network->model.values;
    if (t->average.values) {
        state.arrays[count].name = "average";
        state.arrays[count++].values = t->average.values;
    }
    if (t->best.values) {
        state.arrays[count].name = "best";
        state.arrays[count].values = t->best.values;
    }
    return state;
}

static json_t *metadata_of(const struct trainer *t) {
    char score[32];
    json_t *metadata = t->options->metadata ? json_copy((json_t *)t->options->metadata) : json_object();
    snprintf(score, sizeof score, "%.6f", (double)t->best_score / SCORE_SCALE);
    if (t->best_step)
        json_object_set_new(metadata, "validation_score", json_string(score));
    return metadata;
}

static int send_network(struct trainer *t, struct problem *problem) {
    char path[FOLDER_MAX + 32];
    struct network kept = *t->network;
    json_t *metadata = metadata_of(t);
    kept.model.values = (float *)trainer_kept(t); /* only read */
    kept.step = trainer_kept_step(t);
    int error = network_save(&kept, path_of(t, "checkpoint", path), metadata, problem);
    json_decref(metadata);
    if (!error && (error = port_checkpoint(t->port, "checkpoint", t->step, path)))
        problem_set(problem, error, "checkpoint", "cannot be sent: %s", tg_error_title(error));
    return error;
}

static int send_state(struct trainer *t, struct problem *problem) {
    char path[FOLDER_MAX + 32];
    struct rng rng; /* steps seed their own; the file wants one all the same */
    rng_seed_stream(&rng, t->options->seed, (uint64_t)t->step);
    struct training_state state = state_of(t, &rng);
    state.counters = counters_of(t);
    int error = state.counters ? training_save(t->network, &state, path_of(t, "state", path), problem)
                               : TG_ENO_MEMORY;
    json_decref(state.counters);
    if (!error && (error = port_checkpoint(t->port, "state", t->step, path)))
        problem_set(problem, error, "state", "cannot be sent: %s", tg_error_title(error));
    return error;
}

int trainer_check_size(struct trainer *t, struct problem *problem) {
    const struct training_state state = state_of(t, NULL);
    const int arrays = training_array_count(&state);
    const size_t bytes = (size_t)arrays * t->value_count * sizeof(float),
                 most = CHUNK_PACKED_MAX - CHUNK_JSON_MAX;
    if (bytes <= most)
        return TG_OK;
    return problem_set(
        problem, TG_ETOO_LARGE, "config.network",
        "%zu parameters make a training state of %zu MiB (%d arrays: weights, their best and average, what "
        "the optimizer keeps), more than the %zu MiB that can be kept; choose fewer channels or layers",
        t->value_count, bytes >> 20, arrays, most >> 20);
}

int trainer_save(struct trainer *t, struct problem *problem) {
    int error = make_folder(t, problem);
    if (!error)
        error = send_state(t, problem);
    if (!error)
        error = send_network(t, problem);
    trainer_remove_files(t); /* at once: a run that is killed leaves nothing lying about */
    if (!error) {
        t->saved_step = t->step;
        t->saved_ns = clock_monotonic_ns();
    }
    return error;
}

int trainer_resume(struct trainer *t, struct problem *problem) {
    struct rng rng = {{0}};
    struct training_state state = state_of(t, &rng);
    int error = training_load(t->network, &state, t->options->resume, problem);
    if (!error && !state.counters)
        error = problem_set(problem, TG_EMISSING_FIELD, "counters", "are missing from the state");
    if (!error)
        error = read_counters(t, state.counters, problem);
    json_decref(state.counters);
    if (error)
        problem_prefix(problem, "resume");
    else
        t->saved_step = t->step;
    return error;
}
