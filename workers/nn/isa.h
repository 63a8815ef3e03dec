/* isa.h - which instruction set the kernels run with.
 *
 * kernels_impl.c is compiled once for each instruction set that the compiler can target; the best that the
 * processor has is picked at first use. TENGEN_ISA=baseline|avx|avx2|avx512 overrides the choice (for tests
 * and comparisons; baseline is SSE2 on x86-64, NEON on 64-bit ARM); a name that this machine cannot run is an
 * error, not a silent fallback.
 */
#ifndef TENGEN_NN_ISA_H
#define TENGEN_NN_ISA_H

#include "proto/base/error.h"
#include "workers/nn/kernels.h"

/* The kernels in use; chosen once, then constant. Any thread. Aborts when TENGEN_ISA names what the machine
 * lacks: call isa_select first where a person should read why. */
const struct kernels *kernels_get(void);

/* Columns that a matrix takes once packed: whole panels of the kernels in use. */
size_t packed_columns(int columns);

/* Picks by name (NULL: TENGEN_ISA, else the best). 0, or TG_EINVALID with the names that would work. Call it
 * before any network is built: packed weights depend on the choice. */
int isa_select(const char *name, struct problem *problem);

/* The kernels that this machine can run, best first, NULL-terminated. */
const struct kernels *const *isa_available(void);

#endif
