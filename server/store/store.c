/* store.c - opening, the request queues, the writer with its group commit, the readers. See store.h.
 *
 * One mutex guards the queues, the list of finished requests and the counters; it is held for a few pointer
 * assignments, never across SQLite. A request is owned by one of these at a time, and so needs no lock
 * itself:
 *
 *     caller --accept--> queue --pop--> the thread that runs it --finish--> finished list --> store_deliver
 *                                                        \--synchronous--> back to its caller's stack
 *
 * A group (run_group) is one transaction. What can go wrong in it, and who hears of it:
 *
 *     BEGIN fails               the first request gets the error; nothing else is taken from the queue
 *     a request fails           it alone: its savepoint is rolled back, the group goes on
 *     an append fails           it alone, since it has changed nothing. When it has, there is no savepoint to
 *                               go back to: the group is lost
 *     the transaction is gone   SQLite rolls all of it back by itself after some errors (disk full, I/O): the
 *                               group is lost
 *     COMMIT fails              the group is lost
 *
 * A group that is lost: those of its requests that had succeeded get the error too (fail_group), for none of
 * what they did is on disk, and no `done` has been called yet that could have told somebody else. Requests
 * that are still queued are not touched; they make the next group. So nobody's answer depends on what another
 * request was doing, except that it may have to be sent again.
 *
 * The size of a group is not tuned. It is whatever has come while the one before was syncing, so a quiet
 * store answers after one sync and a busy one pays the sync once for up to group_max.
 *
 * Opening, in this order: the lock (two coordinators would both lease), the writer's connection, the
 * migration, and only then the readers, which need the schema. Unfinished uploads go while nobody can be
 * uploading. Closing: no more requests are accepted, the threads empty their queues and end, their
 * completions run, and then the connections close; so store_close, too, completes every request exactly once.
 *
 * Not done: waiting a little for a group to fill. It would slow down the quiet store for the sake of a
 * number. No priorities among writes: their order is part of the contract. A reader that is slow holds up one
 * of the reader threads, and with it the growth of the log (backfill.c), but never a write.
 */
#include "server/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/store/backfill.h"

enum { READERS_MAX = 16, QUEUE_DEFAULT = 8192, GROUP_DEFAULT = 256, READERS_DEFAULT = 2 };
#define FREE_FLOOR_DEFAULT (UINT64_C(256) << 20)

struct request {
    struct request *next;
    store_work work;
    store_done done;
    void *arg;
    int error;
    bool synchronous, finished;
    bool append; /* by store_append */
    struct problem problem;
};

struct queue {
    struct request *first, **last;
    int size;
    pthread_cond_t filled;
};

struct store {
    char *folder, *path, *lock_path;
    enum store_mode mode;
    int queue_max, group_max, reader_count, lock_fd;
    uint64_t free_floor;
    void (*notify)(void *arg);
    void *notify_arg;

    pthread_mutex_t mutex; /* guards everything down to `counts` */
    struct queue writes, reads;
    struct request *finished, **finished_last;
    pthread_cond_t synchronous_finished;
    int pending; /* asynchronous requests whose done has not run */
    bool closing;
    struct store_counts counts;

    struct store_tx writer; /* the writer thread's */
    struct backfill *backfill;
    struct store_tx *readers;
    pthread_t writer_thread, reader_threads[READERS_MAX];
    int threads_started; /* 1 for the writer, then the readers */
};

/* ---- queues ---- */

static void queue_init(struct queue *queue) {
    queue->first = NULL;
    queue->last = &queue->first;
    queue->size = 0;
    pthread_cond_init(&queue->filled, NULL);
}

static void queue_push(struct queue *queue, struct request *request) {
    request->next = NULL;
    *queue->last = request;
    queue->last = &request->next;
    queue->size++;
    pthread_cond_signal(&queue->filled);
}

