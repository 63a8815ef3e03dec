/* kernels_impl.c - the kernels of kernels.h; compiled once for each instruction set.
 *
 * meson.build passes KERNELS_NAME (the table's suffix), KERNELS_VECTOR (bytes in a vector), KERNELS_ROWS and
 * KERNELS_VECTORS (the register tile of the matrix product) beside the compiler's flags for the instruction
 * set. Everything else is the same code: `vf` is a vector of floats in the compiler's own extension, and gcc
 * and clang turn `acc += a * b` into fused multiply-adds with an embedded broadcast.
 *
 * The matrix product. B is cut into panels of PANEL columns, packed so that the inner loop reads one
 * contiguous line of it, or, where its rows are whole vectors, read in place; A is read in place, one
 * broadcast an element:
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
 *
 * Winograd. All six transforms (input, output, weights, and the adjoint of each) are y = M x M^T for a small
 * constant matrix M or its transpose: M on each column as it is loaded, then on each row as it is stored, so
 * that little more than the half-done square is in registers at a time. The two of inference (input and
 * output) are written out with their common terms shared (9 operations a line instead of 16, 12 instead of
 * 22, and so on); the others are unrolled by the compiler over the constant coefficients.
 */
#include <string.h>
#if KERNELS_VECTOR == 64
#include <immintrin.h>
#endif
#include "workers/nn/kernels.h"

#define GLUE2(a, b) a##b
#define GLUE(a, b)  GLUE2(a, b)

typedef float vf __attribute__((vector_size(KERNELS_VECTOR), aligned(4), may_alias));
typedef int mask __attribute__((vector_size(KERNELS_VECTOR), aligned(4), may_alias));

enum {
    LANES = KERNELS_VECTOR / 4,
    ROWS = KERNELS_ROWS,
    VECTORS = KERNELS_VECTORS,
    PANEL = LANES * VECTORS,
    NARROW = ROWS * VECTORS,
    DEPTH = 1024,
    CHUNK = 32 * 1024,
};

#define INLINE static inline __attribute__((always_inline))

/* The first n lanes, of which the others are 0 and are not touched in memory. */
INLINE vf load(const float *from, int n) {
    if (n == LANES)
        return *(const vf *)from;
#if KERNELS_VECTOR == 64
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), from);
#else
    vf value = {0};
    for (int lane = 0; lane < n; lane++)
        value[lane] = from[lane];
    return value;
#endif
}

INLINE void store(float *to, vf value, int n) {
    if (n == LANES)
        *(vf *)to = value;
    else
#if KERNELS_VECTOR == 64
        _mm512_mask_storeu_ps(to, (__mmask16)((1u << n) - 1), (__m512)value);
#else
        for (int lane = 0; lane < n; lane++)
            to[lane] = value[lane];
#endif
}

/* `value` where `gate` is above zero, else 0. (A comparison of vectors is a mask of all ones or none.) */
INLINE vf pass_positive(vf gate, vf value) {
    return (vf)((mask)value & (mask)(gate > 0));
}

/* max(value, 0), but NaN stays NaN: what is damaged must show. */
INLINE vf positive(vf value) {
    return (vf)((mask)value & ~(mask)(value < 0));
}

/* ---- matrix product ---- */

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
#pragma GCC unroll 24
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) {
            int left = width - j * LANES;
            store(c + i * p->ldc + j * LANES, sums[i][j],
                  whole || left >= LANES ? LANES
                  : left > 0             ? left
                                         : 0);
        }
}

/* One tile of C: `rows` by `vectors` (constants where this is inlined), of which the first `width` columns
 * are there. b: the panel. */
INLINE void tile(int rows, int vectors, const struct product *p, ptrdiff_t row, ptrdiff_t column,
                 const float *b, int width) {
    vf sums[NARROW][VECTORS];
#pragma GCC unroll 24
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++)
            sums[i][j] = (vf){0};
    const float *a = p->a.data + row * p->a.row_stride;
    const ptrdiff_t row_stride = p->a.row_stride, column_stride = p->a.column_stride, ldb = p->ldb;
    for (ptrdiff_t segment = p->segments; segment > 0; segment--, a += p->segment_stride) {
        const float *at = a;
        for (ptrdiff_t depth = p->k; depth > 0; depth--, at += column_stride, b += ldb) {
            vf line[VECTORS];
#pragma GCC unroll 3
            for (int j = 0; j < vectors; j++)
                line[j] = *(const vf *)(b + j * LANES);
#pragma GCC unroll 24
            for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
                for (int j = 0; j < vectors; j++)
                    sums[i][j] += at[i * row_stride] * line[j];
        }
    }
    if (width == vectors * LANES)
        tile_finish(rows, vectors, true, width, p, row, column, sums);
    else
        tile_finish(rows, vectors, false, width, p, row, column, sums);
}

