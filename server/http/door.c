/* door.c - connections from accept until it is clear that they speak HTTP.
 *
 * Libmicrohttpd hangs up without a word on what does not begin like a request, and waits for the rest of it
 * when it is a TLS handshake. A person who has mistyped a port should hear what is wrong. So the listening
 * socket is ours, and a connection is handed to libmicrohttpd only when its first bytes, which are looked at
 * but left where they are (MSG_PEEK), are a method and a space, or a TLS handshake where the port speaks TLS:
 *
 *      accept ──> peek ──> enough? ──> HTTP ──> MHD_add_connection
 *                  ^          │  └───> not HTTP: 400 that says so, and whatever comes is dropped until the
 *                  │          v                  client hangs up or its time is over
 *             more has come (epoll, edge-triggered)
 *
 * Nothing here waits: a connection that has sent nothing costs its socket and stays in the queue `fresh` like
 * any other, with the deadline for a whole header (conn.c). When there are as many connections as there may
 * be, further ones stay in the kernel's queue. */
#include "server/http/door.h"
#include "server/http/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "proto/base/log.h"

enum { METHOD_MAX = 32, BLANKS_MAX = 8, EVENTS = 64, ACCEPTS = 64, PAUSE_MS = 1000 };

/* ---- the verdict ---- */

