/* What a runner sends: frames for an agent, files for a person; and what it is given to go on from. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/wire/chunk.h"
#include "proto/wire/frame.h"
#include "proto/wire/json.h"
#include "workers/task/port.h"
#include "workers/task/task.h"

static char folder[64];

static int make_folder(void **state) {
    snprintf(folder, sizeof folder, "/tmp/tengen-port-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    static const char *const names[] = {
        "in", "frames", "state.safetensors", "checkpoint.safetensors", "confusion.json", "chunks.bin"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *data, size_t size) {
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *name, uint8_t *bytes, size_t room) {
    FILE *file = fopen(path_of(name), "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, room, file);
    fclose(file);
    return size;
}

static struct port *open_port(int *fd) {
    *fd = open(path_of("frames"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(*fd >= 0);
    struct port *port = port_create(-1, *fd, PORT_FRAMES);
    assert_non_null(port);
    return port;
}

/* The next frame of the file, which must be there. */
static struct frame next_frame(struct frame_decoder *decoder) {
    struct frame frame;
    struct problem problem = {0};
    assert_int_equal(frame_decoder_next(decoder, &frame, &problem), 1);
    return frame;
}

static void feed_all(struct frame_decoder *decoder) {
    static uint8_t bytes[1 << 16];
    frame_decoder_init(decoder);
    assert_int_equal(frame_decoder_feed(decoder, bytes, read_file("frames", bytes, sizeof bytes)), 0);
}

/* Opens the chunk in a frame numbered `seq` and unpacks it. */
static json_t *open_chunk(const struct frame *frame, int seq, struct buf *body) {
    struct chunk_view view;
    struct problem problem = {0};
    assert_string_equal(json_string_value(json_object_get(frame->header, "type")), "chunk");
    assert_int_equal(json_integer_value(json_object_get(frame->header, "seq")), seq);
    assert_int_equal(json_integer_value(json_object_get(frame->header, "units")), 0);
    assert_int_equal(chunk_open(frame->body, frame->body_size, &view, &problem), 0);
    assert_int_equal(chunk_unpack(&view, body, &problem), 0);
    json_t *header = json_incref(view.header);
    chunk_view_free(&view);
    return header;
}

static json_t *game_header(const char *result, const char *reason, const char *note) {
    return json_pack("{s:s, s:i, s:{}, s:{s:s, s:i, s:s, s:s, s:s}}", "type", "game", "units", 1, "counters",
                     "game", "result", result, "moves", 61, "reason", reason, "note", note, "sgf", "(;)");
}

static void send_game(struct port *port, const char *result, const char *reason, const char *note) {
    json_t *header = game_header(result, reason, note);
    assert_int_equal(port_chunk(port, header, NULL, 0), 0);
    json_decref(header);
}