/* A function for each number of rows. */
typedef void tile_function(const struct product *p, ptrdiff_t row, ptrdiff_t column, const float *b,
                           int width);
#define EACH_COUNT(f)                                                                                        \
    f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15) f(16) f(17) f(18) f(19) \
        f(20) f(21) f(22) f(23) f(24)
#define TILES(count)                                                                                         \
    static void wide_##count(const struct product *p, ptrdiff_t row, ptrdiff_t column, const float *b,       \
                             int width) {                                                                    \
        tile(count <= ROWS ? count : 1, VECTORS, p, row, column, b, width);                                  \
    }                                                                                                        \
    static void narrow_##count(const struct product *p, ptrdiff_t row, ptrdiff_t column, const float *b,     \
                               int width) {                                                                  \
        tile(count <= NARROW ? count : 1, 1, p, row, column, b, width);                                      \
    }
EACH_COUNT(TILES)
_Static_assert(NARROW <= 24, "EACH_COUNT has too few");
#define WIDE(count)    wide_##count,
#define NARROWS(count) narrow_##count,
static tile_function *const wide_tiles[] = {EACH_COUNT(WIDE)}, *const narrow_tiles[] = {EACH_COUNT(NARROWS)};

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

/* A row of tiles reads its rows of A before it writes its rows of C, which lie ROWS rows before them: what is
 * overwritten has been read. */
static void gemm_shift(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const float *a, ptrdiff_t lda,
                       const float *packed, float *c) {
    struct product p = {
        .k = k, .segments = 1, .a = {a, lda, 1}, .ldb = PANEL, .c = c, .ldc = lda, .plain = true};
    ptrdiff_t count = (m + ROWS - 1) / ROWS;
    for (ptrdiff_t i = 0, row = 0; i < count; i++) {
        ptrdiff_t here = m / count + (i < m % count);
        panels_product(&p, row, here, n, packed, k * PANEL);
        row += here;
    }
}

/* ---- Winograd ---- */

/* Interpolation points 0, 1, -1, 2, infinity for F(3,3); 0, 1, -1, 2, -2, infinity for F(4,3). y = A^T [(G g)
 * (B^T d)]. */
/* clang-format off */
static const float f3_input[25] = {
    2, -1, -2, 1, 0,
    0, -2, -1, 1, 0,
    0,  2, -3, 1, 0,
    0, -1,  0, 1, 0,
    0,  2, -1, -2, 1};
static const float f3_output[15] = {
    1, 1,  1, 1, 0,
    0, 1, -1, 2, 0,
    0, 1,  1, 4, 1};
static const float f3_weights[15] = {
     1.f / 2,  0,        0,
    -1.f / 2, -1.f / 2, -1.f / 2,
    -1.f / 6,  1.f / 6, -1.f / 6,
     1.f / 6,  1.f / 3,  2.f / 3,
     0,        0,        1};
static const float f4_input[36] = {
    4,  0, -5,  0, 1, 0,
    0, -4, -4,  1, 1, 0,
    0,  4, -4, -1, 1, 0,
    0, -2, -1,  2, 1, 0,
    0,  2, -1, -2, 1, 0,
    0,  4,  0, -5, 0, 1};
static const float f4_output[24] = {
    1, 1,  1, 1,  1, 0,
    0, 1, -1, 2, -2, 0,
    0, 1,  1, 4,  4, 0,
    0, 1, -1, 8, -8, 1};
static const float f4_weights[18] = {
     1.f / 4,   0,         0,
    -1.f / 6,  -1.f / 6,  -1.f / 6,
    -1.f / 6,   1.f / 6,  -1.f / 6,
     1.f / 24,  1.f / 12,  1.f / 6,
     1.f / 24, -1.f / 12,  1.f / 6,
     0,         0,         1};
/* clang-format on */

/* The six transforms of each form. */
enum lines { INPUT, OUTPUT, WEIGHTS, INPUT_ADJOINT, OUTPUT_ADJOINT, WEIGHTS_ADJOINT };

INLINE int line_in(int m, enum lines kind) {
    return kind == WEIGHTS ? 3 : kind == OUTPUT_ADJOINT ? m : m + 2;
}

INLINE int line_out(int m, enum lines kind) {
    return kind == WEIGHTS_ADJOINT ? 3 : kind == OUTPUT ? m : m + 2;
}

INLINE void f3_input_line(const vf *x, vf *y) {
    vf a = x[3] - x[1], b = x[3] - x[2];
    y[0] = a + 2.0f * (x[0] - x[2]);
    y[1] = b - 2.0f * x[1];
    y[2] = b + 2.0f * (x[1] - x[2]);
    y[3] = a;
    y[4] = (x[4] - x[2]) - 2.0f * a;
}

