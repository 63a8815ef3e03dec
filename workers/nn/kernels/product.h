/* product.h - the matrix product.
 *
 * B is cut into panels of PANEL columns, packed so that the inner loop reads one contiguous line of it, or,
 * where its rows are whole vectors, read in place; A is read in place, one broadcast an element:
 *
 *        k ->                 PANEL
 *      +--------+           +------+
 *      | a a a  | ROWS   x  | b b  |  k      the ROWS x VECTORS tile of C stays in registers
 *      +--------+           | b b  |  |      for the whole of K
 *                           +------+  v
 *
 * The last panel, when no more than one vector of it is left, is taken by narrow tiles of NARROW x 1, which
 * have as many sums in flight. Rows are shared out evenly over the tiles (25 as 9 + 8 + 8, not as 12 + 12 +
 * 1): a tile of few rows waits for its own sums. Each number of rows has a function of its own, unrolled, so
 * that the sums are registers from their first zero to the store.
 *
 * For the depths of our networks (K up to a few hundred) a panel of B fits the first-level cache, so no
 * blocking over K is needed for speed; larger K is cut into blocks of DEPTH that accumulate into C. Rows are
 * taken CHUNK floats of A at a time, so that all panels find them in the second-level cache.
 */
#ifndef TENGEN_NN_KERNELS_PRODUCT_H
#define TENGEN_NN_KERNELS_PRODUCT_H

#include "workers/nn/kernels/vector.h"

enum {
    ROWS = KERNELS_ROWS,
    VECTORS = KERNELS_VECTORS,
    PANEL = LANES * VECTORS,
    NARROW = ROWS * VECTORS,
    DEPTH = 1024,
    CHUNK = 32 * 1024,
};

/* One step of a transposition of LANES x LANES in registers: exchanges the blocks of h x h beside the
 * diagonal. */
#if KERNELS_VECTOR == 64
#define EACH_LANE(f)                                                                                         \
    f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15)
