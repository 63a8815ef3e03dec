/* The spool: dying at every step, torn files, files that are not ours.
 *
 * write, fsync, renameat and unlinkat are defined here, in front of the C library's, so that a child can be
 * made to die before or after any one of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/log.h"
#include "proto/wire/chunk.h"
#include "workers/agent/spool.h"

static int calls_left = -1; /* until death; -1: immortal */

static char journal[64]; /* what was done, in order: f an fsync of a file, F of a folder, r a rename */

static void note(char what) {
    size_t n = strlen(journal);
    if (n + 1 < sizeof journal)
        journal[n] = what;
}

static void maybe_die(void) {
    if (calls_left == 0)
        syscall(SYS_exit_group, 42);
    if (calls_left > 0)
        calls_left--;
}

int fsync(int fd) {
    maybe_die();
    struct stat status;
    int result = (int)syscall(SYS_fsync, fd);
    note(fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) ? 'F' : 'f');
    maybe_die();
    return result;
}

/* Death in the midst of writing leaves half of the bytes. */
ssize_t write(int fd, const void *data, size_t size) {
    maybe_die();
    if (calls_left == 0)
        (void)syscall(SYS_write, fd, data, size / 2);
    maybe_die();
    return (ssize_t)syscall(SYS_write, fd, data, size);
}

int renameat(int from, const char *old, int to, const char *new) {
    maybe_die();
    int result = (int)syscall(SYS_renameat2, from, old, to, new, 0);
    note('r');
    maybe_die();
    return result;
}

int unlinkat(int folder, const char *name, int flags) {
    maybe_die();
    int result = (int)syscall(SYS_unlinkat, folder, name, flags);
    maybe_die();
    return result;
}

/* ---- helpers ---- */

static char folder[64];

static int set_up(void **state) {
    snprintf(folder, sizeof folder, "/tmp/tengen-spool-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const struct spool_key key = {17, 1};

static struct buf make_chunk(uint32_t number, size_t size) {
    struct buf out = BUF_INIT;
    json_t *header =
        json_pack("{s:s, s:i, s:{s:i}}", "type", "test", "units", 1, "counters", "n", (int)number);
    uint8_t *body = calloc(1, size);
    assert_non_null(body);
    memset(body, (int)number, size);
    assert_int_equal(chunk_encode(&out, header, body, size), 0);
    free(body);
    json_decref(header);
    return out;
}

static struct spool_chunk name_of(uint32_t number) {
    return (struct spool_chunk){number, number + 1, 1};
}

static int put(struct spool *spool, uint32_t number) {
    struct buf bytes = make_chunk(number, 1000);
    struct problem problem = {0};
    int error = spool_put_chunk(spool, key, name_of(number), bytes.data, bytes.size, &problem);
    buf_free(&bytes);
    return error;
}

static struct spool *open_it(void) {
    struct spool *spool = NULL;
    struct problem problem = {0};
    assert_int_equal(spool_open(folder, &spool, &problem), 0);
    return spool;
}

static struct spool_found scan(struct spool *spool) {
    struct spool_found found;
    struct problem problem = {0};
    assert_int_equal(spool_scan(spool, &found, &problem), 0);
    return found;
}

static int count_files(const char *tail) {
    int count = 0;
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (struct dirent *entry; (entry = readdir(list));) {
        size_t n = strlen(entry->d_name), m = strlen(tail);
        count += entry->d_name[0] != '.' && n >= m && strcmp(entry->d_name + n - m, tail) == 0;
    }
    closedir(list);
    return count;
}

/* Runs `what` in a child that dies at the call number `calls`; returns whether it lived to the end. */
static bool lives(void (*what)(struct spool *), int calls) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct spool *spool = NULL;
        if (spool_open(folder, &spool, NULL) != 0)
            _exit(1);
        calls_left = calls;
        what(spool);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 42);
    return WEXITSTATUS(status) == 0;
}

/* ---- cases ---- */

/* A kill cannot show a missing fsync, a power cut would: so the order of the calls is checked. */
static void test_the_bytes_are_synced_before_the_name_and_the_name_after(void **state) {
    struct spool *spool = open_it();
    memset(journal, 0, sizeof journal);
    assert_int_equal(put(spool, 0), 0);
    assert_string_equal(journal, "frF");
    spool_close(spool);
}

