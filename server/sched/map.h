/* map.h - a hash map from positive ids to pointers: open addressing, linear probing, backward-shift deletion.
 */
#ifndef TENGEN_SCHED_MAP_H
#define TENGEN_SCHED_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    int64_t key; /* 0: empty */
    void *value;
};
struct map {
    struct map_slot *slots;
    size_t room; /* a power of two, or 0 */
    size_t count;
};

void *map_get(const struct map *map, int64_t key);       /* NULL: not there */
int map_reserve(struct map *map);                        /* room for one more; 0 or TG_ENO_MEMORY */
void map_put(struct map *map, int64_t key, void *value); /* a new key, after map_reserve */
void map_remove(struct map *map, int64_t key);
void map_free(struct map *map);

/* for (size_t i = 0; (i = map_next(&map, i)) != 0;) ... map.slots[i - 1] */
size_t map_next(const struct map *map, size_t at);

#endif
