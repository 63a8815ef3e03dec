/* pattern3.c - see pattern3.h. The shapes as text, and the table that is made of them.
 *
 * The code of a point's surroundings (board.h, around[]) has 16 bits, so all 65,536 are known beforehand: a
 * bit each, 8 KiB. Whether a point matches any shape is then one look-up, however many shapes there are, and
 * the same for both colours. fill_table walks each shape through its 16 forms (4 rotations, mirrored, colours
 * exchanged); add() goes through every code that a shape's wildcards allow.
 */
#include "workers/search/pattern3.h"

#include <pthread.h>
#include <string.h>
#include "workers/go/board.h"

uint64_t pattern3_bits[1 << 10];

/* Row by row; X and O are the two colours, x: anything but X, o: anything but O, `.` empty, # border, ?
 * anything. */
static const char *const shapes[] = {
    "XOX"
    "..."
    "???", /* hane from both sides */
    "XO."
    "..."
    "?.?", /* hane that does not cut */
    "XO?"
    "X.."
    "x.?", /* turn around the head */
    ".O."
    "X.."
    "...", /* diagonal contact */
    "XO?"
    "O.o"
    "?o?", /* cut, unprotected */
    "XO?"
    "O.X"
    "???", /* cut, peeped at */
    "?X?"
    "O.O"
    "ooo", /* cut straight through */
    "OX?"
    "o.O"
    "???", /* cut of a knight's move */
    "X.?"
    "O.?"
    "###", /* edge: chase */
    "OX?"
    "X.O"
    "###", /* edge: stop the cut */
    "?X?"
    "x.O"
    "###", /* edge: stop the connection */
    "?XO"
    "x.x"
    "###", /* edge: descend */
    "?OX"
    "X.O"
    "###", /* edge: cut */
};

/* The place of each neighbour's two bits in around[], by row and column (board.h); the centre has none. */
static const int8_t shift_at[9] = {8, 0, 10, 2, -1, 4, 12, 6, 14};

static bool allows(char symbol, unsigned color) {
    switch (symbol) {
    case 'X':
        return color == BLACK;
    case 'O':
        return color == WHITE;
    case 'x':
        return color != BLACK;
    case 'o':
        return color != WHITE;
    case '.':
        return color == EMPTY;
    case '#':
        return color == BORDER;
    default:
        return true;
    }
}

/* Sets the bit of every code that the shape allows, one neighbour after another. */
static void add(const char shape[9], int neighbour, unsigned code) {
    if (neighbour == 9) {
        pattern3_bits[code >> 6] |= UINT64_C(1) << (code & 63);
        return;
    }
    if (neighbour == 4) {
        add(shape, 5, code);
        return;
    }
    for (unsigned color = EMPTY; color <= BORDER; color++)
        if (allows(shape[neighbour], color))
            add(shape, neighbour + 1, code | color << shift_at[neighbour]);
}

static void rotate(char shape[9]) {
    static const int8_t from[9] = {6, 3, 0, 7, 4, 1, 8, 5, 2};
    char turned[9];
    for (int i = 0; i < 9; i++)
        turned[i] = shape[from[i]];
    memcpy(shape, turned, sizeof(turned));
}

static void mirror(char shape[9]) {
    for (int row = 0; row < 9; row += 3) {
        char left = shape[row];
        shape[row] = shape[row + 2];
        shape[row + 2] = left;
    }
}

static void exchange_colors(char shape[9]) {
    static const char from[] = "XOxo", to[] = "OXox";
    for (int i = 0; i < 9; i++) {
        const char *at = strchr(from, shape[i]);
        if (at)
            shape[i] = to[at - from];
    }
}

static void fill_table(void) {
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        char shape[9];
        memcpy(shape, shapes[i], sizeof(shape));
        for (int variant = 0; variant < 16; variant++) {
            add(shape, 0, 0);
            rotate(shape);
            if (variant % 4 == 3)
                mirror(shape);
            if (variant == 7)
                exchange_colors(shape);
        }
    }
}

void pattern3_setup(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
}
