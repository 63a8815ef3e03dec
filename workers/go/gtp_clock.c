/* gtp_clock.c - see gtp_clock.h.
 *
 *     main time: left / moves that are left in the game        byo-yomi: left / stones of the period
 *     of each move's share `lag_s` is kept back for the way, but never more than half of it
 *
 * The moves that are left are the caller's guess, so main time is spent evenly and never quite used up; where
 * a period follows, each move may take at least what it will have there. */
#include "workers/go/gtp_clock.h"

#include <string.h>

static const double lag_s = 0.1;    /* kept back each move for the way between the programs */
static const double least_s = 0.02; /* never 0, which would mean no limit */

void gtp_clock_reset(struct gtp_clock *clock) {
    const bool main_time = clock->main_s > 0;
    for (int side = 0; side < 2; side++) {
        clock->side[side].left_s = main_time ? clock->main_s : clock->byo_s;
        clock->side[side].stones = main_time ? 0 : clock->byo_stones;
    }
}

void gtp_clock_set(struct gtp_clock *clock, double main_s, double byo_s, int byo_stones) {
    memset(clock, 0, sizeof(*clock));
    clock->main_s = main_s;
    clock->byo_s = byo_s;
    clock->byo_stones = byo_stones;
    clock->limited = !(byo_s > 0 && byo_stones == 0);
    gtp_clock_reset(clock);
}

void gtp_clock_left(struct gtp_clock *clock, int side, double left_s, int stones) {
    clock->limited = true;
    clock->side[side].left_s = left_s;
    clock->side[side].stones = stones;
}

static void next_period(struct gtp_clock *clock, int side, double over_s) {
    clock->side[side].left_s = clock->byo_s - over_s;
    clock->side[side].stones = clock->byo_stones;
}

void gtp_clock_used(struct gtp_clock *clock, int side, double seconds) {
    if (!clock->limited)
        return;
    clock->side[side].left_s -= seconds;
    if (clock->side[side].stones > 0) {
        if (--clock->side[side].stones == 0)
            next_period(clock, side, 0);
    } else if (clock->side[side].left_s < 0 && clock->byo_stones > 0) {
        next_period(clock, side, -clock->side[side].left_s);
    }
}

double gtp_clock_budget(const struct gtp_clock *clock, int side, int moves_left) {
    if (!clock->limited)
        return 0;
    const double left = clock->side[side].left_s;
    const int stones = clock->side[side].stones;
    double share = left / (stones > 0 ? stones : moves_left > 0 ? moves_left : 1);
    /* Main time may be used up when a period follows in which one can think as long. */
    if (stones == 0 && clock->byo_stones > 0 && share < clock->byo_s / clock->byo_stones)
        share = clock->byo_s / clock->byo_stones;
    const double budget = share - lag_s > share / 2 ? share - lag_s : share / 2;
    return budget > least_s ? budget : least_s;
}
