#include "proto/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"

/* A line is made in memory of fixed size on the caller's stack, so that logging never fails for want of
 * memory. A longer message is cut and ends in "...". */
enum { MESSAGE_MAX = 4096, LINE_MAX_BYTES = 6 * MESSAGE_MAX + 256, TOKEN_BODY = 43 };

static enum log_level log_threshold = LOG_INFO;
static bool log_json;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level threshold, bool json) {
    log_threshold = threshold;
    log_json = json;
}

int log_level_parse(const char *name, enum log_level *level) {
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return TG_OK;
        }
    return TG_EINVALID;
}

bool log_enabled(enum log_level level) {
    return level >= log_threshold;
}

static bool is_token_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Shortens every "tg_" and 43 or more token characters to "tg_***", in place. */
static void redact_tokens(char *text) {
    char *out = text;
    for (const char *in = text; *in;) {
        size_t body = 0;
        if (strncmp(in, "tg_", 3) == 0)
            while (is_token_character(in[3 + body]))
                body++;
        if (body >= TOKEN_BODY) {
            memcpy(out, "tg_***", 6);
            out += 6;
            in += 3 + body;
        } else {
            *out++ = *in++;
        }
    }
    *out = 0;
}

struct line {
    char text[LINE_MAX_BYTES];
    size_t size;
};

static void put(struct line *line, const char *text, size_t size) {
    size_t room = sizeof line->text - 1 - line->size; /* the last byte is the newline's */
    if (size > room)
        size = room;
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void put_text(struct line *line, const char *text) {
    put(line, text, strlen(text));
}

/* Control characters as \n, \t or \u00XX, so that one event is one line whatever it quotes; in JSON also the
 * quote and the backslash. */
static void put_escaped(struct line *line, const char *text, bool json) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char escape[8];
        if (c == '\n')
            put_text(line, "\\n");
        else if (c == '\t')
            put_text(line, "\\t");
        else if (json && (c == '"' || c == '\\'))
            put(line, (char[]){'\\', (char)c}, 2);
        else if (c < 0x20 || c == 0x7F) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
            put_text(line, escape);
        } else
            put(line, text, 1);
    }
}

/* Replaces bytes that are not UTF-8 by '?': a JSON line must be readable whatever an engine printed. */
static void repair_utf8(char *text) {
    unsigned char *p = (unsigned char *)text;
    while (*p) {
        size_t more = *p < 0x80                 ? 0
                      : *p >= 0xC2 && *p < 0xE0 ? 1
                      : *p >= 0xE0 && *p < 0xF0 ? 2
                      : *p >= 0xF0 && *p < 0xF5 ? 3
                                                : 9;
        size_t good = 0;
        while (more < 9 && good < more && (p[1 + good] & 0xC0) == 0x80)
            good++;
        bool overlong = (*p == 0xE0 && p[1] < 0xA0) || (*p == 0xF0 && p[1] < 0x90);
        bool beyond = (*p == 0xED && p[1] >= 0xA0) || (*p == 0xF4 && p[1] >= 0x90);
        if (good == more && !overlong && !beyond)
            p += 1 + more;
        else
            *p++ = '?';
    }
}

static void put_json_line(struct line *line, const char *when, enum log_level level, const char *part,
                          const char *message) {
    put_text(line, "{\"time\":\"");
    put_text(line, when);
    put_text(line, "\",\"level\":\"");
    put_text(line, level_names[level]);
    put_text(line, "\",\"part\":\"");
    put_escaped(line, part, true);
    put_text(line, "\",\"message\":\"");
    put_escaped(line, message, true);
    put_text(line, "\"}");
}

static void put_text_line(struct line *line, const char *when, enum log_level level, const char *part,
                          const char *message) {
    char head[64];
    snprintf(head, sizeof head, "%s %-5s ", when, level_names[level]);
    put_text(line, head);
    put_escaped(line, part, false);
    put_text(line, ": ");
    put_escaped(line, message, false);
}

static void write_all(const char *text, size_t size) {
    while (size) {
        ssize_t wrote = write(STDERR_FILENO, text, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return; /* nowhere to complain */
        text += wrote;
        size -= (size_t)wrote;
    }
}

void log_write(enum log_level level, const char *part, const char *format, ...) {
    if (!log_enabled(level))
        return;
    int kept_errno = errno;
    char message[MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    redact_tokens(message);
    if (size >= MESSAGE_MAX) /* the cut may have gone through a token: the last bytes go */
        memcpy(message + strlen(message) - (strlen(message) < 64 ? 0 : 64), "...", 4);
    repair_utf8(message);
    char when[25];
    clock_format_utc(clock_wall_ms(), when);
    struct line line;
    line.size = 0;
    if (log_json)
        put_json_line(&line, when, level, part, message);
    else
        put_text_line(&line, when, level, part, message);
    line.text[line.size++] = '\n';
    write_all(line.text, line.size);
    errno = kept_errno;
}
