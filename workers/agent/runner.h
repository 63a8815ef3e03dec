/* runner.h - supervises one runner: a process that computes one task, frames in, frames out.
 *
 *      stdin  <--- frames (task, stop)             written without blocking
 *      stdout ---> frames (hello, progress, ...)   on_frame, until runner_pause
 *      stderr ---> lines                           on_line, cut to RUNNER_LINE_MAX, so many a second
 *      exit, standstill, memory, nonsense          on_gone, once, the last call of all
 *
 * A runner is not trusted: it may crash, hang, flood, lie or ignore `stop`. Whatever it does ends in on_gone,
 * with a problem that says what happened, and costs this one task. on_gone comes after the process was reaped
 * and all that it had written was read, so that no finished chunk is overlooked.
 *
 * What that problem is: TG_ERUNNER and TG_EHANG are the runner's own. TG_EUNAVAILABLE (field "runner"), when
 * it ended before its first frame, is this machine's: a program that is missing, or does not run here.
 * TG_ENO_MEMORY: it wanted more than the limit.
 *
 * Standstill: no frame for `hang_s` while we were reading. The time in which we pause it does not count.
 * Loop thread only, which must be the main thread (process.h). The program ignores SIGPIPE.
 */
#ifndef TENGEN_AGENT_RUNNER_H
#define TENGEN_AGENT_RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "proto/base/log.h"
#include "proto/wire/frame.h"

struct runner;

enum {
    RUNNER_LINE_MAX = 1024,     /* bytes of a stderr line; the rest is cut */
    RUNNER_LINES_PER_TICK = 20, /* a tick is half a second; the lines beyond are counted, not kept */
    RUNNER_LINES_BURST = 200,
    RUNNER_GRACE_MS = 10000 /* after its last frame, or a stop "now", it has this long to exit */
};

struct runner_config {
    const char *const *argv; /* NULL-terminated; argv[0] is a path */
    int nice_level;
    int64_t hang_s;       /* 0: no limit */
    int64_t memory_bytes; /* resident, with its engines; 0: no limit */
};

struct runner_events {
    /* Any frame but the first hello; it is the callee's to free. May call runner_pause. */
    void (*on_frame)(void *context, struct frame *frame);
    void (*on_line)(void *context, enum log_level level, const char *text);
    /* `problem` is NULL when it exited with status 0 by itself. The runner is freed afterwards. */
    void (*on_gone)(void *context, const struct problem *problem);
};

/* Sends `task_frame` (the header) first. TG_EUNAVAILABLE: it cannot be started. */
int runner_start(uv_loop_t *loop, const struct runner_config *config, const json_t *task_frame,
                 const struct runner_events *events, void *context, struct runner **runner,
                 struct problem *problem);

void runner_pause(struct runner *runner); /* no more frames until resumed: what it writes waits in the pipe */
void runner_resume(struct runner *runner); /* may call on_frame before it returns */

enum runner_stop { RUNNER_DRAIN, RUNNER_NOW };
void runner_stop(struct runner *runner, enum runner_stop mode); /* asks; NOW kills after the grace */
/* It has said its last frame: it is killed when it does not exit within the grace. */
void runner_expect_exit(struct runner *runner);
void runner_kill(
    struct runner *runner); /* on_gone follows; frames that wait are still delivered unless paused */

/* Frames that were written before a kill are not wanted any more (the lease is lost). */
void runner_ignore_frames(struct runner *runner);

int64_t runner_pid(const struct runner *runner);

#endif
