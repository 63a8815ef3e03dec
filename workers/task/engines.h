/* engines.h - the GTP engines that a machine offers: {"gnugo": "/usr/games/gnugo --mode gtp ...", ...}.
 *
 * A job names an engine, never a command: what a name runs is decided here, on the machine, by what is
 * installed and by what its owner says (--engine NAME=COMMAND). Agent and runner share this, so that a task
 * that is run by hand meets the same opponent as one that an agent runs.
 */
#ifndef TENGEN_TASK_ENGINES_H
#define TENGEN_TASK_ENGINES_H

#include <jansson.h>
#include "proto/base/error.h"

/* The engines that are known without being told: gnugo, when it is in one of the PATH's folders or where
 * Debian puts it (/usr/games, which root's PATH leaves out).
 *
 * It gets the options that make its own count of a finished game the area count that we use: Chinese rules,
 * and dead stones captured before it passes. It plays at level 10 (its own default, said so that results name
 * it), and keeps to positional superko, which is the jobs' default for `ko`; for a job with another one, or
 * another level, name an engine of your own:  --engine gnugo-1='gnugo --mode gtp --level 1 --simple-ko ...'
 *
 * The caller owns the object. NULL: out of memory. Threads: any, while nobody changes the environment. */
json_t *engines_known(void);

/* Adds NAME=COMMAND to the object; a name that is there gets the new command. TG_EINVALID, TG_EMISSING_FIELD
 * or TG_EOUT_OF_RANGE with field "engine". */
int engines_add(json_t *engines, const char *text, struct problem *problem);
/* The same for each string of an array, as an option --engine that may be repeated gives it; NULL is empty.
 */
int engines_add_all(json_t *engines, const json_t *texts, struct problem *problem);

#endif