INLINE void f4_input_line(const vf *x, vf *y) {
    vf a = x[4] - 4.0f * x[2], b = x[3] - 4.0f * x[1], c = x[4] - x[2], d = x[3] - x[1];
    y[0] = 4.0f * (x[0] - x[2]) + c;
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + 2.0f * d;
    y[4] = c - 2.0f * d;
    y[5] = (x[5] - x[3]) - 4.0f * d;
}

INLINE void f3_output_line(const vf *x, vf *y) {
    vf a = x[1] + x[2], b = x[1] - x[2];
    y[0] = (x[0] + x[3]) + a;
    y[1] = b + 2.0f * x[3];
    y[2] = a + 4.0f * x[3] + x[4];
}

INLINE void f4_output_line(const vf *x, vf *y) {
    vf a = x[1] + x[2], b = x[1] - x[2], c = x[3] + x[4], d = x[3] - x[4];
    y[0] = x[0] + a + c;
    y[1] = b + 2.0f * d;
    y[2] = a + 4.0f * c;
    y[3] = b + 8.0f * d + x[5];
}

/* y (out) = M x (in), or M^T x where M is given as its in x out original. */
INLINE void matrix_line(int out, int in, const float *matrix, bool transposed, const vf *x, vf *y) {
#pragma GCC unroll 6
    for (int o = 0; o < out; o++) {
        vf sum = {0};
#pragma GCC unroll 6
        for (int i = 0; i < in; i++) {
            float factor = transposed ? matrix[i * out + o] : matrix[o * in + i];
            if (factor != 0)
                sum += factor * x[i];
        }
        y[o] = sum;
    }
}

INLINE void transform_line(int m, enum lines kind, const vf *x, vf *y) {
    if (kind == INPUT)
        m == 3 ? f3_input_line(x, y) : f4_input_line(x, y);
    else if (kind == OUTPUT)
        m == 3 ? f3_output_line(x, y) : f4_output_line(x, y);
    else {
        const float *matrix = kind == INPUT_ADJOINT    ? (m == 3 ? f3_input : f4_input)
                              : kind == OUTPUT_ADJOINT ? (m == 3 ? f3_output : f4_output)
                                                       : (m == 3 ? f3_weights : f4_weights);
        matrix_line(line_out(m, kind), line_in(m, kind), matrix, kind != WEIGHTS, x, y);
    }
}

/* y = M x M^T: LOAD(i, j) gives x[i][j], STORE(i, j, value) takes y[i][j]. */
#define TRANSFORM(m, kind, LOAD, STORE)                                                                      \
    do {                                                                                                     \
        const int in_ = line_in(m, kind), out_ = line_out(m, kind);                                          \
        vf half_[6][6];                                                                                      \
        _Pragma("GCC unroll 6") for (int column_ = 0; column_ < in_; column_++) {                            \
            vf x_[6], y_[6];                                                                                 \
            _Pragma("GCC unroll 6") for (int i_ = 0; i_ < in_; i_++) x_[i_] = LOAD(i_, column_);             \
            transform_line(m, kind, x_, y_);                                                                 \
            _Pragma("GCC unroll 6") for (int o_ = 0; o_ < out_; o_++) half_[o_][column_] = y_[o_];           \
        }                                                                                                    \
        _Pragma("GCC unroll 6") for (int row_ = 0; row_ < out_; row_++) {                                    \
            vf y_[6];                                                                                        \
            transform_line(m, kind, half_[row_], y_);                                                        \
            _Pragma("GCC unroll 6") for (int o_ = 0; o_ < out_; o_++) STORE(row_, o_, y_[o_]);               \
        }                                                                                                    \
    } while (0)

/* Runs `expression` on all of `count` floats, a vector at a time; `i` is the offset and `n` the lanes in use.
 */