static struct request *queue_pop(struct queue *queue) {
    struct request *request = queue->first;
    if (request == NULL)
        return NULL;
    queue->first = request->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    queue->size--;
    return request;
}

/* Waits for a request; NULL when the store closes and the queue is empty. */
static struct request *queue_wait(struct store *store, struct queue *queue) {
    pthread_mutex_lock(&store->mutex);
    while (queue->first == NULL && !store->closing)
        pthread_cond_wait(&queue->filled, &store->mutex);
    struct request *request = queue_pop(queue);
    pthread_mutex_unlock(&store->mutex);
    return request;
}

/* Hands a list of executed requests over to whoever waits for them. */
static void finish(struct store *store, struct request *list) {
    bool notify = false, wake = false;
    pthread_mutex_lock(&store->mutex);
    for (struct request *next; list != NULL; list = next) {
        next = list->next;
        list->next = NULL;
        if (list->synchronous) {
            list->finished = wake = true;
            continue;
        }
        notify |= store->finished == NULL; /* else it was told already and has not come yet */
        *store->finished_last = list;
        store->finished_last = &list->next;
    }
    if (wake)
        pthread_cond_broadcast(&store->synchronous_finished);
    pthread_mutex_unlock(&store->mutex);
    if (notify && store->notify != NULL)
        store->notify(store->notify_arg);
}

/* ---- the writer ---- */

/* What `work` returned without a sentence of its own comes from SQLite, which has one. */
static void describe(struct store *store, struct store_tx *db, struct request *request) {
    if (request->error && request->problem.error != request->error)
        db_describe(request->error, store->path, sqlite3_errmsg(db->sqlite), &request->problem);
}

static void run_work(struct store *store, struct store_tx *db, struct request *request) {
    request->problem = (struct problem){0};
    request->error = request->work(db, request->arg, &request->problem);
    describe(store, db, request);
}

/* Runs a request that changes nothing when it fails. Returns false when it did all the same: then nothing of
 * the group may stay. */
static bool run_append(struct store *store, struct request *request) {
    struct store_tx *db = &store->writer;
    int changes = sqlite3_total_changes(db->sqlite);
    db->appending = true;
    run_work(store, db, request);
    db->appending = false;
    return db_in_transaction(db) && (request->error == 0 || sqlite3_total_changes(db->sqlite) == changes);
}

/* Runs one request inside its savepoint. Returns false when the transaction itself is gone: SQLite rolls back
 * all of it after some storage errors. */
static bool run_in_savepoint(struct store *store, struct request *request) {
    struct store_tx *db = &store->writer;
    request->error = sums_flush(db); /* of what was appended before it: lost when this fails */
    if (request->error) {
        describe(store, db, request);
        return false;
    }
    request->error = db_run(db, "SAVEPOINT request", "");
    if (request->error) {
        describe(store, db, request);
        return db_in_transaction(db);
    }
    run_work(store, db, request);
    if (!db_in_transaction(db))
        return false;
    if (request->error && db_run(db, "ROLLBACK TO request", "") != 0)
        return false;
    return db_run(db, "RELEASE request", "") == 0;
}

/* The group has come to nothing: those that had succeeded get the error. */
static void fail_group(struct store *store, struct request *group, int error, const char *detail) {
    for (struct request *request = group; request != NULL; request = request->next) {
        if (request->error == 0) {
            request->error = error;
            db_describe(error, store->path, detail, &request->problem);
        }
    }
}

/* Takes the next request of the running group, unless the group is full. */
static struct request *next_of_group(struct store *store, int taken) {
    if (taken >= store->group_max)
        return NULL;
    pthread_mutex_lock(&store->mutex);
    struct request *request = queue_pop(&store->writes);
    pthread_mutex_unlock(&store->mutex);
    return request;
}

