/* games.c - see games.h. The games of a task in lock-step.
 *
 *     seats     [ game 12 ][ game 9 ][ game 14 ][ free ]       each goes on until it waits for its network
 *     done      10, 11, 13 have ended and wait for 9           [window], by n % window
 *     next = 15, unsent = 9
 *
 * A round (play_rounds): free seats are filled, each game goes on until its player waits or it is over, what
 * can be sent is sent, and all questions are answered, one batch for each network. A game that needs no
 * network goes through from its beginning to its end within one round.
 *
 * Why in order. An attempt that takes over begins with the first game that is not stored, so a game that was
 * stored before an earlier one would be played twice. Hence `done`; and hence `window`, which bounds how far
 * the fast games may run ahead of a slow one: no game is begun that could find its place in `done` taken.
 *
 * Why it is the same game alone or among others: its seeds come from its number, and a network's answer does
 * not depend on the rest of the batch.
 *
 * A drain ends the beginning of games, not games: what has begun is finished. For kinds whose games belong
 * together (`group`: a match's pair with colours exchanged) it waits for the group's end, or half a pair
 * would be counted. A stop ends the round; what is not sent is lost and played again.
 */
#include "workers/alphago/games.h"

#include <stdlib.h>
#include "proto/base/rng.h"
#include "proto/kinds/player.h"

enum { OPENING_STREAM, PLAYERS_STREAM, STREAMS };

static uint64_t derive(uint64_t seed, int64_t number, int stream) {
    struct rng rng;
    rng_seed_stream(&rng, seed, (uint64_t)number * STREAMS + (uint64_t)stream);
    return rng_next(&rng);
}

