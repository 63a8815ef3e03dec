/* isa.c - see isa.h. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workers/nn/isa.h"

enum { ISA_MAX = 4 };

static bool runs_here(const struct kernels *kernels) {
#if defined(__x86_64__)
    if (!strcmp(kernels->name, "avx"))
        return __builtin_cpu_supports("avx");
    if (!strcmp(kernels->name, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!strcmp(kernels->name, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    return true;
}

const struct kernels *const *isa_available(void) {
    static const struct kernels *const compiled[] = {
#if defined(TENGEN_HAVE_AVX512)
        &kernels_avx512,
#endif
#if defined(TENGEN_HAVE_AVX2)
        &kernels_avx2,
#endif
#if defined(TENGEN_HAVE_AVX)
        &kernels_avx,
#endif
        &kernels_baseline,
    };
    /* Filled anew at each call with the same values, so that concurrent first calls do no harm. */
    static const struct kernels *_Atomic usable[ISA_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < sizeof compiled / sizeof *compiled; i++)
        if (runs_here(compiled[i]))
            atomic_store(&usable[count++], compiled[i]);
    return (const struct kernels *const *)usable;
}

static const struct kernels *_Atomic selected;

int isa_select(const char *name, struct problem *problem) {
    const struct kernels *const *available = isa_available();
    if (!name)
        name = getenv("TENGEN_ISA");
    if (!name || !*name) {
        atomic_store(&selected, available[0]);
        return TG_OK;
    }
    char names[128] = "";
    for (size_t i = 0; available[i]; i++) {
        if (!strcmp(available[i]->name, name)) {
            atomic_store(&selected, available[i]);
            return TG_OK;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", available[i]->name);
    }
    return problem_set(problem, TG_EINVALID, "TENGEN_ISA", "this machine cannot run \"%s\"; it runs %s", name,
                       names);
}

const struct kernels *kernels_get(void) {
    const struct kernels *kernels = atomic_load(&selected);
    if (kernels)
        return kernels;
    struct problem problem = {0};
    int error = isa_select(NULL, &problem);
    TG_ASSERT(error == TG_OK && "TENGEN_ISA names an instruction set that this machine lacks");
    return atomic_load(&selected);
}

size_t packed_columns(int columns) {
    int panel = kernels_get()->panel;
    return (size_t)((columns + panel - 1) / panel * panel);
}
