/* The store: what is typed in comes out again, transitions keep their rules, and every sum survives
 * store_check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/wire/chunk.h"
#include "server/store/store_tx.h"
#include "tests/unit/store_fixture.h"

/* ---- helpers: each runs one operation in a transaction of its own ---- */

struct job_args {
    struct job_new job;
    int64_t id;
};

static int work_job(struct store_tx *tx, void *arg, struct problem *problem) {
    struct job_args *args = arg;
    return job_insert(tx, &args->job, &args->id, problem);
}

static int64_t add_job(struct store *store, int64_t units, int64_t task_units) {
    struct job_args args = {.job = fixture_job(units, task_units)};
    must(store_write_now(store, work_job, &args, NULL));
    return args.id;
}

struct lease_args {
    struct task_holder holder;
    int64_t units_done;
    struct task_outcome outcome;
    int64_t chunks;
    bool partial, forget;
    int fail_error;
    bool workers_fault;
};

static int work_lease(struct store_tx *tx, void *arg, struct problem *problem) {
    struct lease_args *args = arg;
    return task_lease(tx, &args->holder, 1000, &args->units_done, problem);
}

static int work_lapse(struct store_tx *tx, void *arg, struct problem *problem) {
    struct lease_args *args = arg;
    return task_lapse(tx, &args->holder, args->forget);
}

static int work_regrant(struct store_tx *tx, void *arg, struct problem *problem) {
    struct lease_args *args = arg;
    return task_regrant(tx, &args->holder, problem);
}

static int work_done(struct store_tx *tx, void *arg, struct problem *problem) {
    struct lease_args *args = arg;
    return task_done(tx, &args->holder, args->chunks, args->partial, 5, 2000, &args->outcome, problem);
}

static int work_fail(struct store_tx *tx, void *arg, struct problem *problem) {
    struct lease_args *args = arg;
    struct problem reason = {0};
    problem_set(&reason, args->fail_error, NULL, "gnugo died");
    return task_fail(tx, &args->holder, &reason, args->workers_fault, 5, 2000, &args->outcome, problem);
}

static int lease(struct store *store, int64_t task, int attempt, int64_t worker) {
    struct lease_args args = {.holder = {task, worker, attempt}};
    return store_write_now(store, work_lease, &args, NULL);
}

static int work_check_job(void *arg, const struct job_row *row) {
    struct job_row *out = arg;
    *out = *row;
    return 0;
}

struct get_job {
    int64_t id;
    struct job_row row;
};

static int work_get_job(struct store_tx *tx, void *arg, struct problem *problem) {
    struct get_job *get = arg;
    return job_get(tx, get->id, work_check_job, &get->row);
}

/* Numbers only: the strings of the row are gone. */
static struct job_row read_job(struct store *store, int64_t id) {
    struct get_job get = {.id = id};
    must(store_read_now(store, work_get_job, &get, NULL));
    return get.row;
}

struct get_task {
    int64_t id;
    struct task_row row;
};

static int copy_task(void *arg, const struct task_row *row) {
    *(struct task_row *)arg = *row;
    return 0;
}

static int work_get_task(struct store_tx *tx, void *arg, struct problem *problem) {
    struct get_task *get = arg;
    return task_get(tx, get->id, copy_task, &get->row);
}

static struct task_row read_task(struct store *store, int64_t id) {
    struct get_task get = {.id = id};
    must(store_read_now(store, work_get_task, &get, NULL));
    return get.row;
}

struct put_chunk {
    struct task_holder holder;
    int64_t seq;
    struct chunk_ready ready;
    struct chunk_stored stored;
    struct problem problem;
};

static int work_put(struct store_tx *tx, void *arg, struct problem *problem) {
    struct put_chunk *put = arg;
    return chunk_insert(tx, &put->holder, put->seq, &put->ready, 1500, &put->stored, problem);
}

static int put(struct store *store, int64_t task, int attempt, int64_t worker, int64_t seq, const char *body,
               struct chunk_stored *stored) {
    struct buf bytes = BUF_INIT;
    fixture_chunk(&bytes, body, 1);
    struct put_chunk args = {.holder = {task, worker, attempt}, .seq = seq};
    must(chunk_prepare(bytes.data, bytes.size, &args.ready, NULL));
    int error = store_write_now(store, work_put, &args, &args.problem);
    chunk_ready_free(&args.ready);
    buf_free(&bytes);
    if (stored != NULL)
        *stored = args.stored;
    return error;
}

