/* gtp_command.c - the tree searches, and a network alone, as a GTP engine on stdin and stdout. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/kinds/player.h"
#include "workers/go/gtp_engine.h"
#include "workers/run/run.h"
#include "workers/search/puct.h"
#include "workers/search/uct.h"

static const char *const modes[] = {"puct", "policy", NULL};

static const struct option_spec gtp_options[] = {
    {.name = "checkpoint",
     .type = OPTION_STRING,
     .value = "FILE",
     .min = 0,
     .max = 4096,
     .initial = "\"\"",
     .help = "file of a network that guides the search; its board size is played"},
    {.name = "player",
     .type = OPTION_CHOICE,
     .choices = modes,
     .initial = "\"puct\"",
     .help = "with a checkpoint: the search (puct) or the network's own move (policy)"},
    {.name = "value_share",
     .type = OPTION_NUMBER,
     .min = 0,
     .max = 1,
     .initial = "0",
     .help =
         "with a checkpoint that has a value head: its share in a leaf's result, the rest is a rollout's"},
    {.name = "playouts",
     .type = OPTION_INT,
     .min = 0,
     .max = 1e9,
     .initial = "0",
     .unit = "playouts",
     .help = "search effort of a move when the controller sets no time; 0: 10000, or 1000 with a network"},
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
    struct uct *uct; /* without a checkpoint; else: */
    struct puct *puct;
    struct evaluator *evaluator;
    bool policy; /* it does not search, whatever time the controller gives */
    struct search_choice choice;
};

static int choose(void *self, const struct game *game, enum color color, double seconds, go_move *move,
                  bool *resign) {
    struct mover *mover = self;
    struct problem problem = {0};
    seconds = mover->policy ? 0 : seconds;
    int error = mover->uct ? uct_search(mover->uct, game, color, seconds, NULL, NULL, &mover->choice)
                           : puct_search(mover->puct, mover->evaluator, game, color, seconds, NULL, NULL,
                                         &mover->choice, &problem);
    if (problem.error)
        run_complain("gtp", &problem);
    *move = mover->choice.move;
    *resign = mover->choice.resign;
    return error;
}

static void read_search(const json_t *options, uint32_t playouts, struct search_options *search) {
    const int64_t seed = option_int(options, "random_seed"), asked = option_int(options, "playouts");
    search->seconds = option_number(options, "seconds");
    search->playouts = search->seconds > 0 ? 0 : asked ? (uint32_t)asked : playouts;
    search->resign = option_number(options, "resign");
    search->memory_bytes = (size_t)option_int(options, "memory") << 20;
    search->seed = (uint64_t)(seed ? seed : clock_monotonic_ns());
}

enum { UCT_PLAYOUTS = 10000, PUCT_PLAYOUTS = 1000, BATCH_MAX = 16 };

static int create_puct(const json_t *options, struct mover *mover, struct problem *problem) {
    struct puct_options search = puct_options_default();
    const char *path = option_string(options, "checkpoint");
    int error = evaluator_network(path, 0, BATCH_MAX, &mover->evaluator, problem);
    if (error) {
        problem_in_file(problem, path);
        return error;
    }
    read_search(options, PUCT_PLAYOUTS, &search.search);
    search.value_share = mover->evaluator->has_value ? option_number(options, "value_share") : 0;
    mover->policy = strcmp(option_string(options, "player"), "policy") == 0;
    if (mover->policy) {
        search.search.playouts = 0;
        search.search.seconds = 0;
    }
    mover->puct = puct_create(&search);
    return mover->puct ? 0 : problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a search tree");
}

static int create_search(const json_t *options, struct mover *mover, struct problem *problem) {
    if (option_string(options, "checkpoint")[0])
        return create_puct(options, mover, problem);
    struct uct_options search = uct_options_default();
    read_search(options, UCT_PLAYOUTS, &search.search);
    mover->uct = uct_create(&search);
    return mover->uct ? 0 : problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a search tree");
}

static int read_rules(const json_t *options, struct go_rules *rules, struct problem *problem) {
    *rules = (struct go_rules){.size = (int)option_int(options, "board"),
                               .komi2 = (int)lrint(2 * option_number(options, "komi"))};
    int error = go_rules_check(options, problem);
    if (!error)
        error = rules_suicide_parse(option_string(options, "rules"), &rules->suicide);
    return error ? error : rules_ko_parse(option_string(options, "ko"), &rules->ko);
}

enum { BOARD_DEFAULT = 9 }; /* of the option */

/* A network plays boards of its own size; one that was asked for in vain would be missed only in the game. */
static int take_size(int network, struct go_rules *rules, struct problem *problem) {
    if (rules->size != network && rules->size != BOARD_DEFAULT)
        return problem_set(problem, TG_EINVALID, "--board",
                           "the network plays %dx%d, not %dx%d; leave --board out", network, network,
                           rules->size, rules->size);
    rules->size = network;
    return 0;
}

/* Plays until the controller quits. */
static int play(struct mover *self, struct go_rules *rules, struct problem *problem) {
    struct gtp_mover mover = {.self = self, .choose = choose};
    int error = self->evaluator ? take_size(self->evaluator->size, rules, problem) : 0;
    if (error)
        return error;
    if (self->evaluator)
        mover.size = rules->size;
    struct gtp_engine *engine = gtp_engine_create("Tengen", TENGEN_VERSION, rules, &mover);
    error = engine ? gtp_engine_run(engine, stdin, stdout) : TG_ENO_MEMORY;
    gtp_engine_destroy(engine);
    return error ? problem_set(problem, error, NULL, "%s", tg_error_title(error)) : 0;
}

static int serve(const json_t *options, struct go_rules *rules) {
    struct mover self = {0};
    struct problem problem = {0};
    int error = create_search(options, &self, &problem);
    if (!error)
        error = play(&self, rules, &problem);
    if (error)
        run_complain("gtp", &problem);
    uct_destroy(self.uct);
    puct_destroy(self.puct);
    evaluator_destroy(self.evaluator);
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
