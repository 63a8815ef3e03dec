/* ingest_store.c - chunks straight into the store: this thread is the loop, with 8 chunks under way. */
#include <pthread.h>
#include <stdlib.h>
#include "proto/base/clock.h"
#include "server/store/store_tx.h"
#include "tests/bench/ingest.h"

enum { TASK_UNITS = 1000000 };

struct producer {
    struct side *side;
    struct task_holder holder;
    int64_t seq;
    struct chunk_ready ready;
    struct chunk_stored stored;
};

struct side {
    struct store *store;
    pthread_mutex_t mutex;
    pthread_cond_t signal;
    bool notified;
    const struct buf *chunk;
    int64_t end_ns, finished;
    struct producer producers[BENCH_CONNECTIONS];
};

static void notify(void *arg) {
    struct side *side = arg;
    pthread_mutex_lock(&side->mutex);
    side->notified = true;
    pthread_cond_signal(&side->signal);
    pthread_mutex_unlock(&side->mutex);
}

static void wait_for_store(struct side *side) {
    pthread_mutex_lock(&side->mutex);
    while (!side->notified)
        pthread_cond_wait(&side->signal, &side->mutex);
    side->notified = false;
    pthread_mutex_unlock(&side->mutex);
}

static int work_set_up(struct store_tx *tx, void *arg, struct problem *problem) {
    struct side *side = arg;
    struct worker_new worker = {
        .instance = "00", .name = "bench", .machine = "{}", .capabilities = "[]", .runners = 8, .now_ms = 1};
    struct job_new job = {.kind = "selfplay",
                          .name = "bench",
                          .document = "{}",
                          .config = "{}",
                          .inputs = "{}",
                          .units_total = (int64_t)TASK_UNITS * BENCH_CONNECTIONS,
                          .task_units = TASK_UNITS,
                          .now_ms = 1};
    int64_t id = 0, units_done;
    bool created;
    int error = worker_register(tx, &worker, &id, &created);
    int64_t job_id;
    if (!error)
        error = job_insert(tx, &job, &job_id, problem);
    for (int i = 0; !error && i < BENCH_CONNECTIONS; i++) {
        side->producers[i].holder = (struct task_holder){.task = i + 1, .worker = id, .attempt = 1};
        error = task_lease(tx, &side->producers[i].holder, 1, &units_done, problem);
    }
    return error;
}

static int work_insert(struct store_tx *tx, void *arg, struct problem *problem) {
    struct producer *producer = arg;
    return chunk_insert(tx, &producer->holder, producer->seq, &producer->ready, 1, &producer->stored,
                        problem);
}

static void produce(struct producer *producer);

static void done_insert(void *arg, int error, const struct problem *problem) {
    struct producer *producer = arg;
    if (error)
        bench_die("insert", error, problem);
    chunk_ready_free(&producer->ready);
    producer->seq++;
    producer->side->finished++;
    if (clock_monotonic_ns() < producer->side->end_ns)
        produce(producer);
}

static void produce(struct producer *producer) {
    struct side *side = producer->side;
    struct problem problem = {0};
    int error = chunk_prepare(side->chunk->data, side->chunk->size, &producer->ready, &problem);
    if (!error)
        error = store_append(side->store, work_insert, done_insert, producer);
    if (error)
        bench_die("write", error, &problem);
}

void *store_side_start(const char *folder) {
    struct side *side = calloc(1, sizeof *side);
    if (side == NULL)
        bench_die("start", TG_ENO_MEMORY, NULL);
    pthread_mutex_init(&side->mutex, NULL);
    pthread_cond_init(&side->signal, NULL);
    struct problem problem = {0};
    int error = store_open(&(struct store_options){.folder = folder, .notify = notify, .notify_arg = side},
                           &side->store, &problem);
    if (!error)
        error = store_write_now(side->store, work_set_up, side, &problem);
    if (error)
        bench_die("open", error, &problem);
    for (int i = 0; i < BENCH_CONNECTIONS; i++)
        side->producers[i].side = side;
    return side;
}

double store_side_round(void *arg, const struct buf *chunk, double seconds, double *group) {
    struct side *side = arg;
    struct store_counts before, after;
    store_counts(side->store, &before);
    int64_t start = clock_monotonic_ns(), first = side->finished;
    side->chunk = chunk;
    side->end_ns = start + (int64_t)(seconds * 1e9);
    for (int i = 0; i < BENCH_CONNECTIONS; i++)
        produce(&side->producers[i]);
    while (store_pending(side->store) > 0) {
        wait_for_store(side);
        store_deliver(side->store);
    }
    double elapsed = (double)(clock_monotonic_ns() - start) / 1e9;
    store_counts(side->store, &after);
    *group = (double)(after.writes - before.writes) / (double)(after.commits - before.commits);
    return (double)(side->finished - first) / elapsed;
}

void store_side_stop(void *arg) {
    struct side *side = arg;
    struct problem problem = {0};
    int faults = 0, error = store_check(side->store, NULL, NULL, &faults, &problem);
    if (error || faults > 0)
        bench_die("the database is not whole afterwards", error ? error : TG_ECORRUPT, &problem);
    store_close(side->store);
    pthread_mutex_destroy(&side->mutex);
    pthread_cond_destroy(&side->signal);
    free(side);
}