/* ---- jobs and tasks ---- */

static void jobs_reserve_their_task_ids(void **state) {
    struct store *store = fixture_open(*state);
    int64_t a = add_job(store, 20, 8), b = add_job(store, 1, 1), c = add_job(store, 16, 8);
    assert_int_equal(read_job(store, a).task_count, 3);
    assert_int_equal(read_job(store, b).first_task, read_job(store, a).first_task + 3);
    assert_int_equal(read_job(store, c).first_task, read_job(store, b).first_task + 1);
    assert_int_equal(read_job(store, c).task_count, 2);
    store_close(store);
}

static void a_task_runs_to_its_end(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "1"), job = add_job(store, 3, 2),
            task = read_job(store, job).first_task;
    must(lease(store, task, 1, worker));
    assert_int_equal(read_job(store, job).state, JOB_RUNNING);
    assert_int_equal(lease(store, task, 1, worker), TG_EWRONG_STATE);
    must(put(store, task, 1, worker, 0, "one", NULL));
    struct lease_args args = {.holder = {task, worker, 1}, .chunks = 2};
    struct problem problem;
    assert_int_equal(store_write_now(store, work_done, &args, &problem), TG_ECHUNKS_MISSING);
    assert_non_null(strstr(problem.detail, "chunk 1 "));
    must(put(store, task, 1, worker, 1, "two", NULL));
    must(store_write_now(store, work_done, &args, NULL));
    assert_int_equal(args.outcome.task_state, TASK_DONE);
    assert_false(args.outcome.job_ended);
    must(store_write_now(store, work_done, &args, NULL));
    assert_true(args.outcome.repeated);
    must(lease(store, task + 1, 1, worker));
    assert_int_equal(read_task(store, task + 1).units, 1);
    must(put(store, task + 1, 1, worker, 0, "three", NULL));
    args = (struct lease_args){.holder = {task + 1, worker, 1}, .chunks = 1};
    must(store_write_now(store, work_done, &args, NULL));
    assert_true(args.outcome.job_ended);
    assert_int_equal(read_job(store, job).state, JOB_SUCCEEDED);
    assert_int_equal(read_job(store, job).units_done, 3);
    assert_int_equal(read_job(store, job).game_count, 3);
    fixture_check_clean(store);
    store_close(store);
}

static void rows_are_dense_when_a_later_task_is_leased_first(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "1"), job = add_job(store, 10, 2),
            task = read_job(store, job).first_task;
    must(lease(store, task + 3, 1, worker));
    assert_int_equal(read_job(store, job).next_index, 4);
    assert_int_equal(read_task(store, task + 1).state, TASK_PENDING);
    assert_int_equal(read_task(store, task + 1).attempt, 0);
    assert_int_equal(read_task(store, task + 3).index, 3);
    must(lease(store, task + 1, 1, worker));
    assert_int_equal(lease(store, task + 5, 1, worker), TG_EWRONG_STATE);
    fixture_check_clean(store);
    store_close(store);
}

static void a_lapsed_worker_may_come_back_until_another_has_the_task(void **state) {
    struct store *store = fixture_open(*state);
    int64_t a = fixture_worker(store, "1"), b = fixture_worker(store, "2");
    int64_t job = add_job(store, 4, 4), task = read_job(store, job).first_task;
    must(lease(store, task, 1, a));
    struct lease_args args = {.holder = {task, a, 1}};
    must(store_write_now(store, work_lapse, &args, NULL));
    assert_int_equal(read_task(store, task).state, TASK_PENDING);
    must(put(store, task, 1, a, 0, "late but first", NULL));
    must(store_write_now(store, work_regrant, &args, NULL));
    assert_int_equal(read_task(store, task).state, TASK_LEASED);
    must(store_write_now(store, work_lapse, &args, NULL));
    struct lease_args next = {.holder = {task, b, 2}};
    must(store_write_now(store, work_lease, &next, NULL));
    assert_int_equal(next.units_done, 1);
    assert_int_equal(store_write_now(store, work_regrant, &args, NULL), TG_ELEASE_LOST);
    assert_int_equal(put(store, task, 1, a, 1, "too late", NULL), TG_ELEASE_LOST);
    assert_int_equal(put(store, task, 1, b, 1, "not its attempt", NULL), TG_ELEASE_LOST);
    assert_int_equal(put(store, task, 3, b, 1, "no attempt yet", NULL), TG_ELEASE_LOST);
    must(put(store, task, 1, a, 0, "late but first", NULL)); /* stored before: still a success */
    must(store_write_now(store, work_lapse, &args, NULL));   /* an old lapse changes nothing */
    assert_int_equal(read_task(store, task).state, TASK_LEASED);
    args.holder = next.holder;
    args.forget = true;
    must(store_write_now(store, work_lapse, &args, NULL));
    assert_int_equal(store_write_now(store, work_regrant, &args, NULL), TG_ELEASE_LOST);
    fixture_check_clean(store);
    store_close(store);
}

