#include "workers/data/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "workers/data/idx.h"
#include "workers/data/image_set.h"
#include "workers/data/png_image.h"
#include "workers/go/sgf_files.h"
#include "workers/go/sgf_game.h"

/* ---- images ---- */

static json_t *safe_string(const char *text) {
    json_t *string = json_string(text);
    char safe[128];
    size_t i = 0;
    for (; !string && text[i] && i + 1 < sizeof safe; i++)
        safe[i] = text[i] >= ' ' && text[i] < 127 ? text[i] : '?';
    safe[i] = 0;
    return string ? string : json_string(safe);
}

json_t *class_names_json(char *const *names, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, safe_string(names[i]));
    return list;
}

static int check_images(const char *path, json_t **info, struct problem *problem) {
    struct image_set set;
    int error = image_set_read(path, &set, problem);
    if (error)
        return error;
    *info =
        json_pack("{s:s, s:I, s:I, s:I, s:i, s:o, s:i, s:i, s:i}", "format", image_format_name(set.format),
                  "samples", (json_int_t)set.train.count + (json_int_t)set.test.count, "train",
                  (json_int_t)set.train.count, "test", (json_int_t)set.test.count, "classes", set.class_count,
                  "class_names", class_names_json(set.class_names, set.class_count), "height", set.height,
                  "width", set.width, "channels", set.channels);
    image_set_free(&set);
    return *info ? TG_OK : TG_ENO_MEMORY;
}

/* ---- games ---- */

enum { SIZES = 20 };

struct games {
    struct sgf_record record;
    int64_t games, usable, by_size[SIZES];
    const char *path;                   /* what is looked at */
    struct problem first;               /* why the first game was of no use */
    char first_file[PROBLEM_FIELD_MAX]; /* " (NAME:LINE)", or "" when it is the path itself */
};

static void note_first(struct games *games, const char *name, uint32_t line, const struct problem *problem) {
    if (games->first.error)
        return;
    games->first = *problem;
    if (strcmp(name, games->path) != 0) /* else the problem's field names it, and an upload has no name */
        snprintf(games->first_file, sizeof games->first_file, " (%.110s:%u)", name, line);
}

static void count_game(struct games *games, const char *name) {
    struct sgf_info info;
    struct sgf_replay replay;
    struct game *game = NULL;
    struct problem problem = {0};
    games->games++;
    int error = sgf_info_read(&games->record, &info, &problem);
    if (!error)
        error = sgf_replay(&games->record, &info, true, -1, &game, &replay, &problem);
    if (!error && replay.moves == 0)
        error = problem_set(&problem, TG_EINVALID, NULL, "a game without a move");
    if (error)
        note_first(games, name, games->record.line, &problem);
    else {
        games->usable++;
        games->by_size[info.size]++;
    }
    game_destroy(game);
}

static int count_games(void *user, const char *name, const void *data, size_t size) {
    struct games *games = user;
    struct sgf_reader reader;
    struct problem problem = {0};
    int error;
    sgf_reader_init(&reader, data, size);
    while ((error = sgf_read(&reader, &games->record, &problem)) == 0)
        count_game(games, name);
    if (error == TG_ENO_MEMORY)
        return error;
    if (error != TG_ENOT_FOUND || reader.games == 0)
        note_first(games, name, reader.line, &problem);
    return TG_OK;
}

static json_t *sizes_json(const struct games *games) {
    json_t *sizes = json_object();
    for (int size = 0; size < SIZES; size++) {
        char name[16];
        snprintf(name, sizeof name, "%d", size);
        if (games->by_size[size])
            json_object_set_new(sizes, name, json_integer(games->by_size[size]));
    }
    return sizes;
}

static int check_games(const char *path, json_t **info, struct problem *problem) {
    struct games games = {.path = path};
    int error = sgf_files_visit(path, count_games, &games, problem);
    if (!error && games.usable == 0 && games.first.error)
        error =
            problem_set(problem, TG_ENOT_FOUND, path, "holds no usable game; the first that is not%s: %.200s",
                        games.first_file, games.first.detail);
    else if (!error && games.usable == 0)
        error = problem_set(problem, TG_ENOT_FOUND, path, "holds no usable game: no SGF file is in it");
    if (!error)
        *info = json_pack("{s:s, s:I, s:I, s:I, s:o}", "format", "sgf", "samples", (json_int_t)games.usable,
                          "games", (json_int_t)games.games, "usable", (json_int_t)games.usable, "boards",
                          sizes_json(&games));
    sgf_record_free(&games.record);
    return error;
}

/* ---- which of the two ---- */

enum sort { UNKNOWN, IMAGES, GAMES };
enum { FOUND = 1 }; /* ends the visit; no error is positive */

static int look(void *user, const char *name, const void *data, size_t size) {
    enum sort *sort = user;
    const char *base = strrchr(name, '/');
    base = base ? base + 1 : name;
    const char *text = data;
    size_t at = 0;
    while (at < size && (strchr(" \t\r\n", text[at]) || (unsigned char)text[at] >= 0xbb))
        at++; /* a byte order mark, too */
    if (strcasestr(base, ".sgf") || (at < size && text[at] == '('))
        *sort = GAMES;
    else if (strcasestr(base, ".png") || strcasestr(base, "ubyte") || png_is(data, size) ||
             idx_is(data, size))
        *sort = IMAGES;
    return *sort == UNKNOWN ? TG_OK : FOUND;
}

static int check_path(const char *path, json_t **info, struct problem *problem) {
    static const char *const endings[] = {".png", "ubyte", "classes.txt", ".sgf", NULL};
    static const struct files_rules rules = {endings, IMAGE_FILE_BYTES_MAX, "a file"};
    enum sort sort = UNKNOWN;
    int error = files_visit(path, &rules, look, &sort, problem);
    if (error < 0)
        return error;
    if (sort == UNKNOWN)
        return problem_set(
            problem, TG_ENOT_FOUND, path,
            "holds nothing that is known: idx files (train-images-idx3-ubyte, ...), folders of "
            "PNG files by class, or SGF files; each also in a tar, .gz or .xz");
    return sort == GAMES ? check_games(path, info, problem) : check_images(path, info, problem);
}

/* What comes through a pipe is kept in a file without a name, for it is read twice. */
static int keep_input(int fd, struct problem *problem) {
    char bytes[1 << 16];
    for (;;) {
        ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            return TG_OK;
        for (ssize_t done = 0, wrote; got > 0 && done < got; done += wrote) {
            wrote = write(fd, bytes + done, (size_t)(got - done));
            if (wrote <= 0)
                return problem_set(problem, TG_EIO, "-", "cannot be kept for reading: %s", strerror(errno));
        }
        if (got < 0)
            return problem_set(problem, TG_EIO, "-", "cannot be read: %s", strerror(errno));
    }
}

static int check_input(json_t **info, struct problem *problem) {
    const char *folder = getenv("TMPDIR");
    char path[64];
    int fd = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return problem_set(problem, TG_EIO, "-", "no file to keep it in: %s", strerror(errno));
    int error = keep_input(fd, problem);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!error)
        error = check_path(path, info, problem);
    close(fd);
    return error;
}

int dataset_check(const char *path, json_t **info, struct problem *problem) {
    *info = NULL;
    return strcmp(path, "-") == 0 ? check_input(info, problem) : check_path(path, info, problem);
}
