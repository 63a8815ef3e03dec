/* router.c - see router.h. Patterns are cut into segments once; a path is held against them in the order of
 * the table.
 *
 * A table of some dozens is walked from its start: no tree would be faster than the dozen string comparisons
 * that this is. A route whose first segment takes the rest of any path (the dashboard's files) is a last
 * resort: it neither hides that a method is not allowed at a known path, nor adds its own method to what is.
 */
#include "server/http/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct segment {
    const char *text; /* in the pattern */
    uint8_t size;
    bool param, rest; /* {x}, {x...} */
};

struct entry {
    const struct http_route *route;
    struct segment segments[ROUTE_SEGMENTS_MAX];
    int count;
};

struct router {
    int count;
    struct entry entries[];
};

static void split_pattern(struct entry *entry) {
    const char *at = entry->route->pattern;
    TG_ASSERT(*at == '/');
    while (*at == '/') {
        at++;
        size_t size = strcspn(at, "/");
        TG_ASSERT(entry->count < ROUTE_SEGMENTS_MAX && size < 256);
        struct segment *segment = &entry->segments[entry->count++];
        *segment = (struct segment){.text = at, .size = (uint8_t)size, .param = *at == '{'};
        segment->rest = segment->param && size > 4 && memcmp(at + size - 4, "...}", 4) == 0;
        at += size;
    }
}

struct router *router_create(const struct http_route *routes) {
    int count = 0;
    while (routes[count].method) {
        count++;
    }
    struct router *router = calloc(1, sizeof *router + (size_t)count * sizeof router->entries[0]);
    if (!router) {
        return NULL;
    }
    router->count = count;
    for (int i = 0; i < count; i++) {
        router->entries[i].route = &routes[i];
        split_pattern(&router->entries[i]);
    }
    return router;
}

void router_destroy(struct router *router) {
    free(router);
}

static bool take_param(struct route_params *params, const char *text, size_t size) {
    if (size == 0 || size >= ROUTE_PARAM_MAX || params->count == HTTP_PARAMS_MAX) {
        return false;
    }
    memcpy(params->text[params->count], text, size);
    params->text[params->count++][size] = 0;
    return true;
}

/* "{id}.sgf": a parameter followed by fixed text. */
static bool match_param(const struct segment *segment, const char *text, size_t size,
                        struct route_params *params) {
    const char *close = memchr(segment->text, '}', segment->size);
    TG_ASSERT(close);
    size_t tail = segment->size - (size_t)(close + 1 - segment->text);
    if (size <= tail || memcmp(text + size - tail, close + 1, tail) != 0) {
        return false;
    }
    return take_param(params, text, size - tail);
}

static bool match_entry(const struct entry *entry, const char *path, struct route_params *params) {
    params->count = 0;
    for (int i = 0; i < entry->count; i++) {
        if (*path != '/') {
            return false;
        }
        path++;
        const struct segment *segment = &entry->segments[i];
        if (segment->rest) {
            return take_param(params, path, strlen(path));
        }
        size_t size = strcspn(path, "/");
        bool fits = segment->param ? match_param(segment, path, size, params)
                                   : size == segment->size && memcmp(path, segment->text, size) == 0;
        if (!fits) {
            return false;
        }
        path += size;
    }
    return *path == 0;
}

static void add_allowed(char allow[128], const char *method) {
    size_t used = strlen(allow);
    if (strstr(allow, method)) {
        return; /* named by another route of the same path */
    }
    snprintf(allow + used, 128 - used, "%s%s", used ? ", " : "", method);
    if (strcmp(method, "GET") == 0) {
        used = strlen(allow);
        snprintf(allow + used, 128 - used, ", HEAD");
    }
}

int router_match(const struct router *router, const char *method, const char *path,
                 struct route_params *params, int *error, char allow[128]) {
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    allow[0] = 0;
    for (int i = 0; i < router->count; i++) {
        const struct entry *entry = &router->entries[i];
        bool last_resort = entry->segments[0].rest;
        if ((last_resort && allow[0]) || !match_entry(entry, path, params)) {
            continue; /* "any other path" does not count where there is a call */
        }
        if (strcmp(entry->route->method, wanted) == 0) {
            *error = TG_OK;
            return i;
        }
        if (!last_resort) { /* that one says nothing of what is at this path */
            add_allowed(allow, entry->route->method);
        }
    }
    params->count = 0;
    *error = allow[0] ? TG_EMETHOD : TG_ENOT_FOUND;
    return -1;
}
