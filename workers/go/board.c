/* board.c - see board.h for the data and its invariants, board_kernel.h for the steps of a move.
 *
 * Two sorts of functions. What a playout does millions of times a second (legality, a move, an eye) is in the
 * kernel, constant in time or linear in the stones that it takes off. What is asked now and then (true
 * liberties, what a move would leave, the hash after it) is here; it walks chains by their circles and marks
 * what it has seen in a set on its own stack, so that a const board may be asked at any time and by a search
 * that holds many.
 *
 * Those questions are answered without playing the move and taking it back: there is no undo. A board is
 * small enough to be copied, and a second way to change it would be a second set of invariants to keep.
 *
 * What a move at p would take: an opponent's chain whose pseudo-liberties are all at p (chains_taken). They
 * are as many as its stones next to p, which is why counting the neighbours with the same head is enough.
 *
 * board_check proves every invariant from scratch; tests/unit/test_board_oracle.c also plays against a board
 * that is simple enough to be obviously right.
 */
#include <stddef.h>
#include <string.h>
#include "proto/base/error.h"
#include "workers/go/board.h"
#include "workers/go/board_kernel.h"
#include "workers/go/zobrist.h"

static void see_border(struct board *board, unsigned p) {
    const int stride = board->stride;
    const int offsets[8] = {-stride, -1, 1, stride, -stride - 1, -stride + 1, stride - 1, stride + 1};
    unsigned around = 0;
    for (int i = 0; i < 8; i++)
        around |= (unsigned)board->color[(int)p + offsets[i]] << (2 * i);
    board->around[p] = (uint16_t)around;
}

void board_init(struct board *board, int size, bool suicide) {
    TG_ASSERT(size >= BOARD_SIZE_MIN && size <= BOARD_SIZE_MAX);
    memset(board, 0, sizeof *board);
    board->size = (uint8_t)size;
    board->stride = (uint8_t)(size + 1);
    board->cells = (uint16_t)((size + 2) * (size + 1) + 1);
    board->to_move = BLACK;
    board->suicide = suicide;
    board->last_move[0] = board->last_move[1] = NO_MOVE;
    memset(board->color, BORDER, board->cells);
    for (unsigned p = 0; p < board->cells; p++)
        board->chain[p] = (uint16_t)p;
    for (int i = 0; i < size * size; i++) {
        go_move p = board_at(board, i % size, i / size);
        board->color[p] = EMPTY;
        board->empties[i] = p;
        board->link[p] = (uint16_t)i;
    }
    board->empty_count = (uint16_t)(size * size);
    for (int i = 0; i < size * size; i++)
        see_border(board, board->empties[i]);
}

/* A search copies a board for each simulation: the cells of a 9x9 are a quarter of what the struct has room
 * for. */
void board_copy(struct board *to, const struct board *from) {
    const size_t cells = from->cells, words = cells * sizeof from->link[0];
    memcpy(to, from, offsetof(struct board, color));
    memcpy(to->color, from->color, cells);
    memcpy(to->empties, from->empties, from->empty_count * sizeof from->empties[0]);
    memcpy(to->around, from->around, words);
    memcpy(to->chain, from->chain, words);
    memcpy(to->link, from->link, words);
    memcpy(to->liberties, from->liberties, words);
}

int board_setup(struct board *board, const uint8_t *colors, enum color to_move) {
    const int size = board->size, points = size * size;
    const bool suicide = board->suicide;
    board_init(board, size, suicide);
    board->to_move = (uint8_t)to_move;
    for (int i = 0; i < points; i++) {
        go_move p = board_at(board, i % size, i / size);
        if (colors[i] != BLACK && colors[i] != WHITE)
            continue;
        /* Without captures: whether the whole has chains without liberties is asked at the end, for while it
         * is being built a chain may have none yet, or lose them to stones that come later. */
        kernel_put(board, board->stride, colors[i], p);
        kernel_connect(board, board->stride, colors[i], p);
    }
    for (int i = 0; i < points; i++) {
        go_move p = board_at(board, i % size, i / size);
        if (board->color[p] != EMPTY && board->liberties[board->chain[p]] == 0) {
            board_init(board, size, suicide);
            return TG_EINVALID;
        }
    }
    return 0;
}

enum legality board_legality(const struct board *board, enum color color, go_move move) {
    if (move == PASS)
        return MOVE_LEGAL;
    if (!board_on(board, move))
        return MOVE_OFF_BOARD;
    if (board->color[move] != EMPTY)
        return MOVE_OCCUPIED;
    return kernel_legality(board, board->stride, color, move);
}

bool board_legal(const struct board *board, enum color color, go_move move) {
    return board_legality(board, color, move) == MOVE_LEGAL;
}

const char *legality_text(enum legality legality) {
    static const char *const texts[] = {"legal", "off the board", "occupied", "suicide", "ko", "superko"};
    return texts[legality];
}

