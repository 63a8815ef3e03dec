#include "workers/go/gtp_reply.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void gtp_replies_init(struct gtp_replies *replies) {
    *replies = (struct gtp_replies){.in = BUF_INIT};
    replies->in.limit = GTP_REPLY_MAX;
}

void gtp_replies_free(struct gtp_replies *replies) {
    buf_free(&replies->in);
}

int gtp_replies_feed(struct gtp_replies *replies, const uint8_t *bytes, size_t count) {
    struct buf *in = &replies->in;
    int error = 0;
    for (size_t i = 0; i < count && !error; i++) {
        const uint8_t c = bytes[i] == '\t' ? ' ' : bytes[i];
        if ((c < ' ' && c != '\n') || c == 127 || (c == '\n' && in->size == 0))
            continue;
        error = buf_append(in, &c, 1);
    }
    return error;
}

/* A reply ends with an empty line. Its length with that, or 0. */
static size_t find_end(struct gtp_replies *replies) {
    const struct buf *in = &replies->in;
    for (size_t i = replies->searched ? replies->searched : 1; i < in->size; i++)
        if (in->data[i] == '\n' && in->data[i - 1] == '\n')
            return i + 1;
    replies->searched = in->size;
    return 0;
}

/* What stands behind "=id " or "?id "; NULL when that is not there. */
static const char *after_id(const char *reply, unsigned id) {
    char *end;
    if ((reply[0] != '=' && reply[0] != '?') || !isdigit((unsigned char)reply[1]))
        return NULL;
    const unsigned long found = strtoul(reply + 1, &end, 10);
    return found == id && (!*end || isspace((unsigned char)*end)) ? end : NULL;
}

static void copy_trimmed(char *text, const char *from) {
    from += strspn(from, " ");
    size_t size = strlen(from);
    while (size > 0 && isspace((unsigned char)from[size - 1]))
        size--;
    memcpy(text, from, size);
    text[size] = 0;
}

/* What cannot be the beginning of a reply is bad as soon as its line has ended: nobody waits for an empty line
 * that may never come. The length of that line, or 0. */
static size_t find_bad_line(const struct buf *in) {
    if (in->size == 0 || in->data[0] == '=' || in->data[0] == '?')
        return 0;
    const uint8_t *end = memchr(in->data, '\n', in->size);
    return end ? (size_t)(end - in->data) + 1 : 0;
}

enum gtp_reply_kind gtp_replies_next(struct gtp_replies *replies, unsigned id, char text[GTP_REPLY_MAX + 1]) {
    struct buf *in = &replies->in;
    const size_t bad = find_bad_line(in);
    size_t length = bad ? bad : find_end(replies);
    if (!length)
        return GTP_REPLY_NONE;
    char *reply = (char *)in->data;
    reply[length - (bad ? 1 : 2)] = 0;
    const char *rest = after_id(reply, id);
    copy_trimmed(text, rest ? rest : reply);
    const enum gtp_reply_kind kind = !rest             ? GTP_REPLY_BAD
                                     : reply[0] == '=' ? GTP_REPLY_SUCCESS
                                                       : GTP_REPLY_ERROR;
    while (length < in->size && in->data[length] == '\n') /* before the next one */
        length++;
    buf_consume(in, length);
    replies->searched = 0;
    return kind;
}
