/* Every operator alone, in three ways that share nothing: its reference's gradients against finite
 * differences of its reference's results (in double precision, so that the bound is tight), and the fast form
 * against the reference, on every instruction set, for ordinary, tiny and huge numbers. */
#include "nn_support.h"
#include "workers/nn/op.h"
#include "workers/nn/reference_run.h"

enum { ARRAYS = NODE_INPUTS_MAX + NODE_PARAMS_MAX };

/* What an input holds. */
enum { REAL, IDS, KEEP };

struct op_case {
    const char *name;
    tensor (*build)(struct graph *graph); /* the operator under test is the last node */
    double bound;                         /* of the fast form's error, as a share of the largest number */
    bool smooth;                          /* finite differences mean something everywhere */
};

static tensor input(struct graph *graph, struct shape shape) {
    return graph_input(graph, "x", shape);
}

static tensor ids(struct graph *graph, int count) {
    return graph_input(graph, "ids", SHAPE(count));
}

static tensor keep(struct graph *graph, int count) {
    return graph_input(graph, "keep", SHAPE(count));
}

#define BUILD(NAME, ...)                                                                                     \
    static tensor build_##NAME(struct graph *graph) {                                                        \
        return __VA_ARGS__;                                                                                  \
    }
#define CONV(...)      (&(struct conv_spec){__VA_ARGS__})
#define POOL(...)      (&(struct pool_spec){__VA_ARGS__})
#define ATTENTION(...) (&(struct attention_spec){__VA_ARGS__})
#define ATTEND(TQ, TK, WIDTH, MASK, ...)                                                                     \
    graph_attention(graph, "op", input(graph, SHAPE(TQ, WIDTH)), input(graph, SHAPE(TK, WIDTH)),             \
                    input(graph, SHAPE(TK, WIDTH)), MASK, ATTENTION(__VA_ARGS__))

BUILD(conv_product, graph_conv(graph, "op", input(graph, SHAPE(5, 3, 7)), CONV(.channels = 9)))
BUILD(conv_f3, graph_conv(graph, "op", input(graph, SHAPE(9, 9, 9)),
                          CONV(.channels = 10, .kernel = {3, 3}, .padding = {1, 1})))
BUILD(conv_f4, graph_conv(graph, "op", input(graph, SHAPE(7, 8, 11)),
                          CONV(.channels = 9, .kernel = {3, 3}, .padding = {1, 1}, .no_bias = true)))
BUILD(conv_lines, graph_conv(graph, "op", input(graph, SHAPE(9, 9, 5)),
                             CONV(.channels = 6, .kernel = {3, 3}, .padding = {1, 1})))
BUILD(conv_columns_strided,
      graph_conv(graph, "op", input(graph, SHAPE(7, 8, 6)),
                 CONV(.channels = 8, .kernel = {3, 2}, .stride = {2, 3}, .padding = {1, 0}, .groups = 2)))
BUILD(conv_columns_dilated,
      graph_conv(graph, "op", input(graph, SHAPE(9, 6, 3)),
                 CONV(.channels = 4, .kernel = {3, 3}, .padding = {2, 2}, .dilation = {2, 2})))
BUILD(conv_columns_depthwise,
      graph_conv(graph, "op", input(graph, SHAPE(5, 5, 9)),
                 CONV(.channels = 9, .kernel = {3, 3}, .padding = {1, 1}, .groups = 9)))
BUILD(transposed,
      graph_conv_transpose(graph, "op", input(graph, SHAPE(4, 3, 5)),
                           CONV(.channels = 7, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}),
                           (int[]){1, 0}))
BUILD(transposed_2x2,
      graph_conv_transpose(graph, "op", input(graph, SHAPE(3, 5, 6)),
                           CONV(.channels = 4, .kernel = {2, 2}, .stride = {2, 2}, .no_bias = true), NULL))
BUILD(transposed_same, graph_conv_transpose(graph, "op", input(graph, SHAPE(6, 6, 8)),
                                            CONV(.channels = 9, .kernel = {3, 3}, .padding = {1, 1}), NULL))
BUILD(transposed_grouped, graph_conv_transpose(graph, "op", input(graph, SHAPE(3, 4, 6)),
                                               CONV(.channels = 4, .kernel = {3, 2}, .stride = {3, 1},
                                                    .dilation = {1, 2}, .groups = 2),
                                               NULL))
