/* lease.c - what a lease costs the scheduler with a thousand and with a million tasks pending.
 *
 * One lease is: decide, lease, five beats, units stored, done. Four states are measured in turn, so that a
 * busy machine slows all of them: one job of 1,000 tasks and one of 1,000,000; 1,000 jobs of one task and
 * 1,000,000. Prints one JSON object; ratio_tasks and ratio_jobs are the cost with a million over the cost
 * with a thousand (median of the rounds). A job of its own for each task costs cache misses, some 300 ns; a
 * lease as a whole, with its request and its transaction, is hundreds of times that.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "proto/base/options.h"
#include "server/sched/sched.h"

enum { LEASES = 1000, ROUNDS = 15, FEW = 1000, MANY = 1000000 };

static const char *const needs[] = {"kind:selfplay"};

static void must(int error) {
    if (error) {
        fprintf(stderr, "lease: %s\n", tg_error_code(error));
        exit(1);
    }
}

static struct sched *scheduler(void) {
    struct sched *sched = sched_create(NULL);
    if (sched == NULL)
        must(TG_ENO_MEMORY);
    for (int64_t id = 1; id <= 1000; id++)
        must(sched_worker_set(
            sched, &(struct sched_worker){.id = id, .capabilities = needs, .capability_count = 1}));
    return sched;
}

static void add_jobs(struct sched *sched, int64_t first, int64_t jobs, int64_t tasks) {
    for (int64_t i = 0; i < jobs; i++)
        must(sched_job_add(sched, &(struct sched_job){.id = first + i,
                                                      .first_task = (first + i - 1) * tasks + 1,
                                                      .task_count = tasks,
                                                      .units_total = tasks,
                                                      .task_units = 1,
                                                      .needs = needs,
                                                      .need_count = 1}));
}

/* Nanoseconds for each of LEASES leases, given by turns to a thousand workers; all are done at the end. */
static double measure(struct sched *sched) {
    static int64_t tasks[LEASES];
    struct sched_event event;
    int64_t start = clock_monotonic_ns();
    for (int i = 0; i < LEASES; i++) {
        struct sched_decision decision = sched_decide(sched, 1 + i % 1000, false);
        must(decision.found ? 0 : TG_ENOT_FOUND);
        must(sched_lease(sched, &decision.lease, 1 + i % 1000, 0));
        tasks[i] = decision.lease.task;
    }
    for (int i = 0; i < LEASES; i++) {
        for (int beat = 0; beat < 5; beat++)
            sched_beat(sched, tasks[i], 1, 1 + i % 1000, beat);
        sched_units_stored(sched, tasks[i], 1);
        sched_task_done(sched, tasks[i]);
    }
    double elapsed = (double)(clock_monotonic_ns() - start) / LEASES;
    while (sched_next_event(sched, &event))
        ;
    return elapsed;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

int main(void) {
    struct sched *few = scheduler(), *one_job = scheduler(), *many_jobs = scheduler(),
                 *few_jobs = scheduler();
    double cost[4][ROUNDS], ratio[2][ROUNDS];
    add_jobs(one_job, 1, 1, MANY);
    add_jobs(many_jobs, 1, MANY, 1);
    for (int round = 0; round < ROUNDS; round++) {
        add_jobs(few, round + 1, 1, FEW);
        add_jobs(few_jobs, (int64_t)round * FEW + 1, FEW, 1);
        cost[0][round] = measure(few);
        cost[1][round] = measure(one_job);
        cost[2][round] = measure(few_jobs);
        cost[3][round] = measure(many_jobs);
        ratio[0][round] = cost[1][round] / cost[0][round];
        ratio[1][round] = cost[3][round] / cost[2][round];
    }
    printf(
        "{\"bench\":\"lease\",\"leases\":%d,\"ns_one_job_1000_tasks\":%.0f,\"ns_one_job_1000000_tasks\":%.0f,"
        "\"ns_1000_jobs\":%.0f,\"ns_1000000_jobs\":%.0f,\"ratio_tasks\":%.3f,\"ratio_jobs\":%.3f}\n",
        LEASES, median(cost[0]), median(cost[1]), median(cost[2]), median(cost[3]), median(ratio[0]),
        median(ratio[1]));
    sched_destroy(few);
    sched_destroy(one_job);
    sched_destroy(few_jobs);
    sched_destroy(many_jobs);
    return 0;
}
