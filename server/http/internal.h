/* internal.h - what the files of server/http share. Not for others. */
#ifndef TENGEN_HTTP_INTERNAL_H
#define TENGEN_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <sys/socket.h>
#include "server/http/http.h"
#include "server/http/peers.h"
#include "server/http/router.h"

enum {
    URI_MAX = 8 << 10,
    HEADERS_MAX = 16 << 10,
    CONNECTION_MEMORY =
        64 << 10, /* more than URI_MAX + HEADERS_MAX, so that ours are the limits that speak first */
    HELD_FREELY = 64 << 10, /* bytes that a request may hold whatever others do */
    DISCARD_MAX = 16 << 20, /* of what nobody wants: read on to be polite, but not for ever */
};

/* A connection, from accept to close. While it owes us something it is in one of three lists, oldest first.
 */
struct http_conn {
    struct http_conn *previous, *next;
    struct conn_list *list; /* NULL: it is our turn */
    int64_t deadline_ms;
    struct MHD_Connection *connection; /* NULL: still at the door */
    int fd;
    bool tls;
    bool told; /* at the door: that it is not let in, and why */
    struct sockaddr_storage address;
    socklen_t address_size;
    struct peer_address peer;
    bool loopback;
    uint64_t received; /* bytes of body since it was put into `receiving`; at the door: bytes dropped */
};

/* The connection that MHD was given with this one. */
static inline struct http_conn *conn_of(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

struct conn_list {
    struct http_conn *first, *last;
    int64_t patience_ms;
};

struct http_server {
    uv_loop_t *loop;
    struct MHD_Daemon *daemon;
    struct http_options options;
    struct router *router;
    struct http_route_stats *route_stats; /* one a route and one more for what no route took */
    int route_count;
    int port, listen_fd;
    bool tls;

    uv_poll_t poll;
    uv_timer_t timer;
    uv_timer_t sweep; /* runs only while a connection owes us something */
    int64_t sweep_due_ms;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_poll_t listener, door;
    uv_timer_t pause; /* runs while nothing is accepted */
    int door_epoll;   /* the sockets at the door */
    bool door_shut;
    struct http_conn *entering;               /* while MHD_add_connection runs */
    void (*room)(struct http_server *server); /* called when a connection has gone */
    int open_handles;
    bool kicked;

    struct conn_list fresh, waiting, receiving; /* no request yet; between two requests; in a body */
    struct peers *peers;
    struct http_stats stats;

    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
};

struct request_header {
    struct request_header *next;
    const char *name, *value;
};

struct request_memory {
    struct request_memory *next;
    void (*release)(void *arg);
    void *arg;
    max_align_t data[];
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_conn *conn;
    const struct http_route *route;
    const char *path;
    struct route_params params;
    size_t uri_size;
    bool uri_has_nul;
    int64_t begun_ns;

    bool needs_host; /* HTTP/1.1 */
    bool opened;     /* the header was looked at */
    bool opening;    /* it is being looked at: MHD takes a reply now, and again when the body is complete */
    bool dispatched; /* the handler was called */
    bool has_body, body_done;
    bool suspended;
    bool replied; /* a reply is queued, or held until the body has come */
    struct MHD_Response *held;
    int status;

    struct buf body;
    size_t held_bytes;
    uint64_t received;
    struct http_sink sink;

    int64_t user_id;
    int user_role;
    const char *user_name;

    struct request_header *headers;
    struct request_memory *memory;
};

/* server.c */
void http_kick(struct http_server *server); /* let libmicrohttpd run before the loop sleeps */
/* conn.c */
void conn_setup(struct http_server *server);
void conn_notify(void *arg, struct MHD_Connection *connection, void **context,
                 enum MHD_ConnectionNotificationCode code);
/* NULL: out of memory, or its address has too many. It is then `fresh`. */
struct http_conn *conn_new(struct http_server *server, int fd, const struct sockaddr_storage *address,
                           socklen_t size);
void conn_free(struct http_server *server, struct http_conn *conn);
void conn_close(struct http_server *server, struct http_conn *conn); /* one that MHD has not got yet */
void conn_begin_request(struct http_server *server, struct http_conn *conn);
void conn_end_request(struct http_server *server, struct http_conn *conn);
void conn_await_body(struct http_server *server, struct http_conn *conn); /* from now on it owes us a body */
void conn_stop_waiting(struct http_conn *conn);                           /* it does not, for now */
/* door.c */
int door_setup(struct http_server *server, struct problem *problem);
void door_attach(struct http_server *server);
void door_close_all(struct http_server *server);
/* request.c */
void *request_uri(void *arg, const char *uri, struct MHD_Connection *connection);
enum MHD_Result request_access(void *arg, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data, size_t *size,
                               void **context);
void request_completed(void *arg, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode code);
/* request_parts.c */
void request_suspend(struct http_request *request);
void request_resume(struct http_request *request);
/* reply.c */
void reply_queue(struct http_request *request, int status, struct MHD_Response *response);
/* host.c */
int host_check(const struct http_request *request, struct problem *problem);
/* own_errors.c */
enum MHD_Result own_errors_queue(struct MHD_Connection *connection, unsigned status,
                                 struct MHD_Response *response);
struct MHD_Response *own_errors_response(unsigned status);
/* Answers past MHD, which takes no answer in the middle of a request, and shuts the socket down. */
void own_errors_say(struct http_conn *conn, const struct problem *problem);
/* The same in plain text, whatever the port speaks, and without hanging up. */
void own_errors_write(struct http_conn *conn, const struct problem *problem);

#endif
