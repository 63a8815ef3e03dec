/* The parts of server/api that need neither store nor socket: the map by id, long polls, tokens. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include "proto/base/rng.h"
#include "server/api/idmap.h"
#include "server/api/pace.h"
#include "server/api/tokens.h"
#include "server/api/waits.h"

enum { IDS = 5000 };

/* Against a plain array, over many random changes. */
static void the_map_agrees_with_an_array(void **state) {
    static char present[IDS];
    struct idmap map = {0};
    struct rng rng;
    size_t count = 0;
    rng_seed(&rng, 7);
    for (int i = 0; i < 200000; i++) {
        int64_t id = 1 + (int64_t)rng_below(&rng, IDS - 1);
        if (rng_below(&rng, 2)) {
            assert_int_equal(idmap_put(&map, id, &present[id]), 0);
            count += !present[id];
            present[id] = 1;
        } else {
            void *was = idmap_remove(&map, id);
            assert_ptr_equal(was, present[id] ? &present[id] : NULL);
            count -= present[id];
            present[id] = 0;
        }
        assert_int_equal(map.count, count);
    }
    for (int64_t id = 1; id < IDS; id++) {
        assert_ptr_equal(idmap_get(&map, id), present[id] ? &present[id] : NULL);
    }
    size_t at = 0, seen = 0;
    while (idmap_next(&map, &at)) {
        seen++;
    }
    assert_int_equal(seen, count);
    idmap_free(&map);
}

/* Notes a job that does `per_s` units a second, `steps` a second, for `seconds`; returns when that was over.
 */
static int64_t work(struct pace *pace, int64_t from_ms, int64_t *done, int per_s, int steps, int seconds) {
    int64_t now = from_ms;
    for (int i = 0; i < seconds * steps; i++) {
        now += 1000 / steps;
        *done += per_s / steps;
        pace_note(pace, *done, now);
    }
    return now;
}

static void a_job_has_the_pace_of_what_it_stored_last(void **state) {
    struct pace pace = {0};
    int64_t done = 500;
    assert_true(pace_rate(NULL, 0) == 0);
    pace_note(&pace, done, 1000);
    assert_true(pace_rate(&pace, 9000) == 0); /* one sample says nothing */
    int64_t now = work(&pace, 1000, &done, 1, 1, 5);
    assert_true(pace_rate(&pace, now) == 1);
    assert_true(pace_rate(&pace, now + 5000) == 0.5); /* nothing has come since */
    now = work(&pace, now, &done, 1000, 100, 100);    /* far more notes than samples */
    assert_true(pace_rate(&pace, now) == 1000);
    now = work(&pace, now, &done, 10, 10, 100);
    assert_true(pace_rate(&pace, now) == 10); /* what was a minute ago is forgotten */
    assert_true(pace_rate(&pace, now + 3600000) == 0);
    now = work(&pace, now + 3600000, &done, 2, 1, 3); /* after a pause it begins anew */
    assert_true(pace_rate(&pace, now) == 2);
}

struct counted {
    struct wait wait;
    int expired;
};

static void expired(struct wait *wait) {
    ((struct counted *)wait)->expired++;
}

static void waits_expire_once_and_in_time(void **state) {
    uv_loop_t loop;
    struct waits waits;
    struct counted a = {.wait.expired = expired}, b = a, c = a;
    uv_loop_init(&loop);
    waits_init(&waits, &loop);
    waits_add(&waits, &a.wait, 3600 * 1000);
    waits_add(&waits, &b.wait, 5); /* earlier than the one the timer was set for */
    waits_add(&waits, &c.wait, 5);
    waits_remove(&waits, &c.wait);
    waits_remove(&waits, &c.wait);
    for (int i = 0; i < 1000 && !b.expired; i++) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(b.expired, 1);
    assert_int_equal(a.expired, 0);
    waits_expire_all(&waits);
    assert_int_equal(a.expired, 1);
    assert_int_equal(c.expired, 0);
    assert_null(waits.first);
    uv_close((uv_handle_t *)&waits.timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void tokens_are_found_and_revoked(void **state) {
    struct tokens *tokens = tokens_create();
    struct problem problem = {0};
    struct token *found;
    char text[TOKEN_TEXT], other[TOKEN_TEXT];
    uint8_t hash[TOKEN_HASH_BYTES], other_hash[TOKEN_HASH_BYTES];
    token_make(text, hash);
    token_make(other, other_hash);
    assert_int_equal(strlen(text), 46);
    assert_memory_equal(text, "tg_", 3);
    assert_string_not_equal(text, other);
    assert_true(tokens_none(tokens));
    struct token_row row = {.id = 4, .role = ROLE_WORKER, .name = "x", .hash = hash};
    assert_int_equal(tokens_add(tokens, &row), 0);
    assert_false(tokens_none(tokens));
    assert_int_equal(tokens_find(tokens, text, &found, &problem), 0);
    assert_int_equal(found->id, 4);
    assert_int_equal(tokens_find(tokens, other, &found, &problem), TG_ETOKEN_UNKNOWN);
    assert_int_equal(tokens_find(tokens, "tg_", &found, &problem), TG_ETOKEN_UNKNOWN);
    tokens_revoke(tokens, 4, 1000);
    assert_int_equal(tokens_find(tokens, text, &found, &problem), TG_ETOKEN_REVOKED);
    assert_false(tokens_none(tokens)); /* a store that has had a token never becomes open again */
    tokens_destroy(tokens);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_map_agrees_with_an_array),
        cmocka_unit_test(a_job_has_the_pace_of_what_it_stored_last),
        cmocka_unit_test(waits_expire_once_and_in_time),
        cmocka_unit_test(tokens_are_found_and_revoked),
    };
    if (sodium_init() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
