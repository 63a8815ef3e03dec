/* hello.c - the least that libmicrohttpd can do on the loop set-up of server/http: what tests/bench/api
 * compares with. Listens on a free port of loopback, prints it, answers "hello" to everything until it is
 * killed. */
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static struct MHD_Daemon *daemon_;
static struct MHD_Response *hello;
static uv_timer_t timer;
static uv_idle_t idle;
static uv_prepare_t prepare;
static int kicked;

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *size,
                              void **context) {
    if (!*context) {
        *context = hello;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, hello);
}

static void on_timer(uv_timer_t *handle);

static void on_idle(uv_idle_t *handle) {
}

static void run(void) {
    MHD_UNSIGNED_LONG_LONG wait = 0;
    kicked = 0;
    MHD_run(daemon_);
    if (MHD_get_timeout(daemon_, &wait) != MHD_YES) {
        uv_timer_stop(&timer);
    } else if (wait == 0) {
        kicked = 1;
    } else {
        uv_timer_start(&timer, on_timer, wait, 0);
    }
    if (kicked) {
        uv_idle_start(&idle, on_idle);
    } else {
        uv_idle_stop(&idle);
    }
}

static void on_timer(uv_timer_t *handle) {
    run();
}

static void on_prepare(uv_prepare_t *handle) {
    if (kicked) {
        run();
    }
}

static void on_poll(uv_poll_t *handle, int status, int events) {
    run();
}

int main(void) {
    static char text[] = "hello";
    uv_poll_t poll;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    hello = MHD_create_response_from_buffer(5, text, MHD_RESPMEM_PERSISTENT);
    daemon_ = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, answer, NULL,
                               MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
                               MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)65536,
                               MHD_OPTION_CONNECTION_TIMEOUT, 75u, MHD_OPTION_END);
    if (!hello || !daemon_) {
        return 1;
    }
    uv_poll_init(uv_default_loop(), &poll, MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    uv_timer_init(uv_default_loop(), &timer);
    uv_idle_init(uv_default_loop(), &idle);
    uv_prepare_init(uv_default_loop(), &prepare);
    uv_prepare_start(&prepare, on_prepare);
    uv_poll_start(&poll, UV_READABLE, on_poll);
    printf("%d\n", MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
