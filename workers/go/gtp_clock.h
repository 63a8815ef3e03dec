/* gtp_clock.h - time by GTP's time_settings and time_left: how long a move may take.
 *
 * GTP knows absolute time, Canadian byo-yomi (so many stones in so much time, again and again), both in
 * sequence, or none. The controller may report what is left (time_left); where it does not, the clock runs by
 * what our own moves took.
 */
#ifndef TENGEN_GO_GTP_CLOCK_H
#define TENGEN_GO_GTP_CLOCK_H

#include <stdbool.h>

struct gtp_clock {
    bool limited;
    double main_s, byo_s; /* as set */
    int byo_stones;
    struct {
        double left_s;
        int stones; /* still to be played in this period; 0: main time */
    } side[2];      /* Black, White */
};

/* byo_s > 0 without stones means no limit at all, as the standard has it. */
void gtp_clock_set(struct gtp_clock *clock, double main_s, double byo_s, int byo_stones);
void gtp_clock_reset(struct gtp_clock *clock); /* a new game with the same settings */
void gtp_clock_left(struct gtp_clock *clock, int side, double left_s, int stones);
void gtp_clock_used(struct gtp_clock *clock, int side, double seconds);

/* Seconds to think for a move when about `moves_left` own moves remain in the game; 0: no limit. */
double gtp_clock_budget(const struct gtp_clock *clock, int side, int moves_left);

#endif
