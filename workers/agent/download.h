/* download.h - one file from the coordinator into the cache's folder, resumed where it was left.
 *
 *      OPENING ---> LOADING <---> (a write under way) ---> FINISHING ---> done
 *      part_open    GET, Range     part_write              part_finish
 *
 * What comes is gathered and written a piece at a time by the thread pool; the transfer is paused while too
 * much waits. Loop thread only. */
#ifndef TENGEN_AGENT_DOWNLOAD_H
#define TENGEN_AGENT_DOWNLOAD_H

#include <uv.h>
#include "workers/agent/cache_file.h"
#include "workers/agent/call.h"

struct download;

/* `problem` NULL: the file is whole, verified and named. Called once, from the loop; the download frees
 * itself. */
typedef void (*download_done_fn)(void *context, const struct problem *problem);

/* `folder` must live as long as any download, cancelled ones included until the loop has ended. */
struct download *download_start(uv_loop_t *loop, struct caller *caller, const char *folder,
                                const char digest[SHA256_HEX], download_done_fn done, void *context);
void download_cancel(struct download *download); /* keeps the part; done is not called */

#endif
