/* player_engine.c - a GTP engine (workers/go/gtp_client.h) as a player.
 *
 * One process serves game after game and plays one colour or both. After a failure it is killed at the game's
 * end and a new one is started for the next game. An engine that fails before it has ever answered anything
 * is not a player that loses but a machine that is set up wrongly: that ends the attempt with
 * TG_EUNAVAILABLE, which counts against the machine and not against the task. One that refuses the game at
 * once (its board is too large for it) fails the task.
 *
 * An engine that knows GNU Go's command set_random_seed is given one at each game, so that the same task is
 * the same games again. Others draw their luck as they like.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "workers/alphago/go_player.h"
#include "workers/alphago/record.h"
#include "workers/go/diagram.h"
#include "workers/go/gtp_client.h"
#include "workers/go/sgf_text.h"

enum {
    ANSWER_MS = 30000, /* for commands that need no thought, an engine's first start included */
    THINK_MS = 300000, /* for a move without a time limit */
    LAG_MS = 5000,     /* granted beyond a time limit */
    COMMAND_ROOM = 256,
};

struct player_engine {
    struct go_player base;
    char *command;
    double seconds;
    bool proven;  /* it has answered before */
    bool refused; /* its last answer was a refusal */
    struct gtp_client *client;
    bool seeded; /* the client knows set_random_seed */
};

static int forfeit(struct player_engine *self, enum game_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int forfeit(struct player_engine *self, enum game_end end, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->base.forfeit.note, FORFEIT_NOTE_MAX, format, arguments);
    va_end(arguments);
    utf8_mend(self->base.forfeit.note); /* the engine may have said anything */
    self->base.forfeit.end = end;
    return TG_EENGINE;
}

static int lose(struct player_engine *self, enum gtp_outcome outcome, const char *command) {
    static const enum game_end ends[] = {
        [GTP_REFUSED] = END_NONSENSE,
        [GTP_DIED] = END_DIED,
        [GTP_TIMEOUT] = END_TIMEOUT,
        [GTP_NONSENSE] = END_NONSENSE,
    };
    self->refused = outcome == GTP_REFUSED;
    if (outcome == GTP_STOPPED)
        return TG_ECANCELLED;
    return forfeit(self, ends[outcome], "%s%.200s (at %.30s)", outcome == GTP_REFUSED ? "refused: " : "",
                   gtp_client_reply(self->client), command);
}

