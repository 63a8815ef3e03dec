/* attempt_runner.c - an attempt and its runner: the task document, chunks to the spool, the other frames, its
 * end.
 *
 * A chunk's way:
 *
 *     frame ---> checked, numbered ---> runner paused ---> SPOOL_PUT_CHUNK ---> on disk: counted, resumed
 *                                                            |  disk full: kept, tried again, still paused
 *                                                            +- the attempt has its end by now: dropped
 *
 * It counts (task_on_chunk) only when it is on disk, and only then may it be uploaded. While one is being
 * written the runner's frames wait in its pipe, so there is one chunk in memory for each runner, and a runner
 * that is faster than the disk is slowed down by it.
 *
 * The runner's numbers begin at 0 with every process. The attempt's go on: what earlier processes of this
 * attempt have finished (before a restart of the agent) is added here (frames_base, units_base), so that
 * runner and coordinator need not know.
 *
 * A runner is a stranger. Its chunks must be sound and come in order; one that sends anything else has lost
 * track of itself and is killed (nonsense), and what it had sent before is still good.
 */
#include "workers/agent/attempt_private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/plural.h"
#include "proto/wire/chunk.h"
#include "proto/wire/json.h"

static void on_frame(void *context, struct frame *frame);
static void on_line(void *context, enum log_level level, const char *text);
static void on_gone(void *context, const struct problem *problem);

/* ---- the task document ---- */

static json_t *task_frame(const struct attempt *attempt) {
    json_t *task = json_copy(attempt->lease);
    if (!task)
        return NULL;
    int64_t finished = attempt->task.units_before + attempt->task.units_stored;
    json_object_set_new(task, "units_done", json_integer(finished));
    json_object_set(task, "inputs", json_object_get(attempt->local_inputs, "inputs"));
    json_object_set(task, "resume", json_object_get(attempt->local_inputs, "resume"));
    json_object_set(task, "engines", (json_t *)(uintptr_t)attempt->services->engines);
    json_object_set_new(task, "threads", json_integer(1));
    return json_pack("{s:s, s:o}", "type", "task", "task", task);
}

void attempt_start_runner(struct attempt *attempt) {
    static const struct runner_events events = {on_frame, on_line, on_gone};
    const char *const argv[] = {attempt->services->runner, "-", NULL};
    struct runner_config config = {.argv = argv, .nice_level = attempt->services->nice_level};
    struct problem problem = {0};
    json_t *frame = task_frame(attempt);
    int64_t most = INT64_C(1) << 53;
    (void)json_get_int_or(attempt->lease, "hang_s", 0, 1000000, 0, &config.hang_s, NULL);
    (void)json_get_int_or(attempt->lease, "memory_bytes", 0, most, 0, &config.memory_bytes, NULL);
    int64_t ours = attempt->services->memory_bytes; /* this machine's limit holds whatever a task asks for */
    if (ours > 0 && (config.memory_bytes == 0 || config.memory_bytes > ours))
        config.memory_bytes = ours;
    int error = frame ? runner_start(attempt->services->loop, &config, frame, &events, attempt,
                                     &attempt->runner, &problem)
                      : problem_set(&problem, TG_ENO_MEMORY, NULL, "out of memory");
    json_decref(frame);
    attempt->frames_base = attempt->task.stored;
    attempt->started_ms = clock_monotonic_ms();
    task_on_runner_started(&attempt->task, error ? &problem : NULL);
    if (error) {
        attempt_log(attempt, LOG_ERROR, "%s", problem.detail);
        return;
    }
    attempt_log(attempt, LOG_INFO, "runner %lld started", (long long)runner_pid(attempt->runner));
    if (attempt->task.draining)
        runner_stop(attempt->runner, RUNNER_DRAIN);
}

/* ---- chunks ---- */

static void add_chunk(struct attempt *attempt, struct spool_chunk chunk) {
    size_t count = attempt->task.stored - attempt->first_chunk;
    struct spool_chunk *more = realloc(attempt->chunks, (count + 1) * sizeof *more);
    TG_ASSERT(more != NULL);
    attempt->chunks = more;
    more[count] = chunk;
}

static void on_removed(struct spool_job *job) {
    struct attempt *attempt = job->context;
    attempt_job_over(attempt, job);
    attempt_go(attempt);
}

/* The bookmark of spool.h: a sent chunk goes once a newer one is stored. */
void attempt_remove_sent(struct attempt *attempt, uint32_t number) {
    if (number >= attempt->task.sent || number + 1 >= attempt->task.stored)
        return;
    struct spool_job *job = attempt_job(attempt, SPOOL_REMOVE_CHUNK, on_removed);
    job->chunk = *attempt_chunk(attempt, number);
    attempt_job_start(attempt, job);
}

static void on_chunk_stored(struct spool_job *job) {
    struct attempt *attempt = job->context;
    bool wanted = attempt->task.state == TASK_RUNNING;
    if (job->problem.error && wanted) {
        attempt_job_retry(attempt, job); /* the runner stays paused: nothing finished is thrown away */
        return;
    }
    if (!job->problem.error && wanted) {
        wait_over(&attempt->disk, clock_monotonic_ms());
        add_chunk(attempt, job->chunk);
        task_on_chunk(&attempt->task, job->chunk.units);
        if (job->chunk.number > attempt->first_chunk)
            attempt_remove_sent(attempt, job->chunk.number - 1);
    }
    attempt_job_over(attempt, job);
    if (attempt->runner)
        runner_resume(attempt->runner);
    attempt_go(attempt);
}

