/* What is accepted can be written, and reads back as the same text; what is refused says why. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct problem problem = {0};
    json_t *value = json_parse(data, size, &problem);
    if (!value) {
        FUZZ_CHECK(problem.error < 0 && problem.detail[0]);
        return 0;
    }
    struct buf first = BUF_INIT, second = BUF_INIT;
    FUZZ_CHECK(json_append(&first, value) == 0);
    json_t *again = json_parse(first.data, first.size, &problem);
    FUZZ_CHECK(again && json_append(&second, again) == 0);
    FUZZ_CHECK(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    json_decref(again);
    json_decref(value);
    buf_free(&first);
    buf_free(&second);
    return 0;
}
