/* own_errors.c - libmicrohttpd's own error answers as problem documents.
 *
 * What never becomes a request (no HTTP at all, a header beyond the connection's memory, a bad chunk size)
 * MHD answers by itself, with a page of HTML, and offers no setting for it. It does so through its own public
 * MHD_queue_response, and a shared library's calls of its public functions go to whoever defines them first:
 * us. So this definition sees every answer that MHD makes by itself, while ours go past it by
 * own_errors_queue. Where MHD should be linked in such a way that this does not work (statically,
 * -Bsymbolic), clients get MHD's page as before; the tests would say so. */
#include "proto/wire/json.h"
#include "server/http/internal.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
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

/* Whether the header has a length that MHD does not take for a number. */
static enum MHD_Result look_at_length(void *arg, enum MHD_ValueKind kind, const char *name,
                                      const char *value) {
    if (strcasecmp(name, "Content-Length") == 0) {
        size_t digits = value ? strspn(value, "0123456789") : 0;
        *(bool *)arg = digits == 0 || value[digits] != 0 || digits > 18;
    }
    return MHD_YES;
}

static bool length_is_bad(struct MHD_Connection *connection) {
    bool bad = false;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, look_at_length, &bad);
    return bad;
}

static void explain(unsigned status, struct problem *problem) {
    switch (status) {
    case MHD_HTTP_URI_TOO_LONG:
        problem_set(problem, TG_EURI_TOO_LONG, "uri", "may have %d bytes; shorten its path or query",
                    URI_MAX);
        break;
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
        problem_set(problem, TG_EHEADER_TOO_LARGE, "header",
                    "may have %d bytes in all; send fewer or shorter fields (cookies, tokens)", HEADERS_MAX);
        break;
    case MHD_HTTP_CONTENT_TOO_LARGE:
        problem_set(problem, TG_ETOO_LARGE, "body", "is larger than any call takes; send it in parts");
        break;
    case MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED:
        problem_set(problem, TG_EHTTP_VERSION, "version",
                    "this server speaks HTTP/1.1 and HTTP/1.0; use one of them");
        break;
    case MHD_HTTP_NOT_IMPLEMENTED:
        problem_set(problem, TG_ENOT_IMPLEMENTED, NULL,
                    "this server cannot do this; of transfer codings it takes chunked");
        break;
    default:
        problem_set(problem, status < 500 ? TG_EINVALID : TG_EINTERNAL, NULL, "%s",
                    status < 500 ? "this is not a well-formed HTTP/1.1 request; see RFC 9112"
                                 : "the request could not be served");
    }
}

/* ---- past MHD: what it cannot be made to say ---- */

/* Of the library that MHD speaks TLS with; it is there when MHD is. */
static ssize_t send_tls(struct http_conn *conn, const void *data, size_t size) {
    typedef ssize_t (*send_fn)(void *session, const void *data, size_t size);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    void *symbol = dlsym(RTLD_DEFAULT, "gnutls_record_send");
    send_fn function;
    if (!info || !symbol) {
        return -1;
    }
    memcpy(&function, &symbol, sizeof function);
    return function(info->tls_session, data, size); /* refuses by itself before the handshake is over */
}

static void write_answer(struct http_conn *conn, const struct problem *problem, bool tls) {
    json_t *document = problem_to_json(problem);
    char *body = json_text(document);
    struct buf text = BUF_INIT;
    unsigned status = (unsigned)tg_error_status(problem->error);
    if (body && buf_printf(&text,
                           "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: " PROBLEM_MEDIA_TYPE
                           "\r\nContent-Length: %zu\r\n\r\n%s",
                           status, MHD_get_reason_phrase_for(status), strlen(body), body) == TG_OK) {
        ssize_t sent = tls ? send_tls(conn, text.data, text.size)
                           : send(conn->fd, text.data, text.size, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent; /* who does not hear it is hung up on all the same */
    }
    buf_free(&text);
    free(body);
    json_decref(document);
}

void own_errors_write(struct http_conn *conn, const struct problem *problem) {
    write_answer(conn, problem, false);
}

void own_errors_say(struct http_conn *conn, const struct problem *problem) {
    write_answer(conn, problem, conn->tls);
    shutdown(conn->fd, SHUT_RDWR);
}

struct MHD_Response *own_errors_response(unsigned status) {
    struct problem problem = {0};
    explain(status, &problem);
    json_t *document = problem_to_json(&problem);
    json_object_set_new(document, "status", json_integer(status));
    char *text = json_text(document);
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

/* MHD 0.9.75 answers a Content-Length that is no number twice: it goes on as if it had not answered. So we
 * say it ourselves and have MHD hang up. */
static bool say_bad_length(struct MHD_Connection *connection) {
    struct http_conn *conn = conn_of(connection);
    struct problem problem = {0};
    if (!conn || !length_is_bad(connection)) {
        return false;
    }
    problem_set(&problem, TG_EINVALID, "Content-Length",
                "must be a whole number: the size of the body in bytes");
    own_errors_say(conn, &problem);
    return true;
}

/* Stands before the library's: see above. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned status,
                                   struct MHD_Response *page) {
    if (status >= 400 && say_bad_length(connection)) {
        return MHD_NO;
    }
    struct MHD_Response *response = status >= 400 ? own_errors_response(status) : NULL;
    if (!response) {
        return the_original()(connection, status, page);
    }
    enum MHD_Result result = the_original()(connection, status, response);
    MHD_destroy_response(response);
    return result;
}
