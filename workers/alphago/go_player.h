/* go_player.h - whoever can play Go: one interface for tree searches, networks and GTP engines.
 *
 * A player that needs a network does not call it: choose() returns PLAYER_WAITS, its requests are answered
 * by whoever runs the game (game_run.h), together with those of other games, and choose() is called again.
 *
 * A player may fail: an engine dies, hangs or answers nonsense. That is not the task's failure but loses the
 * game: such a call returns TG_EENGINE with player->forfeit filled, and the game loop does the rest.
 * TG_ECANCELLED means that the task was told to stop; every other error fails the task.
 */
#ifndef TENGEN_ALPHAGO_GO_PLAYER_H
#define TENGEN_ALPHAGO_GO_PLAYER_H

#include "proto/base/error.h"
#include "workers/go/game.h"
#include "workers/search/evaluator.h"
#include "workers/search/search.h"
#include "workers/task/port.h"
#include "workers/task/task.h"

enum { PLAYER_NAME_MAX = 64, FORFEIT_NOTE_MAX = 256 };

/* What a player thought at a move; the root of its search where it has one. */
struct thought {
    uint32_t visits; /* 0: no search behind the move */
    float winrate;   /* of the side to move */
    int child_count;
    struct {
        go_move move;
        uint32_t visits;
    } children[BOARD_POINTS_MAX + 1]; /* those that were visited */
};

/* How a game ends. X(NAME, "reason" as the games list has it) */
#define GAME_END_MAP(X)                                                                                      \
    X(SCORE, "score")                                                                                        \
    X(RESIGN, "resign")                                                                                      \
    X(ILLEGAL, "illegal move")                                                                               \
    X(TIMEOUT, "timeout")                                                                                    \
    X(DIED, "engine died")                                                                                   \
    X(NONSENSE, "protocol error")                                                                            \
    X(MAX_MOVES, "max moves")
enum game_end {
#define X(name, text) END_##name,
    GAME_END_MAP(X)
#undef X
};
const char *game_end_text(enum game_end end);

/* Why a player lost by its own failure; END_SCORE: it did not fail. */
struct forfeit {
    enum game_end end;
    char note[FORFEIT_NOTE_MAX];
};

enum { PLAYER_WAITS = 1 }; /* no error: choose() is to be called again when the requests are answered */

struct go_player;

struct go_player_ops {
    /* A new game; `game` has its rules and the opening that was played already. */
    int (*begin)(struct go_player *player, const struct game *game, uint64_t seed, struct problem *problem);
    /* Chooses a move for `color`. *resign: gives up instead. May return PLAYER_WAITS. */
    int (*choose)(struct go_player *player, const struct game *game, enum color color, go_move *move,
                  bool *resign, struct thought *thought, struct problem *problem);
    /* The other side has played; `game` includes the move. NULL: the player sees that from the game. */
    int (*observe)(struct go_player *player, const struct game *game, enum color color, go_move move,
                   struct problem *problem);
    /* Its own opinion of the finished game as RE[] has it ("W+1.5"), "" when it has none. May be NULL. */
    int (*final_score)(struct go_player *player, char text[], size_t size, struct problem *problem);
    /* The game is over, however it ended; a player that failed recovers here. */
    void (*end)(struct go_player *player);
    void (*destroy)(struct go_player *player);
    /* After PLAYER_WAITS: what player->evaluator is to answer, valid until choose(). NULL: never waits. */
    struct evaluation *const *(*requests)(struct go_player *player, int *count);
};

struct go_player {
    const struct go_player_ops *ops;
    struct port *port;           /* to know about orders while it thinks */
    struct evaluator *evaluator; /* borrowed; NULL when it needs none */
    char name[PLAYER_NAME_MAX];
    struct forfeit forfeit;
};

/* The tree search; the network's move or its search; the GTP engine of that name among the task's engines. */
int go_player_uct(const json_t *options, struct port *port, struct go_player **player);
int go_player_puct(const json_t *options, struct evaluator *evaluator, struct port *port,
                   struct go_player **player);
int go_player_engine(const char *name, double seconds, const struct task *task, struct port *port,
                     struct go_player **player, struct problem *problem);
void go_player_destroy(struct go_player *player); /* NULL is fine */

/* The task's order as a stop callback of searches and waits; keeps the agent informed that work goes on. */
bool go_player_stopped(void *port);

/* For players that search. The search's part of a player's options: */
void go_player_read_search(const json_t *options, struct search_options *search);
/* "uct 1000", "puct 2.5s". */
void go_player_name_search(struct go_player *player, const char *type, const struct search_options *search);
/* What choose() gives for what the search found; TG_ECANCELLED when the task is to stop. */
int go_player_take_choice(const struct go_player *player, const struct search_choice *choice, go_move *move,
                          bool *resign, struct thought *thought);

#endif
