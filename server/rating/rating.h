/* rating.h - how much stronger: Elo difference with its 95 % interval, and the sequential test.
 *
 * Elo here is logistic: expected score s = 1 / (1 + 10^(-elo / 400)).
 *
 * A match gives counts of outcomes: of games (loss, draw, win: 0, 1/2, 1 point) or, when games are played in
 * pairs with colours reversed from one opening, of pairs (0, 1/2, 1, 3/2, 2 points). Pairs take out what the
 * opening decides, so their variance, and with it the interval, is smaller: the pentanomial counts are to be
 * preferred whenever every game belongs to a complete pair.
 *
 * The interval is s +- 1.96 sigma / sqrt(n) with the sample's variance, mapped to Elo. A side that has won
 * (lost) everything has no finite estimate: elo and the bound on that side are infinite; the other bound
 * comes from the counts with half an outcome added on either end, so that it stays
 * honest for few games.
 *
 * SPRT: Wald's test of H1 (elo = elo1) against H0 (elo = elo0) with the generalized log-likelihood ratio, in
 * the approximation LLR = n (s1 - s0) (2 s_hat - s0 - s1) / (2 var) of Michel Van den Bergh, "A practical
 * introduction to the GSPRT" (2021), as fishtest uses it; it stops at upper = ln((1 - beta) / alpha) or lower
 * = ln(beta / (1 - alpha)).
 * Deviation: var is the variance after 1.5 outcomes were added on either end. A test of a large difference
 * stops within a few dozen games, and among samples that small those whose variance came out too low would
 * stop it wrongly: simulated with games for 0 against 60 Elo with 30 % draws and alpha 0.05, H1 was accepted
 * by chance in 9.4 % of the tests without and in 5.3 % with it. With pairs, tested after each one, alpha =
 * beta = 0.05, elo0 = 0, no draws and 30 % of them, H1 was wrongly accepted in 5.0, 5.0 (elo1 = 20), 4.9, 4.1
 * (60), 4.2, 3.2 (100) and 2.8, 1.4 % (200), wrongly rejected in 4.7, 4.5, 4.2, 3.6, 3.6, 2.4, 1.6 and 0.4 %;
 * without it the first pair alone would decide a test of 60 Elo. In tests of thousands of games it makes no
 * difference.
 *
 * Pure functions; any thread.
 */
#ifndef TENGEN_RATING_RATING_H
#define TENGEN_RATING_RATING_H

#include <stdbool.h>
#include <stdint.h>

/* Counts of outcomes, from the first side's view. Set `count` for 3 (loss, draw, win) or 5 (pairs: 0 to 2
 * points). */
struct rating_counts {
    int outcomes; /* 3 or 5 */
    int64_t count[5];
};
struct rating_counts rating_games(int64_t wins, int64_t draws, int64_t losses);
struct rating_counts rating_pairs(const int64_t pairs[5]);

struct rating_elo {
    int64_t samples;       /* games, or pairs */
    double points;         /* mean score of a game, 0 to 1 */
    double elo, low, high; /* logistic, 95 % interval; may be +-INFINITY; NAN without samples */
};
struct rating_elo rating_elo(const struct rating_counts *counts);

double rating_elo_of_score(double score); /* 0.5 -> 0; 0 and 1 -> -+INFINITY */
double rating_score_of_elo(double elo);

enum sprt_state { SPRT_RUNNING, SPRT_ACCEPTED, SPRT_REJECTED }; /* accepted: H1 */
const char *sprt_state_name(enum sprt_state state);
struct sprt {
    double elo0, elo1;  /* elo0 < elo1 */
    double alpha, beta; /* error rates, each in (0, 0.5) */
};
struct sprt_result {
    double llr, lower, upper;
    enum sprt_state state;
};
struct sprt_result rating_sprt(const struct sprt *test, const struct rating_counts *counts);

#endif