static int ask_ms(struct player_engine *self, int64_t timeout_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int ask_ms(struct player_engine *self, int64_t timeout_ms, const char *format, ...) {
    char command[COMMAND_ROOM];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    enum gtp_outcome outcome = gtp_client_command(self->client, timeout_ms, "%s", command);
    if (outcome != GTP_SUCCESS)
        return lose(self, outcome, command);
    self->proven = true;
    return 0;
}
#define ask(self, ...) ask_ms(self, ANSWER_MS, __VA_ARGS__)

static int tell_move(struct player_engine *self, const struct game *game, enum color color, go_move move) {
    char vertex[VERTEX_TEXT_MAX];
    vertex_text(game_board(game), move, vertex);
    return ask(self, "play %c %s", color == BLACK ? 'b' : 'w', vertex);
}

/* Once for each process. known_command is GTP's own; one that refuses even that takes no seed. */
static int learn_whether_seeded(struct player_engine *self) {
    int error = ask(self, "known_command set_random_seed");
    self->seeded = !error && strcmp(gtp_client_reply(self->client), "true") == 0;
    if (!error || !self->refused)
        return error;
    self->base.forfeit = (struct forfeit){0};
    return 0;
}

static int set_up(struct player_engine *self, const struct game *game, uint64_t seed) {
    const struct go_rules *rules = game_rules(game);
    int error = ask(self, "boardsize %d", rules->size);
    if (!error)
        error = ask(self, "clear_board");
    if (!error && self->seeded)
        error = ask(self, "set_random_seed %d", (int)(seed & INT32_MAX));
    if (!error)
        error = ask(self, "komi %.1f", rules->komi2 / 2.0);
    if (!error && self->seconds > 0)
        error = ask(self, "time_settings 0 %d 1", self->seconds < 1 ? 1 : (int)self->seconds);
    for (int i = 0; i < game_move_count(game) && !error; i++) {
        enum color color;
        go_move move = game_move(game, i, &color);
        error = tell_move(self, game, color, move);
    }
    return error;
}

/* "engine:NAME": the capability that a machine without a working one offers wrongly. */
static int unavailable(const char *name, struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int unavailable(const char *name, struct problem *problem, const char *format, ...) {
    char field[PROBLEM_FIELD_MAX], why[PROBLEM_DETAIL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    snprintf(field, sizeof(field), "engine:%s", name);
    return problem_set(
        problem, TG_EUNAVAILABLE, field,
        "engine %.60s %.300s; install it there, or name its command with --engine %.60s=COMMAND", name, why,
        name);
}

static int engine_begin(struct go_player *player, const struct game *game, uint64_t seed,
                        struct problem *problem) {
    struct player_engine *self = (struct player_engine *)player;
    const struct gtp_client_options options = {
        .command = self->command, .name = player->name, .stop = go_player_stopped, .context = player->port};
    bool first = !self->client;
    int error = !first ? 0 : gtp_client_start(&options, &self->client, problem);
    if (error == TG_EENGINE)
        return unavailable(player->name, problem, "does not work on this machine: %s", problem->detail);
    if (error)
        return error;
    error = first ? learn_whether_seeded(self) : 0;
    if (!error)
        error = set_up(self, game, seed);
    if (error != TG_EENGINE || self->proven)
        return error;
    if (!self->refused)
        return unavailable(player->name, problem, "does not work on this machine: %s", player->forfeit.note);
    problem_set(problem, TG_EENGINE, player->name, "%s cannot play this game: %s", player->name,
                player->forfeit.note);
    return TG_ERUNNER; /* not a lost game */
}

static int engine_choose(struct go_player *player, const struct game *game, enum color color, go_move *move,
                         bool *resign, struct thought *thought, struct problem *problem) {
    struct player_engine *self = (struct player_engine *)player;
    int64_t limit = self->seconds > 0 ? (int64_t)(self->seconds * 1500) + LAG_MS : THINK_MS;
    int error = ask_ms(self, limit, "genmove %c", color == BLACK ? 'b' : 'w');
    if (error)
        return error;
    const char *reply = gtp_client_reply(self->client);
    *resign = strcasecmp(reply, "resign") == 0;
    if (*resign || vertex_parse(game_board(game), reply, move) == 0)
        return 0;
    return forfeit(self, END_ILLEGAL, "answered \"%.60s\" to genmove", reply);
}

static int engine_observe(struct go_player *player, const struct game *game, enum color color, go_move move,
                          struct problem *problem) {
    return tell_move((struct player_engine *)player, game, color, move);
}

static int engine_final_score(struct go_player *player, char text[], size_t size, struct problem *problem) {
    struct player_engine *self = (struct player_engine *)player;
    int error = ask_ms(self, THINK_MS, "final_score");
    if (!error)
        snprintf(text, size, "%s", gtp_client_reply(self->client));
    return error;
}

static void engine_end(struct go_player *player) {
    struct player_engine *self = (struct player_engine *)player;
    if (player->forfeit.end == END_SCORE)
        return;
    gtp_client_destroy(self->client);
    self->client = NULL;
}

static void engine_destroy(struct go_player *player) {
    struct player_engine *self = (struct player_engine *)player;
    gtp_client_destroy(self->client);
    free(self->command);
    free(self);
}

static const struct go_player_ops engine_ops = {
    .begin = engine_begin,
    .choose = engine_choose,
    .observe = engine_observe,
    .final_score = engine_final_score,
    .end = engine_end,
    .destroy = engine_destroy,
};

int go_player_engine(const char *name, double seconds, const struct task *task, struct port *port,
                     struct go_player **player, struct problem *problem) {
    const char *command = json_string_value(json_object_get(task->engines, name));
    if (!command)
        return unavailable(name, problem, "is not known on this machine");
    struct player_engine *self = calloc(1, sizeof(*self));
    if (!self)
        return TG_ENO_MEMORY;
    self->base = (struct go_player){.ops = &engine_ops, .port = port};
    self->seconds = seconds;
    self->command = strdup(command);
    snprintf(self->base.name, sizeof(self->base.name), "%s", name);
    *player = &self->base;
    if (self->command)
        return 0;
    free(self);
    return TG_ENO_MEMORY;
}
