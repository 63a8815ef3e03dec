/* inputs.c - see inputs.h. Collected first, each file once; fetched side by side; then the copy is made.
 *
 * What names a file is told by its form anywhere in the document, at any depth: the agent knows no kind and
 * no input's name. One that fails does not stop the others, which are on their way anyhow and stay in the
 * cache; the first problem is the one that is told, when all have answered.
 *
 * Depth and number are bounded, for the document comes from outside.
 */
#include "workers/agent/inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "workers/agent/cache.h"

enum { INPUTS_MAX = 256, INPUTS_DEPTH_MAX = 16 };

struct input {
    struct inputs *inputs;
    char name[64];               /* where it first stands: "inputs.data" */
    char digest[SHA256_HEX];     /* "" for a stream */
    struct stream_source source; /* job 0 for a digest */
    struct cache_fetch *fetch;
    char *path; /* NULL until it is here */
};

struct inputs {
    json_t *original;
    inputs_done_fn done;
    void *context;
    struct input *list;
    size_t count, waiting;
    struct problem problem;
    uv_timer_t timer; /* calls done when there is nothing to wait for */
};

/* Whether the value names a file, and which. */
static bool read_input(const json_t *value, struct input *out) {
    uint8_t digest[SHA256_BYTES];
    const char *text = json_string_value(json_object_get(value, "sha256"));
    const json_t *stream = json_object_get(value, "stream");
    *out = (struct input){.source = {json_integer_value(json_object_get(stream, "job")),
                                     json_integer_value(json_object_get(stream, "until"))}};
    if (text && sha256_parse(text, digest) == 0) {
        snprintf(out->digest, sizeof out->digest, "%s", text);
        out->source = (struct stream_source){0};
        return true;
    }
    return out->source.job > 0;
}

static struct input *find(struct inputs *inputs, const struct input *wanted) {
    for (size_t i = 0; i < inputs->count; i++) {
        const struct input *input = &inputs->list[i];
        if (strcmp(input->digest, wanted->digest) == 0 && input->source.job == wanted->source.job &&
            input->source.until == wanted->source.until)
            return &inputs->list[i];
    }
    return NULL;
}

static int add(struct inputs *inputs, const struct input *input) {
    if (find(inputs, input))
        return 0;
    if (inputs->count == INPUTS_MAX)
        return problem_set(&inputs->problem, TG_ETOO_LARGE, "inputs", "more than %d files", INPUTS_MAX);
    struct input *more = realloc(inputs->list, (inputs->count + 1) * sizeof *more);
    if (!more)
        return problem_set(&inputs->problem, TG_ENO_MEMORY, NULL, "out of memory");
    inputs->list = more;
    more[inputs->count] = *input;
    more[inputs->count++].inputs = inputs;
    return 0;
}

static int collect(struct inputs *inputs, const json_t *value, const char *name, int depth) {
    struct input input;
    char inner[sizeof input.name];
    const char *key;
    json_t *item;
    size_t i;
    int error = 0;
    if (read_input(value, &input)) {
        snprintf(input.name, sizeof input.name, "%s", name);
        return add(inputs, &input);
    }
    if (depth > INPUTS_DEPTH_MAX)
        return problem_set(&inputs->problem, TG_ETOO_DEEP, "inputs", "nested too deeply");
    json_array_foreach(value, i, item) {
        if (!error)
            error = collect(inputs, item, name, depth + 1);
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, item) {
        snprintf(inner, sizeof inner, "%.40s%s%.20s", name, *name ? "." : "", key);
        if (!error)
            error = collect(inputs, item, inner, depth + 1);
    }
    return error;
}

/* A deep copy in which files have become paths. */
static json_t *localize(struct inputs *inputs, const json_t *value) {
    struct input input;
    const char *key;
    json_t *item, *copy;
    size_t i;
    if (read_input(value, &input))
        return json_string(find(inputs, &input)->path);
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach(value, i, item) json_array_append_new(copy, localize(inputs, item));
        return copy;
    }
    if (json_is_object(value)) {
        copy = json_object();
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
            json_object_set_new(copy, key, localize(inputs, item));
        return copy;
    }
    return json_deep_copy(value);
}

