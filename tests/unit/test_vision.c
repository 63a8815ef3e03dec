/* What surrounds the training of classifiers: augmentation, intervals, descriptions. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include "workers/vision/augment.h"
#include "workers/vision/describe.h"
#include "workers/vision/score.h"
#include "workers/zoo/zoo.h"

enum { SIDE = 5 };

static uint8_t pixels[SIDE * SIDE];
static uint16_t label;

static struct image_set one_image(void) {
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = (uint8_t)(10 * (i + 1));
    return (struct image_set){
        .height = SIDE, .width = SIDE, .channels = 1, .class_count = 3, .train = {1, pixels, &label}};
}

/* The image moved right and down by (dx, dy), mirrored or not, is `out`. */
static bool is_moved(const float *out, int dx, int dy, bool mirror) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int from_y = y - dy, from_x = (mirror ? SIDE - 1 - x : x) - dx;
            bool inside = from_x >= 0 && from_x < SIDE && from_y >= 0 && from_y < SIDE;
            float want = inside ? (float)pixels[from_y * SIDE + from_x] * (3.0f / 255) : 0;
            if (out[y * SIDE + x] != want)
                return false;
        }
    return true;
}

static void shifts_and_flips_are_all_drawn(void **state) {
    struct image_set set = one_image();
    const struct augmentation how = {.shift = 1, .flip = true};
    int drawn[3][3][2] = {{{0}}};
    struct rng rng;
    (void)state;
    rng_seed(&rng, 3);
    for (int n = 0; n < 1800; n++) {
        float out[SIDE * SIDE];
        int found = 0;
        image_augment(&set, &set.train, 0, &how, &rng, out);
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++)
                for (int mirror = 0; mirror < 2; mirror++)
                    if (is_moved(out, dx, dy, mirror)) {
                        drawn[dy + 1][dx + 1][mirror]++;
                        found++;
                    }
        assert_int_equal(found, 1);
    }
    for (int i = 0; i < 18; i++) /* 100 each on average; 5 standard deviations are 49 */
        assert_in_range((&drawn[0][0][0])[i], 51, 149);
}

static void without_augmentation_it_is_the_image(void **state) {
    struct image_set set = one_image();
    const struct augmentation none = {0}, erase = {.erase = 2};
    struct rng rng;
    float plain[SIDE * SIDE], out[SIDE * SIDE];
    (void)state;
    rng_seed(&rng, 3);
    image_encode(&set, &set.train, 0, plain);
    image_augment(&set, &set.train, 0, &none, &rng, out);
    assert_memory_equal(plain, out, sizeof out);
    for (int n = 0; n < 200; n++) {
        int black = 0;
        image_augment(&set, &set.train, 0, &erase, &rng, out);
        for (int i = 0; i < SIDE * SIDE; i++) {
            black += out[i] == 0;
            assert_true(out[i] == 0 || out[i] == plain[i]);
        }
        assert_in_range(black, 1, 4);
    }
}

/* Against the values that R's prop.test(correct = FALSE) gives. */
static void intervals_are_wilsons(void **state) {
    struct accuracy a = accuracy_of(9300, 10000);
    (void)state;
    assert_float_equal(a.share, 0.93, 1e-12);
    assert_float_equal(a.low, 0.9248329, 1e-6);
    assert_float_equal(a.high, 0.9348366, 1e-6);
    a = accuracy_of(0, 10);
    assert_float_equal(a.low, 0, 1e-12);
    assert_float_equal(a.high, 0.2775328, 1e-6);
}

static const char checked_config[] = "{\"network\": {\"family\": \"%s\", \"stages\": \"\", \"form\": \"\", "
                                     "\"squeeze\": 0, \"width\": 0, \"blocks\": "
                                     "\"\", \"growth\": 0, \"stem_stride\": 0, \"layers\": 0, \"patch\": 0, "
                                     "\"heads\": 0, \"feed_forward\": 0, "
                                     "\"hidden\": 0, \"dropout\": 0}, \"architecture\": \"\"}";

static void every_family_has_defaults_for_images(void **state) {
    static const char *const families[] = {"resnet", "vgg", "googlenet", "densenet", "transformer"};
    struct image_set set = {.height = 28, .width = 28, .channels = 3, .class_count = 7};
    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        char text[600];
        json_t *description, *checked;
        struct graph *graph;
        struct problem problem = {0};
        snprintf(text, sizeof text, checked_config, families[i]);
        json_t *config = json_loads(text, 0, NULL);
        assert_int_equal(describe_network(config, &set, &description, &problem), 0);
        assert_int_equal(zoo_check(description, &checked, &problem), 0);
        assert_int_equal(check_fits(checked, &set, "x", &problem), 0);
        set.channels = 1;
        assert_int_equal(check_fits(checked, &set, "x", &problem), TG_EINVALID);
        assert_non_null(strstr(problem.detail, "pixels-rgb/1"));
        set.channels = 3;
        set.width = 27;
        assert_int_equal(check_fits(checked, &set, "x", &problem), TG_EINVALID);
        assert_non_null(strstr(problem.detail, "28 wide and 28 high of 3"));
        assert_non_null(strstr(problem.detail, "27 wide and 28 high of 3"));
        set.width = 28;
        set.class_count = 8;
        assert_int_equal(check_fits(checked, &set, "x", &problem), TG_EINVALID);
        assert_non_null(strstr(problem.detail, "7 classes"));
        set.class_count = 7;
        assert_int_equal(zoo_build(checked, true, &graph, &problem), 0);
        graph_destroy(graph);
        json_decref(checked);
        json_decref(description);
        json_decref(config);
    }
}

static void what_a_family_lacks_is_refused(void **state) {
    struct image_set set = {.height = 28, .width = 28, .channels = 1, .class_count = 7};
    char text[600];
    json_t *description;
    struct problem problem = {0};
    (void)state;
    snprintf(text, sizeof text, checked_config, "vgg");
    json_t *config = json_loads(text, 0, NULL);
    json_object_set_new(json_object_get(config, "network"), "growth", json_integer(12));
    assert_int_equal(describe_network(config, &set, &description, &problem), TG_EINVALID);
    assert_string_equal(problem.field, "config.network.growth");
    json_decref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shifts_and_flips_are_all_drawn),
        cmocka_unit_test(without_augmentation_it_is_the_image),
        cmocka_unit_test(intervals_are_wilsons),
        cmocka_unit_test(every_family_has_defaults_for_images),
        cmocka_unit_test(what_a_family_lacks_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
