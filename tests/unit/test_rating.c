/* Elo and SPRT against closed forms, against the exact likelihood ratio, and against their own promises by
 * simulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include "proto/base/rng.h"
#include "server/rating/rating.h"

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) {
        print_message("# %.10g, expected %.10g +- %.3g\n", value, expected, tolerance);
        fail();
    }
}

static void elo_is_logistic(void **state) {
    near(rating_score_of_elo(0), 0.5, 1e-15);
    near(rating_score_of_elo(400), 10.0 / 11, 1e-12);
    near(rating_score_of_elo(-400), 1.0 / 11, 1e-12);
    near(rating_elo_of_score(0.75), 400 * log10(3), 1e-9); /* 190.85 */
    near(rating_elo_of_score(0.64006499984), 100, 1e-6);
    assert_true(rating_elo_of_score(0) < 0 && isinf(rating_elo_of_score(0)));
    assert_true(rating_elo_of_score(1) > 0 && isinf(rating_elo_of_score(1)));
}

static void games_have_a_trinomial_interval(void **state) {
    /* 40 wins, 40 draws, 20 losses: mean 0.6, variance 0.4 + 0.1 - 0.36 = 0.14, error 1.96 * sqrt(0.14 /
     * 100). */
    struct rating_counts counts = rating_games(40, 40, 20);
    struct rating_elo elo = rating_elo(&counts);
    double margin = 1.959963985 * sqrt(0.14 / 100);
    assert_int_equal(elo.samples, 100);
    near(elo.points, 0.6, 1e-12);
    near(elo.elo, -400 * log10(1 / 0.6 - 1), 1e-9);
    near(elo.low, -400 * log10(1 / (0.6 - margin) - 1), 1e-6);
    near(elo.high, -400 * log10(1 / (0.6 + margin) - 1), 1e-6);
}

static void pairs_take_out_what_the_opening_decides(void **state) {
    /* 100 openings that all decide the game: each side wins once in each pair. As games that is a wide
     * interval, as pairs there is no variance but the edges'. */
    struct rating_counts games = rating_games(100, 0, 100),
                         pairs = rating_pairs((int64_t[]){0, 0, 100, 0, 0});
    struct rating_elo wide = rating_elo(&games), narrow = rating_elo(&pairs);
    near(wide.elo, 0, 1e-9);
    near(narrow.elo, 0, 1e-9);
    assert_true(narrow.high - narrow.low < (wide.high - wide.low) / 5);
    /* Independent games say the same either way: a fair coin without draws. */
    struct rating_counts coin = rating_pairs((int64_t[]){25, 0, 50, 0, 25});
    struct rating_elo as_pairs = rating_elo(&coin);
    near(as_pairs.low, wide.low, 1e-9);
}

static void one_sided_and_empty_results(void **state) {
    struct rating_counts none = rating_games(0, 0, 0), won = rating_games(10, 0, 0),
                         lost = rating_games(0, 0, 10);
    assert_true(isnan(rating_elo(&none).elo));
    struct rating_elo up = rating_elo(&won), down = rating_elo(&lost);
    assert_true(isinf(up.elo) && isinf(up.high) && isfinite(up.low) && up.low > 0);
    assert_true(isinf(down.elo) && isinf(down.low) && isfinite(down.high) && down.high < 0);
    near(up.low, -down.high, 1e-9);
    struct rating_counts one = rating_games(1, 0, 0); /* a single game proves nothing */
    assert_true(rating_elo(&one).low < 0);
}

/* ---- SPRT ---- */

/* The exact generalized log-likelihood ratio: the most likely distributions with mean s0 and s1 on the same
 * outcomes, each found by bisection of its Lagrange multiplier. Slow and independent of the approximation. */
static double exact_llr(const struct rating_counts *counts, double s0, double s1) {
    double n = 0, llr = 0;
    for (int i = 0; i < counts->outcomes; i++)
        n += (double)counts->count[i];
    for (int side = 0; side < 2; side++) {
        double s = side == 0 ? s0 : s1, low = -1 / (1 - s) + 1e-12, high = 1 / s - 1e-12;
        for (int step = 0; step < 200; step++) {
            double theta = (low + high) / 2, sum = 0;
            for (int i = 0; i < counts->outcomes; i++) {
                double x = (double)i / (counts->outcomes - 1) - s;
                sum += (double)counts->count[i] / n * x / (1 + theta * x);
            }
            *(sum > 0 ? &low : &high) = theta;
        }
        for (int i = 0; i < counts->outcomes; i++) {
            double x = (double)i / (counts->outcomes - 1) - s;
            /* p_i = q_i / (1 + theta x): its logarithm but for log q_i, which cancels */
            llr += (side == 0 ? 1 : -1) * (double)counts->count[i] * log1p(low * x);
        }
    }
    return llr;
}

static const struct sprt usual = {.elo0 = 0, .elo1 = 5, .alpha = 0.05, .beta = 0.05};

static void bounds_are_walds(void **state) {
    struct rating_counts none = rating_games(0, 0, 0);
    struct sprt_result result = rating_sprt(&usual, &none);
    near(result.upper, 2.94443897916644, 1e-12); /* ln 19, as every SPRT at 5 % shows it */
    near(result.lower, -2.94443897916644, 1e-12);
    near(result.llr, 0, 0);
    assert_int_equal(result.state, SPRT_RUNNING);
    struct sprt skewed = {.elo0 = 0, .elo1 = 5, .alpha = 0.05, .beta = 0.1};
    result = rating_sprt(&skewed, &none);
    near(result.upper, log(18), 1e-12);
    near(result.lower, log(0.1 / 0.95), 1e-12);
}

