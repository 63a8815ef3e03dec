/* submit.c - POST /jobs: one job, or a set of jobs that name each other, in one transaction.
 *
 *     on the loop             on the writer thread, one transaction      on the loop, after the commit
 *     check form, kind,  --->  the key known? its old answer         --->  jobs_open, sched_job_add
 *     options, inputs,         local names -> ids, inputs settled          answer, with Location
 *     names, the key           job_insert, each in turn
 *                              the answer is built, and kept with the key
 *
 * Everything that can be checked without the store is checked before it is asked: form, kinds, options,
 * inputs, names. Local names become ids inside the transaction; a job may only name jobs before it in the
 * list, so that there are no circles. An Idempotency-Key is looked up and kept in that same transaction.
 *
 * The answer is built inside as well, from the rows as they are then: it is what a repeated key must give
 * again, byte by byte, whatever has become of the jobs since.
 *
 * A job that names another one in an input waits for it as if it were in `after`. Which of those have not
 * succeeded yet is asked in the transaction (job_unmet): a job that ends between the check and the insertion
 * is seen there, and one that ends after it is reported to the scheduler later than this job, because
 * completions come in the order of commits.
 *
 * All or none: a set of which the fifth job is wrong leaves nothing, and the problem's field begins with
 * jobs.4.
 *
 * Out of memory after the commit is the one thing that is not undone: the jobs are stored, and are taken up
 * at the next start. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/json.h"
#include "server/api/handlers.h"
#include "server/api/inputs.h"
#include "server/api/jobs.h"

enum { SET_MAX = 256, AFTER_MAX = 64, KEY_MAX = 128 };

/* A job that another one names: by id, or by its place in the set. */
struct reference {
    int64_t id; /* 0: place */
    int place;
};

struct submitted {
    const struct kind *kind;
    const char *name, *local;
    json_t *document; /* as it came; borrowed */
    json_t *config;   /* checked */
    json_t *inputs;   /* a copy; local names are replaced inside the transaction */
    int priority;
    struct retention retention;
    struct reference after[AFTER_MAX];
    size_t after_count;
    int64_t id; /* once inserted */
    int64_t units, task_units;
    char *stored_config, *stored_inputs;
};

struct submit_call {
    struct call call;
    bool set;
    int count;
    struct submitted *jobs;
    const char *key;
    uint8_t digest[SHA256_BYTES];
    int64_t now_ms;
    bool replayed;
    int status;
    struct buf answer;
    struct job_row *rows; /* of the new jobs, for the scheduler */
    int64_t (*unmet)[AFTER_MAX];
    size_t *unmet_counts;
};

/* ---- checking ---- */

static int find_local(const struct submit_call *call, int before, const char *local) {
    for (int i = 0; i < before; i++) {
        if (call->jobs[i].local && strcmp(call->jobs[i].local, local) == 0) {
            return i;
        }
    }
    return -1;
}

static int read_reference(const struct submit_call *call, int place, const json_t *value, const char *field,
                          struct reference *out, struct problem *problem) {
    if (json_is_integer(value) && json_integer_value(value) > 0) {
        *out = (struct reference){.id = json_integer_value(value)};
        return TG_OK;
    }
    if (!json_is_string(value)) {
        return problem_set(problem, TG_EWRONG_TYPE, field, "must be a job's id%s",
                           call->set ? " or local name" : "");
    }
    int other = find_local(call, place, json_string_value(value));
    if (other < 0) {
        return problem_set(problem, TG_EINVALID, field,
                           "no job before this one in the list has the local name "
                           "\"%.60s\"",
                           json_string_value(value));
    }
    *out = (struct reference){.place = other};
    return TG_OK;
}

static int add_after(struct submitted *job, struct reference reference, struct problem *problem) {
    for (size_t i = 0; i < job->after_count; i++) {
        if (job->after[i].id == reference.id && job->after[i].place == reference.place) {
            return TG_OK;
        }
    }
    if (job->after_count == AFTER_MAX) {
        return problem_set(problem, TG_EOUT_OF_RANGE, "after", "a job may wait for %d others", AFTER_MAX);
    }
    job->after[job->after_count++] = reference;
    return TG_OK;
}

