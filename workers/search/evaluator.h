/* evaluator.h - who judges positions: for each a policy and, where there is one, a value; many at a time.
 *
 * The seam between searches and networks. A search puts the leaves that it cannot go on without on a list and
 * waits; whoever runs it - alone, or with many games in lock-step - brings the lists of all to the evaluator
 * in one batch, and every search goes on with its answers.
 *
 *     game 1   puct ---> leaf leaf leaf  \                       / ---> puct
 *     game 2   puct ---> leaf leaf leaf   >  evaluator_run()    <  ---> puct
 *     game 3   puct ---> leaf leaf       /    batches of batch_max \ ---> puct
 *
 * An answer depends on its position alone, never on its companions in a batch or on earlier calls (a test
 * holds every evaluator to this): so a game that is played beside others is the same game.
 *
 * One thread at a time.
 */
#ifndef TENGEN_SEARCH_EVALUATOR_H
#define TENGEN_SEARCH_EVALUATOR_H

#include <stdbool.h>
#include <jansson.h>
#include "proto/base/error.h"
#include "workers/go/board.h"

struct evaluation {
    struct board board;                 /* the question: its to_move is about to choose */
    float logits[BOARD_POINTS_MAX + 1]; /* the answer: by board_index(), the pass last; finite */
    float value;                        /* -1 (to_move loses) to 1; 0 when the evaluator has none */
};

struct evaluator;
struct evaluator_ops {
    /* Judges 1..batch_max positions. */
    int (*run)(struct evaluator *evaluator, struct evaluation *const *list, int count,
               struct problem *problem);
    void (*destroy)(struct evaluator *evaluator);
};

struct evaluator {
    const struct evaluator_ops *ops;
    int size; /* of the boards it judges; 0: any */
    int batch_max;
    bool has_value;
    int64_t evaluations, batches; /* so far */
};

/* Judges any number of positions, in batches. 0; TG_EINVALID when a board is of another size;
 * TG_EOUT_OF_RANGE when an answer is not a finite number. */
int evaluator_run(struct evaluator *evaluator, struct evaluation *const *list, int count,
                  struct problem *problem);
void evaluator_destroy(struct evaluator *evaluator); /* NULL is fine */

/* The network in a checkpoint (workers/zoo/network.h) with a policy head, and a value head or none. board:
 * the size that is to be played; 0: the checkpoint's. TG_EINVALID naming what does not fit: the encoding, the
 * board size, a missing head; else what network_load() returns. */
int evaluator_network(const char *path, int board, int batch_max, struct evaluator **out,
                      struct problem *problem);
/* The same of a network in memory whose planes are GO12_PLANES and which has a policy head. *network is taken
 * over, also on failure (TG_ENO_MEMORY). */
struct network;
int evaluator_of_network(struct network *network, int batch_max, struct evaluator **out,
                         struct problem *problem);
/* What a checkpoint for Go must say of itself, to be added to its metadata by whoever saves it. */
#define ENCODING_KEY "encoding"
/* A network's description alone: a square board, the planes of go-12 (its "encoding" may also be empty), and
 * a policy over its points and the pass. TG_EINVALID; problems start with "architecture". */
int encoding_check_description(const struct network *network, struct problem *problem);
/* That, "encoding" in a checkpoint's metadata, and `board` (0: any). TG_EINVALID. */
int encoding_check(const struct network *network, const json_t *metadata, int board, struct problem *problem);

/* For tests, benchmarks and comparison. NULL: out of memory. */
struct evaluator *evaluator_uniform(void); /* every move the same, value 0 */
/* Logits and value that follow from the position (board_situation) and `seed`, normal with variance 1 and
 * uniform. */
struct evaluator *evaluator_random(uint64_t seed);
/* Answers what it was told for a position, and fails (TG_ENOT_FOUND) on every other. */
struct evaluator *evaluator_recorded(bool has_value);
int evaluator_record(struct evaluator *recorded, const struct evaluation *answer); /* 0 or TG_ENO_MEMORY */

#endif
