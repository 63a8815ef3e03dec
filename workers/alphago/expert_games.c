/* expert_games.c - see expert_games.h. From files and streams to games.
 *
 *     path --a stream ("TGC1" behind the first head)--> chunk by chunk --> decode_game --+
 *       |                                                                               +--> visitor
 *       +--else: file, folder, archive --> sgf_files --> sgf_read --> sgf_replay -------+
 *
 * Large collections have bad games, so one that is damaged, of another kind or illegal is counted, the first
 * one with its reason (tally), and passed over. What ends the visit is what would make the result depend on
 * luck: a file that cannot be read, a stream that was cut, no memory. A visitor's own error ends it too.
 *
 * Every game is played on a board by our rules before it is handed over, chunks of our own as well: what
 * reaches the visitor has only legal moves. Suicide is allowed and superko only looked at, because expert
 * games were played under many rules.
 *
 * The hash decides in which part of a split a game is. It is of the start and the moves, not of the file, so
 * that copies of a game in two collections land in the same part, and a game that was learnt from is never
 * measured on.
 */
#include "workers/alphago/expert_games.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "proto/base/buf.h"
#include "proto/wire/chunk.h"
#include "workers/alphago/record.h"
#include "workers/go/sgf_files.h"
#include "workers/go/sgf_game.h"

struct visit {
    expert_visitor *visitor;
    void *user;
    struct expert_tally *tally;
    struct sgf_record record; /* its memory serves game after game */
};

static void leave_out(struct visit *visit, int64_t *counter, const char *name,
                      const struct problem *problem) {
    ++*counter;
    if (!visit->tally->first_problem[0])
        snprintf(visit->tally->first_problem, sizeof(visit->tally->first_problem), "%.100s: %.140s", name,
                 problem->detail[0] ? problem->detail : tg_error_title(problem->error));
}

static int hand_over(struct visit *visit, const struct expert_game *game) {
    visit->tally->games++;
    return visit->visitor(visit->user, game);
}

/* ---- SGF ---- */

enum { RATING_MAX = 10000 };

/* "2113", "2113?": a rating. "8d": a rank, which is no number to compare. */
static int rating_number(const char *text) {
    char *end;
    const long value = strtol(text, &end, 10);
    const bool ends = end != text && (*end == 0 || *end == '?' || *end == ')');
    return ends && value > 0 && value <= RATING_MAX ? (int)value : 0;
}

static int rating_of(const struct sgf_record *record, const char *property, const char *name) {
    const char *text = sgf_root_text(record, property);
    const int rating = text ? rating_number(text) : 0;
    const char *bracket = strrchr(name, '(');
    return rating || !bracket ? rating : rating_number(bracket + 1);
}

static void read_winner(const struct sgf_info *info, struct expert_game *out) {
    out->has_winner = true;
    switch (info->result) {
    case SGF_RESULT_SCORE:
        out->winner = info->margin2 > 0 ? BLACK : info->margin2 < 0 ? WHITE : EMPTY;
        break;
    case SGF_RESULT_BLACK:
        out->winner = BLACK;
        break;
    case SGF_RESULT_WHITE:
        out->winner = WHITE;
        break;
    default:
        out->has_winner = false;
    }
}

static int visit_record(struct visit *visit, const char *name) {
    struct sgf_info info;
    struct sgf_replay replay;
    struct problem problem = {0};
    struct game *game = NULL;
    int error = sgf_info_read(&visit->record, &info, &problem);
    if (error) {
        leave_out(visit, &visit->tally->unreadable, name, &problem);
        return 0;
    }
    error = sgf_replay(&visit->record, &info, true, -1, &game, &replay, &problem);
    if (error == TG_EILLEGAL_MOVE) {
        leave_out(visit, &visit->tally->illegal, name, &problem);
    } else if (error && error != TG_ENO_MEMORY) {
        leave_out(visit, &visit->tally->unreadable, name, &problem);
    } else if (!error) {
        struct expert_game out = {.name = name, .game = game};
        out.rating[BLACK] = rating_of(&visit->record, "BR", info.black);
        out.rating[WHITE] = rating_of(&visit->record, "WR", info.white);
        read_winner(&info, &out);
        error = hand_over(visit, &out);
        game_destroy(game);
        return error;
    }
    game_destroy(game);
    return error == TG_ENO_MEMORY ? error : 0;
}

