#include "workers/task/people.h"

#include <stdbool.h>
#include <string.h>
#include "proto/base/error.h"

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static json_int_t number_of(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

/* ---- metrics ---- */

static int tell_metrics(struct people *people, struct buf *out) {
    const char *name, *before = "";
    json_t *value;
    if (!people->metrics)
        return 0;
    int error = buf_printf(out, "step %lld: ", (long long)people->step);
    json_object_foreach(people->metrics, name, value) {
        error = error ? error : buf_printf(out, "%s%s %.6g", before, name, json_number_value(value));
        before = ", ";
    }
    json_decref(people->metrics);
    people->metrics = NULL;
    return error ? error : buf_append_text(out, "\n");
}

static int hold_metric(struct people *people, const json_t *header, struct buf *out) {
    const char *name = text_of(header, "name");
    json_int_t step = number_of(header, "step");
    int error = 0;
    if (step != people->step || json_object_get(people->metrics, name))
        error = tell_metrics(people, out);
    if (!error && !people->metrics)
        people->metrics = json_object();
    people->step = step;
    if (!error && json_object_set(people->metrics, name, json_object_get(header, "value")))
        error = TG_ENO_MEMORY;
    return error;
}

/* ---- the rest ---- */

/* A game's "reason" within a sentence. */
static const char *ending_of(const char *reason) {
    static const char *const words[][2] = {
        {"score", "by score"},
        {"resign", "by resignation"},
        {"illegal move", "by an illegal move"},
        {"timeout", "on time"},
        {"engine died", "as an engine died"},
        {"protocol error", "by a protocol error"},
        {"max moves", "at the limit of moves"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i][0], reason) == 0)
            return words[i][1];
    return reason;
}

static int tell_game(struct people *people, const json_t *game, struct buf *out) {
    const char *note = text_of(game, "note");
    return buf_printf(out, "game %lld: %s, %lld moves, %s%s%s\n", (long long)++people->games,
                      text_of(game, "result"), (long long)number_of(game, "moves"),
                      ending_of(text_of(game, "reason")), note[0] ? ": " : "", note);
}

static int tell_chunk(struct people *people, const json_t *header, struct buf *out) {
    static const char *const named[] = {"checkpoint", "report"};
    const json_t *part = json_object_get(header, "game");
    if (part)
        return tell_game(people, part, out);
    for (int i = 0; i < 2; i++)
        if ((part = json_object_get(header, named[i])))
            return buf_printf(out, "%s \"%s\" of step %lld\n", named[i], text_of(part, "name"),
                              (long long)number_of(part, "step"));
    return 0;
}

static int tell_end(const struct people *people, const json_t *header, struct buf *out) {
    bool failed = strcmp(text_of(header, "type"), "fail") == 0;
    const char *field = text_of(header, "field"), *detail = text_of(header, "detail");
    int error = buf_append_text(out, failed ? "failed" : "done");
    if (!error && people->games)
        error = buf_printf(out, "%s %lld %s", failed ? " after" : ":", (long long)people->games,
                           people->games == 1 ? "game" : "games");
    if (!error && failed)
        error = buf_printf(out, ": %s%s%s", field, field[0] ? ": " : "", detail);
    return error ? error : buf_append_text(out, "\n");
}

/* Texts may quote an engine or a file's name. The line break at the end stays. */
static void make_printable(struct buf *line, size_t from) {
    for (size_t i = from; i + 1 < line->size; i++)
        if (line->data[i] < ' ' || line->data[i] == 127)
            line->data[i] = ' ';
}

int people_tell(struct people *people, const json_t *header, struct buf *out) {
    const char *type = text_of(header, "type");
    if (strcmp(type, "metric") == 0)
        return hold_metric(people, header, out);
    int error = tell_metrics(people, out);
    size_t from = out->size;
    if (!error && strcmp(type, "chunk") == 0)
        error = tell_chunk(people, header, out);
    if (!error && (strcmp(type, "done") == 0 || strcmp(type, "fail") == 0))
        error = tell_end(people, header, out);
    make_printable(out, from);
    return error;
}

void people_free(struct people *people) {
    json_decref(people->metrics);
    people->metrics = NULL;
}
