/* map.c - see map.h. Open addressing with linear probing, at most half full; 0 marks an empty slot. The last
 * slots wrap round to the first.
 *
 * Removing leaves no tombstone: those behind the hole move up (Knuth, TAOCP 3, section 6.4, algorithm R). The
 * tasks of a busy coordinator come and go all day, and tombstones would fill the table with nothing.
 *
 * The home is taken from the middle of a multiplication by 2^64 / golden ratio, from bit 20 on: ids come in
 * sequence, and their low bits alone would put a job's tasks side by side, each probe running into the next.
 */
#include "server/sched/map.h"

#include <stdlib.h>
#include "proto/base/error.h"

static size_t home(const struct map *map, int64_t key) {
    return (size_t)(((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (map->room - 1);
}

static size_t find(const struct map *map, int64_t key) {
    size_t at = home(map, key);
    while (map->slots[at].key != 0 && map->slots[at].key != key)
        at = (at + 1) & (map->room - 1);
    return at;
}

void *map_get(const struct map *map, int64_t key) {
    return map->room == 0 || key <= 0 ? NULL : map->slots[find(map, key)].value;
}

int map_reserve(struct map *map) {
    if (map->count < map->room / 2)
        return 0;
    struct map grown = {.room = map->room ? map->room * 2 : 64, .count = map->count};
    grown.slots = calloc(grown.room, sizeof *grown.slots);
    if (grown.slots == NULL)
        return TG_ENO_MEMORY;
    for (size_t i = 0; i < map->room; i++) {
        if (map->slots[i].key != 0)
            grown.slots[find(&grown, map->slots[i].key)] = map->slots[i];
    }
    free(map->slots);
    *map = grown;
    return 0;
}

void map_put(struct map *map, int64_t key, void *value) {
    TG_ASSERT(key > 0 && map->count < map->room);
    struct map_slot *slot = &map->slots[find(map, key)];
    TG_ASSERT(slot->key == 0);
    *slot = (struct map_slot){key, value};
    map->count++;
}

void map_remove(struct map *map, int64_t key) {
    if (map_get(map, key) == NULL)
        return;
    size_t hole = find(map, key), mask = map->room - 1;
    /* Those behind the hole that could not sit at their home because of it move up. */
    for (size_t at = (hole + 1) & mask; map->slots[at].key != 0; at = (at + 1) & mask) {
        if (((at - home(map, map->slots[at].key)) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (struct map_slot){0};
    map->count--;
}

void map_free(struct map *map) {
    free(map->slots);
    *map = (struct map){0};
}

size_t map_next(const struct map *map, size_t at) {
    for (; at < map->room; at++) {
        if (map->slots[at].key != 0)
            return at + 1;
    }
    return 0;
}
