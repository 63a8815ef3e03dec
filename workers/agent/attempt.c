/* attempt.c - see attempt.h. The loop over task.h's steps, and the steps that concern the spool.
 *
 * The three files of an attempt (attempt_private.h) meet in step(): whatever happens (a job of the thread
 * pool is back, an answer has come, the runner has spoken) is told to the state machine with a task_on_...()
 * and ends in step(), which does all that task_next() then asks for. No callback decides what comes next.
 *
 * What keeps it alive. It is destroyed only when attempt_is_over: the machine has parked, `jobs` is 0. `jobs`
 * counts what comes back whatever we do: spool jobs, which the thread pool cannot call back, and the fetch of
 * the inputs. Calls to the coordinator are not counted; they are cancelled and then never call back. The two
 * timers are closed last, and the second closing frees it.
 *
 * A full disk. A job that fails is kept in `retrying` and started again after DISK_RETRY_MS, as often as it
 * takes; its bytes stay in memory and, for a chunk, the runner stays paused, so nothing grows. There is one
 * such place, because at most one job waits for another result: a lease, a chunk, or the end. Where an end
 * comes upon a chunk that waits, the chunk gives way (abandon_retry): it never counted as received.
 *
 * Loop thread only.
 */
#include "workers/agent/attempt_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/plural.h"
#include "proto/wire/json.h"

enum { DISK_RETRY_MS = 5000 };

static void step(struct attempt *attempt);

void attempt_log(const struct attempt *attempt, enum log_level level, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_write(level, "agent", "task %lld attempt %lld: %s", (long long)attempt->key.task,
              (long long)attempt->key.attempt, text);
}

const struct task *attempt_task(const struct attempt *attempt) {
    return &attempt->task;
}

struct spool_key attempt_key(const struct attempt *attempt) {
    return attempt->key;
}

/* ---- jobs of the spool ---- */

const struct spool_chunk *attempt_chunk(const struct attempt *attempt, uint32_t number) {
    TG_ASSERT(number >= attempt->first_chunk && number < attempt->task.stored);
    return &attempt->chunks[number - attempt->first_chunk];
}

struct spool_job *attempt_job(struct attempt *attempt, enum spool_operation operation,
                              void (*done)(struct spool_job *job)) {
    struct spool_job *job =
        spool_job_create(attempt->services->spool, operation, attempt->key, done, attempt);
    TG_ASSERT(job != NULL);
    return job;
}

void attempt_job_start(struct attempt *attempt, struct spool_job *job) {
    attempt->jobs++;
    spool_job_start(attempt->services->loop, job);
}

void attempt_job_over(struct attempt *attempt, struct spool_job *job) {
    attempt->jobs--;
    spool_job_free(job);
}

static void on_retry(uv_timer_t *timer) {
    struct attempt *attempt = timer->data;
    struct spool_job *job = attempt->retrying;
    attempt->retrying = NULL;
    spool_job_start(attempt->services->loop, job);
}

void attempt_job_retry(struct attempt *attempt, struct spool_job *job) {
    TG_ASSERT(!attempt->retrying);
    wait_set(&attempt->disk, clock_monotonic_ms(), "%s: %s; nothing is lost, trying again every few seconds",
             job->problem.field, job->problem.detail);
    attempt->retrying = job;
    uv_timer_start(&attempt->retry, on_retry, DISK_RETRY_MS, 0);
}

/* Gives up a job that waits for space: its bytes were never received, the unit is done again. done() sees
 * that the job has failed and that the attempt is past using it. */
static void abandon_retry(struct attempt *attempt) {
    struct spool_job *job = attempt->retrying;
    if (!job)
        return;
    attempt->retrying = NULL;
    uv_timer_stop(&attempt->retry);
    job->done(job);
}

/* Whether a job's result is to be used: a failed one is tried again unless the attempt is ending anyway. */
static bool job_worked(struct attempt *attempt, struct spool_job *job) {
    if (!job->problem.error) {
        wait_over(&attempt->disk, clock_monotonic_ms());
        return true;
    }
    if (attempt->task.state >= TASK_FORGETTING)
        return true;
    attempt_job_retry(attempt, job);
    return false;
}

static void on_lease_stored(struct spool_job *job) {
    struct attempt *attempt = job->context;
    if (!job_worked(attempt, job))
        return;
    attempt_job_over(attempt, job);
    task_on_lease_stored(&attempt->task);
    step(attempt);
}

