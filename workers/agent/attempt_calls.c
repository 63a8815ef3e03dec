/* attempt_calls.c - what an attempt tells the coordinator: chunks, beats, its end.
 *
 *     upload   the chunk task->sent: read from the spool (on the pool), checked, posted; in order, one at
 *              a time
 *     beat     every beat_s, from fetching the inputs until the end is told
 *     tell     done or fail, when every chunk has its 2xx. Before it one last beat, if there is news: a beat
 *              after the end would be refused, and the runner's last lines say why it failed
 *
 * Each is a call of call.h: it is tried until there is an answer that stands, so what is left to decide here
 * is what such an answer means.
 *
 *     answer            upload                    beat             done or fail
 *     2xx               next chunk                do what it says  the files go
 *     lease_lost, 404   the lease is lost         the same         the same
 *     any other 4xx     attempt fails, the chunk  logged, goes on  done: becomes a fail; fail: given up,
 *                       goes to refused/                           the lease will lapse
 *
 * 404 is a task that the coordinator does not know: its database is another one than before. What it does not
 * have nobody has, so the chunks are kept in refused/ for a person instead of being dropped.
 *
 * The chunk is read from the disk again although it was in memory a moment ago: after a restart it is not,
 * what was written is what must be right (its checksum is verified here), and an agent whose coordinator is
 * away holds no chunk in memory but the one that it is about to send.
 */
#include "workers/agent/attempt_private.h"

#include <stdio.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/plural.h"
#include "proto/wire/json.h"

enum { BEAT_TIMEOUT_S = 20, TELL_TIMEOUT_S = 60, FIRST_BEAT_MS = 1000 };

static bool ok(const struct http_answer *answer) {
    return answer->status >= 200 && answer->status < 300;
}

/* A lease that is gone, or a task that the coordinator does not even know. */
static bool is_lost(const struct http_answer *answer) {
    return answer->problem.error == TG_ELEASE_LOST || answer->status == 404;
}

static void lost(struct attempt *attempt, const struct http_answer *answer) {
    const struct problem *problem = &answer->problem;
    attempt_lost(attempt, problem->detail[0] ? problem->detail : tg_error_title(problem->error),
                 answer->status == 404);
}

/* ---- uploads ---- */

static void upload_over(struct attempt *attempt) {
    struct spool_job *job = attempt->uploading;
    attempt->uploading = NULL;
    if (job)
        attempt_job_over(attempt, job);
}

static void on_set_aside(struct spool_job *job) {
    struct attempt *attempt = job->context;
    attempt_job_over(attempt, job);
    attempt_go(attempt);
}

static void refuse(struct attempt *attempt, const struct problem *problem, bool keep) {
    attempt_log(attempt, LOG_ERROR, "chunk %lu cannot be delivered: %s %s", (unsigned long)attempt->task.sent,
                tg_error_code(problem->error), problem->detail);
    if (keep) {
        struct spool_job *job = attempt_job(attempt, SPOOL_SET_ASIDE, on_set_aside);
        job->chunk = *attempt_chunk(attempt, attempt->task.sent);
        attempt_job_start(attempt, job);
    }
    task_on_refused(&attempt->task, problem);
    attempt_go(attempt);
}

static void on_uploaded(void *context, const struct http_answer *answer) {
    struct attempt *attempt = context;
    uint32_t number = attempt->task.sent;
    attempt->upload = NULL;
    upload_over(attempt);
    if (ok(answer)) {
        attempt_log(attempt, LOG_DEBUG, "chunk %lu is stored at the coordinator", (unsigned long)number);
        task_on_sent(&attempt->task);
        attempt_remove_sent(attempt, number);
        attempt_go(attempt);
    } else if (is_lost(answer)) {
        lost(attempt, answer);
    } else {
        refuse(attempt, &answer->problem, true);
    }
}

static void on_read(struct spool_job *job) {
    struct attempt *attempt = job->context;
    /* The lease was lost, or the agent stops, while the pool was reading. */
    if (attempt->task.state >= TASK_FORGETTING) {
        upload_over(attempt);
        task_again(&attempt->task, STEP_UPLOAD);
        attempt_go(attempt);
        return;
    }
    if (job->problem.error) {
        struct problem problem = job->problem;
        upload_over(attempt);
        refuse(attempt, &problem, false);
        return;
    }
    char path[256];
    snprintf(path, sizeof path, "/api/v1/tasks/%lld/chunks?worker=%lld&attempt=%lld&seq=%lu",
             (long long)attempt->key.task, (long long)attempt->services->worker,
             (long long)attempt->key.attempt, (unsigned long)job->chunk.number);
    struct http_request request = {.method = "POST",
                                   .path = path,
                                   .lane = HTTP_BULK,
                                   .content_type = "application/vnd.tengen.chunk",
                                   .body = job->read.data,
                                   .body_size = job->read.size};
    int error = call_start(attempt->services->caller, &request, NULL, on_uploaded, attempt, &attempt->upload);
    TG_ASSERT(error == 0);
}

