/* Supervision of runners: every way in which a process can end or misbehave, with /bin/sh and printf as the
 * runner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/buf.h"
#include "workers/agent/process.h"
#include "workers/agent/runner.h"

struct seen {
    struct runner *runner;
    int frames, lines, gone;
    size_t longest_line;
    char last_line[RUNNER_LINE_MAX + 1];
    enum log_level level;
    struct problem problem;
    bool failed;
    bool pause; /* at every frame */
};

static void on_frame(void *context, struct frame *frame) {
    struct seen *seen = context;
    seen->frames++;
    if (seen->pause)
        runner_pause(seen->runner);
    frame_free(frame);
}

static void on_line(void *context, enum log_level level, const char *text) {
    struct seen *seen = context;
    seen->lines++;
    seen->level = level;
    if (strlen(text) > seen->longest_line)
        seen->longest_line = strlen(text);
    snprintf(seen->last_line, sizeof seen->last_line, "%s", text);
}

static void on_gone(void *context, const struct problem *problem) {
    struct seen *seen = context;
    assert_int_equal(seen->gone, 0); /* once */
    seen->gone++;
    seen->runner = NULL;
    seen->failed = problem != NULL;
    if (problem)
        seen->problem = *problem;
}

static const struct runner_events events = {on_frame, on_line, on_gone};

static uv_loop_t loop;

static struct seen run(const char *script, int64_t hang_s) {
    static struct seen seen;
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct runner_config config = {.argv = argv, .hang_s = hang_s};
    json_t *task = json_pack("{s:s}", "type", "task");
    seen = (struct seen){0};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(runner_start(&loop, &config, task, &events, &seen, &seen.runner, &seen.problem), 0);
    json_decref(task);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(seen.gone, 1);
    return seen;
}

/* A file with `count` frames, each with `size` bytes of body; the scripts cat it. */
static void make_frames(char path[64], int count, size_t size) {
    struct buf out = BUF_INIT;
    uint8_t *body = calloc(1, size + 1);
    json_t *header = json_pack("{s:s}", "type", "progress");
    for (int i = 0; i < count; i++)
        assert_int_equal(frame_encode(&out, header, body, size), 0);
    snprintf(path, 64, "/tmp/tengen-frames-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, out.data, out.size), (ssize_t)out.size);
    close(fd);
    json_decref(header);
    free(body);
    buf_free(&out);
}

static void test_frames_and_lines(void **state) {
    char path[64], script[256];
    make_frames(path, 5, 100000);
    snprintf(script, sizeof script, "cat %s; echo hello >&2; printf 'no newline' >&2", path);
    struct seen seen = run(script, 0);
    assert_int_equal(seen.frames, 5);
    assert_int_equal(seen.lines, 2);
    assert_string_equal(seen.last_line, "no newline");
    assert_false(seen.failed);
    unlink(path);
}

static void test_ends(void **state) {
    static const struct {
        const char *script, *words;
    } cases[] = {{"kill -SEGV $$", "SIGSEGV"},
                 {"kill -KILL $$", "SIGKILL"},
                 {"exit 7", "status 7"},
                 {"printf 'some text that is no frame at all'; sleep 100", "not a frame"},
                 {"printf '\\377\\377\\377\\377more'; sleep 100", "not a frame"},
                 {"printf '\\040\\000\\000\\000'", "within a frame"}};
    char path[64], script[256];
    make_frames(path, 1, 10);
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        bool spoke = i % 2 == 1;
        snprintf(script, sizeof script, "%s%s; %s", spoke ? "cat " : "", spoke ? path : ":",
                 cases[i / 2].script);
        struct seen seen = run(script, 0);
        assert_true(seen.failed);
        assert_int_equal(seen.frames, spoke);
        assert_non_null(strstr(seen.problem.detail, cases[i / 2].words));
        /* One that has never said a word does not work on this machine; a SIGKILL says nothing of it. */
        bool unfit = !spoke && strstr(script, "KILL") == NULL;
        assert_int_equal(seen.problem.error, unfit ? TG_EUNAVAILABLE : TG_ERUNNER);
        assert_int_equal(strstr(seen.problem.detail, "before its first word") != NULL, unfit);
    }
    unlink(path);
}

static void test_a_standstill_is_a_hang(void **state) {
    struct seen seen = run("sleep 100", 1);
    assert_true(seen.failed);
    assert_int_equal(seen.problem.error, TG_EHANG);
}

static void test_a_child_left_behind_does_not_hold_the_pipes(void **state) {
    struct seen seen = run("sleep 1000 & exit 0", 0);
    assert_false(seen.failed);
}

static void test_stderr_is_bounded(void **state) {
    struct seen seen = run("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done", 0);
    assert_in_range(seen.lines, 1, RUNNER_LINES_BURST + 20 * RUNNER_LINES_PER_TICK);
    seen = run("head -c 100000 /dev/zero | tr '\\0' x >&2", 0);
    assert_int_equal(seen.lines, 1);
    assert_int_equal(seen.longest_line, RUNNER_LINE_MAX);
}

static void test_levels_of_our_own_lines(void **state) {
    struct seen seen = run("echo '2026-11-23T21:44:04.123Z warn  go: something' >&2", 0);
    assert_int_equal(seen.level, LOG_WARN);
    assert_string_equal(seen.last_line, "go: something");
}

static void on_resume(uv_timer_t *timer) {
    struct seen *seen = timer->data;
    if (seen->runner)
        runner_resume(seen->runner);
    else
        uv_close((uv_handle_t *)timer, NULL);
}

/* Frames wait while paused, one at a time, even after the process is gone; none is lost. */
static void test_pausing(void **state) {
    static struct seen seen;
    char path[64], script[256];
    uv_timer_t timer;
    make_frames(path, 7, 300000);
    snprintf(script, sizeof script, "cat %s", path);
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct runner_config config = {.argv = argv};
    json_t *task = json_pack("{s:s}", "type", "task");
    seen = (struct seen){.pause = true};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(runner_start(&loop, &config, task, &events, &seen, &seen.runner, NULL), 0);
    uv_timer_init(&loop, &timer);
    timer.data = &seen;
    uv_timer_start(&timer, on_resume, 20, 20);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(seen.frames, 7);
    assert_int_equal(seen.gone, 1);
    assert_false(seen.failed);
    json_decref(task);
    unlink(path);
}

static void test_a_program_that_is_not_there(void **state) {
    const char *const argv[] = {"/nonexistent/tengen-run", NULL};
    struct process process;
    struct problem problem = {0};
    assert_int_equal(process_start(argv, 0, &process, &problem), TG_EUNAVAILABLE);
    assert_non_null(strstr(problem.detail, "No such file"));
}

/* The child inherits nothing but its three pipes. */
static void test_no_descriptor_leaks(void **state) {
    int inherited = fcntl(STDIN_FILENO, F_DUPFD, 50); /* without close-on-exec, as a library might */
    assert_true(inherited >= 50);
    struct seen seen = run("ls /proc/self/fd | wc -l >&2", 0); /* 0, 1, 2 and the folder that ls reads */
    assert_string_equal(seen.last_line, "4");
    close(inherited);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_and_lines),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_a_standstill_is_a_hang),
        cmocka_unit_test(test_a_child_left_behind_does_not_hold_the_pipes),
        cmocka_unit_test(test_stderr_is_bounded),
        cmocka_unit_test(test_levels_of_our_own_lines),
        cmocka_unit_test(test_pausing),
        cmocka_unit_test(test_a_program_that_is_not_there),
        cmocka_unit_test(test_no_descriptor_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
