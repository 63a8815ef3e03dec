/* ingest.c - how fast chunks become durable, against what SQLite can do at all on this disk.
 *
 *     ingest [--seconds S] [--rounds N] [--folder DIR] [--server tengen-server]
 *
 * Rounds alternate between two measurements on the same file system, so that a busy machine slows both:
 *   store   8 producers that each have one chunk of 16 KiB under way, as 8 connections would: prepare it
 *           (check, hash), chunk_insert through the store's queue, wait for its completion. With --server: 8
 *           keep-alive connections to a tengen-server that the benchmark starts, each posting its next chunk
 *           when the last was answered.
 *   bare    one loop over a SQLite table with one blob column and the same settings: BEGIN IMMEDIATE, as many
 *           inserts of as many bytes as the other side put into a transaction on average, COMMIT.
 * Prints one JSON object; ratio = chunks per second of the first over those of the second (median of the rounds).
 */
#include "tests/bench/ingest.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/base/options.h"
#include "proto/base/rng.h"
#include "proto/wire/chunk.h"

static const struct option_spec options[] = {
    {.name = "seconds",
     .type = OPTION_NUMBER,
     .min = 0.1,
     .max = 60,
     .initial = "1",
     .unit = "s",
     .help = "length of a round"},
    {.name = "rounds",
     .type = OPTION_INT,
     .min = 1,
     .max = 100,
     .initial = "5",
     .help = "rounds of each side"},
    {.name = "folder",
     .type = OPTION_STRING,
     .min = 1,
     .max = 200,
     .initial = "\".\"",
     .help = "where the databases go"},
    {.name = "server",
     .type = OPTION_STRING,
     .min = 0,
     .max = 400,
     .initial = "\"\"",
     .help = "a tengen-server program: measure through HTTP"},
    {.name = NULL},
};

void bench_die(const char *what, int error, const struct problem *problem) {
    fprintf(stderr, "ingest: %s: %s %s\n", what, error ? tg_error_code(error) : strerror(errno),
            problem == NULL ? "" : problem->detail);
    exit(1);
}

/* A self-play game as a runner would send it: counters, a game, and 16 KiB that do not compress. It counts
 * for no units, so that a task never ends. */
void bench_chunk(struct buf *out) {
    static uint8_t body[BENCH_CHUNK_BYTES];
    struct rng rng;
    rng_seed(&rng, 1);
    for (size_t i = 0; i < sizeof body; i += 8)
        write_u64(body + i, rng_next(&rng));
    json_t *header =
        json_pack("{s:s, s:i, s:{s:i, s:i, s:i, s:i}, s:{s:i, s:f, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s}}",
                  "type", "game", "units", 0, "counters", "games", 1, "black_wins", 1, "moves", 57,
                  "playouts", 57000, "game", "board", 9, "komi", 7.0, "rules", "chinese", "black", "uct 1000",
                  "white", "uct 1000", "result", "B+3", "moves", 57, "reason", "score", "note", "", "sgf",
                  "(;FF[4]GM[1]SZ[9]KM[7]RU[Chinese]RE[B+3];B[ee];W[cc];B[gc];W[cg];B[gg];W[ec];B[fb])");
    int error = header == NULL ? TG_ENO_MEMORY : chunk_encode(out, header, body, sizeof body);
    if (error)
        bench_die("encode", error, NULL);
    json_decref(header);
}

/* ---- the bare loop ---- */

struct bare {
    sqlite3 *db;
    sqlite3_stmt *begin, *insert, *commit;
};

static void bare_run(struct bare *bare, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(bare->db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "ingest: %s: %s\n", sql, message);
        exit(1);
    }
}

static sqlite3_stmt *bare_prepare(struct bare *bare, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(bare->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        bench_die(sql, TG_EIO, NULL);
    return stmt;
}

static void bare_step(sqlite3_stmt *stmt) {
    if (sqlite3_step(stmt) != SQLITE_DONE)
        bench_die(sqlite3_sql(stmt), TG_EIO, NULL);
    sqlite3_reset(stmt);
}

static void bare_open(struct bare *bare, const char *folder) {
    char path[512];
    snprintf(path, sizeof path, "%s/bare.db", folder);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite3_open(path, &bare->db) != SQLITE_OK)
        bench_die(path, TG_EIO, NULL);
    /* The settings of the store: see server/store/sqlite.c. */
    bare_run(bare, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096; "
                   "PRAGMA secure_delete = FAST; PRAGMA cache_size = -8192");
    bare_run(bare, "CREATE TABLE chunks (id INTEGER PRIMARY KEY, data BLOB)");
    bare->begin = bare_prepare(bare, "BEGIN IMMEDIATE");
    bare->insert = bare_prepare(bare, "INSERT INTO chunks (data) VALUES (?)");
    bare->commit = bare_prepare(bare, "COMMIT");
}

