/* attempt.h - carries out one attempt at a task: does the steps that task.h asks for.
 *
 * It owns the runner, the chunk on its way, the beats and the end of the attempt, and calls back whenever
 * something changed that matters to the agent (a runner's place is free, it is over). Loop thread only.
 */
#ifndef TENGEN_AGENT_ATTEMPT_H
#define TENGEN_AGENT_ATTEMPT_H

#include "workers/agent/services.h"
#include "workers/agent/spool.h"
#include "workers/agent/task.h"

struct attempt;

/* Called from the loop, from deep inside: the attempt must not be destroyed in it. */
typedef void (*attempt_changed_fn)(void *context, struct attempt *attempt);

/* A task just leased: a task document of the lease's answer, borrowed. Fails with what is wrong in it. */
int attempt_lease(struct services *services, json_t *lease, attempt_changed_fn changed, void *context,
                  struct attempt **attempt, struct problem *problem);
/* An attempt from the spool. Waits for attempt_held. */
int attempt_resume(struct services *services, const struct spool_attempt *found, attempt_changed_fn changed,
                   void *context, struct attempt **attempt, struct problem *problem);
bool attempt_is_over(const struct attempt *attempt);
void attempt_destroy(struct attempt *attempt); /* only when attempt_is_over */

void attempt_go(struct attempt *attempt); /* does what can be done now; call once after making it */
void attempt_held(struct attempt *attempt, bool held);
void attempt_drain(struct attempt *attempt); /* finish the unit that has begun, then end */
void attempt_leave(struct attempt *attempt); /* kill the runner, keep the files for the next start */

const struct task *attempt_task(const struct attempt *attempt);
struct spool_key attempt_key(const struct attempt *attempt);

#endif
