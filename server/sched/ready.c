/* ready.c - groups of needed capabilities, each with a tree of its ready jobs.
 *
 * The tree is a treap (Seidel & Aragon 1996): ordered by (priority, leased, id), heap-ordered by a rank that
 * is hashed from the id, so its shape does not depend on the order of insertion. Serving works at the left
 * end: with a million jobs that path stays in the processor's cache, which keeps a lease as cheap as with a
 * thousand.
 *
 *     worker --fits[slot]--> groups[slot] --first--> the job to serve (leftmost)
 *                                  |
 *                                 root (treap; left: served before, right: after; rank falls downwards)
 *
 * A job is in the tree only while it is ready, and its key must not change there. `leased` is part of the
 * key, so every lease, lapse and end takes the job out and puts it back (job_unqueue ... job_requeue).
 * tree_remove asserts that it finds the job by its key: a mutation that forgets this dies in the first test
 * that does it.
 *
 * A treap and not a heap: jobs are also taken from the middle, and job_after must find the next one for a
 * worker that is unable to do the first. Not a balanced tree of the usual sorts: this is shorter, and a chain
 * of a million insertions by rising id (the usual order) is as flat as any other.
 *
 * `fits` is worked out when a group or a worker comes, not when work is asked for. A group lives as long as a
 * job refers to it; its slot is then used again.
 *
 * The generation goes up only where something became leasable (`more`): it is what wakes parked workers.
 */
#include "server/sched/internal.h"

#include <stdlib.h>
#include <string.h>

bool job_before(const struct job *a, const struct job *b) {
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->leased != b->leased)
        return a->leased < b->leased;
    return a->id < b->id;
}

static uint32_t rank_of(int64_t id) {
    uint64_t z = (uint64_t)id + UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

/* Splits `tree` into what comes before `job` and what comes after it. */
static void split(struct job *tree, const struct job *job, struct job **before, struct job **after) {
    while (tree != NULL) {
        if (job_before(tree, job)) {
            *before = tree;
            before = &tree->right;
            tree = tree->right;
        } else {
            *after = tree;
            after = &tree->left;
            tree = tree->left;
        }
    }
    *before = *after = NULL;
}

static struct job *merge(struct job *before, struct job *after) {
    struct job *root = NULL, **at = &root;
    while (before != NULL && after != NULL) {
        if (before->tree_rank > after->tree_rank) {
            *at = before;
            at = &before->right;
            before = before->right;
        } else {
            *at = after;
            at = &after->left;
            after = after->left;
        }
    }
    *at = before != NULL ? before : after;
    return root;
}

static void tree_insert(struct group *group, struct job *job) {
    struct job **at = &group->root;
    job->tree_rank = rank_of(job->id);
    while (*at != NULL && (*at)->tree_rank >= job->tree_rank)
        at = job_before(*at, job) ? &(*at)->right : &(*at)->left;
    split(*at, job, &job->left, &job->right);
    *at = job;
    if (group->first == NULL || job_before(job, group->first))
        group->first = job;
}

static void tree_remove(struct group *group, struct job *job) {
    struct job **at = &group->root;
    while (*at != job) {
        TG_ASSERT(*at != NULL); /* its key changed while it was in the tree */
        at = job_before(*at, job) ? &(*at)->right : &(*at)->left;
    }
    *at = merge(job->left, job->right);
    job->left = job->right = NULL;
    if (group->first == job) {
        group->first = group->root;
        while (group->first != NULL && group->first->left != NULL)
            group->first = group->first->left;
    }
}

const struct job *job_after(const struct job *job) {
    const struct job *next = NULL;
    for (const struct job *at = job->group->root; at != NULL;) {
        bool after = job_before(job, at);
        if (after)
            next = at;
        at = after ? at->left : at->right;
    }
    return next;
}

bool job_is_ready(const struct job *job) {
    return !job->paused && job->unmet_count == 0 &&
           (job->returned.count > 0 || job->next_index < job->task_count);
}

void job_unqueue(struct sched *sched, struct job *job) {
    if (!job->queued)
        return;
    tree_remove(job->group, job);
    job->queued = false;
    job->group->ready--;
    sched->ready_jobs--;
}

void job_requeue(struct sched *sched, struct job *job, bool more) {
    TG_ASSERT(!job->queued);
    if (!job_is_ready(job))
        return;
    tree_insert(job->group, job);
    job->queued = true;
    job->group->ready++;
    sched->ready_jobs++;
    sched->generation += more;
}

/* ---- groups ---- */

static bool same_names(const struct group *group, char *const *names, size_t count) {
    if (group->need_count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(group->needs[i], names[i]) != 0)
            return false;
    }
    return true;
}

static bool fits(const struct worker *worker, const struct group *group) {
    return names_cover(worker->capabilities, worker->capability_count, group->needs, group->need_count);
}

/* Room for one more slot in the list of groups and in what every worker knows of groups. */
static int grow_groups(struct sched *sched) {
    size_t room = sched->group_room ? sched->group_room * 2 : 8;
    struct group **groups = realloc(sched->groups, room * sizeof *groups);
    if (groups == NULL)
        return TG_ENO_MEMORY;
    sched->groups = groups;
    for (size_t i = 0; (i = map_next(&sched->workers, i)) != 0;) {
        struct worker *worker = sched->workers.slots[i - 1].value;
        bool *grown = realloc(worker->fits, room * sizeof *grown);
        if (grown == NULL)
            return TG_ENO_MEMORY;
        worker->fits = grown;
    }
    sched->group_room = room;
    return 0;
}

static struct group *group_create(struct sched *sched, char **names, size_t count) {
    size_t slot = 0; /* the first free one, so that every worker's `fits` stays short */
    while (slot < sched->group_count && sched->groups[slot] != NULL)
        slot++;
    if (slot == sched->group_room && grow_groups(sched) != 0)
        return NULL;
    struct group *group = calloc(1, sizeof *group);
    if (group == NULL)
        return NULL;
    *group = (struct group){.needs = names, .need_count = count, .slot = slot, .jobs = 1};
    sched->groups[slot] = group;
    if (slot == sched->group_count)
        sched->group_count++;
    for (size_t i = 0; (i = map_next(&sched->workers, i)) != 0;) {
        struct worker *worker = sched->workers.slots[i - 1].value;
        worker->fits[slot] = fits(worker, group);
    }
    return group;
}

struct group *group_take(struct sched *sched, const char *const *needs, size_t count) {
    char **names = names_copy(needs, count, &count);
    if (names == NULL)
        return NULL;
    for (size_t i = 0; i < sched->group_count; i++) {
        struct group *group = sched->groups[i];
        if (group != NULL && same_names(group, names, count)) {
            names_free(names, count);
            group->jobs++;
            return group;
        }
    }
    struct group *group = group_create(sched, names, count);
    if (group == NULL)
        names_free(names, count);
    return group;
}

void group_release(struct sched *sched, struct group *group) {
    if (--group->jobs > 0)
        return;
    sched->groups[group->slot] = NULL;
    names_free(group->needs, group->need_count);
    free(group);
}
