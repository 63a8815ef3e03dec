/* gtp_engine.c - see gtp_engine.h: lines to answers. What the commands do is in gtp_commands.c.
 *
 *     line --clean (standard, 2.2)--> words --[id] name--> gtp_commands --> "=id answer" or "?id error"
 *
 * Every line that holds a word gets exactly one answer, whatever it is, since a controller counts them; an
 * empty line and a comment get none, as the standard has it. A line that is too long is read to its end and
 * answered as one error. */
#include "workers/go/gtp_engine.h"

#include <stdlib.h>
#include <string.h>
#include "proto/base/error.h"
#include "workers/go/gtp_internal.h"

static const char syntax_error[] = "syntax error";

struct gtp_engine *gtp_engine_create(const char *name, const char *version, const struct go_rules *rules,
                                     const struct gtp_mover *mover) {
    struct gtp_engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return NULL;
    engine->name = name;
    engine->version = version;
    engine->rules = *rules;
    engine->mover = *mover;
    engine->game = game_create(rules);
    if (engine->game)
        return engine;
    free(engine);
    return NULL;
}

void gtp_engine_destroy(struct gtp_engine *engine) {
    if (!engine)
        return;
    game_destroy(engine->game);
    free(engine);
}

const struct game *gtp_engine_game(const struct gtp_engine *engine) {
    return engine->game;
}

const struct gtp_command *gtp_command_find(const char *name) {
    for (const struct gtp_command *command = gtp_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

/* The standard's 2.2: tabs become spaces, control characters go, a # and what follows go. */
static void clean(char *out, const char *line, size_t length) {
    size_t used = 0;
    for (size_t i = 0; i < length && line[i] != '#'; i++) {
        const unsigned char c = (unsigned char)line[i];
        if (c == '\t')
            out[used++] = ' ';
        else if (c >= ' ' && c != 127)
            out[used++] = (char)c;
    }
    out[used] = 0;
}

/* Whether there were not too many. */
static bool split(char *text, struct gtp_words *words) {
    words->count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (words->count == GTP_WORDS_MAX)
            return false;
        words->word[words->count++] = word;
    }
    return true;
}

static bool is_number(const char *word) {
    return word[0] && strspn(word, "0123456789") == strlen(word);
}

/* "=12 answer\n\n" or "?12 error\n\n". A multi-line answer must hold no empty line; our handlers write none.
 */
static int answer(struct buf *out, const char *id, bool success, const char *text, size_t size) {
    while (size > 0 && text[size - 1] == '\n')
        size--;
    int failed = buf_printf(out, "%c%s%s", success ? '=' : '?', id, size ? " " : "");
    if (!failed && size)
        failed = buf_append(out, text, size);
    return failed ? failed : buf_append_text(out, "\n\n");
}

static int answer_error(struct buf *out, const char *id, const char *error) {
    return answer(out, id, false, error, strlen(error));
}

static const char *dispatch(struct gtp_engine *engine, const char *name, const struct gtp_words *words,
                            struct buf *reply) {
    const struct gtp_command *command = gtp_command_find(name);
    if (!command)
        return "unknown command";
    if (words->count < command->least || words->count > command->most)
        return syntax_error;
    return command->handle(engine, words, reply);
}

static int answer_words(struct gtp_engine *engine, struct gtp_words *words, struct buf *out) {
    const char *id = "";
    struct buf reply = BUF_INIT;
    if (words->count && is_number(words->word[0])) {
        id = words->word[0];
        memmove(words->word, words->word + 1, (size_t)--words->count * sizeof(words->word[0]));
    }
    const char *error = syntax_error;
    if (words->count) {
        const char *name = words->word[0];
        memmove(words->word, words->word + 1, (size_t)--words->count * sizeof(words->word[0]));
        error = dispatch(engine, name, words, &reply);
    }
    int failed =
        error ? answer_error(out, id, error) : answer(out, id, true, (const char *)reply.data, reply.size);
    buf_free(&reply);
    return failed;
}

int gtp_engine_line(struct gtp_engine *engine, const char *line, size_t length, struct buf *out, bool *quit) {
    char text[GTP_LINE_MAX + 1];
    struct gtp_words words;
    if (length > GTP_LINE_MAX)
        return answer_error(out, "", syntax_error);
    clean(text, line, length);
    if (!split(text, &words))
        return answer_error(out, "", syntax_error);
    int error = words.count ? answer_words(engine, &words, out) : 0;
    *quit = engine->quit;
    return error;
}

static int write_out(FILE *out, struct buf *text) {
    bool written = !text->size || fwrite(text->data, 1, text->size, out) == text->size;
    buf_clear(text);
    return written && fflush(out) == 0 ? 0 : TG_EIO;
}

int gtp_engine_run(struct gtp_engine *engine, FILE *in, FILE *out) {
    char *line = malloc(GTP_LINE_MAX + 2);
    struct buf text = BUF_INIT;
    bool quit = false;
    int error = line ? 0 : TG_ENO_MEMORY;
    while (!error && !quit) {
        size_t length = 0;
        int c;
        while ((c = getc(in)) != EOF && c != '\n')
            if (length <= GTP_LINE_MAX)
                line[length++] = (char)c; /* one byte too many stands for all that were */
        if (c == EOF && length == 0)
            break;
        error = gtp_engine_line(engine, line, length, &text, &quit);
        if (!error)
            error = write_out(out, &text);
    }
    buf_free(&text);
    free(line);
    return error;
}
