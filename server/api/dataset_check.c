/* dataset_check.c - see dataset_check.h.
 *
 *     fed ---> pipe ---> child ---> stdout ---> verdict, when it has exited and its output has ended
 *       |                  |
 *       |                  +-- bounds on memory, processor time and silence (PATIENCE_MS): it is killed
 *       +-- at most FEEDS_MAX writes are under way: back-pressure to the upload (content.c)
 *
 * A child may say no before it has read everything, and exit. Then it is `deaf`: what is still fed is
 * dropped, and the verdict is called as soon as it is known, so that an upload of gigabytes that is refused
 * at its first byte ends there.
 *
 * Whose fault. Whatever the child dies of while it looks at a data set is the data set's (400), for that is
 * what it was given: too much memory, too long, a signal. Only "no room on the disk" is ours.
 *
 * Handles. Four, and the last closing frees the check. The process handle is closed only after its exit was
 * seen: libuv reaps a child for the handle that is open, and one closed before would leave a zombie. A check
 * that is cancelled therefore lives on, without events, until its killed child has exited.
 */
#include "server/api/dataset_check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "proto/base/buf.h"
#include "proto/base/log.h"
#include "proto/wire/json.h"

enum {
    CHECKS_MAX = 4, /* at once */
    FEEDS_MAX = 4,  /* writes into the pipe that have not come back */
    OUTPUT_MAX = 1 << 20,
    PATIENCE_MS = 120000, /* without a sign of life while it has something to do */
    CPU_S = 600,
    MEMORY_MIB = 4096,
    PIPES = 2,
};

struct dataset_check {
    const struct dataset_check_events *events;
    void *arg; /* NULL events: cancelled */
    uv_process_t process;
    uv_pipe_t in, out;
    uv_timer_t patience;
    int open; /* handles that are not closed */
    int feeds;
    struct buf output;
    bool finished; /* everything was fed */
    bool deaf;     /* it reads no more */
    bool exited, out_ended, hung;
    int64_t status;
    int signal;
};

struct feed {
    uv_write_t request;
    struct dataset_check *check;
    uint8_t data[];
};

static int running; /* checks; of the loop thread */

static void handle_closed(uv_handle_t *handle) {
    struct dataset_check *check = handle->data;
    if (--check->open == 0) {
        running--;
        buf_free(&check->output);
        free(check);
    }
}

static void close_handle(void *handle) {
    if (!uv_is_closing(handle))
        uv_close(handle, handle_closed);
}

static void close_all(struct dataset_check *check) {
    close_handle(&check->in);
    close_handle(&check->out);
    close_handle(&check->patience);
    if (check->exited) /* else when it has: a handle that is closed before leaves a zombie */
        close_handle(&check->process);
}

/* ---- what it has said ---- */

/* The child reads from a file without a name, which nobody knows by its number: takes /proc/self/fd/3 and
 * what joins it to the name behind it out of the text. */
static void forget_place(char *text) {
    static const char place[] = "/proc/self/fd/";
    for (char *at; (at = strstr(text, place));) {
        char *rest = at + sizeof place - 1;
        rest += strspn(rest, "0123456789");
        rest += *rest == '/';
        memmove(at, rest, strlen(rest) + 1);
    }
}

/* A problem about the upload, in the child's words. */
static int quote(int error, const char *field, const char *detail, struct problem *problem) {
    problem_set(problem, error, field, "%s", detail);
    forget_place(problem->field);
    forget_place(problem->detail);
    if (!problem->field[0] || strcmp(problem->field, "-") == 0)
        snprintf(problem->field, sizeof problem->field, "body");
    return error;
}

static int refused(const json_t *error, struct problem *problem) {
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *field = json_string_value(json_object_get(error, "field"));
    const char *detail = json_string_value(json_object_get(error, "detail"));
    int number = tg_error_from_code(code ? code : "invalid");
    if (number == TG_EIO || number == TG_ESTORAGE_FULL)
        return problem_set(problem, TG_ESTORAGE_FULL, NULL, "the data set could not be checked: %s",
                           detail ? detail : "no room");
    if (number == TG_ENO_MEMORY)
        return problem_set(problem, TG_EINVALID, "body", "needs more than %d MiB to be checked", MEMORY_MIB);
    bool says_so = tg_error_status(number) == 400; /* 404, 413: what was sent is at fault all the same */
    return quote(says_so ? number : TG_EINVALID, field ? field : "", detail ? detail : "this is no data set",
                 problem);
}

