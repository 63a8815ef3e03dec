/* gtp_client.c - see gtp_client.h.
 *
 *     we ----fork----> sh -c command ----> the engine, and whatever it starts      one process group,
 *      \----fork----> guard                                                        of the shell's number
 *
 * Four pipes: the engine's stdin, stdout and stderr, and `alive`, whose one end is ours alone and is never
 * written to. When we end, however that comes about, the guard reads its end and kills the group, itself with
 * it.
 *
 * Pid and group are safe to use until gtp_client_destroy, because the shell is never reaped before: as a
 * zombie it keeps its number from being given to another process. Hence WNOWAIT wherever we only look.
 *
 * One exchange at a time, with poll(2) on all three pipes and slices of SLICE_MS. Writing is non-blocking and
 * goes on while replies and stderr are read: an engine that fills its output before it reads its input would
 * else wait for us while we wait for it.
 *
 * Death is final: a client that has failed once answers each later command with the same outcome. A reply
 * that comes after its timeout would otherwise be taken for the answer to the next command, though ids make
 * even that visible (GTP_NONSENSE).
 */
#include "workers/go/gtp_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"

enum {
    SLICE_MS = 200,    /* between looks at the stop callback */
    FAREWELL_MS = 500, /* for an engine to end after "quit" */
    DEATH_MS = 2000,   /* for an engine to end after its output has: that is a little before */
    END_STEP_MS = 5,
    READ_BYTES = 4096,
    LINE_MAX_BYTES = 512, /* of stderr */
    COMMAND_MAX = 1024,
};

struct gtp_client {
    pid_t pid;            /* of the shell that runs the command; also the number of the group */
    pid_t guard;          /* see stand_guard() */
    int to, from, errors; /* -1 when closed */
    int alive;            /* the end of the guard's pipe that only we have */
    unsigned id;
    enum gtp_outcome dead; /* GTP_SUCCESS while it lives */
    struct gtp_replies replies;
    char reply[GTP_REPLY_MAX + 1];
    char name[64];
    char line[LINE_MAX_BYTES + 1]; /* of stderr, unfinished */
    size_t line_used, errors_seen;
    bool (*stop)(void *context);
    void *context;
};

/* ---- Start and end ---- */

struct pipes {
    int in[2], out[2], err[2], alive[2];
};

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_pipes(struct pipes *pipes) {
    for (int i = 0; i < 2; i++) {
        close_fd(&pipes->in[i]);
        close_fd(&pipes->out[i]);
        close_fd(&pipes->err[i]);
        close_fd(&pipes->alive[i]);
    }
}

static int open_pipes(struct pipes *pipes) {
    *pipes = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(pipes->in, O_CLOEXEC) || pipe2(pipes->out, O_CLOEXEC) || pipe2(pipes->err, O_CLOEXEC) ||
        pipe2(pipes->alive, O_CLOEXEC)) {
        close_pipes(pipes);
        return TG_EENGINE;
    }
    return 0;
}