BUILD(linear, graph_linear(graph, "op", input(graph, SHAPE(4, 13)), 7, true))
BUILD(relu, graph_relu(graph, "op", input(graph, SHAPE(3, 4, 7))))
BUILD(tanh, graph_tanh(graph, "op", input(graph, SHAPE(3, 4, 19))))
BUILD(sigmoid, graph_sigmoid(graph, "op", input(graph, SHAPE(67))))
BUILD(gelu, graph_gelu(graph, "op", input(graph, SHAPE(3, 4, 19))))
BUILD(softmax, graph_softmax(graph, "op", input(graph, SHAPE(3, 21))))
BUILD(softmax_narrow, graph_softmax(graph, "op", input(graph, SHAPE(5, 2))))
BUILD(log_softmax, graph_log_softmax(graph, "op", input(graph, SHAPE(3, 37))))
BUILD(log_softmax_one, graph_log_softmax(graph, "op", input(graph, SHAPE(4, 1))))
BUILD(dropout, graph_dropout(graph, "op", input(graph, SHAPE(5, 11)), 0.4f))
BUILD(add, graph_add(graph, "op", input(graph, SHAPE(3, 2, 5)), input(graph, SHAPE(3, 2, 5))))
BUILD(concat, graph_concat(graph, "op", 3,
                           (tensor[]){input(graph, SHAPE(3, 2, 5)), input(graph, SHAPE(3, 2, 1)),
                                      input(graph, SHAPE(3, 2, 17))}))
BUILD(reshape, graph_reshape(graph, "op", input(graph, SHAPE(3, 2, 5)), SHAPE(6, 5)))
BUILD(max_pool,
      graph_pool(graph, "op", input(graph, SHAPE(7, 6, 9)), POOL(.kernel = {3, 2}, .stride = {2, 2})))
BUILD(max_pool_padded, graph_pool(graph, "op", input(graph, SHAPE(6, 6, 3)),
                                  POOL(.kernel = {3, 3}, .stride = {1, 2}, .padding = {1, 1})))
BUILD(average_pool, graph_pool(graph, "op", input(graph, SHAPE(7, 5, 9)),
                               POOL(.kernel = {3, 2}, .stride = {2, 2}, .padding = {1, 1}, .average = true)))
BUILD(pool_all,
      graph_pool(graph, "op", input(graph, SHAPE(4, 5, 17)), POOL(.kernel = {4, 5}, .average = true)))
BUILD(nearest, graph_upsample(graph, "op", input(graph, SHAPE(3, 2, 5)), 3, false))
BUILD(bilinear, graph_upsample(graph, "op", input(graph, SHAPE(3, 4, 5)), 2, true))
BUILD(bilinear_3, graph_upsample(graph, "op", input(graph, SHAPE(1, 4, 18)), 3, true))
BUILD(gate, graph_gate(graph, "op", input(graph, SHAPE(3, 4, 7)), input(graph, SHAPE(7))))
BUILD(batch_norm, graph_batch_norm(graph, "op", input(graph, SHAPE(3, 3, 19))))
BUILD(layer_norm, graph_layer_norm(graph, "op", input(graph, SHAPE(4, 18))))
BUILD(layer_norm_narrow, graph_layer_norm(graph, "op", input(graph, SHAPE(5, 3))))
BUILD(embedding, graph_embedding(graph, "op", ids(graph, 6), 9, 10))
BUILD(positions, graph_positions(graph, "op", input(graph, SHAPE(9, 7))))
BUILD(attention, ATTEND(5, 5, 8, NO_KEEP, .heads = 2))
BUILD(attention_causal, ATTEND(7, 7, 6, NO_KEEP, .heads = 3, .causal = true))
BUILD(attention_cross, ATTEND(4, 6, 18, NO_KEEP, .heads = 1))
BUILD(attention_masked, ATTEND(4, 6, 8, keep(graph, 6), .heads = 2))
BUILD(attention_both, ATTEND(6, 6, 8, keep(graph, 6), .heads = 2, .causal = true))

