/* The table of routes and proto/openapi.yaml describe the same calls. */
#include "tests/unit/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include "server/api/api.h"
#include "server/api/core.h"
#include "server/api/openapi.h"

static json_t *document;

static int load(void **state) {
    document = json_loadb((const char *)openapi_json, openapi_json_size, 0, NULL);
    return document ? 0 : -1;
}

static int unload(void **state) {
    json_decref(document);
    return 0;
}

/* "{file...}" is "{file}" there. */
static void path_of(const struct http_route *route, char out[200]) {
    const char *rest = strstr(route->pattern, "...}");
    if (rest) {
        snprintf(out, 200, "%.*s%s", (int)(rest - route->pattern), route->pattern, rest + 3);
    } else {
        snprintf(out, 200, "%s", route->pattern);
    }
}

static void lower(const char *method, char out[16]) {
    size_t i = 0;
    for (; method[i] && i < 15; i++) {
        out[i] = (char)tolower((unsigned char)method[i]);
    }
    out[i] = 0;
}

static const json_t *operation_of(const struct http_route *route) {
    char path[200], method[16];
    path_of(route, path);
    lower(route->method, method);
    const json_t *operation =
        json_object_get(json_object_get(json_object_get(document, "paths"), path), method);
    if (!operation) {
        fail_msg("%s %s is not in openapi.yaml", route->method, route->pattern);
    }
    return operation;
}

static void every_route_is_described(void **state) {
    int count = 0;
    for (const struct http_route *route = api_routes(); route->method; route++, count++) {
        const json_t *operation = operation_of(route);
        assert_non_null(json_string_value(json_object_get(operation, "summary")));
    }
    assert_true(count > 40);
}

static bool has_route(const char *path, const char *method) {
    for (const struct http_route *route = api_routes(); route->method; route++) {
        char own_path[200], own_method[16];
        path_of(route, own_path);
        lower(route->method, own_method);
        if (strcmp(path, own_path) == 0 && strcmp(method, own_method) == 0) {
            return true;
        }
    }
    return false;
}

static void every_description_has_a_route(void **state) {
    const char *path, *method;
    json_t *item, *operation;
    int count = 0;
    json_object_foreach(json_object_get(document, "paths"), path, item) {
        json_object_foreach(item, method, operation) {
            if (!has_route(path, method)) {
                fail_msg("openapi.yaml describes %s %s, which no route takes", method, path);
            }
            count++;
        }
    }
    assert_true(count > 40);
}

static void roles_agree(void **state) {
    for (const struct http_route *route = api_routes(); route->method; route++) {
        const json_t *operation = operation_of(route);
        const char *text = json_string_value(json_object_get(operation, "description"));
        bool open = json_array_size(json_object_get(operation, "security")) == 0 &&
                    json_object_get(operation, "security");
        assert_non_null(text);
        assert_int_equal(open, route->access == 0);
        for (int role = 0; role < ROLE_COUNT && route->access && route->access != MAY_ANY; role++) {
            bool named = strstr(text, token_role_name((enum token_role)role)) != NULL;
            if (named != ((route->access >> role & 1) != 0)) {
                fail_msg("%s %s: the role %s differs from openapi.yaml (%s)", route->method, route->pattern,
                         token_role_name((enum token_role)role), text);
            }
        }
    }
}

static void bodies_agree(void **state) {
    for (const struct http_route *route = api_routes(); route->method; route++) {
        const json_t *content =
            json_object_get(json_object_get(operation_of(route), "requestBody"), "content");
        if ((content != NULL) != (route->media != NULL)) {
            fail_msg("%s %s: takes a body or not?", route->method, route->pattern);
        }
        if (content && strcmp(route->media, "*") != 0 && !json_object_get(content, route->media)) {
            fail_msg("%s %s: the body is %s", route->method, route->pattern, route->media);
        }
    }
}

/* Every "$ref" leads somewhere. */
static void follow(const json_t *value) {
    const char *key;
    json_t *member;
    size_t index;
    json_array_foreach(value, index, member) {
        follow(member);
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        const char *target = strcmp(key, "$ref") == 0 ? json_string_value(member) : NULL;
        if (target) {
            const json_t *components = json_object_get(document, "components");
            const char *at = strrchr(target, '/');
            const char *group = strstr(target, "/schemas/") ? "schemas" : "responses";
            if (!json_object_get(json_object_get(components, group), at + 1)) {
                fail_msg("%s leads nowhere", target);
            }
        }
        follow(member);
    }
}

static void references_lead_somewhere(void **state) {
    follow(document);
    assert_string_equal(json_string_value(json_object_get(document, "openapi")), "3.1.0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(every_description_has_a_route),
        cmocka_unit_test(roles_agree),
        cmocka_unit_test(bodies_agree),
        cmocka_unit_test(references_lead_somewhere),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