/* In the children nothing may allocate or lock. */
static _Noreturn void become_engine(const struct pipes *pipes, const char *command) {
    setpgid(0, 0);
    dup2(pipes->in[0], STDIN_FILENO);
    dup2(pipes->out[1], STDOUT_FILENO);
    dup2(pipes->err[1], STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* A process of the engine's group that does nothing but read a pipe whose other end is ours alone. When we
 * die, however that happens, the pipe ends and the guard takes the whole group down; the kernel's own notice
 * (PR_SET_PDEATHSIG) would reach the shell, but not what the shell has started. */
static _Noreturn void stand_guard(const struct pipes *pipes, pid_t group) {
    char byte;
    setpgid(0, group);
    dup2(pipes->alive[0], STDIN_FILENO);
    close_range(STDOUT_FILENO, ~0U, 0);
    while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
        continue;
    kill(0, SIGKILL);
    _exit(0);
}

static int start_processes(struct gtp_client *client, const struct pipes *pipes, const char *command) {
    client->pid = fork();
    if (client->pid == 0)
        become_engine(pipes, command);
    if (client->pid < 0)
        return TG_EENGINE;
    setpgid(client->pid, client->pid); /* whichever of the two comes first */
    client->guard = fork();
    if (client->guard == 0)
        stand_guard(pipes, client->pid);
    if (client->guard > 0) {
        setpgid(client->guard, client->pid);
        return 0;
    }
    kill(-client->pid, SIGKILL);
    waitpid(client->pid, NULL, 0);
    return TG_EENGINE;
}

static int spawn(struct gtp_client *client, const char *command, struct problem *problem) {
    struct pipes pipes;
    if (open_pipes(&pipes))
        return problem_set(problem, TG_EENGINE, NULL, "cannot make pipes for %s: %s", client->name,
                           strerror(errno));
    int error = start_processes(client, &pipes, command);
    if (error) {
        problem_set(problem, error, NULL, "cannot start %s: %s", client->name, strerror(errno));
    } else {
        client->to = pipes.in[1];
        client->from = pipes.out[0];
        client->errors = pipes.err[0];
        client->alive = pipes.alive[1];
        pipes.in[1] = pipes.out[0] = pipes.err[0] = pipes.alive[1] = -1;
        fcntl(client->to, F_SETFL, O_NONBLOCK);
        fcntl(client->from, F_SETFL, O_NONBLOCK);
        fcntl(client->errors, F_SETFL, O_NONBLOCK);
    }
    close_pipes(&pipes);
    return error;
}

int gtp_client_start(const struct gtp_client_options *options, struct gtp_client **out,
                     struct problem *problem) {
    struct gtp_client *client = calloc(1, sizeof(*client));
    if (!client)
        return TG_ENO_MEMORY;
    client->to = client->from = client->errors = client->alive = -1;
    client->stop = options->stop;
    client->context = options->context;
    gtp_replies_init(&client->replies);
    snprintf(client->name, sizeof(client->name), "%s", options->name);
    int error = spawn(client, options->command, problem);
    if (error) {
        free(client);
        return error;
    }
    *out = client;
    return 0;
}

/* Waits so long for the engine to end; how it did, or nothing (si_pid is 0). It stays a zombie, so that its
 * group's number cannot be given to others yet. */
static siginfo_t wait_for_end(struct gtp_client *client, int64_t limit_ms) {
    const struct timespec step = {.tv_nsec = END_STEP_MS * 1000000L};
    const int64_t end = clock_monotonic_ms() + limit_ms;
    siginfo_t info = {0};
    while (waitid(P_PID, (id_t)client->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0 &&
           clock_monotonic_ms() < end)
        nanosleep(&step, NULL);
    return info;
}

void gtp_client_destroy(struct gtp_client *client) {
    if (!client)
        return;
    if (client->dead == GTP_SUCCESS && client->to >= 0) {
        ssize_t ignored = write(client->to, "quit\n", 5);
        (void)ignored;
        close_fd(&client->to);
        wait_for_end(client, FAREWELL_MS);
    }
    kill(-client->pid, SIGKILL);
    while (waitpid(client->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    while (waitpid(client->guard, NULL, 0) < 0 && errno == EINTR)
        continue;
    close_fd(&client->alive);
    close_fd(&client->to);
    close_fd(&client->from);
    close_fd(&client->errors);
    gtp_replies_free(&client->replies);
    free(client);
}

/* ---- stderr ---- */

static void log_line(struct gtp_client *client) {
    client->line[client->line_used] = 0;
    if (client->line_used)
        log_info("engine", "%s: %s", client->name, client->line);
    client->line_used = 0;
}

static void log_bytes(struct gtp_client *client, const char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n' || client->line_used == LINE_MAX_BYTES)
            log_line(client);
        if (bytes[i] != '\n' && bytes[i] != '\r')
            client->line[client->line_used++] = bytes[i];
    }
}

/* Everything is read, so that the engine never waits for us; only the first part is kept. */
static void read_errors(struct gtp_client *client) {
    char bytes[READ_BYTES];
    ssize_t got = read(client->errors, bytes, sizeof(bytes));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(&client->errors);
    if (got <= 0 || client->errors_seen > GTP_STDERR_MAX)
        return;
    log_bytes(client, bytes, (size_t)got);
    client->errors_seen += (size_t)got;
    if (client->errors_seen > GTP_STDERR_MAX)
        log_warn("engine", "%s: writes too much to stderr; the rest is dropped", client->name);
}

/* ---- One exchange ---- */

static enum gtp_outcome fail(struct gtp_client *client, enum gtp_outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum gtp_outcome fail(struct gtp_client *client, enum gtp_outcome outcome, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(client->reply, sizeof(client->reply), format, arguments);
    va_end(arguments);
    client->dead = outcome;
    return outcome;
}

static enum gtp_outcome died(struct gtp_client *client) {
    const siginfo_t info = wait_for_end(client, DEATH_MS);
    if (client->errors >= 0)
        read_errors(client); /* its last words */
    log_line(client);
    if (info.si_pid == 0)
        return fail(client, GTP_DIED, "it closed its output");
    /* A shell reports the signal that ended its command by 128 more. */
    const bool exited = info.si_code == CLD_EXITED;
    if (exited && info.si_status == 127)
        return fail(client, GTP_DIED, "exit status 127: is the command there?");
    if (exited && info.si_status <= 128)
        return fail(client, GTP_DIED, "exit status %d", info.si_status);
    return fail(client, GTP_DIED, "killed by signal %d", exited ? info.si_status - 128 : info.si_status);
}

/* The next reply, if it has come whole. */
static enum gtp_outcome take_reply(struct gtp_client *client, bool *done) {
    const enum gtp_reply_kind kind = gtp_replies_next(&client->replies, client->id, client->reply);
    char text[64];
    *done = kind != GTP_REPLY_NONE;
    if (kind != GTP_REPLY_BAD)
        return kind == GTP_REPLY_ERROR ? GTP_REFUSED : GTP_SUCCESS;
    snprintf(text, sizeof(text), "%.60s", client->reply);
    return fail(client, GTP_NONSENSE, "it answered \"%s\" to command %u, which is not GTP", text, client->id);
}

/* Reads what is there. *done is set when a whole reply has come. */
static enum gtp_outcome read_reply(struct gtp_client *client, bool *done) {
    uint8_t bytes[READ_BYTES];
    ssize_t got = read(client->from, bytes, sizeof(bytes));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return GTP_SUCCESS;
    *done = true;
    if (got <= 0)
        return died(client);
    if (gtp_replies_feed(&client->replies, bytes, (size_t)got))
        return fail(client, GTP_NONSENSE, "its answer is longer than %d bytes", GTP_REPLY_MAX);
    return take_reply(client, done);
}

/* Writes what the pipe takes. */
static int write_some(struct gtp_client *client, const char *text, size_t size, size_t *written) {
    ssize_t wrote = write(client->to, text + *written, size - *written);
    if (wrote < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : TG_EENGINE;
    *written += (size_t)wrote;
    return 0;
}

static enum gtp_outcome exchange(struct gtp_client *client, const char *text, size_t size,
                                 int64_t timeout_ms) {
    const int64_t end = clock_monotonic_ms() + timeout_ms;
    size_t written = 0;
    for (;;) {
        const int64_t left = end - clock_monotonic_ms();
        struct pollfd fds[3] = {
            {.fd = client->from, .events = POLLIN},
            {.fd = client->errors, .events = POLLIN},
            {.fd = written < size ? client->to : -1, .events = POLLOUT},
        };
        if (left <= 0)
            return fail(client, GTP_TIMEOUT, "no answer in %.1f s", (double)timeout_ms / 1000);
        poll(fds, 3, (int)(left < SLICE_MS ? left : SLICE_MS));
        if (client->stop && client->stop(client->context))
            return fail(client, GTP_STOPPED, "stopped");
        if (fds[1].revents)
            read_errors(client);
        if (fds[2].revents && write_some(client, text, size, &written))
            return died(client);
        bool done = false;
        enum gtp_outcome outcome = fds[0].revents ? read_reply(client, &done) : GTP_SUCCESS;
        if (done)
            return outcome;
    }
}

enum gtp_outcome gtp_client_command(struct gtp_client *client, int64_t timeout_ms, const char *format, ...) {
    char text[COMMAND_MAX], command[COMMAND_MAX - 16];
    if (client->dead != GTP_SUCCESS)
        return client->dead;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    TG_ASSERT(length > 0 && length < (int)sizeof(command) && !strchr(command, '\n'));
    length = snprintf(text, sizeof(text), "%u %s\n", ++client->id, command);
    log_debug("engine", "%s < %s", client->name, command);
    enum gtp_outcome outcome = exchange(client, text, (size_t)length, timeout_ms);
    log_debug("engine", "%s > %s", client->name, client->reply);
    return outcome;
}

const char *gtp_client_reply(const struct gtp_client *client) {
    return client->reply;
}