static void on_end_stored(struct spool_job *job) {
    struct attempt *attempt = job->context;
    if (!job_worked(attempt, job))
        return;
    attempt_job_over(attempt, job);
    task_on_end_stored(&attempt->task);
    step(attempt);
}

static void on_forgotten(struct spool_job *job) {
    struct attempt *attempt = job->context;
    attempt_job_over(attempt, job);
    task_on_forgotten(&attempt->task);
    step(attempt);
}

/* What is to be kept for a person goes to refused/ first: forgetting removes every chunk that it finds. */
static void forget(struct attempt *attempt);

static void on_all_set_aside(struct spool_job *job) {
    struct attempt *attempt = job->context;
    attempt_job_over(attempt, job);
    attempt->set_aside = false;
    forget(attempt);
}

static void forget(struct attempt *attempt) {
    if (!attempt->set_aside) {
        attempt_job_start(attempt, attempt_job(attempt, SPOOL_FORGET, on_forgotten));
        return;
    }
    struct spool_job *job = attempt_job(attempt, SPOOL_SET_ASIDE_FROM, on_all_set_aside);
    job->chunk.number = attempt->task.sent;
    attempt_job_start(attempt, job);
}

/* The .end file of the spool. Units and chunks are in a failure too: what was finished before it counts. */
static json_t *end_to_json(const struct task_end *end) {
    if (!end->problem.error)
        return json_pack("{s:{s:I, s:I}}", "done", "units", (json_int_t)end->units, "chunks",
                         (json_int_t)end->chunks);
    return json_pack("{s:{s:I, s:I, s:s, s:s, s:s}}", "fail", "units", (json_int_t)end->units, "chunks",
                     (json_int_t)end->chunks, "code", tg_error_code(end->problem.error), "field",
                     end->problem.field, "detail", end->problem.detail);
}

static bool end_from_json(const json_t *json, struct task_end *end) {
    const json_t *done = json_object_get(json, "done"), *fail = json_object_get(json, "fail");
    const json_t *either = done ? done : fail;
    int64_t chunks;
    *end = (struct task_end){.known = true};
    if (json_get_int(either, "units", 0, INT64_C(1) << 53, &end->units, NULL) != 0 ||
        json_get_int(either, "chunks", 0, UINT32_MAX, &chunks, NULL) != 0)
        return false;
    end->chunks = (uint32_t)chunks;
    const char *code = "", *detail = "", *field = "";
    if (fail && (json_get_string(fail, "code", 64, &code, NULL) != 0 ||
                 json_get_string(fail, "field", PROBLEM_FIELD_MAX, &field, NULL) != 0 ||
                 json_get_string(fail, "detail", PROBLEM_DETAIL_MAX, &detail, NULL) != 0))
        return false;
    if (fail)
        problem_set(&end->problem, tg_error_from_code(code), field, "%s", detail);
    return true;
}

static void store_lease(struct attempt *attempt) {
    struct spool_job *job = attempt_job(attempt, SPOOL_PUT_LEASE, on_lease_stored);
    job->json = json_incref(attempt->lease);
    attempt_job_start(attempt, job);
}

static void store_end(struct attempt *attempt) {
    struct spool_job *job = attempt_job(attempt, SPOOL_PUT_END, on_end_stored);
    job->json = end_to_json(&attempt->task.end);
    TG_ASSERT(job->json != NULL);
    attempt_job_start(attempt, job);
}

/* ---- steps ---- */

static void on_inputs(void *context, json_t *local, const struct problem *problem) {
    struct attempt *attempt = context;
    attempt->jobs--;
    attempt->local_inputs = local;
    if (problem)
        attempt_log(attempt, LOG_ERROR, "an input is not to be had: %s", problem->detail);
    task_on_inputs(&attempt->task, problem);
    step(attempt);
}

/* The job's inputs, and what an earlier attempt has reached. */
static void fetch(struct attempt *attempt) {
    json_t *wanted = json_pack("{s:O?, s:O?}", "inputs", json_object_get(attempt->lease, "inputs"), "resume",
                               json_object_get(attempt->lease, "resume"));
    TG_ASSERT(wanted != NULL);
    attempt->inputs = inputs_fetch(attempt->services->cache, wanted, on_inputs, attempt);
    json_decref(wanted);
    TG_ASSERT(attempt->inputs != NULL);
    attempt->jobs++;
}

/* The fetch is the one thing in `jobs` that can be called back. */
static void cancel_fetch(struct attempt *attempt) {
    if (attempt->inputs && attempt->task.busy[STEP_FETCH]) {
        inputs_release(attempt->inputs);
        attempt->inputs = NULL;
        attempt->jobs--;
        task_again(&attempt->task, STEP_FETCH);
    }
}