#define FOR_VECTORS(count, ...)                                                                              \
    do {                                                                                                     \
        size_t i = 0;                                                                                        \
        for (; i + LANES <= (count); i += LANES) {                                                           \
            const int n = LANES;                                                                             \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
        if (i < (count)) {                                                                                   \
            const int n = (int)((count)-i);                                                                  \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
    } while (0)

/* A tile of an image: `size` points a side, of which some may be outside. */
struct patch {
    const float *from[36]; /* where each point's channels are, or zeros */
    ptrdiff_t offset[36];  /* the same within the image */
    ptrdiff_t inside[36];  /* -1, or 0 for a point outside: to be and-ed to a channel's number */
    bool whole;            /* all are inside */
};

static const float zeros[LANES];

static void patch_find(int top, int left, int size, int height, int width, int channels, const float *image,
                       struct patch *p) {
    p->whole = top >= 0 && left >= 0 && top + size <= height && left + size <= width;
    for (int at = 0; at < size * size; at++) {
        int row = top + at / size, column = left + at % size;
        bool inside = row >= 0 && row < height && column >= 0 && column < width;
        p->offset[at] = ((ptrdiff_t)row * width + column) * channels;
        p->from[at] = inside ? image + p->offset[at] : zeros;
        p->inside[at] = inside ? -1 : 0;
    }
}

/* What follows the output transform. */
struct output_tail {
    const float *bias, *residual;
    bool relu;
};

INLINE void tile_to_planes(int m, enum lines kind, int n, int c, const struct patch *p, float *to,
                           ptrdiff_t stride) {
    const int from_size = line_in(m, kind), to_size = line_out(m, kind);
#define LOAD(i, j)         load(p->from[(i)*from_size + (j)] + ((ptrdiff_t)c & p->inside[(i)*from_size + (j)]), n)
#define STORE(i, j, value) store(to + ((i)*to_size + (j)) * stride, value, n)
    TRANSFORM(m, kind, LOAD, STORE);
#undef LOAD
#undef STORE
}

/* One point of a result: written with its tail, or, for an adjoint, added. */
INLINE void point_store(enum lines kind, bool whole, int n, int c, const struct patch *p, int at, vf bias,
                        const struct output_tail *tail, vf value, float *image) {
    if (!whole && !p->inside[at])
        return;
    ptrdiff_t to = p->offset[at] + c;
    if (kind == OUTPUT) {
        value += bias;
        if (tail->residual)
            value += load(tail->residual + to, n);
        if (tail->relu)
            value = positive(value);
    } else {
        value += load(image + to, n);
    }
    store(image + to, value, n);
}

INLINE void planes_to_tile(int m, enum lines kind, bool whole, int n, int c, const struct patch *p,
                           const float *from, ptrdiff_t stride, const struct output_tail *tail,
                           float *image) {
    const int from_size = line_in(m, kind), to_size = line_out(m, kind);
    vf bias = kind == OUTPUT && tail->bias ? load(tail->bias + c, n) : (vf){0};
#define LOAD(i, j)         load(from + ((i)*from_size + (j)) * stride, n)
#define STORE(i, j, value) point_store(kind, whole, n, c, p, (i)*to_size + (j), bias, tail, value, image)
    TRANSFORM(m, kind, LOAD, STORE);
#undef LOAD
#undef STORE
}

/* All tiles of an image, each by vectors of channels. */
INLINE void image_to_planes(int m, enum lines kind, int height, int width, int channels, const float *image,
                            float *planes, ptrdiff_t stride) {
    const int before = kind == INPUT ? -1 : 0;
    for (int row = 0; row < height; row += m)
        for (int column = 0; column < width; column += m, planes += channels) {
            struct patch p;
            patch_find(row + before, column + before, line_in(m, kind), height, width, channels, image, &p);
            int c = 0;
            for (; c + LANES <= channels; c += LANES)
                tile_to_planes(m, kind, LANES, c, &p, planes + c, stride);
            if (c < channels)
                tile_to_planes(m, kind, channels - c, c, &p, planes + c, stride);
        }
}

INLINE void planes_to_image(int m, enum lines kind, int height, int width, int channels, const float *planes,
                            ptrdiff_t stride, const struct output_tail *tail, float *image) {
    const int before = kind == OUTPUT ? 0 : -1;
    for (int row = 0; row < height; row += m)
        for (int column = 0; column < width; column += m, planes += channels) {
            struct patch p;
            patch_find(row + before, column + before, line_out(m, kind), height, width, channels, image, &p);
            int c = 0;
            for (; p.whole && c + LANES <= channels; c += LANES)
                planes_to_tile(m, kind, true, LANES, c, &p, planes + c, stride, tail, image);
            for (; c + LANES <= channels; c += LANES)
                planes_to_tile(m, kind, false, LANES, c, &p, planes + c, stride, tail, image);
            if (c < channels)
                planes_to_tile(m, kind, false, channels - c, c, &p, planes + c, stride, tail, image);
        }
}

static void winograd_input(enum winograd_form form, int height, int width, int channels, const float *x,
                           float *planes, ptrdiff_t plane_stride) {
    if (form == WINOGRAD_F3)
        image_to_planes(3, INPUT, height, width, channels, x, planes, plane_stride);
    else
        image_to_planes(4, INPUT, height, width, channels, x, planes, plane_stride);
}

static void winograd_output(enum winograd_form form, int height, int width, int channels, const float *planes,
                            ptrdiff_t plane_stride, const float *bias, const float *residual, bool relu,
                            float *y) {
    const struct output_tail tail = {bias, residual, relu};
    if (form == WINOGRAD_F3)
        planes_to_image(3, OUTPUT, height, width, channels, planes, plane_stride, &tail, y);
    else
        planes_to_image(4, OUTPUT, height, width, channels, planes, plane_stride, &tail, y);
}

static void winograd_output_adjoint(enum winograd_form form, int height, int width, int channels,
                                    const float *dy, float *dplanes, ptrdiff_t plane_stride) {
    if (form == WINOGRAD_F3)
        image_to_planes(3, OUTPUT_ADJOINT, height, width, channels, dy, dplanes, plane_stride);
    else
        image_to_planes(4, OUTPUT_ADJOINT, height, width, channels, dy, dplanes, plane_stride);
}

static void winograd_input_adjoint(enum winograd_form form, int height, int width, int channels,
                                   const float *dplanes, ptrdiff_t plane_stride, float *dx) {
    if (form == WINOGRAD_F3)
        planes_to_image(3, INPUT_ADJOINT, height, width, channels, dplanes, plane_stride, NULL, dx);
    else
        planes_to_image(4, INPUT_ADJOINT, height, width, channels, dplanes, plane_stride, NULL, dx);
}

/* The weights are tiles too: 3x3 taps whose "channels" are all of the Cin x Cout pairs. */
INLINE void weights_store(enum lines kind, int n, vf value, float *to) {
    if (kind == WEIGHTS_ADJOINT)
        value += load(to, n);
    store(to, value, n);
}

INLINE void weights_vector(int m, enum lines kind, ptrdiff_t pairs, int n, const float *from, float *to) {
    const int from_size = line_in(m, kind), to_size = line_out(m, kind);
#define LOAD(i, j)         load(from + ((i)*from_size + (j)) * pairs, n)
#define STORE(i, j, value) weights_store(kind, n, value, to + ((i)*to_size + (j)) * pairs)
    TRANSFORM(m, kind, LOAD, STORE);
#undef LOAD
#undef STORE
}

static void winograd_weights(enum winograd_form form, size_t pairs, const float *weights, float *planes) {
    if (form == WINOGRAD_F3)
        FOR_VECTORS(pairs, weights_vector(3, WEIGHTS, (ptrdiff_t)pairs, n, weights + i, planes + i));
    else
        FOR_VECTORS(pairs, weights_vector(4, WEIGHTS, (ptrdiff_t)pairs, n, weights + i, planes + i));
}

static void winograd_weights_adjoint(enum winograd_form form, size_t pairs, const float *dplanes,
                                     float *dweights) {
    if (form == WINOGRAD_F3)
        FOR_VECTORS(pairs,
                    weights_vector(3, WEIGHTS_ADJOINT, (ptrdiff_t)pairs, n, dplanes + i, dweights + i));
    else
        FOR_VECTORS(pairs,
                    weights_vector(4, WEIGHTS_ADJOINT, (ptrdiff_t)pairs, n, dplanes + i, dweights + i));
}

/* ---- elementwise and reductions ---- */

static void copy_rows(int rows, size_t length, const float *from, ptrdiff_t from_stride, float *to,
                      ptrdiff_t to_stride) {
    for (int row = 0; row < rows; row++, from += from_stride, to += to_stride)
        FOR_VECTORS(length, store(to + i, load(from + i, n), n));
}

static void add_rows(int rows, size_t length, const float *from, ptrdiff_t from_stride, float *to,
                     ptrdiff_t to_stride) {
    for (int row = 0; row < rows; row++, from += from_stride, to += to_stride)
        FOR_VECTORS(length, store(to + i, load(to + i, n) + load(from + i, n), n));
}

static void add(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, load(y + i, n) + load(x + i, n), n));
}