static void finish(struct inputs *inputs) {
    if (inputs->problem.error) {
        inputs->done(inputs->context, NULL, &inputs->problem);
        return;
    }
    json_t *local = inputs->original ? localize(inputs, inputs->original) : json_object();
    inputs->done(inputs->context, local, NULL);
}

static void on_nothing_to_wait_for(uv_timer_t *timer) {
    finish(timer->data);
}

static void on_file(void *context, const char *path, const struct problem *problem) {
    struct input *input = context;
    struct inputs *inputs = input->inputs;
    input->path = path ? strdup(path) : NULL;
    if (!input->path && !inputs->problem.error)
        problem_set(&inputs->problem, problem ? problem->error : TG_ENO_MEMORY,
                    problem ? problem->field : NULL, "%s", problem ? problem->detail : "out of memory");
    if (--inputs->waiting == 0)
        finish(inputs);
}

struct inputs *inputs_fetch(struct cache *cache, const json_t *original, inputs_done_fn done, void *context) {
    struct inputs *inputs = calloc(1, sizeof *inputs);
    if (!inputs)
        return NULL;
    inputs->original = json_incref((json_t *)(uintptr_t)original);
    inputs->done = done;
    inputs->context = context;
    uv_timer_init(cache_loop(cache), &inputs->timer);
    inputs->timer.data = inputs;
    if (collect(inputs, original, "", 0) == 0) {
        inputs->waiting = inputs->count;
        for (size_t i = 0; i < inputs->count; i++) {
            struct input *input = &inputs->list[i];
            input->fetch = input->source.job ? cache_get_stream(cache, input->source, on_file, input)
                                             : cache_get(cache, input->digest, on_file, input);
            if (!input->fetch) {
                problem_set(&inputs->problem, TG_ENO_MEMORY, NULL, "out of memory");
                inputs->waiting--;
            }
        }
    }
    if (inputs->waiting == 0)
        uv_timer_start(&inputs->timer, on_nothing_to_wait_for, 0, 0);
    return inputs;
}

/* ---- names instead of paths ---- */

/* How many of the text's first bytes are the path; its begin alone where the text was cut off in it. */
static size_t path_size(const char *text, const char *path, bool cut) {
    size_t size = strlen(path), have = strlen(text);
    if (strncmp(text, path, size) == 0)
        return size;
    const char *base = strrchr(path, '/');
    return cut && base && have >= (size_t)(base - path) && strncmp(text, path, have) == 0 ? have : 0;
}

/* Replaces the path of `input` in a text of a buffer of `size` bytes; whether it was there. */
static bool replace_path(const struct input *input, const char *by, char *text, size_t size) {
    const bool cut = strlen(text) == size - 1;
    for (char *at = text; input->path && *at; at++) {
        size_t found = path_size(at, input->path, cut);
        if (!found)
            continue;
        char rest[PROBLEM_DETAIL_MAX];
        snprintf(rest, sizeof rest, "%s", at + found);
        snprintf(at, size - (size_t)(at - text), "%s%s", by, rest);
        return true;
    }
    return false;
}

void inputs_name_files(const struct inputs *inputs, struct problem *problem) {
    for (size_t i = 0; inputs && i < inputs->count; i++) {
        const struct input *input = &inputs->list[i];
        char source[96], whole[192], detail[PROBLEM_DETAIL_MAX];
        if (input->source.job)
            snprintf(source, sizeof source, "chunks of job %lld", (long long)input->source.job);
        else
            snprintf(source, sizeof source, "sha256 %s", input->digest);
        snprintf(whole, sizeof whole, "%s (%s)", input->name, source);
        bool field = replace_path(input, input->name, problem->field, sizeof problem->field);
        bool told = replace_path(input, whole, problem->detail, sizeof problem->detail);
        if (field && !told) {
            snprintf(detail, sizeof detail, "%s", problem->detail);
            snprintf(problem->detail, sizeof problem->detail, "%.350s (%s)", detail, source);
        }
    }
}

static void inputs_closed(uv_handle_t *timer) {
    free(timer->data);
}

void inputs_release(struct inputs *inputs) {
    if (!inputs)
        return;
    for (size_t i = 0; i < inputs->count; i++) {
        cache_release(inputs->list[i].fetch);
        free(inputs->list[i].path);
    }
    free(inputs->list);
    json_decref(inputs->original);
    uv_close((uv_handle_t *)&inputs->timer, inputs_closed);
}
