#include "workers/vision/report.h"

#include <stdio.h>
#include <stdlib.h>
#include "proto/base/rng.h"
#include "workers/data/check.h"
#include "workers/data/png_image.h"

enum { SAMPLES_MAX = 200 }; /* the option's greatest */

/* ---- confusion and classes ---- */

static int64_t cell(const struct scores *scores, int truth, int guess) {
    return scores->confusion[(ptrdiff_t)truth * scores->classes + guess];
}

static int64_t samples_of(const struct scores *scores, int truth) {
    int64_t count = 0;
    for (int guess = 0; guess < scores->classes; guess++)
        count += cell(scores, truth, guess);
    return count;
}

/* Whether any image is of the class or was taken for it. Labels may have gaps: of {0, 200} 199 classes are
 * nothing. */
static bool occurs(const struct scores *scores, int class) {
    int64_t count = samples_of(scores, class);
    for (int truth = 0; truth < scores->classes; truth++)
        count += cell(scores, truth, class);
    return count > 0;
}

/* The classes that occur, in order, into `kept`, which has room for all; how many. */
static int occurring(const struct scores *scores, int *kept) {
    int count = 0;
    for (int class = 0; class < scores->classes; class ++)
        if (occurs(scores, class))
            kept[count++] = class;
    return count;
}

static json_t *confusion_json(const json_t *names, const struct scores *scores, const int *kept, int count) {
    json_t *matrix = json_array(), *classes = json_array();
    for (int i = 0; i < count; i++) {
        json_t *row = json_array();
        for (int j = 0; j < count; j++)
            json_array_append_new(row, json_integer(cell(scores, kept[i], kept[j])));
        json_array_append_new(matrix, row);
        json_array_append(classes, json_array_get(names, (size_t)kept[i]));
    }
    return json_pack("{s:o, s:o}", "classes", classes, "matrix", matrix);
}

static json_t *classes_json(const json_t *names, const struct scores *scores) {
    json_t *items = json_array();
    for (int truth = 0; truth < scores->classes; truth++) {
        int64_t count = samples_of(scores, truth);
        if (count == 0)
            continue;
        struct accuracy accuracy = accuracy_of(cell(scores, truth, truth), count);
        json_array_append_new(items,
                              json_pack("{s:O, s:f, s:I}", "class", json_array_get(names, (size_t)truth),
                                        "accuracy", accuracy.share, "count", (json_int_t)count));
    }
    return json_pack("{s:o}", "items", items);
}

/* ---- samples ---- */

static json_t *base64(const struct buf *bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc(bytes->size / 3 * 4 + 5), *to = text;
    for (size_t i = 0; text && i < bytes->size; i += 3) {
        size_t left = bytes->size - i;
        uint32_t three = (uint32_t)bytes->data[i] << 16 | (left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0) |
                         (left > 2 ? bytes->data[i + 2] : 0);
        *to++ = digits[three >> 18];
        *to++ = digits[three >> 12 & 63];
        *to++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[three & 63] : '=';
    }
    json_t *string = text ? json_stringn(text, (size_t)(to - text)) : NULL;
    free(text);
    return string;
}

static json_t *sample_json(const struct image_set *set, const struct image_part *part,
                           const struct scores *scores, uint32_t index) {
    struct png_pixels pixels = {set->height, set->width, set->channels,
                                part->pixels + (size_t)index * image_bytes(set)};
    struct buf png = BUF_INIT;
    json_t *names = class_names_json(set->class_names, set->class_count), *item = NULL;
    if (names && !png_encode(&pixels, &png))
        item = json_pack("{s:o, s:O, s:O, s:f}", "png", base64(&png), "label",
                         json_array_get(names, part->labels[index]), "predicted",
                         json_array_get(names, scores->predicted[index]), "confidence",
                         (double)scores->confidence[index]);
    json_decref(names);
    buf_free(&png);
    return item;
}

/* Which images are shown already. */
struct shown {
    uint32_t index[SAMPLES_MAX];
    int count;
};