#elif KERNELS_VECTOR == 32
#define EACH_LANE(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)
#else
#define EACH_LANE(f) f(0), f(1), f(2), f(3)
#endif
#define EXCHANGE(h)                                                                                          \
    do {                                                                                                     \
        _Pragma("GCC unroll 16") for (int i = 0; i < LANES; i++) if (!(i & (h))) {                           \
            vf above = x[i], below = x[i + (h)];                                                             \
            x[i] = __builtin_shufflevector(above, below, EACH_LANE(UPPER_##h));                              \
            x[i + (h)] = __builtin_shufflevector(above, below, EACH_LANE(LOWER_##h));                        \
        }                                                                                                    \
    } while (0)
#define FROM_UPPER(h, lane) ((lane) & (h) ? LANES + (lane) - (h) : (lane))
#define FROM_LOWER(h, lane) ((lane) & (h) ? LANES + (lane) : (lane) + (h))
#define UPPER_1(lane)       FROM_UPPER(1, lane)
#define LOWER_1(lane)       FROM_LOWER(1, lane)
#define UPPER_2(lane)       FROM_UPPER(2, lane)
#define LOWER_2(lane)       FROM_LOWER(2, lane)
#define UPPER_4(lane)       FROM_UPPER(4, lane)
#define LOWER_4(lane)       FROM_LOWER(4, lane)
#define UPPER_8(lane)       FROM_UPPER(8, lane)
#define LOWER_8(lane)       FROM_LOWER(8, lane)

/* x[i][j] and x[j][i] change places. */
INLINE void transpose_square(vf *x) {
    EXCHANGE(1);
    EXCHANGE(2);
#if KERNELS_VECTOR >= 32
    EXCHANGE(4);
#endif
#if KERNELS_VECTOR >= 64
    EXCHANGE(8);
#endif
}

/* Up to LANES rows of one vector of columns of a matrix that lies transposed (row_stride 1). */
INLINE void pack_square(const float *from, ptrdiff_t column_stride, int rows, int columns, float *packed) {
    vf x[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        x[i] = i < columns ? load(from + i * column_stride, rows) : (vf){0};
    transpose_square(x);
    if (rows == LANES) {
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            store(packed + i * PANEL, x[i], LANES);
        return;
    }
    for (int i = 0; i < rows; i++)
        store(packed + i * PANEL, x[i], LANES);
}

static void pack_transposed(ptrdiff_t k, ptrdiff_t width, const float *from, ptrdiff_t column_stride,
                            float *packed) {
    for (ptrdiff_t row = 0; row < k; row += LANES)
        for (ptrdiff_t column = 0; column < PANEL; column += LANES) {
            ptrdiff_t rows = k - row, columns = width - column;
            const float *corner = from + row + column * column_stride;
            if (rows >= LANES && columns >= LANES)
                pack_square(corner, column_stride, LANES, LANES, packed + row * PANEL + column);
            else
                pack_square(corner, column_stride, rows < LANES ? (int)rows : LANES,
                            columns < LANES ? (int)columns : LANES, packed + row * PANEL + column);
        }
}

static void pack_rows(ptrdiff_t k, ptrdiff_t width, struct matrix from, float *packed) {
    for (ptrdiff_t row = 0; row < k; row++, packed += PANEL)
        for (int j = 0; j < VECTORS; j++) {
            ptrdiff_t left = width - j * LANES;
            const float *at = from.data + row * from.row_stride + j * LANES;
            store(packed + j * LANES, load(at, left >= LANES ? LANES : left > 0 ? (int)left : 0), LANES);
        }
}

static void pack(ptrdiff_t k, ptrdiff_t n, struct matrix b, float *packed) {
    for (ptrdiff_t column = 0; column < n; column += PANEL, packed += k * PANEL) {
        ptrdiff_t width = n - column < PANEL ? n - column : PANEL;
        struct matrix part = {b.data + column * b.column_stride, b.row_stride, b.column_stride};
        if (b.column_stride == 1)
            pack_rows(k, width, part, packed);
        else if (b.row_stride == 1)
            pack_transposed(k, width, part.data, b.column_stride, packed);
        else
            for (ptrdiff_t i = 0; i < k * PANEL; i++) {
                ptrdiff_t row = i / PANEL, at = i % PANEL;
                packed[i] = at < width ? part.data[row * b.row_stride + at * b.column_stride] : 0;
            }
    }
}

/* What all tiles of a product share. */
struct product {
    ptrdiff_t k;
    ptrdiff_t segments, segment_stride; /* of A: K is so many times k */
    struct matrix a;
    ptrdiff_t ldb;
    float *c;
    ptrdiff_t ldc;
    struct gemm_tail tail;
    bool plain; /* the tail is empty */
};

/* Adds `from` (rows `stride` apart) to the tile. `whole`: all lanes of it are in use, else the first `width`.
 */
INLINE void tile_add(int rows, int vectors, bool whole, int width, const float *from, ptrdiff_t stride,
                     vf (*sums)[VECTORS]) {
#pragma GCC unroll 24
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) {
            int left = width - j * LANES;
            sums[i][j] += load(from + i * stride + j * LANES, whole || left >= LANES ? LANES
                                                              : left > 0             ? left
                                                                                     : 0);
        }
}

INLINE void tile_clear(int rows, int vectors, vf (*sums)[VECTORS]) {
#pragma GCC unroll 24
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++)
            sums[i][j] = (vf){0};
}

/* sums += A B over a depth of k; rows of B are ldb apart. */
INLINE void tile_multiply(int rows, int vectors, ptrdiff_t k, struct matrix a, const float *b, ptrdiff_t ldb,
                          vf (*sums)[VECTORS]) {
    for (; k > 0; k--, a.data += a.column_stride, b += ldb) {
        vf line[VECTORS];
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++)
            line[j] = *(const vf *)(b + j * LANES);
#pragma GCC unroll 24
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
            for (int j = 0; j < vectors; j++)
                sums[i][j] += a.data[i * a.row_stride] * line[j];
    }
}

INLINE void tile_store(int rows, int vectors, bool whole, int width, vf (*sums)[VECTORS], float *c,
                       ptrdiff_t ldc) {
#pragma GCC unroll 24
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) {
            int left = width - j * LANES;
            store(c + i * ldc + j * LANES, sums[i][j], whole || left >= LANES ? LANES : left > 0 ? left : 0);
        }
}

INLINE void tile_finish(int rows, int vectors, bool whole, int width, const struct product *p, ptrdiff_t row,
                        ptrdiff_t column, vf (*sums)[VECTORS]) {
    float *c = p->c + row * p->ldc + column;
    if (!p->plain) {
        const struct gemm_tail *tail = &p->tail;
        if (tail->accumulate)
            tile_add(rows, vectors, whole, width, c, p->ldc, sums);
        if (tail->bias)
            tile_add(rows, vectors, whole, width, tail->bias + column, 0, sums);
        if (tail->residual)
            tile_add(rows, vectors, whole, width, tail->residual + row * tail->ldr + column, tail->ldr, sums);
        if (tail->relu)
#pragma GCC unroll 24
            for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
                for (int j = 0; j < vectors; j++)
                    sums[i][j] = positive(sums[i][j]);
    }
    tile_store(rows, vectors, whole, width, sums, c, p->ldc);
}

/* One tile of C: `rows` by `vectors` (constants where this is inlined), of which the first `width` columns
 * are there. b: the panel. */
INLINE void tile(int rows, int vectors, const struct product *p, ptrdiff_t row, ptrdiff_t column,
                 const float *b, int width) {
    vf sums[NARROW][VECTORS];
    tile_clear(rows, vectors, sums);
    struct matrix a = {p->a.data + row * p->a.row_stride, p->a.row_stride, p->a.column_stride};
    for (ptrdiff_t segment = p->segments; segment > 0;
         segment--, a.data += p->segment_stride, b += p->k * p->ldb)
        tile_multiply(rows, vectors, p->k, a, b, p->ldb, sums);
    if (width == vectors * LANES)
        tile_finish(rows, vectors, true, width, p, row, column, sums);
    else
        tile_finish(rows, vectors, false, width, p, row, column, sums);
}

/* A function for each number of rows. */
typedef void tile_function(const struct product *p, ptrdiff_t row, ptrdiff_t column, const float *b,
                           int width);
#define EACH_ROW(f)   f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12)
#define EACH_COUNT(f) EACH_ROW(f) f(13) f(14) f(15) f(16) f(17) f(18) f(19) f(20) f(21) f(22) f(23) f(24)
#define WIDE_TILE(count)                                                                                     \
    static void wide_##count(const struct product *p, ptrdiff_t row, ptrdiff_t column, const float *b,       \
                             int width) {                                                                    \
        tile(count <= ROWS ? count : 1, VECTORS, p, row, column, b, width);                                  \
    }
