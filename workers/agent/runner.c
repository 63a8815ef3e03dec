/* runner.c - see runner.h. How a runner's life is followed, and how it ends.
 *
 *     running ---> dying ---> reaped ---> closing ---> on_gone, freed
 *        |           ^          |            ^
 *        |           |          |            +-- stdout and stderr at their end, all frames taken
 *        |           |          +-- its group is killed: engines that it left behind hold the pipes open
 *        |           +-- condemn(): hang, memory, nonsense, no exit in its grace; or runner_kill()
 *        +-- an exit by itself goes straight to reaped
 *
 * Three things must have happened before on_gone: the process was reaped, stdout was read to its end and its
 * frames were taken (or nobody wants them), stderr was read to its end. An engine in a group of its own whose
 * runner died by itself is not found any more (ours end by themselves then); pipes that are open some seconds
 * after the end are given up. What the runner itself wrote was read by then.
 *
 * SIGCHLD is one signal for many children and may be merged, so each runner asks for its own pid: a
 * uv_signal_t of its own for promptness and its tick in case of doubt.
 *
 * Whose fault it was is decided by what came first (blame): SIGKILL after a hang is the hang's. A runner that
 * never said a word is the machine's fault (disown), unless somebody killed it (`murdered`).
 *
 * Back-pressure, so that a runner cannot fill our memory whatever it does:
 *     stdout   while paused nothing more is read; what is decoded already waits, a block at most
 *     stderr   after STDERR_PER_TICK bytes nothing is read before the next tick, and lines beyond
 *              RUNNER_LINES_PER_TICK are counted, not kept
 *
 * A pipe that is full stops the runner in its write, which is the point: a flood slows down the one who makes
 * it. The time in which we do not read its frames does not count as a standstill.
 *
 * The block that is read into belongs to the runner, one for both pipes: libuv reads and hands over before it
 * asks for the next block, and the decoder copies.
 */
#include "workers/agent/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "workers/agent/process.h"

enum { TICK_MS = 500, READ_BYTES = 65536, STDERR_PER_TICK = 256 << 10, ORPHANED_PIPES_MS = 5000 };

struct runner {
    struct runner_config config;
    struct runner_events events;
    void *context;
    pid_t pid;
    uv_pipe_t in, out, err;
    uv_timer_t tick;
    uv_signal_t child;
    int open_handles;
    struct frame_decoder decoder;
    char line[RUNNER_LINE_MAX + 1];
    size_t line_size;
    bool line_cut;
    unsigned lines_left, lines_dropped;
    size_t err_left; /* bytes of stderr still read in this tick */
    bool paused, ignoring, delivering;
    bool heard;    /* a frame has come: the program works on this machine */
    bool murdered; /* SIGKILL, and nothing that we blame it for: by a person, or not wanted any more */
    bool reaped, out_ended, err_ended, in_closed, err_stopped, closing;
    int status;             /* of waitpid */
    int64_t last_frame_ms;  /* or last resume, or the end */
    int64_t kill_at_ms;     /* 0: no */
    struct problem problem; /* the first thing that went wrong */
    char block[READ_BYTES];
};

static void deliver(struct runner *runner);
static void maybe_finish(struct runner *runner);

/* ---- the end ---- */

static void blame(struct runner *runner, int error, const char *field, const char *text) {
    if (!runner->problem.error)
        problem_set(&runner->problem, error, field, "%s", text);
}

void runner_kill(struct runner *runner) {
    if (!runner->reaped) /* a reaped pid may be somebody else's by now */
        process_kill(runner->pid);
}

static void condemn(struct runner *runner, int error, const char *text) {
    blame(runner, error, "runner", text);
    runner_kill(runner);
}

static void read_status(struct runner *runner) {
    char text[128];
    if (WIFSIGNALED(runner->status)) {
        const char *name = sigabbrev_np(WTERMSIG(runner->status));
        runner->murdered = WTERMSIG(runner->status) == SIGKILL && !runner->problem.error;
        snprintf(text, sizeof text, "the runner was ended by SIG%s%s", name ? name : "?",
                 WCOREDUMP(runner->status) ? " (core dumped)" : "");
        blame(runner, TG_ERUNNER, "runner", text);
    } else if (WEXITSTATUS(runner->status) != 0) {
        snprintf(text, sizeof text, "the runner exited with status %d", WEXITSTATUS(runner->status));
        blame(runner, TG_ERUNNER, "runner", text);
    }
}

