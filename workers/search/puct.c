/* puct.c - see puct.h. Selection, leaves in flight, and the states that a search hands over in.
 *
 *     puct_begin --the root is unknown--> PUCT_WAITS <--leaves wait------+
 *         |                                   |                         |
 *         |                                   +--answers--> puct_advance: simulations
 *         |                                                             |
 *         +--known, or decided----------------------------------------->+--limit, time, stop--> PUCT_DONE
 *
 * A leaf that waits is marked NODE_PENDING. A walk that comes to such a leaf ends the collecting: there is
 * nothing to learn there before the answer, and the batch is as full as the tree allows.
 *
 *     unexpanded --wants_answer--> pending --take_answers--> expanded (or unexpanded again: the pool is full)
 *
 * Two ways to back up, by whether the network's value is part of the result (value_share):
 *     0     the rollout's result is known at once and backed up at once; only the leaf's priors are late
 *     > 0   the simulation waits (flight->judges), and its path counts `virtual_loss` lost ones meanwhile, so
 *           that the next walks go elsewhere (Silver et al. 2016, Methods: "virtual loss")
 *
 * Lost simulations are kept apart from the real ones (in_flight), so that taking them back leaves no trace
 * and a search that is given up can undo them at any time (forget_flights).
 *
 * Answers are taken in the order of the requests, whoever's batch they came in, and all randomness is the
 * search's own: so the tree does not depend on the company that a search is in.
 *
 * The room for children is set aside before the network is asked (wants_answer counts those that wait), so
 * that an answer that was paid for is not thrown away.
 *
 * Noise in the root's priors (Silver et al. 2017, Methods: P = (1 - e) p + e n, n Dirichlet) is added after
 * the answer has come, once for a move. A root with noise cannot be kept for the same position: its priors
 * are no longer the network's. Below it they are, so after a move its subtree may stay.
 */
#include "workers/search/puct.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"
#include "workers/search/mcts.h"
#include "workers/search/pattern3.h"

/* A leaf whose position waits for the evaluator. */
struct flight {
    struct path path;
    struct evaluation evaluation;
    bool judges;   /* the answer is part of the leaf's result, so that the simulation waits for it too */
    float rollout; /* then: Black's result of its rollout */
};

struct puct {
    struct mcts mcts;
    struct puct_options options;
    struct mcts_steps steps;
    struct flight *flights;       /* [options.leaves] */
    struct evaluation **requests; /* [options.leaves]: those in flight, in order */
    int waiting;                  /* flights that wait for an answer */
    struct puct_pace pace;

    /* The search at hand. */
    enum color color;
    int64_t end_ns;         /* INT64_MAX: none */
    int64_t handed_over_ns; /* when puct_advance() last returned */
    uint32_t limit, done;
    uint32_t expand_visits; /* for the leaves of now */
    bool paced;             /* the pace says how many */
    bool stopped, decided;  /* decided: the move is known without a search */
    bool noisy;             /* the root's priors hold noise */
    float root_value;       /* without search: the network's opinion, -1 to 1 */
    struct playout_record playout;
};

struct puct_options puct_options_default(void) {
    return (struct puct_options){
        .search = search_options_default(),
        .c_puct = 1.25,
        .fpu_reduction = 0.1,
        .prior_temperature = 1,
        .virtual_loss = 1,
        .leaves = 8,
        .rollout = rollout_policy_default(ROLLOUT_PATTERN),
    };
}

static struct node *select_child(void *self, struct node *parent);

struct puct *puct_create(const struct puct_options *options) {
    TG_ASSERT(options->leaves >= 1 && options->leaves <= PUCT_LEAVES_MAX);
    struct puct *puct = calloc(1, sizeof(*puct));
    if (!puct)
        return NULL;
    puct->options = *options;
    puct->pace.expand_visits = PACE_START;
    puct->steps = (struct mcts_steps){puct, select_child, NULL};
    puct->flights = malloc((size_t)options->leaves * sizeof(*puct->flights));
    puct->requests = malloc((size_t)options->leaves * sizeof(struct evaluation *));
    if (!puct->flights || !puct->requests || mcts_init(&puct->mcts, &options->search)) {
        puct_destroy(puct);
        return NULL;
    }
    for (int i = 0; i < options->leaves; i++)
        puct->requests[i] = &puct->flights[i].evaluation;
    pattern3_setup();
    return puct;
}

