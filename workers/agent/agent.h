/* agent.h - the agent of one machine: it registers, leases tasks, supervises their runners, and delivers.
 *
 *                        coordinator
 *          register, lease  |   ^  beats, chunks, done      http.h, call.h: never gives up
 *                           v   |
 *      +------------------ agent.c ---------------------+
 *      |   free places -> long-poll lease -> attempts   |      one thread, one libuv loop; it computes
 *      |   attempt.h: task.h's states, carried out      |      nothing and waits for nothing
 *      +--|--------------|------------------|-----------+
 *         v              v                  v
 *      runner.h       spool.h            cache.h               processes; files, written by libuv's
 *                                                              thread pool
 *
 * The agent's folder:
 *     lock        held while an agent lives: two agents never share a spool
 *     instance    32 hex digits, made once: by them the coordinator knows this agent again
 *     spool/ID/   spool.h; ID is the coordinator's, which its answer to the registration tells
 *     cache/      cache.h
 *
 * After a restart, even by SIGKILL at any instant, the spool says which attempts were under way. Their leases
 * are asked back ("holding"). One that is given back goes on within the same attempt: chunks that were not
 * confirmed are sent again, a new runner gets the task with `units_done` moved past the finished units, and
 * its chunks get the next free numbers. (Where that cannot be right, because the newest chunk ends in the
 * midst of a unit, the attempt is failed at once so that the task is handed out again without waiting for the
 * lease to lapse.) An attempt that had ended is delivered. One that was not given back is offered all the
 * same, and dropped on the coordinator's word only.
 *
 * Stopping: agent_drain finishes the units that have begun, delivers, and ends; agent_leave kills the runners
 * and ends as soon as the disk is done. Either way what is finished stays in the spool until the coordinator
 * has it, and the last call tells the coordinator that we are gone ("leaving"), naming the leases that wait
 * in the spool: it need not wait for our silence. Nothing depends on that call.
 */
#ifndef TENGEN_AGENT_AGENT_H
#define TENGEN_AGENT_AGENT_H

#include <stdint.h>
#include <jansson.h>
#include <uv.h>
#include "proto/base/error.h"

struct agent;

struct agent_config {
    const char *server;  /* "http://127.0.0.1:7361" */
    const char *token;   /* NULL: none */
    const char *ca_file; /* NULL: the system's */
    const char *data;    /* the folder; made when missing */
    const char *runner;  /* path of tengen-run */
    const char *name;    /* for people */
    int runners;         /* how many at once, at least 1 */
    int nice_level;
    int64_t memory_bytes; /* a runner that uses more, with its engines, is ended; 0: no limit */
    int64_t cache_bytes;
    const json_t *engines; /* {"gnugo": "command"}; borrowed for the agent's life */
};

/* Opens the folder and the spool, asks the runner for its kinds, and starts to register. Blocks for a moment:
 * for the start of the program. The strings are borrowed for the agent's life. */
int agent_create(uv_loop_t *loop, const struct agent_config *config, struct agent **agent,
                 struct problem *problem);

void agent_drain(struct agent *agent, const char *why); /* finish what has begun, deliver, end */
void agent_leave(struct agent *agent, const char *why); /* end now; nothing finished is lost */

/* After uv_run has returned. */
void agent_destroy(struct agent *agent);

#endif
