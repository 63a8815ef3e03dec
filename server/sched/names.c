/* names.c - sets of capabilities as sorted arrays of strings. */
#include "server/sched/internal.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_free(char **names, size_t count) {
    for (size_t i = 0; names != NULL && i < count; i++)
        free(names[i]);
    free(names);
}

char **names_copy(const char *const *names, size_t count, size_t *out_count) {
    char **copy = calloc(count + 1, sizeof *copy); /* never of size 0 */
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        copy[i] = strdup(names[i]);
        if (copy[i] == NULL) {
            names_free(copy, i);
            return NULL;
        }
    }
    qsort(copy, count, sizeof *copy, by_name);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && strcmp(copy[kept - 1], copy[i]) == 0)
            free(copy[i]);
        else
            copy[kept++] = copy[i];
    }
    *out_count = kept;
    return copy;
}

bool names_contain(char *const *names, size_t count, const char *name) {
    return bsearch(&name, names, count, sizeof *names, by_name) != NULL;
}

bool names_cover(char *const *offered, size_t offered_count, char *const *needed, size_t needed_count) {
    for (size_t i = 0; i < needed_count; i++) {
        if (!names_contain(offered, offered_count, needed[i]))
            return false;
    }
    return true;
}