static void reap(struct runner *runner) {
    if (runner->reaped || waitpid(runner->pid, &runner->status, WNOHANG) != runner->pid)
        return;
    runner->reaped = true;
    runner->last_frame_ms = clock_monotonic_ms(); /* from here on: how long the pipes outlive it */
    kill(-runner->pid, SIGKILL);                  /* engines it left behind */
    read_status(runner);
    maybe_finish(runner);
}

static void handle_closed(uv_handle_t *handle) {
    struct runner *runner = handle->data;
    if (--runner->open_handles > 0)
        return;
    frame_decoder_free(&runner->decoder);
    free(runner);
}

static void close_all(struct runner *runner) {
    runner->closing = true;
    uv_handle_t *handles[] = {(uv_handle_t *)&runner->in, (uv_handle_t *)&runner->out,
                              (uv_handle_t *)&runner->err, (uv_handle_t *)&runner->tick,
                              (uv_handle_t *)&runner->child};
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        if (!uv_is_closing(handles[i]))
            uv_close(handles[i], handle_closed);
}

static void flush_line(struct runner *runner);

/* It has never said a word, so the task cannot be blamed. */
static void disown(struct runner *runner) {
    struct problem *problem = &runner->problem;
    problem_set(
        problem, TG_EUNAVAILABLE, "runner",
        "%s before its first word: it does not work on this machine (the job's log may say why); build "
        "Tengen there anew, or name another with --runner",
        problem->detail);
}

/* Called wherever one of the three conditions has come true; the last one finishes. */
static void maybe_finish(struct runner *runner) {
    if (runner->closing || !runner->reaped || !runner->err_ended || !runner->out_ended)
        return;
    flush_line(runner);
    close_all(runner);
    if (!runner->heard && !runner->murdered && runner->problem.error == TG_ERUNNER)
        disown(runner);
    runner->events.on_gone(runner->context, runner->problem.error ? &runner->problem : NULL);
}

/* ---- stdout: frames ---- */

static void on_block(uv_handle_t *handle, size_t suggested, uv_buf_t *block) {
    struct runner *runner = handle->data;
    *block = uv_buf_init(runner->block, sizeof runner->block);
}

static void on_out(uv_stream_t *stream, ssize_t n, const uv_buf_t *block) {
    struct runner *runner = stream->data;
    if (n < 0) {
        uv_read_stop(stream);
        runner->out_ended = true;
        if (!runner->ignoring && runner->decoder.pending.size > 0)
            blame(runner, TG_ERUNNER, "runner", "the runner's output ended within a frame");
        maybe_finish(runner);
        return;
    }
    if (n == 0 || runner->ignoring)
        return;
    if (frame_decoder_feed(&runner->decoder, block->base, (size_t)n) != 0)
        condemn(runner, TG_ERUNNER, "the runner wrote something that is not a frame");
    deliver(runner);
}

/* Hands out the frames that are whole, until paused. on_frame may pause, stop or kill. */
static void deliver(struct runner *runner) {
    if (runner->delivering)
        return; /* runner_resume, called from within on_frame: the loop below goes on by itself */
    runner->delivering = true;
    while (!runner->paused && !runner->ignoring) {
        struct frame frame;
        struct problem problem = {0};
        int result = frame_decoder_next(&runner->decoder, &frame, &problem);
        if (result < 0) {
            condemn(runner, TG_ERUNNER, "the runner wrote something that is not a frame");
            runner->ignoring = true;
        }
        if (result <= 0)
            break;
        runner->heard = true;
        runner->last_frame_ms = clock_monotonic_ms();
        runner->events.on_frame(runner->context, &frame);
    }
    runner->delivering = false;
}

void runner_pause(struct runner *runner) {
    runner->paused = true;
    if (!runner->out_ended)
        uv_read_stop((uv_stream_t *)&runner->out);
}

void runner_resume(struct runner *runner) {
    if (!runner->paused)
        return;
    runner->paused = false;
    runner->last_frame_ms = clock_monotonic_ms();
    deliver(runner); /* the frames that are decoded already first: their order is the runner's */
    if (runner->paused)
        return;
    if (!runner->out_ended)
        uv_read_start((uv_stream_t *)&runner->out, on_block, on_out);
    maybe_finish(runner);
}

