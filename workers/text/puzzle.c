/* puzzle.c - see puzzle.h. */
#include <stdlib.h>
#include "workers/text/decode.h"
#include "workers/text/puzzle.h"

enum { HELD_OUT_ONE_IN = 16, TRIES_MAX = 10000 };

bool puzzle_held_out(const int *sequence, int length) {
    uint64_t hash = 0xCBF29CE484222325; /* FNV-1a by whole symbols, then mixed */
    for (int i = 0; i < length; i++)
        hash = (hash ^ (uint64_t)sequence[i]) * 0x100000001B3;
    hash = (hash ^ (hash >> 31)) * 0x9E3779B97F4A7C15;
    return (hash >> 40) % HELD_OUT_ONE_IN == 0;
}

/* Where there are few sequences of a length, none may be held out: then another length is tried, and after
 * very many the last is taken. */
int puzzle_draw(const struct puzzle *p, bool held_out, struct rng *rng, int *sequence) {
    int length = 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        length = p->shortest + (int)rng_below(rng, (uint32_t)(p->longest - p->shortest + 1));
        for (int j = 0; j < p->longest; j++)
            sequence[j] = j < length ? TOKEN_FIRST + (int)rng_below(rng, (uint32_t)p->symbols) : TOKEN_PAD;
        if (puzzle_held_out(sequence, length) == held_out)
            break;
    }
    return length;
}

static int by_value(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

void puzzle_solve(const struct puzzle *p, const int *sequence, int length, int *answer) {
    for (int i = 0; i < p->longest; i++)
        answer[i] = i < length ? sequence[length - 1 - i] : TOKEN_PAD;
    if (p->task == PUZZLE_SORT)
        qsort(answer, (size_t)length, sizeof *answer, by_value);
}
