/* plural.h - "1 game", "2 games", for what people read. */
#ifndef TENGEN_BASE_PLURAL_H
#define TENGEN_BASE_PLURAL_H

#include <stdint.h>

/* What a noun of `count` things ends in. */
static inline const char *plural_s(int64_t count) {
    return count == 1 ? "" : "s";
}

#endif
