/* Checkpoint files: the published layout byte by byte, a round trip, and every way in which a file can lie.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/model/safetensors.h"

static char folder[] = "/tmp/tengen-st-XXXXXX";

static int make_folder(void **state) {
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    return rmdir(folder);
}

/* A file of this header text and `size` bytes of data. */
static struct buf build(const char *json, size_t size) {
    struct buf out = BUF_INIT;
    buf_append_u64(&out, strlen(json));
    buf_append_text(&out, json);
    for (size_t i = 0; i < size; i++)
        buf_append(&out, &(uint8_t){(uint8_t)i}, 1);
    return out;
}

static void refuse_bytes(struct buf *bytes, int error, const char *field) {
    struct problem problem = {0};
    assert_null(safetensors_open_memory(bytes->data, bytes->size, &problem));
    assert_int_equal(problem.error, error);
    assert_string_equal(problem.field, field);
    assert_true(problem.detail[0]);
    assert_null(safetensors_open_memory(bytes->data, bytes->size, NULL));
    buf_free(bytes);
}

static void refuse(const char *json, size_t size, int error, const char *field) {
    struct buf bytes = build(json, size);
    refuse_bytes(&bytes, error, field);
}

static void test_reads_the_published_example(void **state) {
    struct buf bytes = build("{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"I16\",\"shape\":[],"
                             "\"data_offsets\":[24,26]},"
                             "\"a\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}}   ",
                             26);
    struct safetensors *file = safetensors_open_memory(bytes.data, bytes.size, NULL);
    assert_non_null(file);
    assert_int_equal(safetensors_count(file), 2);
    const struct tensor_view *a = safetensors_at(file, 0), *b = safetensors_find(file, "b");
    assert_string_equal(a->name, "a");
    assert_int_equal(a->dtype, DTYPE_F32);
    assert_int_equal(a->rank, 2);
    assert_int_equal(a->shape[0], 3);
    assert_int_equal(a->shape[1], 2);
    assert_int_equal(a->bytes, 24);
    assert_int_equal(*(const uint8_t *)a->data, 0);
    assert_int_equal(b->rank, 0);
    assert_int_equal(b->bytes, 2);
    assert_int_equal(*(const uint8_t *)b->data, 24);
    assert_null(safetensors_find(file, "c"));
    assert_string_equal(json_string_value(json_object_get(safetensors_metadata(file), "format")), "pt");
    safetensors_close(file);
    buf_free(&bytes);
}

static void test_empty_files(void **state) {
    struct buf bytes = build("{}", 0);
    struct safetensors *file = safetensors_open_memory(bytes.data, bytes.size, NULL);
    assert_non_null(file);
    assert_int_equal(safetensors_count(file), 0);
    assert_int_equal(json_object_size(safetensors_metadata(file)), 0);
    safetensors_close(file);
    buf_free(&bytes);
    bytes = build("{\"e\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[0,0]}}", 0);
    file = safetensors_open_memory(bytes.data, bytes.size, NULL);
    assert_non_null(file);
    assert_int_equal(safetensors_find(file, "e")->bytes, 0);
    safetensors_close(file);
    buf_free(&bytes);
}

#define TENSOR(dtype, shape, offsets)                                                                        \
    "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void test_lying_tensors(void **state) {
    refuse(TENSOR("F31", "[1]", "[0,4]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("f32", "[1]", "[0,4]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[2]", "[0,4]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1]", "[0,8]"), 8, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1]", "[0,4]"), 3, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1]", "[0,4]"), 5, TG_ECORRUPT, "file");
    refuse(TENSOR("F32", "[1]", "[1,5]"), 5, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1]", "[-4,0]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[0]", "[4,0]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1]", "[0]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1]", "[0,4,4]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1]", "[0,4.0]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1]", "{}"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[-1]", "[0,4]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1.0]", "[0,4]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "1", "[0,4]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, TG_ECORRUPT, "w");
    refuse(TENSOR("F32", "[4294967296,4294967296]", "[0,0]"), 0, TG_ECORRUPT, "w"); /* 2^66 = 0 */
    refuse(TENSOR("F32", "[4611686018427387904]", "[0,0]"), 0, TG_ECORRUPT, "w");   /* 2^64 = 0 */
    refuse(TENSOR("F32", "[2305843009213693952]", "[0,9223372036854775807]"), 8, TG_ECORRUPT, "w"); /* 2^63 */
    refuse("{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, TG_ECORRUPT, "w");
    refuse("{\"w\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":1}}", 0, TG_ECORRUPT, "w");
    refuse("{\"w\":3}", 0, TG_ECORRUPT, "w");
}

