/* ingest.h - the two sides of the benchmark ingest that are measured against bare SQLite. */
#ifndef TENGEN_TESTS_BENCH_INGEST_H
#define TENGEN_TESTS_BENCH_INGEST_H

#include "proto/base/buf.h"
#include "proto/base/error.h"

enum { BENCH_CONNECTIONS = 8, BENCH_CHUNK_BYTES = 16 << 10 };

/* Prints what failed and exits with 1. */
_Noreturn void bench_die(const char *what, int error, const struct problem *problem);
void bench_chunk(struct buf *out);

/* Each returns chunks per second; *group: chunks in a transaction on average. */
void *store_side_start(const char *folder);
double store_side_round(void *side, const struct buf *chunk, double seconds, double *group);
void store_side_stop(void *side);

void *http_side_start(const char *server, const char *folder);
double http_side_round(void *side, const struct buf *chunk, double seconds, double *group);
void http_side_stop(void *side);

#endif