static void axpy(size_t count, float a, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, load(y + i, n) + a * load(x + i, n), n));
}

static void scale(size_t count, float a, float *y) {
    FOR_VECTORS(count, store(y + i, a * load(y + i, n), n));
}

static void relu(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, positive(load(x + i, n)), n));
}

static void relu_backward(size_t count, const float *y, const float *dy, float *dx) {
    FOR_VECTORS(count, {
        vf passed = pass_positive(load(y + i, n), load(dy + i, n));
        store(dx + i, load(dx + i, n) + passed, n);
    });
}

static void scale_shift(size_t rows, int channels, const float *x, const float *factor, const float *shift,
                        bool rectify, float *y) {
    for (size_t row = 0; row < rows; row++, x += channels, y += channels)
        FOR_VECTORS((size_t)channels, {
            vf value = load(x + i, n) * load(factor + i, n) + load(shift + i, n);
            store(y + i, rectify ? positive(value) : value, n);
        });
}

/* Columns by the vector, rows inside, so that the sums stay in registers. */
static void column_sums(size_t rows, int channels, const float *x, float *sum) {
    FOR_VECTORS((size_t)channels, {
        vf total = {0};
        for (size_t row = 0; row < rows; row++)
            total += load(x + row * (size_t)channels + i, n);
        store(sum + i, load(sum + i, n) + total, n);
    });
}

