/* content.c - checkpoints and data sets: content stored once by its SHA-256, in pieces.
 *
 *      checkpoints --\
 *                     >-- contents (digest, bytes) --< pieces (256 KiB each, the last one shorter)
 *      datasets   ---/
 *
 * Pieces are committed as they arrive, under a content without a digest; content_finish gives it the digest.
 * So a large upload never holds a transaction open, and one that breaks off leaves nothing that could be
 * found: every look-up is by digest. Such remains are removed when the store is opened.
 *
 * Two uploads of the same bytes at once are both stored; the one that finishes second finds the digest there
 * and drops its own pieces. Knowing the digest before the bytes have come would need the sender's word for
 * it.
 *
 * A content lives as long as a row of checkpoints or data sets names it. That is asked by content_free, when
 * a name has gone; a count of names in the row would be one more sum to keep right.
 *
 * Pieces of 256 KiB: small enough to be written between other people's requests, large enough that a row
 * costs nothing beside its bytes.
 */
#include "server/store/db.h"

#include <string.h>

int content_begin(struct store_tx *tx, int64_t now_ms, int64_t *upload) {
    TG_ASSERT(tx->writable);
    int error = db_run(tx, "INSERT INTO contents (created_ms) VALUES (?)", "i", now_ms);
    *upload = db_inserted(tx);
    return error;
}

int content_piece(struct store_tx *tx, int64_t upload, int64_t index, const void *data, size_t size) {
    TG_ASSERT(tx->writable && size <= CONTENT_PIECE_BYTES);
    return db_run(tx, "INSERT INTO pieces (content, piece, data) VALUES (?, ?, ?)", "iib", upload, index,
                  data, size);
}

int content_abort(struct store_tx *tx, int64_t upload) {
    TG_ASSERT(tx->writable);
    return db_run(tx, "DELETE FROM contents WHERE id = ? AND digest IS NULL", "i", upload);
}

int content_finish(struct store_tx *tx, int64_t upload, const uint8_t digest[SHA256_BYTES], int64_t bytes,
                   int64_t *content, bool *existed, struct problem *problem) {
    TG_ASSERT(tx->writable);
    int64_t known_bytes = 0, stored = 0;
    int error = content_find(tx, digest, content, &known_bytes);
    *existed = error == 0;
    if (*existed)
        return content_abort(tx, upload);
    if (error != TG_ENOT_FOUND)
        return error;
    error = db_int(tx, &stored, "SELECT coalesce(sum(length(data)), 0) FROM pieces WHERE content = ?", "i",
                   upload);
    if (error)
        return error;
    if (stored != bytes)
        return problem_set(problem, TG_ETRUNCATED, NULL, "%lld of %lld bytes were stored: send it again",
                           (long long)stored, (long long)bytes);
    *content = upload;
    return db_run(tx, "UPDATE contents SET digest = ?, bytes = ? WHERE id = ?", "bii", digest,
                  (size_t)SHA256_BYTES, bytes, upload);
}

int content_find(struct store_tx *tx, const uint8_t digest[SHA256_BYTES], int64_t *content, int64_t *bytes) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, "SELECT id, bytes FROM contents WHERE digest = ?", "b", digest,
                        (size_t)SHA256_BYTES);
    if (error)
        return error;
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    *content = db_i64(stmt, 0);
    *bytes = db_i64(stmt, 1);
    db_reset(stmt);
    return 0;
}

struct range_copy {
    uint8_t *out;
    size_t size, got;
    size_t skip; /* bytes of the first piece that lie before the range */
};

static int copy_piece(sqlite3_stmt *row, void *context) {
    struct range_copy *copy = context;
    const uint8_t *data = sqlite3_column_blob(row, 0);
    size_t size = (size_t)sqlite3_column_bytes(row, 0);
    if (size <= copy->skip)
        return TG_ECORRUPT;
    size_t n = size - copy->skip, room = copy->size - copy->got;
    n = n < room ? n : room;
    memcpy(copy->out + copy->got, data + copy->skip, n);
    copy->got += n;
    copy->skip = 0;
    return 0;
}

/* The bytes from `offset` on, at most `size`, of what is stored so far. */
static int read_pieces(struct store_tx *tx, int64_t content, int64_t offset, struct range_copy *copy) {
    sqlite3_stmt *stmt;
    int64_t last = (offset + (int64_t)copy->size - 1) / CONTENT_PIECE_BYTES;
    int error = db_bind(tx, &stmt,
                        "SELECT data FROM pieces WHERE content = ? AND piece BETWEEN ? AND ? ORDER BY piece",
                        "iii", content, offset / CONTENT_PIECE_BYTES, last);
    if (!error)
        error = db_each(tx, stmt, copy_piece, copy);
    return error ? error : copy->got == copy->size ? 0 : TG_ECORRUPT;
}

int content_read_upload(struct store_tx *tx, int64_t upload, int64_t offset, void *data, size_t size) {
    TG_ASSERT(offset >= 0 && size > 0);
    struct range_copy copy = {data, size, 0, (size_t)(offset % CONTENT_PIECE_BYTES)};
    return read_pieces(tx, upload, offset, &copy);
}

int content_read(struct store_tx *tx, int64_t content, int64_t offset, void *data, size_t size, size_t *got) {
    TG_ASSERT(offset >= 0);
    *got = 0;
    int64_t bytes = 0;
    int error = db_int(tx, &bytes, "SELECT bytes FROM contents WHERE id = ?", "i", content);
    if (error || offset >= bytes || size == 0)
        return error;
    if ((int64_t)size > bytes - offset)
        size = (size_t)(bytes - offset);
    struct range_copy copy = {data, size, 0, (size_t)(offset % CONTENT_PIECE_BYTES)};
    error = read_pieces(tx, content, offset, &copy);
    *got = copy.got;
    return error;
}