static int check_after(const struct submit_call *call, int place, struct submitted *job,
                       struct problem *problem) {
    const json_t *after = json_object_get(job->document, "after");
    if (after && !json_is_array(after)) {
        return problem_set(problem, TG_EWRONG_TYPE, "after", "must be a list of jobs");
    }
    size_t index;
    json_t *value;
    int error = TG_OK;
    json_array_foreach(after, index, value) {
        struct reference reference = {0};
        error = read_reference(call, place, value, "after", &reference, problem);
        if (!error) {
            error = add_after(job, reference, problem);
        }
        if (error) {
            break;
        }
    }
    return error;
}

/* Its form (inputs.h); a job that it names is waited for. */
static int check_input(const struct submit_call *call, int place, struct submitted *job, const char *name,
                       const json_t *value, struct problem *problem) {
    char field[PROBLEM_FIELD_MAX];
    snprintf(field, sizeof field, "inputs.%.100s", name);
    const struct kind_input *input = kind_input_find(job->kind, name);
    if (!input) {
        return problem_set(problem, TG_EUNKNOWN_OPTION, field, "the kind %s takes no such input",
                           job->kind->name);
    }
    int error = inputs_form(input, value, field, problem);
    const json_t *other = json_object_get(value, "job");
    if (error || !other) {
        return error;
    }
    struct reference reference = {0};
    error = read_reference(call, place, other, field, &reference, problem);
    return error ? error : add_after(job, reference, problem);
}

static int check_inputs(const struct submit_call *call, int place, struct submitted *job,
                        struct problem *problem) {
    json_t *inputs = json_object_get(job->document, "inputs");
    if (inputs && !json_is_object(inputs)) {
        return problem_set(problem, TG_EWRONG_TYPE, "inputs", "must be an object");
    }
    for (const struct kind_input *input = job->kind->inputs; input && input->name; input++) {
        if (input->required && !json_object_get(inputs, input->name)) {
            return problem_set(problem, TG_EMISSING_FIELD, "inputs", "the kind %s needs the input %s: %s",
                               job->kind->name, input->name, input->help);
        }
    }
    const char *name;
    json_t *value;
    json_object_foreach(inputs, name, value) {
        int error = check_input(call, place, job, name, value, problem);
        if (error) {
            return error;
        }
    }
    job->inputs = inputs ? json_deep_copy(inputs) : json_object();
    if (!job->inputs) {
        return TG_ENO_MEMORY;
    }
    return job->kind->check_inputs ? job->kind->check_inputs(job->config, job->inputs, problem) : TG_OK;
}

/* A kind that does not split is one task of one unit. */
static void split_units(struct submitted *job) {
    job->units = job->task_units = 1;
    if (job->kind->split == SPLIT_COUNT) {
        job->units = option_int(job->config, job->kind->count_option);
        job->task_units = option_int(job->config, job->kind->task_option);
    }
}

/* A seed of 0 asks for one: chosen here, so that it is stored with the job and its games can be played again.
 */
static void pick_seed(struct submitted *job) {
    json_t *seed = json_object_get(job->config, "seed");
    if (json_is_integer(seed) && json_integer_value(seed) == 0) {
        uint8_t bytes[8];
        uint64_t number;
        if (uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL) != 0) {
            return;
        }
        memcpy(&number, bytes, sizeof number);
        json_object_set_new(job->config, "seed",
                            json_integer((json_int_t)(number % (uint64_t)OPTION_INT_MAX) + 1));
    }
}

static int check_head(const struct submit_call *call, struct submitted *job, const char **kind,
                      struct problem *problem) {
    static const char *const names[] = {"kind",   "name",  "priority",  "config",
                                        "inputs", "after", "retention", NULL};
    static const char *const set_names[] = {"kind",  "name",      "priority", "config", "inputs",
                                            "after", "retention", "local",    NULL};
    int64_t priority = 0;
    job->name = job->local = "";
    int error = json_only(job->document, call->set ? set_names : names, problem);
    if (!error) {
        error = json_get_string(job->document, "kind", 31, kind, problem);
    }
    if (!error && json_object_get(job->document, "name")) {
        error = json_get_string(job->document, "name", 200, &job->name, problem);
    }
    if (!error && json_object_get(job->document, "local")) {
        error = json_get_string(job->document, "local", 60, &job->local, problem);
    }
    if (!error) {
        error = json_get_int_or(job->document, "priority", -1000, 1000, 0, &priority, problem);
    }
    job->priority = (int)priority;
    return error ? error
                 : retention_read(json_object_get(job->document, "retention"), &job->retention, problem);
}

