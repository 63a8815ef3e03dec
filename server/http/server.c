/* server.c - libmicrohttpd without threads, turned by the libuv loop.
 *
 * MHD has no listening socket: connections come to it through door.c, which looks at their first bytes. It
 * keeps an epoll descriptor of its own, which is readable when one of its sockets is: a uv_poll watches
 * it. What that descriptor does not show are timeouts (uv_timer by MHD_get_timeout) and connections that were
 * resumed or have data buffered already: those "kicks" are served by a uv_prepare, right before the loop
 * would go to sleep. When MHD still has something to do then, a uv_idle keeps the loop from sleeping.
 *
 * MHD is never run from within one of its own callbacks: they only set `kicked` (http_kick), and the next
 * turn of the loop runs it. So no callback finds MHD's lists half changed.
 *
 * Draining: new requests get 503, those that are there are answered; `drained` is called from run() when none
 * is left, because a request only ever ends inside MHD_run.
 *
 * The end, in this order: MHD_run takes up what was resumed (MHD must not be stopped with suspended
 * connections), the door's handles close before its connections do, MHD stops, and the loop closes the rest.
 * The last closing frees the server, so http_destroy may be called from a callback of the loop. */
#include "server/http/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/log.h"

static void run(struct http_server *server);

static void on_timer(uv_timer_t *handle) {
    run(handle->data);
}

static void arm(struct http_server *server) {
    MHD_UNSIGNED_LONG_LONG wait = 0;
    if (MHD_get_timeout(server->daemon, &wait) != MHD_YES) {
        uv_timer_stop(&server->timer);
        uv_idle_stop(&server->idle);
    } else if (wait == 0) {
        server->kicked = true;
    } else {
        uv_timer_start(&server->timer, on_timer, wait, 0);
    }
}

static void on_idle(uv_idle_t *handle) {
    /* Being active is all that it is for: the loop polls without waiting, then runs `prepare`. */
}

static void run(struct http_server *server) {
    server->kicked = false;
    MHD_run(server->daemon);
    arm(server);
    if (server->kicked) {
        uv_idle_start(&server->idle, on_idle);
    } else {
        uv_idle_stop(&server->idle);
    }
    if (server->draining && server->drained && server->stats.requests == 0) {
        void (*drained)(void *) = server->drained;
        server->drained = NULL;
        drained(server->drained_arg);
    }
}

static void on_poll(uv_poll_t *handle, int status, int events) {
    run(handle->data);
}

static void on_prepare(uv_prepare_t *handle) {
    struct http_server *server = handle->data;
    if (server->kicked) {
        run(server);
    }
}

void http_kick(struct http_server *server) {
    server->kicked = true;
}

/* ---- the listening socket: ours, so that its errors are clear and its port is known ---- */

static int bind_failed(const struct http_options *options, const char *what, struct problem *problem) {
    if (errno == EADDRINUSE) {
        return problem_set(
            problem, TG_EBUSY, "port",
            "port %d of %s is in use by another program; stop that one, or choose another with --port "
            "(0 takes any free one)",
            options->port, options->bind);
    }
    if (errno == EADDRNOTAVAIL) {
        return problem_set(problem, TG_EINVALID, "bind", "%s is no address of this machine", options->bind);
    }
    return problem_set(problem, TG_EIO, "port", "%s %s port %d: %s", what, options->bind, options->port,
                       strerror(errno));
}

static int resolve(const char *bind, int number, struct addrinfo **out, struct problem *problem) {
    char port[8];
    snprintf(port, sizeof port, "%d", number);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    if (getaddrinfo(bind, port, &hints, out) != 0) {
        return problem_set(problem, TG_EINVALID, "bind",
                           "must be a numeric address (127.0.0.1, 0.0.0.0, ::1), is %s", bind);
    }
    return TG_OK;
}

int http_check_address(const char *bind, struct problem *problem) {
    struct addrinfo *found = NULL;
    int error = resolve(bind, 0, &found, problem);
    if (!error) {
        freeaddrinfo(found);
    }
    return error;
}

static int listening_port(int fd) {
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    char port[8];
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0 ||
        getnameinfo((struct sockaddr *)&bound, size, NULL, 0, port, sizeof port, NI_NUMERICSERV) != 0) {
        return -1;
    }
    return (int)strtol(port, NULL, 10);
}

static int open_listener(struct http_server *server, struct problem *problem) {
    const struct http_options *options = &server->options;
    struct addrinfo *at = NULL;
    int error = resolve(options->bind, options->port, &at, problem);
    if (error) {
        return error;
    }
    int one = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error = bind_failed(options, "cannot open a socket for", problem);
    } else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
               bind(fd, at->ai_addr, at->ai_addrlen) != 0) {
        error = bind_failed(options, "cannot bind to", problem);
    } else if (listen(fd, 1024) != 0) {
        error = bind_failed(options, "cannot listen on", problem);
    }
    freeaddrinfo(at);
    if (error) {
        if (fd >= 0) {
            close(fd);
        }
        return error;
    }
    server->listen_fd = fd;
    server->port = listening_port(fd);
    return TG_OK;
}

