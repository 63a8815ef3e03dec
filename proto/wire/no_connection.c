#include "proto/wire/no_connection.h"

#include <curl/curl.h> /* names of errors only: nothing of it is linked */

/* From OpenSSL's x509_vfy.h, where they are fixed for ever. */
enum {
    X509_UNSPECIFIED = 1,
    X509_NO_ISSUER = 2,
    X509_NOT_YET_VALID = 9,
    X509_EXPIRED = 10,
    X509_SELF_SIGNED = 18,
    X509_SELF_SIGNED_IN_CHAIN = 19,
    X509_NO_ISSUER_HERE = 20,
    X509_NO_FIRST_SIGNATURE = 21,
    X509_OTHER_HOST = 62,
    X509_OTHER_ADDRESS = 64,
};

static const char *certificate_hint(const struct no_connection *failure) {
    switch (failure->verify) {
    case X509_NOT_YET_VALID:
        return "the server's certificate is not valid yet: is the clock of this machine right?";
    case X509_EXPIRED:
        return "the server's certificate has expired: whoever runs it has to make a new one (--tls-cert), if "
               "the "
               "clock of this machine is right";
    case X509_NO_ISSUER:
    case X509_SELF_SIGNED:
    case X509_SELF_SIGNED_IN_CHAIN:
    case X509_NO_ISSUER_HERE:
    case X509_NO_FIRST_SIGNATURE:
        return failure->own_ca
                   ? "--ca-file holds another certificate than this server's: copy the file of its "
                     "--tls-cert here anew"
                   : "a server with a certificate of its own needs --ca-file: a copy of the file of "
                     "its --tls-cert";
    case 0:
    case X509_UNSPECIFIED: /* libcurl looks at the name itself, and first */
    case X509_OTHER_HOST:
    case X509_OTHER_ADDRESS:
        return "use a name of the server that its certificate has, or have one made with this name in its "
               "subjectAltName";
    default:
        return "its certificate is not to be trusted";
    }
}

const char *no_connection_hint(const struct no_connection *failure) {
    switch (failure->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "is the name of the host right? (--server or TENGEN_SERVER)";
    case CURLE_COULDNT_CONNECT:
        return "is the server running, and is this its address? (--server or TENGEN_SERVER)";
    case CURLE_SSL_CACERT_BADFILE:
        return "--ca-file must name a readable PEM file with the server's certificate";
    case CURLE_PEER_FAILED_VERIFICATION:
        return certificate_hint(failure);
    case CURLE_SSL_CONNECT_ERROR:
        return "if the server has no TLS, its address begins with http://";
    default:
        return "";
    }
}
