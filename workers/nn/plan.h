/* plan.h - lays out arrays with lifetimes in one arena (see run.h). */
#ifndef TENGEN_NN_PLAN_H
#define TENGEN_NN_PLAN_H

#include <stddef.h>

struct plan_array {
    size_t size;     /* floats; 0: takes no room */
    int first, last; /* steps in which it must be kept, inclusive */
    size_t offset;   /* out: floats from the arena's start, a multiple of 16 (a cache line) */
};

/* Fills every offset; returns the arena's floats. The largest array first, each at the lowest place that no
 * array of an overlapping lifetime occupies ("greedy by size", Pisarchyk & Lee 2020). SIZE_MAX when memory is
 * out. */
size_t plan_layout(struct plan_array *arrays, int count);

#endif
