/* backfill.h - a thread that folds the write-ahead log into the database while the writer goes on; inside
 * server/store only. backfill.c says why. */
#ifndef TENGEN_STORE_BACKFILL_H
#define TENGEN_STORE_BACKFILL_H

#include "server/store/db.h"

struct backfill;

/* Opens a connection of its own, starts the thread and hooks it to the writer's connection, which stays the
 * writer's. Once the database is in WAL mode. */
int backfill_start(const char *path, struct store_tx *writer, struct backfill **out, struct problem *problem);
/* After the writer's thread has ended, before its connection is closed. NULL is allowed. */
void backfill_stop(struct backfill *backfill);

#endif
