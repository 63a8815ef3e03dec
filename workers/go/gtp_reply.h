/* gtp_reply.h - a GTP engine's output, byte by byte as it comes, cut into replies. No process and no clock is
 * known here; gtp_client.h has those.
 *
 *     "=7 E5\n\n"  "?8 unknown command\n\n"  "=9 first line\nsecond line\n\n"
 *
 * As the standard's 2.2 asks, tabs become spaces and other control characters go. Empty lines before a reply
 * are forgiven; any other line there is a bad reply by itself. One thread.
 */
#ifndef TENGEN_GO_GTP_REPLY_H
#define TENGEN_GO_GTP_REPLY_H

#include "proto/base/buf.h"

enum { GTP_REPLY_MAX = 1 << 16 }; /* bytes of one reply, and of all that wait to be taken */

struct gtp_replies {
    struct buf in;
    size_t searched; /* bytes of it in which no reply ends */
};

void gtp_replies_init(struct gtp_replies *replies);
void gtp_replies_free(struct gtp_replies *replies);

/* Adds bytes. 0, or buf_append()'s error when more than GTP_REPLY_MAX wait. */
int gtp_replies_feed(struct gtp_replies *replies, const uint8_t *bytes, size_t count);

enum gtp_reply_kind {
    GTP_REPLY_NONE,    /* none has come whole */
    GTP_REPLY_SUCCESS, /* "=" */
    GTP_REPLY_ERROR,   /* "?" */
    GTP_REPLY_BAD,     /* not GTP, or not the id of the command */
};
/* Takes the next reply, which must be to command `id`. text: without "=id " and closing white space; of a bad
 * one all of it. It may be any bytes but control characters, in lines. */
enum gtp_reply_kind gtp_replies_next(struct gtp_replies *replies, unsigned id, char text[GTP_REPLY_MAX + 1]);

#endif