static int visit_sgf_file(void *user, const char *name, const void *data, size_t size) {
    struct visit *visit = user;
    struct sgf_reader reader;
    struct problem problem = {0};
    int error;
    sgf_reader_init(&reader, data, size);
    while ((error = sgf_read(&reader, &visit->record, &problem)) == 0)
        if ((error = visit_record(visit, name)) != 0)
            return error;
    if (error == TG_ENO_MEMORY)
        return error;
    if (error != TG_ENOT_FOUND || reader.games == 0)
        leave_out(visit, &visit->tally->unreadable, name, &problem);
    return 0;
}

/* ---- Streams ---- */

enum { STREAM_HEAD_BYTES = 12 };

/* The game that the body of a "game" chunk holds (record.h). NULL with a reason when it is damaged. */
static struct game *decode_game(const struct buf *body, struct expert_game *out, struct problem *problem) {
    const uint8_t *at = body->data, *end = body->data + body->size;
    if (body->size < RECORD_HEAD_BYTES || memcmp(at, "TGG1", 4) != 0 || at[4] < BOARD_SIZE_MIN ||
        at[4] > BOARD_SIZE_MAX || at[5] >> 1 > KO_SITUATIONAL || at[10] > WHITE) {
        problem_set(problem, TG_ECORRUPT, NULL, "not a game's record");
        return NULL;
    }
    const struct go_rules rules = {.size = at[4],
                                   .komi2 = (int16_t)read_u16(at + 6),
                                   .suicide = at[5] & 1,
                                   .ko = (enum ko_rule)(at[5] >> 1)};
    struct game *game = game_create(&rules);
    const int moves = read_u16(at + 14);
    out->has_winner = true;
    out->winner = (enum color)at[10];
    out->opening_moves = read_u16(at + 12);
    at += RECORD_HEAD_BYTES;
    int error = game ? 0 : problem_set(problem, TG_ENO_MEMORY, NULL, "no memory for a game");
    for (int i = 0; i < moves && !error; i++) {
        if (end - at < 8 || read_u16(at) > rules.size * rules.size || at[2] < BLACK || at[2] > WHITE) {
            error = problem_set(problem, TG_ECORRUPT, NULL, "a damaged move %d", i + 1);
            break;
        }
        enum legality why;
        error = game_play_repeating(game, (enum color)at[2], board_move_at(game_board(game), read_u16(at)),
                                    NULL, &why);
        if (error == TG_EILLEGAL_MOVE)
            problem_set(problem, error, NULL, "move %d is illegal: %s", i + 1, legality_text(why));
        const uint32_t visits = read_u32(at + 4);
        at += 8;
        if (visits && end - at >= 6)
            at += 6 + 6 * (size_t)read_u16(at + 4) <= (size_t)(end - at) ? 6 + 6 * (ptrdiff_t)read_u16(at + 4)
                                                                         : end - at;
    }
    if (!error)
        return game;
    game_destroy(game);
    return NULL;
}

static int visit_chunk(struct visit *visit, const void *data, size_t size, const char *name) {
    struct chunk_view view;
    struct problem problem = {0};
    struct buf body = BUF_INIT;
    int error = chunk_open(data, size, &view, &problem);
    if (error) {
        leave_out(visit, &visit->tally->unreadable, name, &problem);
        return 0;
    }
    const char *type = json_string_value(json_object_get(view.header, "type"));
    if (type && strcmp(type, "game") == 0) {
        struct expert_game out = {.name = name};
        struct game *game = chunk_unpack(&view, &body, &problem) ? NULL : decode_game(&body, &out, &problem);
        out.game = game;
        if (game)
            error = hand_over(visit, &out);
        else if (problem.error == TG_ENO_MEMORY)
            error = TG_ENO_MEMORY;
        else
            leave_out(visit,
                      problem.error == TG_EILLEGAL_MOVE ? &visit->tally->illegal : &visit->tally->unreadable,
                      name, &problem);
        game_destroy(game);
    }
    buf_free(&body);
    chunk_view_free(&view);
    return error;
}