void attempt_upload(struct attempt *attempt) {
    struct spool_job *job = attempt_job(attempt, SPOOL_READ_CHUNK, on_read);
    job->chunk = *attempt_chunk(attempt, attempt->task.sent);
    attempt->uploading = job;
    attempt_job_start(attempt, job);
}

/* ---- beats ---- */

static void beat_prepare(void *context, struct http_request *request) {
    struct attempt *attempt = context;
    json_t *body = outbox_beat(attempt->outbox, attempt->services->worker, attempt->key.attempt,
                               caller_wall_ms(attempt->services->caller));
    buf_clear(&attempt->beat_body);
    TG_ASSERT(body && json_append(&attempt->beat_body, body) == 0);
    json_decref(body);
    request->body = attempt->beat_body.data;
    request->body_size = attempt->beat_body.size;
}

static void obey(struct attempt *attempt, const struct http_answer *answer) {
    struct problem problem = {0};
    json_t *body = json_parse_object(answer->body, answer->size, &problem);
    const char *action = "continue";
    int64_t beat_s = attempt->services->beat_s;
    (void)json_get_string(body, "action", 32, &action, NULL);
    (void)json_get_int_or(body, "beat_s", 1, 3600, beat_s, &beat_s, NULL);
    attempt->services->beat_s = beat_s;
    if (strcmp(action, "drain") == 0) {
        attempt_drain(attempt);
    } else if (strcmp(action, "stop") == 0 && attempt->task.state < TASK_CLOSING) {
        problem_set(&problem, TG_ECANCELLED, NULL, "the coordinator stopped the task");
        attempt_log(attempt, LOG_INFO, "%s", problem.detail);
        task_on_stop(&attempt->task, &problem);
    }
    json_decref(body);
}

static void on_beat_timer(uv_timer_t *timer);

static void on_beat(void *context, const struct http_answer *answer) {
    struct attempt *attempt = context;
    attempt->beat = NULL;
    if (is_lost(answer)) {
        lost(attempt, answer);
        return;
    }
    outbox_answered(attempt->outbox); /* refused for good, too: the same batch would be refused again */
    if (ok(answer))
        obey(attempt, answer);
    else
        attempt_log(attempt, LOG_WARN, "the coordinator refuses a beat: %s", answer->problem.detail);
    uv_timer_start(&attempt->beat_timer, on_beat_timer, (uint64_t)attempt->services->beat_s * 1000, 0);
    attempt_go(attempt);
}

static void send_beat(struct attempt *attempt) {
    char path[64];
    snprintf(path, sizeof path, "/api/v1/tasks/%lld/beat", (long long)attempt->key.task);
    struct http_request request = {.method = "POST",
                                   .path = path,
                                   .lane = HTTP_CONTROL,
                                   .content_type = "application/json",
                                   .timeout_s = BEAT_TIMEOUT_S};
    /* beat_prepare: a beat that is tried again carries the newest progress. The cap: back-off must not turn a
     * short absence of the coordinator into a lapsed lease. */
    struct call_options options = {.prepare = beat_prepare, .cap_ms = attempt->services->beat_s * 1000};
    if (call_start(attempt->services->caller, &request, &options, on_beat, attempt, &attempt->beat) != 0)
        uv_timer_start(&attempt->beat_timer, on_beat_timer, 1000, 0);
}

static void on_beat_timer(uv_timer_t *timer) {
    struct attempt *attempt = timer->data;
    if (!attempt->beat && attempt->task.state < TASK_FORGETTING)
        send_beat(attempt);
}

/* The first beat comes soon: its answer says whether somebody watches, and a task may be over in seconds. */
void attempt_beats_start(struct attempt *attempt) {
    if (!attempt->beat && !uv_is_active((uv_handle_t *)&attempt->beat_timer))
        uv_timer_start(&attempt->beat_timer, on_beat_timer, FIRST_BEAT_MS, 0);
}

/* ---- done and fail ---- */

/* What this machine turned out to be unable to do, when the attempt failed for that and not by its task: a
 * capability, or "job" when it is only known that this job's tasks cannot be done here. NULL: the task's own
 * failure. Runner and agent mark such a failure by its code; `unavailable` names what is missing in its
 * field.
 */
static json_t *what_is_unable(const struct attempt *attempt) {
    const struct problem *problem = &attempt->task.end.problem;
    switch (problem->error) {
    case TG_EUNAVAILABLE:
        if (strncmp(problem->field, "engine:", 7) == 0)
            return json_string(problem->field);
        if (strcmp(problem->field, "runner") == 0)
            return json_sprintf("kind:%s", json_string_value(json_object_get(attempt->lease, "kind")));
        return json_string("job");
    case TG_ENO_MEMORY:
    case TG_ESTORAGE_FULL:
    case TG_EIO:
    case TG_EDIGEST:
        return json_string("job");
    default:
        return NULL;
    }
}

