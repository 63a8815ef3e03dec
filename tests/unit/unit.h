/* unit.h - what every cmocka program needs, in the order that cmocka wants. */
#ifndef TENGEN_TESTS_UNIT_H
#define TENGEN_TESTS_UNIT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#endif