void puct_destroy(struct puct *puct) {
    if (!puct)
        return;
    mcts_release(&puct->mcts);
    free(puct->flights);
    free(puct->requests);
    free(puct);
}

struct tree *puct_tree(struct puct *puct) {
    return puct->mcts.tree;
}

/* ---- Selection ---- */

static float score(const struct puct *puct, const struct node *node, float scale, float untried) {
    const float n = (float)node->visits, lost = (float)(node->in_flight * puct->options.virtual_loss);
    const float q = n + lost > 0 ? n * node->value / (n + lost) : untried; /* what is lost wins nothing */
    return q + scale * node->prior_value / (1 + n + lost);
}

static struct node *select_child(void *self, struct node *parent) {
    const struct puct *puct = self;
    struct node *first = tree_node(puct->mcts.tree, parent->first_child), *best = NULL;
    /* For sum_b N(b): what ended in the parent itself, before it had children, is counted too. At least 1, or
     * the priors would have no say in the first choice. */
    const float simulations = (float)(parent->visits + parent->in_flight);
    const float scale = (float)puct->options.c_puct * sqrtf(simulations > 1 ? simulations : 1);
    const float own = parent->visits ? 1 - parent->value : 0.5f; /* seen by who chooses here */
    float untried = own - (float)puct->options.fpu_reduction, best_score = -1;
    untried = untried > 0 ? untried : 0;
    for (int i = 0; i < parent->child_count; i++) {
        if (first[i].flags & NODE_ILLEGAL)
            continue;
        const float s = score(puct, &first[i], scale, untried);
        if (s > best_score) {
            best_score = s;
            best = &first[i];
        }
    }
    TG_ASSERT(best != NULL); /* the pass is always legal */
    return best;
}

/* ---- Priors ---- */

/* The softmax of the moves' logits over the temperature. */
static void set_priors(const struct puct *puct, const struct evaluation *answer, struct node *children,
                       int count) {
    const float sharpness = (float)(1 / puct->options.prior_temperature);
    float most = -INFINITY, sum = 0;
    for (int i = 0; i < count; i++) {
        children[i].prior_value = answer->logits[board_index(&answer->board, children[i].move)];
        most = children[i].prior_value > most ? children[i].prior_value : most;
    }
    for (int i = 0; i < count; i++)
        sum += children[i].prior_value = expf(sharpness * (children[i].prior_value - most));
    for (int i = 0; i < count; i++)
        children[i].prior_value /= sum;
}

static void expand(struct puct *puct, struct node *leaf, const struct evaluation *answer) {
    go_move moves[BOARD_POINTS_MAX + 1];
    const int count = mcts_candidates(&answer->board, moves);
    struct node *children = tree_expand(puct->mcts.tree, leaf, moves, count);
    if (children)
        set_priors(puct, answer, children, count);
}