int board_play(struct board *board, enum color color, go_move move) {
    int taken = 0;
    TG_ASSERT(color == BLACK || color == WHITE);
    if (move == PASS) {
        board->ko = PASS;
        board->passes++;
    } else {
        TG_ASSERT(board_on(board, move) && board->color[move] == EMPTY);
        taken = kernel_play(board, board->stride, color, move);
        board->passes = 0;
    }
    board->to_move = (uint8_t)color_other(color);
    board->last_move[1] = board->last_move[0];
    board->last_move[0] = move;
    board->move_count++;
    return taken;
}

bool board_eye(const struct board *board, enum color color, go_move point) {
    return board->color[point] == EMPTY && kernel_eye(board->around[point], color);
}

uint64_t board_situation(const struct board *board) {
    return board->hash ^ zobrist_to_move(board->to_move);
}

/* A set of cells, cleared for the board in use. */
struct marks {
    uint8_t set[BOARD_CELLS_MAX];
};

static void marks_clear(struct marks *marks, const struct board *board) {
    memset(marks->set, 0, board->cells);
}

static bool mark(struct marks *marks, unsigned p) {
    bool fresh = !marks->set[p];
    marks->set[p] = 1;
    return fresh;
}

/* Lists the liberties of the chain that are not marked yet, up to at_most; marks them. */
static int list_liberties(const struct board *board, go_move point, struct marks *marks, go_move *out,
                          int at_most) {
    unsigned p = point;
    int count = 0;
    do {
        const unsigned neighbours[4] = KERNEL_NEIGHBOURS(p, board->stride);
        for (int i = 0; i < 4; i++) {
            unsigned n = neighbours[i];
            if (board->color[n] != EMPTY || !mark(marks, n))
                continue;
            if (out)
                out[count] = (go_move)n;
            if (++count >= at_most)
                return count;
        }
        p = board->link[p];
    } while (p != point);
    return count;
}

int board_liberty_count(const struct board *board, go_move point, int at_most) {
    struct marks marks;
    marks_clear(&marks, board);
    return list_liberties(board, point, &marks, NULL, at_most);
}

int board_liberty_list(const struct board *board, go_move point, go_move *out) {
    struct marks marks;
    marks_clear(&marks, board);
    return list_liberties(board, point, &marks, out, BOARD_POINTS_MAX);
}

/* Walks only chains of at most four pseudo-liberties (board.h), and those until a second liberty is found. */
bool board_in_atari(const struct board *board, go_move point, go_move *liberty) {
    unsigned p = point, found = PASS;
    if (board->liberties[board->chain[point]] > 4)
        return false;
    do {
        const unsigned neighbours[4] = KERNEL_NEIGHBOURS(p, board->stride);
        for (int i = 0; i < 4; i++) {
            unsigned n = neighbours[i];
            if (board->color[n] != EMPTY || n == found)
                continue;
            if (found != PASS)
                return false;
            found = n;
        }
        p = board->link[p];
    } while (p != point);
    if (liberty)
        *liberty = (go_move)found;
    return found != PASS;
}

int board_chain_size(const struct board *board, go_move point) {
    unsigned p = point;
    int count = 0;
    do {
        count++;
        p = board->link[p];
    } while (p != point);
    return count;
}

/* The heads of the opponent's chains whose last liberty is `point`; at most four. */
static int chains_taken(const struct board *board, unsigned color, unsigned point, unsigned heads[4]) {
    const unsigned neighbours[4] = KERNEL_NEIGHBOURS(point, board->stride);
    int count = 0;
    for (int i = 0; i < 4; i++) {
        unsigned head = board->chain[neighbours[i]], here = 0;
        bool known = false;
        if (board->color[neighbours[i]] != (color ^ 3))
            continue;
        for (int j = 0; j < 4; j++)
            here += board->chain[neighbours[j]] == head;
        for (int j = 0; j < count; j++)
            known |= heads[j] == head;
        if (!known && board->liberties[head] == here)
            heads[count++] = head;
    }
    return count;
}

/* The own chains next to `point`, each once. */
static int chains_joined(const struct board *board, unsigned color, unsigned point, unsigned heads[4]) {
    const unsigned neighbours[4] = KERNEL_NEIGHBOURS(point, board->stride);
    int count = 0;
    for (int i = 0; i < 4; i++) {
        unsigned head = board->chain[neighbours[i]];
        bool known = board->color[neighbours[i]] != color;
        for (int j = 0; j < count; j++)
            known |= heads[j] == head;
        if (!known)
            heads[count++] = head;
    }
    return count;
}

static uint64_t chain_hash(const struct board *board, unsigned head, unsigned color) {
    uint64_t hash = 0;
    unsigned p = head;
    do {
        hash ^= zobrist_stone(p, color);
        p = board->link[p];
    } while (p != head);
    return hash;
}

