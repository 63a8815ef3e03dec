/* spool.h - what the agent must not lose, on disk: leases, finished chunks, ends.
 *
 * One flat folder a coordinator (spool_choose), so that one fsync covers every name and nothing of one
 * coordinator is ever offered to another, whose numbers for tasks may be the same:
 *
 *     17-1.task                      the lease of task 17, attempt 1: the JSON document the coordinator sent
 *     17-1-00000004-5-1.chunk        chunk number 4 with 1 unit; with it the attempt has finished 5
 *     17-1.end                       how the attempt ended: {"done": {...}} or {"fail": {...}}
 *     *.tmp                          being written; whatever is found of them at start is removed
 *     damaged/                       files that were torn or altered on disk
 *     refused/                       chunks that the coordinator refused for another reason than a lost lease
 *     (anything else)                not ours: left alone, named in the log once
 *
 * A file appears under its name only when its bytes are on disk: temporary file, write, fsync, rename, fsync
 * of the folder. So the agent may be killed at any instant:
 *
 *     killed before the rename      -> the chunk never counted as received: the unit is played again
 *     after the rename              -> found at the next start and sent
 *     after the 2xx, before unlink  -> sent again; the coordinator knows (task, attempt, number): 200
 *
 * The newest chunk of an attempt stays until a newer one is stored, even when the coordinator has it: its
 * name is the bookmark that tells a restarted agent the next number and how many units are finished. (A
 * counter in a file of its own would cost a second fsync for each chunk.)
 *
 * All functions block on the disk and may be called from any thread, but for one attempt from one thread at a
 * time.
 */
#ifndef TENGEN_AGENT_SPOOL_H
#define TENGEN_AGENT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "proto/base/buf.h"
#include "proto/base/error.h"

struct spool;

struct spool_key {
    int64_t task;
    int64_t attempt;
};

struct spool_chunk {
    uint32_t number;     /* from 0 in each attempt */
    int64_t units_after; /* units that the attempt has finished, this chunk's included */
    int64_t units;       /* this chunk's; 0: it lies within a unit */
};

enum { SPOOL_PATH_MAX = 4096 };

/* Whether it is 32 hexadecimal digits. */
bool spool_is_coordinator(const char *id);
/* Writes the path of the coordinator's folder, DATA/spool/ID, to `path` ("" is a coordinator without an id:
 * DATA/spool itself), making what is above it. Work of a time without ids is adopted by the first coordinator
 * that has one: DATA/spool, when no folder of a coordinator is in it, becomes DATA/spool/ID. What is kept for
 * others is told in the log. */
int spool_choose(const char *data, const char *id, char path[SPOOL_PATH_MAX], struct problem *problem);

/* Opens the folder, creating it when missing, and removes what was being written. */
int spool_open(const char *folder, struct spool **spool, struct problem *problem);
void spool_close(struct spool *spool);

int spool_put_lease(struct spool *spool, struct spool_key key, const json_t *lease, struct problem *problem);
/* Storing a chunk again is fine. */
int spool_put_chunk(struct spool *spool, struct spool_key key, struct spool_chunk chunk, const void *data,
                    size_t size, struct problem *problem);
int spool_put_end(struct spool *spool, struct spool_key key, const json_t *end, struct problem *problem);

/* Appends the chunk's bytes to *out after checking them. TG_ECORRUPT: moved to damaged/. TG_ENOT_FOUND. */
int spool_read_chunk(struct spool *spool, struct spool_key key, struct spool_chunk chunk, struct buf *out,
                     struct problem *problem);
void spool_remove_chunk(struct spool *spool, struct spool_key key, struct spool_chunk chunk);
/* Keeps the bytes, for a person, in refused/. */
void spool_set_aside(struct spool *spool, struct spool_key key, struct spool_chunk chunk);
/* The same for all the attempt's chunks from this number on. */
void spool_set_aside_from(struct spool *spool, struct spool_key key, uint32_t number);
/* Removes all files of an attempt: chunks, then lease, then end, so that a kill in between leaves either an
 * attempt that can go on or one that tells its end again. */
void spool_forget(struct spool *spool, struct spool_key key);

struct spool_attempt {
    struct spool_key key;
    json_t *lease;              /* NULL when missing or damaged */
    json_t *end;                /* NULL when it has none */
    struct spool_chunk *chunks; /* ascending numbers, without gaps */
    size_t chunk_count;
    bool broken; /* something of it was damaged: send what is here, then fail the attempt */
};

struct spool_found {
    struct spool_attempt *attempts;
    size_t count;
    size_t unknown; /* files that are not ours */
    size_t damaged; /* moved away now */
};

/* Reads what an earlier process left. A chunk that fails its checksum, and those behind it or behind a gap,
 * go to damaged/ and the attempt is marked broken. The caller frees with spool_found_free. */
int spool_scan(struct spool *spool, struct spool_found *found, struct problem *problem);
void spool_found_free(struct spool_found *found);

/* Writes a small file durably (temporary, fsync, rename, fsync of the folder); the agent's other files use it
 * too. */
int durable_write(const char *folder, const char *name, const void *data, size_t size,
                  struct problem *problem);

#endif
