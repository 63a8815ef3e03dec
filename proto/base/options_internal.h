/* options_internal.h - shared by options.c and flags.c only. */
#ifndef TENGEN_BASE_OPTIONS_INTERNAL_H
#define TENGEN_BASE_OPTIONS_INTERNAL_H

#include "proto/base/options.h"

const struct option_spec *option_find(const struct option_spec *table, const char *name);
/* Fills *problem for a name that is not in the table, with the nearest that is. Returns TG_EUNKNOWN_OPTION.
 */
int option_unknown(const struct option_spec *table, const char *name, struct problem *problem);
json_t *option_initial(const struct option_spec *spec); /* NULL when there is none; the caller owns it */

#endif
