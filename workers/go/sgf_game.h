/* sgf_game.h - what an SGF record says about a game of Go, and games as SGF.
 *
 * Reading takes what real files hold: setup (AB, AW, AE, PL) in any node and points as compressed rectangles,
 * several moves in one node, a colour that moves twice, passes as [] or, up to 19x19, [tt].
 */
#ifndef TENGEN_GO_SGF_GAME_H
#define TENGEN_GO_SGF_GAME_H

#include "workers/go/game.h"
#include "workers/go/sgf.h"

enum sgf_result {
    SGF_RESULT_NONE,  /* no RE, "?" or something unknown */
    SGF_RESULT_SCORE, /* margin2 is Black's lead; 0 for a draw */
    SGF_RESULT_BLACK, /* won without a score: by resignation, on time, by forfeit or unsaid */
    SGF_RESULT_WHITE,
    SGF_RESULT_VOID,
};

enum { SGF_INFO_TEXT = 128 };

/* The root's properties. Texts are cut to fit (at a character), "" when absent. */
struct sgf_info {
    int size;  /* SZ; 19 when absent */
    int komi2; /* KM in half points; 0 when absent */
    bool has_komi;
    int handicap; /* HA; 0 when absent */
    enum sgf_result result;
    int margin2;     /* SGF_RESULT_SCORE: Black's lead in half points */
    bool has_result; /* RE is there and not empty or "?" */
    char black[SGF_INFO_TEXT], white[SGF_INFO_TEXT], place[SGF_INFO_TEXT], rules[SGF_INFO_TEXT],
        date[SGF_INFO_TEXT], result_text[SGF_INFO_TEXT];
};

/* 0, or TG_EINVALID: not Go (GM), a board that is not square or not 2 to 19. */
int sgf_info_read(const struct sgf_record *record, struct sgf_info *info, struct problem *problem);

/* What replaying found. */
struct sgf_replay {
    int moves;         /* played */
    int repetitions;   /* moves after which a position stood on the board again (positional) */
    bool setup;        /* stones were set up */
    enum legality why; /* of the move that could not be played; MOVE_LEGAL when all could */
    int bad_number;    /* its number, 1-based */
    enum color bad_color;
    char bad_move[16];             /* as the file has it, printable */
    uint32_t bad_line, bad_column; /* of the property that could not be replayed; 0 when all could */
};

/* Plays the main line, at most `limit` moves (negative: all), as a new game in *out (the caller's, also after
 * TG_EILLEGAL_MOVE: the game up to there). info->size and komi make the rules, with `suicide` and positional
 * superko, which is counted and not enforced. A setup node after moves begins the game anew from there. 0,
 * TG_EILLEGAL_MOVE, TG_EINVALID (a malformed point or setup), TG_ENO_MEMORY. */
int sgf_replay(const struct sgf_record *record, const struct sgf_info *info, bool suicide, int limit,
               struct game **out, struct sgf_replay *replay, struct problem *problem);

/* What is written beside the moves. NULL texts are left out. All texts are UTF-8. */
struct sgf_header {
    const char *black, *white, *result, *event, *place, *date, *comment;
    const char *const *move_comments; /* one for each move, entries may be NULL; or NULL */
};

/* A complete FF[4] record of the game, appended to *out. 0 or the buffer's error. */
int sgf_write_game(struct buf *out, const struct game *game, const struct sgf_header *header);

#endif
