/* image_read.c - reading a set of images: every file of the path passes through visit(), which knows idx and
 * PNG; what was collected is then checked as a whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "workers/data/idx.h"
#include "workers/data/image_set.h"
#include "workers/data/png_image.h"
#include "workers/files/files.h"

enum part { TRAIN, TEST, PARTS };
enum { CLASS_NAME_MAX = 100 };
static const char *const part_names[PARTS] = {"train", "test"};

/* A part while it grows. */
struct growing {
    struct image_part part;
    uint32_t room;
    bool has_images, has_labels; /* idx */
    uint32_t label_count;        /* idx: of the labels' file */
    char image_file[PROBLEM_FIELD_MAX], label_file[PROBLEM_FIELD_MAX];
};

struct reading {
    const char *path;
    struct problem *problem;
    struct growing parts[PARTS];
    bool any, is_png;
    int height, width, channels;
    char first[PROBLEM_FIELD_MAX]; /* the file that decided the size */
    char **names;                  /* of classes; PNG: in order of appearance until sorted */
    int name_count, name_room;
    bool has_class_file;
};

static void keep_name(char out[PROBLEM_FIELD_MAX], const char *name) {
    size_t length = strlen(name); /* the end says more than the beginning */
    snprintf(out, PROBLEM_FIELD_MAX, "%s",
             length < PROBLEM_FIELD_MAX ? name : name + length - PROBLEM_FIELD_MAX + 1);
}

/* A problem about a file, whose end of the name is the field. */
#define FAIL(reading, error, name, ...) problem_set((reading)->problem, error, file_field(name), __VA_ARGS__)
static const char *file_field(const char *name) {
    size_t length = strlen(name);
    return length < PROBLEM_FIELD_MAX ? name : name + length - PROBLEM_FIELD_MAX + 1;
}

static int no_memory(const struct reading *r) {
    return problem_set(r->problem, TG_ENO_MEMORY, file_field(r->path), "no memory for the data set");
}

/* The first file decides what the set is and how large its images are. */
static int check_shape(struct reading *r, const char *name, bool png, int height, int width) {
    if (!r->any) {
        r->any = true;
        r->is_png = png;
        r->height = height;
        r->width = width;
        keep_name(r->first, name);
    }
    if (r->is_png != png)
        return FAIL(r, TG_EINVALID, name, "is %s, but the set also holds %s: give them apart",
                    png ? "a PNG file" : "an idx file", png ? "idx files" : "PNG files");
    if (height != r->height || width != r->width)
        return FAIL(
            r, TG_EINVALID, name,
            "is %d wide and %d high, other images (%.60s) are %d wide and %d high: scale all to one size",
            width, height, r->first, r->width, r->height);
    return TG_OK;
}

static int check_side(struct reading *r, const char *name, uint32_t height, uint32_t width) {
    if (height <= IMAGE_SIDE_MAX && width <= IMAGE_SIDE_MAX)
        return TG_OK;
    return FAIL(r, TG_ETOO_LARGE, name,
                "says that its images are %u wide and %u high; at most %d points a side are read", width,
                height, IMAGE_SIDE_MAX);
}

/* ---- class names ---- */

static int add_class(struct reading *r, const char *name, size_t length) {
    if (r->name_count == IMAGE_CLASSES_MAX)
        return problem_set(r->problem, TG_ETOO_LARGE, file_field(r->path), "has more than %d classes",
                           IMAGE_CLASSES_MAX);
    if (r->name_count == r->name_room) {
        int room = r->name_room ? 2 * r->name_room : 16;
        char **grown = realloc(r->names, (size_t)room * sizeof *grown);
        if (!grown)
            return no_memory(r);
        r->names = grown;
        r->name_room = room;
    }
    r->names[r->name_count] = strndup(name, length);
    return r->names[r->name_count] ? (r->name_count++, TG_OK) : no_memory(r);
}

/* classes.txt: a name a line. */
static int read_class_file(struct reading *r, const char *name, const char *text, size_t size) {
    if (r->has_class_file)
        return FAIL(r, TG_EINVALID, name, "there are two files classes.txt: keep one");
    r->has_class_file = true;
    int error = TG_OK;
    for (size_t at = 0; at < size && !error;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at, next = at + length + 1;
        if (length && text[at + length - 1] == '\r')
            length--;
        if (length > CLASS_NAME_MAX)
            return FAIL(r, TG_EINVALID, name, "holds a name of more than %d bytes", CLASS_NAME_MAX);
        if (length)
            error = add_class(r, text + at, length);
        at = next;
    }
    return error;
}

/* ---- idx ---- */

