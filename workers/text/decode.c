/* decode.c - see decode.h.
 *
 * Rows of the batch are places for beginnings, `beam` for each sequence, next to each other:
 *
 *     row      0      1      2   |  3      4      5   |         count * beam rows, beam = 3
 *              sequence 0        |  sequence 1        |
 *     live[i]: the first so many of them are in use; the others are computed along and not looked at
 *
 * One round: the network is run on all rows; each sequence's live beginnings offer all that may follow them,
 * of which the `beam` likeliest are kept (offer, an insertion into a short sorted list); those that end with
 * TOKEN_END compete for the sequence's best, the others are the next beginnings. A finished one has used up
 * its place in that round; in the next one the others fill all of them again.
 *
 * `next` beside `now`, because two of the next beginnings may come from one of the present. Both are sorted,
 * likeliest first, which decided() relies on.
 *
 * When to stop early: the best finished one is compared with the most that any other could still reach.
 * Log-probabilities only fall, and the division by the length's penalty helps most at the greatest length; so
 * the present log-probability at that length bounds it. The result is the same as without.
 *
 * Greedy search is this with beam 1: the one path ends at its first TOKEN_END, and decided() then says so.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "workers/text/decode.h"
#include "workers/nn/loss.h"

struct beginning {
    double log_p;
    int length;  /* tokens after TOKEN_BEGIN */
    int *tokens; /* [target tokens] */
};

struct decoder {
    struct infer *infer;
    int rows, source, target, vocabulary;
    int *tokens;                         /* of all beginnings below */
    struct beginning *now, *next, *best; /* [rows] each; best: the likeliest finished one of a sequence */
};

static int output_rows(const struct graph *graph, int *vocabulary) {
    for (int i = 0; i < graph_output_count(graph); i++)
        if (!strcmp(graph_output_name(graph, i), "tokens")) {
            *vocabulary = graph_output_shape(graph, i).dim[1];
            return graph_output_shape(graph, i).dim[0];
        }
    return -1;
}

static bool allocate(struct decoder *d) {
    size_t rows = (size_t)d->rows, target = (size_t)d->target;
    d->tokens = calloc(3 * rows * target, sizeof *d->tokens);
    d->now = calloc(3 * rows, sizeof *d->now);
    if (!d->tokens || !d->now)
        return false;
    d->next = d->now + rows;
    d->best = d->next + rows;
    for (size_t i = 0; i < 3 * rows; i++)
        d->now[i].tokens = d->tokens + i * target;
    return true;
}

int decoder_create(const struct graph *graph, const struct model *model, int rows, struct decoder **out,
                   struct problem *problem) {
    int vocabulary = 0, length = output_rows(graph, &vocabulary);
    *out = NULL;
    if (graph_input_count(graph) != 2 || graph_input_shape(graph, 1).rank != 1 ||
        length != graph_input_shape(graph, 1).dim[0] || vocabulary <= TOKEN_FIRST)
        return problem_set(
            problem, TG_EINVALID, "architecture",
            "is no encoder-decoder: it needs inputs of tokens and target_tokens, and a head of "
            "kind tokens");
    struct decoder *d = calloc(1, sizeof *d);
    if (!d)
        return problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a decoder");
    *d = (struct decoder){.rows = rows,
                          .source = graph_input_shape(graph, 0).dim[0],
                          .target = length,
                          .vocabulary = vocabulary};
    int error = infer_create(graph, model, rows, &d->infer, problem);
    if (!error && !allocate(d))
        error = problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a decoder");
    if (error)
        decoder_destroy(d);
    else
        *out = d;
    return error;
}

void decoder_destroy(struct decoder *decoder) {
    if (!decoder)
        return;
    infer_destroy(decoder->infer);
    free(decoder->tokens);
    free(decoder->now);
    free(decoder);
}

int decoder_source_tokens(const struct decoder *decoder) {
    return decoder->source;
}

int decoder_target_tokens(const struct decoder *decoder) {
    return decoder->target;
}

static void copy_beginning(const struct decoder *d, const struct beginning *from, struct beginning *to) {
    to->log_p = from->log_p;
    to->length = from->length;
    memcpy(to->tokens, from->tokens, (size_t)d->target * sizeof *to->tokens);
}

/* Runs the network on beginnings 0 .. rows - 1, of which `beam` belong to each sequence. */
static void evaluate(struct decoder *d, int rows, int beam, const int *source) {
    float *from = infer_input(d->infer, 0), *to = infer_input(d->infer, 1);
    for (int row = 0; row < rows; row++) {
        for (int i = 0; i < d->source; i++)
            from[row * d->source + i] = (float)source[row / beam * d->source + i];
        to[row * d->target] = TOKEN_BEGIN;
        for (int i = 1; i < d->target; i++)
            to[row * d->target + i] =
                (float)(i <= d->now[row].length ? d->now[row].tokens[i - 1] : TOKEN_PAD);
    }
    infer_forward(d->infer, rows);
}

