#include "workers/task/task.h"

#include <limits.h>
#include <string.h>
#include "proto/wire/json.h"

static const int64_t int_max = INT64_C(1) << 53;

static int read_numbers(const json_t *document, struct task *task, struct problem *problem) {
    const struct {
        const char *name;
        int64_t fallback, *out;
    } numbers[] = {
        {"id", 0, &task->id},       {"job", 0, &task->job},     {"attempt", 0, &task->attempt},
        {"index", 0, &task->index}, {"units", 0, &task->units}, {"units_done", 0, &task->units_done},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int error = json_get_int_or(document, numbers[i].name, 0, int_max, numbers[i].fallback,
                                    numbers[i].out, problem);
        if (error)
            return error;
    }
    return 0;
}

static int read_object(const json_t *document, const char *name, json_t **out, struct problem *problem) {
    const json_t *object = json_object_get(document, name);
    if (object && !json_is_object(object) && !json_is_null(object))
        return problem_set(problem, TG_EWRONG_TYPE, name, "must be an object");
    *out = json_is_object(object) ? json_deep_copy(object) : json_object();
    return *out ? 0 : TG_ENO_MEMORY;
}

/* Absent or null: NULL. Else both paths. */
static int read_resume(const json_t *document, json_t **out, struct problem *problem) {
    static const char *const names[] = {"checkpoint", "state", NULL};
    const json_t *given = json_object_get(document, "resume");
    if (!given || json_is_null(given))
        return 0;
    if (!json_is_object(given))
        return problem_set(problem, TG_EWRONG_TYPE, "resume", "must be an object");
    int error = json_only(given, names, problem);
    const char *path;
    for (int i = 0; names[i] && !error; i++)
        error = json_get_string(given, names[i], PATH_MAX - 1, &path, problem);
    if (error)
        problem_prefix(problem, "resume");
    *out = error ? NULL : json_deep_copy(given);
    return error || *out ? error : TG_ENO_MEMORY;
}

static int read_seed(const json_t *document, struct task *task, struct problem *problem) {
    int64_t seed = 0;
    int error = json_get_int_or(document, "seed", 0, int_max, 0, &seed, problem);
    const json_t *own = json_object_get(task->config, "seed");
    task->seed = (uint64_t)(seed ? seed : json_integer_value(own));
    return error;
}

/* By hand, a document without units is the whole job as one task. */
static void fill_units(struct task *task) {
    const struct kind *kind = task->kind;
    if (!task->units)
        task->units = kind->split == SPLIT_COUNT ? option_int(task->config, kind->count_option) : 1;
    if (kind->split == SPLIT_COUNT)
        task->first_unit = task->index * option_int(task->config, kind->task_option);
}

static int parse(const json_t *document, struct task *task, struct problem *problem) {
    const char *kind;
    int error = read_numbers(document, task, problem);
    if (!error)
        error = json_get_string(document, "kind", 64, &kind, problem);
    if (!error)
        error = read_object(document, "inputs", &task->inputs, problem);
    if (!error)
        error = read_object(document, "engines", &task->engines, problem);
    if (!error)
        error = read_resume(document, &task->resume, problem);
    if (error)
        return error;
    json_t *config = NULL;
    error = read_object(document, "config", &config, problem);
    if (!error)
        error = kind_check(kind, config, &task->kind, &task->config, problem);
    json_decref(config);
    if (!error)
        error = read_seed(document, task, problem);
    if (error)
        return error;
    fill_units(task);
    if (task->units_done > task->units)
        return problem_set(problem, TG_EOUT_OF_RANGE, "units_done", "must be at most units (%lld), is %lld",
                           (long long)task->units, (long long)task->units_done);
    return 0;
}

int task_parse(const json_t *document, struct task *task, struct problem *problem) {
    memset(task, 0, sizeof(*task));
    int error = parse(document, task, problem);
    if (error)
        task_free(task);
    return error;
}

void task_free(struct task *task) {
    json_decref(task->config);
    json_decref(task->inputs);
    json_decref(task->engines);
    json_decref(task->resume);
    memset(task, 0, sizeof(*task));
}