uint64_t board_hash_after(const struct board *board, enum color color, go_move move) {
    uint64_t hash = board->hash;
    unsigned heads[4];
    if (move == PASS)
        return hash;
    hash ^= zobrist_stone(move, color);
    int taken = chains_taken(board, color, move, heads);
    for (int i = 0; i < taken; i++)
        hash ^= chain_hash(board, heads[i], color_other(color));
    if (taken > 0 || kernel_empty_bits(board->around[move]) ||
        kernel_breathes(board, board->stride, color, move))
        return hash;
    /* A suicide, which a rule must have allowed: the new stone goes with all that it touches. */
    int joined = chains_joined(board, color, move, heads);
    hash ^= zobrist_stone(move, color);
    for (int i = 0; i < joined; i++)
        hash ^= chain_hash(board, heads[i], color);
    return hash;
}

/* Marks the cells of a chain; returns how many. */
static int mark_chain(const struct board *board, unsigned head, struct marks *marks) {
    unsigned p = head;
    int count = 0;
    do {
        mark(marks, p);
        count++;
        p = board->link[p];
    } while (p != head);
    return count;
}

/* Empty or freed points about p that were not marked yet. */
static int free_about(const struct board *board, unsigned p, const struct marks *freed, struct marks *seen) {
    const unsigned neighbours[4] = KERNEL_NEIGHBOURS(p, board->stride);
    int count = 0;
    for (int i = 0; i < 4; i++) {
        unsigned n = neighbours[i];
        if ((board->color[n] == EMPTY || freed->set[n]) && mark(seen, n))
            count++;
    }
    return count;
}

void board_after(const struct board *board, enum color color, go_move point, int *taken, int *liberties,
                 int *size) {
    struct marks freed, seen;
    unsigned heads[4];
    int stones = 1, captures = 0, count, reach;
    marks_clear(&freed, board);
    marks_clear(&seen, board);
    count = chains_taken(board, color, point, heads);
    for (int i = 0; i < count; i++)
        captures += mark_chain(board, heads[i], &freed);
    mark(&seen, point);
    reach = free_about(board, point, &freed, &seen);
    count = chains_joined(board, color, point, heads);
    for (int i = 0; i < count; i++) {
        unsigned p = heads[i];
        do {
            reach += free_about(board, p, &freed, &seen);
            stones++;
            p = board->link[p];
        } while (p != heads[i]);
    }
    if (taken)
        *taken = captures;
    if (liberties)
        *liberties = reach;
    if (size)
        *size = stones;
}

/* see_border is the slow way to the same: it looks at the eight cells. */
static unsigned around_from_scratch(const struct board *board, unsigned p) {
    struct board copy = *board;
    see_border(&copy, p);
    return copy.around[p];
}

static const char *check_stone(const struct board *board, unsigned p, uint16_t *counted) {
    unsigned head = board->chain[p], q = p;
    int steps = 0;
    if (board->color[head] != board->color[p] || board->chain[head] != head)
        return "a stone's head is not of its chain";
    do {
        if (board->chain[q] != head || ++steps > BOARD_POINTS_MAX)
            return "a circle leaves its chain";
        q = board->link[q];
    } while (q != p);
    const unsigned neighbours[4] = KERNEL_NEIGHBOURS(p, board->stride);
    for (int i = 0; i < 4; i++) {
        if (board->color[neighbours[i]] == board->color[p] && board->chain[neighbours[i]] != head)
            return "neighbours of one colour are in two chains";
        counted[head] = (uint16_t)(counted[head] + (board->color[neighbours[i]] == EMPTY));
    }
    return NULL;
}

static const char *check_empty(const struct board *board, unsigned p) {
    if (board->link[p] >= board->empty_count || board->empties[board->link[p]] != p)
        return "an empty point is not in its place of the list";
    return board->chain[p] == p ? NULL : "an empty point is not its own head";
}

const char *board_check(const struct board *board) {
    uint16_t counted[BOARD_CELLS_MAX] = {0}, stones[4] = {0};
    uint64_t hash = 0;
    const char *wrong;
    for (unsigned p = 0; p < board->cells; p++) {
        unsigned color = board->color[p];
        if (color == BORDER)
            continue;
        stones[color]++;
        if (board->around[p] != around_from_scratch(board, p))
            return "around[] differs from the colours";
        if (color != EMPTY)
            hash ^= zobrist_stone(p, color);
        wrong = color == EMPTY ? check_empty(board, p) : check_stone(board, p, counted);
        if (wrong)
            return wrong;
    }
    for (unsigned p = 0; p < board->cells; p++)
        if ((board->color[p] == BLACK || board->color[p] == WHITE) && board->chain[p] == p &&
            (counted[p] != board->liberties[p] || counted[p] == 0))
            return "a chain's pseudo-liberties are miscounted";
    if (stones[EMPTY] != board->empty_count || stones[BLACK] != board->stones[BLACK] ||
        stones[WHITE] != board->stones[WHITE])
        return "stones or empty points are miscounted";
    return hash == board->hash ? NULL : "the hash differs from the stones";
}
