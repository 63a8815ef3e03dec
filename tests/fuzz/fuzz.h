/* fuzz.h - what every libFuzzer target shares. A target aborts (FUZZ_CHECK) when a property does not hold; a
 * crash, a sanitizer's report, a time-out or too much memory are found by libFuzzer itself. */
#ifndef TENGEN_TESTS_FUZZ_H
#define TENGEN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

#endif
