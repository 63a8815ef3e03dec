/* decode.h - from an encoder-decoder's probabilities to a sequence: greedy and beam search.
 *
 * A network with inputs "source" and "target" and the output "tokens" (zoo.h) says, at every place of the
 * target, how likely each token comes next. Decoding begins with TOKEN_BEGIN and goes on until TOKEN_END or
 * the target's length. Beam search keeps the `beam` likeliest beginnings instead of one; finished ones are
 * compared by log-probability over ((5 + length) / 6)^penalty (Wu et al. 2016; Vaswani et al. 2017 have beam
 * 4 and penalty 0.6). A beam of 1 is greedy search.
 *
 * Each step runs the whole network again, source and all: simple, and the cost grows with the square of the
 * length. One thread.
 */
#ifndef TENGEN_TEXT_DECODE_H
#define TENGEN_TEXT_DECODE_H

#include "workers/nn/infer.h"

enum { TOKEN_PAD, TOKEN_BEGIN, TOKEN_END, TOKEN_FIRST /* of the alphabet */ };

struct decoder;
/* Decodes up to `rows` beginnings (sequences times beam) at a time. The graph and the model must outlive it.
 * TG_EINVALID when the network is no encoder-decoder; TG_ENO_MEMORY. */
int decoder_create(const struct graph *graph, const struct model *model, int rows, struct decoder **out,
                   struct problem *problem);
void decoder_destroy(struct decoder *decoder);
int decoder_source_tokens(const struct decoder *decoder);
int decoder_target_tokens(const struct decoder *decoder);

/* `count` sequences, count * beam at most the decoder's rows. source: [count][source tokens], padded with
 * TOKEN_PAD. out: [count][target tokens] receives each sequence without TOKEN_BEGIN and TOKEN_END, padded. */
void decode(struct decoder *decoder, int count, int beam, double penalty, const int *source, int *out);

#endif
