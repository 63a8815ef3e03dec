/* stream_download.h - a job's chunks (GET /streams/{job}) up to a cursor, as one file in the cache's folder.
 *
 *      OPENING ---> page ---> written ---> page ---> ... ---> NAMING ---> done
 *      what an earlier    GET ?after=      checked and appended
 *      process has left   the last cursor  by the thread pool
 *
 * The file is a sequence of the records that the coordinator sends: u64 cursor, u32 size, chunk; little
 * endian. Each chunk's checksum is checked before it counts, also those that were found, so a file that was
 * torn goes on behind its last sound record. Loop thread only. */
#ifndef TENGEN_AGENT_STREAM_DOWNLOAD_H
#define TENGEN_AGENT_STREAM_DOWNLOAD_H

#include <uv.h>
#include "workers/agent/cache_file.h"
#include "workers/agent/call.h"

struct stream_download;

/* `problem` NULL: the file is whole and named. Called once, from the loop; it frees itself. */
typedef void (*stream_done_fn)(void *context, const struct problem *problem);

struct stream_source {
    int64_t job, until; /* the last cursor that belongs to it */
};

/* `name`: what the file is called, 64 hexadecimal digits. `folder` must live until the loop has ended. */
struct stream_download *stream_download_start(uv_loop_t *loop, struct caller *caller, const char *folder,
                                              const char name[SHA256_HEX], struct stream_source source,
                                              stream_done_fn done, void *context);
void stream_download_cancel(struct stream_download *download); /* keeps the part; done is not called */

#endif
