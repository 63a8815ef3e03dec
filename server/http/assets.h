/* assets.h - the dashboard's files: embedded at build time (embed.py), or from a folder while it is being
 * developed. */
#ifndef TENGEN_HTTP_ASSETS_H
#define TENGEN_HTTP_ASSETS_H

#include "server/http/http.h"

struct asset {
    const char *path; /* "index.html", "fonts/x.woff2" */
    const char *type;
    const char *etag;           /* with its quotes */
    const uint8_t *data, *gzip; /* gzip: NULL where it would not be smaller */
    size_t size, gzip_size;
};
extern const struct asset assets_embedded[]; /* ended by a NULL path; generated */

/* Replies with the file (GET of / is index.html), 404 when there is none. folder NULL: the embedded ones. */
void assets_serve(struct http_request *request, const char *folder, const char *path);

#endif
