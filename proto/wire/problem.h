/* problem.h - RFC 9457 problem documents:
 *     {"type": "about:blank", "title": "Out of range", "status": 400, "code": "out_of_range",
 *      "field": "config.games", "detail": "must be 1 to 10000000, is 0"} */
#ifndef TENGEN_WIRE_PROBLEM_H
#define TENGEN_WIRE_PROBLEM_H

#include <jansson.h>
#include "proto/base/error.h"

#define PROBLEM_MEDIA_TYPE "application/problem+json"

json_t *problem_to_json(const struct problem *problem);
/* Fills *problem from a document; one that is not a problem becomes TG_EINTERNAL with the status in its
 * detail. */
void problem_from_json(const json_t *document, int status, struct problem *problem);

#endif