static int check_job(struct submit_call *call, int place, struct submitted *job, struct problem *problem) {
    const char *kind;
    int error = check_head(call, job, &kind, problem);
    if (!error && job->local[0] && find_local(call, place, job->local) >= 0) {
        error = problem_set(problem, TG_EINVALID, "local", "\"%.60s\" is the local name of another job",
                            job->local);
    }
    if (!error) {
        const json_t *config = json_object_get(job->document, "config");
        error = config && !json_is_object(config)
                    ? problem_set(problem, TG_EWRONG_TYPE, "config", "must be an object")
                    : kind_check(kind, config, &job->kind, &job->config, problem);
    }
    if (!error) {
        error = check_inputs(call, place, job, problem);
    }
    if (!error) {
        error = check_after(call, place, job, problem);
    }
    if (!error) {
        split_units(job);
        pick_seed(job);
    }
    return error;
}

static int check_set(struct submit_call *call, json_t *body, struct problem *problem) {
    static const char *const names[] = {"jobs", NULL};
    json_t *jobs = json_object_get(body, "jobs");
    int error = json_only(body, names, problem);
    if (error) {
        return error;
    }
    if (!json_is_array(jobs) || json_array_size(jobs) == 0 || json_array_size(jobs) > SET_MAX) {
        return problem_set(problem, TG_EOUT_OF_RANGE, "jobs", "must be a list of 1 to %d jobs", SET_MAX);
    }
    call->count = (int)json_array_size(jobs);
    call->jobs = http_alloc(call->call.request, (size_t)call->count * sizeof *call->jobs);
    for (int i = 0; call->jobs && i < call->count && !error; i++) {
        char prefix[24];
        call->jobs[i].document = json_array_get(jobs, (size_t)i);
        error = json_is_object(call->jobs[i].document)
                    ? check_job(call, i, &call->jobs[i], problem)
                    : problem_set(problem, TG_EWRONG_TYPE, NULL, "must be an object");
        if (error) {
            snprintf(prefix, sizeof prefix, "jobs.%d", i);
            problem_prefix(problem, prefix);
        }
    }
    return call->jobs ? error : TG_ENO_MEMORY;
}

static int check_one(struct submit_call *call, json_t *body, struct problem *problem) {
    call->count = 1;
    call->jobs = http_alloc(call->call.request, sizeof *call->jobs);
    if (!call->jobs) {
        return TG_ENO_MEMORY;
    }
    call->jobs[0].document = body;
    return check_job(call, 0, &call->jobs[0], problem);
}

static int check_key(struct submit_call *call, struct problem *problem) {
    const char *key = http_header(call->call.request, "Idempotency-Key");
    if (!key) {
        return TG_OK;
    }
    size_t size = strlen(key), printable = 0;
    while (key[printable] > 0x20 && key[printable] < 0x7f) {
        printable++;
    }
    if (size < 1 || size > KEY_MAX || printable != size) {
        return problem_set(problem, TG_EINVALID, "Idempotency-Key",
                           "must be 1 to %d printable ASCII characters", KEY_MAX);
    }
    size_t body_size;
    const uint8_t *body = http_body(call->call.request, &body_size);
    sha256(body, body_size, call->digest);
    call->key = key;
    return TG_OK;
}

/* ---- inside the transaction ---- */

static int64_t id_of(const struct submit_call *call, struct reference reference) {
    return reference.id ? reference.id : call->jobs[reference.place].id;
}

/* The checks have found every local name among the jobs before this one, so they have ids by now. */
static void replace_locals(const struct submit_call *call, const struct submitted *job, int place) {
    const char *name;
    json_t *input;
    json_object_foreach(job->inputs, name, input) {
        const char *local = json_string_value(json_object_get(input, "job"));
        if (local) {
            json_object_set_new(input, "job", json_integer(call->jobs[find_local(call, place, local)].id));
        }
    }
}

/* What the new job has to wait for: of its `after`, those that have not succeeded by now. */
static int take_unmet(void *arg, int64_t job, enum job_state state) {
    void **into = arg;
    int64_t *list = into[0];
    size_t *count = into[1];
    if (*count < AFTER_MAX) {
        list[(*count)++] = job;
    }
    return 0;
}

