/* cache_file.h - the file side of the cache: blocking, for the thread pool. cache.h says what the files are.
 */
#ifndef TENGEN_AGENT_CACHE_FILE_H
#define TENGEN_AGENT_CACHE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/error.h"
#include "proto/base/hash.h"
#include "workers/agent/http.h"

/* A file on its way. */
struct part {
    const char *folder; /* borrowed */
    char digest[SHA256_HEX];
    int fd; /* -1: not open */
};

/* Opens or makes the part. *size is what is usable of it, *etag what it belongs to; a part without a known
 * ETag is emptied, because nothing vouches for its rest. */
int part_open(struct part *part, uint64_t *size, char etag[HTTP_ETAG_MAX], struct problem *problem);
/* Empties the part and notes a new ETag ("" for none). */
int part_restart(struct part *part, const char *etag, struct problem *problem);
int part_write(struct part *part, uint64_t offset, const void *data, size_t size, struct problem *problem);
/* Checks the digest and gives the file its name, durably. TG_EDIGEST: the part was removed. Closes it in any
 * case. */
int part_finish(struct part *part, struct problem *problem);
/* Gives the file its name, durably, whatever is in it. Closes it in any case. */
int part_publish(struct part *part, struct problem *problem);
void part_close(struct part *part); /* keeps the file */

/* Files of records (stream_download.h). Opens or makes the part and cuts it behind its last sound record,
 * whose cursor is *cursor (0: none). */
int part_open_records(struct part *part, int64_t until, uint64_t *size, int64_t *cursor,
                      struct problem *problem);
/* How many bytes at `data` are whole records with cursors above *cursor and not above `until`; *cursor
 * becomes the last one's. TG_ECORRUPT: a record is cut, a chunk damaged, or the cursors do not rise; *sound
 * and *cursor then tell what lies before it. */
int records_check(const void *data, size_t size, int64_t until, int64_t *cursor, size_t *sound,
                  struct problem *problem);

#endif
