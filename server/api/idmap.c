#include "server/api/idmap.h"

#include <stdlib.h>
#include "proto/base/error.h"

static size_t home(const struct idmap *map, int64_t id) {
    return (size_t)(((uint64_t)id * 0x9E3779B97F4A7C15u) >> 20) & (map->room - 1);
}

static struct idmap_slot *find(const struct idmap *map, int64_t id) {
    size_t at = home(map, id);
    while (map->slots[at].id && map->slots[at].id != id) {
        at = (at + 1) & (map->room - 1);
    }
    return &map->slots[at];
}

void *idmap_get(const struct idmap *map, int64_t id) {
    return map->room ? find(map, id)->value : NULL;
}

static int grow(struct idmap *map) {
    struct idmap bigger = {.room = map->room ? 2 * map->room : 64, .count = map->count};
    bigger.slots = calloc(bigger.room, sizeof *bigger.slots);
    if (!bigger.slots) {
        return TG_ENO_MEMORY;
    }
    for (size_t i = 0; i < map->room; i++) {
        if (map->slots[i].id) {
            *find(&bigger, map->slots[i].id) = map->slots[i];
        }
    }
    free(map->slots);
    *map = bigger;
    return TG_OK;
}

int idmap_put(struct idmap *map, int64_t id, void *value) {
    if (4 * (map->count + 1) > 3 * map->room && grow(map) != TG_OK) {
        return TG_ENO_MEMORY;
    }
    struct idmap_slot *slot = find(map, id);
    map->count += slot->id == 0;
    *slot = (struct idmap_slot){id, value};
    return TG_OK;
}

void *idmap_remove(struct idmap *map, int64_t id) {
    struct idmap_slot *slot = map->room ? find(map, id) : NULL;
    if (!slot || !slot->id) {
        return NULL;
    }
    void *value = slot->value;
    size_t hole = (size_t)(slot - map->slots), at = hole;
    for (;;) { /* move back whatever the hole would cut off from its home */
        at = (at + 1) & (map->room - 1);
        if (!map->slots[at].id) {
            break;
        }
        size_t from = home(map, map->slots[at].id);
        if (((at - from) & (map->room - 1)) >= ((at - hole) & (map->room - 1))) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (struct idmap_slot){0, NULL};
    map->count--;
    return value;
}

void idmap_free(struct idmap *map) {
    free(map->slots);
    *map = (struct idmap){0};
}

void *idmap_next(const struct idmap *map, size_t *at) {
    while (*at < map->room) {
        const struct idmap_slot *slot = &map->slots[(*at)++];
        if (slot->id) {
            return slot->value;
        }
    }
    return NULL;
}