static void an_older_attempt_of_the_same_worker_is_fenced_off(void **state) {
    struct store *store = fixture_open(*state);
    int64_t a = fixture_worker(store, "1"), job = add_job(store, 4, 4),
            task = read_job(store, job).first_task;
    must(lease(store, task, 1, a));
    must(lease(store, task, 2, a));
    assert_int_equal(put(store, task, 1, a, 0, "old", NULL), TG_ELEASE_LOST);
    must(put(store, task, 2, a, 0, "new", NULL));
    store_close(store);
}

/* What the job asks for is wrong; a file that is damaged may be so on one machine alone. */
static void one_failure_is_enough_where_another_try_would_end_the_same(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "1"), job = add_job(store, 2, 1),
            task = read_job(store, job).first_task;
    must(lease(store, task, 1, worker));
    struct lease_args damaged = {.holder = {task, worker, 1}, .fail_error = TG_ECORRUPT};
    must(store_write_now(store, work_fail, &damaged, NULL));
    assert_int_equal(damaged.outcome.task_state, TASK_PENDING);
    must(lease(store, task, 2, worker));
    struct lease_args wrong = {.holder = {task, worker, 2}, .fail_error = TG_EOUT_OF_RANGE};
    must(store_write_now(store, work_fail, &wrong, NULL));
    assert_int_equal(wrong.outcome.task_state, TASK_FAILED);
    assert_true(wrong.outcome.job_ended);
    assert_int_equal(read_job(store, job).state, JOB_FAILED);
    store_close(store);
}

static void five_failures_fail_the_job_with_the_reason(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "1"), job = add_job(store, 4, 2),
            task = read_job(store, job).first_task;
    must(lease(store, task + 1, 1, worker));
    for (int attempt = 1; attempt <= 5; attempt++) {
        must(lease(store, task, attempt, worker));
        struct lease_args args = {.holder = {task, worker, attempt}, .fail_error = TG_EENGINE};
        must(store_write_now(store, work_fail, &args, NULL));
        assert_int_equal(args.outcome.failures, attempt);
        assert_int_equal(args.outcome.task_state, attempt < 5 ? TASK_PENDING : TASK_FAILED);
        assert_int_equal(args.outcome.job_ended, attempt == 5);
        assert_int_equal(put(store, task, attempt, worker, 0, "x", NULL), TG_ELEASE_LOST);
    }
    assert_int_equal(read_job(store, job).state, JOB_FAILED);
    assert_int_equal(read_task(store, task + 1).state, TASK_CANCELLED);
    assert_int_equal(put(store, task + 1, 1, worker, 0, "x", NULL), TG_ELEASE_LOST);
    assert_int_equal(lease(store, task + 1, 2, worker), TG_EWRONG_STATE);
    fixture_check_clean(store);
    store_close(store);
}

static void a_failure_by_the_workers_fault_is_not_counted(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "1"), job = add_job(store, 4, 4),
            task = read_job(store, job).first_task;
    for (int attempt = 1; attempt <= 7; attempt++) {
        must(lease(store, task, attempt, worker));
        struct lease_args args = {
            .holder = {task, worker, attempt}, .fail_error = TG_EUNAVAILABLE, .workers_fault = attempt != 4};
        must(store_write_now(store, work_fail, &args, NULL));
        assert_int_equal(args.outcome.task_state, TASK_PENDING);
        assert_int_equal(args.outcome.failures, attempt >= 4);
        assert_int_equal(args.outcome.uncounted, attempt != 4);
        assert_int_equal(args.outcome.reason.error, TG_EUNAVAILABLE);
        assert_non_null(strstr(args.outcome.reason.detail, "worker w: gnugo died"));
    }
    assert_int_equal(read_job(store, job).state, JOB_RUNNING);
    fixture_check_clean(store);
    store_close(store);
}

