/* cache.h - files named by their SHA-256, and streams of chunks, fetched from the coordinator once and kept
 * while there is room.
 *
 *     cache/HEX            whole and verified; its time of change is that of its last use
 *     cache/HEX.part       as much as has come; goes on from there, also after a restart of the agent
 *     cache/HEX.etag       what the coordinator called the file that the part belongs to (for If-Range)
 *
 * The digest is checked before the rename that gives a file its name, so a name is a promise. Least recently
 * used files go first when the limit would be passed; files in use never go. Loop thread only; reading,
 * writing and hashing of files is done by libuv's thread pool.
 */
#ifndef TENGEN_AGENT_CACHE_H
#define TENGEN_AGENT_CACHE_H

#include <stdint.h>
#include <uv.h>
#include "proto/base/error.h"
#include "proto/base/hash.h"
#include "workers/agent/call.h"
#include "workers/agent/stream_download.h"

struct cache;
struct cache_fetch;

/* Makes the folder when missing and reads what is there. */
int cache_open(uv_loop_t *loop, struct caller *caller, const char *folder, int64_t limit_bytes,
               struct cache **cache, struct problem *problem);
void cache_close(struct cache *cache); /* no fetch is left and the loop has run to its end; NULL is fine */
uv_loop_t *cache_loop(const struct cache *cache);

/* `path`: where the file is, until cache_release; NULL when `problem` says why it is not to be had. Called
 * once, later, from the loop. A coordinator that is away is waited for. */
typedef void (*cache_done_fn)(void *context, const char *path, const struct problem *problem);

/* NULL when out of memory. Several fetches of one digest share the download. */
struct cache_fetch *cache_get(struct cache *cache, const char digest[SHA256_HEX], cache_done_fn done,
                              void *context);
/* The chunks of a job up to a cursor, as one file of records (stream_download.h): kept like a file with a
 * digest, under a name made of the coordinator's id, job and cursor. NULL when out of memory. */
struct cache_fetch *cache_get_stream(struct cache *cache, struct stream_source source, cache_done_fn done,
                                     void *context);
/* Whose jobs cache_get_stream means from now on. */
void cache_set_coordinator(struct cache *cache, const char *id);
/* Lets the file go; before `done` was called it also cancels. */
void cache_release(struct cache_fetch *fetch);

#endif