#define NARROW_TILE(count)                                                                                   \
    static void narrow_##count(const struct product *p, ptrdiff_t row, ptrdiff_t column, const float *b,     \
                               int width) {                                                                  \
        tile(count <= NARROW ? count : 1, 1, p, row, column, b, width);                                      \
    }
EACH_ROW(WIDE_TILE)
EACH_COUNT(NARROW_TILE)
_Static_assert(ROWS <= 12 && NARROW <= 24, "EACH_ROW or EACH_COUNT has too few");
#define WIDE(count)    wide_##count,
#define NARROWS(count) narrow_##count,
static tile_function *const wide_tiles[] = {EACH_ROW(WIDE)}, *const narrow_tiles[] = {EACH_COUNT(NARROWS)};

/* `rows` rows of C from `first`, cut into tiles as even as can be. */
static void rows_product(const struct product *p, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t column,
                         const float *b, int width, int most, tile_function *const *tiles) {
    ptrdiff_t count = (rows + most - 1) / most, each = rows / count, longer = rows % count;
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t here = each + (i < longer);
        tiles[here - 1](p, first, column, b, width);
        first += here;
    }
}

/* B as the tiles read it: panels `panel` floats apart, their rows p->ldb apart. */
static void panels_product(const struct product *p, ptrdiff_t first, ptrdiff_t rows, ptrdiff_t n,
                           const float *b, ptrdiff_t panel) {
    for (ptrdiff_t column = 0; column < n; column += PANEL, b += panel) {
        int width = n - column < PANEL ? (int)(n - column) : PANEL;
        if (width > PANEL - LANES) {
            rows_product(p, first, rows, column, b, width, ROWS, wide_tiles);
            continue;
        }
        for (int at = 0; at < width; at += LANES)
            rows_product(p, first, rows, column + at, b + at, width - at < LANES ? width - at : LANES, NARROW,
                         narrow_tiles);
    }
}

