#include "workers/alphago/games.h"

#include "proto/base/rng.h"

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

static int play_one(struct port *port, const struct games_ops *ops, void *self, const struct game_plan *plan,
                    struct problem *problem) {
    struct record record = {0};
    int error = game_run(plan, port, &record, problem);
    if (!error) {
        error = send_game(port, ops, self, plan->number, &record);
        if (error)
            problem_set(problem, error, NULL, "game %lld could not be sent", (long long)plan->number);
    }
    record_free(&record);
    return error;
}

int games_run(const struct task *task, struct port *port, int random_moves, const struct games_ops *ops,
              void *self, struct problem *problem) {
    struct game_plan plan = {.random_moves = random_moves};
    int error = game_plan_rules(task->config, &plan, problem);
    for (int64_t n = task->units_done; n < task->units && !error; n++) {
        plan.number = task_unit(task, n);
        const enum order order = port_order(port);
        const bool group_begins = n == task->units_done || plan.number % ops->group == 0;
        if (order == ORDER_STOP)
            return TG_ECANCELLED;
        if (order == ORDER_DRAIN && group_begins)
            break;
        plan.opening_seed = derive(task->seed, plan.number / ops->group, OPENING_STREAM);
        plan.seed = derive(task->seed, plan.number, PLAYERS_STREAM);
        ops->plan(self, plan.number, &plan);
        error = play_one(port, ops, self, &plan, problem);
    }
    return error;
}
