/* auth.c - tokens, sessions, and what stands before every request.
 *
 * A store without any token asks for none (and main.c does not let it listen beyond loopback): whoever can
 * reach it may do all, and makes the first token, which must be an admin's. From then on every request needs
 * one.
 *
 *     Authorization: Bearer tg_...      programs
 *     cookie tengen_session             the dashboard: HttpOnly, so that no script reads it, and
 *                                       SameSite=Strict, so that no other site's page can use it
 *
 * The header goes before the cookie. A session is nothing but the token in a cookie: there is no second
 * secret to store, and revoking the token ends it. All tokens are in memory, as hashes, so a request costs no
 * read of the store and a revoked one fails at the next request.
 *
 * Roles are asked for by route (http_route.access), before a byte of a body is read. Whether a worker's token
 * may speak for that worker is asked later (fleet_speaker). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "proto/base/clock.h"
#include "proto/base/options.h"
#include "proto/wire/json.h"
#include "server/api/handlers.h"
#include "server/api/tokens.h"

#define SESSION_COOKIE "tengen_session"

static const char *const roles[] = {"view", "submit", "worker", "admin", NULL};

/* The roles that may, for people: "view, submit or admin". */
static void name_roles(unsigned access, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (int role = 0; role < ROLE_COUNT; role++) {
        if (access & 1u << role) {
            bool last = access >> (role + 1) == 0;
            used += (size_t)snprintf(out + used, size - used, "%s%s",
                                     used == 0 ? ""
                                     : last    ? " or "
                                               : ", ",
                                     token_role_name((enum token_role)role));
        }
    }
}

static const char *token_of(const struct http_request *request) {
    const char *header = http_header(request, "Authorization");
    if (header) {
        return strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 + strspn(header + 7, " ") : "";
    }
    return http_cookie(request, SESSION_COOKIE);
}

bool api_is_tokenless(void *context) {
    return tokens_none(((struct api *)context)->tokens);
}

int api_authorize(void *context, struct http_request *request, unsigned access, struct problem *problem) {
    struct api *api = context;
    if (access == 0) {
        return TG_OK;
    }
    if (api_is_tokenless(api)) {
        http_set_user(request, 0, ROLE_ADMIN, "");
        return TG_OK;
    }
    const char *text = token_of(request);
    if (!text) {
        return problem_set(problem, TG_ETOKEN_MISSING, "Authorization",
                           "send a token as \"Authorization: Bearer tg_...\"");
    }
    struct token *token;
    int error = tokens_find(api->tokens, text, &token, problem);
    if (error) {
        return error;
    }
    if (!(access & 1u << token->role)) {
        char wanted[64];
        name_roles(access, wanted, sizeof wanted);
        return problem_set(problem, TG_EWRONG_ROLE, "Authorization",
                           "this call needs a token of role %s; this one's role is %s", wanted,
                           token_role_name(token->role));
    }
    http_set_user(request, token->id, (int)token->role, token->name);
    token->used = true;
    token->used_ms = clock_wall_ms();
    api_chore(api);
    return TG_OK;
}

/* ---- whoami and sessions ---- */

void handle_whoami(struct http_request *request, void *context) {
    http_reply_json(request, 200,
                    json_pack("{s:s, s:s, s:s}", "role",
                              token_role_name((enum token_role)http_user_role(request)), "name",
                              http_user_name(request), "version", TENGEN_VERSION));
}

static void set_cookie(struct http_request *request, const char *value, int seconds) {
    char text[192];
    snprintf(text, sizeof text, SESSION_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s", value,
             seconds, http_is_tls(request) ? "; Secure" : "");
    http_add_header(request, "Set-Cookie", text);
}

void handle_session_open(struct http_request *request, void *context) {
    static const struct option_spec fields[] = {
        {.name = "token", .type = OPTION_STRING, .min = 1, .max = 100, .help = "a token"}, {.name = NULL}};
    struct api *api = context;
    struct problem problem = {0};
    json_t *given = call_json(request), *body = NULL;
    if (!given) {
        return;
    }
    struct token *token = NULL;
    int error = options_check(fields, given, &body, &problem);
    if (!error && !api_is_tokenless(api)) {
        error = tokens_find(api->tokens, option_string(body, "token"), &token, &problem);
        if (error) {
            snprintf(problem.field, sizeof problem.field, "token");
        }
    }
    if (error) {
        http_reply_problem(request, &problem);
    } else {
        if (token) {
            set_cookie(request, option_string(body, "token"), 30 * 24 * 3600);
        }
        http_reply_json(request, 200,
                        json_pack("{s:s, s:s, s:s}", "role",
                                  token_role_name(token ? token->role : ROLE_ADMIN), "name",
                                  token ? token->name : "", "version", TENGEN_VERSION));
    }
    json_decref(body);
}

void handle_session_close(struct http_request *request, void *context) {
    set_cookie(request, "", 0);
    http_reply(request, 204, NULL, NULL, 0);
}

/* ---- tokens ---- */

static json_t *token_json(const struct token_row *row) {
    return json_pack("{s:I, s:s, s:s, s:I, s:o, s:o}", "id", (json_int_t)row->id, "role",
                     token_role_name(row->role), "name", row->name, "created_ms", (json_int_t)row->created_ms,
                     "used_ms", null_or_ms(row->used_ms), "revoked_ms", null_or_ms(row->revoked_ms));
}

static int add_token(void *arg, const struct token_row *row) {
    return list_add(arg, row->id, token_json(row));
}