static void done_with_units_left_is_put_back_or_counts_as_failure(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "1"), job = add_job(store, 4, 4),
            task = read_job(store, job).first_task;
    must(lease(store, task, 1, worker));
    must(put(store, task, 1, worker, 0, "a", NULL));
    struct lease_args args = {.holder = {task, worker, 1}, .chunks = 1, .partial = true};
    must(store_write_now(store, work_done, &args, NULL));
    assert_int_equal(args.outcome.task_state, TASK_PENDING);
    assert_int_equal(args.outcome.failures, 0);
    assert_int_equal(args.outcome.units_left, 3);
    must(lease(store, task, 2, worker));
    args = (struct lease_args){.holder = {task, worker, 2}, .chunks = 0};
    must(store_write_now(store, work_done, &args, NULL));
    assert_int_equal(args.outcome.failures, 1);
    assert_int_equal(args.outcome.task_state, TASK_PENDING);
    fixture_check_clean(store);
    store_close(store);
}

/* ---- chunks ---- */

static void a_chunk_is_stored_once_and_never_replaced(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "1"), job = add_job(store, 2, 2),
            task = read_job(store, job).first_task;
    must(lease(store, task, 1, worker));
    struct chunk_stored first, again;
    must(put(store, task, 1, worker, 0, "a", &first));
    assert_false(first.existed);
    assert_int_equal(first.task_units_done, 1);
    must(put(store, task, 1, worker, 0, "a", &again));
    assert_true(again.existed);
    assert_int_equal(again.cursor, first.cursor);
    assert_int_equal(again.game, first.game);
    assert_int_equal(again.job_units_done, 1);
    assert_int_equal(put(store, task, 1, worker, 0, "b", NULL), TG_ECHUNK_CONFLICT);
    assert_int_equal(put(store, task + 1, 1, worker, 0, "b", NULL), TG_ENOT_FOUND);
    assert_int_equal(put(store, task, 1, worker + 1, 1, "b", NULL), TG_ELEASE_LOST);
    must(put(store, task, 1, worker, 1, "b", NULL));
    assert_int_equal(put(store, task, 1, worker, 2, "c", NULL), TG_EINVALID);
    assert_int_equal(read_job(store, job).chunk_count, 2);
    fixture_check_clean(store);
    store_close(store);
}

struct retain_args {
    int64_t now;
    int limit, dropped;
    int64_t job, cursors[16];
    int count;
};

static int work_retain(struct store_tx *tx, void *arg, struct problem *problem) {
    struct retain_args *args = arg;
    return chunk_retain(tx, args->now, args->limit, &args->dropped);
}

static int note_cursor(void *arg, int64_t cursor, const void *data, size_t size) {
    struct retain_args *args = arg;
    assert_true(args->count < 16);
    args->cursors[args->count++] = cursor;
    struct chunk_view view;
    must(chunk_open(data, size, &view, NULL));
    chunk_view_free(&view);
    return 0;
}

static int work_list(struct store_tx *tx, void *arg, struct problem *problem) {
    struct retain_args *args = arg;
    args->count = 0;
    return chunk_list(tx, args->job, 0, 16, 1 << 20, note_cursor, args);
}

