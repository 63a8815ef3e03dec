/* job_document.c - a job as JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "server/api/jobs.h"
#include "server/api/live.h"
#include "server/api/pace.h"
#include "server/rating/rating.h"

/* ---- score ---- */

static int64_t total(const json_t *totals, const char *name) {
    return (int64_t)json_number_value(json_object_get(totals, name));
}

/* The complete pairs and their number; -1 when the kind has no pairs. */
static int64_t count_pairs(const struct kind_score *score, const json_t *totals, struct rating_counts *out) {
    int64_t pairs[5], sum = 0;
    for (int i = 0; i < 5; i++) {
        if (!score->pairs[i]) {
            return -1;
        }
        pairs[i] = total(totals, score->pairs[i]);
        sum += pairs[i];
    }
    *out = rating_pairs(pairs);
    return sum;
}

static bool count_outcomes(const struct kind_score *score, const json_t *totals, struct rating_counts *out) {
    int64_t wins = total(totals, score->wins), draws = total(totals, score->draws),
            losses = total(totals, score->losses);
    int64_t games = wins + draws + losses;
    /* Pairs are the better estimate once every game is of a complete one. */
    if (games > 0 && 2 * count_pairs(score, totals, out) != games) {
        *out = rating_games(wins, draws, losses);
    }
    return games > 0;
}

/* JSON has no infinity: null says "no finite estimate". */
static json_t *finite_json(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

/* A kind that plays pairs is tested on its complete pairs alone: half a pair would count its opening as
 * strength. */
static bool run_sprt(const struct kind *kind, const json_t *config, const json_t *totals, struct sprt *test,
                     struct sprt_result *result) {
    struct rating_counts counts;
    const json_t *options =
        kind->score->sprt_option ? json_object_get(config, kind->score->sprt_option) : NULL;
    if (!json_is_true(json_object_get(options, "enabled"))) {
        return false;
    }
    *test = (struct sprt){.elo0 = json_number_value(json_object_get(options, "elo0")),
                          .elo1 = json_number_value(json_object_get(options, "elo1")),
                          .alpha = json_number_value(json_object_get(options, "alpha")),
                          .beta = json_number_value(json_object_get(options, "beta"))};
    if (count_pairs(kind->score, totals, &counts) < 0) {
        (void)count_outcomes(kind->score, totals, &counts);
    }
    *result = rating_sprt(test, &counts);
    return true;
}

bool job_sprt_decided(const struct kind *kind, const json_t *config, const json_t *totals) {
    struct rating_counts counts;
    struct sprt test;
    struct sprt_result result;
    return kind && kind->score && count_outcomes(kind->score, totals, &counts) &&
           run_sprt(kind, config, totals, &test, &result) && result.state != SPRT_RUNNING;
}

static json_t *sprt_json(const struct kind *kind, const json_t *config, const json_t *totals) {
    struct sprt test;
    struct sprt_result result;
    if (!run_sprt(kind, config, totals, &test, &result)) {
        return json_null();
    }
    return json_pack("{s:o, s:o, s:o, s:f, s:f, s:s}", "llr", finite_json(result.llr), "lower",
                     finite_json(result.lower), "upper", finite_json(result.upper), "elo0", test.elo0, "elo1",
                     test.elo1, "state", sprt_state_name(result.state));
}

json_t *job_score(const struct kind *kind, const json_t *config, const json_t *totals) {
    struct rating_counts counts;
    if (!kind || !kind->score || !count_outcomes(kind->score, totals, &counts)) {
        return json_null();
    }
    const struct kind_score *score = kind->score;
    struct rating_elo elo = rating_elo(&counts);
    int64_t wins = total(totals, score->wins), draws = total(totals, score->draws),
            losses = total(totals, score->losses);
    return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "wins", (json_int_t)wins, "draws",
                     (json_int_t)draws, "losses", (json_int_t)losses, "games",
                     (json_int_t)(wins + draws + losses), "elo", finite_json(elo.elo), "elo_low",
                     finite_json(elo.low), "elo_high", finite_json(elo.high), "points",
                     finite_json(elo.points), "sprt", sprt_json(kind, config, totals));
}

/* ---- the document ---- */

static json_t *counts_json(const struct job_task_counts *counts) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "pending", (json_int_t)counts->pending, "leased",
                     (json_int_t)counts->leased, "done", (json_int_t)counts->done, "failed",
                     (json_int_t)counts->failed, "cancelled", (json_int_t)counts->cancelled);
}

/* Only the score ends a job well before its last unit. */
static json_t *early_end(const struct job_row *row, const struct kind *kind, const json_t *score) {
    if (row->state != JOB_SUCCEEDED || row->units_done >= row->units_total) {
        return json_string("");
    }
    const char *state = json_string_value(json_object_get(json_object_get(score, "sprt"), "state"));
    const char *accepted =
        state && strcmp(state, sprt_state_name(SPRT_ACCEPTED)) == 0   ? "the SPRT accepted H1"
        : state && strcmp(state, sprt_state_name(SPRT_REJECTED)) == 0 ? "the SPRT accepted H0"
                                                                      : "the SPRT decided";
    return json_sprintf("ended early: %s after %lld %s", accepted, (long long)row->units_done,
                        kind ? kind->unit : "units");
}