static bool is_shown(const struct shown *shown, uint32_t index) {
    for (int i = 0; i < shown->count; i++)
        if (shown->index[i] == index)
            return true;
    return false;
}

/* The mistake made with most confidence among those not shown; part->count when there is none. */
static uint32_t surest_mistake(const struct image_part *part, const struct scores *scores,
                               const struct shown *shown) {
    uint32_t found = part->count;
    for (uint32_t i = 0; i < part->count; i++)
        if (scores->predicted[i] != part->labels[i] &&
            (found == part->count || scores->confidence[i] > scores->confidence[found]) &&
            !is_shown(shown, i))
            found = i;
    return found;
}

static uint32_t any_other(const struct image_part *part, const struct shown *shown, struct rng *rng) {
    uint32_t index = rng_below(rng, part->count);
    while (is_shown(shown, index))
        index = (index + 1) % part->count;
    return index;
}

static json_t *samples_json(const struct image_set *set, const struct image_part *part,
                            const struct scores *scores, int samples, uint64_t seed) {
    json_t *items = json_array();
    struct shown shown = {0};
    struct rng rng;
    rng_seed_stream(&rng, seed, 0x5a3b1e5);
    const int asked = samples < SAMPLES_MAX ? samples : SAMPLES_MAX;
    const int wanted = (uint32_t)asked < part->count ? asked : (int)part->count;
    while (shown.count < wanted) {
        uint32_t index = shown.count < samples / 2 ? surest_mistake(part, scores, &shown) : part->count;
        if (index == part->count)
            index = any_other(part, &shown, &rng);
        shown.index[shown.count++] = index;
        json_array_append_new(items, sample_json(set, part, scores, index));
    }
    return json_pack("{s:o}", "items", items);
}

static int send(struct port *port, const char *name, json_t *data) {
    int error = data ? port_report(port, name, data) : TG_ENO_MEMORY;
    json_decref(data);
    return error;
}

static int send_by_class(struct port *port, const json_t *names, const struct scores *scores) {
    int *kept = calloc((size_t)scores->classes, sizeof *kept);
    int count = kept ? occurring(scores, kept) : 0;
    int error = kept && names ? TG_OK : TG_ENO_MEMORY;
    if (!error && count <= CONFUSION_CLASSES_MAX)
        error = send(port, "confusion", confusion_json(names, scores, kept, count));
    if (!error)
        error = send(port, "classes", classes_json(names, scores));
    free(kept);
    return error;
}

int report_scores(struct port *port, const struct image_set *set, const struct image_part *part,
                  const struct scores *scores, int samples, uint64_t seed) {
    json_t *names = class_names_json(set->class_names, set->class_count);
    int error = send_by_class(port, names, scores);
    json_decref(names);
    if (!error && samples > 0)
        error = send(port, "samples", samples_json(set, part, scores, samples, seed));
    return error;
}

int add_scores(json_t *summary, const char *part, const struct scores *scores) {
    struct accuracy accuracy = accuracy_of(scores->top1, scores->count);
    const struct {
        const char *name;
        json_t *value;
    } all[] = {
        {"accuracy", json_real(accuracy.share)},
        {"accuracy_low", json_real(accuracy.low)},
        {"accuracy_high", json_real(accuracy.high)},
        {"loss", json_real(scores->loss)},
        {"top5", json_real(accuracy_of(scores->top5, scores->count).share)},
        {"images", json_integer(scores->count)},
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", part, *part ? "_" : "", all[i].name);
        failed |= json_object_set_new(summary, name, all[i].value);
    }
    return failed ? TG_ENO_MEMORY : TG_OK;
}

int send_result(struct port *port, const json_t *summary, int64_t images) {
    json_t *header = json_pack("{s:s, s:i, s:{s:i, s:I}, s:O}", "type", "result", "units", 1, "counters",
                               "runs", 1, "images", (json_int_t)images, "result", (json_t *)summary);
    int error = port_report(port, "summary", summary);
    if (!error)
        error = header ? port_chunk(port, header, "", 0) : TG_ENO_MEMORY;
    json_decref(header);
    return error;
}