/* For the scheduler, after the commit; what text it needs is in the call (take_up). */
static int copy_row(void *arg, const struct job_row *row) {
    struct job_row *out = arg;
    *out = *row; /* the numbers; the strings are the row's and go with it */
    out->kind = out->name = out->document = out->config = out->inputs = out->after = out->error = NULL;
    return 0;
}

/* In a set a problem says whose it is. */
static int name_place(const struct submit_call *call, int place, int error, struct problem *problem) {
    char prefix[24];
    snprintf(prefix, sizeof prefix, "jobs.%d", place);
    if (call->set) {
        problem_prefix(problem, prefix);
    }
    return error;
}

static int insert_job(struct store_tx *tx, struct submit_call *call, int place, struct problem *problem) {
    struct submitted *job = &call->jobs[place];
    int64_t after[AFTER_MAX];
    for (size_t i = 0; i < job->after_count; i++) {
        after[i] = id_of(call, job->after[i]);
    }
    replace_locals(call, job, place);
    int error = inputs_settle(tx, job->kind, job->inputs, problem);
    if (error) {
        return name_place(call, place, error, problem);
    }
    char *document = json_text(job->document);
    job->stored_config = json_text(job->config);
    job->stored_inputs = json_text(job->inputs);
    struct job_new new = {.kind = job->kind->name,
                          .name = job->name,
                          .priority = job->priority,
                          .document = document,
                          .config = job->stored_config,
                          .inputs = job->stored_inputs,
                          .after = after,
                          .after_count = job->after_count,
                          .units_total = job->units,
                          .task_units = job->task_units,
                          .retention = job->retention,
                          .now_ms = call->now_ms};
    error = document && job->stored_config && job->stored_inputs ? job_insert(tx, &new, &job->id, problem)
                                                                 : TG_ENO_MEMORY;
    free(document);
    if (!error) {
        error = job_get(tx, job->id, copy_row, &call->rows[place]);
    }
    if (!error) {
        void *into[2] = {call->unmet[place], &call->unmet_counts[place]};
        error = job_unmet(tx, job->id, take_unmet, into);
    }
    return error;
}

struct answer_context {
    struct store_tx *tx;
    json_t *document;
};

static int take_document(void *arg, const struct job_row *row) {
    struct answer_context *context = arg;
    int error;
    context->document = job_document(context->tx, row, true, &error);
    return error;
}

static int build_answer(struct store_tx *tx, struct submit_call *call) {
    json_t *list = json_array();
    int error = list ? TG_OK : TG_ENO_MEMORY;
    for (int i = 0; i < call->count && !error; i++) {
        struct answer_context context = {.tx = tx};
        error = job_get(tx, call->jobs[i].id, take_document, &context);
        json_array_append_new(list, context.document);
    }
    if (!error) {
        json_t *answer = call->set ? json_pack("{s:O}", "jobs", list) : json_incref(json_array_get(list, 0));
        error = answer ? json_append(&call->answer, answer) : TG_ENO_MEMORY;
        json_decref(answer);
    }
    json_decref(list);
    return error;
}

static int submit(struct store_tx *tx, void *arg, struct problem *problem) {
    struct submit_call *call = arg;
    int64_t owner = http_user_id(call->call.request);
    if (call->key) {
        int error =
            idempotency_get(tx, owner, call->key, call->digest, &call->status, &call->answer, problem);
        if (error != TG_ENOT_FOUND) {
            call->replayed = error == TG_OK;
            return error;
        }
    }
    int error = TG_OK;
    for (int i = 0; i < call->count && !error; i++) {
        error = insert_job(tx, call, i, problem);
    }
    call->status = 201;
    if (!error) {
        error = build_answer(tx, call);
    }
    if (!error && call->key) {
        error = idempotency_put(tx, owner, call->key, call->digest, call->status, call->answer.data,
                                call->answer.size, call->now_ms);
    }
    return error;
}

/* ---- afterwards ---- */

/* The needs of a job as the scheduler wants them; the array's strings belong to *names. */
static json_t *needs_of(const struct kind *kind, const char *config) {
    json_t *needs = NULL, *options = null_or_text_json(config);
    if (kind && kind->needs) {
        needs = kind->needs(options);
    }
    json_decref(options);
    return needs ? needs : json_array();
}

