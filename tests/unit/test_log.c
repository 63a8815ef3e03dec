/* Log lines, caught by putting a pipe in the place of stderr. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>

#include "proto/base/log.h"

static char caught[65536];

static int saved_stderr, ends[2];

static void catch_begin(void) {
    assert_int_equal(pipe(ends), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
}

static const char *catch_end(void) {
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(ends[1]);
    size_t size = 0;
    ssize_t got;
    while ((got = read(ends[0], caught + size, sizeof caught - 1 - size)) > 0)
        size += (size_t)got;
    caught[size] = 0;
    close(ends[0]);
    return caught;
}

static json_t *catch_json(void) {
    json_t *line = json_loads(catch_end(), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    return line;
}

static const char *const token = "tg_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcde"; /* tg_ and 43 characters */

static void test_text_line(void **state) {
    log_setup(LOG_INFO, false);
    catch_begin();
    log_info("agent", "leased task %d", 17);
    const char *line = catch_end();
    assert_int_equal(strlen(line), 24 + strlen(" info  agent: leased task 17\n"));
    assert_string_equal(line + 24, " info  agent: leased task 17\n");
    assert_int_equal(line[23], 'Z');
}

static void test_threshold(void **state) {
    log_setup(LOG_WARN, false);
    assert_false(log_enabled(LOG_INFO));
    catch_begin();
    log_info("part", "unheard");
    log_error("part", "heard");
    assert_non_null(strstr(catch_end(), "heard"));
    assert_null(strstr(caught, "unheard"));
}

static void test_level_names(void **state) {
    enum log_level level = LOG_ERROR;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_parse("loud", &level) < 0);
}

static void test_control_characters_stay_on_one_line(void **state) {
    log_setup(LOG_INFO, false);
    catch_begin();
    log_info("part", "a\nb\tc\x1b[31md\x7f");
    assert_non_null(strstr(catch_end(), "a\\nb\\tc\\u001b[31md\\u007f\n"));
    assert_ptr_equal(strchr(caught, '\n'), caught + strlen(caught) - 1);
}

static void test_tokens_are_hidden(void **state) {
    log_setup(LOG_INFO, false);
    catch_begin();
    log_info("part", "with %s, %s.", token, token);
    assert_non_null(strstr(catch_end(), "with tg_***, tg_***.\n"));
    catch_begin();
    log_info("part", "tg_short stays, x%sx goes", token);
    assert_non_null(strstr(catch_end(), "tg_short stays, xtg_*** goes\n"));
}

static void test_json_line(void **state) {
    log_setup(LOG_INFO, true);
    catch_begin();
    log_warn("agent", "say \"%s\" \\ \n %s", "hi", token);
    json_t *line = catch_json();
    assert_string_equal(json_string_value(json_object_get(line, "message")), "say \"hi\" \\ \n tg_***");
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(line, "part")), "agent");
    assert_int_equal(json_string_length(json_object_get(line, "time")), 24);
    json_decref(line);
}

static void test_json_line_of_bad_utf8_is_json(void **state) {
    log_setup(LOG_INFO, true);
    catch_begin();
    log_info("part", "\xFF \xC3\xA9 \xE2\x82 \xED\xA0\x80 \xC0\xAF \xF0\x9F\x8D\x8E \xF4\x90\x80\x80 \xC3");
    json_t *line = catch_json();
    assert_string_equal(json_string_value(json_object_get(line, "message")),
                        "? \xC3\xA9 ?? ??? ?? \xF0\x9F\x8D\x8E ???? ?");
    json_decref(line);
}

/* Longer than the line's limit, with a token across the cut: nothing of it may remain. */
static void test_long_message_is_cut(void **state) {
    char text[6000];
    for (int at = 3990; at < 4096; at++) {
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = 0;
        memcpy(text + at, token, strlen(token));
        text[at - 1] = ' ';
        log_setup(LOG_INFO, true);
        catch_begin();
        log_info("part", "%s", text);
        json_t *line = catch_json();
        const char *message = json_string_value(json_object_get(line, "message"));
        assert_true(strlen(message) < 4096);
        assert_string_equal(message + strlen(message) - 3, "...");
        assert_null(strstr(message, "tg_A"));
        json_decref(line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_line),
        cmocka_unit_test(test_threshold),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_control_characters_stay_on_one_line),
        cmocka_unit_test(test_tokens_are_hidden),
        cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_json_line_of_bad_utf8_is_json),
        cmocka_unit_test(test_long_message_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
