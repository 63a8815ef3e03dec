#include "workers/agent/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/wire/json.h"

enum { ASK_LIMIT_BYTES = 4 << 20, ASK_LIMIT_MS = 15000 };

int machine_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

uint64_t machine_memory_bytes(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

/* The value of the first line "NAME<blanks>: VALUE" of a file like /proc/cpuinfo. */
static void field_of(const char *path, const char *name, char *out, size_t size) {
    char line[512];
    FILE *file = fopen(path, "re");
    out[0] = 0;
    while (file && !out[0] && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (colon && strncmp(line, name, strlen(name)) == 0)
            snprintf(out, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    if (file)
        fclose(file);
}

static const char *instruction_set(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
        return "avx512";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "avx2";
    if (__builtin_cpu_supports("avx"))
        return "avx";
    return "baseline";
#elif defined(__aarch64__)
    return "neon";
#else
    return "baseline";
#endif
}

json_t *machine_describe(void) {
    struct utsname system;
    char cpu[128], os[256] = "unknown";
    if (uname(&system) == 0)
        snprintf(os, sizeof os, "%.60s %.60s %.60s", system.sysname, system.release, system.machine);
    field_of("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    if (!cpu[0])
        snprintf(cpu, sizeof cpu, "%s", "unknown");
    return json_pack("{s:s, s:s, s:s, s:i, s:I, s:s}", "os", os, "cpu", cpu, "isa", instruction_set(),
                     "cores", machine_cores(), "memory_bytes", (json_int_t)machine_memory_bytes(), "version",
                     TENGEN_VERSION);
}

/* Accepts {"kinds": [...]} or [...], of objects with a "name" or of names. */
static json_t *names_of(const json_t *answer) {
    const json_t *list = json_is_object(answer) ? json_object_get(answer, "kinds") : answer;
    json_t *names = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        const json_t *name = json_is_object(item) ? json_object_get(item, "name") : item;
        if (json_is_string(name))
            json_array_append_new(names, json_string(json_string_value(name)));
    }
    return names;
}

static int read_answer(int fd, struct buf *out) {
    int64_t deadline = clock_monotonic_ms() + ASK_LIMIT_MS;
    for (;;) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - clock_monotonic_ms();
        int ready = left > 0 ? poll(&waiting, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return TG_EHANG;
        char block[4096];
        ssize_t n = read(fd, block, sizeof block);
        if (n == 0)
            return 0;
        if (n < 0 || buf_append(out, block, (size_t)n) != 0)
            return TG_EIO;
    }
}

static int spawn_kinds(const char *runner, pid_t *pid, int *out) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    char *const arguments[] = {(char *)runner, "kinds", "--json", NULL};
    int error = posix_spawn(pid, runner, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error)
        close(ends[0]);
    else
        *out = ends[0];
    return error;
}

int machine_ask_kinds(const char *runner, json_t **kinds, struct problem *problem) {
    pid_t pid = -1;
    int fd = -1;
    int error = spawn_kinds(runner, &pid, &fd);
    if (error)
        return problem_set(problem, TG_ERUNNER, "runner",
                           "cannot start %s: %s; name the program tengen-run with --runner", runner,
                           strerror(error));
    struct buf text = {.limit = ASK_LIMIT_BYTES};
    error = read_answer(fd, &text);
    close(fd);
    if (error)
        kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    json_t *answer = error || status != 0 ? NULL : json_parse(text.data, text.size, NULL);
    buf_free(&text);
    *kinds = answer ? names_of(answer) : NULL;
    json_decref(answer);
    if (*kinds && json_array_size(*kinds) > 0)
        return 0;
    json_decref(*kinds);
    *kinds = NULL;
    return problem_set(problem, TG_ERUNNER, "runner",
                       "`%s kinds --json` did not list any kind; name the program tengen-run with --runner",
                       runner);
}
