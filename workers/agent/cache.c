/* cache.c - see cache.h. Which files are here, who uses them, and which one goes next.
 *
 * An entry is a file that is here, or one that is being loaded, with the fetches that want it:
 *
 *     cache_get ---> loading ---> here, in use ---> here, unused ---> evicted
 *                      |  |          ^   cache_get     |
 *                      |  |          +-----------------+
 *                      |  +-- failed: its fetches are answered with the problem; the entry goes with the last
 *                      +-- the last fetch lets go: the transfer is cancelled, the part stays
 *
 * A fetch is in its entry's list from cache_get to cache_release, answered or not; an entry with fetches is
 * in use and is never evicted. So a path that was given out is a file until it is released.
 *
 * done() never comes from within cache_get: a fetch of a file that is here answers through a timer of its
 * own, so that a caller need not be prepared for being called back before it has the fetch in its hand.
 *
 * done() may release any fetch, its own too, and with the last one the entry. So on_downloaded holds the
 * entry by a fetch on its own stack while it calls back.
 *
 * What is on disk is the truth: the list is read from the folder at the start, and the time of last use is
 * the file's time of change, so that it survives us. Parts and ETags are not entries; they do not count
 * against the limit until they are whole. The limit is a wish: files in use may pass it.
 *
 * Not done: an index by hash. The files are few (networks and data sets), a list does.
 */
#include "workers/agent/cache.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "workers/agent/download.h"

struct entry {
    struct cache *cache;
    struct entry *next;
    char digest[SHA256_HEX];
    int64_t bytes, used_ms;
    bool here;
    struct download *download;
    struct stream_source source; /* of a stream; job 0: a file by its digest */
    struct stream_download *stream;
    struct cache_fetch *fetches;
};

struct cache_fetch {
    struct entry *entry;
    struct cache_fetch *next;
    cache_done_fn done;
    void *context;
    bool answered;
    uv_timer_t timer;
};

struct cache {
    uv_loop_t *loop;
    struct caller *caller;
    char *folder;
    int64_t limit;
    char coordinator[33];
    struct entry *entries;
};

/* ---- files ---- */

static void path_of(const struct entry *entry, char *out, size_t size) {
    snprintf(out, size, "%s/%s", entry->cache->folder, entry->digest);
}

static void on_fs(uv_fs_t *request) {
    uv_fs_req_cleanup(request);
    free(request);
}

/* On disk as well, on the pool and without waiting for it: when it fails, the file only looks older than it
 * is. */
static void touch(struct entry *entry) {
    char path[4096];
    path_of(entry, path, sizeof path);
    entry->used_ms = clock_wall_ms();
    uv_fs_t *request = calloc(1, sizeof *request);
    double now = (double)entry->used_ms / 1000;
    if (request && uv_fs_utime(entry->cache->loop, request, path, now, now, on_fs) < 0)
        free(request);
}

static void remove_file(struct entry *entry) {
    char path[4096];
    path_of(entry, path, sizeof path);
    uv_fs_t *request = calloc(1, sizeof *request);
    if (request && uv_fs_unlink(entry->cache->loop, request, path, on_fs) < 0)
        free(request);
}

/* ---- entries ---- */

static struct entry *find(struct cache *cache, const char *digest) {
    struct entry *entry = cache->entries;
    while (entry && strcmp(entry->digest, digest) != 0)
        entry = entry->next;
    return entry;
}

static struct entry *add(struct cache *cache, const char *digest) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->cache = cache;
    snprintf(entry->digest, sizeof entry->digest, "%s", digest);
    entry->next = cache->entries;
    cache->entries = entry;
    return entry;
}

static void drop(struct entry *entry) {
    struct entry **at = &entry->cache->entries;
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    free(entry);
}

/* Removes the least recently used files that nobody uses until the rest fits. */
static void evict(struct cache *cache) {
    for (;;) {
        int64_t total = 0;
        struct entry *oldest = NULL;
        for (struct entry *entry = cache->entries; entry; entry = entry->next) {
            total += entry->bytes;
            if (entry->here && !entry->fetches && (!oldest || entry->used_ms < oldest->used_ms))
                oldest = entry;
        }
        if (total <= cache->limit || !oldest)
            return;
        log_debug("cache", "removing %s, %lld bytes, to make room", oldest->digest, (long long)oldest->bytes);
        remove_file(oldest);
        drop(oldest);
    }
}

