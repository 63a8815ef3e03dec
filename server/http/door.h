/* door.h - what the first bytes of a connection say. See door.c. */
#ifndef TENGEN_HTTP_DOOR_H
#define TENGEN_HTTP_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum door_verdict {
    DOOR_WAIT,  /* too few bytes to tell */
    DOOR_ENTER, /* looks like a request (or, for TLS, like a handshake): libmicrohttpd's from here on */
    DOOR_TLS_ON_PLAIN, /* a TLS handshake on a port that speaks plain HTTP */
    DOOR_PLAIN_ON_TLS, /* the other way round */
    DOOR_GARBAGE,      /* neither */
};

/* tls: the port's. Needs at most DOOR_BYTES of a connection for a verdict other than DOOR_WAIT. */
enum { DOOR_BYTES = 64 };
enum door_verdict door_judge(const uint8_t *bytes, size_t size, bool tls);

#endif