static void bare_close(struct bare *bare) {
    sqlite3_finalize(bare->begin);
    sqlite3_finalize(bare->insert);
    sqlite3_finalize(bare->commit);
    sqlite3_close(bare->db);
}

static double bare_round(struct bare *bare, const struct buf *chunk, double group, double seconds) {
    int64_t start = clock_monotonic_ns(), end = start + (int64_t)(seconds * 1e9), chunks = 0,
            transactions = 0;
    while (clock_monotonic_ns() < end) {
        bare_step(bare->begin);
        /* Transactions of both neighbouring whole sizes, so that their average is `group`. */
        for (int64_t until = llround((double)++transactions * group); chunks < until; chunks++) {
            sqlite3_bind_blob(bare->insert, 1, chunk->data, (int)chunk->size, SQLITE_STATIC);
            bare_step(bare->insert);
        }
        bare_step(bare->commit);
    }
    return (double)chunks / ((double)(clock_monotonic_ns() - start) / 1e9);
}

/* ---- rounds ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, size_t count) {
    double sorted[100];
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, by_value);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static void report(const char *mode, const double *ours, const double *bare, const double *group,
                   size_t rounds, size_t bytes) {
    double ratios[100];
    for (size_t i = 0; i < rounds; i++)
        ratios[i] = ours[i] / bare[i];
    double per_s = median(ours, rounds);
    json_t *out = json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "bench", "ingest",
                            "mode", mode, "connections", BENCH_CONNECTIONS, "chunk_bytes", (int)bytes,
                            "chunks_per_s", per_s, "bare_chunks_per_s", median(bare, rounds), "mb_per_s",
                            per_s * (double)bytes / 1e6, "chunks_per_transaction", median(group, rounds),
                            "ratio", median(ratios, rounds), "ratio_min", ratios[0], "ratio_max", ratios[0]);
    qsort(ratios, rounds, sizeof *ratios, by_value);
    json_object_set_new(out, "ratio_min", json_real(ratios[0]));
    json_object_set_new(out, "ratio_max", json_real(ratios[rounds - 1]));
    char *text = json_dumps(out, JSON_COMPACT | JSON_REAL_PRECISION(6));
    puts(text);
    free(text);
    json_decref(out);
}

static void remove_tree(const char *folder) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "ingest: %s could not be removed\n", folder);
}

int main(int argc, char **argv) {
    json_t *chosen = NULL;
    struct problem problem = {0};
    if (options_parse_argv(options, argc, argv, &chosen, NULL, &problem) != 0) {
        fprintf(stderr, "ingest: %s: %s\n", problem.field, problem.detail);
        return 2;
    }
    const char *server = option_string(chosen, "server");
    size_t rounds = (size_t)option_int(chosen, "rounds");
    double seconds = option_number(chosen, "seconds"), ours[100], bare_rates[100], groups[100];
    char folder[400];
    snprintf(folder, sizeof folder, "%s/tengen-ingest-XXXXXX", option_string(chosen, "folder"));
    if (mkdtemp(folder) == NULL)
        bench_die(folder, 0, NULL);
    struct buf chunk = BUF_INIT;
    bench_chunk(&chunk);
    struct bare bare;
    bare_open(&bare, folder);
    void *side = server[0] ? http_side_start(server, folder) : store_side_start(folder);
    for (size_t i = 0; i < rounds; i++) {
        ours[i] = server[0] ? http_side_round(side, &chunk, seconds, &groups[i])
                            : store_side_round(side, &chunk, seconds, &groups[i]);
        bare_rates[i] = bare_round(&bare, &chunk, groups[i], seconds);
    }
    if (server[0])
        http_side_stop(side);
    else
        store_side_stop(side);
    bare_close(&bare);
    report(server[0] ? "http" : "store", ours, bare_rates, groups, rounds, chunk.size);
    buf_free(&chunk);
    remove_tree(folder);
    json_decref(chosen);
    return 0;
}