/* A way to go on. */
struct step {
    double log_p;
    int row, token;
};

/* Keeps the `beam` likeliest steps, likeliest first. */
static void offer(struct step *kept, int *count, int beam, struct step step) {
    int at = *count < beam ? (*count)++ : beam;
    if (at == beam && !(step.log_p > kept[beam - 1].log_p))
        return;
    at = at == beam ? beam - 1 : at;
    for (; at > 0 && step.log_p > kept[at - 1].log_p; at--)
        kept[at] = kept[at - 1];
    kept[at] = step;
}

/* All that may follow one beginning. Padding and a second TOKEN_BEGIN never do. */
static void offer_all(const struct decoder *d, int row, int beam, struct step *kept, int *count) {
    const struct beginning *b = &d->now[row];
    const float *logits = infer_output(d->infer, "tokens") +
                          ((size_t)row * (size_t)d->target + (size_t)b->length) * (size_t)d->vocabulary;
    double normal = loss_log_sum(d->vocabulary, logits, 1);
    for (int token = TOKEN_END; token < d->vocabulary; token++)
        offer(kept, count, beam, (struct step){b->log_p + (double)logits[token] - normal, row, token});
}

static double score_of(double log_p, int length, double penalty) {
    return log_p / pow((5.0 + length) / 6.0, penalty);
}

/* A finished beginning competes for the sequence's best. (best->length < 0: there is none yet.) */
static void finish(const struct decoder *d, const struct beginning *b, double log_p, double penalty,
                   struct beginning *best) {
    if (best->length >= 0 &&
        score_of(log_p, b->length, penalty) <= score_of(best->log_p, best->length, penalty))
        return;
    copy_beginning(d, b, best);
    best->log_p = log_p;
}

/* One more token for the beginnings of one sequence: rows first .. first + *live - 1. Leaves in d->next those
 * that go on, and in *live how many. */
static void extend(struct decoder *d, int first, int beam, double penalty, int *live,
                   struct beginning *best) {
    struct step kept[beam];
    int count = 0, going_on = 0;
    for (int i = 0; i < *live; i++)
        offer_all(d, first + i, beam, kept, &count);
    for (int i = 0; i < count; i++) {
        const struct beginning *from = &d->now[kept[i].row];
        if (kept[i].token == TOKEN_END) {
            finish(d, from, kept[i].log_p, penalty, best);
            continue;
        }
        struct beginning *to = &d->next[first + going_on++];
        copy_beginning(d, from, to);
        to->tokens[to->length++] = kept[i].token;
        to->log_p = kept[i].log_p;
    }
    *live = going_on;
}

/* Whether nothing that goes on can still win: log-probabilities only fall, and the penalty is largest for the
 * longest. */
static bool decided(const struct decoder *d, int first, int live, double penalty,
                    const struct beginning *best) {
    double reachable = live ? score_of(d->next[first].log_p, d->target, penalty) : -INFINITY;
    return best->length >= 0 && score_of(best->log_p, best->length, penalty) >= reachable;
}

void decode(struct decoder *d, int count, int beam, double penalty, const int *source, int *out) {
    TG_ASSERT(count > 0 && beam > 0 && count * beam <= d->rows);
    int live[count], waiting = count;
    for (int i = 0; i < count; i++) {
        live[i] = 1;
        d->best[i].length = -1;
        d->now[i * beam].length = 0;
        d->now[i * beam].log_p = 0;
    }
    for (int step = 0; step < d->target && waiting; step++) {
        evaluate(d, count * beam, beam, source);
        waiting = 0;
        for (int i = 0; i < count; i++) {
            extend(d, i * beam, beam, penalty, &live[i], &d->best[i]);
            if (decided(d, i * beam, live[i], penalty, &d->best[i]))
                live[i] = 0;
            for (int b = 0; b < live[i]; b++)
                copy_beginning(d, &d->next[i * beam + b], &d->now[i * beam + b]);
            waiting += live[i] > 0;
        }
    }
    for (int i = 0; i < count; i++) {
        for (int b = 0; b < live[i]; b++) /* cut off at the target's length */
            finish(d, &d->now[i * beam + b], d->now[i * beam + b].log_p, penalty, &d->best[i]);
        for (int t = 0; t < d->target; t++)
            out[i * d->target + t] = t < d->best[i].length ? d->best[i].tokens[t] : TOKEN_PAD;
    }
}
