#include "workers/vision/describe.h"

#include <string.h>
#include "proto/kinds/classify.h"
#include "workers/zoo/zoo.h"

const char *image_encoding(int channels) {
    return channels == 3 ? "pixels-rgb/1" : "pixels-grey/1";
}

/* What small images want where the zoo's own defaults are made for boards. */
static json_t *family_defaults(const char *family) {
    if (strcmp(family, "resnet") == 0)
        return json_pack("{s:s}", "stages", "32x2 / 64x2 / 128x2");
    if (strcmp(family, "transformer") == 0)
        return json_pack("{s:i}", "patch", 4);
    return json_object();
}

static bool is_unset(const json_t *value) {
    if (json_is_string(value))
        return json_string_length(value) == 0;
    return json_number_value(value) == 0;
}

/* Whole numbers as such: some members of a trunk take no others. */
static json_t *trunk_value(const json_t *value) {
    double number = json_number_value(value);
    if (json_is_real(value) && number == (double)(json_int_t)number)
        return json_integer((json_int_t)number);
    return json_incref((json_t *)value);
}

/* One option into the trunk, where it has the same name; those of the head pass. The dropout is of both. */
static int put(json_t *trunk, const json_t *network, const struct option_spec *spec,
               struct problem *problem) {
    const char *family = option_string(network, "family");
    const json_t *value = json_object_get(network, spec->name);
    bool of_trunk = spec->when || (strcmp(spec->name, "dropout") == 0 && strcmp(family, "transformer") == 0);
    if (!of_trunk || is_unset(value))
        return TG_OK;
    if (!option_applies(spec, network))
        return problem_set(problem, TG_EINVALID, spec->name,
                           "is nothing that the family %s has: leave it out", family);
    return json_object_set_new(trunk, spec->name, trunk_value(value)) ? TG_ENO_MEMORY : TG_OK;
}

static int describe_trunk(const json_t *network, json_t **out, struct problem *problem) {
    const char *family = option_string(network, "family");
    json_t *trunk = family_defaults(family);
    int error = trunk && !json_object_set_new(trunk, "family", json_string(family)) ? TG_OK : TG_ENO_MEMORY;
    for (const struct option_spec *spec = classify_network_options; spec->name && !error; spec++)
        error = put(trunk, network, spec, problem);
    if (error) {
        json_decref(trunk);
        trunk = NULL;
        problem_prefix(problem, "config.network");
    }
    *out = trunk;
    return error;
}

static int describe_options(const json_t *network, const struct image_set *set, json_t **out,
                            struct problem *problem) {
    json_t *trunk;
    int error = describe_trunk(network, &trunk, problem);
    if (error)
        return error;
    *out = json_pack("{s:i, s:{s:i, s:i, s:i, s:s}, s:o, s:[{s:s, s:i, s:I, s:f}]}", "version", 1, "input",
                     "height", set->height, "width", set->width, "channels", set->channels, "encoding",
                     image_encoding(set->channels), "trunk", trunk, "heads", "kind", "classes", "classes",
                     set->class_count, "hidden", (json_int_t)option_int(network, "hidden"), "dropout",
                     option_number(network, "dropout"));
    return *out ? TG_OK : TG_ENO_MEMORY;
}

/* A description of the user's own: what it leaves out about the images is filled in. */
static int describe_own(const char *text, const struct image_set *set, json_t **out,
                        struct problem *problem) {
    json_t *rest =
        json_pack("{s:{s:i, s:i, s:i, s:s}, s:[{s:s, s:i}]}", "input", "height", set->height, "width",
                  set->width, "channels", set->channels, "encoding", image_encoding(set->channels), "heads",
                  "kind", "classes", "classes", set->class_count);
    int error = zoo_parse(text, rest, out, problem);
    json_decref(rest);
    if (error)
        problem_prefix(problem, "config");
    return error;
}

int describe_network(const json_t *config, const struct image_set *set, json_t **out,
                     struct problem *problem) {
    const char *own = option_string(config, "architecture");
    *out = NULL;
    if (*own)
        return describe_own(own, set, out, problem);
    return describe_options(option_object(config, "network"), set, out, problem);
}

static const json_t *classes_head(const json_t *architecture) {
    size_t i;
    json_t *head;
    json_array_foreach(json_object_get(architecture, "heads"), i, head) {
        const char *kind = json_string_value(json_object_get(head, "kind"));
        if (kind && strcmp(kind, "classes") == 0)
            return head;
    }
    return NULL;
}

int check_fits(const json_t *architecture, const struct image_set *set, const char *what,
               struct problem *problem) {
    const json_t *input = json_object_get(architecture, "input"), *head = classes_head(architecture);
    int height = (int)option_int(input, "height"), width = (int)option_int(input, "width"),
        channels = (int)option_int(input, "channels");
    const char *encoding = option_string(input, "encoding");
    if (!head)
        return problem_set(problem, TG_EINVALID, what, "has no head of kind classes: it tells nothing apart");
    if (strcmp(encoding, image_encoding(set->channels)) != 0)
        return problem_set(problem, TG_EINVALID, what,
                           "takes its input in the encoding \"%s\", the images have \"%s\"", encoding,
                           image_encoding(set->channels));
    if (height != set->height || width != set->width || channels != set->channels)
        return problem_set(
            problem, TG_EINVALID, what,
            "takes images %d wide and %d high of %d channels, the data set's are %d wide and %d high of %d",
            width, height, channels, set->width, set->height, set->channels);
    if (option_int(head, "classes") != set->class_count)
        return problem_set(problem, TG_EINVALID, what, "tells %d classes apart, the data set has %d",
                           (int)option_int(head, "classes"), set->class_count);
    return TG_OK;
}
