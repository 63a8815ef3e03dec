/* log.h - one line an event, to stderr: text for people, JSON lines for machines.
 *
 *     2026-11-23T21:44:04.123Z info  agent: leased task 17 (job 3, attempt 1)
 *     {"time":"2026-11-23T21:44:04.123Z","level":"info","part":"agent","message":"leased task 17 ..."}
 *
 * Each line is one write(2), so lines of many threads never mix. Control characters are escaped. Secrets
 * never reach the log: whatever looks like one of our tokens ("tg_" and 43 more characters) is printed as
 * "tg_***". Any thread may log; the settings are made once, before threads start.
 */
#ifndef TENGEN_BASE_LOG_H
#define TENGEN_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_setup(enum log_level threshold, bool json);
int log_level_parse(const char *name, enum log_level *level); /* 0 or TG_EINVALID */
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *part, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(part, ...) log_write(LOG_DEBUG, part, __VA_ARGS__)
#define log_info(part, ...)  log_write(LOG_INFO, part, __VA_ARGS__)
#define log_warn(part, ...)  log_write(LOG_WARN, part, __VA_ARGS__)
#define log_error(part, ...) log_write(LOG_ERROR, part, __VA_ARGS__)

#endif