static int list_tokens(struct store_tx *tx, void *arg, struct problem *problem) {
    struct list_call *list = arg;
    return list_work_result(token_list(tx, list->cursor, (int)list->limit + 1, add_token, list));
}

void handle_tokens_list(struct http_request *request, void *context) {
    struct list_call *list = list_begin(request, context, sizeof *list);
    if (list) {
        call_read(&list->call, list_tokens, list_done);
    }
}

struct token_call {
    struct call call;
    char text[TOKEN_TEXT];
    uint8_t hash[TOKEN_HASH_BYTES];
    enum token_role role;
    const char *name;
    int64_t id, now_ms;
};

static int insert_token(struct store_tx *tx, void *arg, struct problem *problem) {
    struct token_call *call = arg;
    return token_insert(tx, call->hash, call->role, call->name, call->now_ms, &call->id);
}

static void token_inserted(void *arg, int error, const struct problem *problem) {
    struct token_call *call = arg;
    if (call_failed(&call->call, error, problem)) {
        return;
    }
    struct token_row row = {.id = call->id,
                            .created_ms = call->now_ms,
                            .role = call->role,
                            .name = call->name,
                            .hash = call->hash};
    if (tokens_add(call->call.api->tokens, &row) != TG_OK) {
        http_reply_error(call->call.request, TG_ENO_MEMORY, NULL,
                         "the server is out of memory; revoke token %lld and "
                         "try again",
                         (long long)call->id);
        return;
    }
    json_t *answer = token_json(&row);
    json_object_set_new(answer, "token", json_string(call->text));
    http_reply_json(call->call.request, 201, answer);
}

void handle_tokens_create(struct http_request *request, void *context) {
    static const struct option_spec fields[] = {
        {.name = "role", .type = OPTION_CHOICE, .choices = roles, .help = "what it may do"},
        {.name = "name", .type = OPTION_STRING, .max = 100, .initial = "\"\"", .help = "what it is for"},
        {.name = NULL}};
    struct problem problem = {0};
    struct token_call *call;
    json_t *given = call_json(request), *body = NULL;
    if (!given || !(call = call_begin(request, context, sizeof *call))) {
        return;
    }
    int error = options_check(fields, given, &body, &problem);
    if (!error) {
        call_keep(request, body);
        token_role_parse(option_string(body, "role"), &call->role);
        if (api_is_tokenless(context) && call->role != ROLE_ADMIN) {
            error = problem_set(&problem, TG_EINVALID, "role",
                                "the first token must be an admin's: from then on every call needs a token");
        }
    }
    if (error) {
        http_reply_problem(request, &problem);
        return;
    }
    call->name = option_string(body, "name");
    call->now_ms = clock_wall_ms();
    token_make(call->text, call->hash);
    call_write(&call->call, insert_token, token_inserted);
}

struct revoke_call {
    struct call call;
    int64_t id, now_ms;
};

static int write_revoked(struct store_tx *tx, void *arg, struct problem *problem) {
    struct revoke_call *call = arg;
    int error = token_revoke(tx, call->id, call->now_ms);
    return error == TG_ENOT_FOUND
               ? problem_set(problem, error, "id", "there is no token %lld", (long long)call->id)
               : error;
}

static void revoked(void *arg, int error, const struct problem *problem) {
    struct revoke_call *call = arg;
    if (!call_failed(&call->call, error, problem)) {
        tokens_revoke(call->call.api->tokens, call->id, call->now_ms);
        http_reply(call->call.request, 204, NULL, NULL, 0);
    }
}

void handle_tokens_revoke(struct http_request *request, void *context) {
    struct revoke_call *call = call_begin(request, context, sizeof *call);
    if (!call || call_param_id(request, &call->id) != TG_OK) {
        return;
    }
    if (tokens_is_last_admin(call->call.api->tokens, call->id)) {
        struct problem problem = {0};
        problem_set(&problem, TG_EWRONG_STATE, "id",
                    "this is the only admin token left; create another one first, or nobody could make any");
        http_reply_problem(request, &problem);
        return;
    }
    call->now_ms = clock_wall_ms();
    call_write(&call->call, write_revoked, revoked);
}

/* ---- from the command line ---- */

struct offline_token {
    uint8_t hash[TOKEN_HASH_BYTES];
    enum token_role role;
    const char *name;
};

static int insert_offline(struct store_tx *tx, void *arg, struct problem *problem) {
    const struct offline_token *token = arg;
    int64_t id;
    return token_insert(tx, token->hash, token->role, token->name, clock_wall_ms(), &id);
}

int api_create_token(struct store *store, const char *role, const char *name, char text[TOKEN_TEXT],
                     struct problem *problem) {
    struct offline_token token = {.name = name};
    if (token_role_parse(role, &token.role) != TG_OK) {
        return problem_set(problem, TG_EINVALID, "role", "must be view, submit, worker or admin, is %.40s",
                           role);
    }
    token_make(text, token.hash);
    return store_write_now(store, insert_offline, &token, problem);
}

static int restore_token(void *arg, const struct token_row *row) {
    return tokens_add(((struct api *)arg)->tokens, row);
}

static int read_tokens(struct store_tx *tx, void *arg, struct problem *problem) {
    return token_list(tx, 0, 1, restore_token, arg);
}

int api_create_first_token(struct api *api, char text[TOKEN_TEXT], struct problem *problem) {
    int error = api_create_token(api->store, "admin", "first", text, problem);
    return error ? error : store_read_now(api->store, read_tokens, api, problem);
}