static void retention_keeps_the_newest_and_still_knows_the_rest(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "1");
    struct job_args job = {.job = fixture_job(10, 10)};
    job.job.retention.chunks = 3;
    must(store_write_now(store, work_job, &job, NULL));
    int64_t task = read_job(store, job.id).first_task;
    must(lease(store, task, 1, worker));
    struct chunk_stored stored[8];
    for (int i = 0; i < 8; i++)
        must(put(store, task, 1, worker, i, (char[]){(char)('a' + i), 0}, &stored[i]));
    struct retain_args args = {.now = 2000, .limit = 2, .job = job.id};
    must(store_write_now(store, work_retain, &args, NULL));
    assert_int_equal(args.dropped, 2);
    must(store_read_now(store, work_list, &args, NULL));
    assert_int_equal(args.count, 6);
    assert_int_equal(args.cursors[0], stored[2].cursor);
    args.limit = 100;
    must(store_write_now(store, work_retain, &args, NULL));
    assert_int_equal(args.dropped, 3);
    must(store_write_now(store, work_retain, &args, NULL));
    assert_int_equal(args.dropped, 0);
    must(store_read_now(store, work_list, &args, NULL));
    assert_int_equal(args.count, 3);
    assert_int_equal(args.cursors[2], stored[7].cursor);
    must(put(store, task, 1, worker, 0, "a", NULL));
    assert_int_equal(put(store, task, 1, worker, 0, "z", NULL), TG_ECHUNK_CONFLICT);
    assert_int_equal(read_job(store, job.id).chunk_count, 8);
    fixture_check_clean(store);
    store_close(store);
}

static void retention_by_age(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "1");
    struct job_args job = {.job = fixture_job(4, 4)};
    job.job.retention.seconds = 10;
    must(store_write_now(store, work_job, &job, NULL));
    int64_t task = read_job(store, job.id).first_task;
    must(lease(store, task, 1, worker));
    must(put(store, task, 1, worker, 0, "a", NULL)); /* at 1500 ms */
    struct retain_args args = {.now = 11500, .limit = 100, .job = job.id};
    must(store_write_now(store, work_retain, &args, NULL));
    assert_int_equal(args.dropped, 0);
    args.now = 11501;
    must(store_write_now(store, work_retain, &args, NULL));
    assert_int_equal(args.dropped, 1);
    must(store_read_now(store, work_list, &args, NULL));
    assert_int_equal(args.count, 0);
    store_close(store);
}

/* ---- content ---- */

struct upload_args {
    const uint8_t *data;
    size_t size;
    uint8_t digest[SHA256_BYTES];
    int64_t content, upload;
    bool existed;
    uint8_t *out;
    size_t got;
    int64_t offset;
};

static int work_upload(struct store_tx *tx, void *arg, struct problem *problem) {
    struct upload_args *args = arg;
    int error = content_begin(tx, 1, &args->upload);
    for (size_t at = 0, i = 0; !error && at < args->size; at += CONTENT_PIECE_BYTES, i++) {
        size_t size = args->size - at < CONTENT_PIECE_BYTES ? args->size - at : CONTENT_PIECE_BYTES;
        error = content_piece(tx, args->upload, (int64_t)i, args->data + at, size);
    }
    if (!error)
        error = content_finish(tx, args->upload, args->digest, (int64_t)args->size, &args->content,
                               &args->existed, problem);
    struct checkpoint_new checkpoint = {.content = args->content, .name = "", .metadata = "{}", .now_ms = 1};
    int64_t row;
    return error ? error : checkpoint_insert(tx, &checkpoint, &row);
}

static int work_read(struct store_tx *tx, void *arg, struct problem *problem) {
    struct upload_args *args = arg;
    return content_read(tx, args->content, args->offset, args->out, args->size, &args->got);
}

static void content_is_stored_once_and_read_by_range(void **state) {
    struct store *store = fixture_open(*state);
    size_t size = 3 * CONTENT_PIECE_BYTES + 17;
    uint8_t *data = test_malloc(size), *out = test_malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    struct upload_args args = {.data = data, .size = size, .out = out};
    sha256(data, size, args.digest);
    must(store_write_now(store, work_upload, &args, NULL));
    assert_false(args.existed);
    int64_t content = args.content;
    must(store_write_now(store, work_upload, &args, NULL));
    assert_true(args.existed);
    assert_int_equal(args.content, content);
    static const int64_t ranges[][2] = {{0, 10},
                                        {CONTENT_PIECE_BYTES - 3, 7},
                                        {CONTENT_PIECE_BYTES, CONTENT_PIECE_BYTES},
                                        {5, 3 * CONTENT_PIECE_BYTES}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        args.offset = ranges[i][0];
        args.size = (size_t)ranges[i][1];
        must(store_read_now(store, work_read, &args, NULL));
        assert_int_equal(args.got, args.size);
        assert_memory_equal(out, data + args.offset, args.size);
    }
    args.offset = (int64_t)size - 4;
    args.size = 100;
    must(store_read_now(store, work_read, &args, NULL));
    assert_int_equal(args.got, 4);
    fixture_check_clean(store);
    test_free(data);
    test_free(out);
    store_close(store);
}

