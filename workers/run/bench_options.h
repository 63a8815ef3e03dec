/* bench_options.h - the options that several benches take, each written once: members of an option table. */
#ifndef TENGEN_RUN_BENCH_OPTIONS_H
#define TENGEN_RUN_BENCH_OPTIONS_H

#include "proto/base/options.h"

#define BENCH_BOARD                                                                                          \
    {                                                                                                        \
        .name = "board", .type = OPTION_INT, .min = 2, .max = 19, .initial = "9", .unit = "points",          \
        .help = "board size"                                                                                 \
    }
#define BENCH_SECONDS                                                                                        \
    {                                                                                                        \
        .name = "seconds", .type = OPTION_NUMBER, .min = 0.01, .max = 600, .initial = "2", .unit = "s",      \
        .help = "how long to measure"                                                                        \
    }
#define BENCH_SEED                                                                                           \
    {                                                                                                        \
        .name = "seed", .type = OPTION_INT, .min = 0, .max = OPTION_INT_MAX, .initial = "1",                 \
        .help = "of the random numbers"                                                                      \
    }
#define BENCH_JSON                                                                                           \
    {                                                                                                        \
        .name = "json", .type = OPTION_BOOL, .initial = "false", .flag_only = true,                          \
        .help = "print one JSON object"                                                                      \
    }

#endif
