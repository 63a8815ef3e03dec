/* router.h - which route takes a path. The table is split into segments once; routes of the same number of
 * segments are tried in the order of the table. */
#ifndef TENGEN_HTTP_ROUTER_H
#define TENGEN_HTTP_ROUTER_H

#include "server/http/http.h"

struct router;

enum { ROUTE_PARAM_MAX = 160, ROUTE_SEGMENTS_MAX = 8 };
struct route_params {
    int count;
    char text[HTTP_PARAMS_MAX][ROUTE_PARAM_MAX];
};

struct router *router_create(const struct http_route *routes); /* NULL when out of memory */
void router_destroy(struct router *router);

/* The index of the route, or -1 with *error TG_ENOT_FOUND or TG_EMETHOD; for the latter `allow` (128 bytes)
 * gets the methods that the path takes. HEAD finds the GET route. */
int router_match(const struct router *router, const char *method, const char *path,
                 struct route_params *params, int *error, char allow[128]);

#endif
