/* backfill.c - see backfill.h.
 *
 * A commit appends pages to the write-ahead log and syncs it; sooner or later they must be copied into the
 * database, which SQLite calls a checkpoint. Left to itself it does so inside the COMMIT that makes the log
 * too long: a fifth of the writer's time under load, and that one commit is late. Here another thread copies
 * what is there each time the log has grown by PART_PAGES:
 *
 *      log   0        1024       2048       3072       4096 pages
 *            |---------|----------|----------|----------|
 *      thread       copies     copies     copies        and syncs what it has copied
 *      writer                                        copies and syncs the rest, and begins the log anew
 *
 * The last step is the writer's, because only when nothing is left to copy can the log be begun anew, and
 * beside a busy writer there is always something left. While the thread is still copying then, the log may
 * grow to twice that length before the writer waits. A log that readers still need grows until they are
 * done, as it would without this thread. A failure here loses nothing: the pages are in the log, and the next
 * attempt copies them.
 */
#include "server/store/backfill.h"

#include <pthread.h>
#include <stdlib.h>
#include "proto/base/log.h"

enum {
    PART_PAGES = 1024, /* 4 MiB */
    LOG_PAGES = 4096,  /* 16 MiB: often enough to bound it, seldom enough that pages which many chunks touch
                          are written few times */
};

struct backfill {
    pthread_t thread;
    pthread_mutex_t folding; /* held by whoever copies */
    pthread_mutex_t mutex;   /* guards wanted, stopping */
    pthread_cond_t changed;
    bool wanted, stopping;
    struct store_tx db;
    int asked_pages; /* the writer thread's: how long the log was when the thread was last asked */
};

/* Waits until there is something to copy; false: the store closes. */
static bool wait_for_work(struct backfill *backfill) {
    pthread_mutex_lock(&backfill->mutex);
    while (!backfill->wanted && !backfill->stopping)
        pthread_cond_wait(&backfill->changed, &backfill->mutex);
    backfill->wanted = false;
    bool go_on = !backfill->stopping;
    pthread_mutex_unlock(&backfill->mutex);
    return go_on;
}

/* With `folding` held, which it releases. */
static void fold(struct backfill *backfill, sqlite3 *sqlite) {
    int code = sqlite3_wal_checkpoint_v2(sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    pthread_mutex_unlock(&backfill->folding);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) /* busy: another program is at it */
        log_warn("store", "the log cannot be folded into the database yet: %s", sqlite3_errmsg(sqlite));
}

/* SQLite syncs the database only when a checkpoint has come to the log's end, which is the writer's: by then
 * this thread has had most of it written. An error will meet that sync too. */
static void sync_database(sqlite3 *sqlite) {
    sqlite3_file *file = NULL;
    if (sqlite3_file_control(sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
        file->pMethods != NULL)
        file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

static void *thread_main(void *arg) {
    struct backfill *backfill = arg;
    pthread_setname_np(pthread_self(), "store-backfill");
    while (wait_for_work(backfill)) {
        pthread_mutex_lock(&backfill->folding);
        fold(backfill, backfill->db.sqlite);
        sync_database(backfill->db.sqlite);
    }
    return NULL;
}

static void ask(struct backfill *backfill) {
    pthread_mutex_lock(&backfill->mutex);
    backfill->wanted = true;
    pthread_cond_signal(&backfill->changed);
    pthread_mutex_unlock(&backfill->mutex);
}

/* Called by SQLite on the writer's thread after each commit, with the length of the log. */
static int on_commit(void *arg, sqlite3 *sqlite, const char *name, int pages) {
    struct backfill *backfill = arg;
    if (pages < backfill->asked_pages)
        backfill->asked_pages = 0; /* the log has begun anew */
    if (pages >= LOG_PAGES) {
        bool free = pthread_mutex_trylock(&backfill->folding) == 0;
        if (!free && pages >= 2 * LOG_PAGES)
            free = pthread_mutex_lock(&backfill->folding) == 0;
        if (free)
            fold(backfill, sqlite);
    } else if (pages - backfill->asked_pages >= PART_PAGES) {
        backfill->asked_pages = pages;
        ask(backfill);
    }
    return SQLITE_OK;
}

static void release(struct backfill *backfill) {
    db_close(&backfill->db);
    pthread_cond_destroy(&backfill->changed);
    pthread_mutex_destroy(&backfill->mutex);
    pthread_mutex_destroy(&backfill->folding);
    free(backfill);
}

int backfill_start(const char *path, struct store_tx *writer, struct backfill **out,
                   struct problem *problem) {
    struct backfill *backfill = calloc(1, sizeof *backfill);
    *out = NULL;
    if (backfill == NULL)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    pthread_mutex_init(&backfill->folding, NULL);
    pthread_mutex_init(&backfill->mutex, NULL);
    pthread_cond_init(&backfill->changed, NULL);
    int error = db_open(&backfill->db, path, false, false, problem);
    if (!error && db_script(&backfill->db, "PRAGMA synchronous = FULL") != 0)
        error = db_problem(&backfill->db, path, problem);
    if (!error && pthread_create(&backfill->thread, NULL, thread_main, backfill) != 0)
        error = problem_set(problem, TG_ENO_MEMORY, NULL, "cannot start a thread");
    if (error) {
        release(backfill);
        return error;
    }
    sqlite3_wal_hook(writer->sqlite, on_commit, backfill);
    *out = backfill;
    return 0;
}

void backfill_stop(struct backfill *backfill) {
    if (backfill == NULL)
        return;
    pthread_mutex_lock(&backfill->mutex);
    backfill->stopping = true;
    pthread_cond_signal(&backfill->changed);
    pthread_mutex_unlock(&backfill->mutex);
    pthread_join(backfill->thread, NULL);
    release(backfill);
}