static void count_group(struct store *store, const struct request *group, bool committed, int64_t commit_ns) {
    pthread_mutex_lock(&store->mutex);
    store->counts.commits += committed;
    store->counts.commit_ns += (uint64_t)commit_ns;
    for (; group != NULL; group = group->next) {
        store->counts.writes++;
        store->counts.failed += group->error != 0;
    }
    pthread_mutex_unlock(&store->mutex);
}

/* Begins, runs `first` and whatever else is queued by then, commits, and hands all of it over. */
static void run_group(struct store *store, struct request *first) {
    struct store_tx *db = &store->writer;
    struct request *group = NULL, **last = &group;
    int taken = 0;
    bool committed = false;
    int64_t commit_ns = 0;
    int error = db_run(db, "BEGIN IMMEDIATE", "");
    bool alive = error == 0; /* there is a transaction that can still be committed */
    for (struct request *request = first; request != NULL;
         request = alive ? next_of_group(store, taken) : NULL) {
        *last = request;
        last = &request->next;
        request->next = NULL;
        taken++;
        request->error = error;
        if (alive)
            alive = request->append ? run_append(store, request) : run_in_savepoint(store, request);
        else
            describe(store, db, request);
        if (!alive && error == 0) /* what killed the group is what all of it is told */
            error = request->error ? request->error : db_error(db);
    }
    if (alive) {
        int64_t start = clock_monotonic_ns();
        error = sums_flush(db);
        error = error ? error : db_run(db, "COMMIT", "");
        commit_ns = clock_monotonic_ns() - start;
        committed = error == 0;
    }
    if (!committed) {
        char detail[PROBLEM_DETAIL_MAX];
        snprintf(detail, sizeof detail, "%s",
                 sqlite3_errcode(db->sqlite) == SQLITE_OK ? tg_error_title(error)
                                                          : sqlite3_errmsg(db->sqlite));
        log_error("store", "%s: transaction of %d requests rolled back: %s", store->path, taken, detail);
        sums_drop(db);
        if (db_in_transaction(db))
            db_run(db, "ROLLBACK", "");
        fail_group(store, group, error ? error : TG_EINTERNAL, detail);
    }
    count_group(store, group, committed, commit_ns);
    finish(store, group);
}

static void *writer_main(void *arg) {
    struct store *store = arg;
    struct request *request;
    pthread_setname_np(pthread_self(), "store-writer");
    while ((request = queue_wait(store, &store->writes)) != NULL)
        run_group(store, request);
    return NULL;
}

/* ---- the readers ---- */

/* In a transaction, so that all the statements of one `work` see one state. COMMIT ends it as cheaply as
 * ROLLBACK would: nothing was written. */
static void run_read(struct store *store, struct store_tx *db, struct request *request) {
    request->error = db_run(db, "BEGIN", "");
    if (request->error)
        describe(store, db, request);
    else
        run_work(store, db, request);
    if (db_in_transaction(db))
        db_run(db, "COMMIT", "");
    pthread_mutex_lock(&store->mutex);
    store->counts.reads++;
    pthread_mutex_unlock(&store->mutex);
    request->next = NULL;
    finish(store, request);
}

struct reader_start {
    struct store *store;
    struct store_tx *db;
};

static void *reader_main(void *arg) {
    struct reader_start start = *(struct reader_start *)arg;
    free(arg);
    struct request *request;
    pthread_setname_np(pthread_self(), "store-reader");
    while ((request = queue_wait(start.store, &start.store->reads)) != NULL)
        run_read(start.store, start.db, request);
    return NULL;
}

/* ---- requests ---- */