#define PAIR(first, second)                                                                                  \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first                                         \
    "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" second "}}"

static void test_overlaps_and_holes(void **state) {
    refuse(PAIR("[0,4]", "[3,7]"), 7, TG_ECORRUPT, "b");
    refuse(PAIR("[0,4]", "[0,4]"), 4, TG_ECORRUPT, "b");
    refuse(PAIR("[5,9]", "[0,4]"), 9, TG_ECORRUPT, "a");
    struct buf bytes = build(PAIR("[4,8]", "[0,4]"), 8);
    struct safetensors *file = safetensors_open_memory(bytes.data, bytes.size, NULL);
    assert_non_null(file);
    assert_string_equal(safetensors_at(file, 0)->name, "b");
    safetensors_close(file);
    buf_free(&bytes);
}

static void test_lying_headers(void **state) {
    struct buf bytes = build("{}", 0);
    bytes.size = 7;
    refuse_bytes(&bytes, TG_ETRUNCATED, "file");
    bytes = build("{}", 0);
    write_u64(bytes.data, 3);
    refuse_bytes(&bytes, TG_ETRUNCATED, "header");
    bytes = build("{}", 0);
    write_u64(bytes.data, UINT64_MAX);
    refuse_bytes(&bytes, TG_ETOO_LARGE, "header");
    bytes = build("{}", 0);
    write_u64(bytes.data, SAFETENSORS_HEADER_MAX + 1);
    refuse_bytes(&bytes, TG_ETOO_LARGE, "header");
    bytes = build("{}", 0);
    write_u64(bytes.data, 0);
    refuse_bytes(&bytes, TG_ECORRUPT, "header");
    refuse(" {}", 0, TG_ECORRUPT, "header");
    refuse("{", 0, TG_EBAD_JSON, "header");
    refuse("{} x", 0, TG_EBAD_JSON, "header");
    refuse("{\"a\":{},\"a\":{}}", 0, TG_EDUPLICATE_KEY, "header");
    refuse("{\"a\xFF\":{}}", 0, TG_EBAD_UTF8, "header");
    refuse("{\"__metadata__\":[]}", 0, TG_ECORRUPT, "__metadata__");
    refuse("{\"__metadata__\":{\"a\":1}}", 0, TG_ECORRUPT, "__metadata__");
}

static const float weights[6] = {1, -2, 3.5f, 0, 1e-30f, 1e30f};
static const int64_t step[1] = {-5};
static const struct tensor_view good[] = {
    {.name = "w", .dtype = DTYPE_F32, .rank = 2, .shape = {3, 2}, .data = weights, .bytes = sizeof weights},
    {.name = "step", .dtype = DTYPE_I64, .rank = 1, .shape = {1}, .data = step, .bytes = sizeof step},
    {.name = "none", .dtype = DTYPE_U8, .rank = 1, .shape = {0}, .data = "", .bytes = 0},
};

static void file_path(char path[64], const char *name) {
    snprintf(path, 64, "%s/%s", folder, name);
}

