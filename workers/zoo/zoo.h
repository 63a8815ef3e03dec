/* zoo.h - the families of networks: from an architecture's description to a graph.
 *
 * A description is JSON, kept in the metadata of every checkpoint, enough to build the network again:
 *
 *     {"version": 1,
 *      "input": {"height": 9, "width": 9, "channels": 18},
 *      "trunk": {"family": "resnet", "stages": "96x6"},
 *      "heads": [{"kind": "policy"}, {"kind": "value"}]}
 *
 * or, for sequences of tokens (whole numbers below the vocabulary; 0 is padding), with a second sequence that
 * the first is to be turned into:
 *
 *      "input": {"tokens": 20, "vocabulary": 34, "target_tokens": 21}
 *
 * A trunk turns the input into features {height, width, channels}; heads turn features into outputs. They
 * combine freely, so that each family can serve Go, DQN, classification and segmentation. The options of each
 * are tables (proto/base/options.h), from which checks, defaults, help and docs/networks.md come.
 *
 * `stages` describe a trunk as its paper's table does: parts between "/" have half the resolution of the part
 * before.
 */
#ifndef TENGEN_ZOO_ZOO_H
#define TENGEN_ZOO_ZOO_H

#include <jansson.h>
#include "proto/base/options.h"
#include "workers/nn/graph.h"

struct token_input {
    tensor source; /* {tokens} */
    bool has_target;
    tensor target; /* {target_tokens} */
    int vocabulary;
};

struct trunk_family {
    const char *name, *paper, *summary;
    const struct option_spec *options;
    /* Adds the trunk; x is {height, width, channels}. `training` adds what only training uses (auxiliary
     * classifiers, as outputs "aux1", ... with `classes` logits, when classes > 0). */
    tensor (*build)(struct graph *graph, tensor x, const json_t *options, bool training, int classes);
    /* The same for an input of tokens; NULL: takes planes only. Features are {tokens, 1, channels}, of the
     * target where there is one. */
    tensor (*build_tokens)(struct graph *graph, const struct token_input *input, const json_t *options);
};

struct head_kind {
    const char *name, *summary;
    const struct option_spec *options;
    /* Adds the head and its output. x are the features, `input` the shape of the network's input: {height,
     * width, channels}, or {tokens, 1, vocabulary}. */
    void (*build)(struct graph *graph, tensor x, const json_t *options, struct shape input);
};

extern const struct trunk_family trunk_vgg, trunk_googlenet, trunk_resnet, trunk_densenet, trunk_transformer,
    trunk_alphago, trunk_dqn;
const struct trunk_family *const *zoo_families(void); /* NULL-terminated */
const struct head_kind *const *zoo_heads(void);

/* The tables of a description's "input": planes, and tokens. */
extern const struct option_spec zoo_plane_options[], zoo_token_options[];

/* Reads a person's description, which may leave out its version and what `rest` (an object) tells: members,
 * and those of an object in it. Not checked further. The caller owns *out. Problems start with
 * "architecture". */
int zoo_parse(const char *text, const json_t *rest, json_t **out, struct problem *problem);
/* Checks a description and fills in every default: the form that is stored. Problems start with
 * "architecture.". */
int zoo_check(const json_t *architecture, json_t **checked, struct problem *problem);
/* TG_EINVALID ("architecture.heads") when a checked description has a head that is not one of `taught` (ended by
 * NULL), those that `kind` teaches: it would be kept as it was drawn, and look like one that had learnt. */
int zoo_check_taught(const json_t *checked, const char *kind, const char *const *taught,
                     struct problem *problem);
/* Builds the finished graph of a checked description. */
int zoo_build(const json_t *checked, bool training, struct graph **out, struct problem *problem);

#endif
