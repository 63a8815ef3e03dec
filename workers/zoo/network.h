/* network.h - a network as a thing to keep: description, graph and numbers together, in and out of checkpoint
 * files.
 *
 * A checkpoint is a safetensors file (proto/model/safetensors.h). Its metadata, all strings:
 *
 *     format        "tengen-network/1"
 *     architecture  the checked description as JSON (zoo.h): enough to build the network again
 *     step          training steps that made it
 *     and what the caller adds: encoding, parent (SHA-256 of the checkpoint it came from), job, protocol
 *
 * Every parameter and running average is an F32 tensor under its own name. What training needs to go on bit
 * for bit (the optimizer's slots and step count, random numbers, counters) is a second file of the same form,
 * so that a network that is only served stays small.
 */
#ifndef TENGEN_ZOO_NETWORK_H
#define TENGEN_ZOO_NETWORK_H

#include <stdint.h>
#include <jansson.h>
#include "proto/base/rng.h"
#include "workers/nn/model.h"
#include "workers/nn/optimizer.h"

struct network {
    json_t *architecture; /* checked */
    struct graph *graph;
    struct model model;
    int64_t step;
};

/* Checks the description, builds, and draws the parameters from `seed`. training: with what only training
 * uses (zoo.h). */
int network_create(const json_t *architecture, bool training, uint64_t seed, struct network *out,
                   struct problem *problem);
void network_destroy(struct network *network);

/* extra: an object of strings to add to the metadata, or NULL. Durable. */
int network_save(const struct network *network, const char *path, const json_t *extra,
                 struct problem *problem);
/* TG_ECORRUPT and the like for a file that is no sound safetensors; TG_EINVALID naming the tensor that is
 * missing, or has another type or shape than the architecture says, with both; TG_EOUT_OF_RANGE for a value that
 * is not finite. A problem's field is a place in the file (its path where it cannot be opened): the caller says
 * which file, by the input's name or its path. metadata (may be NULL) receives the file's, for the caller to release. Tensors that the
 * architecture does not have in this form (auxiliary classifiers) are left alone. */
int network_load(const char *path, bool training, struct network *out, json_t **metadata,
                 struct problem *problem);

/* What goes on between two files of a training run. counters: whole numbers by name (position in the epoch,
 * best loss), or NULL. arrays: further arrays laid out as the model's values (the raw weights beside their
 * average); a name each, or NULL for none. */
enum { TRAINING_ARRAYS_MAX = 4 };
struct training_state {
    struct optimizer *optimizer;
    struct rng *rng;
    json_t *counters;
    struct {
        const char *name;
        float *values;
    } arrays[TRAINING_ARRAYS_MAX];
};
/* Arrays of the model's size that its file holds: the optimizer's and the further ones. */
int training_array_count(const struct training_state *state);
int training_save(const struct network *network, const struct training_state *state, const char *path,
                  struct problem *problem);
/* Fills the optimizer, the generator and the arrays, which must be of the same making; *state->counters is
 * replaced. */
int training_load(const struct network *network, struct training_state *state, const char *path,
                  struct problem *problem);

#endif