/* ---- states ---- */

struct state_args {
    int64_t task;
    const char *name;
    uint8_t digest[SHA256_BYTES];
    int limit, dropped;
    bool found;
};

/* A content of a few bytes that says which it is, and its row. */
static int work_state(struct store_tx *tx, void *arg, struct problem *problem) {
    struct state_args *args = arg;
    char text[64];
    snprintf(text, sizeof text, "%s of %d", args->name, (int)args->task);
    sha256(text, strlen(text), args->digest);
    struct checkpoint_new row = {
        .job = args->task, .task = args->task, .attempt = 1, .step = 1, .name = args->name, .metadata = "{}"};
    int64_t upload, id;
    bool existed;
    int error = content_begin(tx, 1, &upload);
    error = error ? error : content_piece(tx, upload, 0, text, strlen(text));
    error = error ? error
                  : content_finish(tx, upload, args->digest, (int64_t)strlen(text), &row.content, &existed,
                                   problem);
    return error ? error : checkpoint_insert(tx, &row, &id);
}

static int work_retain_states(struct store_tx *tx, void *arg, struct problem *problem) {
    struct state_args *args = arg;
    return checkpoint_retain(tx, args->limit, &args->dropped);
}

static int work_content(struct store_tx *tx, void *arg, struct problem *problem) {
    struct state_args *args = arg;
    int64_t content, bytes;
    int error = content_find(tx, args->digest, &content, &bytes);
    args->found = error == 0;
    return error == TG_ENOT_FOUND ? 0 : error;
}

static bool is_there(struct store *store, struct state_args *args) {
    must(store_read_now(store, work_content, args, NULL));
    return args->found;
}

static int drop_states(struct store *store) {
    struct state_args args = {.limit = 10};
    must(store_write_now(store, work_retain_states, &args, NULL));
    return args.dropped;
}

/* Jobs of one task each, numbered alike; the third takes the second's state as its input. */
static void a_state_goes_when_its_task_is_over(void **state) {
    struct store *store = fixture_open(*state);
    int64_t worker = fixture_worker(store, "00");
    struct state_args states[2], network = {.task = 1, .name = "checkpoint"};
    for (int task = 1; task <= 2; task++) {
        struct lease_args args = {.holder = {add_job(store, 1, 1), worker, 1}};
        must(store_write_now(store, work_lease, &args, NULL));
        states[task - 1] = (struct state_args){.task = task, .name = "state"};
        must(store_write_now(store, work_state, &states[task - 1], NULL));
    }
    must(store_write_now(store, work_state, &network, NULL));
    assert_int_equal(drop_states(store), 0);
    assert_true(is_there(store, &states[0]));

    char hex[SHA256_HEX], inputs[128];
    sha256_hex(states[1].digest, hex);
    snprintf(inputs, sizeof inputs, "{\"start\": {\"checkpoint\": \"%s\"}}", hex);
    struct job_args taker = {.job = fixture_job(1, 1)};
    taker.job.inputs = inputs;
    must(store_write_now(store, work_job, &taker, NULL));
    for (int task = 1; task <= 2; task++) {
        must(put(store, task, 1, worker, 0, "a game", NULL));
        struct lease_args args = {.holder = {task, worker, 1}, .chunks = 1};
        must(store_write_now(store, work_done, &args, NULL));
        assert_int_equal(args.outcome.task_state, TASK_DONE);
    }
    assert_int_equal(drop_states(store), 1);
    assert_false(is_there(store, &states[0]));
    assert_true(is_there(store, &states[1])); /* somebody still takes it */
    assert_true(is_there(store, &network));
    assert_int_equal(drop_states(store), 0);
    fixture_check_clean(store);
    store_close(store);
}

/* ---- small tables ---- */

static int count_token(void *arg, const struct token_row *row) {
    *(struct token_row *)arg = *row;
    return 0;
}

