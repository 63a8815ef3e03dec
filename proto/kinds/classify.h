/* classify.h - the table that describes the networks of classify jobs; workers/vision makes a trunk of it. */
#ifndef TENGEN_KINDS_CLASSIFY_H
#define TENGEN_KINDS_CLASSIFY_H

#include "proto/base/options.h"

/* "family" and what a network of it is made of. An option with `when` is a member of the trunk of those
 * families, by the same name (workers/zoo explains each); one without is the head's, for every family. */
extern const struct option_spec classify_network_options[];

#endif