static bool tail_is_empty(const struct gemm_tail *tail) {
    return !tail->accumulate && !tail->bias && !tail->residual && !tail->relu;
}

/* All of C, by chunks of rows and stretches of K. Only the last stretch applies bias, residual and ReLU; the
 * later ones add to the earlier. `next`: from a row of B to the next, beside p->ldb within a panel. */
static void product_run(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, struct matrix a, const float *b, ptrdiff_t ldb,
                        ptrdiff_t panel, float *c, ptrdiff_t ldc, const struct gemm_tail *tail) {
    const struct gemm_tail none = {0}, *end = tail ? tail : &none;
    for (ptrdiff_t depth = 0; depth < k || depth == 0; depth += DEPTH) {
        ptrdiff_t length = k - depth < DEPTH ? k - depth : DEPTH;
        struct product p = {.k = length, .segments = 1, .a = a, .ldb = ldb, .c = c, .ldc = ldc};
        p.a.data += depth * a.column_stride;
        p.tail = depth + length >= k ? *end : none;
        p.tail.accumulate = depth > 0 || end->accumulate;
        p.plain = tail_is_empty(&p.tail);
        ptrdiff_t chunk = (CHUNK / (length + 1) / NARROW + 1) * NARROW;
        for (ptrdiff_t row = 0; row < m; row += chunk)
            panels_product(&p, row, m - row < chunk ? m - row : chunk, n, b + depth * ldb, panel);
    }
}

static void gemm_packed(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, struct matrix a, const float *packed, float *c,
                        ptrdiff_t ldc, const struct gemm_tail *tail) {
    product_run(m, n, k, a, packed, PANEL, k * PANEL, c, ldc, tail);
}

static void gemm(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, struct matrix a, const float *b, ptrdiff_t ldb,
                 float *c, ptrdiff_t ldc, const struct gemm_tail *tail) {
    product_run(m, n, k, a, b, ldb, PANEL, c, ldc, tail);
}

static void gemm_segments(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int segments, struct matrix a,
                          ptrdiff_t segment_stride, bool packed, const float *b, ptrdiff_t ldb, float *c,
                          ptrdiff_t ldc, const struct gemm_tail *tail) {
    struct product p = {
        .k = k, .segments = segments, .segment_stride = segment_stride, .a = a, .c = c, .ldc = ldc};
    p.ldb = packed ? PANEL : ldb;
    p.tail = tail ? *tail : (struct gemm_tail){0};
    p.plain = tail_is_empty(&p.tail);
    panels_product(&p, 0, m, n, b, packed ? segments * k * PANEL : PANEL);
}

/* C = A B for a few rows of A by all panels of B, without gaps: a leaner way in than `tile`'s, for products
 * that take no longer than a few hundred cycles. */
INLINE void strip_part(int rows, int vectors, ptrdiff_t n, ptrdiff_t k, int width, const float *a,
                       const float *b, float *c) {
    vf sums[NARROW][VECTORS];
    tile_clear(rows, vectors, sums);
    tile_multiply(rows, vectors, k, (struct matrix){a, k, 1}, b, PANEL, sums);
    tile_store(rows, vectors, width == vectors * LANES, width, sums, c, n);
}

INLINE void strip(int rows, ptrdiff_t n, ptrdiff_t k, const float *a, const float *b, float *c) {
    ptrdiff_t left = n;
    for (; left >= PANEL; left -= PANEL, b += k * PANEL, c += PANEL)
        strip_part(rows, VECTORS, n, k, PANEL, a, b, c);
    for (; left > 0; left -= LANES, b += LANES, c += LANES)
        strip_part(rows, 1, n, k, left < LANES ? (int)left : LANES, a, b, c);
}

