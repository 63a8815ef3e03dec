/* store.h - everything that must survive: jobs, tasks, chunks, games, checkpoints, tokens.
 *
 * This header and store_tx.h hide the back end (SQLite now). There is no SQL outside this folder.
 *
 *      loop thread                      writer thread                     reader threads (2)
 *      -----------                      -------------                     ------------------
 *      store_write(work, done) --queue--> BEGIN IMMEDIATE
 *                                         work A   each inside its own
 *      store_write(...) ----------------> work B   savepoint
 *                                         COMMIT   (one sync for the group)
 *      store_deliver() <---notify()------ finished: A, B
 *        done(A), done(B)
 *      store_read(work, done) ---------------------------------queue-----> work in a read transaction
 *      store_deliver() <---notify()---------------------------------------- finished
 *
 * Group commit: everything that is queued while a transaction runs or is being synced joins the next one. A
 * `done` is called only after the commit of its own group, so an answer sent from `done` is about something
 * on disk. One request that fails is rolled back to its savepoint and does not spoil its group. When the
 * commit itself fails (disk full), every request of the group gets that error and nothing of the group is
 * stored; the store goes on and later writes succeed once there is space.
 *
 * `work` runs on a store thread and may touch only `tx`, its `arg` and constant data: never loop-thread
 * state. It calls the typed functions of store_tx.h. `done` runs on the thread that calls store_deliver (the
 * loop thread). Every accepted request is completed exactly once, also at store_close. Writes are executed in
 * the order in which they were queued. A read that is queued after a write's `done` sees that write.
 *
 * Not done: no in-memory cache of rows. The scheduler holds what is hot; the rest SQLite caches.
 */
#ifndef TENGEN_STORE_STORE_H
#define TENGEN_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/error.h"

struct store;    /* one open database */
struct store_tx; /* a transaction: valid only inside `work` */

/* 0, or TG_E... and *problem filled. A write whose work returns an error leaves no trace. */
typedef int (*store_work)(struct store_tx *tx, void *arg, struct problem *problem);
/* error is what work returned, or what went wrong with the commit. problem->error == error; never NULL. */
typedef void (*store_done)(void *arg, int error, const struct problem *problem);

enum store_mode {
    STORE_SERVE, /* the coordinator: creates the folder's database, migrates it, locks out other coordinators
                  */
    STORE_LOOK,  /* --check, --backup: an existing database, beside a running coordinator; no writes, no
                    migration */
};

struct store_options {
    const char *folder; /* must exist for STORE_LOOK; created (0700) for STORE_SERVE. The database is
                           FOLDER/tengen.db */
    enum store_mode mode;
    int readers;         /* reader threads; 0: 2 */
    int queue_max;       /* writes, and reads, that may wait; more get TG_EBUSY; 0: 8192 */
    int group_max;       /* writes that share a commit; 0: 256 */
    uint64_t free_floor; /* bytes that must stay free for store_space to say "not full"; 0: 256 MiB */
    void (*notify)(
        void *arg); /* called from store threads when store_deliver has something to do; NULL: none */
    void *notify_arg;
};

/* Opens and, for STORE_SERVE, locks, migrates and starts the threads. Blocks. TG_EBUSY: another coordinator
 * has it; TG_ENEWER_SCHEMA: written by a newer version; TG_ECORRUPT: damaged, or no database of ours; TG_EIO:
 * cannot be read or written; TG_ENOT_FOUND (STORE_LOOK): there is none; TG_ESTORAGE_FULL. The problem names
 * path and remedy. */
int store_open(const struct store_options *options, struct store **out, struct problem *problem);

/* Finishes what is queued, runs the completions that are left, stops the threads, closes. NULL is allowed. */
void store_close(struct store *store);

/* Queue work. 0, or TG_EBUSY (queue full), TG_ESHUTTING_DOWN (store_close has begun), TG_ENO_MEMORY: then
 * neither work nor done is called and the caller still owns arg. done may be NULL. Any thread. */
int store_write(struct store *store, store_work work, store_done done, void *arg);
int store_read(struct store *store, store_work work, store_done done, void *arg);
/* store_write without a savepoint, which costs more than a small `work` itself: for one that changes nothing
 * when it fails, unless the storage fails it. Should it do so all the same, its whole group is rolled back
 * and gets its error. Meant for chunk_insert of what brings experience or units alone. */
int store_append(struct store *store, store_work work, store_done done, void *arg);

/* Runs the completions of finished requests; returns their number. Loop thread only. */
int store_deliver(struct store *store);

/* Requests accepted whose done has not run yet. */
int store_pending(struct store *store);

/* The same, blocking until committed (start-up, tests, tools). Not from store threads. */
int store_write_now(struct store *store, store_work work, void *arg, struct problem *problem);
int store_read_now(struct store *store, store_work work, void *arg, struct problem *problem);

struct store_space {
    uint64_t free_bytes; /* for us, on the database's file system */
    uint64_t total_bytes;
    bool full; /* free_bytes is below the floor: hand out no work that produces data */
};
/* statvfs(2); cheap. 0 or TG_EIO. Any thread. */
int store_space(const struct store *store, struct store_space *out);

struct store_counts {
    uint64_t commits; /* write transactions that reached the disk */
    uint64_t writes;  /* requests in them (writes / commits: how well the group commit groups) */
    uint64_t failed;  /* writes that ended with an error */
    uint64_t reads;
    uint64_t commit_ns; /* time spent in COMMIT, which is mostly the sync */
};
void store_counts(struct store *store, struct store_counts *out); /* any thread */

/* Verifies the whole database: SQLite's integrity check, every digest (chunks, checkpoints, data sets), every
 * sum (a job's units, tasks, totals; a task's units), no duplicates, no orphans. fault(arg, text) is called
 * for each fault. 0 when it could be checked (*faults says how many were found). Blocks; uses a connection of
 * its own. */
int store_check(struct store *store, void (*fault)(void *arg, const char *text), void *arg, int *faults,
                struct problem *problem);

/* Copies the live database to `file` by way of FILE.tmp (online backup, fsync, rename, fsync of the folder).
 * Blocks; neither readers nor the writer are held up for more than a step. */
int store_backup(struct store *store, const char *file, struct problem *problem);

#endif
