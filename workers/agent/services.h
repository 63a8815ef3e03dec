/* services.h - what the agent's parts share: made and owned by agent.c, lent to the attempts. */
#ifndef TENGEN_AGENT_SERVICES_H
#define TENGEN_AGENT_SERVICES_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include <uv.h>

struct caller;
struct spool;
struct cache;

struct services {
    uv_loop_t *loop;
    struct caller *caller;
    struct spool *spool;
    struct cache *cache;
    const char *runner;    /* path of tengen-run */
    const json_t *engines; /* {"gnugo": "command"} */
    int nice_level;
    int64_t memory_bytes; /* limit of each runner; 0: none */
    int64_t worker;       /* our id; 0 until registered */
    int64_t beat_s;       /* as the coordinator said last */
};

#endif