static void put_two_chunks(struct spool *spool) {
    (void)put(spool, 0);
    (void)put(spool, 1);
}

/* Whatever the instant: no half file under a real name, no gap, and what is left can be put again. */
static void test_dying_while_putting(void **state) {
    bool lived = false;
    size_t most = 0;
    for (int calls = 0; !lived; calls++) {
        lived = lives(put_two_chunks, calls);
        struct spool *spool = open_it();
        assert_int_equal(count_files(".tmp"), 0);
        struct spool_found found = scan(spool);
        size_t chunks = found.count ? found.attempts[0].chunk_count : 0;
        assert_int_equal(found.damaged, 0);
        assert_true(chunks >= most); /* later deaths never keep less */
        most = chunks;
        for (size_t i = 0; i < chunks; i++)
            assert_int_equal(found.attempts[0].chunks[i].number, i);
        spool_found_free(&found);
        spool_forget(spool, key);
        spool_close(spool);
        assert_true(calls < 100);
    }
    assert_int_equal(most, 2);
}

static void forget_it(struct spool *spool) {
    spool_forget(spool, key);
}

/* Dying while an attempt is forgotten leaves one that is whole enough to tell its end again, or nothing. */
static void test_dying_while_forgetting(void **state) {
    bool lived = false;
    int kept_end = 0;
    for (int calls = 0; !lived; calls++) {
        struct spool *spool = open_it();
        json_t *lease = json_pack("{s:i}", "id", 17),
               *end = json_pack("{s:{s:i, s:i}}", "done", "units", 2, "chunks", 2);
        put_two_chunks(spool);
        assert_int_equal(spool_put_lease(spool, key, lease, NULL), 0);
        assert_int_equal(spool_put_end(spool, key, end, NULL), 0);
        lived = lives(forget_it, calls);
        struct spool_found found = scan(spool);
        assert_true(found.count <= 1);
        if (found.count == 1) {
            assert_non_null(found.attempts[0].end);
            assert_false(found.attempts[0].chunk_count > 0 && !found.attempts[0].lease);
            kept_end++;
        } else {
            assert_int_equal(count_files(""), 0);
        }
        spool_found_free(&found);
        spool_close(spool);
        json_decref(lease);
        json_decref(end);
        assert_true(calls < 100);
    }
    assert_true(kept_end >= 5);
}

static void alter(const char *name, off_t at, off_t cut) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    if (cut >= 0)
        assert_int_equal(ftruncate(fd, cut), 0);
    else
        assert_int_equal(pwrite(fd, "X", 1, at), 1);
    close(fd);
}

static void test_torn_and_altered_chunks_go_to_damaged(void **state) {
    for (int torn = 0; torn < 2; torn++) {
        struct spool *spool = open_it();
        for (uint32_t number = 3; number < 7; number++)
            assert_int_equal(put(spool, number), 0);
        alter("17-1-00000005-6-1.chunk", 60, torn ? 40 : -1);
        struct spool_found found = scan(spool);
        assert_int_equal(found.count, 1);
        assert_true(found.attempts[0].broken);
        assert_int_equal(found.attempts[0].chunk_count, 2);
        assert_int_equal(found.attempts[0].chunks[1].number, 4);
        assert_int_equal(found.damaged, 2); /* itself and the one behind it */
        spool_found_free(&found);
        spool_forget(spool, key);
        assert_int_equal(count_files(".chunk"), 0);
        spool_close(spool);
    }
}

static void test_a_gap_breaks_the_attempt(void **state) {
    struct spool *spool = open_it();
    assert_int_equal(put(spool, 0), 0);
    assert_int_equal(put(spool, 2), 0);
    struct spool_found found = scan(spool);
    assert_true(found.attempts[0].broken);
    assert_int_equal(found.attempts[0].chunk_count, 1);
    spool_found_free(&found);
    spool_close(spool);
}