static json_t *fail_body(const struct attempt *attempt) {
    const struct problem *problem = &attempt->task.end.problem;
    return json_pack("{s:I, s:I, s:s, s:s, s:s, s:o*}", "worker", (json_int_t)attempt->services->worker,
                     "attempt", (json_int_t)attempt->key.attempt, "code", tg_error_code(problem->error),
                     "detail", problem->detail, "field", problem->field, "unable", what_is_unable(attempt));
}

static json_t *tell_body(const struct attempt *attempt) {
    const struct task *task = &attempt->task;
    json_int_t worker = attempt->services->worker, number = attempt->key.attempt;
    if (task->end.problem.error)
        return fail_body(attempt);
    json_t *body = json_pack("{s:I, s:I, s:I}", "worker", worker, "attempt", number, "chunks",
                             (json_int_t)task->end.chunks);
    /* A drained attempt ends early: the units say that this is meant, else it would count as a failure. */
    if (body && task->units_before + task->end.units < task->units)
        json_object_set_new(body, "units", json_integer(task->end.units));
    return body;
}

/* A `done` that is refused becomes a `fail`, so that the task is handed out again now and not after the
 * lease. */
static void done_refused(struct attempt *attempt, const struct http_answer *answer) {
    attempt_log(attempt, LOG_ERROR, "the coordinator refuses done: %s %s",
                tg_error_code(answer->problem.error), answer->problem.detail);
    attempt->task.end.problem = answer->problem;
    task_again(&attempt->task, STEP_TELL);
    attempt_go(attempt);
}

static void on_told(void *context, const struct http_answer *answer) {
    struct attempt *attempt = context;
    const struct task_end *end = &attempt->task.end;
    attempt->tell = NULL;
    if (is_lost(answer)) {
        lost(attempt, answer);
        return;
    }
    if (!ok(answer) && !end->problem.error) {
        done_refused(attempt, answer);
        return;
    }
    if (!ok(answer))
        attempt_log(attempt, LOG_ERROR, "the coordinator refuses fail: %s; leaving it to the lease to lapse",
                    answer->problem.detail);
    else if (end->problem.error)
        attempt_log(attempt, LOG_WARN, "failed: %s", end->problem.detail);
    else
        attempt_log(attempt, LOG_INFO, "done, %lld unit%s in %lu chunk%s", (long long)end->units,
                    plural_s(end->units), (unsigned long)end->chunks, plural_s((int64_t)end->chunks));
    task_on_told(&attempt->task);
    attempt_go(attempt);
}

static void send_tell(struct attempt *attempt) {
    char path[64];
    json_t *body = tell_body(attempt);
    buf_clear(&attempt->tell_body);
    TG_ASSERT(body && json_append(&attempt->tell_body, body) == 0);
    json_decref(body);
    snprintf(path, sizeof path, "/api/v1/tasks/%lld/%s", (long long)attempt->key.task,
             attempt->task.end.problem.error ? "fail" : "done");
    struct http_request request = {.method = "POST",
                                   .path = path,
                                   .lane = HTTP_CONTROL,
                                   .content_type = "application/json",
                                   .body = attempt->tell_body.data,
                                   .body_size = attempt->tell_body.size,
                                   .timeout_s = TELL_TIMEOUT_S};
    int error = call_start(attempt->services->caller, &request, NULL, on_told, attempt, &attempt->tell);
    TG_ASSERT(error == 0);
}

/* The last lines and metrics go first: after the end is told a beat would be refused. */
static void on_last_beat(void *context, const struct http_answer *answer) {
    struct attempt *attempt = context;
    attempt->beat = NULL;
    if (is_lost(answer)) {
        lost(attempt, answer);
        return;
    }
    outbox_answered(attempt->outbox);
    attempt_tell(attempt);
}

void attempt_tell(struct attempt *attempt) {
    /* A beat under way is cancelled, not awaited; its batch is still the outbox's, and the last beat sends
     * it. */
    uv_timer_stop(&attempt->beat_timer);
    call_cancel(attempt->beat);
    attempt->beat = NULL;
    if (!outbox_has_news(attempt->outbox)) {
        send_tell(attempt);
        return;
    }
    char path[64];
    snprintf(path, sizeof path, "/api/v1/tasks/%lld/beat", (long long)attempt->key.task);
    struct http_request request = {.method = "POST",
                                   .path = path,
                                   .lane = HTTP_CONTROL,
                                   .content_type = "application/json",
                                   .timeout_s = BEAT_TIMEOUT_S};
    struct call_options options = {.prepare = beat_prepare};
    int error =
        call_start(attempt->services->caller, &request, &options, on_last_beat, attempt, &attempt->beat);
    TG_ASSERT(error == 0);
}

void attempt_calls_cancel(struct attempt *attempt) {
    uv_timer_stop(&attempt->beat_timer);
    call_cancel(attempt->beat);
    call_cancel(attempt->tell);
    if (attempt->upload) {
        call_cancel(attempt->upload);
        upload_over(attempt);
    }
    attempt->beat = attempt->tell = attempt->upload = NULL;
}