static int killed(const struct dataset_check *check, struct problem *problem) {
    if (check->hung)
        return problem_set(problem, TG_EINVALID, "body", "its check made no progress for %d s",
                           PATIENCE_MS / 1000);
    if (check->signal == SIGXCPU || check->signal == SIGKILL)
        return problem_set(problem, TG_EINVALID, "body", "its check was ended: it may take %d s and %d MiB",
                           CPU_S, MEMORY_MIB);
    return problem_set(problem, TG_EINVALID, "body", "its check ended with signal %d", check->signal);
}

/* 0 and the info, or why not. */
static int verdict(struct dataset_check *check, json_t **info, struct problem *problem) {
    struct problem ignored = {0};
    *info = NULL;
    if (check->signal || check->hung)
        return killed(check, problem);
    json_t *said = json_parse_object(check->output.data, check->output.size, &ignored);
    const json_t *error = json_object_get(said, "error");
    int result = 0;
    if (error)
        result = refused(error, problem);
    else if (!said || check->status != 0)
        result = problem_set(problem, TG_EINVALID, "body", "its check ended with exit code %lld and no word",
                             (long long)check->status);
    if (result)
        json_decref(said);
    else
        *info = said;
    return result;
}

static void end_when_all_is_there(struct dataset_check *check) {
    if (!check->exited || !check->out_ended)
        return;
    const struct dataset_check_events *events = check->events;
    void *arg = check->arg;
    struct problem problem = {0};
    json_t *info = NULL;
    check->events = NULL;
    if (events)
        verdict(check, &info, &problem);
    close_all(check);
    if (events)
        events->ended(arg, info, problem.error ? &problem : NULL);
    json_decref(info);
}

/* ---- the child ---- */

static void kill_child(struct dataset_check *check) {
    if (!check->exited)
        uv_process_kill(&check->process, SIGKILL);
}

static void lost_patience(uv_timer_t *timer) {
    struct dataset_check *check = timer->data;
    check->hung = true;
    kill_child(check);
    if (check->exited && check->events) { /* somebody else holds its pipe: nothing more is waited for */
        check->out_ended = true;
        end_when_all_is_there(check);
    }
}

/* Runs while it is the child that something waits for. */
static void be_patient(struct dataset_check *check) {
    if (uv_is_closing((uv_handle_t *)&check->patience))
        return;
    if (check->feeds > 0 || check->finished)
        uv_timer_start(&check->patience, lost_patience, PATIENCE_MS, 0);
    else
        uv_timer_stop(&check->patience);
}

static void on_ended(uv_process_t *process, int64_t status, int signal) {
    struct dataset_check *check = process->data;
    check->exited = true;
    check->deaf = true;
    check->status = status;
    check->signal = signal;
    if (check->events)
        end_when_all_is_there(check);
    else
        close_all(check);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    struct dataset_check *check = handle->data;
    bool fits = check->output.size < OUTPUT_MAX && buf_reserve(&check->output, 4096) == 0;
    *out = uv_buf_init(fits ? (char *)check->output.data + check->output.size : NULL, fits ? 4096 : 0);
}

static void on_output(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf) {
    struct dataset_check *check = stream->data;
    if (size > 0) {
        check->output.size += (size_t)size;
        be_patient(check);
    } else if (size == UV_ENOBUFS) { /* nobody says that much about a data set */
        check->hung = true;
        kill_child(check);
    }
    if (size < 0) {
        check->out_ended = true;
        uv_read_stop(stream);
        if (check->events)
            end_when_all_is_there(check);
    }
}

/* From outside, right after the start: the child has read nothing yet, since nothing was fed. A sanitizer's
 * shadow takes terabytes of address space, so under one there is no bound on memory. */
static void bound_child(pid_t pid) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const rlim_t bytes = (rlim_t)MEMORY_MIB << 20;
    prlimit(pid, RLIMIT_AS, &(struct rlimit){bytes, bytes}, NULL);
