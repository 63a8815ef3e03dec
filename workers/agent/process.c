#include "workers/agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN, OUT, ERR, PIPES };

static void close_pair(int pair[2]) {
    for (int end = 0; end < 2; end++)
        if (pair[end] >= 0)
            close(pair[end]);
}

static void reset_signals(void) {
    struct sigaction fallback = {.sa_handler = SIG_DFL};
    for (int signal = 1; signal < NSIG; signal++)
        sigaction(signal, &fallback, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: nothing here may allocate or lock. Reports errno through `report` when it fails. */
_Noreturn static void become(const char *const *argv, int nice_level, int fds[PIPES], int report,
                             pid_t parent) {
    int error = 0;
    reset_signals();
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        error = errno;
    if (getppid() != parent)
        _exit(127); /* the parent died before prctl */
    if (nice_level != 0)
        (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + nice_level);
    for (int i = 0; i < PIPES && !error; i++)
        if (dup2(fds[i], i) < 0)
            error = errno;
    if (!error && dup3(report, PIPES, O_CLOEXEC) < 0)
        error = errno;
    if (!error) {
        close_range(PIPES + 1, ~0U, 0);
        execv(argv[0], (char *const *)argv);
        error = errno;
        report = PIPES;
    }
    (void)!write(report, &error, sizeof error);
    _exit(127);
}

/* Pipe ends above the three standard numbers, so that dup2 in the child cannot overwrite one of them. */
static int open_pipes(int pipes[PIPES + 1][2]) {
    for (int i = 0; i <= PIPES; i++)
        pipes[i][0] = pipes[i][1] = -1;
    for (int i = 0; i <= PIPES; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) < 0)
            return -1;
        for (int end = 0; end < 2; end++) {
            int high =
                pipes[i][end] > PIPES ? pipes[i][end] : fcntl(pipes[i][end], F_DUPFD_CLOEXEC, PIPES + 1);
            if (high < 0)
                return -1;
            if (high != pipes[i][end])
                close(pipes[i][end]);
            pipes[i][end] = high;
        }
    }
    return 0;
}

int process_start(const char *const *argv, int nice_level, struct process *process, struct problem *problem) {
    int pipes[PIPES + 1][2];
    int opened = open_pipes(pipes);
    pid_t parent = getpid();
    pid_t pid = opened == 0 ? fork() : -1;
    if (pid < 0) {
        int reason = errno;
        for (int i = 0; i <= PIPES; i++)
            close_pair(pipes[i]);
        return problem_set(problem, TG_ERUNNER, "runner", "cannot start a process: %s", strerror(reason));
    }
    if (pid == 0) {
        int fds[PIPES] = {pipes[IN][0], pipes[OUT][1], pipes[ERR][1]};
        become(argv, nice_level, fds, pipes[PIPES][1], parent);
    }
    setpgid(pid, pid); /* in both, so that a kill of the group right now finds it */
    close(pipes[IN][0]);
    close(pipes[OUT][1]);
    close(pipes[ERR][1]);
    close(pipes[PIPES][1]);
    int reason = 0;
    ssize_t n;
    do
        n = read(pipes[PIPES][0], &reason, sizeof reason); /* ends at the exec */
    while (n < 0 && errno == EINTR);
    close(pipes[PIPES][0]);
    *process = (struct process){pid, pipes[IN][1], pipes[OUT][0], pipes[ERR][0]};
    if (n != sizeof reason)
        return 0;
    close(process->in);
    close(process->out);
    close(process->err);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return problem_set(problem, TG_ERUNNER, "runner", "cannot start %s: %s", argv[0], strerror(reason));
}

void process_kill(pid_t pid) {
    if (kill(-pid, SIGKILL) < 0)
        kill(pid, SIGKILL);
}

uint64_t process_memory_bytes(pid_t pid) {
    char path[64], text[128];
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    char *at = strchr(text, ' ');
    return at ? strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