static void do_step(struct attempt *attempt, enum task_step step) {
    switch (step) {
    case STEP_STORE_LEASE:
        store_lease(attempt);
        break;
    case STEP_FETCH:
        attempt_beats_start(attempt);
        fetch(attempt);
        break;
    case STEP_START:
        attempt_start_runner(attempt);
        break;
    case STEP_KILL: /* ignoring first: a kill delivers what the runner had written before it */
        runner_ignore_frames(attempt->runner);
        runner_kill(attempt->runner);
        break;
    case STEP_UPLOAD:
        attempt_beats_start(attempt);
        attempt_upload(attempt);
        break;
    case STEP_STORE_END:
        store_end(attempt);
        break;
    case STEP_TELL:
        attempt_tell(attempt);
        break;
    case STEP_FORGET:
        forget(attempt);
        break;
    case STEP_NONE:
    case STEP_COUNT:
        break;
    }
}

/* Everything comes back here: does what can be done, then tells the agent. */
static void step(struct attempt *attempt) {
    enum task_state before = attempt->task.state;
    bool chunk_waits = attempt->retrying && attempt->retrying->operation == SPOOL_PUT_CHUNK;
    if (chunk_waits && before >= TASK_CLOSING)
        abandon_retry(attempt);
    if (before >= TASK_FORGETTING) { /* first: what is cancelled here does not come back to do the rest */
        cancel_fetch(attempt);
        attempt_calls_cancel(attempt);
    }
    for (enum task_step next; (next = task_next(&attempt->task)) != STEP_NONE;) {
        if (next == STEP_FORGET && attempt->jobs > 0)
            break; /* a removal is under way; it comes back here */
        task_begin(&attempt->task, next);
        do_step(attempt, next);
    }
    if (before != attempt->task.state)
        attempt_log(attempt, LOG_DEBUG, "%s", task_state_name(attempt->task.state));
    attempt->changed(attempt->context, attempt);
}

void attempt_go(struct attempt *attempt) {
    step(attempt);
}

/* The units are counted for the log alone, which is the only trace of what is dropped. */
void attempt_lost(struct attempt *attempt, const char *why, bool unknown) {
    if (attempt->task.state >= TASK_FORGETTING)
        return;
    const struct task *task = &attempt->task;
    int64_t sent_units =
        task->sent > attempt->first_chunk ? attempt_chunk(attempt, task->sent - 1)->units_after : 0;
    const int64_t chunks = (int64_t)(task->stored - task->sent),
                  units = chunks > 0 ? task->units_stored - sent_units : 0;
    attempt_log(attempt, LOG_WARN,
                "the lease is lost (%s): %s %lld chunk%s with %lld unit%s that the coordinator "
                "does not want%s",
                why, unknown ? "keeping in refused/" : "dropping", (long long)chunks, plural_s(chunks),
                (long long)units, plural_s(units), task->runner_alive ? " and stopping the runner" : "");
    attempt->set_aside = unknown;
    task_on_lost(&attempt->task);
    step(attempt);
}

void attempt_held(struct attempt *attempt, bool held) {
    if (attempt->task.state != TASK_RECLAIMING)
        return;
    const struct task *task = &attempt->task;
    if (held && !task->end.known)
        attempt_log(attempt, LOG_INFO,
                    "resumed after a restart: units finished: %lld, chunks go on with number %lu",
                    (long long)(task->units_before + task->units_stored), (unsigned long)task->stored);
    else if (!held && task->sent == task->stored && !task->end.known)
        attempt_log(attempt, LOG_WARN, "the lease was not given back; no finished work of it is here");
    else if (!held)
        attempt_log(attempt, LOG_WARN,
                    "the lease was not given back; offering what is finished all the same");
    task_on_held(&attempt->task, held);
    step(attempt);
}

void attempt_drain(struct attempt *attempt) {
    if (attempt->task.draining)
        return;
    attempt->task.draining = true;
    if (attempt->runner)
        runner_stop(attempt->runner, RUNNER_DRAIN);
}

void attempt_leave(struct attempt *attempt) {
    if (attempt->runner) {
        runner_ignore_frames(attempt->runner);
        runner_kill(attempt->runner);
    }
    task_on_leave(&attempt->task);
    abandon_retry(attempt);
    step(attempt);
}

/* ---- making and freeing ---- */

static void timer_closed(uv_handle_t *handle) {
    struct attempt *attempt = handle->data;
    if (--attempt->open_timers == 0)
        free(attempt);
}