int content_free(struct store_tx *tx, int64_t content) {
    TG_ASSERT(tx->writable);
    return db_run(tx,
                  "DELETE FROM contents WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE content"
                  " = ?1) AND NOT EXISTS (SELECT 1 FROM datasets WHERE content = ?1)",
                  "i", content);
}

int db_digest(sqlite3_stmt *row, int column, uint8_t digest[SHA256_BYTES]) {
    if (sqlite3_column_bytes(row, column) != SHA256_BYTES)
        return TG_ECORRUPT;
    memcpy(digest, sqlite3_column_blob(row, column), SHA256_BYTES);
    return 0;
}

/* ---- data sets ---- */

struct dataset_sink {
    dataset_row_fn fn;
    void *arg;
};

static int give_dataset(sqlite3_stmt *row, void *context) {
    struct dataset_sink *sink = context;
    struct dataset_row dataset = {.id = db_i64(row, 0),
                                  .content = db_i64(row, 1),
                                  .bytes = db_i64(row, 2),
                                  .created_ms = db_i64(row, 3),
                                  .name = db_text(row, 4),
                                  .info = db_text(row, 6)};
    int error = db_digest(row, 5, dataset.digest);
    return error ? error : sink->fn(sink->arg, &dataset);
}

#define DATASETS                                                                                             \
    "SELECT d.id, d.content, c.bytes, d.created_ms, d.name, c.digest, d.info FROM datasets d JOIN contents " \
    "c ON c.id = d.content "

/* The statement's first row, if it has one. */
static int give_first(struct store_tx *tx, sqlite3_stmt *stmt, dataset_row_fn fn, void *arg) {
    int got = db_step(tx, stmt);
    if (got <= 0)
        return got < 0 ? got : TG_ENOT_FOUND;
    int error = give_dataset(stmt, &(struct dataset_sink){fn, arg});
    db_reset(stmt);
    return error;
}

int dataset_get(struct store_tx *tx, int64_t id, dataset_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, DATASETS "WHERE d.id = ?", "i", id);
    return error ? error : give_first(tx, stmt, fn, arg);
}

int dataset_named(struct store_tx *tx, const char *name, dataset_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, DATASETS "WHERE d.name = ? ORDER BY d.id DESC LIMIT 1", "t", name);
    return error ? error : give_first(tx, stmt, fn, arg);
}

/* ---- names of data sets ---- */

struct holder {
    int64_t id, content; /* id 0: nobody has the name */
};

static int take_holder(void *arg, const struct dataset_row *row) {
    *(struct holder *)arg = (struct holder){row->id, row->content};
    return 0;
}

static int name_taken(const struct holder *holder, struct problem *problem) {
    return problem_set(
        problem, TG_ENAME_TAKEN, "name",
        "data set %lld has this name and other content: choose another name, or remove that data "
        "set first",
        (long long)holder->id);
}

int dataset_insert(struct store_tx *tx, const struct dataset_new *dataset, int64_t *id,
                   struct problem *problem) {
    TG_ASSERT(tx->writable);
    struct holder holder = {0};
    int error = dataset_named(tx, dataset->name, take_holder, &holder);
    *id = holder.id;
    if (!error)
        return holder.content == dataset->content ? 0 : name_taken(&holder, problem);
    if (error != TG_ENOT_FOUND)
        return error;
    error = db_run(tx, "INSERT INTO datasets (content, name, created_ms, info) VALUES (?, ?, ?, ?)", "itit",
                   dataset->content, dataset->name, dataset->now_ms, dataset->info);
    *id = db_inserted(tx);
    return error;
}

int dataset_list(struct store_tx *tx, int64_t cursor, int limit, dataset_row_fn fn, void *arg) {
    sqlite3_stmt *stmt;
    int error = db_bind(tx, &stmt, DATASETS "WHERE d.id < ? ORDER BY d.id DESC LIMIT ?", "ii",
                        cursor ? cursor : INT64_MAX, (int64_t)db_limit(limit));
    return error ? error : db_each(tx, stmt, give_dataset, &(struct dataset_sink){fn, arg});
}

/* The first job that is not over and takes the data set. Submitted names have become ids (server/api). */
static int find_user(struct store_tx *tx, int64_t id, int64_t *job) {
    int error =
        db_int(tx, job,
               "SELECT j.id FROM jobs j, json_each(j.inputs) e WHERE j.state IN (0, 1, 2) AND e.type ="
               " 'object' AND json_extract(e.value, '$.dataset') = ? ORDER BY j.id LIMIT 1",
               "i", id);
    return error == TG_ENOT_FOUND ? 0 : error;
}

int dataset_delete(struct store_tx *tx, int64_t id, struct problem *problem) {
    TG_ASSERT(tx->writable);
    int64_t content = 0, job = 0;
    int error = db_int(tx, &content, "SELECT content FROM datasets WHERE id = ?", "i", id);
    if (error == TG_ENOT_FOUND)
        return problem_set(problem, error, "id", "there is no data set %lld", (long long)id);
    if (!error)
        error = find_user(tx, id, &job);
    if (error)
        return error;
    if (job)
        return problem_set(problem, TG_EWRONG_STATE, "id",
                           "job %lld needs this data set and is not over; cancel it first", (long long)job);
    error = db_run(tx, "DELETE FROM datasets WHERE id = ?", "i", id);
    return error ? error : content_free(tx, content);
}
