/* What is accepted can be written, compact or pretty, and reads back as the same value; what is refused says
 * why. Any value can be taken for a problem document, and what is made of it is one. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/wire/json.h"
#include "proto/wire/problem.h"

static void check_problem(const json_t *value) {
    struct problem problem = {0}, again = {0};
    problem_from_json(value, 400, &problem);
    FUZZ_CHECK(problem.error < 0);
    json_t *document = problem_to_json(&problem);
    problem_from_json(document, 400, &again);
    FUZZ_CHECK(again.error == problem.error && strcmp(again.field, problem.field) == 0);
    json_decref(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct problem problem = {0};
    json_t *value = json_parse(data, size, &problem);
    if (!value) {
        FUZZ_CHECK(problem.error < 0 && problem.detail[0]);
        return 0;
    }
    struct buf first = BUF_INIT, second = BUF_INIT;
    FUZZ_CHECK(json_append(&first, value) == 0 && json_append_pretty(&second, value) == 0);
    json_t *again = json_parse(first.data, first.size, &problem),
           *pretty = json_parse(second.data, second.size, &problem);
    FUZZ_CHECK(json_equal(again, value) && json_equal(pretty, value));
    check_problem(value);
    json_decref(again);
    json_decref(pretty);
    json_decref(value);
    buf_free(&first);
    buf_free(&second);
    return 0;
}