static void read_entry(struct cache *cache, const char *name) {
    uint8_t digest[SHA256_BYTES];
    struct stat status;
    char path[4096];
    if (sha256_parse(name, digest) != 0)
        return; /* parts, ETags and what is not ours */
    snprintf(path, sizeof path, "%s/%s", cache->folder, name);
    if (stat(path, &status) < 0 || !S_ISREG(status.st_mode))
        return;
    struct entry *entry = add(cache, name);
    if (!entry)
        return;
    entry->here = true;
    entry->bytes = status.st_size;
    entry->used_ms = (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000;
}

int cache_open(uv_loop_t *loop, struct caller *caller, const char *folder, int64_t limit_bytes,
               struct cache **out, struct problem *problem) {
    struct cache *cache = calloc(1, sizeof *cache);
    char *copy = strdup(folder);
    if (!cache || !copy) {
        free(cache);
        free(copy);
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    }
    *cache = (struct cache){.loop = loop, .caller = caller, .folder = copy, .limit = limit_bytes};
    *out = cache;
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return problem_set(problem, TG_EIO, "data", "cannot make the folder %s: %s", folder, strerror(errno));
    DIR *list = opendir(folder);
    if (!list)
        return problem_set(problem, TG_EIO, "data", "cannot list the folder %s: %s", folder, strerror(errno));
    for (struct dirent *item; (item = readdir(list));)
        read_entry(cache, item->d_name);
    closedir(list);
    evict(cache);
    return 0;
}

/* A download that was cancelled may still have a job on the pool that reads the folder's name: the loop has
 * been run to its end when this is called. */
void cache_close(struct cache *cache) {
    if (!cache)
        return;
    while (cache->entries)
        drop(cache->entries);
    free(cache->folder);
    free(cache);
}

uv_loop_t *cache_loop(const struct cache *cache) {
    return cache->loop;
}

/* ---- fetching ---- */

static void answer(struct cache_fetch *fetch, const struct problem *problem) {
    char path[4096];
    path_of(fetch->entry, path, sizeof path);
    fetch->answered = true;
    fetch->done(fetch->context, problem ? NULL : path, problem);
}

static void on_here(uv_timer_t *timer) {
    struct cache_fetch *fetch = timer->data;
    touch(fetch->entry);
    answer(fetch, NULL);
}

/* Answers all who wait. A callback may release its own fetch or others, so the list is walked anew each time.
 */
static void answer_all(struct entry *entry, const struct problem *problem) {
    for (struct cache_fetch *fetch = entry->fetches; fetch;) {
        if (fetch->answered) {
            fetch = fetch->next;
            continue;
        }
        answer(fetch, problem);
        fetch = entry->fetches;
    }
}

static void on_downloaded(void *context, const struct problem *problem) {
    struct entry *entry = context;
    struct cache *cache = entry->cache;
    struct stat status;
    char path[4096];
    path_of(entry, path, sizeof path);
    entry->download = NULL;
    entry->stream = NULL;
    entry->here = !problem;
    entry->used_ms = clock_wall_ms();
    if (!problem && stat(path, &status) == 0) {
        entry->bytes = status.st_size;
        log_info("cache", "loaded %s, %lld bytes", entry->digest, (long long)entry->bytes);
    }
    struct cache_fetch keep = {.entry = entry, .answered = true, .next = entry->fetches};
    entry->fetches = &keep;
    answer_all(entry, problem);
    struct cache_fetch **at = &entry->fetches;
    while (*at != &keep)
        at = &(*at)->next;
    *at = keep.next;
    if (!entry->here && !entry->fetches)
        drop(entry);
    evict(cache);
}

static void start_download(struct entry *entry) {
    struct cache *cache = entry->cache;
    if (entry->source.job)
        entry->stream = stream_download_start(cache->loop, cache->caller, cache->folder, entry->digest,
                                              entry->source, on_downloaded, entry);
    else
        entry->download =
            download_start(cache->loop, cache->caller, cache->folder, entry->digest, on_downloaded, entry);
}

static struct cache_fetch *get(struct cache *cache, const char *name, struct stream_source source,
                               cache_done_fn done, void *context) {
    struct entry *entry = find(cache, name);
    struct cache_fetch *fetch = calloc(1, sizeof *fetch);
    if (!entry)
        entry = fetch ? add(cache, name) : NULL;
    if (!fetch || !entry) {
        free(fetch);
        return NULL;
    }
    entry->source = source;
    *fetch = (struct cache_fetch){.entry = entry, .next = entry->fetches, .done = done, .context = context};
    entry->fetches = fetch;
    uv_timer_init(cache->loop, &fetch->timer);
    fetch->timer.data = fetch;
    if (entry->here)
        uv_timer_start(&fetch->timer, on_here, 0, 0);
    else if (!entry->download && !entry->stream)
        start_download(entry);
    return fetch;
}

struct cache_fetch *cache_get(struct cache *cache, const char digest[SHA256_HEX], cache_done_fn done,
                              void *context) {
    return get(cache, digest, (struct stream_source){0}, done, context);
}

struct cache_fetch *cache_get_stream(struct cache *cache, struct stream_source source, cache_done_fn done,
                                     void *context) {
    char text[128], name[SHA256_HEX];
    uint8_t digest[SHA256_BYTES];
    int size = snprintf(text, sizeof text, "stream %s %lld %lld", cache->coordinator, (long long)source.job,
                        (long long)source.until);
    sha256(text, (size_t)size, digest);
    sha256_hex(digest, name);
    return get(cache, name, source, done, context);
}

void cache_set_coordinator(struct cache *cache, const char *id) {
    snprintf(cache->coordinator, sizeof cache->coordinator, "%s", id);
}

static void fetch_closed(uv_handle_t *timer) {
    free(timer->data);
}

void cache_release(struct cache_fetch *fetch) {
    if (!fetch)
        return;
    struct entry *entry = fetch->entry;
    struct cache *cache = entry->cache;
    struct cache_fetch **at = &entry->fetches;
    while (*at != fetch)
        at = &(*at)->next;
    *at = fetch->next;
    uv_close((uv_handle_t *)&fetch->timer, fetch_closed);
    if (entry->fetches)
        return;
    if (entry->download || entry->stream) {
        if (entry->download)
            download_cancel(entry->download);
        else
            stream_download_cancel(entry->stream);
        drop(entry);
    } else if (!entry->here) {
        drop(entry);
    }
    evict(cache);
}
