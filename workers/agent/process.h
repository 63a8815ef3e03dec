/* process.h - starts a child that cannot outlive us and cannot disturb us.
 *
 * The child gets: its own process group (so that a kill takes its engines too), SIGKILL when the thread that
 * started it dies (PR_SET_PDEATHSIG), default signals, a nice level, and no descriptor but its three pipes.
 * Written with fork and not uv_spawn because libuv has no place for prctl between fork and exec; between the
 * two only async-signal-safe calls are made.
 */
#ifndef TENGEN_AGENT_PROCESS_H
#define TENGEN_AGENT_PROCESS_H

#include <stdint.h>
#include <sys/types.h>
#include "proto/base/error.h"

struct process {
    pid_t pid;
    int in, out, err; /* our ends: the child's stdin, stdout, stderr; close-on-exec, the caller closes them */
};

/* `argv` ends with NULL and names the program in argv[0] (a path). Must be called from the main thread: the
 * child dies with the thread that made it. */
int process_start(const char *const *argv, int nice_level, struct process *process, struct problem *problem);

/* SIGKILL to the whole group, and to what it has started in groups of their own. `pid` has not been reaped.
 */
void process_kill(pid_t pid);

/* Resident memory of the process and of the programs that it has started (an engine in a group of its own
 * too), and of theirs. 0 when unknown. Costs a few reads of /proc for each of them. */
uint64_t process_memory_bytes(pid_t pid);

#endif
