/* A job's config: the first byte picks the kind, the rest is JSON. What a check accepts it accepts again,
 * unchanged; a refusal names a field. */
#include "tests/fuzz/fuzz.h"

#include "proto/kinds/kind.h"
#include "proto/wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t kinds = 0;
    while (kind_table()[kinds])
        kinds++;
    if (size == 0)
        return 0;
    const char *name = kind_table()[data[0] % kinds]->name;
    json_t *config = json_parse(data + 1, size - 1, NULL), *checked = NULL, *again = NULL;
    if (!config)
        return 0;
    const struct kind *kind;
    struct problem problem = {0};
    if (kind_check(name, config, &kind, &checked, &problem)) {
        FUZZ_CHECK(problem.error < 0 && problem.detail[0] && problem.field[0] && !checked);
    } else {
        FUZZ_CHECK(kind_check(name, checked, NULL, &again, &problem) == 0 && json_equal(checked, again));
        json_decref(kind->needs ? kind->needs(checked) : NULL);
        if (kind->patience_s)
            FUZZ_CHECK(kind->patience_s(checked) > 0);
    }
    json_decref(again);
    json_decref(checked);
    json_decref(config);
    return 0;
}
