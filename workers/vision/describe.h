/* describe.h - from the options of classify to a network's description. */
#ifndef TENGEN_VISION_DESCRIBE_H
#define TENGEN_VISION_DESCRIBE_H

#include <jansson.h>
#include "workers/data/image_set.h"

/* The description (workers/zoo/zoo.h) of the network that `config` (checked options of classify) asks for,
 * for the images of `set`; the caller owns it. TG_EINVALID naming an option that the family does not have, or
 * what in `architecture` does not fit the images. */
int describe_network(const json_t *config, const struct image_set *set, json_t **out,
                     struct problem *problem);

/* "pixels-grey/1", "pixels-rgb/1" */
const char *image_encoding(int channels);

/* Whether the network of a checked description takes and tells apart what the set holds. `what` names it in
 * the problem (TG_EINVALID: image size, encoding or number of classes, with both). */
int check_fits(const json_t *architecture, const struct image_set *set, const char *what,
               struct problem *problem);

#endif
