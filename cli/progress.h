/* progress.h - how a job's progress is shown: a bar on a terminal, plain lines elsewhere. */
#ifndef TENGEN_CLI_PROGRESS_H
#define TENGEN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>

/* Draws one line of at most `width` characters into *out, without newline:
 *     12 first games  ━━━━━━━━━━╌╌╌╌╌  740/1000 games  74.0 %  1.25/s  left 3:28
 * A job that waits shows its reason in place of rate and time left. `utf8`: may the bar use more than ASCII?
 */
void progress_bar(const json_t *job, size_t width, bool utf8, char *out, size_t size);

/* The same facts as a plain line, for logs: "job 12 running: 740/1000 games (74.0 %), 1.25/s, left 3:28". */
void progress_line(const json_t *job, char *out, size_t size);

#endif
