/* The parts of the HTTP edge that need no socket: router and limits by address. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "server/http/door.h"
#include "server/http/peers.h"
#include "server/http/router.h"

static void nothing(struct http_request *request, void *context) {
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/jobs", .handle = nothing},
    {.method = "POST", .pattern = "/jobs", .handle = nothing},
    {.method = "GET", .pattern = "/jobs/{id}", .handle = nothing},
    {.method = "POST", .pattern = "/jobs/{id}/cancel", .handle = nothing},
    {.method = "GET", .pattern = "/games/{id}.sgf", .handle = nothing},
    {.method = "GET", .pattern = "/games/{id}", .handle = nothing},
    {.method = "GET", .pattern = "/", .handle = nothing},
    {.method = "GET", .pattern = "/{file...}", .handle = nothing},
    {.method = NULL},
};

static int match(const char *method, const char *path, struct route_params *params, int *error,
                 char allow[128]) {
    struct router *router = router_create(routes);
    assert_non_null(router);
    int index = router_match(router, method, path, params, error, allow);
    router_destroy(router);
    return index;
}

static void check(const char *method, const char *path, int index, const char *param) {
    struct route_params params;
    char allow[128];
    int error;
    assert_int_equal(match(method, path, &params, &error, allow), index);
    assert_int_equal(error, TG_OK);
    assert_int_equal(params.count, param ? 1 : 0);
    if (param) {
        assert_string_equal(params.text[0], param);
    }
}

static void paths_find_their_routes(void **state) {
    check("GET", "/jobs", 0, NULL);
    check("HEAD", "/jobs", 0, NULL);
    check("POST", "/jobs", 1, NULL);
    check("GET", "/jobs/12", 2, "12");
    check("POST", "/jobs/12/cancel", 3, "12");
    check("GET", "/games/7.sgf", 4, "7");
    check("GET", "/games/7", 5, "7");
    check("GET", "/", 6, NULL);
    check("GET", "/fonts/a.woff2", 7, "fonts/a.woff2");
}

static void other_methods_are_told_what_is_allowed(void **state) {
    struct route_params params;
    char allow[128];
    int error;
    assert_int_equal(match("DELETE", "/jobs", &params, &error, allow), -1);
    assert_int_equal(error, TG_EMETHOD);
    assert_string_equal(allow, "GET, HEAD, POST");
    assert_int_equal(match("PUT", "/jobs/1/cancel", &params, &error, allow), -1);
    assert_string_equal(allow, "POST");
}

/* "Any other path" takes GET; that does not make a path which nobody knows one that takes GET alone. */
static void another_method_at_no_path_is_not_found(void **state) {
    static const char *const paths[] = {"/jbos", "/jobs/1/cancle", "/fonts/a.woff2"};
    struct route_params params;
    char allow[128];
    int error;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(match("POST", paths[i], &params, &error, allow), -1);
        assert_int_equal(error, TG_ENOT_FOUND);
        assert_string_equal(allow, "");
    }
}

static void what_fits_nothing_is_not_found(void **state) {
    static const struct http_route few[] = {{.method = "GET", .pattern = "/a/{id}", .handle = nothing},
                                            {.method = NULL}};
    struct router *router = router_create(few);
    struct route_params params;
    char allow[128], longest[400];
    int error;
    const char *const paths[] = {"", "/", "/a", "/a/", "/a/1/", "/a/1/b", "/b/1", "a/1", "//1", longest};
    memset(longest, 'x', sizeof longest - 1);
    memcpy(longest, "/a/", 3);
    longest[sizeof longest - 1] = 0;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(router_match(router, "GET", paths[i], &params, &error, allow), -1);
        assert_int_equal(error, TG_ENOT_FOUND);
    }
    router_destroy(router);
}

static struct peer_address address_of(const char *text, bool *loopback) {
    struct peer_address out;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        peer_address((struct sockaddr *)&v4, &out, loopback);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        peer_address((struct sockaddr *)&v6, &out, loopback);
    }
    return out;
}

static void loopback_is_known(void **state) {
    bool loopback;
    address_of("127.0.0.1", &loopback);
    assert_true(loopback);
    address_of("127.8.9.1", &loopback);
    assert_true(loopback);
    address_of("::1", &loopback);
    assert_true(loopback);
    address_of("::ffff:127.0.0.1", &loopback);
    assert_true(loopback);
    address_of("128.0.0.1", &loopback);
    assert_false(loopback);
    address_of("2001:db8::1", &loopback);
    assert_false(loopback);
}

