/* no_connection.h - what a person can do when libcurl has no connection. Client and agent say the same. */
#ifndef TENGEN_WIRE_NO_CONNECTION_H
#define TENGEN_WIRE_NO_CONNECTION_H

#include <stdbool.h>

struct no_connection {
    int code;    /* CURLcode of the failure */
    long verify; /* CURLINFO_SSL_VERIFYRESULT: OpenSSL's reason against the certificate; 0: none */
    bool own_ca; /* a --ca-file was given */
};

/* The remedy, to be put behind libcurl's own words and "; "; never NULL, "" when there is none to name. */
const char *no_connection_hint(const struct no_connection *failure);

#endif
