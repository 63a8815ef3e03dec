/* plan.c - see plan.h.
 *
 * Each array is a rectangle: as wide as its lifetime, as high as its size. They are to be stacked without
 * overlap, and as low as can be, which is NP-hard (dynamic storage allocation). Large ones first, each into
 * the lowest gap, comes close to the bound for networks; run_memory tells both.
 *
 *     offset ^
 *            |  +----+  +----------+        a is the largest, so it lies at the bottom; b and c live in
 *            |  | b  |  |    c     |        different steps and share what is above it
 *            |  +----+--+---+------+
 *            |  |     a     |
 *            +--+-----------+------------> steps
 *
 * Ties are broken by lifetime and by place in the list, so that a graph has one layout, whatever qsort does
 * with equals. Offsets and sizes are whole cache lines, so that no two arrays share one.
 */
#include <stdint.h>
#include <stdlib.h>
#include "workers/nn/plan.h"

enum { LINE_FLOATS = 16 };

static int larger_first(const void *a, const void *b) {
    const struct plan_array *x = *(struct plan_array *const *)a, *y = *(struct plan_array *const *)b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->first != y->first ? (x->first > y->first) - (x->first < y->first) : (x > y) - (x < y);
}

static int lower_first(const void *a, const void *b) {
    const struct plan_array *x = *(struct plan_array *const *)a, *y = *(struct plan_array *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static size_t rounded(size_t size) {
    return (size + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
}

/* The lowest gap that holds `array` among the placed ones that live at the same time. */
static size_t lowest_place(const struct plan_array *array, struct plan_array **placed, int count,
                           struct plan_array **overlapping) {
    int found = 0;
    for (int i = 0; i < count; i++)
        if (placed[i]->first <= array->last && array->first <= placed[i]->last)
            overlapping[found++] = placed[i];
    qsort(overlapping, (size_t)found, sizeof *overlapping, lower_first);
    size_t place = 0;
    for (int i = 0; i < found; i++) {
        if (overlapping[i]->offset >= place + rounded(array->size))
            break;
        size_t end = overlapping[i]->offset + rounded(overlapping[i]->size);
        place = end > place ? end : place;
    }
    return place;
}

size_t plan_layout(struct plan_array *arrays, int count) {
    struct plan_array **order = calloc((size_t)count + 1, sizeof *order);
    struct plan_array **work = calloc((size_t)count + 1, sizeof *work);
    size_t total = order && work ? 0 : SIZE_MAX;
    for (int i = 0; i < count && total != SIZE_MAX; i++)
        order[i] = &arrays[i];
    if (total != SIZE_MAX)
        qsort(order, (size_t)count, sizeof *order, larger_first);
    for (int i = 0; i < count && total != SIZE_MAX && order[i]->size; i++) {
        order[i]->offset = lowest_place(order[i], order, i, work);
        size_t end = order[i]->offset + rounded(order[i]->size);
        total = end > total ? end : total;
    }
    free(order);
    free(work);
    return total;
}
