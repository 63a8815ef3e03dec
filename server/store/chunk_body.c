/* chunk_body.c - what a chunk brings, before any transaction: checked, hashed, unpacked. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "proto/model/safetensors.h"
#include "proto/wire/chunk.h"
#include "proto/wire/json.h"
#include "server/store/db.h"

_Static_assert((int)CHUNK_DIGEST_BYTES == SHA256_BYTES && CHUNK_DIGEST_BYTES == crypto_generichash_BYTES,
               "digests of both kinds have one size");

enum { NAME_MAX_BYTES = 64 };

static enum chunk_brings brings_of(const json_t *header) {
    static const char *const types[] = {
        [CHUNK_CHECKPOINT] = "checkpoint", [CHUNK_REPORT] = "report", [CHUNK_UNITS] = "units"};
    const char *type = json_string_value(json_object_get(header, "type"));
    for (int i = CHUNK_CHECKPOINT; i <= CHUNK_UNITS; i++)
        if (strcmp(type, types[i]) == 0)
            return (enum chunk_brings)i;
    return CHUNK_EXPERIENCE;
}

/* The member {"name", "step"} of a checkpoint's or report's header. */
static int read_named(struct chunk_ready *chunk, const char *type, struct problem *problem) {
    const json_t *named;
    int error = json_get_object(chunk->header, type, &named, problem);
    if (error)
        return error;
    error = json_get_string(named, "name", NAME_MAX_BYTES, &chunk->name, problem);
    if (!error && (!chunk->name[0] ||
                   strspn(chunk->name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(chunk->name)))
        error = problem_set(problem, TG_EINVALID, "name", "has only a-z, 0-9, - and _");
    if (!error)
        error = json_get_int_or(named, "step", 0, INT64_C(1) << 53, 0, &chunk->step, problem);
    if (error)
        problem_prefix(problem, type);
    return error;
}

void chunk_digest(const void *data, size_t size, bool old, uint8_t digest[CHUNK_DIGEST_BYTES]) {
    if (old)
        crypto_generichash(digest, CHUNK_DIGEST_BYTES, data, size, NULL, 0);
    else
        sha256(data, size, digest);
}

int chunk_prepare(const void *data, size_t size, struct chunk_ready *out, struct problem *problem) {
    *out = (struct chunk_ready){.data = data, .size = size};
    struct chunk_view view;
    int error = chunk_open(data, size, &view, problem);
    if (error)
        return error;
    out->header = json_incref(view.header);
    chunk_view_free(&view);
    out->units = json_integer_value(json_object_get(out->header, "units"));
    out->brings = brings_of(out->header);
    if (out->brings == CHUNK_CHECKPOINT)
        error = read_named(out, "checkpoint", problem);
    else if (out->brings == CHUNK_REPORT)
        error = read_named(out, "report", problem);
    if (error)
        chunk_ready_free(out);
    else
        chunk_digest(data, size, false, out->digest);
    return error;
}

static int check_checkpoint(struct chunk_ready *chunk, struct problem *problem) {
    struct safetensors *file = safetensors_open_memory(chunk->body.data, chunk->body.size, problem);
    if (!file) {
        problem_prefix(problem, "checkpoint");
        return problem->error = TG_ECORRUPT; /* whatever is wrong in it: it is the file that is at fault */
    }
    chunk->metadata = json_dumps(safetensors_metadata(file), JSON_COMPACT);
    safetensors_close(file);
    sha256(chunk->body.data, chunk->body.size, chunk->sha256);
    return chunk->metadata ? 0 : TG_ENO_MEMORY;
}

static int check_report(const struct chunk_ready *chunk, struct problem *problem) {
    json_t *data = json_parse_object(chunk->body.data, chunk->body.size, problem);
    if (!data) {
        problem_prefix(problem, "report");
        return problem->error;
    }
    json_decref(data);
    return 0;
}

static int unpack(struct chunk_ready *chunk, const struct chunk_view *view, struct problem *problem) {
    if (chunk->brings == CHUNK_REPORT && view->raw_size > REPORT_BYTES_MAX)
        return problem_set(problem, TG_ETOO_LARGE, "report", "has %u bytes, at most %d are kept",
                           (unsigned)view->raw_size, REPORT_BYTES_MAX);
    return chunk_unpack(view, &chunk->body, problem);
}

int chunk_unfold(struct chunk_ready *chunk, struct problem *problem) {
    struct chunk_view view;
    if (chunk->brings != CHUNK_CHECKPOINT && chunk->brings != CHUNK_REPORT)
        return 0;
    int error = chunk_open(chunk->data, chunk->size, &view, problem);
    if (error)
        return error;
    error = unpack(chunk, &view, problem);
    chunk_view_free(&view);
    if (error)
        return error;
    return chunk->brings == CHUNK_CHECKPOINT ? check_checkpoint(chunk, problem)
                                             : check_report(chunk, problem);
}

void chunk_ready_free(struct chunk_ready *chunk) {
    json_decref(chunk->header);
    buf_free(&chunk->body);
    free(chunk->metadata);
    chunk->header = NULL;
    chunk->metadata = NULL;
}
