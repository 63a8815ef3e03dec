#include "server/api/tokens.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"

/* Found by the first bytes of the hash, which tell a guesser nothing (he does not know the hash of what he
 * sends to have); the whole is compared in constant time. */
struct tokens {
    struct token **list; /* in order of id */
    size_t count, room;
};

struct tokens *tokens_create(void) {
    return calloc(1, sizeof(struct tokens));
}

void tokens_destroy(struct tokens *tokens) {
    if (!tokens) {
        return;
    }
    for (size_t i = 0; i < tokens->count; i++) {
        free(tokens->list[i]);
    }
    free(tokens->list);
    free(tokens);
}

int tokens_add(struct tokens *tokens, const struct token_row *row) {
    if (tokens->count == tokens->room) {
        size_t room = tokens->room ? 2 * tokens->room : 16;
        struct token **list = realloc(tokens->list, room * sizeof *list);
        if (!list) {
            return TG_ENO_MEMORY;
        }
        tokens->list = list;
        tokens->room = room;
    }
    size_t size = strlen(row->name) + 1;
    struct token *token = calloc(1, sizeof *token + size);
    if (!token) {
        return TG_ENO_MEMORY;
    }
    *token = (struct token){.id = row->id,
                            .created_ms = row->created_ms,
                            .revoked_ms = row->revoked_ms,
                            .used_ms = row->used_ms,
                            .role = row->role};
    memcpy(token->hash, row->hash, sizeof token->hash);
    memcpy(token->name, row->name, size);
    tokens->list[tokens->count++] = token;
    return TG_OK;
}

void tokens_revoke(struct tokens *tokens, int64_t id, int64_t now_ms) {
    for (size_t i = 0; i < tokens->count; i++) {
        if (tokens->list[i]->id == id && !tokens->list[i]->revoked_ms) {
            tokens->list[i]->revoked_ms = now_ms;
        }
    }
}

bool tokens_is_last_admin(const struct tokens *tokens, int64_t id) {
    bool is_admin = false, another = false;
    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *token = tokens->list[i];
        if (token->role == ROLE_ADMIN && !token->revoked_ms) {
            is_admin |= token->id == id;
            another |= token->id != id;
        }
    }
    return is_admin && !another;
}

bool tokens_none(const struct tokens *tokens) {
    return tokens->count == 0;
}

static void hash_text(const char *text, uint8_t hash[TOKEN_HASH_BYTES]) {
    crypto_generichash(hash, TOKEN_HASH_BYTES, (const uint8_t *)text, strlen(text), NULL, 0);
}

void token_make(char text[TOKEN_TEXT], uint8_t hash[TOKEN_HASH_BYTES]) {
    uint8_t secret[32];
    randombytes_buf(secret, sizeof secret);
    memcpy(text, "tg_", 3);
    sodium_bin2base64(text + 3, TOKEN_TEXT - 3, secret, sizeof secret,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof secret);
    hash_text(text, hash);
}

int tokens_find(const struct tokens *tokens, const char *text, struct token **out, struct problem *problem) {
    uint8_t hash[TOKEN_HASH_BYTES];
    *out = NULL;
    if (strlen(text) == TOKEN_TEXT - 1) {
        hash_text(text, hash);
        for (size_t i = 0; i < tokens->count; i++) {
            if (sodium_memcmp(tokens->list[i]->hash, hash, sizeof hash) == 0) {
                *out = tokens->list[i];
            }
        }
    }
    if (!*out) {
        return problem_set(problem, TG_ETOKEN_UNKNOWN, "Authorization",
                           "this is no token of this server; ask its administrator for one");
    }
    if ((*out)->revoked_ms) {
        return problem_set(problem, TG_ETOKEN_REVOKED, "Authorization",
                           "this token was revoked; ask the administrator for a new one");
    }
    return TG_OK;
}

void tokens_take_used(struct tokens *tokens, void (*fn)(void *arg, int64_t id, int64_t used_ms), void *arg) {
    for (size_t i = 0; i < tokens->count; i++) {
        struct token *token = tokens->list[i];
        if (token->used) {
            token->used = false;
            fn(arg, token->id, token->used_ms);
        }
    }
}
