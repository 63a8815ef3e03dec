/* machine.h - what this machine is and offers, told to the coordinator at registration. */
#ifndef TENGEN_AGENT_MACHINE_H
#define TENGEN_AGENT_MACHINE_H

#include <stdint.h>
#include <jansson.h>
#include "proto/base/error.h"

/* Cores that this process may use (its affinity mask), at least 1. */
int machine_cores(void);
uint64_t machine_memory_bytes(void);
/* {"os","cpu","isa","cores","memory_bytes","version"}; NULL when out of memory. The caller owns it. */
json_t *machine_describe(void);

/* Asks `RUNNER kinds --json` for the kinds it can run; an array of names, owned by the caller. Blocks up to
 * 15 s; for the start of the program. */
int machine_ask_kinds(const char *runner, json_t **kinds, struct problem *problem);

#endif
