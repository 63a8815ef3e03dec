/* priors.c - see priors.h. What needs a look at the whole board is found once for all children (survey), the
 * rest is asked of each move.
 *
 * Distance to the last move goes through chains as through one point ("common fate": Graepel et al. 2001),
 * because the stones of a chain live and die together: a move at its far end is an answer to one at its near
 * end. It is a search with steps of 0 and 1, on a plain queue: a point may be queued a second time when a
 * shorter way is found, and QUEUE_MAX bounds that. What does not fit is only believed to be farther away than
 * it is.
 */
#include "workers/search/priors.h"

#include <string.h>
#include "workers/search/pattern3.h"
#include "workers/search/tactics.h"

enum { NEAR_STEPS = 3, OPEN_RADIUS = 3, THIRD_LINE = 2, QUEUE_MAX = 2 * BOARD_CELLS_MAX };

struct prior_weights prior_weights_default(void) {
    return (struct prior_weights){
        .even = 10,
        .capture_one = 15,
        .capture_many = 30,
        .save = 15,
        .pattern = 10,
        .self_atari = 10,
        .near = {24, 22, 8},
        .open_edge = 10,
        .pass = 10,
    };
}

/* What the whole board says, computed once for all children. */
struct survey {
    uint8_t steps[BOARD_CELLS_MAX];    /* from the last move; 0: farther than NEAR_STEPS */
    uint8_t captures[BOARD_CELLS_MAX]; /* stones taken by playing here, at most 255 */
    bool saves[BOARD_CELLS_MAX];
};

/* Steps through the board with chains as one point each ("common fate": their stones live or die together).
 */
static void measure_steps(const struct board *board, go_move last, uint8_t *steps) {
    go_move queue[QUEUE_MAX];
    int offsets[8], count = 0;
    tactics_offsets(board, offsets);
    steps[last] = 1;
    queue[count++] = last;
    for (int at = 0; at < count; at++) {
        go_move point = queue[at];
        for (int i = 0; i < 4; i++) {
            go_move near = (go_move)(point + offsets[i]);
            enum color color = board_color(board, near);
            if (color == BORDER)
                continue;
            bool same = color != EMPTY && color == board_color(board, point);
            uint8_t step = (uint8_t)(steps[point] + (same ? 0 : 1));
            if (step > NEAR_STEPS + 1 || (steps[near] && steps[near] <= step))
                continue;
            steps[near] = step;
            if (count < QUEUE_MAX)
                queue[count++] = near;
        }
    }
}

static void survey_chain(const struct board *board, go_move head, struct survey *survey) {
    go_move liberty;
    enum color color = board_color(board, head);
    if (!board_in_atari(board, head, &liberty))
        return;
    if (color != board->to_move) {
        int stones = survey->captures[liberty] + board_chain_size(board, head);
        survey->captures[liberty] = (uint8_t)(stones > 255 ? 255 : stones);
        return;
    }
    struct move_list list = {.count = 0};
    tactics_save(board, color, head, &list);
    for (int i = 0; i < list.count; i++)
        survey->saves[list.moves[i]] = true;
}

static void survey_board(const struct board *board, struct survey *survey) {
    const go_move last = board->last_move[0];
    memset(survey, 0, sizeof(*survey));
    if (last != PASS && last != NO_MOVE)
        measure_steps(board, last, survey->steps);
    for (unsigned point = 0; point < board->cells; point++) {
        enum color color = board_color(board, (go_move)point);
        if ((color == BLACK || color == WHITE) && board_chain(board, (go_move)point) == point)
            survey_chain(board, (go_move)point, survey);
    }
}

/* The line of a point from the nearest edge, 0 the first; -1 when a stone stands within OPEN_RADIUS. */
static int open_line(const struct board *board, go_move point) {
    const int x = board_x(board, point), y = board_y(board, point), end = board->size - 1;
    for (int dy = -OPEN_RADIUS; dy <= OPEN_RADIUS; dy++)
        for (int dx = -OPEN_RADIUS; dx <= OPEN_RADIUS; dx++)
            if (x + dx >= 0 && x + dx <= end && y + dy >= 0 && y + dy <= end && dx * dx + dy * dy <= 9 &&
                board_color(board, board_at(board, x + dx, y + dy)) != EMPTY)
                return -1;
    int horizontal = x < end - x ? x : end - x, vertical = y < end - y ? y : end - y;
    return horizontal < vertical ? horizontal : vertical;
}

struct belief {
    float wins;
    unsigned visits;
};

static void believe(struct belief *belief, unsigned visits, bool won) {
    belief->visits += visits;
    if (won)
        belief->wins += (float)visits;
}

static struct belief judge(const struct prior_weights *weights, const struct board *board,
                           const struct survey *survey, go_move move) {
    struct belief belief = {weights->even * 0.5f, weights->even};
    if (move == PASS) {
        believe(&belief, weights->pass, false);
        return belief;
    }
    const enum color color = (enum color)board->to_move;
    if (survey->steps[move] > 1)
        believe(&belief, weights->near[survey->steps[move] - 2], true);
    if (survey->captures[move])
        believe(&belief, survey->captures[move] > 1 ? weights->capture_many : weights->capture_one, true);
    if (survey->saves[move])
        believe(&belief, weights->save, true);
    if (pattern3_matches(board->around[move]))
        believe(&belief, weights->pattern, true);
    if (tactics_self_atari(board, color, move, NULL))
        believe(&belief, weights->self_atari, false);
    int line = open_line(board, move);
    if (line == 0 || line == THIRD_LINE)
        believe(&belief, weights->open_edge, line == THIRD_LINE);
    return belief;
}

void priors_set(const struct prior_weights *weights, const struct board *board, struct node *children,
                int count) {
    struct survey survey;
    survey_board(board, &survey);
    for (int i = 0; i < count; i++) {
        struct belief belief = judge(weights, board, &survey, children[i].move);
        children[i].prior_visits = (uint16_t)belief.visits;
        children[i].prior_value = belief.visits ? belief.wins / (float)belief.visits : 0.5f;
    }
}