static int read_exactly(FILE *file, void *to, size_t size, const char *path, struct problem *problem) {
    if (fread(to, 1, size, file) == size)
        return 0;
    return problem_set(problem, ferror(file) ? TG_EIO : TG_ETRUNCATED, path,
                       "the stream ends within a chunk");
}

static int visit_stream(struct visit *visit, FILE *file, const char *path, struct problem *problem) {
    struct buf chunk = BUF_INIT;
    uint8_t head[STREAM_HEAD_BYTES];
    int error = 0;
    for (int64_t number = 1; !error; number++) {
        const size_t got = fread(head, 1, sizeof(head), file);
        if (got == 0 && feof(file))
            break;
        error =
            got == sizeof(head) ? 0 : problem_set(problem, TG_ETRUNCATED, path, "the stream ends in a head");
        const uint32_t size = error ? 0 : read_u32(head + 8);
        if (!error && size > CHUNK_PACKED_MAX + CHUNK_JSON_MAX + CHUNK_HEAD_BYTES)
            error = problem_set(problem, TG_ETOO_LARGE, path, "a chunk of %u bytes: more than there can be",
                                size);
        buf_clear(&chunk);
        if (!error)
            error = buf_reserve(&chunk, size);
        if (!error)
            error = read_exactly(file, chunk.data, size, path, problem);
        char name[64];
        snprintf(name, sizeof(name), "chunk %lld of the stream", (long long)number);
        if (!error)
            error = visit_chunk(visit, chunk.data, size, name);
    }
    buf_free(&chunk);
    return error;
}

/* A stream's first chunk begins behind its head; nothing else has these four bytes there. */
static bool is_stream(FILE *file) {
    uint8_t start[STREAM_HEAD_BYTES + 4];
    const size_t got = fread(start, 1, sizeof(start), file);
    rewind(file);
    return got == sizeof(start) && memcmp(start + STREAM_HEAD_BYTES, "TGC1", 4) == 0;
}

int expert_games_visit(const char *path, expert_visitor *visitor, void *user, struct expert_tally *tally,
                       struct problem *problem) {
    struct visit visit = {.visitor = visitor, .user = user, .tally = tally};
    struct stat status;
    const bool plain = stat(path, &status) == 0 && S_ISREG(status.st_mode);
    FILE *file = plain ? fopen(path, "rb") : NULL;
    if (file && status.st_size == 0) { /* a job that has no games yet */
        fclose(file);
        return 0;
    }
    int error = file && is_stream(file) ? visit_stream(&visit, file, path, problem)
                                        : sgf_files_visit(path, visit_sgf_file, &visit, problem);
    if (file)
        fclose(file);
    sgf_record_free(&visit.record);
    if (error == TG_ENO_MEMORY)
        problem_set(problem, error, path, "no memory for a game");
    return error;
}

/* ---- The split ---- */

/* A round of splitmix64: every bit of the sum decides every bit of the result. */
static uint64_t stir(uint64_t hash, uint64_t value) {
    uint64_t z = (hash ^ value) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t expert_game_hash(const struct game *game) {
    const struct board *start = game_start(game);
    uint64_t hash = stir(start->hash, start->size);
    for (int i = 0; i < game_move_count(game); i++) {
        enum color color;
        const go_move move = game_move(game, i, &color);
        hash = stir(hash, (uint64_t)board_index(start, move) << 2 | (uint64_t)color);
    }
    return hash;
}