void runner_ignore_frames(struct runner *runner) {
    runner->ignoring = true;
    if (runner->paused)
        runner_resume(runner);
}

/* ---- stderr: lines ---- */

/* Our own programs log "2026-11-23T21:44:04.123Z warn  part: text"; everything else is information. */
static enum log_level level_of(const char *line, const char **text) {
    static const struct {
        const char *word;
        enum log_level level;
    } levels[] = {{"debug ", LOG_DEBUG}, {"info  ", LOG_INFO}, {"warn  ", LOG_WARN}, {"error ", LOG_ERROR}};
    *text = line;
    if (strlen(line) > 31 && line[10] == 'T' && line[23] == 'Z' && line[24] == ' ')
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
            if (strncmp(line + 25, levels[i].word, 6) == 0) {
                *text = line + 31;
                return levels[i].level;
            }
    return LOG_INFO;
}

static void flush_line(struct runner *runner) {
    if (runner->line_size == 0)
        return;
    runner->line[runner->line_size] = 0;
    if (runner->lines_left == 0) {
        runner->lines_dropped++;
    } else {
        runner->lines_left--;
        const char *text;
        enum log_level level = level_of(runner->line, &text);
        runner->events.on_line(runner->context, level, text);
    }
    runner->line_size = 0;
    runner->line_cut = false;
}

static void take_text(struct runner *runner, const char *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n' || data[i] == '\r')
            flush_line(runner);
        else if (runner->line_size < RUNNER_LINE_MAX)
            runner->line[runner->line_size++] = data[i] ? data[i] : ' ';
        else
            runner->line_cut = true;
    }
}

static void on_err(uv_stream_t *stream, ssize_t n, const uv_buf_t *block) {
    struct runner *runner = stream->data;
    if (n < 0) {
        uv_read_stop(stream);
        runner->err_ended = true;
        maybe_finish(runner);
        return;
    }
    take_text(runner, block->base, (size_t)n);
    if ((size_t)n < runner->err_left) {
        runner->err_left -= (size_t)n;
        return;
    }
    uv_read_stop(stream); /* a flood: it goes on at the next tick, the pipe holds the runner back meanwhile */
    runner->err_left = 0;
    runner->err_stopped = true;
}

static void refill_lines(struct runner *runner) {
    if (runner->lines_dropped > 0 && runner->lines_left < RUNNER_LINES_PER_TICK) {
        char text[96];
        snprintf(text, sizeof text, "(%u lines of the runner were dropped: too many a second)",
                 runner->lines_dropped);
        runner->lines_dropped = 0;
        runner->events.on_line(runner->context, LOG_WARN, text);
    }
    runner->lines_left += RUNNER_LINES_PER_TICK;
    if (runner->lines_left > RUNNER_LINES_BURST)
        runner->lines_left = RUNNER_LINES_BURST;
    runner->err_left = STDERR_PER_TICK;
    if (runner->err_stopped && !runner->err_ended) {
        runner->err_stopped = false;
        uv_read_start((uv_stream_t *)&runner->err, on_block, on_err);
    }
}

/* ---- limits ---- */

/* Somebody whom we cannot find holds the pipes of a runner that is gone. While it is paused we are the ones
 * who hold it up: then its last frames are still to come. */
static void give_up_pipes(struct runner *runner, int64_t now) {
    if (runner->paused || now - runner->last_frame_ms < ORPHANED_PIPES_MS)
        return;
    uv_read_stop((uv_stream_t *)&runner->out);
    uv_read_stop((uv_stream_t *)&runner->err);
    runner->out_ended = runner->err_ended = true;
    maybe_finish(runner);
}

static void on_tick(uv_timer_t *timer) {
    struct runner *runner = timer->data;
    int64_t now = clock_monotonic_ms();
    char text[160];
    refill_lines(runner); /* first: what it says last before it is reaped has room again */
    reap(runner);
    if (runner->reaped && !runner->closing)
        give_up_pipes(runner, now);
    if (runner->closing || runner->reaped)
        return;
    if (runner->config.hang_s > 0 && !runner->paused &&
        now - runner->last_frame_ms > runner->config.hang_s * 1000) {
        snprintf(text, sizeof text, "the runner made no progress for %lld s",
                 (long long)runner->config.hang_s);
        condemn(runner, TG_EHANG, text);
    }
    if (runner->kill_at_ms && now >= runner->kill_at_ms)
        condemn(runner, TG_ERUNNER, "the runner did not exit when it was told to");
    if (runner->config.memory_bytes > 0) {
        uint64_t used = process_memory_bytes(runner->pid);
        if (used > (uint64_t)runner->config.memory_bytes) {
            snprintf(text, sizeof text,
                     "the runner and its engines used %llu MiB of memory; the limit is %lld MiB",
                     (unsigned long long)(used >> 20), (long long)(runner->config.memory_bytes >> 20));
            condemn(runner, TG_ENO_MEMORY, text);
        }
    }
}