static void nonsense(struct attempt *attempt, const char *text) {
    struct problem problem = {0};
    problem_set(&problem, TG_ERUNNER, "runner", "%s", text);
    attempt_log(attempt, LOG_ERROR, "%s; it is killed", text);
    task_on_stop(&attempt->task, &problem);
}

static void on_chunk_frame(struct attempt *attempt, struct frame *frame) {
    int64_t number = -1, units = -1;
    struct chunk_view view = {0};
    struct problem problem = {0};
    int error = json_get_int(frame->header, "seq", 0, 99999999, &number, &problem);
    if (!error)
        error = json_get_int(frame->header, "units", 0, 1000000000, &units, &problem);
    if (!error)
        error = chunk_open(frame->body, frame->body_size, &view, &problem);
    if (!error)
        chunk_view_free(&view);
    if (error || number != (int64_t)(attempt->task.stored - attempt->frames_base)) {
        nonsense(attempt, error ? "the runner sent a damaged chunk" : "the runner sent chunks out of order");
        return;
    }
    struct spool_job *job = attempt_job(attempt, SPOOL_PUT_CHUNK, on_chunk_stored);
    job->chunk = (struct spool_chunk){attempt->task.stored, attempt->task.units_stored + units, units};
    job->data = frame->body;
    job->size = frame->body_size;
    frame->body = NULL;
    runner_pause(attempt->runner); /* until it is on disk: this also holds back a runner that is too fast */
    attempt_job_start(attempt, job);
}

/* ---- the other frames ---- */

static void on_progress(struct attempt *attempt, const json_t *header) {
    int64_t done = 0;
    (void)json_get_int_or(header, "done", 0, INT64_C(1) << 53, 0, &done, NULL);
    double seconds = (double)(clock_monotonic_ms() - attempt->started_ms) / 1000;
    outbox_progress(attempt->outbox, attempt->task.units_base + done,
                    seconds > 0 ? (double)done / seconds : 0);
    json_t *live = json_object_get(header, "live");
    if (live)
        outbox_live(attempt->outbox, live);
}

static void on_last(struct attempt *attempt, const json_t *header, bool failed) {
    int64_t units = 0;
    struct problem problem = {0};
    const char *code = "runner_failed", *detail = "", *field = "";
    if (failed) {
        (void)json_get_string(header, "code", 64, &code, NULL);
        (void)json_get_string(header, "detail", PROBLEM_DETAIL_MAX, &detail, NULL);
        (void)json_get_string(header, "field", PROBLEM_FIELD_MAX, &field, NULL);
        problem_set(&problem, tg_error_from_code(code), field, "%s", detail);
        attempt_log(attempt, LOG_WARN, "the runner gave up: %s: %s: %s", code, field, detail);
        inputs_name_files(attempt->inputs, &problem);
    } else if (json_get_int(header, "units", 0, INT64_C(1) << 53, &units, &problem) != 0) {
        nonsense(attempt, "the runner's done frame has no units");
        return;
    }
    task_on_report(&attempt->task, units, failed ? &problem : NULL);
    runner_expect_exit(attempt->runner);
}

static void on_frame(void *context, struct frame *frame) {
    struct attempt *attempt = context;
    const char *type = "";
    (void)json_get_string(frame->header, "type", 32, &type, NULL);
    if (attempt->task.state != TASK_RUNNING || attempt->task.runner_reported)
        ; /* not wanted any more */
    else if (strcmp(type, "chunk") == 0)
        on_chunk_frame(attempt, frame);
    else if (strcmp(type, "progress") == 0)
        on_progress(attempt, frame->header);
    else if (strcmp(type, "metric") == 0)
        outbox_metric(attempt->outbox, frame->header);
    else if (strcmp(type, "done") == 0 || strcmp(type, "fail") == 0)
        on_last(attempt, frame->header, type[0] == 'f');
    else if (strcmp(type, "hello") != 0)
        attempt_log(attempt, LOG_DEBUG, "a frame of unknown type is ignored");
    frame_free(frame);
    attempt_go(attempt);
}

static void on_line(void *context, enum log_level level, const char *text) {
    struct attempt *attempt = context;
    outbox_line(attempt->outbox, caller_wall_ms(attempt->services->caller), level, text);
}

static void on_gone(void *context, const struct problem *problem) {
    struct attempt *attempt = context;
    struct problem silent = {0};
    attempt->runner = NULL;
    if (!problem && !attempt->task.runner_reported) {
        problem_set(&silent, TG_ERUNNER, "runner", "the runner exited without a last word");
        problem = &silent;
    }
    const struct task *task = &attempt->task;
    if (problem && !task->end.known && task->state == TASK_RUNNING) {
        attempt_log(attempt, LOG_ERROR, "%s", problem->detail);
        outbox_line(attempt->outbox, caller_wall_ms(attempt->services->caller), LOG_ERROR, problem->detail);
    } else {
        attempt_log(attempt, LOG_INFO, "runner ended, %lld unit%s finished in this attempt",
                    (long long)task->units_stored, plural_s(task->units_stored));
    }
    task_on_runner_gone(&attempt->task, problem);
    attempt_go(attempt);
}