static void column_dots(size_t rows, int channels, const float *x, const float *z, float *sum) {
    FOR_VECTORS((size_t)channels, {
        vf total = {0};
        for (size_t row = 0; row < rows; row++) {
            size_t at = row * (size_t)channels + i;
            total += load(x + at, n) * load(z + at, n);
        }
        store(sum + i, load(sum + i, n) + total, n);
    });
}

static void column_squares(size_t rows, int channels, const float *x, const float *shift, float *sum) {
    FOR_VECTORS((size_t)channels, {
        vf total = {0}, by = load(shift + i, n);
        for (size_t row = 0; row < rows; row++) {
            vf value = load(x + row * (size_t)channels + i, n) + by;
            total += value * value;
        }
        store(sum + i, load(sum + i, n) + total, n);
    });
}

static void blend(size_t rows, int channels, const float *x, const float *a, const float *z, const float *b,
                  const float *shift, float *y) {
    for (size_t row = 0; row < rows; row++, x += channels, z += channels, y += channels)
        FOR_VECTORS((size_t)channels, {
            vf value = load(x + i, n) * load(a + i, n) + load(z + i, n) * load(b + i, n) + load(shift + i, n);
            store(y + i, load(y + i, n) + value, n);
        });
}

static float sum_lanes(vf x, int n) {
    float sum = 0;
    for (int lane = 0; lane < n; lane++)
        sum += x[lane];
    return sum;
}

static float sum(size_t count, const float *x) {
    vf total = {0};
    FOR_VECTORS(count, total += load(x + i, n));
    return sum_lanes(total, LANES);
}

static void affine(size_t count, float a, float b, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, a * load(x + i, n) + b, n));
}

/* Four sums, so that they need not wait for each other. */
static float dot(size_t count, const float *x, const float *y) {
    vf total[4] = {{0}};
    size_t whole = count / (4 * LANES) * (4 * LANES);
    for (size_t at = 0; at < whole; at += 4 * LANES)
        for (int j = 0; j < 4; j++)
            total[j] += load(x + at + j * LANES, LANES) * load(y + at + j * LANES, LANES);
    FOR_VECTORS(count - whole, total[0] += load(x + whole + i, n) * load(y + whole + i, n));
    return sum_lanes((total[0] + total[1]) + (total[2] + total[3]), LANES);
}

/* ---- exponentials ---- */

/* exp(x) to about 2 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2, exp(r) by a polynomial (Cephes'
 * expf), 2^n put into the exponent. Below -87 the result is 0, above 88 it stays at exp(88). */
INLINE vf exponential(vf x) {
    const vf low = (vf){0} - 87.0f, high = (vf){0} + 88.0f;
    mask under = (mask)(x < low), over = (mask)(x > high); /* of NaN neither: it stays what it is */
    x = (vf)(((mask)high & over) | ((mask)x & ~over));
    x = (vf)(((mask)x & ~under) | ((mask)low & under));
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number in the low bits */
    vf shifted = x * 1.44269504f + round;
    vf n = shifted - round;
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    mask power = ((mask)shifted - 0x4B400000 + 127) << 23;
    return (vf)((mask)(p * (vf)power) & ~under);
}

/* 0 below -87, where exp(-x) would leave the range. */
INLINE vf logistic(vf x) {
    vf value = 1.0f / (1.0f + exponential(-x));
    return (vf)((mask)value & (mask)(x > (vf){0} - 87.0f));
}

/* 2 logistic(2x) - 1; near 0, where that would cancel, x - x^3 / 3 + 2 x^5 / 15. */
INLINE vf hyperbolic(vf x) {
    vf square = x * x, series = x * (1.0f + square * (-1.0f / 3 + square * (2.0f / 15)));
    mask small = (mask)(square < (vf){0} + 0.0025f);
    vf far = 2.0f * logistic(2.0f * x) - 1.0f;
    return (vf)(((mask)series & small) | ((mask)far & ~small));
}