int schedule_job(struct api *api, const struct job_row *row, const int64_t *after, size_t after_count) {
    char own[40];
    const char *needs[32];
    size_t count = 0;
    json_t *names = needs_of(kind_find(row->kind), row->config);
    snprintf(own, sizeof own, "kind:%s", row->kind);
    needs[count++] = own;
    for (size_t i = 0; i < json_array_size(names) && count < 32; i++) {
        needs[count++] = json_string_value(json_array_get(names, i));
    }
    struct sched_job job = {.id = row->id,
                            .priority = row->priority,
                            .first_task = row->first_task,
                            .task_count = row->task_count,
                            .units_total = row->units_total,
                            .task_units = row->task_units,
                            .next_index = row->next_index,
                            .tasks_done = row->tasks_done,
                            .needs = needs,
                            .need_count = count,
                            .after = after,
                            .after_count = after_count,
                            .paused = row->state == JOB_PAUSED};
    int error = sched_job_add(api->sched, &job);
    json_decref(names);
    return error;
}

static void release_submit(void *arg) {
    struct submit_call *call = arg;
    for (int i = 0; call->jobs && i < call->count; i++) {
        json_decref(call->jobs[i].config);
        json_decref(call->jobs[i].inputs);
        free(call->jobs[i].stored_config);
        free(call->jobs[i].stored_inputs);
    }
    buf_free(&call->answer);
}

/* The row was copied without its strings; those of the submission are the same. */
static int take_up(struct submit_call *call, int place) {
    struct api *api = call->call.api;
    struct submitted *job = &call->jobs[place];
    struct job_row *row = &call->rows[place];
    struct job *entry;
    row->kind = job->kind->name;
    row->name = job->name;
    row->config = job->stored_config;
    row->inputs = job->stored_inputs;
    int error = jobs_open(api->jobs, row, &entry);
    return error ? error : schedule_job(api, row, call->unmet[place], call->unmet_counts[place]);
}

static void submitted(void *arg, int error, const struct problem *problem) {
    struct submit_call *call = arg;
    struct api *api = call->call.api;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    for (int i = 0; i < call->count && !call->replayed; i++) {
        /* Out of memory: the job is stored and will be taken up when the server is started again. */
        if (take_up(call, i) == TG_OK) {
            log_info("api", "job %lld (%s) was submitted", (long long)call->jobs[i].id,
                     call->jobs[i].kind->name);
            jobs_touch(api->jobs, call->jobs[i].id);
        }
    }
    if (!call->set) {
        char location[64];
        json_t *answer = json_loadb((const char *)call->answer.data, call->answer.size, 0, NULL);
        snprintf(location, sizeof location, "/api/v1/jobs/%lld",
                 (long long)json_integer_value(json_object_get(answer, "id")));
        json_decref(answer);
        http_add_header(call->call.request, "Location", location);
    }
    http_reply_buf(call->call.request, call->status, "application/json", &call->answer);
    api_changed(api);
}

static int reserve(struct submit_call *call) {
    size_t count = (size_t)call->count;
    call->rows = http_alloc(call->call.request, count * sizeof *call->rows);
    call->unmet = http_alloc(call->call.request, count * sizeof *call->unmet);
    call->unmet_counts = http_alloc(call->call.request, count * sizeof *call->unmet_counts);
    return call->rows && call->unmet && call->unmet_counts ? TG_OK : TG_ENO_MEMORY;
}

void handle_jobs_submit(struct http_request *request, void *context) {
    struct problem problem = {0};
    json_t *body = call_json(request);
    struct submit_call *call;
    if (!body || !(call = call_begin(request, context, sizeof *call))) {
        return;
    }
    int error = http_on_free(request, release_submit, call);
    call->set = json_object_get(body, "jobs") != NULL;
    call->now_ms = clock_wall_ms();
    if (!error) {
        error = call->set ? check_set(call, body, &problem) : check_one(call, body, &problem);
    }
    if (!error) {
        error = check_key(call, &problem);
    }
    if (!error) {
        error = reserve(call);
    }
    if (!call_failed(&call->call, error, &problem)) {
        call_write(&call->call, submit, submitted);
    }
}