static int idx_images(struct reading *r, struct growing *g, const char *name, const struct idx *idx) {
    uint32_t channels = idx->rank == 4 ? idx->size[3] : 1;
    if (g->has_images)
        return FAIL(r, TG_EINVALID, name, "is the second file of its images; the first is %.60s",
                    g->image_file);
    int error = check_side(r, name, idx->size[1], idx->size[2]);
    if (!error)
        error = check_shape(r, name, false, (int)idx->size[1], (int)idx->size[2]);
    if (error)
        return error;
    if (channels != 1 && channels != 3)
        return FAIL(r, TG_EINVALID, name, "has %u channels; 1 and 3 are read", channels);
    if (r->channels && (int)channels != r->channels)
        return FAIL(r, TG_EINVALID, name, "has %u channels, the other part has %d", channels, r->channels);
    if (idx->size[0] > IMAGE_COUNT_MAX || idx->count > IMAGE_SET_BYTES_MAX)
        return FAIL(r, TG_ETOO_LARGE, name, "holds more than %d images or %zu MiB", IMAGE_COUNT_MAX,
                    IMAGE_SET_BYTES_MAX >> 20);
    g->part.pixels = malloc(idx->count + 1);
    if (!g->part.pixels)
        return no_memory(r);
    memcpy(g->part.pixels, idx->values, idx->count);
    g->part.count = idx->size[0];
    g->has_images = true;
    r->channels = (int)channels;
    keep_name(g->image_file, name);
    return TG_OK;
}

static int idx_labels(struct reading *r, struct growing *g, const char *name, const struct idx *idx) {
    if (g->has_labels)
        return FAIL(r, TG_EINVALID, name, "is the second file of its labels; the first is %.60s",
                    g->label_file);
    if (idx->count > IMAGE_COUNT_MAX)
        return FAIL(r, TG_ETOO_LARGE, name, "holds more than %d labels", IMAGE_COUNT_MAX);
    g->part.labels = malloc((idx->count + 1) * sizeof *g->part.labels);
    if (!g->part.labels)
        return no_memory(r);
    for (size_t i = 0; i < idx->count; i++)
        g->part.labels[i] = idx->values[i];
    g->label_count = (uint32_t)idx->count;
    g->has_labels = true;
    keep_name(g->label_file, name);
    return TG_OK;
}

/* "train-images-idx3-ubyte" and its likes; -1 for another name. */
static int part_of_idx(const char *base, bool *images) {
    static const struct {
        const char *prefix;
        int part;
    } prefixes[] = {{"train-", TRAIN}, {"t10k-", TEST}, {"test-", TEST}};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t length = strlen(prefixes[i].prefix);
        if (strncasecmp(base, prefixes[i].prefix, length) != 0)
            continue;
        *images = strncasecmp(base + length, "images", 6) == 0;
        return *images || strncasecmp(base + length, "labels", 6) == 0 ? prefixes[i].part : -1;
    }
    return -1;
}

static int read_idx(struct reading *r, const char *name, const char *base, const void *data, size_t size) {
    bool images = false;
    struct idx idx;
    int part = part_of_idx(base, &images);
    if (part < 0)
        return FAIL(
            r, TG_EINVALID, name,
            "has a name that does not say what it is: call it (train|t10k)-(images-idx3|labels-idx1)-ubyte");
    int error = idx_parse(file_field(name), data, size, &idx, r->problem);
    if (error)
        return error;
    if (images != (idx.rank >= 3) || (!images && idx.rank != 1))
        return FAIL(r, TG_ECORRUPT, name,
                    "should hold %s by its name, but its magic number 0x%08x is for %d dimensions",
                    images ? "images" : "labels", 0x800U + (unsigned)idx.rank, idx.rank);
    return images ? idx_images(r, &r->parts[part], name, &idx) : idx_labels(r, &r->parts[part], name, &idx);
}

static int check_idx_part(struct reading *r, struct growing *g, const char *part) {
    if (g->has_images != g->has_labels)
        return FAIL(r, TG_EINVALID, g->has_images ? g->image_file : g->label_file,
                    "the %s that belong to it are missing (%s-%s-ubyte)", g->has_images ? "labels" : "images",
                    part, g->has_images ? "labels-idx1" : "images-idx3");
    if (g->part.count != g->label_count)
        return FAIL(r, TG_EINVALID, g->label_file, "holds %u labels, but %.60s holds %u images",
                    g->label_count, g->image_file, g->part.count);
    for (uint32_t i = 0; i < g->part.count && r->has_class_file; i++)
        if (g->part.labels[i] >= r->name_count)
            return FAIL(r, TG_EOUT_OF_RANGE, g->label_file,
                        "label %u of image %u is out of range: classes.txt names %d classes",
                        g->part.labels[i], i, r->name_count);
    return TG_OK;
}