/* Everything that a run sends, as one sees it. */
static void test_lines_for_people(void **state) {
    uint8_t told[4096] = {0};
    struct problem problem = {0};
    int fd = open(path_of("frames"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct port *port = port_create(-1, fd, PORT_TEXT);
    assert_non_null(port);
    port_hello(port);
    port_progress(port, NULL);
    send_game(port, "B+3.5", "score", "");
    send_game(port, "W+R", "resign", "it said \x1b[1m");
    port_progress(port, NULL);
    port_metric(port, "loss", 100, 1.25);
    port_metric(port, "samples_per_s", 100, 12345);
    port_metric(port, "loss", 200, 0.5);
    write_file("in", "the network", 11);
    port_checkpoint(port, "checkpoint", 200, path_of("in"));
    port_metric(port, "test_accuracy", 200, 1);
    port_units_done(port, 1);
    port_done(port);
    problem_set(&problem, TG_EINVALID, "config.komi", "is odd");
    port_fail(port, &problem);
    port_destroy(port);
    close(fd);
    read_file("frames", told, sizeof told - 1);
    assert_string_equal((char *)told, "game 1: B+3.5, 61 moves, by score\n"
                                      "game 2: W+R, 61 moves, by resignation: it said  [1m\n"
                                      "step 100: loss 1.25, samples_per_s 12345\n"
                                      "step 200: loss 0.5\n"
                                      "checkpoint \"checkpoint\" of step 200\n"
                                      "step 200: test_accuracy 1\n"
                                      "done: 2 games\n"
                                      "failed after 2 games: config.komi: is odd\n");
}

static void test_checkpoints_are_chunks(void **state) {
    int fd;
    struct port *port = open_port(&fd);
    write_file("in", "the state", 9);
    assert_int_equal(port_checkpoint(port, "state", 7, path_of("in")), 0);
    write_file("in", "the network", 11);
    assert_int_equal(port_checkpoint(port, "checkpoint", 7, path_of("in")), 0);
    assert_int_equal(port_units(port), 0);
    port_destroy(port);
    close(fd);
    static const char *const bodies[] = {"the state", "the network"}, *const names[] = {"state",
                                                                                        "checkpoint"};
    struct frame_decoder decoder;
    feed_all(&decoder);
    for (int i = 0; i < 2; i++) {
        struct frame frame = next_frame(&decoder);
        struct buf body = BUF_INIT;
        json_t *header = open_chunk(&frame, i, &body);
        json_t *wanted = json_pack("{s:s, s:i, s:{}, s:{s:s, s:i}}", "type", "checkpoint", "units", 0,
                                   "counters", "checkpoint", "name", names[i], "step", 7);
        assert_true(json_equal(header, wanted));
        assert_int_equal(body.size, strlen(bodies[i]));
        assert_memory_equal(body.data, bodies[i], body.size);
        json_decref(wanted);
        json_decref(header);
        buf_free(&body);
        frame_free(&frame);
    }
    frame_decoder_free(&decoder);
}

static void test_a_report_has_the_newest_step(void **state) {
    int fd;
    struct port *port = open_port(&fd);
    json_t *data = json_pack("{s:[s,s]}", "classes", "a", "b");
    assert_int_equal(port_metric(port, "loss", 30, 0.5), 0);
    assert_int_equal(port_metric(port, "lr", 20, 0.5), 0);
    assert_int_equal(port_report(port, "confusion", data), 0);
    port_destroy(port);
    close(fd);
    struct frame_decoder decoder;
    feed_all(&decoder);
    for (int i = 0; i < 2; i++) {
        struct frame metric = next_frame(&decoder);
        frame_free(&metric);
    }
    struct frame frame = next_frame(&decoder);
    struct buf body = BUF_INIT;
    json_t *header = open_chunk(&frame, 0, &body), *report = json_object_get(header, "report");
    assert_string_equal(json_string_value(json_object_get(header, "type")), "report");
    assert_string_equal(json_string_value(json_object_get(report, "name")), "confusion");
    assert_int_equal(json_integer_value(json_object_get(report, "step")), 30);
    json_t *sent = json_parse(body.data, body.size, NULL);
    assert_true(json_equal(sent, data));
    json_decref(sent);
    json_decref(header);
    json_decref(data);
    buf_free(&body);
    frame_free(&frame);
    frame_decoder_free(&decoder);
}

static void test_bad_calls_send_nothing(void **state) {
    int fd;
    struct port *port = open_port(&fd);
    json_t *data = json_object(), *list = json_array();
    write_file("in", "x", 1);
    char path[128];
    snprintf(path, sizeof path, "%s", path_of("in"));
    assert_int_equal(port_checkpoint(port, "", 1, path), TG_EINVALID);
    assert_int_equal(port_checkpoint(port, "../x", 1, path), TG_EINVALID);
    assert_int_equal(port_checkpoint(port, "best", -1, path), TG_EINVALID);
    assert_int_equal(port_checkpoint(port, "best", 1, "/nonexistent/file"), TG_EIO);
    assert_int_equal(port_report(port, "Upper", data), TG_EINVALID);
    assert_int_equal(port_report(port, "list", list), TG_EINVALID);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    assert_int_equal(port_order(port), ORDER_GO);
    json_decref(data);
    json_decref(list);
    port_destroy(port);
    close(fd);
}

static void test_kept_as_files(void **state) {
    int fd;
    struct port *port = open_port(&fd);
    uint8_t bytes[4096];
    port_keep(port, folder);
    for (int step = 1; step <= 2; step++) {
        write_file("in", step == 1 ? "old" : "new", 3);
        char path[128];
        snprintf(path, sizeof path, "%s", path_of("in"));
        assert_int_equal(port_checkpoint(port, "state", step, path), 0);
        assert_int_equal(port_checkpoint(port, "checkpoint", step, path), 0);
    }
    assert_int_equal(read_file("checkpoint.safetensors", bytes, sizeof bytes), 3);
    assert_memory_equal(bytes, "new", 3);
    assert_int_equal(read_file("state.safetensors", bytes, sizeof bytes), 3);
    json_t *data = json_pack("{s:i}", "a", 1), *header = json_pack("{s:s, s:i}", "type", "game", "units", 1);
    assert_int_equal(port_report(port, "confusion", data), 0);
    assert_int_equal(read_file("confusion.json", bytes, sizeof bytes), 7);
    assert_memory_equal(bytes, "{\"a\":1}", 7);
    assert_int_equal(port_units(port), 0);
    assert_int_equal(port_chunk(port, header, "first", 5), 0);
    assert_int_equal(port_chunk(port, header, "second", 6), 0);
    assert_int_equal(port_units(port), 2);
    size_t size = read_file("chunks.bin", bytes, sizeof bytes), at = 0;
    uint64_t last = 0;
    for (int i = 0; i < 2; i++) {
        struct chunk_view view;
        struct buf body = BUF_INIT;
        assert_true(at + 12 <= size && read_u64(bytes + at) > last);
        last = read_u64(bytes + at);
        assert_int_equal(chunk_open(bytes + at + 12, read_u32(bytes + at + 8), &view, NULL), 0);
        assert_int_equal(chunk_unpack(&view, &body, NULL), 0);
        assert_string_equal((const char *)body.data, i == 0 ? "first" : "second");
        at += 12 + read_u32(bytes + at + 8);
        buf_free(&body);
        chunk_view_free(&view);
    }
    assert_int_equal(at, size);
    json_decref(data);
    json_decref(header);
    port_destroy(port);
    close(fd);
}

/* What task_parse makes of a resume member given as JSON text. */
static int parse_resume(const char *text, struct task *task, struct problem *problem) {
    json_t *document = json_pack("{s:s}", "kind", "selfplay");
    json_object_set_new(document, "resume", json_loads(text, JSON_DECODE_ANY, NULL));
    *problem = (struct problem){0};
    int error = task_parse(document, task, problem);
    json_decref(document);
    return error;
}

static void test_resume_is_checked(void **state) {
    struct task task;
    struct problem problem;
    assert_int_equal(parse_resume("null", &task, &problem), 0);
    assert_null(task.resume);
    task_free(&task);
    assert_int_equal(parse_resume("{\"checkpoint\": \"a\", \"state\": \"b\"}", &task, &problem), 0);
    assert_string_equal(json_string_value(json_object_get(task.resume, "state")), "b");
    task_free(&task);
    assert_int_equal(parse_resume("{\"checkpoint\": \"a\"}", &task, &problem), TG_EMISSING_FIELD);
    assert_string_equal(problem.field, "resume.state");
    assert_int_equal(parse_resume("{\"checkpoint\": 3, \"state\": \"b\"}", &task, &problem), TG_EWRONG_TYPE);
    assert_string_equal(problem.field, "resume.checkpoint");
    assert_int_equal(parse_resume("[]", &task, &problem), TG_EWRONG_TYPE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines_for_people, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_checkpoints_are_chunks, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_report_has_the_newest_step, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_bad_calls_send_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_kept_as_files, make_folder, remove_folder),
        cmocka_unit_test(test_resume_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