static float largest(size_t count, const float *x) {
    float most = x[0];
    size_t i = 0;
    if (count >= LANES) {
        vf top = load(x, LANES);
        for (i = LANES; i + LANES <= count; i += LANES) {
            vf value = load(x + i, LANES);
            mask above = (mask)(value > top);
            top = (vf)(((mask)value & above) | ((mask)top & ~above));
        }
        for (int lane = 0; lane < LANES; lane++)
            most = top[lane] > most ? top[lane] : most;
    }
    for (; i < count; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static void softmax(size_t rows, int columns, float factor, const float *x, float *y) {
    for (size_t row = 0; row < rows; row++, x += columns, y += columns) {
        float most = largest((size_t)columns, x), sum = 0;
        if (most < -3e38f) { /* nothing to choose from */
            memset(y, 0, (size_t)columns * sizeof(float));
            continue;
        }
        vf total = {0};
        FOR_VECTORS((size_t)columns, {
            vf value = exponential(factor * (load(x + i, n) - most));
            store(y + i, value, n);
            if (n == LANES)
                total += value;
            else
                sum = sum_lanes(value, n);
        });
        scale((size_t)columns, 1.0f / (sum + sum_lanes(total, LANES)), y);
    }
}

static void softmax_backward(size_t rows, int columns, float factor, const float *y, const float *dy,
                             float *dx) {
    for (size_t row = 0; row < rows; row++, y += columns, dy += columns, dx += columns) {
        float mean = dot((size_t)columns, y, dy);
        FOR_VECTORS((size_t)columns, {
            vf value = factor * load(y + i, n) * (load(dy + i, n) - mean);
            store(dx + i, load(dx + i, n) + value, n);
        });
    }
}

static void sigmoid(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, logistic(load(x + i, n)), n));
}

static void tangent(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, store(y + i, hyperbolic(load(x + i, n)), n));
}

/* gelu(x) = x s(2 u), u = sqrt(2/pi) (x + 0.044715 x^3): 0.5 (1 + tanh u) = s(2 u). */
INLINE vf gelu_gate(vf x) {
    return logistic(1.595769122f * (x + 0.044715f * x * x * x));
}

static void gelu(size_t count, const float *x, float *y) {
    FOR_VECTORS(count, {
        vf value = load(x + i, n);
        store(y + i, value * gelu_gate(value), n);
    });
}

static void gelu_backward(size_t count, const float *x, const float *dy, float *dx) {
    FOR_VECTORS(count, {
        vf value = load(x + i, n);
        vf gate = gelu_gate(value);
        vf edge = gate * (1.0f - gate), bend = 1.595769122f * (1.0f + 0.134145f * value * value);
        vf slope = gate + pass_positive(edge, value * edge * bend); /* far out bend may be infinite */
        store(dx + i, load(dx + i, n) + slope * load(dy + i, n), n);
    });
}

static float exp_sum(size_t count, float shift, const float *x, float *y) {
    vf total = {0};
    float rest = 0;
    FOR_VECTORS(count, {
        vf value = exponential(load(x + i, n) - shift);
        if (y)
            store(y + i, value, n);
        if (n == LANES)
            total += value;
        else
            rest = sum_lanes(value, n);
    });
    return rest + sum_lanes(total, LANES);
}

/* ---- layer normalization ---- */

/* Two passes: the sum of squares around the mean, for the textbook's formula loses everything when the mean
 * is large. Rows are short enough to stay in the first-level cache. */
static void layer_norm(size_t rows, int columns, float epsilon, const float *x, const float *gamma,
                       const float *beta, float *y, float *moments) {
    size_t width = (size_t)columns;
    for (size_t row = 0; row < rows; row++, x += columns, y += columns) {
        float mean = sum(width, x) / (float)columns, squares = 0;
        vf total = {0};
        FOR_VECTORS(width, {
            vf value = load(x + i, n) - mean;
            if (n == LANES)
                total += value * value;
            else
                squares = sum_lanes(value * value, n);
        });
        squares += sum_lanes(total, LANES);
        float inverse = 1 / __builtin_sqrtf(squares / (float)columns + epsilon);
        FOR_VECTORS(width, {
            vf value = (load(x + i, n) - mean) * inverse;
            store(y + i, value * load(gamma + i, n) + load(beta + i, n), n);
        });
        if (moments) {
            moments[2 * row] = mean;
            moments[2 * row + 1] = inverse;
        }
    }
}

