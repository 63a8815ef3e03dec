#include "proto/wire/problem.h"

#include <string.h>

json_t *problem_to_json(const struct problem *problem) {
    json_t *document = json_object();
    json_object_set_new(document, "type", json_string("about:blank"));
    json_object_set_new(document, "title", json_string(tg_error_title(problem->error)));
    json_object_set_new(document, "status", json_integer(tg_error_status(problem->error)));
    json_object_set_new(document, "code", json_string(tg_error_code(problem->error)));
    /* A text that is not UTF-8 (a file's name) is left empty rather than breaking the document. */
    if (json_object_set_new(document, "field", json_string(problem->field)))
        json_object_set_new(document, "field", json_string(""));
    if (json_object_set_new(document, "detail", json_string(problem->detail)))
        json_object_set_new(document, "detail", json_string(""));
    return document;
}

void problem_from_json(const json_t *document, int status, struct problem *problem) {
    const char *code = json_string_value(json_object_get(document, "code"));
    const char *field = json_string_value(json_object_get(document, "field"));
    const char *detail = json_string_value(json_object_get(document, "detail"));
    if (!code) {
        problem_set(problem, TG_EINTERNAL, NULL, "the answer had status %d and no problem document", status);
        return;
    }
    problem_set(problem, tg_error_from_code(code), field, "%s", detail ? detail : "");
}