static int work_tokens(struct store_tx *tx, void *arg, struct problem *problem) {
    uint8_t hash[TOKEN_HASH_BYTES] = {1, 2, 3};
    struct token_row row = {0};
    int64_t id = 0;
    assert_int_equal(token_find(tx, hash, count_token, &row), TG_ENOT_FOUND);
    must(token_insert(tx, hash, ROLE_SUBMIT, "mine", 5, &id));
    assert_int_not_equal(token_insert(tx, hash, ROLE_SUBMIT, "again", 5, &id), 0);
    must(token_revoke(tx, id, 9));
    must(token_revoke(tx, id, 10));
    assert_int_equal(token_revoke(tx, id + 1, 10), TG_ENOT_FOUND);
    must(token_find(tx, hash, count_token, &row));
    assert_int_equal(row.role, ROLE_SUBMIT);
    assert_int_equal(row.revoked_ms, 9);
    return 0;
}

static int work_idempotency(struct store_tx *tx, void *arg, struct problem *problem) {
    uint8_t one[SHA256_BYTES] = {1}, two[SHA256_BYTES] = {2};
    struct buf answer = BUF_INIT;
    int status = 0;
    assert_int_equal(idempotency_get(tx, 0, "k", one, &status, &answer, NULL), TG_ENOT_FOUND);
    must(idempotency_put(tx, 0, "k", one, 201, "{}", 2, 100));
    assert_int_equal(idempotency_get(tx, 0, "k", two, &status, &answer, NULL), TG_EIDEMPOTENCY);
    assert_int_equal(idempotency_get(tx, 7, "k", one, &status, &answer, NULL), TG_ENOT_FOUND);
    must(idempotency_get(tx, 0, "k", one, &status, &answer, NULL));
    assert_int_equal(status, 201);
    assert_string_equal((char *)answer.data, "{}");
    must(idempotency_purge(tx, 101));
    assert_int_equal(idempotency_get(tx, 0, "k", one, &status, &answer, NULL), TG_ENOT_FOUND);
    buf_free(&answer);
    return 0;
}

static int work_settings(struct store_tx *tx, void *arg, struct problem *problem) {
    struct buf value = BUF_INIT;
    assert_int_equal(setting_get(tx, "join", &value), TG_ENOT_FOUND);
    must(setting_set(tx, "join", "a"));
    must(setting_set(tx, "join", "b"));
    must(setting_get(tx, "join", &value));
    assert_string_equal((char *)value.data, "b");
    buf_free(&value);
    return 0;
}

static int work_workers(struct store_tx *tx, void *arg, struct problem *problem) {
    struct worker_new worker = {
        .instance = "0123", .name = "w", .machine = "{}", .capabilities = "[]", .runners = 2};
    int64_t a = 0, b = 0;
    bool created = false;
    must(worker_register(tx, &worker, &a, &created));
    assert_true(created);
    must(worker_set_state(tx, a, WORKER_DRAIN));
    must(worker_register(tx, &worker, &b, &created));
    assert_false(created);
    assert_int_equal(a, b);
    assert_int_equal(worker_set_state(tx, a + 1, WORKER_DRAIN), TG_ENOT_FOUND);
    return 0;
}

static void small_tables(void **state) {
    struct store *store = fixture_open(*state);
    must(store_write_now(store, work_tokens, NULL, NULL));
    must(store_write_now(store, work_idempotency, NULL, NULL));
    must(store_write_now(store, work_settings, NULL, NULL));
    must(store_write_now(store, work_workers, NULL, NULL));
    store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jobs_reserve_their_task_ids, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_task_runs_to_its_end, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(rows_are_dense_when_a_later_task_is_leased_first, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_lapsed_worker_may_come_back_until_another_has_the_task,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_older_attempt_of_the_same_worker_is_fenced_off, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(one_failure_is_enough_where_another_try_would_end_the_same,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(five_failures_fail_the_job_with_the_reason, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_failure_by_the_workers_fault_is_not_counted, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(done_with_units_left_is_put_back_or_counts_as_failure, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_chunk_is_stored_once_and_never_replaced, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(retention_keeps_the_newest_and_still_knows_the_rest, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(retention_by_age, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(content_is_stored_once_and_read_by_range, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_state_goes_when_its_task_is_over, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(small_tables, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