/* How far a job is, 0 to 1. One that succeeded is complete, also when its score ended it early. */
static double share_done(enum job_state state, double done, double total) {
    if (state == JOB_SUCCEEDED) {
        return 1;
    }
    return total > 0 ? fmin(done / total, 1) : 0;
}

static json_t *assemble(const struct job_row *row, const struct kind *kind,
                        const struct job_task_counts *counts, json_t *totals, json_t *config,
                        bool with_config) {
    json_t *document =
        json_pack("{s:I, s:s, s:s, s:i, s:s, s:s}", "id", (json_int_t)row->id, "kind", row->kind, "name",
                  row->name, "priority", row->priority, "state", job_state_name(row->state), "reason", "");
    if (!document) {
        return NULL;
    }
    if (with_config) {
        json_object_set(document, "config", config);
        json_object_set_new(document, "inputs", null_or_text_json(row->inputs));
    }
    json_object_set_new(document, "after", null_or_text_json(row->after));
    json_object_set_new(document, "retention",
                        json_pack("{s:I, s:I}", "chunks", (json_int_t)row->retention.chunks, "seconds",
                                  (json_int_t)row->retention.seconds));
    json_object_set_new(document, "unit", json_string(kind ? kind->unit : "units"));
    json_object_set_new(document, "units",
                        json_pack("{s:I, s:I, s:I}", "total", (json_int_t)row->units_total, "done",
                                  (json_int_t)row->units_done, "leased", (json_int_t)counts->leased_units));
    json_object_set_new(document, "tasks", counts_json(counts));
    json_object_set(document, "totals", totals);
    json_t *score = job_score(kind, config, totals);
    json_object_set_new(document, "score", score);
    json_object_set_new(document, "reason", early_end(row, kind, score));
    json_object_set_new(document, "progress",
                        json_real(share_done(row->state, (double)row->units_done, (double)row->units_total)));
    json_object_set_new(document, "rate_per_s", json_integer(0));
    json_object_set_new(document, "eta_s", json_null());
    json_object_set_new(document, "created_ms", json_integer(row->created_ms));
    json_object_set_new(document, "started_ms", null_or_ms(row->started_ms));
    json_object_set_new(document, "ended_ms", null_or_ms(row->ended_ms));
    json_object_set_new(document, "error", null_or_text_json(row->error));
    return document;
}

json_t *job_document(struct store_tx *tx, const struct job_row *row, bool with_config, int *error) {
    struct job_task_counts counts;
    json_t *totals = NULL;
    *error = job_task_counts(tx, row->id, &counts);
    if (!*error) {
        *error = job_totals(tx, row->id, &totals);
    }
    if (*error) {
        return NULL;
    }
    json_t *config = null_or_text_json(row->config);
    json_t *document = assemble(row, kind_find(row->kind), &counts, totals, config, with_config);
    json_decref(config);
    json_decref(totals);
    *error = document ? TG_OK : TG_ENO_MEMORY;
    return document;
}

/* ---- what the loop adds ---- */

static json_t *why(struct api *api, const json_t *document, int64_t id, bool ended) {
    if (ended) {
        const char *detail = json_string_value(json_object_get(json_object_get(document, "error"), "detail"));
        return detail ? json_string(detail) : json_incref(json_object_get(document, "reason"));
    }
    struct store_space space;
    if (store_space(api->store, &space) == TG_OK && space.full) {
        return json_string("the coordinator's disk is nearly full: no new work is handed out");
    }
    struct buf reason = BUF_INIT;
    json_t *text = NULL;
    if (sched_job_reason(api->sched, id, &reason) == TG_OK && reason.size) {
        text = json_stringn((const char *)reason.data, reason.size);
    }
    buf_free(&reason);
    return text ? text : json_string("");
}

/* By what it has got on of late; until that says something, by what its tasks said last. */
static double rate_of(struct api *api, const struct job *job) {
    double stored = pace_rate(job ? job->pace : NULL, clock_monotonic_ms());
    return stored > 0 ? stored : live_rate(api->live, job);
}

void job_overlay(struct api *api, json_t *document) {
    int64_t id = json_integer_value(json_object_get(document, "id"));
    enum job_state state = JOB_QUEUED;
    job_state_parse(json_string_value(json_object_get(document, "state")), &state);
    bool ended = job_state_ended(state);
    json_object_set_new(document, "reason", why(api, document, id, ended));
    if (ended) {
        return;
    }
    const json_t *units = json_object_get(document, "units");
    const struct job *job = jobs_find(api->jobs, id);
    double total = json_number_value(json_object_get(units, "total"));
    double done = json_number_value(json_object_get(units, "done")) + (job ? live_share(job) : 0);
    double rate = state == JOB_RUNNING ? rate_of(api, job) : 0;
    json_object_set_new(document, "progress", json_real(share_done(state, done, total)));
    json_object_set_new(document, "rate_per_s", json_real(rate));
    if (rate > 1e-9 && total >= done) {
        json_object_set_new(document, "eta_s", json_integer((json_int_t)ceil((total - done) / rate)));
    }
}