static void on_child(uv_signal_t *signal, int number) {
    reap(signal->data);
}

/* ---- stdin: what we say ---- */

struct sending {
    uv_write_t write;
    struct buf bytes;
};

static void on_written(uv_write_t *write, int status) {
    struct sending *sending = write->data;
    buf_free(&sending->bytes);
    free(sending); /* a runner that does not read is noticed by its silence */
}

static int send_frame(struct runner *runner, const json_t *header) {
    struct sending *sending = calloc(1, sizeof *sending);
    if (!sending)
        return TG_ENO_MEMORY;
    sending->write.data = sending;
    int error = frame_encode(&sending->bytes, header, NULL, 0);
    uv_buf_t block = uv_buf_init((char *)sending->bytes.data, (unsigned)sending->bytes.size);
    if (!error && uv_write(&sending->write, (uv_stream_t *)&runner->in, &block, 1, on_written) < 0)
        error = TG_EIO;
    if (error) {
        buf_free(&sending->bytes);
        free(sending);
    }
    return error;
}

void runner_stop(struct runner *runner, enum runner_stop mode) {
    json_t *header = json_pack("{s:s, s:s}", "type", "stop", "mode", mode == RUNNER_NOW ? "now" : "drain");
    if (header)
        (void)send_frame(runner, header);
    json_decref(header);
    if (mode == RUNNER_NOW)
        runner_expect_exit(runner);
}

void runner_expect_exit(struct runner *runner) {
    if (runner->kill_at_ms == 0)
        runner->kill_at_ms = clock_monotonic_ms() + RUNNER_GRACE_MS;
}

int64_t runner_pid(const struct runner *runner) {
    return runner->pid;
}

/* ---- the start ---- */

static void open_handles(struct runner *runner, uv_loop_t *loop, const struct process *process) {
    uv_pipe_init(loop, &runner->in, 0);
    uv_pipe_init(loop, &runner->out, 0);
    uv_pipe_init(loop, &runner->err, 0);
    uv_timer_init(loop, &runner->tick);
    uv_signal_init(loop, &runner->child);
    runner->in.data = runner->out.data = runner->err.data = runner->tick.data = runner->child.data = runner;
    runner->open_handles = 5;
    uv_pipe_open(&runner->in, process->in);
    uv_pipe_open(&runner->out, process->out);
    uv_pipe_open(&runner->err, process->err);
    uv_read_start((uv_stream_t *)&runner->out, on_block, on_out);
    uv_read_start((uv_stream_t *)&runner->err, on_block, on_err);
    uv_timer_start(&runner->tick, on_tick, TICK_MS, TICK_MS);
    uv_signal_start(&runner->child, on_child, SIGCHLD);
}

int runner_start(uv_loop_t *loop, const struct runner_config *config, const json_t *task_frame,
                 const struct runner_events *events, void *context, struct runner **out,
                 struct problem *problem) {
    struct process process;
    struct runner *runner = calloc(1, sizeof *runner);
    if (!runner)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    int error = process_start(config->argv, config->nice_level, &process, problem);
    if (error) {
        free(runner);
        return error;
    }
    runner->config = *config;
    runner->events = *events;
    runner->context = context;
    runner->pid = process.pid;
    runner->lines_left = RUNNER_LINES_BURST;
    runner->err_left = STDERR_PER_TICK;
    runner->last_frame_ms = clock_monotonic_ms();
    frame_decoder_init(&runner->decoder);
    open_handles(runner, loop, &process);
    /* A process lives from here on, so even this ends in on_gone and not in an error of ours. */
    if (send_frame(runner, task_frame) != 0)
        condemn(runner, TG_ERUNNER, "the task could not be written to the runner");
    *out = runner;
    return 0;
}