typedef void strip_function(ptrdiff_t n, ptrdiff_t k, const float *a, const float *b, float *c);
#define STRIPS(count)                                                                                        \
    static void strip_##count(ptrdiff_t n, ptrdiff_t k, const float *a, const float *b, float *c) {          \
        strip(count <= ROWS ? count : 1, n, k, a, b, c);                                                     \
    }
EACH_ROW(STRIPS)
#define STRIP(count) strip_##count,
static strip_function *const strips[] = {EACH_ROW(STRIP)};

/* A strip reads its rows of A before it writes its rows of C; where these lie ROWS rows before them, what is
 * overwritten has been read. */
static void gemm_planes(int planes, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const float *a,
                        const float *packed, float *c) {
    const ptrdiff_t count = (m + ROWS - 1) / ROWS, each = m / count, longer = m % count;
    const ptrdiff_t plane_weights = (n + PANEL - 1) / PANEL * PANEL * k;
    for (; planes > 0; planes--, packed += plane_weights)
        for (ptrdiff_t i = 0; i < count; i++) {
            ptrdiff_t rows = each + (i < longer);
            strips[rows - 1](n, k, a, packed, c);
            a += rows * k;
            c += rows * n;
        }
}

/* ---- few columns ----
 *
 * A head with one or two channels would leave most lanes of a tile empty. Here the depth is the vector: LANES
 * rows of A times one column, whose sums are folded into one vector. */

/* One step of the fold: rows i and i + h become one, in which lanes with and without h hold the sums of each.
 */
#define FOLD(h)                                                                                              \
    do {                                                                                                     \
        _Pragma("GCC unroll 16") for (int i = 0; i < LANES; i++) if (!(i & (2 * (h)-1))) x[i] =              \
            (vf)__builtin_shufflevector(x[i], x[i + (h)], EACH_LANE(UPPER_##h)) +                            \
            (vf)__builtin_shufflevector(x[i], x[i + (h)], EACH_LANE(LOWER_##h));                             \
    } while (0)

/* Lane i of the result is the sum of x[i]. */
INLINE vf fold_square(vf *x) {
    FOLD(1);
    FOLD(2);
#if KERNELS_VECTOR >= 32
    FOLD(4);
#endif
#if KERNELS_VECTOR >= 64
    FOLD(8);
#endif
    return x[0];
}

/* One column of C for `rows` rows, at most LANES; rows beyond are read as the last one and lost. */
static vf few_column(ptrdiff_t rows, ptrdiff_t k, const float *a, const float *column) {
    vf sums[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        sums[i] = (vf){0};
    if (rows < LANES) {
        for (ptrdiff_t row = 0; row < rows; row++)
            for (ptrdiff_t at = 0; at < k; at += LANES)
                sums[row] += load(a + row * k + at, LANES) * load(column + at, LANES);
        return fold_square(sums);
    }
    for (ptrdiff_t at = 0; at < k; at += LANES) {
        vf line = load(column + at, LANES);
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            sums[i] += load(a + i * k + at, LANES) * line;
    }
    return fold_square(sums);
}

static void gemm_few(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const float *a, const float *turned, float *c,
                     const struct gemm_tail *tail) {
    for (ptrdiff_t row = 0; row < m; row += LANES, a += LANES * k, c += LANES * n) {
        ptrdiff_t rows = m - row < LANES ? m - row : LANES;
        for (ptrdiff_t j = 0; j < n; j++) {
            vf sums = few_column(rows, k, a, turned + j * k) + (tail->bias ? tail->bias[j] : 0);
            for (ptrdiff_t i = 0; i < rows; i++) {
                float sum = sums[i] + (tail->residual ? tail->residual[(row + i) * n + j] : 0);
                c[i * n + j] = tail->relu && sum < 0 ? 0 : sum;
            }
        }
    }
}

#endif
