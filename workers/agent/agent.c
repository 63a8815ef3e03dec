/* agent.c - see agent.h. What the agent asks of the coordinator for itself, and when.
 *
 *               register                      lease, wait_s 0, naming
 *              for an id        its spool     all that the spool holds
 *     no id -------------> id -----------> spool open ------------> reclaimed ---+
 *       ^                                                              ^         |
 *       |                                                              +---------+
 *       +--- from each of them: 404, it does not know us any more        lease, wait_s 30,
 *                               421, it is another coordinator           for ever
 *
 * One call at a time (`call`), and one reason at most to wait before the next (`pause`, `switching`). Every
 * event ends in move_on(), which looks at all of it anew and starts what is missing; so no event need know
 * what the others were about to do.
 *
 * Why the first lease does not wait: the attempts in the spool stand still until they are told whether they
 * still have their lease, and a long poll would tell them only when there is new work. A drain lets that call
 * end for the same reason, while it cancels a later one.
 *
 * The end comes in three steps, and each flag stays once it is set:
 *     draining      no new task; runners finish their unit. Set by the first signal or by the coordinator
 *     leaving       runners are killed, attempts leave their files (TASK_LEAVING)
 *     signing_off   no attempt is left; the last word is on its way, for SIGN_OFF_MS at most. Then `ended`
 *
 * Attempts are owned here. They call back from deep inside themselves (on_changed), so they are freed by a
 * timer of no delay, `sweep`, when nothing of theirs is on the stack.
 *
 * Another coordinator (turn_to): attempts leave their files in the spool of the one before and must all be
 * gone before its spool is closed, because their jobs on the thread pool still use it. Until then `switching`
 * holds every other call back.
 *
 * Not done: no second lease call for a second free place. One answer brings as many tasks as there are
 * places.
 */
#include "workers/agent/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/plural.h"
#include "proto/wire/json.h"
#include "workers/agent/attempt.h"
#include "workers/agent/cache.h"
#include "workers/agent/call.h"
#include "workers/agent/folder.h"
#include "workers/agent/machine.h"
#include "workers/agent/wait.h"

enum {
    PROTOCOL_MIN = 1,
    PROTOCOL_MAX = 1,
    LEASE_WAIT_S = 30,
    LEASE_SLACK_S = 30,    /* a long poll may take this much longer before we call it dead */
    EMPTY_PAUSE_MS = 1000, /* after an empty answer that came at once */
    REFUSED_PAUSE_MS = 60000,
    DRAIN_LOOK_MS = 500,
    SIGN_OFF_MS = 3000, /* for the answer to our last word */
    BACKLOG_PER_RUNNER =
        3, /* ended attempts that still wait for delivery; the coordinator takes 1,024 `holding` */
    BEAT_S = 10
};

struct agent {
    struct agent_config config;
    struct services services;
    char instance[INSTANCE_HEX];
    int lock;
    json_t *kinds;
    char drained[128]; /* why we drain, when the coordinator ordered it */
    struct attempt **attempts;
    size_t count;
    struct call *call; /* register or lease */
    struct buf body;   /* of it */
    int64_t asked_ms;
    bool registered;
    char coordinator[33]; /* whose spool is open; "" is one without an id */
    bool switching;       /* another coordinator's spool is opened when the attempts have left this one's */
    bool reclaimed;       /* the leases in the spool were asked back */
    bool draining, leaving, ended;
    bool signing_off;    /* our last word is on its way; then it ends */
    json_t *kept;        /* the leases that wait in the spool for the next start, as in `holding` */
    struct wait waiting; /* for work */
    uv_timer_t pause;    /* until the next call */
    uv_timer_t sweep;    /* frees attempts that are over; looks at a drain's end */
};

static void move_on(struct agent *agent);

/* ---- attempts ---- */

static void on_sweep(uv_timer_t *timer);

static void on_changed(void *context, struct attempt *attempt) {
    struct agent *agent = context;
    uv_timer_start(&agent->sweep, on_sweep, 0, 0); /* later: we are deep inside the attempt */
}

static int add_attempt(struct agent *agent, struct attempt *attempt) {
    struct attempt **more = realloc(agent->attempts, (agent->count + 1) * sizeof *more);
    if (!more)
        return TG_ENO_MEMORY;
    agent->attempts = more;
    more[agent->count++] = attempt;
    return 0;
}

