/* idmap.h - from a positive id to a pointer: open addressing, linear probing, at most 3/4 full. */
#ifndef TENGEN_API_IDMAP_H
#define TENGEN_API_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct idmap {
    struct idmap_slot {
        int64_t id; /* 0: free */
        void *value;
    } * slots;
    size_t count, room; /* room: a power of two, or 0 */
};

void *idmap_get(const struct idmap *map, int64_t id);      /* NULL when absent */
int idmap_put(struct idmap *map, int64_t id, void *value); /* replaces; 0 or TG_ENO_MEMORY */
void *idmap_remove(struct idmap *map, int64_t id);         /* what was there, or NULL */
void idmap_free(struct idmap *map);                        /* not the values */
/* The next entry from *at on (begin with 0); NULL at the end. Removing while walking may visit an entry
 * twice. */
void *idmap_next(const struct idmap *map, size_t *at);

#endif
