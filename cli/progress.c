#include "cli/progress.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"

enum { BAR_MIN = 10, BAR_MAX = 40 };

struct facts {
    double share; /* 0 to 1 */
    char count[96], percent[16], rate[32], left[48], reason[256], name[128];
};

static void read_facts(const json_t *job, struct facts *facts) {
    *facts = (struct facts){0};
    const json_t *units = json_object_get(job, "units");
    long long done = member_int(units, "done"), total = member_int(units, "total");
    facts->share = shown_progress(job, 0.001);
    char unit[64];
    snprintf(facts->count, sizeof facts->count, "%lld/%lld %.40s", done, total,
             unit_of(job, unit, sizeof unit));
    snprintf(facts->percent, sizeof facts->percent, "%.1f %%", facts->share * 100);
    format_rate(member_number(job, "rate_per_s"), facts->rate, sizeof facts->rate);
    format_left(job, "left ", facts->left, sizeof facts->left);
    clean_text(member_text(job, "reason"), facts->reason, sizeof facts->reason);
    clean_text(member_text(job, "name"), facts->name, sizeof facts->name);
}

/* Cuts a text to `width` characters, at a character's boundary. */
static void cut_width(char *text, size_t width) {
    size_t seen = 0;
    for (char *c = text; *c; c++)
        if (((unsigned char)*c & 0xC0) != 0x80 && ++seen > width) {
            *c = 0;
            return;
        }
}

static void draw_bar(double share, size_t cells, bool utf8, char *out, size_t size) {
    const char *full = utf8 ? "\xE2\x94\x81" : "#", *rest = utf8 ? "\xE2\x95\x8C" : "-"; /* U+2501, U+254C */
    size_t filled = (size_t)(share * (double)cells), used = 0;
    out[0] = 0;
    for (size_t i = 0; i < cells && used + 4 < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s", i < filled ? full : rest);
}

void progress_bar(const json_t *job, size_t width, bool utf8, char *out, size_t size) {
    struct facts facts;
    read_facts(job, &facts);
    bool running = strcmp(member_text(job, "state"), "running") == 0;
    char tail[512], bar[3 * BAR_MAX + 1];
    const char *why = facts.reason[0] ? facts.reason : member_text(job, "state");
    if (running && !facts.reason[0])
        snprintf(tail, sizeof tail, "%s  %s%s%s%s%s", facts.count, facts.percent, facts.rate[0] ? "  " : "",
                 facts.rate, facts.left[0] ? "  " : "", facts.left);
    else
        snprintf(tail, sizeof tail, "%s  %s  %s", facts.count, facts.percent, why);
    size_t taken = text_width(tail) + 24, name_room = 24;
    size_t cells = width > taken + BAR_MIN ? width - taken : BAR_MIN;
    draw_bar(facts.share, cells < BAR_MAX ? cells : BAR_MAX, utf8, bar, sizeof bar);
    cut_width(facts.name, name_room - 10);
    snprintf(out, size, "%lld %s  %s  %s", (long long)member_int(job, "id"), facts.name, bar, tail);
    cut_width(out, width);
}

void progress_line(const json_t *job, char *out, size_t size) {
    struct facts facts;
    read_facts(job, &facts);
    snprintf(out, size, "job %lld %.20s: %s (%s)%s%s%s%s%s%s", (long long)member_int(job, "id"),
             member_text(job, "state"), facts.count, facts.percent, facts.rate[0] ? ", " : "", facts.rate,
             facts.left[0] ? ", " : "", facts.left, facts.reason[0] ? ", " : "", facts.reason);
}