static void test_what_is_not_ours_is_left_alone(void **state) {
    static const char *const names[] = {"readme.txt",
                                        "17-1-5-6-1.chunk",
                                        "17-1.task.bak",
                                        "-3-1.task",
                                        "0-1.end",
                                        "17-1-00000005-6-1.chunk.old",
                                        "99999999999999999999-1.task"};
    struct spool *spool = open_it();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    struct spool_found found = scan(spool);
    assert_int_equal(found.count, 0);
    assert_int_equal(found.unknown, sizeof names / sizeof *names);
    assert_int_equal(count_files(""), sizeof names / sizeof *names);
    spool_found_free(&found);
    spool_close(spool);
}

static void test_a_damaged_lease_breaks_the_attempt(void **state) {
    struct spool *spool = open_it();
    json_t *lease = json_pack("{s:i}", "id", 17);
    assert_int_equal(spool_put_lease(spool, key, lease, NULL), 0);
    alter("17-1.task", 0, 3);
    struct spool_found found = scan(spool);
    assert_int_equal(found.count, 1);
    assert_null(found.attempts[0].lease);
    assert_true(found.attempts[0].broken);
    spool_found_free(&found);
    spool_close(spool);
    json_decref(lease);
}

static void test_bytes_come_back(void **state) {
    struct spool *spool = open_it();
    struct buf bytes = make_chunk(0, 100000), read = BUF_INIT;
    assert_int_equal(spool_put_chunk(spool, key, name_of(0), bytes.data, bytes.size, NULL), 0);
    assert_int_equal(spool_read_chunk(spool, key, name_of(0), &read, NULL), 0);
    assert_int_equal(read.size, bytes.size);
    assert_memory_equal(read.data, bytes.data, bytes.size);
    buf_clear(&read);
    assert_int_equal(spool_read_chunk(spool, key, name_of(1), &read, NULL), TG_ENOT_FOUND);
    spool_set_aside(spool, key, name_of(0));
    assert_int_equal(spool_read_chunk(spool, key, name_of(0), &read, NULL), TG_ENOT_FOUND);
    struct spool_found found = scan(spool);
    assert_int_equal(found.count + found.unknown, 0); /* refused/ is not looked at */
    spool_found_free(&found);
    buf_free(&bytes);
    buf_free(&read);
    spool_close(spool);
}

static void each_coordinator_has_a_folder(void **state) {
    char data[] = "/tmp/tengen-spool-XXXXXX", path[SPOOL_PATH_MAX], again[SPOOL_PATH_MAX];
    static const char first[] = "0123456789abcdef0123456789abcdef";
    static const char second[] = "fedcba9876543210fedcba9876543210";
    struct problem problem;
    struct spool *spool;
    json_t *lease = json_pack("{s:i}", "id", 1);
    assert_non_null(mkdtemp(data));
    assert_int_equal(spool_choose(data, "", path, &problem), 0); /* of a time without ids */
    assert_int_equal(spool_open(path, &spool, &problem), 0);
    assert_int_equal(spool_put_lease(spool, key, lease, &problem), 0);
    spool_close(spool);
    assert_int_equal(spool_choose(data, first, path, &problem), 0);
    assert_int_equal(spool_choose(data, first, again, &problem), 0);
    assert_string_equal(path, again);
    assert_int_equal(spool_open(path, &spool, &problem), 0);
    struct spool_found found = {0};
    assert_int_equal(spool_scan(spool, &found, &problem), 0);
    assert_int_equal(found.count, 1); /* adopted */
    spool_found_free(&found);
    spool_close(spool);
    assert_int_equal(spool_choose(data, second, path, &problem), 0);
    assert_int_equal(spool_open(path, &spool, &problem), 0);
    assert_int_equal(spool_scan(spool, &found, &problem), 0);
    assert_int_equal(found.count, 0); /* and only by the first */
    spool_close(spool);
    json_decref(lease);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", data);
    assert_int_equal(system(command), 0);
}

int main(void) {
    log_setup(LOG_ERROR + 1, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_coordinator_has_a_folder),
        cmocka_unit_test_setup_teardown(test_the_bytes_are_synced_before_the_name_and_the_name_after, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_dying_while_putting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dying_while_forgetting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn_and_altered_chunks_go_to_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_gap_breaks_the_attempt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_ours_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_damaged_lease_breaks_the_attempt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes_come_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
