/* decide.c - the decision, and the texts that say why something waits. Reads only.
 *
 * Deciding and doing are apart (sched_lease) so that a decision can be asked for without being taken: for a
 * parked worker (is there anything now?), for a worker that only wants to hear whether to stop, in tests.
 *
 * The texts answer what a person asks: of a worker, why it gets nothing (a constant, it goes out with every
 * empty lease); of a job, why it does not run (built when the job is looked at). Both must name the nearest
 * obstacle and no other: somebody who is told "no worker offers engine:gnugo" should be able to act on that
 * alone. So the order of the tests in sched_job_reason is the order in which obstacles must be removed:
 * paused, waiting for jobs, being worked on (then there is nothing to explain), backing off, and only then
 * the workers.
 *
 * best_job looks at one job of each group, not at jobs: there are as many groups as there are different
 * needs, a handful. The reasons do walk all workers; they are asked for by people, not by leases.
 */
#include "server/sched/internal.h"

static struct sched_decision nothing(const char *reason) {
    return (struct sched_decision){.reason = reason};
}

/* The first job of all groups that the worker fits and is able to do; NULL when there is none. */
static const struct job *best_job(const struct sched *sched, const struct worker *worker) {
    const struct job *best = NULL;
    for (size_t i = 0; i < sched->group_count; i++) {
        const struct group *group = sched->groups[i];
        const struct job *first = group != NULL && worker->fits[i] ? unable_first(worker, group) : NULL;
        if (first != NULL && (best == NULL || job_before(first, best)))
            best = first;
    }
    return best;
}

static bool fits_any_ready(const struct sched *sched, const struct worker *worker) {
    for (size_t i = 0; i < sched->group_count; i++) {
        if (sched->groups[i] != NULL && sched->groups[i]->first != NULL && worker->fits[i])
            return true;
    }
    return false;
}

static const char *why_nothing(const struct sched *sched, const struct worker *worker) {
    if (sched->jobs.count == 0)
        return "no job is queued";
    if (fits_any_ready(sched, worker))
        return "what the jobs with free tasks need has failed on this worker; it is tried again later";
    if (sched->ready_jobs > 0)
        return "this worker offers nothing that a job with free tasks needs";
    return "every task is at work, or waits for another job or another attempt";
}

struct sched_decision sched_decide(const struct sched *sched, int64_t id, bool storage_full) {
    /* 1. Only workers that have registered. */
    const struct worker *worker = map_get(&sched->workers, id);
    if (worker == NULL)
        return nothing("this worker is not registered");
    /* 2. Drained and disabled workers get nothing new. */
    if (worker->state != SCHED_WORKER_ENABLED) {
        struct sched_decision decision = nothing(
            worker->state == SCHED_WORKER_DRAIN ? "this worker is being drained" : "this worker is disabled");
        decision.drain = true;
        return decision;
    }
    /* 3. What would be made could not be stored. */
    if (storage_full)
        return nothing("the coordinator's disk is nearly full");
    /* 4. The job: priority, then fewest tasks at work, then oldest. */
    const struct job *job = best_job(sched, worker);
    if (job == NULL)
        return nothing(why_nothing(sched, worker));
    /* 5. The task: the lowest index that waits for another attempt, else the next new one. */
    const struct task *task = job->returned.first;
    int64_t index = task != NULL ? task->index : job->next_index;
    return (struct sched_decision){
        .found = true,
        .lease = {.task = job->first_task + index,
                  .job = job->id,
                  .index = index,
                  .first_unit = index * job->task_units,
                  .units = task_units(job, index),
                  .attempt = task != NULL ? task->attempt + 1 : 1},
    };
}

/* ---- why a job waits ---- */

static bool serves(const struct worker *worker) {
    return worker->online && worker->state == SCHED_WORKER_ENABLED;
}

/* The workers for a job: all that fit, those of them that are at work, and of these the ones that have turned
 * out to be unable, with what is known of one of them. */
struct supply {
    int64_t known, serving, unable;
    int64_t worker;
    const struct sched_unable *why;
};

static struct supply supply_of(const struct sched *sched, const struct job *job) {
    struct supply supply = {0};
    for (size_t i = 0; (i = map_next(&sched->workers, i)) != 0;) {
        const struct worker *worker = sched->workers.slots[i - 1].value;
        if (!worker->fits[job->group->slot])
            continue;
        supply.known++;
        supply.serving += serves(worker);
        const struct unable *unable = serves(worker) ? unable_to_do(worker, job) : NULL;
        if (unable == NULL)
            continue;
        supply.unable++;
        if (supply.why == NULL || worker->id < supply.worker) {
            supply.why = &unable->what;
            supply.worker = worker->id;
        }
    }
    return supply;
}