static void a_network_of_ipv6_is_one_peer(void **state) {
    bool loopback;
    struct peer_address a = address_of("2001:db8:1:2::1", &loopback),
                        b = address_of("2001:db8:1:2:ff::9", &loopback),
                        c = address_of("2001:db8:1:3::1", &loopback);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
}

static void the_bucket_fills_again(void **state) {
    bool loopback;
    struct peers *peers = peers_create();
    struct peer_address a = address_of("10.0.0.1", &loopback), b = address_of("10.0.0.2", &loopback);
    int granted = 0;
    while (granted < 1000 && peers_take(peers, &a, 10, 5000) == 0) {
        granted++;
    }
    assert_int_equal(granted, 20); /* twice the rate is saved up */
    int64_t wait = peers_take(peers, &a, 10, 5000);
    assert_in_range(wait, 90, 110);
    assert_int_equal(peers_take(peers, &b, 10, 5000), 0); /* another address has its own */
    assert_int_equal(peers_take(peers, &a, 10, 5000 + wait), 0);
    assert_true(peers_take(peers, &a, 10, 5000 + wait) > 0);
    peers_destroy(peers);
}

static void connections_are_counted(void **state) {
    bool loopback;
    struct peers *peers = peers_create();
    struct peer_address a = address_of("10.0.0.1", &loopback);
    peers_connected(peers, &a, 1);
    peers_connected(peers, &a, 1);
    for (int i = 0; i < 50000; i++) { /* strangers do not push out one who is connected */
        struct peer_address other = {{(uint8_t)(i >> 8), (uint8_t)i, 1}};
        peers_take(peers, &other, 5, 1000 + i);
    }
    assert_int_equal(peers_connections(peers, &a), 2);
    peers_connected(peers, &a, -1);
    assert_int_equal(peers_connections(peers, &a), 1);
    peers_destroy(peers);
}

static void judged(const char *bytes, size_t size, bool tls, enum door_verdict verdict) {
    assert_int_equal(door_judge((const uint8_t *)bytes, size, tls), verdict);
}

static void first_bytes_are_judged(void **state) {
    static const char request[] = "\r\nGET / HTTP/1.1\r\n";
    for (size_t size = 0; size < sizeof request - 1; size++)
        judged(request, size, false, size < 6 ? DOOR_WAIT : DOOR_ENTER);
    judged("M-SEARCH * HTTP/1.1", 19, false, DOOR_ENTER);
    judged("GET /", 5, true, DOOR_PLAIN_ON_TLS);
    judged("\x16\x03\x01", 3, false, DOOR_TLS_ON_PLAIN);
    judged("\x16\x03\x01", 3, true, DOOR_ENTER);
    judged("\x16", 1, false, DOOR_WAIT);
    judged("\x16\x04", 2, true, DOOR_GARBAGE);
    judged("hello\r\n", 7, false, DOOR_GARBAGE);
    judged("hello\r\n", 7, true, DOOR_GARBAGE);
    judged(" GET /", 6, false, DOOR_GARBAGE);
    judged("G\0T /", 5, false, DOOR_GARBAGE);
    judged("GET\t/", 5, false, DOOR_GARBAGE);
    judged("\xc3\xa9 /", 4, false, DOOR_GARBAGE);
}

/* However many there are: a verdict comes. */
static void no_bytes_are_waited_for_without_end(void **state) {
    char bytes[DOOR_BYTES];
    for (int byte = 0; byte < 256; byte++) {
        memset(bytes, byte, sizeof bytes);
        judged(bytes, sizeof bytes, false, DOOR_GARBAGE);
        judged(bytes, sizeof bytes, true, DOOR_GARBAGE);
    }
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes, "\r\n\r\n\r\n\r\n", 8);
    judged(bytes, sizeof bytes, false, DOOR_GARBAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_routes),
        cmocka_unit_test(other_methods_are_told_what_is_allowed),
        cmocka_unit_test(another_method_at_no_path_is_not_found),
        cmocka_unit_test(what_fits_nothing_is_not_found),
        cmocka_unit_test(loopback_is_known),
        cmocka_unit_test(a_network_of_ipv6_is_one_peer),
        cmocka_unit_test(the_bucket_fills_again),
        cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(first_bytes_are_judged),
        cmocka_unit_test(no_bytes_are_waited_for_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
