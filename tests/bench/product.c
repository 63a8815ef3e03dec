/* product.c - matrix products with the engine's kernels and with OpenBLAS, one thread each, in turn.
 *
 *     product [--rounds N]     one JSON object: GFLOP/s of both and their ratio for each shape of our networks
 *
 * Both are given what they are given in use: a weight matrix that serves many products is packed before
 * (OpenBLAS has no such form), one that serves a single product is packed within the time that counts, or,
 * where it meets few rows, read as it lies. Of each turn the best stretch counts, for on a shared machine the
 * mean measures the neighbours. */
#include <cblas.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/rng.h"
#include "workers/nn/isa.h"

void openblas_set_num_threads(int threads);
char *openblas_get_corename(void);

enum { ROUNDS_DEFAULT = 7, ROUNDS_MAX = 1000 };
#define STRETCH_NS INT64_C(4000000)
enum { STRETCHES = 6 };

/* How the weights come to the kernels. */
enum form { PACKED_BEFORE, PACKED_WITHIN, AS_IT_LIES };

/* C (m x n) = A (m x k) B (k x n), `times` of them one after the other. */
static const struct shape {
    const char *what;
    int times, m, n, k;
    enum form form;
} shapes[] = {
    {"Winograd layer, 9x9, 64 channels, batch 1", 25, 9, 64, 64, PACKED_BEFORE},
    {"Winograd layer, 9x9, 96 channels, batch 1", 25, 9, 96, 96, PACKED_BEFORE},
    {"Winograd layer, 9x9, 96 channels, batch 8", 25, 72, 96, 96, PACKED_BEFORE},
    {"Winograd layer, 19x19, 96 channels, batch 8", 36, 200, 96, 96, PACKED_BEFORE},
    {"1x1 convolution, 9x9, 64 channels, batch 64", 1, 5184, 64, 64, PACKED_WITHIN},
    {"linear layer of DQN, batch 32", 1, 32, 128, 1024, AS_IT_LIES},
    {"projection of a Transformer, 1,024 tokens of 256", 1, 1024, 256, 256, PACKED_WITHIN},
    {"feed-forward layer of a Transformer", 1, 1024, 1024, 256, PACKED_WITHIN},
    {"feed-forward layer of a Transformer, back", 1, 1024, 256, 1024, PACKED_WITHIN},
    {"vocabulary of a Transformer", 1, 1024, 1000, 256, PACKED_WITHIN},
};

struct operands {
    const struct shape *shape;
    float *a, *b, *packed, *c;
};

static size_t packed_size(const struct shape *s) {
    return (size_t)s->k * packed_columns(s->n);
}

static float *filled(size_t count, struct rng *rng) {
    float *x = malloc(count * sizeof *x);
    for (size_t i = 0; x && i < count; i++)
        x[i] = (float)rng_uniform(rng) - 0.5f;
    return x;
}

static void pack(const struct operands *o, int at) {
    const struct shape *s = o->shape;
    const float *b = o->b + (size_t)at * (size_t)s->k * (size_t)s->n;
    kernels_get()->pack(s->k, s->n, (struct matrix){b, s->n, 1}, o->packed + (size_t)at * packed_size(s));
}

static void ours(const struct operands *o) {
    const struct shape *s = o->shape;
    const size_t a = (size_t)s->m * (size_t)s->k, b = (size_t)s->k * (size_t)s->n,
                 c = (size_t)s->m * (size_t)s->n;
    for (int i = 0; i < s->times; i++) {
        struct matrix left = {o->a + (size_t)i * a, s->k, 1};
        float *to = o->c + (size_t)i * c;
        if (s->form == AS_IT_LIES) {
            kernels_get()->gemm(s->m, s->n, s->k, left, o->b + (size_t)i * b, s->n, to, s->n, NULL);
            continue;
        }
        if (s->form == PACKED_WITHIN)
            pack(o, i);
        kernels_get()->gemm_packed(s->m, s->n, s->k, left, o->packed + (size_t)i * packed_size(s), to, s->n,
                                   NULL);
    }
}

static void openblas(const struct operands *o) {
    const struct shape *s = o->shape;
    const size_t a = (size_t)s->m * (size_t)s->k, b = (size_t)s->k * (size_t)s->n,
                 c = (size_t)s->m * (size_t)s->n;
    for (int i = 0; i < s->times; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, s->m, s->n, s->k, 1, o->a + (size_t)i * a,
                    s->k, o->b + (size_t)i * b, s->n, 0, o->c + (size_t)i * c, s->n);
}

/* GFLOP/s of the best of STRETCHES stretches of at least STRETCH_NS. */
static double speed(void (*run)(const struct operands *), const struct operands *o) {
    const struct shape *s = o->shape;
    const double flop = 2.0 * s->times * s->m * s->n * s->k;
    double best = 0;
    for (int i = 0; i < STRETCHES; i++) {
        int64_t begin = clock_monotonic_ns(), now = begin;
        int calls = 0;
        for (; now - begin < STRETCH_NS; now = clock_monotonic_ns(), calls++)
            run(o);
        const double rate = flop * calls / (double)(now - begin);
        best = rate > best ? rate : best;
    }
    return best;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return (values[count / 2] + values[(count - 1) / 2]) / 2;
}

static json_t *measure(const struct shape *s, int rounds) {
    static double our[ROUNDS_MAX], their[ROUNDS_MAX], ratio[ROUNDS_MAX];
    struct rng rng;
    rng_seed(&rng, 1);
    const size_t times = (size_t)s->times;
    struct operands o = {s, filled(times * (size_t)s->m * (size_t)s->k, &rng),
                         filled(times * (size_t)s->k * (size_t)s->n, &rng),
                         calloc(times * packed_size(s), sizeof(float)),
                         calloc(times * (size_t)s->m * (size_t)s->n, sizeof(float))};
    if (!o.a || !o.b || !o.packed || !o.c)
        abort();
    for (int i = 0; i < s->times; i++)
        pack(&o, i);
    for (int i = 0; i < rounds; i++) {
        our[i] = speed(ours, &o);
        their[i] = speed(openblas, &o);
        ratio[i] = our[i] / their[i];
    }
    free(o.a);
    free(o.b);
    free(o.packed);
    free(o.c);
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:f}", "what", s->what, "products", s->times, "m",
                     s->m, "n", s->n, "k", s->k, "gflops", median(our, rounds), "openblas_gflops",
                     median(their, rounds), "ratio", median(ratio, rounds));
}

int main(int argc, char **argv) {
    const int rounds = argc == 3 && strcmp(argv[1], "--rounds") == 0 ? atoi(argv[2])
                       : argc == 1                                   ? ROUNDS_DEFAULT
                                                                     : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: product [--rounds N]   (1 to %d)\n", ROUNDS_MAX);
        return 2;
    }
    openblas_set_num_threads(1);
    json_t *items = json_array();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        json_array_append_new(items, measure(&shapes[i], rounds));
    json_t *all = json_pack("{s:s, s:s, s:s, s:i, s:o}", "bench", "product", "isa", kernels_get()->name,
                            "openblas", openblas_get_corename(), "rounds", rounds, "items", items);
    json_dumpf(all, stdout, JSON_REAL_PRECISION(4) | JSON_INDENT(1));
    putchar('\n');
    json_decref(all);
    return 0;
}
