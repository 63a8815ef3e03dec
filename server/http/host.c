/* host.c - requests that a web page of somebody else makes a browser send.
 *
 * DNS rebinding: a page on evil.example whose name is made to resolve to 127.0.0.1 is "same origin" with us
 * in the browser's eyes. While no token protects us, we therefore answer only to names of loopback.
 * Cross-site requests: a foreign page may send simple POSTs to any address (it cannot read the answer).
 * Browsers tell where such a request comes from (Origin): it must be the address that was asked. */
#include "server/http/internal.h"

#include <string.h>
#include <strings.h>

/* The host of "host:port", "[v6]:port", "host". */
static void host_only(const char *text, const char **host, size_t *size) {
    *host = text;
    if (*text == '[') {
        const char *close = strchr(text, ']');
        *size = close ? (size_t)(close + 1 - text) : strlen(text);
    } else {
        *size = strcspn(text, ":");
    }
}

bool http_names_loopback(const char *text) {
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    const char *host;
    size_t size;
    host_only(text, &host, &size);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == size && strncasecmp(host, names[i], size) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_origin(const char *origin, const char *host) {
    const char *at = strstr(origin, "://");
    return at && strcasecmp(at + 3, host) == 0;
}

int host_check(const struct http_request *request, struct problem *problem) {
    const struct http_options *options = &request->server->options;
    const char *host = http_header(request, "Host");
    if (!host && request->needs_host) {
        return problem_set(problem, TG_EINVALID, "Host", "HTTP/1.1 requests name the host they are for");
    }
    if (options->local_only(options->context) && !(host && http_names_loopback(host))) {
        return problem_set(problem, TG_EINVALID, "Host",
                           "without tokens this server answers only to 127.0.0.1, localhost and [::1]");
    }
    const char *origin = http_header(request, "Origin");
    if (origin && strcmp(request->route->method, "GET") != 0 && !(host && same_origin(origin, host))) {
        return problem_set(problem, TG_EINVALID, "Origin",
                           "requests from pages of another site are not taken");
    }
    return TG_OK;
}