static void the_approximation_is_close_to_the_exact_ratio(void **state) {
    const struct rating_counts cases[] = {rating_games(1600, 1900, 1500), rating_games(5200, 10000, 5000),
                                          rating_pairs((int64_t[]){120, 600, 1300, 640, 140}),
                                          rating_pairs((int64_t[]){300, 1500, 2900, 1300, 280})};
    double s0 = rating_score_of_elo(usual.elo0), s1 = rating_score_of_elo(usual.elo1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double exact = exact_llr(&cases[i], s0, s1);
        assert_true(fabs(exact) > 0.5);
        near(rating_sprt(&usual, &cases[i]).llr, exact, 0.02 * fabs(exact));
    }
}

static void it_stops_at_the_bounds(void **state) {
    struct rating_counts strong = rating_games(600, 300, 400), weak = rating_games(400, 300, 600);
    assert_int_equal(rating_sprt(&usual, &strong).state, SPRT_ACCEPTED);
    assert_int_equal(rating_sprt(&usual, &weak).state, SPRT_REJECTED);
    assert_string_equal(sprt_state_name(SPRT_ACCEPTED), "accepted");
}

static int draw_game(struct rng *rng, double win, double draw) {
    double u = rng_uniform(rng);
    return u < win ? 2 : u < win + draw ? 1 : 0;
}

/* Share of tests that accept H1 when the true difference is `elo`. */
static double acceptance(struct rng *rng, const struct sprt *test, double elo, int tests) {
    double score = rating_score_of_elo(elo), draw = 0.3, win = score - draw / 2;
    int accepted = 0;
    for (int i = 0; i < tests; i++) {
        struct rating_counts counts = {.outcomes = 3};
        struct sprt_result result;
        do {
            counts.count[draw_game(rng, win, draw)]++;
            result = rating_sprt(test, &counts);
        } while (result.state == SPRT_RUNNING);
        accepted += result.state == SPRT_ACCEPTED;
    }
    return (double)accepted / tests;
}

static void error_rates_are_what_was_asked_for(void **state) {
    struct rng rng;
    rng_seed(&rng, 11);
    struct sprt test = {.elo0 = 0, .elo1 = 60, .alpha = 0.05, .beta = 0.1};
    double false_accepts = acceptance(&rng, &test, 0, 2000), misses = 1 - acceptance(&rng, &test, 60, 2000);
    print_message("# accepted by chance %.3f (asked 0.05), missed %.3f (asked 0.10)\n", false_accepts,
                  misses);
    assert_true(false_accepts > 0.02 && false_accepts < 0.07); /* 4 standard errors above 0.05 */
    assert_true(misses > 0.05 && misses < 0.13);
}

/* As matches are tested: by complete pairs. `draw` is the share of drawn games. */
static double acceptance_of_pairs(struct rng *rng, const struct sprt *test, double elo, double draw,
                                  int tests) {
    double win = rating_score_of_elo(elo) - draw / 2;
    int accepted = 0;
    for (int i = 0; i < tests; i++) {
        struct rating_counts counts = {.outcomes = 5};
        struct sprt_result result;
        do {
            counts.count[draw_game(rng, win, draw) + draw_game(rng, win, draw)]++;
            result = rating_sprt(test, &counts);
        } while (result.state == SPRT_RUNNING);
        accepted += result.state == SPRT_ACCEPTED;
    }
    return (double)accepted / tests;
}

static void error_rates_of_pairs_hold_for_small_and_large_differences(void **state) {
    static const struct {
        double elo1;
        int tests;
    } cases[] = {{20, 2000}, {60, 6000}, {100, 6000}, {200, 6000}};
    struct rng rng;
    rng_seed(&rng, 13);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int drawn = 0; drawn < 2; drawn++) {
            const struct sprt test = {.elo0 = 0, .elo1 = cases[i].elo1, .alpha = 0.05, .beta = 0.05};
            double draw = drawn ? 0.3 : 0, most = 0.05 + 4 * sqrt(0.05 * 0.95 / cases[i].tests);
            double by_chance = acceptance_of_pairs(&rng, &test, 0, draw, cases[i].tests);
            double missed = 1 - acceptance_of_pairs(&rng, &test, test.elo1, draw, cases[i].tests);
            print_message("# 0 against %.0f Elo, %.0f %% draws: accepted by chance %.4f, missed %.4f\n",
                          test.elo1, 100 * draw, by_chance, missed);
            assert_true(by_chance < most); /* 4 standard errors above what was asked for */
            assert_true(missed < most);
        }
}

static void the_interval_covers_the_truth(void **state) {
    struct rng rng;
    rng_seed(&rng, 12);
    int covered = 0;
    for (int i = 0; i < 4000; i++) {
        struct rating_counts counts = {.outcomes = 3};
        for (int game = 0; game < 200; game++)
            counts.count[draw_game(&rng, 0.45, 0.3)]++;
        struct rating_elo elo = rating_elo(&counts);
        double truth = rating_elo_of_score(0.6);
        covered += elo.low <= truth && truth <= elo.high;
    }
    print_message("# covered %d of 4000\n", covered);
    assert_true(covered > 4000 * 0.935 && covered < 4000 * 0.965);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elo_is_logistic),
        cmocka_unit_test(games_have_a_trinomial_interval),
        cmocka_unit_test(pairs_take_out_what_the_opening_decides),
        cmocka_unit_test(one_sided_and_empty_results),
        cmocka_unit_test(bounds_are_walds),
        cmocka_unit_test(the_approximation_is_close_to_the_exact_ratio),
        cmocka_unit_test(it_stops_at_the_bounds),
        cmocka_unit_test(error_rates_are_what_was_asked_for),
        cmocka_unit_test(error_rates_of_pairs_hold_for_small_and_large_differences),
        cmocka_unit_test(the_interval_covers_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
