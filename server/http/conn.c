/* conn.c - connections: who may connect, and how long one may owe us something.
 *
 * MHD's own timeout is about silence: a peer that sends one byte a minute never meets it. So a connection
 * that owes us a header has a deadline for the whole of it, and one that owes us a body has to bring some of
 * it in every span of time. All fresh connections have the same patience, as have all that wait between two
 * requests and all in a body; so three queues in order of arrival are in order of deadline too, and one timer
 * for the first of them is enough. A peer that is late is told so (408) and its socket shut down; MHD notices
 * and closes. */
#include "server/http/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"

static void list_remove(struct http_conn *conn) {
    struct conn_list *list = conn->list;
    if (!list) {
        return;
    }
    *(conn->previous ? &conn->previous->next : &list->first) = conn->next;
    *(conn->next ? &conn->next->previous : &list->last) = conn->previous;
    conn->previous = conn->next = NULL;
    conn->list = NULL;
}

static void list_append(struct conn_list *list, struct http_conn *conn) {
    conn->list = list;
    conn->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = conn;
    list->last = conn;
    conn->deadline_ms = clock_monotonic_ms() + list->patience_ms;
}

static void cut(struct http_server *server, struct http_conn *conn) {
    struct problem problem = {0};
    bool idle = conn->list == &server->waiting, body = conn->list == &server->receiving;
    list_remove(conn);
    if (idle) {
        shutdown(conn->fd, SHUT_RDWR);
        return;
    }
    server->stats.timed_out++;
    if (!conn->connection &&
        (conn->tls || conn->told)) { /* nothing that it would understand, or heard already */
        conn_close(server, conn);
        return;
    }
    problem_set(&problem, TG_ETIMEOUT, body ? "body" : "header",
                body ? "the request's body came too slowly; send it without a pause, or in smaller parts"
                     : "the request's header did not arrive in time; send it without a pause");
    own_errors_say(conn, &problem);
    if (!conn->connection) {
        conn_close(server, conn);
    }
}

static void on_sweep(uv_timer_t *timer);

static void arm_sweep(struct http_server *server) {
    const struct conn_list *lists[] = {&server->fresh, &server->waiting, &server->receiving};
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (lists[i]->first && lists[i]->first->deadline_ms < due) {
            due = lists[i]->first->deadline_ms;
        }
    }
    /* A timer that is set may be too late: a waiting connection has more time than a fresh one. */
    bool soon_enough = uv_is_active((uv_handle_t *)&server->sweep) && server->sweep_due_ms <= due;
    if (due != INT64_MAX && !soon_enough) {
        server->sweep_due_ms = due;
        int64_t wait = due - clock_monotonic_ms();
        uv_timer_start(&server->sweep, on_sweep, wait > 0 ? (uint64_t)wait : 1, 0);
    }
}

static void sweep_list(struct http_server *server, struct conn_list *list, int64_t now_ms) {
    while (list->first && list->first->deadline_ms <= now_ms) {
        cut(server, list->first);
    }
}

/* Those that brought enough have another span. */
static void sweep_receiving(struct http_server *server, int64_t now_ms) {
    struct conn_list *list = &server->receiving;
    uint64_t enough = (uint64_t)(list->patience_ms * server->options.body_bytes_per_s / 1000);
    while (list->first && list->first->deadline_ms <= now_ms) {
        struct http_conn *conn = list->first;
        if (conn->received < enough) {
            cut(server, conn);
        } else {
            list_remove(conn);
            conn->received = 0;
            list_append(list, conn);
        }
    }
}

static void on_sweep(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    int64_t now_ms = clock_monotonic_ms();
    sweep_list(server, &server->fresh, now_ms);
    sweep_list(server, &server->waiting, now_ms);
    sweep_receiving(server, now_ms);
    arm_sweep(server);
}

void conn_setup(struct http_server *server) {
    server->fresh.patience_ms = 1000 * (int64_t)server->options.header_s;
    server->waiting.patience_ms = 1000 * (int64_t)server->options.idle_s;
    server->receiving.patience_ms = server->fresh.patience_ms;
}

/* ---- from accept to close ---- */

struct http_conn *conn_new(struct http_server *server, int fd, const struct sockaddr_storage *address,
                           socklen_t size) {
    struct peer_address peer;
    bool loopback;
    peer_address((const struct sockaddr *)address, &peer, &loopback);
    if (!loopback && peers_connections(server->peers, &peer) >= server->options.connections_per_peer) {
        return NULL;
    }
    struct http_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        return NULL;
    }
    *conn = (struct http_conn){.fd = fd,
                               .tls = server->tls,
                               .address = *address,
                               .address_size = size,
                               .peer = peer,
                               .loopback = loopback};
    peers_connected(server->peers, &conn->peer, 1);
    list_append(&server->fresh, conn);
    server->stats.connections++;
    server->stats.accepted++;
    arm_sweep(server);
    return conn;
}

void conn_free(struct http_server *server, struct http_conn *conn) {
    list_remove(conn);
    peers_connected(server->peers, &conn->peer, -1);
    server->stats.connections--;
    free(conn);
    server->room(server);
}

void conn_close(struct http_server *server, struct http_conn *conn) {
    close(conn->fd); /* which takes it out of the door's epoll set */
    conn_free(server, conn);
}

void conn_notify(void *arg, struct MHD_Connection *connection, void **context,
                 enum MHD_ConnectionNotificationCode code) {
    struct http_server *server = arg;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_conn *conn = server->entering;
        server->entering = NULL;
        conn->connection = connection;
        *context = conn;
    } else {
        conn_free(server, *context);
        *context = NULL;
    }
}

void conn_begin_request(struct http_server *server, struct http_conn *conn) {
    list_remove(conn);
}

void conn_end_request(struct http_server *server, struct http_conn *conn) {
    list_remove(conn);
    list_append(&server->waiting, conn);
    arm_sweep(server);
}

void conn_await_body(struct http_server *server, struct http_conn *conn) {
    list_remove(conn);
    conn->received = 0;
    list_append(&server->receiving, conn);
    arm_sweep(server);
}

void conn_stop_waiting(struct http_conn *conn) {
    list_remove(conn);
}