#endif
    prlimit(pid, RLIMIT_CPU, &(struct rlimit){CPU_S, CPU_S}, NULL);
    prlimit(pid, RLIMIT_CORE, &(struct rlimit){0, 0}, NULL);
}

static int spawn(uv_loop_t *loop, struct dataset_check *check, const char *program) {
    char *arguments[] = {(char *)(uintptr_t)program, "dataset-check", "-", NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&check->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&check->out},
        {.flags = UV_IGNORE},
    };
    uv_process_options_t options = {
        .exit_cb = on_ended, .file = program, .args = arguments, .stdio = stdio, .stdio_count = 3};
    return uv_spawn(loop, &check->process, &options);
}

int dataset_check_start(uv_loop_t *loop, const char *program, const struct dataset_check_events *events,
                        void *arg, struct dataset_check **out, struct problem *problem) {
    if (!program || !program[0])
        return problem_set(
            problem, TG_EUNAVAILABLE, NULL,
            "data sets cannot be taken: tengen-run, which checks them, is not beside tengen-server; "
            "install it, or name it with --runner");
    if (running >= CHECKS_MAX)
        return problem_set(problem, TG_EBUSY, NULL, "%d data sets are being checked; try again later",
                           running);
    struct dataset_check *check = calloc(1, sizeof *check);
    if (!check)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
    *check = (struct dataset_check){.events = events, .arg = arg, .open = 4};
    running++;
    uv_pipe_init(loop, &check->in, 0);
    uv_pipe_init(loop, &check->out, 0);
    uv_timer_init(loop, &check->patience);
    check->process.data = check->in.data = check->out.data = check->patience.data = check;
    int failed = spawn(loop, check, program);
    if (failed) { /* the process handle is initialized all the same, and closed like the others */
        check->events = NULL;
        check->exited = true;
        close_all(check);
        return problem_set(problem, TG_EUNAVAILABLE, NULL, "data sets cannot be checked: %s: %s", program,
                           uv_strerror(failed));
    }
    bound_child(check->process.pid);
    uv_read_start((uv_stream_t *)&check->out, on_alloc, on_output);
    *out = check;
    return 0;
}

/* ---- feeding ---- */

bool dataset_check_has_room(const struct dataset_check *check) {
    return check->feeds < FEEDS_MAX || check->deaf;
}

static void on_fed(uv_write_t *request, int status) {
    struct feed *feed = request->data;
    struct dataset_check *check = feed->check;
    free(feed);
    check->feeds--;
    check->deaf |= status < 0;
    be_patient(check);
    if (check->events)
        check->events->room(check->arg);
}

int dataset_check_feed(struct dataset_check *check, const void *data, size_t size) {
    if (check->deaf)
        return 0;
    struct feed *feed = malloc(sizeof *feed + size);
    if (!feed)
        return TG_ENO_MEMORY;
    feed->check = check;
    feed->request.data = feed;
    memcpy(feed->data, data, size);
    uv_buf_t buf = uv_buf_init((char *)feed->data, (unsigned)size);
    if (uv_write(&feed->request, (uv_stream_t *)&check->in, &buf, 1, on_fed) < 0) {
        free(feed);
        check->deaf = true;
        return 0;
    }
    check->feeds++;
    be_patient(check);
    return 0;
}

static void on_shutdown(uv_shutdown_t *request, int status) {
    struct dataset_check *check = request->handle->data;
    free(request);
    close_handle(&check->in);
}

void dataset_check_finish(struct dataset_check *check) {
    uv_shutdown_t *request = check->deaf ? NULL : malloc(sizeof *request);
    check->finished = true;
    be_patient(check);
    if (!request || uv_shutdown(request, (uv_stream_t *)&check->in, on_shutdown) < 0) {
        free(request);
        close_handle(&check->in);
    }
}

void dataset_check_cancel(struct dataset_check *check) {
    if (!check)
        return;
    check->events = NULL;
    kill_child(check);
    close_handle(&check->in);
    close_handle(&check->out);
    close_handle(&check->patience);
    if (check->exited)
        close_handle(&check->process);
}
