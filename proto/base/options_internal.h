/* options_internal.h - shared by options.c and flags.c only. */
#ifndef TENGEN_BASE_OPTIONS_INTERNAL_H
#define TENGEN_BASE_OPTIONS_INTERNAL_H

#include "proto/base/options.h"

const struct option_spec *option_find(const struct option_spec *table, const char *name);
/* The name of the table that is nearest to one that is not in it; NULL when none is near. */
const char *option_nearest(const struct option_spec *table, const char *name);
json_t *option_initial(const struct option_spec *spec); /* NULL when there is none; the caller owns it */

#endif