static int largest_label(const struct image_part *part) {
    int largest = -1;
    for (uint32_t i = 0; i < part->count; i++)
        largest = part->labels[i] > largest ? part->labels[i] : largest;
    return largest;
}

/* Without names: as many classes as the labels need; what is tested must have been there to learn. */
static int number_classes(struct reading *r) {
    int train = largest_label(&r->parts[TRAIN].part), test = largest_label(&r->parts[TEST].part);
    if (train >= 0 && test > train)
        return FAIL(r, TG_EOUT_OF_RANGE, r->parts[TEST].label_file,
                    "label %d is out of range: the labels to learn from go from 0 to %d", test, train);
    int error = TG_OK;
    for (int i = 0; i <= (train > test ? train : test) && !error; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        error = add_class(r, name, strlen(name));
    }
    return error;
}

static int finish_idx(struct reading *r) {
    int error = check_idx_part(r, &r->parts[TRAIN], "train");
    if (!error)
        error = check_idx_part(r, &r->parts[TEST], "t10k");
    return error || r->has_class_file ? error : number_classes(r);
}

/* ---- PNG ---- */

/* The folder that a file is in, as [*at, *at + length) of its name within the set; false when it is in none.
 */
static bool class_of(const char *inside, const char **at, size_t *length) {
    const char *end = strrchr(inside, '/');
    if (!end)
        return false;
    const char *begin = end;
    while (begin > inside && begin[-1] != '/')
        begin--;
    *at = begin;
    *length = (size_t)(end - begin);
    return *length > 0 && !(*length == 1 && *begin == '.');
}

/* A folder "test" or "train" above the class decides the part; else it is to learn from. */
static enum part part_of_png(const char *inside, const char *class_at) {
    for (const char *at = inside; at < class_at;) {
        size_t length = strcspn(at, "/");
        for (int part = 0; part < PARTS; part++)
            if (length == strlen(part_names[part]) && strncasecmp(at, part_names[part], length) == 0)
                return (enum part)part;
        at += length + 1;
    }
    return TRAIN;
}

/* The class's number; it is new when no image had it. Classes come in stretches, so the newest is tried
 * first. */
static int class_number(struct reading *r, const char *name, size_t length, int *number) {
    for (int i = r->name_count - 1; i >= 0; i--)
        if (strlen(r->names[i]) == length && memcmp(r->names[i], name, length) == 0) {
            *number = i;
            return TG_OK;
        }
    *number = r->name_count;
    return add_class(r, name, length);
}

static size_t bytes_of_image(const struct reading *r) {
    return (size_t)r->height * (size_t)r->width * (size_t)r->channels;
}

static int grow(struct reading *r, struct growing *g) {
    if (g->part.count < g->room)
        return TG_OK;
    size_t room = g->room ? 2 * (size_t)g->room : 256, bytes = bytes_of_image(r);
    if (g->part.count >= IMAGE_COUNT_MAX || (size_t)(g->part.count + 1) * bytes > IMAGE_SET_BYTES_MAX)
        return problem_set(r->problem, TG_ETOO_LARGE, file_field(r->path),
                           "holds more than %d images or %zu MiB of points", IMAGE_COUNT_MAX,
                           IMAGE_SET_BYTES_MAX >> 20);
    uint8_t *pixels = realloc(g->part.pixels, room * bytes);
    if (!pixels)
        return no_memory(r);
    g->part.pixels = pixels;
    uint16_t *labels = realloc(g->part.labels, room * sizeof *labels);
    if (!labels)
        return no_memory(r);
    g->part.labels = labels;
    g->room = (uint32_t)room;
    return TG_OK;
}

/* The first image with colour makes the set one of colour: what is there becomes grey red, green and blue. */
static int add_colour(struct reading *r) {
    size_t points = (size_t)r->height * (size_t)r->width;
    for (int part = 0; part < PARTS; part++) {
        struct growing *g = &r->parts[part];
        if (!g->room)
            continue;
        uint8_t *pixels = malloc((size_t)g->room * points * 3);
        if (!pixels)
            return no_memory(r);
        for (size_t i = 0; i < g->part.count * points; i++)
            memset(pixels + 3 * i, g->part.pixels[i], 3);
        free(g->part.pixels);
        g->part.pixels = pixels;
    }
    r->channels = 3;
    return TG_OK;
}

static int append_png(struct reading *r, struct growing *g, const struct png_pixels *png, int label) {
    int error = TG_OK;
    if (!r->channels)
        r->channels = png->channels;
    if (png->channels > r->channels)
        error = add_colour(r);
    if (!error)
        error = grow(r, g);
    if (error)
        return error;
    uint8_t *to = g->part.pixels + g->part.count * bytes_of_image(r);
    size_t points = (size_t)r->height * (size_t)r->width;
    if (png->channels == r->channels)
        memcpy(to, png->bytes, bytes_of_image(r));
    for (size_t i = 0; i < points && png->channels < r->channels; i++)
        memset(to + 3 * i, png->bytes[i], 3);
    g->part.labels[g->part.count++] = (uint16_t)label;
    return TG_OK;
}

