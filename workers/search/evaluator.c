/* evaluator.c - batches and the check of answers, and the evaluators that are no networks.
 *
 * Whoever answers, evaluator_run is between: requests of any number are cut into batches that it takes, and
 * every answer is looked at once for what is not finite, where it comes in and not in each search. One sum
 * over all numbers is enough for that: a single NaN or infinity makes it one.
 *
 * The three that are no networks are for tests: uniform (a search by rollouts alone), random but a function
 * of the position (trees that can be compared), recorded (a network's answers, played back). */
#include "workers/search/evaluator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/rng.h"

static int check_answer(const struct evaluation *answer, struct problem *problem) {
    float sum = answer->value;
    for (int i = 0; i <= board_points(&answer->board); i++)
        sum += answer->logits[i];
    if (isfinite(sum))
        return 0;
    return problem_set(problem, TG_EOUT_OF_RANGE, "checkpoint",
                       "the network's answer is not a finite number: its weights are damaged or too large");
}

int evaluator_run(struct evaluator *evaluator, struct evaluation *const *list, int count,
                  struct problem *problem) {
    int error = 0;
    for (int i = 0; i < count && evaluator->size && !error; i++)
        if (list[i]->board.size != evaluator->size)
            error = problem_set(problem, TG_EINVALID, "board", "the network is for %dx%d, not for %dx%d",
                                evaluator->size, evaluator->size, list[i]->board.size, list[i]->board.size);
    for (int at = 0; at < count && !error; at += evaluator->batch_max) {
        const int now = count - at < evaluator->batch_max ? count - at : evaluator->batch_max;
        error = evaluator->ops->run(evaluator, list + at, now, problem);
        evaluator->evaluations += now;
        evaluator->batches++;
        for (int i = 0; i < now && !error; i++)
            error = check_answer(list[at + i], problem);
    }
    return error;
}

void evaluator_destroy(struct evaluator *evaluator) {
    if (evaluator)
        evaluator->ops->destroy(evaluator);
}

enum { MOCK_BATCH_MAX = 256 };

static struct evaluator *mock_create(size_t size, const struct evaluator_ops *ops, bool has_value) {
    struct evaluator *evaluator = calloc(1, size);
    if (evaluator) {
        evaluator->ops = ops;
        evaluator->batch_max = MOCK_BATCH_MAX;
        evaluator->has_value = has_value;
    }
    return evaluator;
}

static void mock_destroy(struct evaluator *evaluator) {
    free(evaluator);
}

/* ---- uniform ---- */

static int uniform_run(struct evaluator *evaluator, struct evaluation *const *list, int count,
                       struct problem *problem) {
    for (int i = 0; i < count; i++) {
        memset(list[i]->logits, 0, sizeof(list[i]->logits));
        list[i]->value = 0;
    }
    return 0;
}

struct evaluator *evaluator_uniform(void) {
    static const struct evaluator_ops ops = {uniform_run, mock_destroy};
    return mock_create(sizeof(struct evaluator), &ops, false);
}

/* ---- random ---- */

struct random {
    struct evaluator base;
    uint64_t seed;
};

static int random_run(struct evaluator *evaluator, struct evaluation *const *list, int count,
                      struct problem *problem) {
    const struct random *self = (const struct random *)evaluator;
    for (int i = 0; i < count; i++) {
        struct rng rng;
        rng_seed_stream(&rng, self->seed, board_situation(&list[i]->board));
        for (int p = 0; p <= board_points(&list[i]->board); p++)
            list[i]->logits[p] = (float)rng_gauss(&rng);
        list[i]->value = (float)(2 * rng_uniform(&rng) - 1);
    }
    return 0;
}

struct evaluator *evaluator_random(uint64_t seed) {
    static const struct evaluator_ops ops = {random_run, mock_destroy};
    struct random *self = (struct random *)mock_create(sizeof(*self), &ops, true);
    if (self)
        self->seed = seed;
    return self ? &self->base : NULL;
}

/* ---- recorded ---- */

struct recorded {
    struct evaluator base;
    struct evaluation *answers;
    int count, room;
};

static int recorded_run(struct evaluator *evaluator, struct evaluation *const *list, int count,
                        struct problem *problem) {
    const struct recorded *self = (const struct recorded *)evaluator;
    for (int i = 0; i < count; i++) {
        const uint64_t situation = board_situation(&list[i]->board);
        int at = 0;
        while (at < self->count && board_situation(&self->answers[at].board) != situation)
            at++;
        if (at == self->count)
            return problem_set(problem, TG_ENOT_FOUND, NULL, "a position that was not recorded");
        memcpy(list[i]->logits, self->answers[at].logits, sizeof(list[i]->logits));
        list[i]->value = self->answers[at].value;
    }
    return 0;
}

static void recorded_destroy(struct evaluator *evaluator) {
    free(((struct recorded *)evaluator)->answers);
    free(evaluator);
}

struct evaluator *evaluator_recorded(bool has_value) {
    static const struct evaluator_ops ops = {recorded_run, recorded_destroy};
    return mock_create(sizeof(struct recorded), &ops, has_value);
}

int evaluator_record(struct evaluator *recorded, const struct evaluation *answer) {
    struct recorded *self = (struct recorded *)recorded;
    if (self->count == self->room) {
        const int room = self->room ? 2 * self->room : 16;
        struct evaluation *answers = realloc(self->answers, (size_t)room * sizeof(*answers));
        if (!answers)
            return TG_ENO_MEMORY;
        self->answers = answers;
        self->room = room;
    }
    self->answers[self->count++] = *answer;
    return 0;
}
