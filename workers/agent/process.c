/* process.c - see process.h.
 *
 * The start, and how its failure is told: the child writes errno into a fourth pipe when anything fails up to
 * exec, and that pipe closes on exec. So reading its end means that the program runs, and four bytes mean why
 * it does not; nobody has to guess from an exit code.
 *
 *     pipe2 x 4, moved above 3 ---> fork ---> parent: close the child's ends, read the report, to its end
 *                                     |
 *                                     +-----> child: signals, group, death signal, nice, dup2, close, exec
 *
 * PR_SET_PDEATHSIG is set after the fork and may come too late: so the child then asks whether its parent is
 * still the one that forked it.
 *
 * The tree of what a runner has started is read from /proc when it is needed (twice a second for the memory,
 * and for a kill). Kept lists would be wrong the moment after; and a bound (TREE_MAX) keeps a fork bomb from
 * making the agent slow.
 */
#include "workers/agent/process.h"

#include <dirent.h>
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
        return problem_set(problem, TG_EUNAVAILABLE, "runner", "cannot start a process: %s",
                           strerror(reason));
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
    return problem_set(problem, TG_EUNAVAILABLE, "runner", "cannot start %s: %s", argv[0], strerror(reason));
}

/* ---- what it has started ---- */

enum { COMMAND_BYTES = 512, TREE_MAX = 64 };

/* Up to `size` - 1 bytes of a file of /proc, ended by a 0; how many. 0 when the process is gone. */
static size_t read_proc(pid_t pid, const char *name, char *out, size_t size) {
    char path[96];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

static uint64_t resident_bytes(pid_t pid) {
    char text[128];
    (void)read_proc(pid, "statm", text, sizeof text);
    char *at = strchr(text, ' ');
    return at ? strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* Calls `visit` for the children of `pid`, their children, and so on, each after its parent, at most *left
 * processes: a bound, whatever a runner does. /proc/PID/task/TID/children lists what each thread has started,
 * so that only these are looked at and not all processes of the machine. */
static void walk_descendants(pid_t pid, int *left, void (*visit)(pid_t parent, pid_t child, void *context),
                             void *context) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *threads = opendir(path);
    for (struct dirent *thread; threads && (thread = readdir(threads));) {
        if (thread->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "task/%ld/children", strtol(thread->d_name, NULL, 10));
        (void)read_proc(pid, path, text, sizeof text);
        char *rest = NULL;
        for (char *word = strtok_r(text, " ", &rest); word && *left > 0; word = strtok_r(NULL, " ", &rest)) {
            pid_t child = (pid_t)strtol(word, NULL, 10);
            --*left;
            visit(pid, child, context);
            walk_descendants(child, left, visit, context);
        }
    }
    if (threads)
        closedir(threads);
}

/* A child that has not called exec has its parent's command line; its pages are its parent's, and are not
 * counted twice. */
static void add_memory(pid_t parent, pid_t child, void *sum) {
    char of_parent[COMMAND_BYTES], of_child[COMMAND_BYTES];
    size_t n = read_proc(parent, "cmdline", of_parent, sizeof of_parent);
    size_t m = read_proc(child, "cmdline", of_child, sizeof of_child);
    if (n != m || memcmp(of_parent, of_child, n) != 0)
        *(uint64_t *)sum += resident_bytes(child);
}

uint64_t process_memory_bytes(pid_t pid) {
    uint64_t sum = resident_bytes(pid);
    int left = TREE_MAX;
    walk_descendants(pid, &left, add_memory, &sum);
    return sum;
}

/* ---- the end ---- */

struct tree {
    pid_t pids[TREE_MAX];
    int count;
};

static void remember(pid_t parent, pid_t child, void *context) {
    struct tree *tree = context;
    tree->pids[tree->count++] = child;
}

/* The tree is read first: what the root's death makes an orphan could not be found afterwards. */
void process_kill(pid_t pid) {
    struct tree tree = {.count = 0};
    int left = TREE_MAX;
    walk_descendants(pid, &left, remember, &tree);
    if (kill(-pid, SIGKILL) < 0)
        kill(pid, SIGKILL);
    for (int i = 0; i < tree.count; i++)
        kill(tree.pids[i], SIGKILL);
}
