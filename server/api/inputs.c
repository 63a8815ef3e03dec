/* inputs.c - see inputs.h. What an input may be, three times: by its form, by what is there now, by what is
 * there when the work begins.
 *
 *     inputs_form      on the loop, without the store: a mistake in the document
 *     inputs_settle    in the transaction that stores the job: a name or digest that nothing has
 *     inputs_resolve   in the transaction that stores a lease: a job that ended without its output, or
 *                      content that went; the job then fails for this reason (server/api/leases.c)
 *
 * Messages list what there is, because the usual mistake is a name that is nearly right.
 */
#include "server/api/inputs.h"

#include <stdio.h>
#include <string.h>
#include "proto/wire/json.h"

/* ---- form ---- */

static const char *const games =
    "games"; /* the output that is a stream of chunks; all others are checkpoints */

static int not_taken(const struct kind_input *input, const char *what, const char *field,
                     struct problem *problem) {
    return problem_set(problem, TG_EINVALID, field, "is no %s: it takes %s%s%s%s%s", what,
                       input->takes & INPUT_DATASET ? "a data set" : "",
                       input->takes & INPUT_DATASET && input->takes & ~(unsigned)INPUT_DATASET ? " or " : "",
                       input->takes & INPUT_CHECKPOINT ? "a checkpoint" : "",
                       input->takes & INPUT_CHECKPOINT && input->takes & INPUT_GAMES ? " or " : "",
                       input->takes & INPUT_GAMES ? "a job's games" : "");
}

static int output_form(const struct kind_input *input, const json_t *value, const char *field,
                       struct problem *problem) {
    static const char *const names[] = {"job", "output", NULL};
    const char *output;
    int error = json_only(value, names, problem);
    if (!error)
        error = json_get_string(value, "output", 64, &output, problem);
    if (error) {
        problem_prefix(problem, field);
        return error;
    }
    bool stream = strcmp(output, games) == 0;
    return input->takes & (stream ? INPUT_GAMES : INPUT_CHECKPOINT)
               ? TG_OK
               : not_taken(input, stream ? "place for a job's games" : "place for a checkpoint", field,
                           problem);
}

int inputs_form(const struct kind_input *input, const json_t *value, const char *field,
                struct problem *problem) {
    uint8_t digest[SHA256_BYTES];
    if (json_object_get(value, "job"))
        return output_form(input, value, field, problem);
    const json_t *dataset = json_object_get(value, "dataset");
    const char *sha256 = json_string_value(json_object_get(value, "checkpoint"));
    bool one = json_object_size(value) == 1;
    if (one && (json_integer_value(dataset) > 0 || json_string_length(dataset) > 0))
        return input->takes & INPUT_DATASET ? TG_OK
                                            : not_taken(input, "place for a data set", field, problem);
    if (one && sha256 && sha256_parse(sha256, digest) == TG_OK)
        return input->takes & INPUT_CHECKPOINT ? TG_OK
                                               : not_taken(input, "place for a checkpoint", field, problem);
    return problem_set(problem, TG_EINVALID, field,
                       "must be {\"job\": ID, \"output\": NAME}, {\"checkpoint\": SHA256} or "
                       "{\"dataset\": ID or NAME}");
}

/* ---- data sets ---- */

struct found_dataset {
    int64_t id;
    uint8_t digest[SHA256_BYTES];
    char format[16]; /* "": not known */
};

static int take_dataset(void *arg, const struct dataset_row *row) {
    struct found_dataset *found = arg;
    found->id = row->id;
    memcpy(found->digest, row->digest, SHA256_BYTES);
    json_t *info = json_loads(row->info, JSON_DECODE_ANY, NULL);
    const char *format = json_string_value(json_object_get(info, "format"));
    snprintf(found->format, sizeof found->format, "%s", format ? format : "");
    json_decref(info);
    return 0;
}

static int add_name(void *arg, const struct dataset_row *row) {
    struct buf *names = arg;
    return buf_printf(names, "%s%s (%lld)", names->size ? ", " : "", row->name, (long long)row->id);
}

static int no_dataset(struct store_tx *tx, const json_t *wanted, struct problem *problem) {
    enum { SHOWN = 8 };
    struct buf names = {.limit = 300};
    dataset_list(tx, 0, SHOWN, add_name, &names); /* as many as fit */
    const char *there = names.size ? (const char *)names.data : "none";
    if (json_is_string(wanted))
        problem_set(problem, TG_ENOT_FOUND, NULL, "there is no data set \"%.100s\"; the newest are: %s",
                    json_string_value(wanted), there);
    else
        problem_set(problem, TG_ENOT_FOUND, NULL, "there is no data set %lld; the newest are: %s",
                    (long long)json_integer_value(wanted), there);
    buf_free(&names);
    return TG_ENOT_FOUND;
}

static int find_dataset(struct store_tx *tx, const json_t *wanted, struct found_dataset *found,
                        struct problem *problem) {
    int error = json_is_string(wanted) ? dataset_named(tx, json_string_value(wanted), take_dataset, found)
                                       : dataset_get(tx, json_integer_value(wanted), take_dataset, found);
    return error == TG_ENOT_FOUND ? no_dataset(tx, wanted, problem) : error;
}

/* Whether the input can be a data set of this format. What was stored without a check may be anything. */
static int check_format(const struct kind_input *input, const struct found_dataset *found,
                        struct problem *problem) {
    struct buf names = {.limit = 100};
    bool fits = !input->formats || !found->format[0];
    for (const char *const *format = input->formats; !fits && *format; format++) {
        fits = strcmp(*format, found->format) == 0;
        buf_printf(&names, "%s%s", names.size ? " or " : "", *format);
    }
    if (!fits)
        problem_set(problem, TG_EINVALID, NULL, "data set %lld is of format %s; this input takes %s",
                    (long long)found->id, found->format, (const char *)names.data);
    buf_free(&names);
    return fits ? TG_OK : TG_EINVALID;
}

