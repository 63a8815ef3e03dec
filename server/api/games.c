#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/api/handlers.h"

struct games_call {
    struct list_call list;
    int64_t job;
    const char *player;
};

static json_t *game_json(const struct game_row *row) {
    return json_pack("{s:I, s:I, s:I, s:I, s:i, s:f, s:s, s:s, s:s, s:s, s:i, s:s, s:s}", "id",
                     (json_int_t)row->id, "job", (json_int_t)row->job, "task", (json_int_t)row->task,
                     "created_ms", (json_int_t)row->created_ms, "board", row->board, "komi", row->komi,
                     "rules", row->rules, "black", row->black, "white", row->white, "result", row->result,
                     "moves", row->moves, "reason", row->reason, "note", row->note);
}

static int add_game(void *arg, const struct game_row *row) {
    return list_add(arg, row->id, game_json(row));
}

static int list_games(struct store_tx *tx, void *arg, struct problem *problem) {
    struct games_call *call = arg;
    return list_work_result(game_list(tx, call->job, call->player, call->list.cursor,
                                      (int)call->list.limit + 1, add_game, &call->list));
}

void handle_games_list(struct http_request *request, void *context) {
    struct problem problem = {0};
    struct games_call *call = (struct games_call *)list_begin(request, context, sizeof *call);
    if (!call) {
        return;
    }
    call->player = http_query(request, "player");
    if (http_query_int(request, "job", 1, INT64_MAX / 16, 0, &call->job, &problem) != TG_OK) {
        http_reply_problem(request, &problem);
        return;
    }
    call_read(&call->list.call, list_games, list_done);
}

static int list_job_games(struct store_tx *tx, void *arg, struct problem *problem) {
    struct games_call *call = arg;
    int error = call_job_exists(tx, call->job, problem);
    return error ? error : list_games(tx, arg, problem);
}

void handle_job_games(struct http_request *request, void *context) {
    struct games_call *call = (struct games_call *)list_begin(request, context, sizeof *call);
    if (call && call_param_id(request, &call->job) == TG_OK) {
        call_read(&call->list.call, list_job_games, list_done);
    }
}

/* ---- one game ---- */

struct game_call {
    struct call call;
    int64_t id;
    json_t *game;
    char *sgf;
};

static int take_game(void *arg, const struct game_row *row) {
    struct game_call *call = arg;
    call->game = game_json(row);
    call->sgf = strdup(row->sgf ? row->sgf : "");
    return call->game && call->sgf ? TG_OK : TG_ENO_MEMORY;
}

static int read_game(struct store_tx *tx, void *arg, struct problem *problem) {
    struct game_call *call = arg;
    int error = game_get(tx, call->id, take_game, call);
    return error == TG_ENOT_FOUND
               ? problem_set(problem, error, "id", "there is no game %lld", (long long)call->id)
               : error;
}

static void release_game(void *arg) {
    struct game_call *call = arg;
    json_decref(call->game);
    free(call->sgf);
}

static void game_read(void *arg, int error, const struct problem *problem) {
    struct game_call *call = arg;
    if (!call_failed(&call->call, error, problem)) {
        json_t *game = call->game;
        call->game = NULL;
        http_reply_json(call->call.request, 200, game);
    }
}

static void sgf_read(void *arg, int error, const struct problem *problem) {
    struct game_call *call = arg;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    char name[64];
    snprintf(name, sizeof name, "attachment; filename=\"game-%" PRId64 ".sgf\"", call->id);
    http_add_header(call->call.request, "Content-Disposition", name);
    char *sgf = call->sgf;
    call->sgf = NULL;
    http_reply(call->call.request, 200, "application/x-go-sgf", sgf, strlen(sgf));
}

static void game(struct http_request *request, void *context, store_done done) {
    struct game_call *call = call_begin(request, context, sizeof *call);
    if (call && call_param_id(request, &call->id) == TG_OK &&
        http_on_free(request, release_game, call) == TG_OK) {
        call_read(&call->call, read_game, done);
    }
}

void handle_game_get(struct http_request *request, void *context) {
    game(request, context, game_read);
}

void handle_game_sgf(struct http_request *request, void *context) {
    game(request, context, sgf_read);
}
