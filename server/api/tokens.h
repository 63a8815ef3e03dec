/* tokens.h - who may do what. A token is "tg_" and the base64url of 256 random bits; only its hash is kept,
 * here and in the store. */
#ifndef TENGEN_API_TOKENS_H
#define TENGEN_API_TOKENS_H

#include "server/api/core.h"

struct token {
    int64_t id, created_ms, revoked_ms, used_ms;
    enum token_role role;
    uint8_t hash[TOKEN_HASH_BYTES];
    bool used; /* since used_ms was last written to the store */
    char name[];
};

struct tokens *tokens_create(void);
void tokens_destroy(struct tokens *tokens);
int tokens_add(struct tokens *tokens, const struct token_row *row);
void tokens_revoke(struct tokens *tokens, int64_t id, int64_t now_ms);
bool tokens_none(const struct tokens *tokens); /* there has never been one */
/* It is the only admin's token that is not revoked: without it nobody could make another. */
bool tokens_is_last_admin(const struct tokens *tokens, int64_t id);
/* 0 and the token; TG_ETOKEN_UNKNOWN, TG_ETOKEN_REVOKED. */
int tokens_find(const struct tokens *tokens, const char *text, struct token **out, struct problem *problem);
/* Calls fn for tokens used since the last call of this. */
void tokens_take_used(struct tokens *tokens, void (*fn)(void *arg, int64_t id, int64_t used_ms), void *arg);

void token_make(char text[TOKEN_TEXT], uint8_t hash[TOKEN_HASH_BYTES]);

#endif