/* ---- checkpoints and outputs ---- */

static int find_checkpoint(struct store_tx *tx, const char *hex, struct problem *problem) {
    uint8_t digest[SHA256_BYTES];
    int64_t content, bytes;
    int error = sha256_parse(hex, digest);
    error = error ? error : content_find(tx, digest, &content, &bytes);
    return error == TG_ENOT_FOUND
               ? problem_set(problem, error, NULL,
                             "there is no checkpoint %.64s here; upload it first (tengen checkpoint add)",
                             hex)
               : error;
}

struct wanted_output {
    const char *name;
    struct problem *problem;
};

static int check_output(void *arg, const struct job_row *row) {
    const struct wanted_output *wanted = arg;
    const struct kind *kind = kind_find(row->kind);
    struct buf names = {.limit = 300};
    bool found = false;
    for (const char *const *output = kind ? kind->outputs : NULL; output && *output && !found; output++) {
        found = strcmp(*output, wanted->name) == 0;
        buf_printf(&names, "%s%s", names.size ? ", " : "", *output);
    }
    if (!found)
        problem_set(wanted->problem, TG_EINVALID, NULL, "job %lld (%s) has no output \"%.60s\"; it has: %s",
                    (long long)row->id, row->kind, wanted->name,
                    names.size ? (const char *)names.data : "none");
    buf_free(&names);
    return found ? 0 : TG_EINVALID;
}

static int find_output(struct store_tx *tx, const json_t *value, struct problem *problem) {
    int64_t job = json_integer_value(json_object_get(value, "job"));
    struct wanted_output wanted = {json_string_value(json_object_get(value, "output")), problem};
    int error = job_get(tx, job, check_output, &wanted);
    return error == TG_ENOT_FOUND ? problem_set(problem, error, NULL, "there is no job %lld", (long long)job)
                                  : error;
}

/* ---- submission ---- */

static int settle_one(struct store_tx *tx, const struct kind_input *input, json_t *value,
                      struct problem *problem) {
    const json_t *dataset = json_object_get(value, "dataset");
    const char *checkpoint = json_string_value(json_object_get(value, "checkpoint"));
    struct found_dataset found;
    if (checkpoint)
        return find_checkpoint(tx, checkpoint, problem);
    if (!dataset)
        return find_output(tx, value, problem);
    int error = find_dataset(tx, dataset, &found, problem);
    if (!error)
        error = check_format(input, &found, problem);
    return error ? error : json_object_set_new(value, "dataset", json_integer(found.id)) ? TG_ENO_MEMORY : 0;
}

/* Names the input in a problem. */
static void prefix(struct problem *problem, const char *name) {
    char field[PROBLEM_FIELD_MAX];
    snprintf(field, sizeof field, "inputs.%.100s", name);
    problem_prefix(problem, field);
}

int inputs_settle(struct store_tx *tx, const struct kind *kind, json_t *inputs, struct problem *problem) {
    const char *name;
    json_t *value;
    json_object_foreach(inputs, name, value) {
        int error = settle_one(tx, kind_input_find(kind, name), value, problem);
        if (error) {
            prefix(problem, name);
            return error;
        }
    }
    return TG_OK;
}

/* ---- leases ---- */

static json_t *by_digest(const uint8_t digest[SHA256_BYTES]) {
    char hex[SHA256_HEX];
    sha256_hex(digest, hex);
    return json_pack("{s:s}", "sha256", hex);
}

static int resolve_output(struct store_tx *tx, const json_t *value, json_t **out, struct problem *problem) {
    int64_t job = json_integer_value(json_object_get(value, "job")), until = 0;
    const char *output = json_string_value(json_object_get(value, "output"));
    uint8_t digest[SHA256_BYTES];
    bool stream = strcmp(output, games) == 0;
    int error = stream ? chunk_last(tx, job, &until) : checkpoint_newest(tx, job, output, digest);
    if (error == TG_ENOT_FOUND)
        return problem_set(problem, error, NULL, "job %lld has stored no %s", (long long)job, output);
    if (!error)
        *out = stream
                   ? json_pack("{s:{s:I, s:I}}", "stream", "job", (json_int_t)job, "until", (json_int_t)until)
                   : by_digest(digest);
    return error;
}

static int resolve_one(struct store_tx *tx, const json_t *value, json_t **out, struct problem *problem) {
    const json_t *dataset = json_object_get(value, "dataset");
    const char *checkpoint = json_string_value(json_object_get(value, "checkpoint"));
    struct found_dataset found;
    if (json_object_get(value, "job"))
        return resolve_output(tx, value, out, problem);
    int error =
        checkpoint ? find_checkpoint(tx, checkpoint, problem) : find_dataset(tx, dataset, &found, problem);
    if (!error)
        *out = checkpoint ? json_pack("{s:s}", "sha256", checkpoint) : by_digest(found.digest);
    return error;
}

int inputs_resolve(struct store_tx *tx, const char *text, json_t **out, struct problem *problem) {
    json_t *inputs = json_parse_object(text, strlen(text), problem), *resolved = json_object();
    int error = inputs && resolved ? TG_OK : TG_ENO_MEMORY;
    const char *name;
    json_t *value;
    json_object_foreach(inputs, name, value) {
        json_t *one = NULL;
        error = error ? error : resolve_one(tx, value, &one, problem);
        if (!error && json_object_set_new(resolved, name, one))
            error = TG_ENO_MEMORY;
        if (error) {
            prefix(problem, name);
            break;
        }
    }
    json_decref(inputs);
    if (error)
        json_decref(resolved);
    else
        *out = resolved;
    return error;
}
