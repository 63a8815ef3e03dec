/* A command line of the options of a kind: the first byte picks the kind, the rest is words with a zero byte
 * between them. What is accepted is a config that is accepted again; what is refused says why. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "proto/kinds/kind.h"

enum { WORDS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = calloc(1, size + 1), *argv[WORDS_MAX + 1] = {(char[]){"x"}};
    size_t kinds = 0;
    int argc = 1;
    while (kind_table()[kinds])
        kinds++;
    if (size > 0) {
        memcpy(text, data + 1, size - 1);
        for (size_t at = 0; at + 1 < size && argc < WORDS_MAX; at += strlen(text + at) + 1)
            argv[argc++] = text + at;
    }
    const struct option_spec *table = kind_table()[size ? data[0] % kinds : 0]->options;
    json_t *checked = NULL, *words = NULL, *again = NULL;
    struct problem problem = {0};
    if (options_parse_argv(table, argc, argv, &checked, &words, &problem) == 0) {
        FUZZ_CHECK(json_is_array(words));
        FUZZ_CHECK(options_check(table, checked, &again, &problem) == 0 && json_equal(checked, again));
    } else {
        FUZZ_CHECK(problem.error < 0 && problem.detail[0] && !checked && !words);
    }
    json_decref(checked);
    json_decref(words);
    json_decref(again);
    free(text);
    return 0;
}