static struct attempt *find_attempt(const struct agent *agent, struct spool_key key) {
    for (size_t i = 0; i < agent->count; i++) {
        struct spool_key known = attempt_key(agent->attempts[i]);
        if (known.task == key.task && known.attempt == key.attempt)
            return agent->attempts[i];
    }
    return NULL;
}

static int count_running(const struct agent *agent) {
    int n = 0;
    for (size_t i = 0; i < agent->count; i++)
        n += task_needs_runner(attempt_task(agent->attempts[i]));
    return n;
}

static void free_finished(struct agent *agent) {
    size_t kept = 0;
    for (size_t i = 0; i < agent->count; i++) {
        if (attempt_is_over(agent->attempts[i]))
            attempt_destroy(agent->attempts[i]);
        else
            agent->attempts[kept++] = agent->attempts[i];
    }
    agent->count = kept;
}

/* ---- registration ---- */

static json_t *capabilities(const struct agent *agent) {
    json_t *list = json_array();
    size_t i;
    json_t *kind, *command;
    const char *engine;
    char text[256];
    json_array_foreach(agent->kinds, i, kind) {
        snprintf(text, sizeof text, "kind:%s", json_string_value(kind));
        json_array_append_new(list, json_string(text));
    }
    json_object_foreach((json_t *)(uintptr_t)agent->config.engines, engine, command) {
        snprintf(text, sizeof text, "engine:%s", engine);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static void again_later(struct agent *agent, int64_t delay_ms);
static int open_spool(struct agent *agent, struct problem *problem);

/* Opens the spool of the coordinator that we are registered at. It is tried for ever: the disk may be full.
 */
static void enter(struct agent *agent) {
    struct problem problem = {0};
    spool_close(agent->services.spool);
    agent->services.spool = NULL;
    int error = open_spool(agent, &problem);
    if (error) {
        log_error("agent", "the spool cannot be used: %s: %s; trying again every minute", problem.field,
                  problem.detail);
        for (size_t i = 0; i < agent->count; i++)
            attempt_leave(agent->attempts[i]); /* those that were made before it failed */
        spool_close(agent->services.spool);
        agent->services.spool = NULL;
        agent->registered = false;
        again_later(agent, REFUSED_PAUSE_MS);
    }
    agent->switching = false;
    /* Without a spool we go back to registering, which must reach whatever coordinator is there. */
    caller_set_coordinator(agent->services.caller, error ? "" : agent->coordinator);
    cache_set_coordinator(agent->services.cache, agent->coordinator);
    move_on(agent);
}

/* What is under way for the coordinator before belongs to that one: it is parked in its spool. */
static void turn_to(struct agent *agent, const char *coordinator) {
    if (agent->services.spool && strcmp(agent->coordinator, coordinator) == 0) {
        move_on(agent);
        return;
    }
    if (agent->services.spool)
        log_warn("agent", "this is another coordinator than before; %zu attempt%s in the spool wait%s for it",
                 agent->count, plural_s((int64_t)agent->count), agent->count == 1 ? "s" : "");
    snprintf(agent->coordinator, sizeof agent->coordinator, "%s", coordinator);
    agent->switching = true;
    agent->reclaimed = false;
    for (size_t i = 0; i < agent->count; i++)
        attempt_leave(agent->attempts[i]);
    uv_timer_start(&agent->sweep, on_sweep, 0, 0);
}

/* Which other one answers is not known yet: registering tells. The attempts go on until then, their calls are
 * tried again; perhaps it was a mistake of a proxy and the right one is back by then. */
static void on_misdirected(void *context) {
    struct agent *agent = context;
    if (!agent->registered || agent->leaving || agent->signing_off)
        return;
    call_cancel(agent->call);
    agent->call = NULL;
    agent->registered = agent->reclaimed = false;
    again_later(agent, EMPTY_PAUSE_MS);
}

static void on_registered(void *context, const struct http_answer *answer) {
    struct agent *agent = context;
    struct problem problem = answer->problem;
    int64_t id = 0, beat_s = BEAT_S;
    char coordinator[33] = "";
    agent->call = NULL;
    json_t *body = problem.error ? NULL : json_parse_object(answer->body, answer->size, &problem);
    if (body && json_get_int(body, "id", 1, INT64_C(1) << 53, &id, &problem) == 0)
        (void)json_get_int_or(body, "beat_s", 1, 3600, BEAT_S, &beat_s, NULL);
    const char *given = json_string_value(json_object_get(body, "coordinator"));
    if (given && spool_is_coordinator(given))
        memcpy(coordinator, given, sizeof coordinator);
    json_decref(body);
    if (problem.error) {
        log_error("agent", "the coordinator does not register us: %s: %s%s; trying again every minute",
                  tg_error_code(problem.error), problem.detail,
                  problem.error == TG_EPROTOCOL ? ". Install the version that the coordinator has" : "");
        again_later(agent, REFUSED_PAUSE_MS);
        return;
    }
    agent->registered = true;
    agent->services.worker = id;
    agent->services.beat_s = beat_s;
    log_info("agent", "registered at %s as worker %lld with %d runner%s", agent->config.server, (long long)id,
             agent->config.runners, plural_s(agent->config.runners));
    turn_to(agent, coordinator);
}

static int post(struct agent *agent, const char *path, json_t *body, int64_t timeout_s, http_done_fn done) {
    buf_clear(&agent->body);
    int error = body ? json_append(&agent->body, body) : TG_ENO_MEMORY;
    json_decref(body);
    struct http_request request = {.method = "POST",
                                   .path = path,
                                   .lane = HTTP_CONTROL,
                                   .content_type = "application/json",
                                   .body = agent->body.data,
                                   .body_size = agent->body.size,
                                   .timeout_s = timeout_s};
    agent->asked_ms = clock_monotonic_ms();
    if (!error)
        error = call_start(agent->services.caller, &request, NULL, done, agent, &agent->call);
    return error;
}

static void do_register(struct agent *agent) {
    json_t *body =
        json_pack("{s:s, s:s, s:{s:i, s:i}, s:i, s:o, s:o}", "name", agent->config.name, "instance",
                  agent->instance, "protocol", "min", PROTOCOL_MIN, "max", PROTOCOL_MAX, "runners",
                  agent->config.runners, "capabilities", capabilities(agent), "machine", machine_describe());
    if (post(agent, "/api/v1/workers", body, 30, on_registered) != 0)
        again_later(agent, EMPTY_PAUSE_MS);
}

/* ---- leases ---- */

/* Every lease that we have, the ended ones that still wait for delivery too: the coordinator takes back at
 * once what a worker does not name. */
static json_t *holding(const struct agent *agent) {
    json_t *list = json_array();
    for (size_t i = 0; i < agent->count; i++) {
        if (attempt_task(agent->attempts[i])->state >= TASK_FORGETTING)
            continue;
        struct spool_key key = attempt_key(agent->attempts[i]);
        json_array_append_new(
            list, json_pack("{s:I, s:I}", "task", (json_int_t)key.task, "attempt", (json_int_t)key.attempt));
    }
    return list;
}

static bool is_held(const json_t *held, struct spool_key key) {
    size_t i;
    json_t *item;
    json_array_foreach(held, i, item) {
        if (json_integer_value(json_object_get(item, "task")) == key.task &&
            json_integer_value(json_object_get(item, "attempt")) == key.attempt)
            return true;
    }
    return false;
}

/* Those that came back go on; those that did not are offered all the same (task.h). */
static void settle_reclaimed(struct agent *agent, const json_t *held) {
    agent->reclaimed = true;
    for (size_t i = 0; i < agent->count; i++)
        if (attempt_task(agent->attempts[i])->state == TASK_RECLAIMING)
            attempt_held(agent->attempts[i], is_held(held, attempt_key(agent->attempts[i])));
}

static void take_task(struct agent *agent, json_t *lease) {
    struct attempt *attempt;
    struct problem problem = {0};
    struct spool_key key = {json_integer_value(json_object_get(lease, "id")),
                            json_integer_value(json_object_get(lease, "attempt"))};
    if (find_attempt(agent, key))
        return; /* the answer of an earlier poll was lost on the way: it is ours already */
    if (attempt_lease(&agent->services, lease, on_changed, agent, &attempt, &problem) != 0) {
        log_error("agent", "the coordinator sent a task that makes no sense: %s: %s", problem.field,
                  problem.detail);
        return;
    }
    log_info("agent", "leased task %lld (job %lld, %s, attempt %lld)", (long long)key.task,
             (long long)json_integer_value(json_object_get(lease, "job")),
             json_string_value(json_object_get(lease, "kind"))
                 ? json_string_value(json_object_get(lease, "kind"))
                 : "?",
             (long long)key.attempt);
    TG_ASSERT(add_attempt(agent, attempt) == 0);
    attempt_go(attempt);
}

static const char *drained_text(struct agent *agent) {
    snprintf(agent->drained, sizeof agent->drained,
             "the coordinator has drained or disabled this worker (`tengen worker enable %lld` undoes it)",
             (long long)agent->services.worker);
    return agent->drained;
}

static void take_lease_answer(struct agent *agent, const json_t *body) {
    const json_t *tasks = json_object_get(body, "tasks");
    const char *reason = "the coordinator has no task for us";
    int64_t now = clock_monotonic_ms();
    size_t i;
    json_t *task;
    settle_reclaimed(agent, json_object_get(body, "held"));
    if (json_is_true(json_object_get(body, "drain")))
        agent_drain(agent, drained_text(agent));
    if (json_array_size(tasks) > 0) {
        wait_over(&agent->waiting, now);
        json_array_foreach(tasks, i, task) take_task(agent, task);
        move_on(agent);
        return;
    }
    (void)json_get_string(body, "wait_reason", 256, &reason, NULL);
    if (!agent->draining)
        wait_set(&agent->waiting, now, "%s", reason);
    /* It did not wait though we asked it to (it is draining, or its disk is full): not to ask in a circle.
     * The random part keeps a fleet from asking in one instant. */
    if (now - agent->asked_ms < EMPTY_PAUSE_MS)
        again_later(agent, EMPTY_PAUSE_MS + (int64_t)randombytes_uniform(EMPTY_PAUSE_MS));
    else
        move_on(agent);
}

static void on_lease(void *context, const struct http_answer *answer) {
    struct agent *agent = context;
    struct problem problem = answer->problem;
    agent->call = NULL;
    if (answer->status == 404) {
        log_warn("agent", "the coordinator does not know worker %lld any more; registering anew",
                 (long long)agent->services.worker);
        agent->registered = agent->reclaimed = false;
        again_later(agent, EMPTY_PAUSE_MS);
        return;
    }
    json_t *body = problem.error ? NULL : json_parse_object(answer->body, answer->size, &problem);
    if (body) {
        take_lease_answer(agent, body);
    } else {
        log_error("agent", "the coordinator refuses our request for work: %s: %s",
                  tg_error_code(problem.error), problem.detail);
        again_later(agent, REFUSED_PAUSE_MS);
    }
    json_decref(body);
}

static void ask_for_work(struct agent *agent, int free_places) {
    char path[64];
    json_t *body = json_pack("{s:i, s:i, s:o}", "free", free_places, "wait_s",
                             agent->reclaimed ? LEASE_WAIT_S : 0, "holding", holding(agent));
    snprintf(path, sizeof path, "/api/v1/workers/%lld/lease", (long long)agent->services.worker);
    if (post(agent, path, body, LEASE_WAIT_S + LEASE_SLACK_S, on_lease) != 0)
        again_later(agent, EMPTY_PAUSE_MS);
}

/* ---- what now ---- */

static void on_pause_over(uv_timer_t *timer) {
    move_on(timer->data);
}

static void again_later(struct agent *agent, int64_t delay_ms) {
    uv_timer_start(&agent->pause, on_pause_over, (uint64_t)delay_ms, 0);
}

static void end(struct agent *agent) {
    if (agent->ended)
        return;
    agent->ended = true;
    call_cancel(agent->call);
    agent->call = NULL;
    uv_close((uv_handle_t *)&agent->pause, NULL);
    uv_close((uv_handle_t *)&agent->sweep, NULL);
    caller_destroy(agent->services.caller);
}

/* ---- the last word ---- */

static void on_signed_off(void *context, const struct http_answer *answer) {
    struct agent *agent = context;
    agent->call = NULL;
    if (answer->problem.error) /* an older coordinator does not know the word */
        log_debug("agent", "signing off: %s", answer->problem.detail);
    end(agent);
}

static void on_sign_off_late(uv_timer_t *timer) {
    end(timer->data);
}

/* Tells the coordinator that we are gone, so that it need not find out by our silence. It is a courtesy: a
 * coordinator that does not answer soon does not keep us. */
static void sign_off(struct agent *agent) {
    char path[64];
    if (agent->signing_off || agent->ended)
        return;
    agent->signing_off = true;
    call_cancel(agent->call);
    agent->call = NULL;
    if (!agent->registered || agent->switching || caller_is_away(agent->services.caller)) {
        end(agent);
        return;
    }
    json_t *kept = agent->kept ? json_incref(agent->kept) : json_array();
    json_t *body = json_pack("{s:i, s:i, s:o, s:b}", "free", 0, "wait_s", 0, "holding", kept, "leaving", 1);
    snprintf(path, sizeof path, "/api/v1/workers/%lld/lease", (long long)agent->services.worker);
    if (post(agent, path, body, SIGN_OFF_MS / 1000, on_signed_off) != 0)
        end(agent);
    else
        uv_timer_start(&agent->pause, on_sign_off_late, SIGN_OFF_MS, 0);
}

/* Whether a drain has come to its end: all delivered, or the rest must wait in the spool for a coordinator
 * that is away. */
static void look_at_drain(struct agent *agent) {
    if (agent->count == 0 && !agent->services.spool) {
        agent_leave(agent, "the coordinator has not answered yet: what the spool holds stays there");
    } else if (agent->count == 0) {
        log_info("agent", "stopped; everything is delivered");
        sign_off(agent);
    } else if (count_running(agent) == 0 && caller_is_away(agent->services.caller)) {
        agent_leave(agent, "the coordinator is away: what is finished stays in the spool for the next start");
    } else {
        uv_timer_start(&agent->sweep, on_sweep, DRAIN_LOOK_MS, 0);
    }
}

static void move_on(struct agent *agent) {
    if (agent->ended || agent->leaving || agent->signing_off)
        return;
    if (agent->switching || agent->call || uv_is_active((uv_handle_t *)&agent->pause))
        return;
    if (!agent->registered) {
        do_register(agent);
        return;
    }
    /* Fewer than none: a spool of a time with more runners. Nothing that was begun is given up for that. */
    int free_places = agent->config.runners - count_running(agent);
    if (!agent->reclaimed) {
        ask_for_work(agent, agent->draining || free_places < 0 ? 0 : free_places);
        return;
    }
    if (agent->draining || free_places <= 0)
        return;
    if (agent->count >= (size_t)agent->config.runners * (1 + BACKLOG_PER_RUNNER))
        wait_set(&agent->waiting, clock_monotonic_ms(), "finished work must be delivered first");
    else
        ask_for_work(agent, free_places);
}

static void on_sweep(uv_timer_t *timer) {
    struct agent *agent = timer->data;
    free_finished(agent);
    if (agent->signing_off)
        return;
    if (agent->switching && !agent->leaving && agent->count == 0)
        enter(agent);
    if (agent->leaving && agent->count == 0)
        sign_off(agent);
    else if (!agent->leaving && agent->draining)
        look_at_drain(agent);
    move_on(agent);
}

/* ---- stopping ---- */

void agent_drain(struct agent *agent, const char *why) {
    if (agent->draining)
        return;
    agent->draining = true;
    log_info("agent", "stopping: %s; finishing what has begun (%d runner%s)", why, count_running(agent),
             plural_s(count_running(agent)));
    if (agent->reclaimed) {
        call_cancel(agent->call);
        agent->call = NULL;
    }
    for (size_t i = 0; i < agent->count; i++)
        attempt_drain(agent->attempts[i]);
    uv_timer_start(&agent->sweep, on_sweep, 0, 0);
}

void agent_leave(struct agent *agent, const char *why) {
    if (agent->leaving)
        return;
    agent->draining = agent->leaving = true;
    log_info("agent", "stopping now: %s", why);
    if (agent->signing_off) { /* it was over already: a second signal does not wait for the answer */
        end(agent);
        return;
    }
    call_cancel(agent->call);
    agent->call = NULL;
    /* Before they leave: an attempt that leaves is no longer told from one that is forgotten. */
    agent->kept = holding(agent);
    for (size_t i = 0; i < agent->count; i++)
        attempt_leave(agent->attempts[i]);
    uv_timer_start(&agent->sweep, on_sweep, 0, 0);
}

/* ---- making ---- */

static int resume_found(struct agent *agent, const struct spool_found *found, struct problem *problem) {
    for (size_t i = 0; i < found->count; i++) {
        struct attempt *attempt;
        int error =
            attempt_resume(&agent->services, &found->attempts[i], on_changed, agent, &attempt, problem);
        if (!error)
            error = add_attempt(agent, attempt);
        if (error) {
            problem_prefix(problem, "spool");
            return error;
        }
    }
    if (found->count > 0)
        log_info("agent", "the spool holds %zu attempt%s of an earlier run; asking for the lease%s",
                 found->count, plural_s((int64_t)found->count), plural_s((int64_t)found->count));
    return 0;
}

/* A drain that was ordered before this spool was open holds for what is found in it, too. */
static int open_spool(struct agent *agent, struct problem *problem) {
    char path[SPOOL_PATH_MAX];
    struct spool_found found;
    int error = spool_choose(agent->config.data, agent->coordinator, path, problem);
    if (!error)
        error = spool_open(path, &agent->services.spool, problem);
    if (!error)
        error = spool_scan(agent->services.spool, &found, problem);
    if (error)
        return error;
    error = resume_found(agent, &found, problem);
    spool_found_free(&found);
    for (size_t i = 0; agent->draining && i < agent->count; i++)
        attempt_drain(agent->attempts[i]);
    return error;
}

static int open_caller(struct agent *agent, uv_loop_t *loop, struct problem *problem) {
    struct http *http;
    struct http_config config = {agent->config.server, agent->config.token, agent->config.ca_file};
    int error = http_create(loop, &config, &http, problem);
    if (!error)
        error = caller_create(loop, http, &agent->services.caller);
    if (!error)
        caller_on_misdirected(agent->services.caller, on_misdirected, agent);
    return error;
}

/* The lock before everything else: what is opened after it may be in another agent's use. The spool is not
 * opened here; whose it is, the registration tells. */
static int open_all(struct agent *agent, uv_loop_t *loop, struct problem *problem) {
    char path[4096];
    int error = folder_open(agent->config.data, &agent->lock, problem);
    if (!error)
        error = folder_instance(agent->config.data, agent->instance, problem);
    if (!error)
        error = machine_ask_kinds(agent->config.runner, &agent->kinds, problem);
    if (!error)
        error = open_caller(agent, loop, problem);
    snprintf(path, sizeof path, "%s/cache", agent->config.data);
    if (!error)
        error = cache_open(loop, agent->services.caller, path, agent->config.cache_bytes,
                           &agent->services.cache, problem);
    return error;
}

int agent_create(uv_loop_t *loop, const struct agent_config *config, struct agent **out,
                 struct problem *problem) {
    struct agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    agent->config = *config;
    agent->lock = -1;
    agent->waiting.what = "work";
    agent->services = (struct services){.loop = loop,
                                        .runner = config->runner,
                                        .engines = config->engines,
                                        .nice_level = config->nice_level,
                                        .memory_bytes = config->memory_bytes,
                                        .beat_s = BEAT_S};
    uv_timer_init(loop, &agent->pause);
    uv_timer_init(loop, &agent->sweep);
    agent->pause.data = agent->sweep.data = agent;
    *out = agent;
    int error = open_all(agent, loop, problem);
    if (error) {
        agent_leave(agent, "the start failed");
        return error;
    }
    move_on(agent);
    return 0;
}

void agent_destroy(struct agent *agent) {
    if (!agent)
        return;
    TG_ASSERT(agent->count == 0);
    cache_close(agent->services.cache);
    spool_close(agent->services.spool);
    json_decref(agent->kinds);
    json_decref(agent->kept);
    buf_free(&agent->body);
    free(agent->attempts);
    if (agent->lock >= 0)
        close(agent->lock);
    free(agent);
}
