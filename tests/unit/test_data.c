/* Data sets: idx and PNG from memory, splits, what is damaged is refused by name. Whole folders and archives
 * are read in tests/integration/test_classify.py. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/rng.h"
#include "workers/data/idx.h"
#include "workers/data/image_set.h"
#include "workers/data/png_image.h"
#include "workers/files/files.h"

static void idx_is_read_and_checked(void **state) {
    uint8_t file[16 + 12] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2, 9};
    struct idx idx;
    struct problem problem = {0};
    (void)state;
    assert_int_equal(idx_parse("x", file, sizeof file, &idx, &problem), 0);
    assert_int_equal(idx.rank, 3);
    assert_int_equal(idx.size[1], 3);
    assert_int_equal(idx.count, 12);
    assert_int_equal(idx.values[0], 9);
    for (size_t cut = 0; cut < sizeof file; cut++) /* every cut is noticed, and nothing beyond it is read */
        assert_int_equal(idx_parse("x", file, cut, &idx, &problem), TG_ETRUNCATED);
    assert_int_equal(idx_parse("x", file, sizeof file - 12 + 11, &idx, &problem), TG_ETRUNCATED);
    file[7] = 1; /* fewer images than bytes */
    assert_int_equal(idx_parse("x", file, sizeof file, &idx, &problem), TG_ECORRUPT);
    file[2] = 13; /* floats */
    assert_int_equal(idx_parse("x", file, sizeof file, &idx, &problem), TG_ECORRUPT);
    assert_non_null(strstr(problem.detail, "0x00000d03"));
    assert_string_equal(problem.field, "x");
}

static void idx_sizes_do_not_overflow(void **state) {
    uint8_t file[24] = {0, 0, 8, 4};
    struct idx idx;
    struct problem problem = {0};
    (void)state;
    memset(file + 4, 0xff, 16);
    assert_int_equal(idx_parse("x", file, sizeof file, &idx, &problem), TG_ECORRUPT);
    memset(file + 4, 0, 16);
    assert_int_equal(idx_parse("x", file, sizeof file, &idx, &problem), TG_ECORRUPT);
}

static void png_comes_back_as_it_went(void **state) {
    struct rng rng;
    (void)state;
    rng_seed(&rng, 1);
    for (int channels = 1; channels <= 3; channels += 2) {
        uint8_t bytes[5 * 7 * 3];
        struct buf file = BUF_INIT;
        struct png_pixels in = {5, 7, channels, bytes}, out;
        struct problem problem = {0};
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        assert_int_equal(png_encode(&in, &file), 0);
        assert_int_equal(png_decode("x", file.data, file.size, 7, &out, &problem), 0);
        assert_int_equal(out.height, 5);
        assert_int_equal(out.width, 7);
        assert_int_equal(out.channels, channels);
        assert_memory_equal(out.bytes, bytes, 35 * (size_t)channels);
        free(out.bytes);
        assert_int_equal(png_decode("x", file.data, file.size, 6, &out, &problem), TG_ETOO_LARGE);
        assert_non_null(strstr(problem.detail, "7 wide and 5 high"));
        for (size_t cut = 0; cut + 12 < file.size; cut++) { /* the last chunk is empty */
            assert_int_not_equal(png_decode("x", file.data, cut, 7, &out, &problem), 0);
            assert_null(out.bytes);
        }
        buf_free(&file);
    }
}

static void a_split_keeps_every_image(void **state) {
    struct image_set set = {.height = 1, .width = 1, .channels = 1, .class_count = 2};
    struct image_part to = {0};
    int seen[100] = {0}, together = 0;
    (void)state;
    set.train = (struct image_part){100, malloc(100), malloc(200)};
    for (int i = 0; i < 100; i++) {
        set.train.pixels[i] = (uint8_t)i;
        set.train.labels[i] = (uint16_t)(i % 2);
    }
    assert_int_equal(image_part_split(&set, &set.train, &to, 0.3, 5, NULL), 0);
    assert_int_equal(to.count, 30);
    assert_int_equal(set.train.count, 70);
    for (uint32_t i = 0; i < 30; i++) {
        assert_int_equal(to.labels[i], to.pixels[i] % 2);
        seen[to.pixels[i]]++;
        together += i > 0 && to.pixels[i] == to.pixels[i - 1] + 1;
    }
    for (uint32_t i = 0; i < 70; i++)
        seen[set.train.pixels[i]]++;
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    assert_true(together < 20); /* not the first thirty */
    image_part_free(&to);
    image_set_free(&set);
}

/* ---- the walk ---- */

struct seen {
    int files;
    size_t bytes;
    char last[200];
};

static int see(void *user, const char *name, const void *data, size_t size) {
    struct seen *seen = user;
    seen->files++;
    seen->bytes += size;
    snprintf(seen->last, sizeof seen->last, "%s", name);
    return data ? 0 : TG_EINTERNAL;
}

static void plain_files_count_whatever_their_name(void **state) {
    static const char *const endings[] = {".png", NULL};
    const struct files_rules rules = {endings, 1000, "a file"};
    struct seen seen = {0};
    struct problem problem = {0};
    char large[1001] = {0};
    (void)state;
    assert_int_equal(files_visit_memory("thing", "hello", 5, &rules, see, &seen, &problem), 0);
    assert_int_equal(seen.files, 1);
    assert_int_equal(seen.bytes, 5);
    assert_string_equal(seen.last, "thing");
    assert_int_equal(files_visit_memory("none", "", 0, &rules, see, &seen, &problem), 0);
    assert_int_equal(seen.files, 2);
    memset(large, 'x', sizeof large);
    assert_int_equal(files_visit_memory("large", large, sizeof large, &rules, see, &seen, &problem),
                     TG_ETOO_LARGE);
    assert_string_equal(problem.field, "large");
}

/* Another attempt would find the same: the error is not the one of a file that is missing, which a job tries again. */
static void a_folder_without_images_is_refused_for_good(void **state) {
    char folder[] = "/tmp/tengen-test-XXXXXX";
    struct image_set set;
    struct problem problem = {0};
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(image_set_read(folder, &set, &problem), TG_EINVALID);
    assert_string_equal(problem.field, folder);
    assert_non_null(strstr(problem.detail, "holds no images"));
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(image_set_read(folder, &set, &problem), TG_ENOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idx_is_read_and_checked),
        cmocka_unit_test(idx_sizes_do_not_overflow),
        cmocka_unit_test(png_comes_back_as_it_went),
        cmocka_unit_test(a_split_keeps_every_image),
        cmocka_unit_test(plain_files_count_whatever_their_name),
        cmocka_unit_test(a_folder_without_images_is_refused_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