static int all_unable(const struct supply *supply, struct buf *out) {
    int error = buf_append_text(out, supply->why->reason);
    if (!error && supply->unable > 1)
        error = buf_printf(out, " (and %lld more)", (long long)supply->unable - 1);
    return error ? error
                 : buf_printf(out,
                              ". It is tried again now and then; when this is mended, start that worker "
                              "again or say: tengen worker enable %lld",
                              (long long)supply->worker);
}

static bool anyone_offers(const struct sched *sched, const char *need) {
    for (size_t i = 0; (i = map_next(&sched->workers, i)) != 0;) {
        const struct worker *worker = sched->workers.slots[i - 1].value;
        if (serves(worker) && names_contain(worker->capabilities, worker->capability_count, need))
            return true;
    }
    return false;
}

static bool anyone_serves(const struct sched *sched) {
    for (size_t i = 0; (i = map_next(&sched->workers, i)) != 0;) {
        if (serves(sched->workers.slots[i - 1].value))
            return true;
    }
    return false;
}

/* No worker could take it now: because of what is missing, or because the right ones are away. */
static int missing_worker(const struct sched *sched, const struct group *group, int64_t known,
                          struct buf *out) {
    if (known > 0)
        return buf_append_text(out, "every worker that could do it is offline, drained or disabled");
    if (!anyone_serves(sched))
        return buf_append_text(out, "no worker is online");
    for (size_t i = 0; i < group->need_count; i++) {
        if (!anyone_offers(sched, group->needs[i]))
            return buf_printf(out, "no worker offers %s", group->needs[i]);
    }
    int error = buf_append_text(out, "no single worker offers");
    for (size_t i = 0; !error && i < group->need_count; i++)
        error = buf_printf(out, "%s %s", i == 0 ? "" : " and", group->needs[i]);
    return error;
}

int sched_job_reason(const struct sched *sched, int64_t id, struct buf *out) {
    const struct job *job = map_get(&sched->jobs, id);
    if (job == NULL)
        return TG_ENOT_FOUND;
    if (job->paused)
        return job->leased == 0 ? buf_append_text(out, "resume it to go on")
                                : buf_printf(out, "%lld %s may still end; resume it to go on",
                                             (long long)job->leased, job->leased == 1 ? "task" : "tasks");
    if (job->unmet_count == 1)
        return buf_printf(out, "waits for job %lld", (long long)job->unmet[0]);
    if (job->unmet_count > 1)
        return buf_printf(out, "waits for job %lld and %zu more", (long long)job->unmet[0],
                          job->unmet_count - 1);
    if (job->leased > 0)
        return 0;
    if (!job_is_ready(job))
        return job->backing_off > 0
                   ? buf_printf(out, "waits a little before another attempt, because the last one failed: %s",
                                job->failure != NULL ? job->failure : "no memory for the reason")
                   : 0;
    struct supply supply = supply_of(sched, job);
    if (supply.serving == 0)
        return missing_worker(sched, job->group, supply.known, out);
    return supply.serving > supply.unable ? buf_append_text(out, "waits for a free runner")
                                          : all_unable(&supply, out);
}

int sched_job_info(const struct sched *sched, int64_t id, struct sched_job_info *out) {
    const struct job *job = map_get(&sched->jobs, id);
    if (job == NULL)
        return TG_ENOT_FOUND;
    *out = (struct sched_job_info){
        .leased = job->leased,
        .leased_units = job->leased_units,
        .pending = job->task_count - job->tasks_done - job->leased,
        .backing_off = job->backing_off,
        .waiting_for = job->unmet_count > 0 ? job->unmet[0] : 0,
        .paused = job->paused,
    };
    return 0;
}

void sched_stats(const struct sched *sched, struct sched_stats *out) {
    *out = (struct sched_stats){.jobs = (int64_t)sched->jobs.count,
                                .ready_jobs = sched->ready_jobs,
                                .workers = (int64_t)sched->workers.count,
                                .leased = sched->leased,
                                .waiting = (int64_t)sched->tasks.count - sched->leased};
    for (size_t i = 0; i < sched->group_count; i++)
        out->groups += sched->groups[i] != NULL;
}
