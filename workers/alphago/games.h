/* games.h - what the kinds that play games share: the loop over a task's games, and a finished game's way
 * out.
 *
 * A game's opening and draws follow from the job's seed and the game's number in the job alone, so that every
 * attempt of a task, on any machine, plays the same games (as far as its players are deterministic), whatever
 * is played beside them.
 */
#ifndef TENGEN_ALPHAGO_GAMES_H
#define TENGEN_ALPHAGO_GAMES_H

#include "workers/alphago/game_run.h"

enum { GAMES_SEATS_MAX = 256 }; /* option `lockstep` of the kinds */

/* What a kind adds to the common loop. */
struct games_ops {
    /* Sets the players of game `number` (of the job), which is played at `seat`, and the seeds, where they
     * differ from the defaults. Games at different seats go on side by side: they share no player. */
    void (*plan)(void *self, int seat, int64_t number, struct game_plan *plan);
    /* Adds the kind's own counters. May be NULL. */
    int (*count)(void *self, int64_t number, const struct record *record, json_t *counters);
    /* Games that belong together: a drain finishes the group that has begun. 1: none do. */
    int group;
};

/* Plays the task's games from units_done on, `seats` (1..GAMES_SEATS_MAX) of them in lock-step so that what
 * they ask of a network is one batch, and sends each as a chunk, in the order of their numbers. 0 also after
 * a drain. */
int games_run(const struct task *task, struct port *port, int random_moves, int seats,
              const struct games_ops *ops, void *self, struct problem *problem);

/* How many games to play in lock-step: the option `lockstep` where a network plays by playouts, else one. */
int games_seats(const json_t *config, const struct task *task, const json_t *const *players, int count);

/* The run functions of the kinds: selfplay, teacher, match. 0, TG_ECANCELLED, or why the task failed. */
int selfplay_run(const struct task *task, struct port *port, struct problem *problem);
int teacher_run(const struct task *task, struct port *port, struct problem *problem);
int match_run(const struct task *task, struct port *port, struct problem *problem);
int sl_policy_run(const struct task *task, struct port *port, struct problem *problem);

#endif
