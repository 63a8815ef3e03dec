/* rating.c - see rating.h. */
#include "server/rating/rating.h"

#include <math.h>
#include <stddef.h>

#define SPRT_EDGE 1.5               /* see rating.h */
#define NORMAL_95 1.959963984540054 /* quantile of the standard normal distribution at 0.975 */

double rating_elo_of_score(double score) {
    if (score <= 0)
        return -INFINITY;
    if (score >= 1)
        return INFINITY;
    return -400 * log10(1 / score - 1);
}

double rating_score_of_elo(double elo) {
    return 1 / (1 + pow(10, -elo / 400));
}

struct rating_counts rating_games(int64_t wins, int64_t draws, int64_t losses) {
    return (struct rating_counts){.outcomes = 3, .count = {losses, draws, wins}};
}

struct rating_counts rating_pairs(const int64_t pairs[5]) {
    struct rating_counts counts = {.outcomes = 5};
    for (size_t i = 0; i < 5; i++)
        counts.count[i] = pairs[i];
    return counts;
}

struct moments {
    double n, mean, variance; /* of the score of a game, 0 to 1, in one sample (a game or a pair) */
};

/* edge: added to the count of either extreme outcome. */
static struct moments moments_of(const struct rating_counts *counts, double edge) {
    struct moments m = {0};
    double sum = 0, squares = 0;
    int last = counts->outcomes - 1;
    for (int i = 0; i <= last; i++) {
        double count = (double)counts->count[i] + (i == 0 || i == last ? edge : 0), score = (double)i / last;
        m.n += count;
        sum += count * score;
        squares += count * score * score;
    }
    if (m.n <= 0)
        return m;
    m.mean = sum / m.n;
    m.variance = fmax(0, squares / m.n - m.mean * m.mean);
    return m;
}

struct rating_elo rating_elo(const struct rating_counts *counts) {
    struct moments m = moments_of(counts, 0);
    if (m.n <= 0)
        return (struct rating_elo){.points = NAN, .elo = NAN, .low = NAN, .high = NAN};
    struct rating_elo out = {.samples = (int64_t)m.n, .points = m.mean, .elo = rating_elo_of_score(m.mean)};
    /* Without spread the sample's variance says nothing: half an outcome on either end keeps the interval
     * honest. */
    struct moments spread = m.variance > 0 ? m : moments_of(counts, 0.5);
    double margin = NORMAL_95 * sqrt(spread.variance / spread.n);
    out.low = m.mean <= 0 ? -INFINITY : rating_elo_of_score(spread.mean - margin);
    out.high = m.mean >= 1 ? INFINITY : rating_elo_of_score(spread.mean + margin);
    return out;
}

const char *sprt_state_name(enum sprt_state state) {
    static const char *const names[] = {"running", "accepted", "rejected"};
    return names[state];
}

struct sprt_result rating_sprt(const struct sprt *test, const struct rating_counts *counts) {
    struct sprt_result out = {.lower = log(test->beta / (1 - test->alpha)),
                              .upper = log((1 - test->beta) / test->alpha)};
    struct moments m = moments_of(counts, 0);
    if (m.n <= 0)
        return out;
    double variance = moments_of(counts, SPRT_EDGE).variance;
    double s0 = rating_score_of_elo(test->elo0), s1 = rating_score_of_elo(test->elo1);
    out.llr = m.n * (s1 - s0) * (2 * m.mean - s0 - s1) / (2 * variance);
    if (out.llr >= out.upper)
        out.state = SPRT_ACCEPTED;
    else if (out.llr <= out.lower)
        out.state = SPRT_REJECTED;
    return out;
}