/* With xhat = (x - mean) * inverse and d = dy gamma: dx = inverse (d - mean(d) - xhat mean(d xhat)). */
static void layer_norm_backward(size_t rows, int columns, const float *x, const float *gamma,
                                const float *moments, const float *dy, float *dx, float *dgamma,
                                float *dbeta) {
    size_t width = (size_t)columns;
    for (size_t row = 0; row < rows; row++, x += columns, dy += columns) {
        float mean = moments[2 * row], inverse = moments[2 * row + 1];
        vf sums = {0}, dots = {0};
        FOR_VECTORS(width, {
            vf normal = (load(x + i, n) - mean) * inverse, slope = load(dy + i, n);
            vf through = slope * load(gamma + i, n);
            store(dgamma + i, load(dgamma + i, n) + slope * normal, n);
            store(dbeta + i, load(dbeta + i, n) + slope, n);
            sums += through; /* lanes beyond n are 0 in slope */
            dots += through * normal;
        });
        if (!dx)
            continue;
        float by_sum = sum_lanes(sums, LANES) / (float)columns,
              by_dot = sum_lanes(dots, LANES) / (float)columns;
        FOR_VECTORS(width, {
            vf normal = (load(x + i, n) - mean) * inverse;
            vf through = load(dy + i, n) * load(gamma + i, n);
            store(dx + i, load(dx + i, n) + inverse * (through - by_sum - normal * by_dot), n);
        });
        dx += columns;
    }
}

/* ---- optimizers ---- */

INLINE vf square_root(vf x) {
    vf root;
    for (int lane = 0; lane < LANES; lane++)
        root[lane] = __builtin_sqrtf(x[lane]);
    return root;
}

static void sgd(size_t count, const struct step_sizes *s, const float *g, float *w, float *m) {
    FOR_VECTORS(count, {
        vf weight = load(w + i, n), slope = load(g + i, n) + s->weight_decay * weight, move = slope;
        if (m) {
            move += s->momentum * load(m + i, n);
            store(m + i, move, n);
            if (s->nesterov)
                move = slope + s->momentum * move;
        }
        store(w + i, weight - s->rate * move, n);
    });
}

static void rmsprop(size_t count, const struct step_sizes *s, const float *g, float *w, float *square,
                    float *mean, float *momentum) {
    const float fresh = 1 - s->decay;
    const float outside = s->epsilon_outside ? s->epsilon : 0, inside = s->epsilon - outside;
    FOR_VECTORS(count, {
        vf weight = load(w + i, n), slope = load(g + i, n) + s->weight_decay * weight;
        vf spread = s->decay * load(square + i, n) + fresh * slope * slope;
        store(square + i, spread, n);
        if (mean) {
            vf middle = s->decay * load(mean + i, n) + fresh * slope;
            store(mean + i, middle, n);
            spread -= middle * middle;
        }
        spread = positive(spread); /* rounding must not make a root of a negative */
        vf move = slope / (square_root(spread + inside) + outside);
        if (momentum) {
            move += s->momentum * load(momentum + i, n);
            store(momentum + i, move, n);
        }
        store(w + i, weight - s->rate * move, n);
    });
}

static void adam(size_t count, const struct step_sizes *s, const float *g, float *w, float *m, float *v) {
    const float new_first = 1 - s->momentum, new_second = 1 - s->decay;
    FOR_VECTORS(count, {
        vf weight = load(w + i, n), slope = load(g + i, n) + s->weight_decay * weight;
        vf first = s->momentum * load(m + i, n) + new_first * slope;
        vf second = s->decay * load(v + i, n) + new_second * slope * slope;
        store(m + i, first, n);
        store(v + i, second, n);
        vf move = s->first_factor * first / (square_root(s->second_factor * second) + s->epsilon);
        store(w + i, weight - s->rate * move - s->shrink * weight, n);
    });
}

#define TEXT2(name) #name
#define TEXT(name)  TEXT2(name)

const struct kernels GLUE(kernels_, KERNELS_NAME) = {
    .name = TEXT(KERNELS_NAME),
    .lanes = LANES,
    .panel = PANEL,
    .pack = pack,
    .rows = ROWS,
    .gemm_packed = gemm_packed,
    .gemm = gemm,
    .gemm_segments = gemm_segments,
    .gemm_shift = gemm_shift,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .winograd_output_adjoint = winograd_output_adjoint,
    .winograd_input_adjoint = winograd_input_adjoint,
    .winograd_weights = winograd_weights,
    .winograd_weights_adjoint = winograd_weights_adjoint,
    .copy_rows = copy_rows,
    .add_rows = add_rows,
    .add = add,
    .axpy = axpy,
    .scale = scale,
    .relu = relu,
    .relu_backward = relu_backward,
    .scale_shift = scale_shift,
    .column_sums = column_sums,
    .column_dots = column_dots,
    .column_squares = column_squares,
    .blend = blend,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .sigmoid = sigmoid,
    .tanh = tangent,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .dot = dot,
    .largest = largest,
    .sum = sum,
    .exp_sum = exp_sum,
    .affine = affine,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .sgd = sgd,
    .rmsprop = rmsprop,
    .adam = adam,
};
