/* history.c - see history.h. An open table with linear probing, never more than half full.
 *
 * Taking out of such a table is usually not possible without moving others, because a free slot ends the
 * search for what lies behind it. Here only the newest entry is ever taken out (history_pop). No other can
 * have been pushed past the slot that it fills, for they are all older; so the slot is simply freed. Growing
 * inserts in the order of the pushes, which keeps that true.
 */
#include <stdlib.h>
#include <string.h>
#include "proto/base/error.h"
#include "workers/go/history.h"
#include "workers/go/zobrist.h"

enum { FIRST_SLOTS = 512 };

struct history {
    enum ko_rule rule;
    size_t count;       /* hashes pushed, repetitions included */
    size_t slots;       /* a power of two, at least twice count */
    uint64_t *table;    /* slots entries; 0 is free */
    uint32_t *position; /* slots / 2 entries: the slot each push filled */
};

static uint64_t key_of(const struct history *history, uint64_t hash, unsigned to_move) {
    if (history->rule == KO_SITUATIONAL)
        hash ^= zobrist_to_move(to_move);
    return hash ? hash : 1; /* the empty board hashes to 0, which marks a free slot */
}

/* The first slot from the key's own on that holds it or is free. */
static size_t slot_of(const struct history *history, uint64_t key, bool *found) {
    size_t slot = key & (history->slots - 1);
    while (history->table[slot] != 0 && history->table[slot] != key)
        slot = (slot + 1) & (history->slots - 1);
    *found = history->table[slot] == key;
    return slot;
}

/* Repetitions are stored again, so that popping one leaves the other. */
static void insert(struct history *history, uint64_t key) {
    size_t slot = key & (history->slots - 1);
    while (history->table[slot] != 0)
        slot = (slot + 1) & (history->slots - 1);
    history->table[slot] = key;
    history->position[history->count++] = (uint32_t)slot;
}

static struct history *history_of(enum ko_rule rule, size_t slots) {
    struct history *history = calloc(1, sizeof *history);
    if (!history)
        return NULL;
    history->rule = rule;
    history->slots = slots;
    history->table = calloc(slots, sizeof *history->table);
    history->position = calloc(slots / 2, sizeof *history->position);
    if (!history->table || !history->position) {
        history_destroy(history);
        return NULL;
    }
    return history;
}

struct history *history_create(enum ko_rule rule) {
    return history_of(rule, FIRST_SLOTS);
}

void history_destroy(struct history *history) {
    if (!history)
        return;
    free(history->table);
    free(history->position);
    free(history);
}

static void refill(struct history *to, const struct history *from) {
    for (size_t i = 0; i < from->count; i++)
        insert(to, from->table[from->position[i]]);
}

struct history *history_copy(const struct history *history) {
    struct history *copy = history_of(history->rule, history->slots);
    if (copy)
        refill(copy, history);
    return copy;
}

static int grow(struct history *history) {
    struct history *bigger = history_of(history->rule, history->slots * 2);
    if (!bigger)
        return TG_ENO_MEMORY;
    refill(bigger, history);
    struct history old = *history;
    *history = *bigger;
    *bigger = old;
    history_destroy(bigger);
    return 0;
}

enum ko_rule history_rule(const struct history *history) {
    return history->rule;
}

int history_push(struct history *history, const struct board *board) {
    if (history->count == history->slots / 2 && grow(history) != 0)
        return TG_ENO_MEMORY;
    insert(history, key_of(history, board->hash, board->to_move));
    return 0;
}

void history_pop(struct history *history) {
    TG_ASSERT(history->count > 0);
    history->table[history->position[--history->count]] = 0;
}

void history_clear(struct history *history) {
    while (history->count > 0)
        history_pop(history);
}

size_t history_count(const struct history *history) {
    return history->count;
}

bool history_seen(const struct history *history, const struct board *board) {
    bool found;
    slot_of(history, key_of(history, board->hash, board->to_move), &found);
    return found;
}

enum legality history_legality(const struct history *history, const struct board *board, enum color color,
                               go_move move) {
    bool found;
    enum legality legality = board_legality(board, color, move);
    if (legality != MOVE_LEGAL || move == PASS || history->rule == KO_SIMPLE)
        return legality;
    slot_of(history, key_of(history, board_hash_after(board, color, move), color_other(color)), &found);
    return found ? MOVE_SUPERKO : MOVE_LEGAL;
}
