/* own_errors.c - libmicrohttpd's own error answers as problem documents.
 *
 * What never becomes a request (no HTTP at all, a header beyond the connection's memory, a bad chunk size)
 * MHD answers by itself, with a page of HTML, and offers no setting for it. It does so through its own public
 * MHD_queue_response, and a shared library's calls of its public functions go to whoever defines them first:
 * us. So this definition sees every answer that MHD makes by itself, while ours go past it by
 * own_errors_queue. Where MHD should be linked in such a way that this does not work (statically,
 * -Bsymbolic), clients get MHD's page as before; the tests would say so. */
#include "server/http/internal.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "proto/wire/problem.h"

typedef enum MHD_Result (*queue_fn)(struct MHD_Connection *, unsigned, struct MHD_Response *);

static queue_fn the_original(void) {
    static queue_fn original; /* the loop thread's */
    if (!original) {
        void *symbol = dlsym(RTLD_NEXT, "MHD_queue_response");
        TG_ASSERT(symbol);
        memcpy(&original, &symbol, sizeof original);
    }
    return original;
}

enum MHD_Result own_errors_queue(struct MHD_Connection *connection, unsigned status,
                                 struct MHD_Response *response) {
    return the_original()(connection, status, response);
}

static int error_of_status(unsigned status) {
    switch (status) {
    case MHD_HTTP_URI_TOO_LONG:
        return TG_EURI_TOO_LONG;
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
        return TG_EHEADER_TOO_LARGE;
    case MHD_HTTP_CONTENT_TOO_LARGE:
        return TG_ETOO_LARGE;
    case MHD_HTTP_NOT_IMPLEMENTED:
        return TG_ENOT_IMPLEMENTED;
    default:
        return status < 500 ? TG_EINVALID : TG_EINTERNAL;
    }
}

static const char *detail_of_status(unsigned status) {
    switch (status) {
    case MHD_HTTP_URI_TOO_LONG:
        return "the address is too long; it may have 8192 bytes";
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
        return "the header is too large; it may have 16384 bytes in all";
    case MHD_HTTP_CONTENT_TOO_LARGE:
        return "the body is too large";
    case MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED:
        return "send HTTP/1.1 (or HTTP/1.0)";
    default:
        return status < 500 ? "this is not a well-formed HTTP/1.1 request; see RFC 9112"
                            : "the request could not be served";
    }
}

struct MHD_Response *own_errors_response(unsigned status) {
    struct problem problem = {0};
    problem_set(&problem, error_of_status(status), NULL, "%s", detail_of_status(status));
    json_t *document = problem_to_json(&problem);
    json_object_set_new(document, "status", json_integer(status));
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    if (!text) {
        return NULL;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response) {
        MHD_add_response_header(response, "Content-Type", PROBLEM_MEDIA_TYPE);
    }
    return response;
}

/* Stands before the library's: see above. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned status,
                                   struct MHD_Response *page) {
    struct MHD_Response *response = status >= 400 ? own_errors_response(status) : NULL;
    if (!response) {
        return the_original()(connection, status, page);
    }
    enum MHD_Result result = the_original()(connection, status, response);
    MHD_destroy_response(response);
    return result;
}
