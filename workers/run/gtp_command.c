/* gtp_command.c - the tree search as a GTP engine on stdin and stdout. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/kinds/player.h"
#include "workers/go/gtp_engine.h"
#include "workers/run/run.h"
#include "workers/search/uct.h"

static const struct option_spec gtp_options[] = {
    {.name = "playouts",
     .type = OPTION_INT,
     .min = 1,
     .max = 1e9,
     .initial = "10000",
     .unit = "playouts",
     .help = "search effort of a move when the controller sets no time"},
    {.name = "seconds",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 3600,
     .initial = "0",
     .unit = "s",
     .help = "time for a move instead of playouts; 0: by playouts"},
    {.name = "resign",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 0.5,
     .initial = "0.1",
     .help = "resigns below this chance of winning; 0: never"},
    {.name = "memory",
     .type = OPTION_INT,
     .min = 1,
     .max = 65536,
     .initial = "256",
     .unit = "MiB",
     .help = "of the search tree"},
    {.name = "random_seed",
     .type = OPTION_INT,
     .min = 0,
     .max = OPTION_INT_MAX,
     .initial = "0",
     .help = "0: by the clock"},
    GO_RULES_OPTIONS,
    {.name = NULL},
};

/* The search stays for the whole session and notices itself what the game has become. */
struct mover {
    struct uct *uct;
    struct uct_choice choice;
};

static int choose(void *self, const struct game *game, enum color color, double seconds, go_move *move,
                  bool *resign) {
    struct mover *mover = self;
    int error = uct_search(mover->uct, game, color, seconds, NULL, NULL, &mover->choice);
    *move = mover->choice.move;
    *resign = mover->choice.resign;
    return error;
}

static struct uct *create_search(const json_t *options) {
    struct uct_options search = uct_options_default();
    const int64_t seed = option_int(options, "random_seed");
    search.seconds = option_number(options, "seconds");
    search.playouts = search.seconds > 0 ? 0 : (uint32_t)option_int(options, "playouts");
    search.resign = option_number(options, "resign");
    search.memory_bytes = (size_t)option_int(options, "memory") << 20;
    search.seed = (uint64_t)(seed ? seed : clock_monotonic_ns());
    return uct_create(&search);
}

static int read_rules(const json_t *options, struct go_rules *rules, struct problem *problem) {
    *rules = (struct go_rules){.size = (int)option_int(options, "board"),
                               .komi2 = (int)lrint(2 * option_number(options, "komi"))};
    int error = go_rules_check(options, problem);
    if (!error)
        error = rules_suicide_parse(option_string(options, "rules"), &rules->suicide);
    return error ? error : rules_ko_parse(option_string(options, "ko"), &rules->ko);
}

static int serve(const json_t *options, const struct go_rules *rules) {
    struct mover *self = calloc(1, sizeof(*self));
    if (self)
        self->uct = create_search(options);
    const struct gtp_mover mover = {self, choose};
    struct gtp_engine *engine =
        self && self->uct ? gtp_engine_create("Tengen", TENGEN_VERSION, rules, &mover) : NULL;
    int error = engine ? gtp_engine_run(engine, stdin, stdout) : TG_ENO_MEMORY;
    if (error)
        fprintf(stderr, "tengen-run gtp: %s\n", tg_error_title(error));
    gtp_engine_destroy(engine);
    if (self)
        uct_destroy(self->uct);
    free(self);
    return error ? RUN_FAILED : RUN_OK;
}

int command_gtp(int argc, char **argv) {
    json_t *options;
    struct go_rules rules;
    struct problem problem = {0};
    int code = run_options("gtp [options]", gtp_options, argc, argv, &options, NULL);
    if (code || !options)
        return code;
    if (read_rules(options, &rules, &problem)) {
        run_complain("gtp", &problem);
        code = RUN_USAGE;
    } else {
        code = serve(options, &rules);
    }
    json_decref(options);
    return code;
}