/* Marsaglia & Tsang 2000; for a shape below 1 by the usual power of a uniform number. */
static double draw_gamma(struct rng *rng, double shape) {
    if (shape < 1)
        return draw_gamma(rng, shape + 1) * pow(1 - rng_uniform(rng), 1 / shape);
    const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = rng_gauss(rng), v = (1 + c * x) * (1 + c * x) * (1 + c * x);
        if (v > 0 && log(1 - rng_uniform(rng)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

static void add_noise(struct puct *puct) {
    const struct node *root = tree_node(puct->mcts.tree, TREE_ROOT);
    struct node *children = tree_node(puct->mcts.tree, root->first_child);
    double drawn[BOARD_POINTS_MAX + 1], sum = 0;
    const double alpha = puct->options.noise_alpha > 0 ? puct->options.noise_alpha : 10.0 / root->child_count;
    for (int i = 0; i < root->child_count; i++)
        sum += drawn[i] = draw_gamma(&puct->mcts.rng, alpha);
    for (int i = 0; i < root->child_count && sum > 0; i++)
        children[i].prior_value +=
            (float)puct->options.noise * ((float)(drawn[i] / sum) - children[i].prior_value);
    puct->noisy = true;
}

/* ---- Simulations ---- */

/* A node's value is from the side that moved into it (tree.h), which is not the one to move there. */
static void back_up(struct puct *puct, const struct path *path, float black) {
    const enum color root_color = (enum color)puct->mcts.root.to_move;
    for (int depth = path->length - 1; depth >= 0; depth--) {
        struct node *node = tree_node(puct->mcts.tree, path->node[depth]);
        const enum color to_move = depth % 2 ? color_other(root_color) : root_color;
        mcts_update_mean(&node->value, &node->visits, to_move == BLACK ? 1 - black : black);
    }
}

static void count_in_flight(struct puct *puct, const struct path *path, uint32_t change) {
    for (int depth = 0; depth < path->length; depth++)
        tree_node(puct->mcts.tree, path->node[depth])->in_flight += change;
}

/* Black's result of a game played from the scratch board to its end (at once when it is over). */
static float play_out(struct puct *puct, bool over) {
    struct mcts *mcts = &puct->mcts;
    uint8_t owner[BOARD_POINTS_MAX];
    if (!over)
        rollout_run(&puct->options.rollout, &mcts->scratch, &mcts->rng, &puct->playout);
    const float black = mcts_judge(mcts, &mcts->scratch, owner);
    mcts_count_owners(mcts, owner);
    return black;
}

/* Whether the network is to be asked about this leaf now. */
static bool wants_answer(const struct puct *puct, const struct node *leaf) {
    const uint32_t room = tree_capacity(puct->mcts.tree) - tree_used(puct->mcts.tree);
    const uint32_t children = (uint32_t)(board_points(&puct->mcts.root) + 1);
    return !leaf->child_count && !(leaf->flags & (NODE_PENDING | NODE_TERMINAL)) &&
           leaf->visits + 1 >= puct->expand_visits && room >= children * (uint32_t)(puct->waiting + 1);
}

static struct flight *take_flight(struct puct *puct, struct node *leaf, const struct board *board) {
    struct flight *flight = &puct->flights[puct->waiting++];
    flight->path.length = puct->mcts.path.length;
    memcpy(flight->path.node, puct->mcts.path.node,
           (size_t)flight->path.length * sizeof(flight->path.node[0]));
    board_copy(&flight->evaluation.board, board);
    flight->judges = false;
    leaf->flags |= NODE_PENDING;
    return flight;
}

/* One walk. false: it led to a leaf whose priors are awaited, and there is nothing better to do than to wait
 * for them. */
static bool simulate(struct puct *puct) {
    struct mcts *mcts = &puct->mcts;
    struct node *leaf = mcts_descend(mcts, &puct->steps);
    mcts_end_walk(mcts);
    const bool over = leaf->flags & NODE_TERMINAL, rollouts = puct->options.value_share < 1;
    if (leaf->flags & NODE_PENDING)
        return false;
    /* First: the playout goes on from the scratch board. */
    struct flight *flight = wants_answer(puct, leaf) ? take_flight(puct, leaf, &mcts->scratch) : NULL;
    const bool judges = flight && puct->options.value_share > 0;
    const float black = rollouts || !judges ? play_out(puct, over) : 0;
    puct->done++;
    if (!judges) {
        back_up(puct, &mcts->path, black);
        return true;
    }
    flight->judges = true;
    flight->rollout = black;
    count_in_flight(puct, &flight->path, 1);
    return true;
}

/* What a leaf is worth: the rollout's result and the network's opinion. Of Black. */
static float leaf_result(const struct puct *puct, const struct flight *flight) {
    const float mover = (1 + flight->evaluation.value) / 2, share = (float)puct->options.value_share;
    const float v = flight->evaluation.board.to_move == BLACK ? mover : 1 - mover;
    return flight->rollout + share * (v - flight->rollout);
}

/* The flight is over, with or without an answer. */
static struct node *land(struct puct *puct, const struct flight *flight) {
    struct node *leaf = tree_node(puct->mcts.tree, flight->path.node[flight->path.length - 1]);
    leaf->flags &= (uint16_t)~NODE_PENDING;
    if (flight->judges)
        count_in_flight(puct, &flight->path, (uint32_t)-1);
    return leaf;
}

static void take_answers(struct puct *puct) {
    for (int i = 0; i < puct->waiting; i++) {
        const struct flight *flight = &puct->flights[i];
        expand(puct, land(puct, flight), &flight->evaluation);
        if (flight->path.length == 1) /* the root is asked about before the first simulation */
            puct->root_value = flight->evaluation.value;
        if (flight->judges)
            back_up(puct, &flight->path, leaf_result(puct, flight));
    }
    puct->waiting = 0;
}

/* Requests left unanswered by a search that was given up: their marks go. */
static void forget_flights(struct puct *puct) {
    for (int i = 0; i < puct->waiting; i++)
        land(puct, &puct->flights[i]);
    puct->waiting = 0;
}

/* ---- The pace ---- */

void puct_pace_note(struct puct_pace *pace, int64_t network_ns, int64_t search_ns) {
    pace->network_ns += network_ns;
    pace->search_ns += search_ns;
    const double all = (double)(pace->network_ns + pace->search_ns);
    if ((double)pace->network_ns > PACE_NETWORK_SHARE * all && pace->expand_visits < PACE_VISITS_MAX)
        pace->expand_visits++;
    else if ((double)pace->network_ns < PACE_NETWORK_SHARE * all && pace->expand_visits > 1)
        pace->expand_visits--;
}

void puct_pace_age(struct puct_pace *pace) {
    pace->network_ns /= 2;
    pace->search_ns /= 2;
}

/* The visits that it takes to ask during this search, for now. */
static void set_pace(struct puct *puct) {
    const struct puct_options *options = &puct->options;
    puct->paced = !options->expand_visits && puct->end_ns != INT64_MAX && options->value_share <= 0;
    puct->expand_visits = puct->paced              ? puct->pace.expand_visits
                          : options->expand_visits ? options->expand_visits
                                                   : 1;
    puct_pace_age(&puct->pace);
}

/* ---- The search ---- */

static bool no_search(const struct puct *puct) {
    return puct->limit == 0 && puct->end_ns == INT64_MAX;
}

int puct_begin(struct puct *puct, const struct game *game, enum color color, double seconds) {
    struct mcts *mcts = &puct->mcts;
    forget_flights(puct);
    if (puct->noisy) /* priors with noise are not the network's: such a root is asked about anew */
        mcts->root_moves = game_move_count(game) > mcts->root_moves ? mcts->root_moves : -1;
    puct->noisy = false;
    const int error = mcts_begin(mcts, game, color);
    if (error)
        return error;
    puct->limit = seconds > 0 ? 0 : puct->options.search.playouts;
    seconds = seconds > 0 ? seconds : puct->options.search.seconds;
    puct->color = color;
    puct->end_ns = seconds > 0 ? clock_monotonic_ns() + (int64_t)(seconds * 1e9) : INT64_MAX;
    puct->done = 0;
    puct->stopped = false;
    puct->decided = mcts_wins_by_pass(mcts, color);
    set_pace(puct);
    struct node *root = tree_node(mcts->tree, TREE_ROOT);
    if (!root->child_count && !puct->decided) {
        mcts->path.node[0] = TREE_ROOT;
        mcts->path.length = 1;
        take_flight(puct, root, &mcts->root);
    }
    return 0;
}

static bool finished(struct puct *puct, search_stop stop, void *context) {
    const struct search_options *options = &puct->options.search;
    if (puct->decided || no_search(puct) || puct->stopped || (puct->limit && puct->done >= puct->limit))
        return true;
    puct->stopped =
        (stop && stop(context)) || (puct->end_ns != INT64_MAX && clock_monotonic_ns() >= puct->end_ns) ||
        (options->early_stop && puct->limit && mcts_decided(&puct->mcts, puct->limit - puct->done));
    return puct->stopped;
}

static enum puct_state advance(struct puct *puct, search_stop stop, void *context) {
    take_answers(puct);
    if (puct->done == 0 && !puct->decided) {
        mcts_forbid_repetitions_at_root(&puct->mcts);
        if (puct->options.noise > 0 && !puct->noisy)
            add_noise(puct);
    }
    while (!finished(puct, stop, context)) {
        for (int walks = 0; walks < CHECK_INTERVAL && puct->waiting < puct->options.leaves; walks++)
            if ((puct->limit && puct->done >= puct->limit) || !simulate(puct))
                break;
        if (puct->waiting > 0)
            return PUCT_WAITS;
    }
    return puct->waiting > 0 ? PUCT_WAITS : PUCT_DONE;
}

enum puct_state puct_advance(struct puct *puct, search_stop stop, void *context) {
    if (!puct->paced)
        return advance(puct, stop, context);
    const int64_t start = clock_monotonic_ns();
    const bool asked = puct->waiting > 0 && puct->done > 0;
    const enum puct_state state = advance(puct, stop, context);
    const int64_t end = clock_monotonic_ns();
    puct_pace_note(&puct->pace, asked ? start - puct->handed_over_ns : 0, end - start);
    puct->expand_visits = puct->pace.expand_visits;
    puct->handed_over_ns = end;
    return state;
}

struct evaluation *const *puct_requests(const struct puct *puct, int *count) {
    *count = puct->waiting;
    return puct->requests;
}

/* ---- The choice ---- */

/* One of choice->children at random, each by its weight to the power of 1 / temperature; -1: none has any. */
static int draw(struct puct *puct, const struct search_choice *choice, const float *weights) {
    double chance[BOARD_POINTS_MAX + 1], sum = 0, most = 0;
    for (int i = 0; i < choice->child_count; i++)
        most = (double)weights[i] > most ? (double)weights[i] : most;
    if (most <= 0)
        return -1;
    for (int i = 0; i < choice->child_count; i++)
        sum += chance[i] = pow((double)weights[i] / most, 1 / puct->options.temperature);
    double at = rng_uniform(&puct->mcts.rng) * sum;
    for (int i = 0; i < choice->child_count; i++)
        if ((at -= chance[i]) < 0)
            return i;
    return -1; /* by rounding alone */
}

static float prior_of(struct puct *puct, go_move move) {
    const uint32_t child = tree_child(puct->mcts.tree, TREE_ROOT, move);
    return child == TREE_NONE ? 0 : tree_node(puct->mcts.tree, child)->prior_value;
}

/* Without a search: the policy's favourite, or a draw from it; never a pass into a lost count while another
 * move is left. */
static void choose_by_policy(struct puct *puct, struct search_choice *choice) {
    float weights[BOARD_POINTS_MAX + 1];
    mcts_list_children(&puct->mcts, choice);
    const bool no_pass = choice->child_count > 1 && mcts_pass_loses(&puct->mcts, puct->color);
    int best = -1;
    for (int i = 0; i < choice->child_count; i++) {
        const go_move move = choice->children[i].move;
        weights[i] = move == PASS && no_pass ? 0 : prior_of(puct, move);
        if ((move != PASS || !no_pass) && (best < 0 || weights[i] > weights[best]))
            best = i;
    }
    const int drawn = puct->options.temperature > 0 ? draw(puct, choice, weights) : -1;
    best = drawn >= 0 ? drawn : best;
    choice->move = choice->children[best].move;
    choice->winrate = (1 + puct->root_value) / 2;
    choice->resign = (double)choice->winrate < puct->options.search.resign;
}

static void choose_by_visits(struct puct *puct, struct search_choice *choice) {
    float weights[BOARD_POINTS_MAX + 1];
    mcts_choose(&puct->mcts, puct->color, choice);
    if (puct->options.temperature <= 0 || choice->move == PASS)
        return;
    for (int i = 0; i < choice->child_count; i++)
        weights[i] = choice->children[i].move == PASS ? 0 : (float)choice->children[i].visits;
    const int drawn = draw(puct, choice, weights);
    if (drawn >= 0)
        choice->move = choice->children[drawn].move;
}

void puct_choose(struct puct *puct, struct search_choice *choice) {
    memset(choice, 0, sizeof(*choice));
    choice->playouts = puct->done;
    if (puct->decided)
        mcts_choose_pass(&puct->mcts, choice);
    else if (no_search(puct))
        choose_by_policy(puct, choice);
    else
        choose_by_visits(puct, choice);
}

int puct_search(struct puct *puct, struct evaluator *evaluator, const struct game *game, enum color color,
                double seconds, search_stop stop, void *context, struct search_choice *choice,
                struct problem *problem) {
    int error = puct_begin(puct, game, color, seconds);
    if (error)
        return problem_set(problem, error, NULL, "no memory to search");
    do {
        int count;
        struct evaluation *const *requests = puct_requests(puct, &count);
        error = evaluator_run(evaluator, requests, count, problem);
    } while (!error && puct_advance(puct, stop, context) == PUCT_WAITS);
    if (!error)
        puct_choose(puct, choice);
    return error;
}