static int accept_request(struct store *store, struct queue *queue, struct request *request) {
    int error = 0;
    pthread_mutex_lock(&store->mutex);
    if (store->closing)
        error = TG_ESHUTTING_DOWN;
    else if (queue->size >= store->queue_max)
        error = TG_EBUSY;
    else {
        store->pending += !request->synchronous;
        queue_push(queue, request);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

static int submit(struct store *store, struct queue *queue, struct request model) {
    struct request *request = malloc(sizeof *request);
    if (request == NULL)
        return TG_ENO_MEMORY;
    *request = model;
    int error = accept_request(store, queue, request);
    if (error)
        free(request);
    return error;
}

int store_write(struct store *store, store_work work, store_done done, void *arg) {
    TG_ASSERT(store->mode == STORE_SERVE);
    return submit(store, &store->writes, (struct request){.work = work, .done = done, .arg = arg});
}

int store_append(struct store *store, store_work work, store_done done, void *arg) {
    TG_ASSERT(store->mode == STORE_SERVE);
    return submit(store, &store->writes,
                  (struct request){.work = work, .done = done, .arg = arg, .append = true});
}

int store_read(struct store *store, store_work work, store_done done, void *arg) {
    return submit(store, &store->reads, (struct request){.work = work, .done = done, .arg = arg});
}

static int submit_and_wait(struct store *store, struct queue *queue, store_work work, void *arg,
                           struct problem *problem) {
    /* On our stack: it is not left before `finished`, which finish() sets as the last thing that it does to
     * it. */
    struct request request = {.work = work, .arg = arg, .synchronous = true};
    int error = accept_request(store, queue, &request);
    if (error)
        return problem_set(problem, error, NULL, "the store is %s", error == TG_EBUSY ? "busy" : "closing");
    pthread_mutex_lock(&store->mutex);
    while (!request.finished)
        pthread_cond_wait(&store->synchronous_finished, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
    if (problem != NULL)
        *problem = request.problem;
    return request.error;
}

int store_write_now(struct store *store, store_work work, void *arg, struct problem *problem) {
    TG_ASSERT(store->mode == STORE_SERVE);
    return submit_and_wait(store, &store->writes, work, arg, problem);
}

int store_read_now(struct store *store, store_work work, void *arg, struct problem *problem) {
    return submit_and_wait(store, &store->reads, work, arg, problem);
}

int store_deliver(struct store *store) {
    pthread_mutex_lock(&store->mutex);
    struct request *list = store->finished;
    store->finished = NULL;
    store->finished_last = &store->finished;
    pthread_mutex_unlock(&store->mutex);
    int count = 0; /* without the mutex from here on: a `done` may queue more */
    for (struct request *next; list != NULL; list = next, count++) {
        next = list->next;
        if (list->done != NULL)
            list->done(list->arg, list->error, &list->problem);
        free(list);
    }
    pthread_mutex_lock(&store->mutex);
    store->pending -= count; /* only now: "nothing is pending" means that every `done` has returned */
    pthread_mutex_unlock(&store->mutex);
    return count;
}

int store_pending(struct store *store) {
    pthread_mutex_lock(&store->mutex);
    int pending = store->pending;
    pthread_mutex_unlock(&store->mutex);
    return pending;
}

void store_counts(struct store *store, struct store_counts *out) {
    pthread_mutex_lock(&store->mutex);
    *out = store->counts;
    pthread_mutex_unlock(&store->mutex);
}

int store_space(const struct store *store, struct store_space *out) {
    struct statvfs fs;
    if (statvfs(store->folder, &fs) != 0)
        return TG_EIO;
    out->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    out->total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    out->full = out->free_bytes < store->free_floor;
    return 0;
}

/* ---- open and close ---- */

static char *join(const char *folder, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* Makes the folder and its missing parents, for us alone. */
static int make_folder(const char *folder, struct problem *problem) {
    char *path = strdup(folder);
    if (path == NULL)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    int failed = 0;
    for (char *slash = path + 1; !failed && (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        failed = mkdir(path, 0755) != 0 && errno != EEXIST;
        *slash = '/';
    }
    if (!failed)
        failed = mkdir(path, 0700) != 0 && errno != EEXIST;
    int code = errno;
    free(path);
    if (!failed)
        return 0;
    return problem_set(problem, code == ENOSPC ? TG_ESTORAGE_FULL : TG_EIO, NULL,
                       "%s: cannot be created (%s). Choose another data folder", folder, strerror(code));
}

/* A child that the last holder had just forked, and that has not become its program yet, holds the lock after
 * its parent was killed: for an instant, which is waited out. */
static int lock_patiently(int fd) {
    enum { TRIES = 50, PAUSE_NS = 20000000 };
    int failed = 0;
    for (int i = 0; i < TRIES && (failed = flock(fd, LOCK_EX | LOCK_NB)) != 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    return failed;
}

/* Takes the lock that makes this the only coordinator on the folder; it ends with the process, however that
 * ends. */
static int take_lock(struct store *store, struct problem *problem) {
    store->lock_fd = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0) {
        int code = errno;
        return problem_set(problem, code == ENOSPC ? TG_ESTORAGE_FULL : TG_EIO, NULL,
                           "%s: cannot be written (%s). Make the data folder writable or choose another",
                           store->lock_path, strerror(code));
    }
    if (lock_patiently(store->lock_fd) != 0) {
        char holder[32] = "";
        ssize_t got = pread(store->lock_fd, holder, sizeof holder - 1, 0);
        holder[got > 0 ? got : 0] = 0;
        holder[strcspn(holder, "\n")] = 0;
        return problem_set(
            problem, TG_EBUSY, NULL,
            "%s: another tengen-server (process %s) uses this data folder. Stop it or choose another",
            store->folder, holder[0] ? holder : "unknown");
    }
    char self[32];
    int length = snprintf(self, sizeof self, "%ld\n", (long)getpid());
    /* The number is only for the message above; a full disk must not keep us from starting. */
    if (ftruncate(store->lock_fd, 0) != 0 || pwrite(store->lock_fd, self, (size_t)length, 0) != length)
        log_warn("store", "%s: cannot note the process number: %s", store->lock_path, strerror(errno));
    return 0;
}

static int remove_unfinished_uploads(struct store_tx *db) {
    return db_run(db, "DELETE FROM contents WHERE digest IS NULL", "");
}

static int open_database(struct store *store, struct problem *problem) {
    bool serve = store->mode == STORE_SERVE;
    if (!serve && access(store->path, F_OK) != 0)
        return problem_set(problem, TG_ENOT_FOUND, NULL,
                           "%s: does not exist. Name the data folder of a tengen-server", store->path);
    int error = serve ? make_folder(store->folder, problem) : 0;
    if (!error && serve)
        error = take_lock(store, problem);
    if (!error)
        error = db_open(&store->writer, store->path, serve, serve, problem);
    if (!error)
        error = serve ? schema_migrate(&store->writer, store->path, problem)
                      : schema_verify(&store->writer, store->path, problem);
    if (!error && serve && remove_unfinished_uploads(&store->writer) != 0)
        error = db_problem(&store->writer, store->path, problem);
    for (int i = 0; !error && i < store->reader_count; i++)
        error = db_open(&store->readers[i], store->path, false, false, problem);
    return error;
}

static int start_reader(struct store *store, int index) {
    struct reader_start *start = malloc(sizeof *start);
    if (start == NULL)
        return TG_ENO_MEMORY;
    *start = (struct reader_start){store, &store->readers[index]};
    if (pthread_create(&store->reader_threads[index], NULL, reader_main, start) == 0)
        return 0;
    free(start);
    return TG_ENO_MEMORY;
}

static int start_threads(struct store *store, struct problem *problem) {
    if (store->mode == STORE_SERVE) {
        int error = backfill_start(store->path, &store->writer, &store->backfill, problem);
        if (error)
            return error;
    }
    int error = pthread_create(&store->writer_thread, NULL, writer_main, store) == 0 ? 0 : TG_ENO_MEMORY;
    store->threads_started = !error;
    for (int i = 0; !error && i < store->reader_count; i++) {
        error = start_reader(store, i);
        store->threads_started += !error;
    }
    return error ? problem_set(problem, error, NULL, "cannot start a thread") : 0;
}

static void stop_threads(struct store *store) {
    pthread_mutex_lock(&store->mutex);
    store->closing = true;
    pthread_cond_broadcast(&store->writes.filled);
    pthread_cond_broadcast(&store->reads.filled);
    pthread_mutex_unlock(&store->mutex);
    if (store->threads_started > 0)
        pthread_join(store->writer_thread, NULL);
    for (int i = 0; i < store->threads_started - 1; i++)
        pthread_join(store->reader_threads[i], NULL);
    backfill_stop(store->backfill);
}

void store_close(struct store *store) {
    if (store == NULL)
        return;
    stop_threads(store);
    while (store_deliver(store) > 0)
        ;
    for (int i = 0; store->readers != NULL && i < store->reader_count; i++)
        db_close(&store->readers[i]);
    db_close(&store->writer);
    /* The file of the lock stays: were it removed, one who has it open already and one who makes it anew
     * would both hold a lock. */
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    pthread_cond_destroy(&store->writes.filled);
    pthread_cond_destroy(&store->reads.filled);
    pthread_cond_destroy(&store->synchronous_finished);
    pthread_mutex_destroy(&store->mutex);
    free(store->readers);
    free(store->folder);
    free(store->path);
    free(store->lock_path);
    free(store);
}

static struct store *create(const struct store_options *options) {
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    store->mode = options->mode;
    store->queue_max = options->queue_max > 0 ? options->queue_max : QUEUE_DEFAULT;
    store->group_max = options->group_max > 0 ? options->group_max : GROUP_DEFAULT;
    store->reader_count = options->readers > 0 ? options->readers : READERS_DEFAULT;
    if (store->reader_count > READERS_MAX)
        store->reader_count = READERS_MAX;
    store->free_floor = options->free_floor > 0 ? options->free_floor : FREE_FLOOR_DEFAULT;
    store->notify = options->notify;
    store->notify_arg = options->notify_arg;
    store->lock_fd = -1;
    store->finished_last = &store->finished;
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->synchronous_finished, NULL);
    queue_init(&store->writes);
    queue_init(&store->reads);
    store->folder = strdup(options->folder);
    store->path = join(options->folder, "tengen.db");
    store->lock_path = join(options->folder, "tengen.lock");
    store->readers = calloc((size_t)store->reader_count, sizeof *store->readers);
    return store;
}

int store_open(const struct store_options *options, struct store **out, struct problem *problem) {
    struct problem reason = {0};
    struct store *store = create(options);
    int error = 0;
    if (store == NULL)
        error = TG_ENO_MEMORY;
    else if (store->folder == NULL || store->path == NULL || store->lock_path == NULL ||
             store->readers == NULL)
        error = problem_set(&reason, TG_ENO_MEMORY, NULL, "out of memory");
    else
        error = open_database(store, &reason);
    if (!error)
        error = start_threads(store, &reason);
    if (error) {
        store_close(store);
        store = NULL;
    }
    if (problem != NULL)
        *problem = reason;
    *out = store;
    return error;
}

/* ---- whole-database tools ---- */

int store_check(struct store *store, void (*fault)(void *arg, const char *text), void *arg, int *faults,
                struct problem *problem) {
    struct store_tx db;
    int error = db_open(&db, store->path, false, false, problem);
    if (error)
        return error;
    error = check_database(&db, fault, arg, faults);
    if (error)
        db_describe(error, store->path, sqlite3_errmsg(db.sqlite), problem);
    db_close(&db);
    return error;
}

int store_backup(struct store *store, const char *file, struct problem *problem) {
    struct store_tx db;
    int error = db_open(&db, store->path, false, false, problem);
    if (error)
        return error;
    error = backup_database(&db, file, problem);
    db_close(&db);
    return error;
}
