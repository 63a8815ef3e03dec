/* The GTP client against engines that misbehave in every way we know. The engines are lines of shell. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "workers/go/gtp_client.h"

enum { LONG_MS = 20000, SHORT_MS = 150 };

/* A polite engine: answers each command by its own words, refuses "bad". */
#define READ       "read id command argument || exit 0; "
#define LOOP(body) "while true; do " READ body " done"
#define POLITE     "case $command in bad) echo \"?$id no\";; *) echo \"=$id $command $argument\";; esac; echo; "

static struct gtp_client *start(const char *command) {
    const struct gtp_client_options options = {.command = command, .name = "test"};
    struct gtp_client *client = NULL;
    struct problem problem = {0};
    assert_int_equal(gtp_client_start(&options, &client, &problem), 0);
    return client;
}

static void check(const char *command, int64_t timeout_ms, enum gtp_outcome expected, const char *part) {
    struct gtp_client *client = start(command);
    assert_int_equal(gtp_client_command(client, timeout_ms, "name"), expected);
    if (!strstr(gtp_client_reply(client), part))
        fail_msg("\"%s\" is not in \"%s\"", part, gtp_client_reply(client));
    if (expected != GTP_SUCCESS && expected != GTP_REFUSED) /* the dead stay dead */
        assert_int_equal(gtp_client_command(client, timeout_ms, "name"), expected);
    gtp_client_destroy(client);
}

static void test_a_polite_engine(void **state) {
    struct gtp_client *client = start(LOOP(POLITE));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(gtp_client_command(client, LONG_MS, "play %d", i), GTP_SUCCESS);
        char expected[16];
        snprintf(expected, sizeof(expected), "play %d", i);
        assert_string_equal(gtp_client_reply(client), expected);
    }
    assert_int_equal(gtp_client_command(client, LONG_MS, "bad"), GTP_REFUSED);
    assert_string_equal(gtp_client_reply(client), "no");
    assert_int_equal(gtp_client_command(client, LONG_MS, "play on"), GTP_SUCCESS);
    gtp_client_destroy(client);
}

static void test_forms_of_answers(void **state) {
    check(LOOP("printf '=%s  a b \\r\\n\\r\\n' $id;"), LONG_MS, GTP_SUCCESS, "a b");
    check(LOOP("printf '\\n\\n=%s\\n\\n' $id;"), LONG_MS, GTP_SUCCESS, "");
    check(LOOP("printf '=%s one\\ntwo\\n\\n' $id;"), LONG_MS, GTP_SUCCESS, "one\ntwo");
    check(LOOP("printf '=%s sl' $id; sleep 0.05; printf 'ow\\n'; sleep 0.05; echo;"), LONG_MS, GTP_SUCCESS,
          "slow");
}

/* More empty lines than one end a reply and begin no other. */
static void test_empty_lines_between_answers(void **state) {
    struct gtp_client *client = start(LOOP("printf '=%s a\\n\\n\\n\\n' $id;"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gtp_client_command(client, LONG_MS, "name"), GTP_SUCCESS);
        assert_string_equal(gtp_client_reply(client), "a");
    }
    gtp_client_destroy(client);
}

static void test_death(void **state) {
    check("exit 3", LONG_MS, GTP_DIED, "exit status 3");
    check(READ "exit 0", LONG_MS, GTP_DIED, "exit status 0");
    check(READ "kill -9 $$", LONG_MS, GTP_DIED, "signal 9");
    check("exec /nonexistent/engine", LONG_MS, GTP_DIED, "is the command there?");
    check("exec >&-; sleep 60", LONG_MS, GTP_DIED, "closed its output");
    check(READ "printf '=1 half'", LONG_MS, GTP_DIED, "exit status 0");
}

static void test_silence(void **state) {
    check(READ "sleep 60", SHORT_MS, GTP_TIMEOUT, "no answer in");
    check(LOOP("printf '=%s never ends\\n' $id;"), SHORT_MS, GTP_TIMEOUT, "no answer in");
    check("sleep 60", SHORT_MS, GTP_TIMEOUT, "no answer in");
}

static void test_nonsense(void **state) {
    check(LOOP("echo hello; echo;"), LONG_MS, GTP_NONSENSE, "hello");
    check("cat", LONG_MS, GTP_NONSENSE, "1 name"); /* an echo has no empty line */
    check(LOOP("echo \"=99 name\"; echo;"), LONG_MS, GTP_NONSENSE, "=99");
    check(LOOP("echo \"= name\"; echo;"), LONG_MS, GTP_NONSENSE, "= name");
    check("printf '=1 '; while true; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
          LONG_MS, GTP_NONSENSE, "longer than");
}

/* Far more on stderr than a pipe or the log should take; the engine is not held up by it. */
static void test_stderr_flood(void **state) {
    log_setup(LOG_ERROR, false);
    check("i=0; while [ $i -lt 20000 ]; do echo a line that nobody wants to read at all >&2; i=$((i+1)); "
          "done; " LOOP(POLITE),
          LONG_MS, GTP_SUCCESS, "name");
}

static bool stop_now(void *context) {
    return *(bool *)context;
}

static void test_stop(void **state) {
    bool stop = true;
    const struct gtp_client_options options = {
        .command = "sleep 60", .name = "test", .stop = stop_now, .context = &stop};
    struct gtp_client *client = NULL;
    assert_int_equal(gtp_client_start(&options, &client, NULL), 0);
    assert_int_equal(gtp_client_command(client, LONG_MS, "name"), GTP_STOPPED);
    gtp_client_destroy(client);
}

static bool is_gone(pid_t pid) {
    for (int i = 0; i < 6000; i++) {
        char path[64], state_of[256] = "";
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        FILE *file = fopen(path, "r");
        bool read = file && fgets(state_of, sizeof(state_of), file);
        if (file)
            fclose(file);
        const char *close = read ? strrchr(state_of, ')') : NULL;
        if (!close || close[2] == 'Z' || close[2] == 'X')
            return true;
        usleep(10000);
    }
    return false;
}

/* Nothing that the engine has started is left, even when it ignores everything. */
static void test_the_whole_group_goes(void **state) {
    struct gtp_client *client =
        start("trap '' TERM HUP INT; sleep 300 & " READ "echo \"=$id $!\"; echo; sleep 300");
    assert_int_equal(gtp_client_command(client, LONG_MS, "name"), GTP_SUCCESS);
    pid_t child = (pid_t)strtol(gtp_client_reply(client), NULL, 10);
    assert_true(child > 1 && kill(child, 0) == 0);
    gtp_client_destroy(client);
    assert_true(is_gone(child));
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_polite_engine),
        cmocka_unit_test(test_forms_of_answers),
        cmocka_unit_test(test_empty_lines_between_answers),
        cmocka_unit_test(test_death),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_stderr_flood),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_the_whole_group_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