#define CASE(NAME, BOUND)                                                                                    \
    { #NAME, build_##NAME, BOUND, true }
#define KINKED(NAME)                                                                                         \
    { #NAME, build_##NAME, 1e-6, false }
static const struct op_case cases[] = {
    CASE(conv_product, 2e-6),
    CASE(conv_f3, 2e-5),
    CASE(conv_f4, 2e-5),
    CASE(conv_lines, 2e-6),
    CASE(conv_columns_strided, 2e-6),
    CASE(conv_columns_dilated, 2e-6),
    CASE(conv_columns_depthwise, 2e-6),
    CASE(transposed, 2e-6),
    CASE(transposed_2x2, 2e-6),
    CASE(transposed_same, 2e-5),
    CASE(transposed_grouped, 2e-6),
    CASE(linear, 2e-6),
    KINKED(relu),
    CASE(tanh, 3e-6),
    CASE(sigmoid, 1e-6),
    CASE(gelu, 3e-6),
    CASE(softmax, 2e-6),
    CASE(softmax_narrow, 2e-6),
    CASE(log_softmax, 2e-6),
    CASE(log_softmax_one, 1e-6),
    CASE(dropout, 1e-6),
    CASE(add, 1e-6),
    CASE(concat, 1e-6),
    CASE(reshape, 1e-6),
    KINKED(max_pool),
    KINKED(max_pool_padded),
    CASE(average_pool, 1e-6),
    CASE(pool_all, 1e-6),
    CASE(nearest, 1e-6),
    CASE(bilinear, 1e-6),
    CASE(bilinear_3, 1e-6),
    CASE(gate, 2e-6),
    CASE(batch_norm, 2e-5),
    CASE(layer_norm, 2e-5),
    CASE(layer_norm_narrow, 2e-5),
    CASE(embedding, 1e-6),
    CASE(positions, 1e-6),
    CASE(attention, 5e-6),
    CASE(attention_causal, 5e-6),
    CASE(attention_cross, 5e-6),
    CASE(attention_masked, 5e-6),
    CASE(attention_both, 5e-6),
};
enum { CASES = sizeof cases / sizeof *cases };

/* One operator with numbers for all that it reads: arrays 0 .. inputs - 1 are its inputs, the others its
 * parameters. */
struct bench {
    struct graph *graph;
    const struct node *node;
    int batch, arrays;
    size_t count[ARRAYS], outputs, saved, scratch;
    float *value[ARRAYS], *gradient[ARRAYS], *out, *dout, *kept, *work;
    double *wide[ARRAYS], *wide_gradient[ARRAYS], *wide_out, *wide_dout, *wide_kept;
};

static const float CANARY = 12345.5f;

static int content_of(const struct bench *b, int array) {
    const char *name = array < b->node->input_count ? b->graph->nodes[b->node->in[array]].name : "";
    return !strcmp(name, "ids") ? IDS : !strcmp(name, "keep") ? KEEP : REAL;
}

static size_t floats(size_t (*size)(const struct node *node, int batch), const struct bench *b) {
    return size ? size(b->node, b->batch) : 0;
}

static void fill(struct bench *b, struct rng *rng, float scale) {
    for (int i = 0; i < b->arrays; i++) {
        bool state =
            i >= b->node->input_count && !b->graph->params[b->node->param[i - b->node->input_count]].trained;
        for (size_t j = 0; j < b->count[i]; j++) {
            float value = (float)(2 * rng_uniform(rng) - 1) * (i < b->node->input_count ? scale : 1);
            if (content_of(b, i) == IDS)
                value = (float)rng_below(rng, 9);
            if (content_of(b, i) == KEEP)
                value = j % 6 == 0 || rng_below(rng, 3) > 0; /* the first is always seen */
            b->value[i][j] = state ? fabsf(value) : value;
            b->wide[i][j] = (double)b->value[i][j];
        }
    }
    for (size_t j = 0; j < b->outputs; j++)
        b->wide_dout[j] = (double)(b->dout[j] = (float)(2 * rng_uniform(rng) - 1));
}

static struct bench bench_create(const struct op_case *c, int batch) {
    struct bench b = {.graph = graph_create(), .batch = batch};
    graph_output(b.graph, "out", c->build(b.graph));
    struct problem problem = {0};
    if (graph_finish(b.graph, &problem))
        fail_msg("%s: %s: %s", c->name, problem.field, problem.detail);
    b.node = &b.graph->nodes[b.graph->node_count - 1];
    b.arrays = b.node->input_count + b.node->param_count;
    b.outputs = (size_t)batch * shape_elements(b.node->shape);
    b.saved = floats(b.node->op->saved, &b);
    size_t forward = floats(b.node->op->forward_scratch, &b),
           backward = floats(b.node->op->backward_scratch, &b);
    b.scratch = forward > backward ? forward : backward;
    for (int i = 0; i < b.arrays; i++) {
        b.count[i] = i < b.node->input_count
                         ? (size_t)batch * shape_elements(b.node->in_shape[i])
                         : shape_elements(b.graph->params[b.node->param[i - b.node->input_count]].shape);
        b.value[i] = calloc(b.count[i], sizeof(float));
        b.gradient[i] = calloc(b.count[i], sizeof(float));
        b.wide[i] = calloc(b.count[i], sizeof(double));
        b.wide_gradient[i] = calloc(b.count[i], sizeof(double));
    }
    b.out = calloc(b.outputs, sizeof(float));
    b.dout = calloc(b.outputs, sizeof(float));
    b.wide_out = calloc(b.outputs, sizeof(double));
    b.wide_dout = calloc(b.outputs, sizeof(double));
    b.wide_kept = calloc(b.saved + b.outputs, sizeof(double));
    b.kept = calloc(b.saved + 1, sizeof(float));
    b.work = calloc(b.scratch + 1, sizeof(float));
    b.kept[b.saved] = b.work[b.scratch] = CANARY;
    return b;
}

static void bench_destroy(struct bench *b) {
    for (int i = 0; i < b->arrays; i++)
        free(b->value[i]), free(b->gradient[i]), free(b->wide[i]), free(b->wide_gradient[i]);
    free(b->out), free(b->dout), free(b->wide_out), free(b->wide_dout), free(b->wide_kept), free(b->kept);
    free(b->work);
    graph_destroy(b->graph);
}

static struct reference_call reference_of(struct bench *b, struct rng *rng) {
    struct reference_call call = {.node = b->node,
                                  .batch = b->batch,
                                  .training = true,
                                  .out = b->wide_out,
                                  .dout = b->wide_dout,
                                  .saved = b->wide_kept,
                                  .rng = rng};
    for (int i = 0; i < b->arrays; i++) {
        int at = i - b->node->input_count;
        if (at < 0) {
            call.in[i] = b->wide[i];
            call.din[i] = b->wide_gradient[i];
        } else {
            call.param[at] = b->wide[i];
            call.dparam[at] = b->wide_gradient[i];
        }
    }
    return call;
}

/* sum of dout * out, whose gradients the backward pass gives. */
static double reference_loss(struct bench *b, bool backward) {
    struct rng rng;
    rng_seed(&rng, 31);
    struct reference_call call = reference_of(b, &rng);
    double loss = 0;
    b->node->op->reference->forward(&call);
    for (size_t i = 0; i < b->outputs; i++)
        loss += b->wide_dout[i] * b->wide_out[i];
    for (int i = 0; i < b->arrays && backward; i++)
        memset(b->wide_gradient[i], 0, b->count[i] * sizeof(double));
    if (backward)
        b->node->op->reference->backward(&call);
    return loss;
}

/* A case named after a method of convolution is of no use when its shape takes another. */
static void convolutions_take_the_method_of_their_name(void **state) {
    static const char *const names[] = {[CONV_PRODUCT] = "conv_product",
                                        [CONV_WINOGRAD3] = "conv_f3",
                                        [CONV_WINOGRAD4] = "conv_f4",
                                        [CONV_LINES] = "conv_lines",
                                        [CONV_COLUMNS] = "conv_columns"};
    enum { METHODS = sizeof names / sizeof *names };
    int found[METHODS] = {0};
    (void)state;
    for (int i = 0; i < CASES; i++) {
        if (strncmp(cases[i].name, "conv_", 5) != 0)
            continue;
        struct bench b = bench_create(&cases[i], 1);
        const enum conv_method method = conv_method(&b.node->spec.conv);
        if (strncmp(cases[i].name, names[method], strlen(names[method])) != 0)
            fail_msg("%s is computed by the method of %s", cases[i].name, names[method]);
        found[method]++;
        bench_destroy(&b);
    }
    for (int method = 0; method < METHODS; method++)
        if (!found[method])
            fail_msg("no case is computed by the method of %s", names[method]);
}

static void check_differences(const struct op_case *c, int batch) {
    const double step = 1e-6;
    struct bench b = bench_create(c, batch);
    struct rng rng;
    rng_seed(&rng, 77);
    fill(&b, &rng, 1);
    reference_loss(&b, true);
    for (int i = 0; i < b.arrays; i++) {
        bool input = i < b.node->input_count;
        if (content_of(&b, i) != REAL ||
            (!input && !b.graph->params[b.node->param[i - b.node->input_count]].trained))
            continue;
        for (int sample = 0; sample < 12; sample++) {
            size_t at = rng_below(&rng, (uint32_t)b.count[i]);
            double kept = b.wide[i][at], got = b.wide_gradient[i][at];
            b.wide[i][at] = kept + step;
            double above = reference_loss(&b, false);
            b.wide[i][at] = kept - step;
            double truth = (above - reference_loss(&b, false)) / (2 * step);
            b.wide[i][at] = kept;
            if (!(fabs(got - truth) <= 1e-7 + 1e-6 * fabs(truth)))
                fail_msg("%s, batch %d, array %d: gradient %.9g, finite difference %.9g", c->name, batch, i,
                         got, truth);
        }
    }
    bench_destroy(&b);
}

static void references_have_the_gradients_of_their_results(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++)
        for (int batch = 1; batch <= 3; batch += 2)
            check_differences(&cases[i], batch);
}

/* `before`: what the gradients hold already, for they are added to. */
static void run_fast(struct bench *b, bool in_place, float before) {
    struct rng rng;
    rng_seed(&rng, 31);
    struct op_call call = {.node = b->node,
                           .batch = b->batch,
                           .training = true,
                           .out = in_place ? b->value[0] : b->out,
                           .dout = b->dout,
                           .saved = b->kept,
                           .scratch = b->work,
                           .rng = &rng};
    for (int i = 0; i < b->arrays; i++) {
        int at = i - b->node->input_count;
        for (size_t j = 0; j < b->count[i]; j++)
            b->gradient[i][j] = before;
        if (at < 0) {
            call.in[i] = b->value[i];
            call.din[i] = content_of(b, i) == REAL ? b->gradient[i] : NULL;
        } else {
            call.param[at] = b->value[i];
            call.dparam[at] = b->gradient[i];
        }
    }
    b->node->op->forward(&call);
    b->node->op->backward(&call);
    if (in_place)
        memcpy(b->out, b->value[0], b->outputs * sizeof(float));
}

static void compare(const struct op_case *c, const char *what, size_t count, const float *values,
                    const double *truth, double bound) {
    double error = relative_error(count, values, truth);
    if (!(error <= bound))
        fail_msg("%s, %s: error %.3g exceeds %.3g (%s)", c->name, what, error, bound, kernels_get()->name);
}

static void check_fast(const struct op_case *c, int batch, float scale, bool in_place) {
    struct bench b = bench_create(c, batch);
    struct rng rng;
    rng_seed(&rng, 78);
    fill(&b, &rng, scale);
    reference_loss(&b, true);
    const float before = scale == 1 ? 0.5f : 0;
    run_fast(&b, in_place, before);
    /* Products of queries and keys grow by the square of the scale, and the exponent's rounding with them,
     * until one key takes all. */
    double bound =
        c->bound *
        (strstr(b.node->op->name, "attention") && scale < 1e3f ? fmax(1, (double)(scale * scale)) : 1);
    compare(c, "result", b.outputs, b.out, b.wide_out, bound);
    for (int i = 0; i < b.arrays; i++)
        if (content_of(&b, i) == REAL) {
            char what[64];
            for (size_t j = 0; j < b.count[i]; j++)
                b.wide_gradient[i][j] += (double)before;
            snprintf(what, sizeof what, "gradient %d at %g", i, (double)scale);
            compare(c, what, b.count[i], b.gradient[i], b.wide_gradient[i], bound);
        }
    assert_true(b.kept[b.saved] == CANARY && b.work[b.scratch] == CANARY);
    bench_destroy(&b);
}

static void check_all(void) {
    for (int i = 0; i < CASES; i++) {
        struct bench b = bench_create(&cases[i], 1);
        bool in_place = b.node->op->in_place;
        bench_destroy(&b);
        for (int batch = 1; batch <= 5; batch += 2)
            check_fast(&cases[i], batch, 1, false);
        check_fast(&cases[i], 3, 4, false);
        check_fast(&cases[i], 3, 1e-41f, false); /* denormals */
        check_fast(&cases[i], 3, 1e12f, false);
        if (in_place)
            check_fast(&cases[i], 3, 1, true);
    }
}

static void fast_forms_equal_their_references(void **state) {
    (void)state;
    on_every_isa(check_all);
}

/* A whole network with everything in it: the planner's sharing of memory, dropout's draws and the order of
 * contributions to gradients against the plain run that keeps every array. */
static struct graph *mixture(void) {
    struct graph *graph = graph_create();
    tensor x = graph_input(graph, "planes", SHAPE(6, 6, 3));
    x = graph_conv(graph, "stem", x, CONV(.channels = 8, .kernel = {3, 3}, .padding = {1, 1}));
    x = graph_gelu(graph, "gelu", graph_batch_norm(graph, "norm", x));
    tensor down = graph_pool(graph, "pool", x, POOL(.kernel = {2, 2}, .average = true));
    tensor up = graph_conv_transpose(graph, "up", graph_dropout(graph, "dropout", down, 0.3f),
                                     CONV(.channels = 8, .kernel = {2, 2}, .stride = {2, 2}), NULL);
    x = graph_squeeze_excite(graph, "squeeze", graph_add(graph, "sum", up, x), 2);
    tensor tokens = graph_positions(graph, "positions", graph_reshape(graph, "tokens", x, SHAPE(36, 8)));
    tokens = graph_layer_norm(
        graph, "end", graph_attention(graph, "look", tokens, tokens, tokens, NO_KEEP, ATTENTION(.heads = 2)));
    graph_output(graph, "rows", graph_log_softmax(graph, "log", graph_linear(graph, "row", tokens, 5, true)));
    graph_output(graph, "map", graph_tanh(graph, "tanh", x));
    assert_int_equal(graph_finish(graph, NULL), 0);
    return graph;
}

static void check_mixture(void) {
    enum { BATCH = 3 };
    struct trial t = trial_create(mixture(), 4, BATCH, 5, 0);
    struct reference_run *slow;
    assert_int_equal(reference_run_create(t.graph, RUN_TRAINING, BATCH, 5, &slow), 0);
    reference_run_load(slow, &t.model);
    for (size_t i = 0; i < BATCH * shape_elements(graph_input_shape(t.graph, 0)); i++)
        reference_run_input(slow, 0)[i] = (double)t.x[0][i];
    memcpy(run_input(t.run, 0), t.x[0], BATCH * 6 * 6 * 3 * sizeof(float));
    reference_run_forward(slow, BATCH);
    run_forward(t.run, &t.model, BATCH);
    for (int o = 0; o < graph_output_count(t.graph); o++) {
        const char *name = graph_output_name(t.graph, o);
        size_t count = BATCH * shape_elements(graph_output_shape(t.graph, o));
        const double *y = reference_run_output(slow, name);
        assert_close(count, run_output(t.run, name), y, 5e-5);
        for (size_t i = 0; i < count; i++) {
            double weight = 0.2 + 0.1 * (double)(i % 7);
            reference_run_output_gradient(slow, name)[i] = weight * y[i];
            run_output_gradient(t.run, name)[i] = (float)(weight * y[i]);
        }
    }
    run_backward(t.run, &t.model, t.gradients);
    reference_run_backward(slow);
    assert_close(graph_value_count(t.graph), t.gradients, reference_run_gradients(slow), 5e-5);
    assert_null(reference_run_output(slow, "none"));
    reference_run_destroy(slow);
    trial_destroy(&t);
}

static void a_whole_network_equals_its_reference(void **state) {
    (void)state;
    on_every_isa(check_mixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_take_the_method_of_their_name),
        cmocka_unit_test(references_have_the_gradients_of_their_results),
        cmocka_unit_test(fast_forms_equal_their_references),
        cmocka_unit_test(a_whole_network_equals_its_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
