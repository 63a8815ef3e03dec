#include "server/http/assets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/hash.h"

enum { FILE_MAX = 16 << 20 };

static const char no_dashboard[] =
    "<!doctype html><html lang=\"en\"><title>Tengen</title><h1>Tengen</h1><p>This server was built without "
    "its "
    "dashboard. Build it with <code>scripts/build</code> (it needs npm), or start the server with "
    "<code>--web "
    "DIR</code>. The API is at <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p></html>\n";

/* What a page of ours may do: load from us, talk to us. Styles may be set by scripts (the board, the charts).
 */
static void security_headers(struct http_request *request) {
    http_add_header(
        request, "Content-Security-Policy",
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    http_add_header(request, "X-Frame-Options", "DENY");
    http_add_header(request, "Referrer-Policy", "no-referrer");
    http_add_header(request, "Cross-Origin-Opener-Policy", "same-origin");
    http_add_header(request, "Cache-Control", "no-cache");
}

static const char *type_of(const char *path) {
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".woff2", "font/woff2"},
        {".json", "application/json"},
        {".ico", "image/x-icon"},
        {".txt", "text/plain; charset=utf-8"},
        {".map", "application/json"},
    };
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t tail = strlen(types[i][0]);
        if (size > tail && strcmp(path + size - tail, types[i][0]) == 0) {
            return types[i][1];
        }
    }
    return "application/octet-stream";
}

static void not_found(struct http_request *request, const char *path) {
    http_reply_error(request, TG_ENOT_FOUND, "path", "there is nothing at /%.200s", path);
}

static void serve_bytes(struct http_request *request, const struct asset *asset, bool gzip) {
    int status;
    int64_t offset, length;
    const uint8_t *data = gzip ? asset->gzip : asset->data;
    size_t size = gzip ? asset->gzip_size : asset->size;
    security_headers(request);
    http_add_header(request, "Vary", "Accept-Encoding");
    char etag[80];
    snprintf(etag, sizeof etag, "%s", asset->etag);
    if (gzip) { /* other bytes, so another strong tag */
        http_add_header(request, "Content-Encoding", "gzip");
        snprintf(etag, sizeof etag, "%.*s-gz\"", (int)strlen(asset->etag) - 1, asset->etag);
    }
    if (http_select_range(request, etag, (int64_t)size, &status, &offset, &length)) {
        http_reply_static(request, status, asset->type, data + offset, (size_t)length);
    }
}

static void serve_embedded(struct http_request *request, const char *path) {
    for (const struct asset *asset = assets_embedded; asset->path; asset++) {
        if (strcmp(asset->path, path) == 0) {
            const char *accepted = http_header(request, "Accept-Encoding");
            bool gzip = asset->gzip && accepted && strstr(accepted, "gzip") && !http_header(request, "Range");
            serve_bytes(request, asset, gzip);
            return;
        }
    }
    if (!assets_embedded[0].path && strcmp(path, "index.html") == 0) {
        security_headers(request);
        http_reply_static(request, 200, type_of(path), no_dashboard, sizeof no_dashboard - 1);
        return;
    }
    not_found(request, path);
}

/* No way out of the folder: no "..", nothing hidden, no links. */
static int open_below(const char *folder, const char *path) {
    if (path[0] == '.' || strstr(path, "/.") || strchr(path, '\\')) {
        return -1;
    }
    int root = open(folder, O_DIRECTORY | O_CLOEXEC);
    int file = root >= 0 ? openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    if (root >= 0) {
        close(root);
    }
    return file;
}

static void *read_whole(int file, size_t size) {
    uint8_t *data = malloc(size + 1);
    size_t done = 0;
    while (data && done < size) {
        ssize_t got = read(file, data + done, size - done);
        if (got <= 0) {
            free(data);
            return NULL;
        }
        done += (size_t)got;
    }
    return data;
}

/* For developers: read on the loop thread, which a small local file does not hold up. */
static void serve_file(struct http_request *request, const char *folder, const char *path) {
    struct stat stat;
    int file = open_below(folder, path);
    uint8_t *data = NULL;
    if (file >= 0 && fstat(file, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size <= FILE_MAX) {
        data = read_whole(file, (size_t)stat.st_size);
    }
    if (file >= 0) {
        close(file);
    }
    if (!data || http_on_free(request, free, data) != TG_OK) {
        not_found(request, path);
        return;
    }
    uint8_t digest[SHA256_BYTES];
    char etag[SHA256_HEX + 2] = "\"", *hex = etag + 1;
    sha256(data, (size_t)stat.st_size, digest);
    sha256_hex(digest, hex);
    etag[17] = '"';
    etag[18] = 0;
    struct asset asset = {
        .path = path, .type = type_of(path), .etag = etag, .data = data, .size = (size_t)stat.st_size};
    serve_bytes(request, &asset, false);
}

void assets_serve(struct http_request *request, const char *folder, const char *path) {
    if (folder) {
        serve_file(request, folder, path);
    } else {
        serve_embedded(request, path);
    }
}