/* Nothing of the library reads here: the bytes are what the format's page says. */
static void test_written_layout(void **state) {
    char path[64];
    file_path(path, "layout");
    json_t *metadata = json_pack("{s:s}", "step", "1");
    assert_int_equal(safetensors_write(path, good, 2, metadata, NULL), 0);
    json_decref(metadata);
    static const char json[] = "{\"__metadata__\":{\"step\":\"1\"},\"w\":{\"dtype\":\"F32\",\"shape\":[3,2],"
                               "\"data_offsets\":[0,24]},"
                               "\"step\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[24,32]}}";
    size_t padded = (sizeof json - 1 + 7) / 8 * 8;
    uint8_t bytes[512], expected[512] = {0};
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t size = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    unlink(path);
    expected[0] = (uint8_t)padded;
    memset(expected + 8, ' ', padded);
    memcpy(expected + 8, json, sizeof json - 1);
    static const uint8_t data[] = {0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0, 0, 0x60, 0x40}; /* 1, -2, 3.5 */
    memcpy(expected + 8 + padded, data, sizeof data);
    assert_int_equal(size, 8 + padded + 32);
    assert_memory_equal(bytes, expected, 8 + padded + sizeof data);
    assert_memory_equal(bytes + size - 8, "\xFB\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8);
}

static void test_round_trip_replaces(void **state) {
    char path[64];
    file_path(path, "round");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(safetensors_write(path, good, 3, NULL, NULL), 0);
        struct safetensors *file = safetensors_open(path, NULL);
        assert_non_null(file);
        assert_int_equal(safetensors_count(file), 3);
        for (int i = 0; i < 3; i++) {
            const struct tensor_view *got = safetensors_find(file, good[i].name);
            assert_non_null(got);
            assert_int_equal(got->dtype, good[i].dtype);
            assert_int_equal(got->rank, good[i].rank);
            assert_int_equal(got->bytes, good[i].bytes);
            assert_memory_equal(got->shape, good[i].shape, sizeof got->shape);
            if (got->bytes)
                assert_memory_equal(got->data, good[i].data, got->bytes);
        }
        assert_int_equal((uintptr_t)safetensors_find(file, "step")->data % 8, 0);
        safetensors_close(file);
    }
    assert_int_equal(unlink(path), 0);
}

static void test_every_cut_is_refused(void **state) {
    char path[64];
    file_path(path, "cut");
    assert_int_equal(safetensors_write(path, good, 3, NULL, NULL), 0);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    for (off_t size = info.st_size - 1; size >= 0; size--) {
        struct problem problem = {0};
        assert_int_equal(truncate(path, size), 0);
        assert_null(safetensors_open(path, &problem));
        assert_true(problem.error == TG_ETRUNCATED || problem.error == TG_ECORRUPT);
    }
    unlink(path);
}

static void refuse_write(struct tensor_view first, struct tensor_view second, int error) {
    char path[64];
    file_path(path, "refused");
    struct tensor_view both[] = {first, second};
    struct problem problem = {0};
    assert_int_equal(safetensors_write(path, both, 2, NULL, &problem), error);
    assert_int_equal(problem.error, error);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_writer_refusals(void **state) {
    struct tensor_view one = good[0], other = good[1];
    refuse_write(one, one, TG_EINVALID);
    other.bytes = 7;
    refuse_write(one, other, TG_EINVALID);
    other = good[1];
    other.shape[0] = UINT64_MAX;
    refuse_write(one, other, TG_EINVALID);
    other = good[1];
    other.rank = 9;
    refuse_write(one, other, TG_EINVALID);
    other = good[1];
    other.name = "__metadata__";
    refuse_write(one, other, TG_EINVALID);
    other.name = "";
    refuse_write(one, other, TG_EINVALID);
    other.name = "\xFF";
    refuse_write(one, other, TG_EINVALID);
    json_t *metadata = json_pack("{s:i}", "step", 1);
    struct problem problem = {0};
    assert_int_equal(safetensors_write("/tmp/x", good, 1, metadata, &problem), TG_EINVALID);
    assert_string_equal(problem.field, "step");
    json_decref(metadata);
}

static int count_files(void) {
    DIR *listing = opendir(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(listing));)
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

/* The target is a folder, so that the last step fails: the folder stays and no temporary file is left. */
static void test_failed_write_leaves_nothing(void **state) {
    char path[64];
    file_path(path, "taken");
    assert_int_equal(mkdir(path, 0700), 0);
    struct problem problem = {0};
    assert_int_equal(safetensors_write(path, good, 2, NULL, &problem), TG_EIO);
    assert_string_equal(problem.field, path);
    assert_non_null(strstr(problem.detail, "renamed"));
    assert_int_equal(count_files(), 1);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(safetensors_write("/nowhere/at/all", good, 2, NULL, &problem), TG_EIO);
    assert_null(safetensors_open("/nowhere/at/all", &problem));
    assert_int_equal(problem.error, TG_ENOT_FOUND);
    assert_null(safetensors_open(folder, &problem));
    assert_int_equal(problem.error, TG_EIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_the_published_example),
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_lying_tensors),
        cmocka_unit_test(test_overlaps_and_holes),
        cmocka_unit_test(test_lying_headers),
        cmocka_unit_test(test_written_layout),
        cmocka_unit_test(test_round_trip_replaces),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_writer_refusals),
        cmocka_unit_test(test_failed_write_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