static json_t *count_common(const struct record *record) {
    json_t *counters = json_object();
    const struct {
        const char *name;
        int value;
    } all[] = {
        {"games", 1},
        {"moves", game_move_count(record->game)},
        {"black_wins", record->winner == BLACK},
        {"white_wins", record->winner == WHITE},
        {"draws", record->winner == EMPTY},
        {"resigned", record->end == END_RESIGN},
        {"forfeited", record->end >= END_ILLEGAL && record->end <= END_NONSENSE},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        json_object_set_new(counters, all[i].name, json_integer(all[i].value));
    return counters;
}

static int send_game(struct port *port, const struct games_ops *ops, void *self, int64_t number,
                     const struct record *record) {
    struct buf body = BUF_INIT;
    json_t *counters = count_common(record);
    int error = counters && ops->count ? ops->count(self, number, record, counters) : 0;
    json_t *header = json_pack("{s:s, s:i, s:o, s:o}", "type", "game", "units", 1, "counters", counters,
                               "game", record_row(record));
    if (!error)
        error = header ? record_body(record, &body) : TG_ENO_MEMORY;
    if (!error)
        error = port_chunk(port, header, body.data, body.size);
    json_decref(header);
    buf_free(&body);
    return error;
}

/* ---- Side by side ---- */

/* A place at which one game after another is played. */
struct seat {
    struct playing playing;
    struct record *record; /* owned; NULL: the seat is free */
    int64_t n;             /* which of the task's games */
};

/* The games of a task under way. A chunk goes out only after those of all games before it, because an attempt
 * that takes over begins with the first game that is not stored: what is finished early waits in `done`. */
struct table {
    const struct task *task;
    struct port *port;
    const struct games_ops *ops;
    void *self;
    struct game_plan plan; /* what all games share */
    struct problem *problem;
    int seats, window;
    struct seat *seat;            /* [seats] */
    struct record **done;         /* [window], of game n at n % window */
    int64_t next, unsent, end;    /* to begin; to send; none is begun from here on */
    struct evaluation **requests; /* [requests_room], of all seats and one evaluator */
    int requests_room;
};

static int show_all(void *context) {
    struct table *table = context;
    json_t *live = json_array();
    for (int i = 0; i < table->seats && live; i++)
        if (table->seat[i].record)
            json_array_append_new(live,
                                  record_live(table->seat[i].record, table->seat[i].playing.plan.number));
    const int error = live ? port_progress(table->port, live) : TG_ENO_MEMORY;
    json_decref(live);
    return error;
}

static void free_record(struct record *record) {
    if (record)
        record_free(record);
    free(record);
}

static int begin_game(struct table *table, struct seat *seat) {
    struct game_plan plan = table->plan;
    seat->n = table->next++;
    plan.number = task_unit(table->task, seat->n);
    plan.opening_seed = derive(table->task->seed, plan.number / table->ops->group, OPENING_STREAM);
    plan.seed = derive(table->task->seed, plan.number, PLAYERS_STREAM);
    plan.moved = show_all;
    plan.context = table;
    table->ops->plan(table->self, (int)(seat - table->seat), plan.number, &plan);
    seat->record = calloc(1, sizeof(*seat->record));
    if (!seat->record)
        return TG_ENO_MEMORY;
    return playing_begin(&seat->playing, &plan, seat->record, table->problem);
}

/* A drain lets the group that has begun come to its end. */
static void heed_drain(struct table *table) {
    const int64_t number = task_unit(table->task, table->next);
    const bool group_begins = table->next == table->task->units_done || number % table->ops->group == 0;
    if (port_order(table->port) == ORDER_DRAIN && group_begins && table->next < table->end)
        table->end = table->next;
}

static int begin_games(struct table *table) {
    int error = 0;
    for (int i = 0; i < table->seats && !error; i++) {
        heed_drain(table);
        if (!table->seat[i].record && table->next < table->end && table->next - table->unsent < table->window)
            error = begin_game(table, &table->seat[i]);
    }
    return error;
}

static int advance_games(struct table *table) {
    int error = 0;
    for (int i = 0; i < table->seats && !error; i++) {
        struct seat *seat = &table->seat[i];
        if (!seat->record)
            continue;
        error = playing_advance(&seat->playing);
        if (error || !seat->playing.over)
            continue;
        playing_end(&seat->playing);
        table->done[seat->n % table->window] = seat->record;
        seat->record = NULL;
    }
    return error;
}

static int send_games(struct table *table) {
    int error = 0;
    while (table->unsent < table->next && !error) {
        struct record **record = &table->done[table->unsent % table->window];
        if (!*record)
            break;
        const int64_t number = task_unit(table->task, table->unsent);
        error = send_game(table->port, table->ops, table->self, number, *record);
        if (error)
            problem_set(table->problem, error, NULL, "game %lld could not be sent", (long long)number);
        free_record(*record);
        *record = NULL;
        table->unsent++;
    }
    return error;
}

static int gather(struct table *table, const struct seat *seat, int count) {
    int more;
    struct go_player *player = seat->playing.waits;
    struct evaluation *const *requests = player->ops->requests(player, &more);
    if (count + more > table->requests_room) {
        const int room = 2 * (count + more);
        struct evaluation **grown = realloc(table->requests, (size_t)room * sizeof(*grown));
        if (!grown)
            return TG_ENO_MEMORY;
        table->requests = grown;
        table->requests_room = room;
    }
    for (int i = 0; i < more; i++)
        table->requests[count + i] = requests[i];
    return more;
}

/* Answers every player that waits: all requests to one evaluator are one batch. Two evaluators at most play
 * here (A's and B's), so that looking for the first one not answered yet is cheap. */
static int answer_requests(struct table *table) {
    bool answered[GAMES_SEATS_MAX] = {false};
    int error = 0;
    for (int i = 0; i < table->seats && !error; i++) {
        if (!table->seat[i].record || answered[i])
            continue;
        struct evaluator *evaluator = table->seat[i].playing.waits->evaluator;
        int count = 0;
        for (int k = i; k < table->seats && error >= 0; k++) {
            const struct seat *seat = &table->seat[k];
            if (!seat->record || answered[k] || seat->playing.waits->evaluator != evaluator)
                continue;
            answered[k] = true;
            error = gather(table, seat, count);
            count += error > 0 ? error : 0;
        }
        if (error >= 0)
            error = evaluator_run(evaluator, table->requests, count, table->problem);
    }
    return error;
}

/* Every round: seats are filled, each game goes on until it needs its network, all questions are answered. */
static int play_rounds(struct table *table) {
    int error = 0;
    while (table->unsent < table->end && !error) {
        if (port_order(table->port) == ORDER_STOP)
            return TG_ECANCELLED;
        error = begin_games(table);
        if (!error)
            error = advance_games(table);
        if (!error)
            error = send_games(table);
        if (!error)
            error = answer_requests(table);
    }
    return error;
}

static void clear_table(struct table *table) {
    for (int i = 0; i < table->seats && table->seat; i++)
        if (table->seat[i].record) {
            playing_end(&table->seat[i].playing);
            free_record(table->seat[i].record);
        }
    for (int i = 0; i < table->window && table->done; i++)
        free_record(table->done[i]);
    free(table->seat);
    free(table->done);
    free(table->requests);
}

int games_run(const struct task *task, struct port *port, int random_moves, int seats,
              const struct games_ops *ops, void *self, struct problem *problem) {
    TG_ASSERT(seats >= 1 && seats <= GAMES_SEATS_MAX);
    struct table table = {.task = task,
                          .port = port,
                          .ops = ops,
                          .self = self,
                          .plan = {.random_moves = random_moves},
                          .problem = problem,
                          .seats = seats,
                          .window = 2 * seats,
                          .next = task->units_done,
                          .unsent = task->units_done,
                          .end = task->units};
    int error = game_plan_rules(task->config, &table.plan, problem);
    table.seat = calloc((size_t)table.seats, sizeof(*table.seat));
    table.done = calloc((size_t)table.window, sizeof(struct record *));
    if (!error)
        error = table.seat && table.done
                    ? play_rounds(&table)
                    : problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for %d games", seats);
    clear_table(&table);
    return error;
}

int games_seats(const json_t *config, const struct task *task, const json_t *const *players, int count) {
    int64_t seats = 1;
    for (int i = 0; i < count; i++) {
        if (option_number(players[i], "seconds") > 0)
            return 1; /* time that is shared is nobody's */
        if (player_has_network(players[i]))
            seats = option_int(config, "lockstep");
    }
    const int64_t left = task->units - task->units_done;
    seats = left < seats ? left : seats;
    return seats < 1 ? 1 : (int)seats;
}