static bool is_token(uint8_t byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

/* A request begins with a method, which is a token, and a space (RFC 9112, section 3); empty lines may come
 * before it (section 2.2). */
static enum door_verdict judge_plain(const uint8_t *bytes, size_t size) {
    size_t at = 0, method = 0;
    while (at < size && (bytes[at] == '\r' || bytes[at] == '\n')) {
        at++;
    }
    if (at > BLANKS_MAX) {
        return DOOR_GARBAGE;
    }
    while (at + method < size && is_token(bytes[at + method])) {
        method++;
    }
    if (method > METHOD_MAX) {
        return DOOR_GARBAGE;
    }
    if (at + method == size) {
        return DOOR_WAIT;
    }
    return method > 0 && bytes[at + method] == ' ' ? DOOR_ENTER : DOOR_GARBAGE;
}

/* A TLS connection begins with a record of type handshake (22) of version 3.x (RFC 8446, section 5.1). */
enum door_verdict door_judge(const uint8_t *bytes, size_t size, bool tls) {
    bool handshake = size > 0 && bytes[0] == 22 && (size < 2 || bytes[1] == 3);
    if (size == 0 || (handshake && size < 2)) {
        return DOOR_WAIT;
    }
    if (handshake) {
        return tls ? DOOR_ENTER : DOOR_TLS_ON_PLAIN;
    }
    enum door_verdict verdict = judge_plain(bytes, size);
    return tls && verdict == DOOR_ENTER ? DOOR_PLAIN_ON_TLS : verdict;
}

/* ---- one connection ---- */

static void explain(enum door_verdict verdict, struct problem *problem) {
    switch (verdict) {
    case DOOR_TLS_ON_PLAIN:
        problem_set(problem, TG_EINVALID, "scheme",
                    "this port speaks plain HTTP, not TLS: use http:// instead of https://, or start the "
                    "server with --tls-cert and --tls-key");
        break;
    case DOOR_PLAIN_ON_TLS:
        problem_set(problem, TG_EINVALID, "scheme",
                    "this port speaks TLS, not plain HTTP: use https:// instead of http://");
        break;
    default:
        problem_set(problem, TG_EINVALID, NULL,
                    "this is not HTTP: a request begins with a method, a path and HTTP/1.1 (RFC 9112)");
    }
}

/* Whatever is there is dropped: a socket that is closed with bytes unread takes its answer with it. False:
 * the client has hung up, or has sent more than is borne with. */
static bool drop_input(struct http_conn *conn) {
    char bytes[4096];
    ssize_t got;
    while ((got = recv(conn->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        conn->received += (uint64_t)got;
        if (conn->received > DISCARD_MAX) {
            return false;
        }
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

static void enter(struct http_server *server, struct http_conn *conn) {
    epoll_ctl(server->door_epoll, EPOLL_CTL_DEL, conn->fd, NULL);
    server->entering = conn; /* conn_notify takes it from here */
    MHD_add_connection(server->daemon, conn->fd, (const struct sockaddr *)&conn->address, conn->address_size);
    if (server->entering) { /* MHD did not take it, and has closed the socket */
        server->entering = NULL;
        conn_free(server, conn);
    }
}

static void turn_away(struct http_server *server, struct http_conn *conn, enum door_verdict verdict) {
    struct problem problem = {0};
    explain(verdict, &problem);
    server->stats.refused++;
    conn->told = true;
    own_errors_write(conn, &problem);
    shutdown(conn->fd, SHUT_WR);
    if (!drop_input(conn)) {
        conn_close(server, conn);
    }
}

static void look(struct http_server *server, struct http_conn *conn, bool no_more) {
    uint8_t bytes[DOOR_BYTES];
    if (conn->told) {
        if (!drop_input(conn)) {
            conn_close(server, conn);
        }
        return;
    }
    ssize_t got = recv(conn->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        conn_close(server, conn);
        return;
    }
    enum door_verdict verdict = door_judge(bytes, got > 0 ? (size_t)got : 0, server->tls);
    if (verdict == DOOR_WAIT && no_more) {
        verdict = DOOR_GARBAGE;
    }
    if (verdict == DOOR_ENTER) {
        enter(server, conn);
    } else if (verdict != DOOR_WAIT) {
        turn_away(server, conn, verdict);
    }
}

/* ---- all of them ---- */

static void on_door(uv_poll_t *poll, int status, int events) {
    struct http_server *server = poll->data;
    struct epoll_event ready[EVENTS];
    int count = epoll_wait(server->door_epoll, ready, EVENTS, 0);
    for (int i = 0; i < count; i++) {
        look(server, ready[i].data.ptr, ready[i].events & (EPOLLRDHUP | EPOLLHUP));
    }
}

static void on_listen(uv_poll_t *poll, int status, int events);
static void accept_again(struct http_server *server);

static void on_pause_over(uv_timer_t *timer) {
    accept_again(timer->data);
}

/* Until a connection is closed, or for a second where descriptors have run out elsewhere. */
static void pause_accepting(struct http_server *server) {
    server->door_shut = true;
    uv_poll_stop(&server->listener);
    uv_timer_start(&server->pause, on_pause_over, PAUSE_MS, 0);
}

static void accept_again(struct http_server *server) {
    if (server->door_shut && !uv_is_closing((uv_handle_t *)&server->listener)) {
        server->door_shut = false;
        uv_timer_stop(&server->pause);
        uv_poll_start(&server->listener, UV_READABLE, on_listen);
    }
}

static void admit(struct http_server *server, int fd, const struct sockaddr_storage *address,
                  socklen_t size) {
    struct http_conn *conn = conn_new(server, fd, address, size);
    if (!conn) {
        server->stats.refused++;
        close(fd);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = conn};
    if (epoll_ctl(server->door_epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        conn_close(server, conn);
    }
    /* What has come already is an event too: the connection is looked at in this turn of the loop. */
}

static void on_listen(uv_poll_t *poll, int status, int events) {
    struct http_server *server = poll->data;
    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        if (server->stats.connections >= server->options.connections) {
            pause_accepting(server);
            return;
        }
        int fd = accept4(server->listen_fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(server, fd, &address, size);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_warn("http", "no connection can be accepted: %s", strerror(errno));
            pause_accepting(server);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

int door_setup(struct http_server *server, struct problem *problem) {
    server->door_epoll = epoll_create1(EPOLL_CLOEXEC);
    return server->door_epoll >= 0
               ? TG_OK
               : problem_set(problem, TG_EIO, NULL, "no event descriptor: %s", strerror(errno));
}

void door_attach(struct http_server *server) {
    server->door_shut = true;
    uv_poll_init(server->loop, &server->listener, server->listen_fd);
    uv_poll_init(server->loop, &server->door, server->door_epoll);
    uv_timer_init(server->loop, &server->pause);
    server->listener.data = server->door.data = server->pause.data = server;
    server->room = accept_again;
    uv_poll_start(&server->door, UV_READABLE, on_door);
    accept_again(server);
}

/* Those that libmicrohttpd has are closed by it. */
void door_close_all(struct http_server *server) {
    struct http_conn *next;
    for (struct http_conn *conn = server->fresh.first; conn; conn = next) {
        next = conn->next;
        if (!conn->connection) {
            conn_close(server, conn);
        }
    }
}
