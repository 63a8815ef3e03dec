/* The SGF reader, replayer and writer on any bytes. What was read, written and read again must be the same
 * record. */
#include <stdlib.h>
#include <string.h>
#include "workers/go/sgf.h"
#include "workers/go/sgf_game.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const struct sgf_record *record) {
    struct sgf_info info;
    struct sgf_replay found;
    struct problem problem;
    struct game *game = NULL;
    if (sgf_info_read(record, &info, &problem) != 0)
        return;
    (void)sgf_replay(record, &info, record->node_count % 2 == 1, 2000, &game, &found, &problem);
    game_destroy(game);
}

static void write_and_read(const struct sgf_record *record) {
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct sgf_reader reader;
    struct sgf_record again = {0};
    TG_ASSERT(sgf_write_record(&first, record) == 0);
    sgf_reader_init(&reader, first.data, first.size);
    /* Latin-1 grows when it becomes UTF-8, so that a value at its limit does not fit again. */
    if (sgf_read(&reader, &again, NULL) == 0) {
        TG_ASSERT(again.node_count == record->node_count);
        TG_ASSERT(sgf_write_record(&second, &again) == 0);
        TG_ASSERT(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    }
    sgf_record_free(&again);
    buf_free(&first);
    buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sgf_reader reader;
    struct sgf_record record = {0};
    struct problem problem;
    sgf_reader_init(&reader, data, size);
    while (sgf_read(&reader, &record, &problem) == 0) {
        replay(&record);
        write_and_read(&record);
    }
    sgf_record_free(&record);
    return 0;
}
