/* check.h - what a data set is: the one question that is asked of every upload. */
#ifndef TENGEN_DATA_CHECK_H
#define TENGEN_DATA_CHECK_H

#include <jansson.h>
#include "proto/base/error.h"

/* Reads all of the data set at `path` ("-": the standard input) and describes it:
 *     {"format": "idx" | "png", "samples": 70000, "train": 60000, "test": 10000, "classes": 10,
 *      "class_names": ["0", ...], "height": 28, "width": 28, "channels": 1}
 *     {"format": "sgf", "samples": 9480, "games": 9480, "usable": 9479, "boards": {"9": 9479}}
 * usable: games that can be replayed to their end; boards counts these by size. The caller owns *info. 0, or
 * what image_set_read says, or TG_ENOT_FOUND: no usable game, or nothing that is known. */
int dataset_check(const char *path, json_t **info, struct problem *problem);

/* The names of classes as JSON: bytes that are no UTF-8 become '?'. */
json_t *class_names_json(char *const *names, int count);

#endif