bool attempt_is_over(const struct attempt *attempt) {
    return task_is_over(&attempt->task) && attempt->jobs == 0;
}

void attempt_destroy(struct attempt *attempt) {
    TG_ASSERT(!attempt->runner && attempt->jobs == 0);
    attempt_calls_cancel(attempt);
    inputs_release(attempt->inputs);
    json_decref(attempt->lease);
    json_decref(attempt->local_inputs);
    outbox_destroy(attempt->outbox);
    buf_free(&attempt->beat_body);
    buf_free(&attempt->tell_body);
    free(attempt->chunks);
    uv_close((uv_handle_t *)&attempt->retry, timer_closed);
    uv_close((uv_handle_t *)&attempt->beat_timer, timer_closed);
}

static int make(struct services *services, attempt_changed_fn changed, void *context, struct attempt **out) {
    struct attempt *attempt = calloc(1, sizeof *attempt);
    struct outbox *outbox = outbox_create();
    if (!attempt || !outbox) {
        free(attempt);
        outbox_destroy(outbox);
        return TG_ENO_MEMORY;
    }
    attempt->services = services;
    attempt->changed = changed;
    attempt->context = context;
    attempt->outbox = outbox;
    attempt->disk.what = "spool";
    attempt->open_timers = 2;
    uv_timer_init(services->loop, &attempt->retry);
    uv_timer_init(services->loop, &attempt->beat_timer);
    attempt->retry.data = attempt->beat_timer.data = attempt;
    *out = attempt;
    return 0;
}

/* The members that the agent itself reads; the rest is for the runner. */
static int read_lease(const json_t *lease, struct spool_key *key, int64_t *units, int64_t *before,
                      struct problem *problem) {
    int64_t most = INT64_C(1) << 53;
    int error = json_get_int(lease, "id", 1, most, &key->task, problem);
    if (!error)
        error = json_get_int(lease, "attempt", 1, 1000000, &key->attempt, problem);
    if (!error)
        error = json_get_int_or(lease, "units", 0, most, 1, units, problem);
    if (!error)
        error = json_get_int_or(lease, "units_done", 0, most, 0, before, problem);
    return error;
}

int attempt_lease(struct services *services, json_t *lease, attempt_changed_fn changed, void *context,
                  struct attempt **out, struct problem *problem) {
    struct spool_key key = {0};
    int64_t units = 0, before = 0;
    int error = read_lease(lease, &key, &units, &before, problem);
    if (!error)
        error = make(services, changed, context, out);
    if (error)
        return error;
    (*out)->key = key;
    (*out)->lease = json_incref(lease);
    task_init_leased(&(*out)->task, units, before);
    return 0;
}

/* What the machine needs to know of the spool. A missing lease counts as damage: without it the task cannot
 * be done, only ended. */
static struct task_past past_of(const struct spool_attempt *found, struct task_end *end) {
    struct task_past past = {.newest_ends_unit = true, .broken = found->broken || !found->lease};
    if (found->chunk_count > 0) {
        const struct spool_chunk *newest = &found->chunks[found->chunk_count - 1];
        past.first = found->chunks[0].number;
        past.next = newest->number + 1;
        past.units_after = newest->units_after;
        past.newest_ends_unit = newest->units > 0;
    }
    if (found->end && end_from_json(found->end, end))
        past.end = end;
    return past;
}

int attempt_resume(struct services *services, const struct spool_attempt *found, attempt_changed_fn changed,
                   void *context, struct attempt **out, struct problem *problem) {
    struct spool_key key = found->key;
    int64_t units = 0, before = 0;
    struct task_end end;
    if (found->lease) {
        int error = read_lease(found->lease, &key, &units, &before, problem);
        if (error)
            return error;
    }
    int error = make(services, changed, context, out);
    if (error)
        return error;
    struct attempt *attempt = *out;
    struct task_past past = past_of(found, &end);
    attempt->key = found->key;
    attempt->lease = json_incref(found->lease);
    attempt->first_chunk = past.first;
    if (found->chunk_count > 0) {
        attempt->chunks = malloc(found->chunk_count * sizeof *attempt->chunks);
        TG_ASSERT(attempt->chunks != NULL);
        memcpy(attempt->chunks, found->chunks, found->chunk_count * sizeof *attempt->chunks);
    }
    task_init_found(&attempt->task, units, before, &past);
    /* Killed while its files were being removed: the machine counts its chunks as sent, none is in the list. */
    if (found->chunk_count == 0)
        attempt->first_chunk = attempt->task.stored;
    return 0;
}