/* ---- start ---- */

static void on_mhd_log(void *arg, const char *format, va_list arguments) {
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = 0;
    log_debug("http", "%s", text); /* most are what clients did wrong */
}

static int start_daemon(struct http_server *server, struct problem *problem) {
    const struct http_options *options = &server->options;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET;
    struct MHD_OptionItem items[16];
    int count = 0;
#define ITEM(name, number, pointer)                                                                          \
    items[count++] = (struct MHD_OptionItem){(name), (intptr_t)(number), (pointer)}
    ITEM(MHD_OPTION_CONNECTION_LIMIT, options->connections, NULL);
    ITEM(MHD_OPTION_CONNECTION_TIMEOUT, options->idle_s, NULL);
    ITEM(MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL);
    ITEM(MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)conn_notify, server);
    ITEM(MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_completed, server);
    ITEM(MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)request_uri, server);
    ITEM(MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL); /* a missing Host is ours to complain about: host.c */
    if (server->tls) {
        flags |= MHD_USE_TLS;
        ITEM(MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->tls_cert);
        ITEM(MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->tls_key);
        ITEM(MHD_OPTION_HTTPS_PRIORITIES, 0,
             (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2");
    }
    ITEM(MHD_OPTION_END, 0, NULL);
#undef ITEM
    server->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, request_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log,
                         NULL, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    if (!server->daemon) {
        return server->tls
                   ? problem_set(problem, TG_EINVALID, "tls_cert",
                                 "the certificate and key were not accepted; both must be PEM and belong "
                                 "together")
                   : problem_set(problem, TG_EIO, "port", "the HTTP server could not be started");
    }
    return TG_OK;
}

static void attach(struct http_server *server) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    TG_ASSERT(info);
    TG_ASSERT(uv_poll_init(server->loop, &server->poll, info->epoll_fd) == 0);
    uv_timer_init(server->loop, &server->timer);
    uv_timer_init(server->loop, &server->sweep);
    uv_prepare_init(server->loop, &server->prepare);
    uv_idle_init(server->loop, &server->idle);
    server->open_handles = 8; /* the five here, and the door's listener, door and pause */
    server->poll.data = server->timer.data = server->sweep.data = server->prepare.data = server->idle.data =
        server;
    conn_setup(server);
    uv_poll_start(&server->poll, UV_READABLE, on_poll);
    uv_prepare_start(&server->prepare, on_prepare);
    door_attach(server);
}

static void release(struct http_server *server) {
    if (server->listen_fd >= 0) {
        close(server->listen_fd);
    }
    if (server->door_epoll >= 0) {
        close(server->door_epoll);
    }
    router_destroy(server->router);
    peers_destroy(server->peers);
    free(server->route_stats);
    free(server);
}

int http_create(uv_loop_t *loop, const struct http_options *options, struct http_server **out,
                struct problem *problem) {
    struct http_server *server = calloc(1, sizeof *server);
    if (!server) {
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    }
    server->loop = loop;
    server->options = *options;
    server->listen_fd = server->door_epoll = -1;
    server->tls = options->tls_cert != NULL;
    while (options->routes[server->route_count].method) {
        server->route_count++;
    }
    server->router = router_create(options->routes);
    server->peers = peers_create();
    server->route_stats = calloc((size_t)server->route_count + 1, sizeof *server->route_stats);
    int error = server->router && server->peers && server->route_stats
                    ? open_listener(server, problem)
                    : problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    if (!error) {
        error = door_setup(server, problem);
    }
    if (!error) {
        error = start_daemon(server, problem);
    }
    if (error) {
        release(server);
        return error;
    }
    attach(server);
    *out = server;
    return TG_OK;
}

int http_port(const struct http_server *server) {
    return server->port;
}

void http_drain(struct http_server *server, void (*done)(void *arg), void *arg) {
    server->draining = true;
    server->drained = done;
    server->drained_arg = arg;
    http_kick(server);
}

static void on_closed(uv_handle_t *handle) {
    struct http_server *server = handle->data;
    if (--server->open_handles == 0) {
        release(server);
    }
}

void http_destroy(struct http_server *server) {
    if (!server) {
        return;
    }
    server->drained = NULL;
    MHD_run(server->daemon);
    uv_close((uv_handle_t *)&server->listener, on_closed);
    uv_close((uv_handle_t *)&server->door, on_closed);
    uv_close((uv_handle_t *)&server->pause, on_closed);
    door_close_all(server);
    MHD_stop_daemon(server->daemon);
    uv_close((uv_handle_t *)&server->poll, on_closed);
    uv_close((uv_handle_t *)&server->timer, on_closed);
    uv_close((uv_handle_t *)&server->sweep, on_closed);
    uv_close((uv_handle_t *)&server->prepare, on_closed);
    uv_close((uv_handle_t *)&server->idle, on_closed);
}

void http_stats(const struct http_server *server, struct http_stats *out) {
    *out = server->stats;
}

const struct http_route_stats *http_route_stats(const struct http_server *server, int index) {
    return &server->route_stats[index < 0 ? server->route_count : index];
}