static int read_png(struct reading *r, const char *name, const char *inside, const void *data, size_t size) {
    const char *class_name;
    size_t length;
    int label = 0;
    struct png_pixels png;
    if (!class_of(inside, &class_name, &length))
        return FAIL(r, TG_EINVALID, name,
                    "is in no folder: put each image in a folder named after its class");
    if (length > CLASS_NAME_MAX)
        return FAIL(r, TG_EINVALID, name, "its folder's name has more than %d bytes", CLASS_NAME_MAX);
    int error = png_decode(file_field(name), data, size, IMAGE_SIDE_MAX, &png, r->problem);
    if (error)
        return error;
    error = check_shape(r, name, true, png.height, png.width);
    if (!error)
        error = class_number(r, class_name, length, &label);
    if (!error)
        error = append_png(r, &r->parts[part_of_png(inside, class_name)], &png, label);
    free(png.bytes);
    return error;
}

struct named {
    const char *name;
    int number;
};

static int by_name(const void *a, const void *b) {
    return strverscmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Sorts the classes by name (numbers within names as numbers) and renumbers the labels. */
static int finish_png(struct reading *r) {
    struct named *sorted = malloc((size_t)r->name_count * sizeof *sorted + 1);
    int *number = malloc((size_t)r->name_count * sizeof *number + 1);
    for (int i = 0; sorted && number && i < r->name_count; i++)
        sorted[i] = (struct named){r->names[i], i};
    if (sorted && number) {
        qsort(sorted, (size_t)r->name_count, sizeof *sorted, by_name);
        for (int i = 0; i < r->name_count; i++) {
            number[sorted[i].number] = i;
            r->names[i] = (char *)sorted[i].name;
        }
        for (int part = 0; part < PARTS; part++)
            for (uint32_t i = 0; i < r->parts[part].part.count; i++)
                r->parts[part].part.labels[i] = (uint16_t)number[r->parts[part].part.labels[i]];
    }
    int error = sorted && number ? TG_OK : no_memory(r);
    free(sorted);
    free(number);
    return error;
}

/* ---- all of it ---- */

static int visit(void *user, const char *name, const void *data, size_t size) {
    struct reading *r = user;
    const char *inside = name + strlen(r->path), *base = strrchr(name, '/');
    inside += *inside == '/';
    base = base ? base + 1 : name;
    if (strcasecmp(base, "classes.txt") == 0)
        return read_class_file(r, name, data, size);
    if (png_is(data, size) || strcasestr(base, ".png"))
        return read_png(r, name, inside, data, size);
    if (idx_is(data, size) || strcasestr(base, "ubyte"))
        return read_idx(r, name, base, data, size);
    return FAIL(r, TG_EINVALID, name,
                "is neither an idx file nor a PNG file nor an archive or folder of them");
}

static int finish(struct reading *r) {
    if (!r->any)
        return problem_set(
            r->problem, TG_EINVALID, file_field(r->path),
            "holds no images: neither idx files under their usual names nor folders of PNG files");
    int error = r->is_png ? finish_png(r) : finish_idx(r);
    if (!error && r->name_count < 2)
        error = problem_set(r->problem, TG_EINVALID, file_field(r->path),
                            "has only one class: there is nothing to tell apart");
    return error;
}

static const char *const endings[] = {".png", "ubyte", "classes.txt", NULL};
static const struct files_rules rules = {endings, IMAGE_FILE_BYTES_MAX, "a file"};

/* After the visit: checks, and hands out what was read. */
static int hand_out(struct reading *r, int error, struct image_set *out) {
    if (!error)
        error = finish(r);
    *out = (struct image_set){.format = r->is_png ? IMAGES_PNG : IMAGES_IDX,
                              .height = r->height,
                              .width = r->width,
                              .channels = r->channels,
                              .class_count = r->name_count,
                              .class_names = r->names,
                              .train = r->parts[TRAIN].part,
                              .test = r->parts[TEST].part};
    if (error)
        image_set_free(out);
    return error;
}

int image_set_read(const char *path, struct image_set *out, struct problem *problem) {
    struct reading r = {.path = path, .problem = problem};
    return hand_out(&r, files_visit(path, &rules, visit, &r, problem), out);
}

int image_set_read_memory(const char *name, const void *data, size_t size, struct image_set *out,
                          struct problem *problem) {
    struct reading r = {.path = name, .problem = problem};
    return hand_out(&r, files_visit_memory(name, data, size, &rules, visit, &r, problem), out);
}
