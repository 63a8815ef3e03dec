/* content.c - data sets and checkpoints: files and folders to the server, and back. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/pack.h"
#include "proto/base/clock.h"
#include "proto/base/hash.h"

/* ---- progress, on a terminal ---- */

enum { REDRAW_MS = 200, BAR_CELLS = 30 };

struct bar {
    const char *what;
    bool shown, drawn;
    int64_t last_ms;
};

static struct bar bar_for(const struct invocation *invocation, const char *what) {
    return (struct bar){.what = what, .shown = !invocation->json && isatty(STDERR_FILENO)};
}

static void draw_bar(void *arg, int64_t done, int64_t total) {
    struct bar *bar = arg;
    int64_t now = clock_monotonic_ms();
    if (!bar->shown || total <= 0 || (bar->drawn && done < total && now - bar->last_ms < REDRAW_MS))
        return;
    int cells = (int)(BAR_CELLS * done / total);
    char text[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i++)
        text[i] = i < cells ? '#' : '.';
    text[BAR_CELLS] = 0;
    fprintf(stderr, "\r%s %s %5.1f %%  %.1f/%.1f MB%s", bar->what, text, 100.0 * (double)done / (double)total,
            (double)done / 1e6, (double)total / 1e6, done == total ? ", waiting for the server" : "");
    bar->drawn = true;
    bar->last_ms = now;
}

static void end_bar(const struct bar *bar) {
    if (bar->drawn)
        fprintf(stderr, "\r\033[K");
}

/* ---- lists ---- */

static const char *format_size(int64_t bytes, char *out, size_t size) {
    snprintf(out, size, bytes < 1000000 ? "%.1f kB" : "%.1f MB",
             (double)bytes / (bytes < 1000000 ? 1e3 : 1e6));
    return out;
}

static void print_rows(const json_t *items, const char *const *titles,
                       void (*add)(struct table *, const json_t *), const char *empty) {
    struct table *table = table_create(titles);
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item) {
        table_row(table);
        add(table, item);
    }
    table_print(table, empty);
}

static int list(const struct invocation *invocation, const char *path, const char *const *titles,
                void (*add)(struct table *, const json_t *), const char *empty) {
    json_t *found = NULL;
    struct problem problem = {0};
    if (client_list(invocation->client, path, 0, &found, &problem))
        return tell_problem(&problem, invocation->json);
    if (invocation->json)
        print_json(found);
    else
        print_rows(json_object_get(found, "items"), titles, add, empty);
    json_decref(found);
    return EXIT_OK;
}

static void add_dataset(struct table *table, const json_t *row) {
    const json_t *info = json_object_get(row, "info");
    char size[32], created[32];
    table_cell(table, "%lld", (long long)member_int(row, "id"));
    table_cell(table, "%s", member_text(row, "name"));
    table_cell(table, "%s", member_text(info, "format"));
    table_cell(table, "%lld", (long long)member_int(info, "samples"));
    table_cell(table, "%s", format_size(member_int(row, "bytes"), size, sizeof size));
    table_cell(table, "%s", format_time(member_int(row, "created_ms"), created, sizeof created));
    table_cell(table, "%.12s", member_text(row, "sha256"));
}

static void add_checkpoint(struct table *table, const json_t *row) {
    char size[32], created[32];
    int64_t job = member_int(row, "job");
    table_cell(table, "%s", member_text(row, "sha256"));
    table_cell(table, "%s", member_text(row, "name"));
    table_cell(table, "%lld", (long long)member_int(row, "step"));
    table_cell(table, job ? "%lld" : "", (long long)job);
    table_cell(table, "%s", format_size(member_int(row, "bytes"), size, sizeof size));
    table_cell(table, "%s", format_time(member_int(row, "created_ms"), created, sizeof created));
}

/* ---- add ---- */

/* The last part of a path, without slashes at its end. */
static void name_of(const char *path, char *out, size_t size) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    snprintf(out, size, "%.*s", (int)(end - begin), path + begin);
}

/* Opens a file, or packs a folder where that may be one. */
static int open_source(const char *path, bool folders, FILE **file, int64_t *size, struct problem *problem) {
    struct stat status;
    *file = NULL;
    if (stat(path, &status) < 0)
        return problem_set(problem, TG_EIO, path, "cannot be read: %s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return folders ? pack_folder(path, file, size, problem)
                       : problem_set(problem, TG_EINVALID, path, "is a folder; a file is needed");
    *file = fopen(path, "rbe");
    *size = status.st_size;
    return *file ? 0 : problem_set(problem, TG_EIO, path, "cannot be read: %s", strerror(errno));
}

/* What the server calls the body, or the header of it, is the file for who sent it. */
static void name_path(struct problem *problem, const char *path) {
    if (strcmp(problem->field, "body") == 0 || strcmp(problem->field, "header") == 0)
        snprintf(problem->field, sizeof problem->field, "%s", path);
}

static int add(const struct invocation *invocation, const char *method, const char *where, bool folders,
               json_t **out) {
    const char *path = invocation_word(invocation, 1), *given = option_string(invocation->options, "name");
    char name[256];
    FILE *file = NULL;
    int64_t size = 0;
    struct problem problem = {0};
    struct buf url = BUF_INIT;
    name_of(path, name, sizeof name);
    if (open_source(path, folders, &file, &size, &problem))
        return tell_usage(&problem);
    struct bar bar = bar_for(invocation, "sending");
    int error = buf_append_text(&url, where);
    error = error ? error : path_add(&url, "name", given[0] ? given : name);
    error = error ? error
                  : client_upload(invocation->client, method, (char *)url.data, file, size, draw_bar, &bar,
                                  out, &problem);
    end_bar(&bar);
    fclose(file);
    buf_free(&url);
    if (error && !invocation->json)
        name_path(&problem, path);
    return error ? tell_problem(&problem, invocation->json) : EXIT_OK;
}

static int add_data(const struct invocation *invocation) {
    json_t *row = NULL;
    int code = add(invocation, "POST", "/datasets", true, &row);
    if (code == EXIT_OK && invocation->json) {
        print_json(row);
    } else if (code == EXIT_OK) {
        const json_t *info = json_object_get(row, "info");
        printf("data set %lld %s: %s, %lld samples%s\n", (long long)member_int(row, "id"),
               member_text(row, "name"), member_text(info, "format"), (long long)member_int(info, "samples"),
               json_is_true(json_object_get(row, "existed")) ? "; the same bytes were there already" : "");
    }
    json_decref(row);
    return code;
}

static int add_network(const struct invocation *invocation) {
    json_t *row = NULL;
    int code = add(invocation, "PUT", "/checkpoints", false, &row);
    if (code == EXIT_OK && invocation->json)
        print_json(row);
    else if (code == EXIT_OK)
        puts(member_text(row, "sha256"));
    json_decref(row);
    return code;
}

/* ---- remove ---- */

static int remove_dataset(const struct invocation *invocation) {
    return delete_by_id(invocation, "/datasets", "data set", "removed");
}

/* ---- fetch ---- */

static bool is_digest(const char *word) {
    uint8_t digest[SHA256_BYTES];
    return sha256_parse(word, digest) == 0;
}

static int tell_no_digest(const char *word) {
    struct problem problem;
    problem_set(
        &problem, TG_EINVALID, NULL,
        "\"%.80s\" is no checkpoint: a SHA-256 digest has 64 hex digits (tengen checkpoint list shows "
        "them), and a job's id is a whole number from 1",
        word);
    return tell_usage(&problem);
}

/* The job's newest checkpoint of this name. */
static int newest_of(const struct invocation *invocation, const char *job, const char *name,
                     char digest[SHA256_HEX], struct problem *problem) {
    char path[96];
    json_t *found = NULL, *row;
    size_t i;
    snprintf(path, sizeof path, "/jobs/%.20s/checkpoints", job);
    digest[0] = 0;
    int error = client_list(invocation->client, path, 0, &found, problem);
    json_array_foreach(json_object_get(found, "items"), i, row) {
        if (!digest[0] && strcmp(member_text(row, "name"), name) == 0)
            snprintf(digest, SHA256_HEX, "%s", member_text(row, "sha256"));
    }
    json_decref(found);
    if (!error && !digest[0])
        error = problem_set(problem, TG_ENOT_FOUND, "job",
                            "job %.20s has stored no checkpoint named %.60s yet", job, name);
    return error;
}

/* The digest is what was asked for: a file that has another is none. */
static int verify(const char *part, const char *wanted, struct problem *problem) {
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    uint64_t size;
    if (sha256_file(part, digest, &size))
        return problem_set(problem, TG_EIO, "--output", "%.200s cannot be read again", part);
    sha256_hex(digest, hex);
    return strcmp(hex, wanted) == 0
               ? 0
               : problem_set(problem, TG_EDIGEST, "sha256", "what came has the digest %s", hex);
}

static int fetch_to(const struct invocation *invocation, const char *digest, const char *output,
                    struct problem *problem) {
    char part[4200], path[128];
    snprintf(path, sizeof path, "/checkpoints/%s", digest);
    if (snprintf(part, sizeof part, "%s.part", output) >= (int)sizeof part)
        return problem_set(problem, TG_EIO, "--output", "the name is too long");
    FILE *file = fopen(part, "wbe");
    if (!file)
        return problem_set(problem, TG_EIO, "--output", "%.200s cannot be written: %s", part,
                           strerror(errno));
    struct bar bar = bar_for(invocation, "fetching");
    int error = client_download(invocation->client, path, file, draw_bar, &bar, problem);
    end_bar(&bar);
    if (fclose(file) && !error)
        error =
            problem_set(problem, TG_EIO, "--output", "%.200s cannot be written: %s", part, strerror(errno));
    if (!error)
        error = verify(part, digest, problem);
    if (!error && rename(part, output))
        error =
            problem_set(problem, TG_EIO, "--output", "%.200s cannot be written: %s", output, strerror(errno));
    if (error)
        unlink(part);
    return error;
}

static int fetch(const struct invocation *invocation) {
    const char *word = invocation_word(invocation, 1), *output = option_string(invocation->options, "output");
    const char *name = option_string(invocation->options, "name");
    char digest[SHA256_HEX], file[128];
    long long job;
    struct problem problem = {0};
    int error = 0;
    if (is_digest(word))
        snprintf(digest, sizeof digest, "%s", word);
    else if (strspn(word, "0123456789") < strlen(word))
        return tell_no_digest(word);
    else if (!invocation_id(invocation, 1, &job))
        return EXIT_USAGE;
    else
        error = newest_of(invocation, word, name[0] ? name : "checkpoint", digest, &problem);
    if (error)
        return tell_problem(&problem, invocation->json);
    snprintf(file, sizeof file, "%.12s.safetensors", digest);
    output = output[0] ? output : file;
    error = fetch_to(invocation, digest, output, &problem);
    if (error)
        return strcmp(problem.field, "--output") == 0 ? tell_usage(&problem)
                                                      : tell_problem(&problem, invocation->json);
    if (invocation->json) {
        json_t *done = json_pack("{s:s, s:s}", "sha256", digest, "output", output);
        print_json(done);
        json_decref(done);
    } else {
        printf("%s\n", output);
    }
    return EXIT_OK;
}

/* ---- the commands ---- */

int run_dataset(const struct invocation *invocation) {
    static const char *const titles[] = {"ID",   "NAME",    "FORMAT", "SAMPLES",
                                         "SIZE", "CREATED", "SHA256", NULL};
    const char *action = invocation_word(invocation, 0);
    bool has_word = json_array_size(invocation->words) == 2;
    if (strcmp(action, "list") == 0 && !has_word)
        return list(invocation, "/datasets", titles, add_dataset,
                    "no data sets yet: tengen dataset add PATH");
    if (strcmp(action, "add") == 0 && has_word)
        return add_data(invocation);
    if (strcmp(action, "remove") == 0 && has_word)
        return remove_dataset(invocation);
    struct problem problem;
    problem_set(
        &problem, TG_EINVALID, NULL,
        "usage: tengen dataset add PATH [--name NAME], tengen dataset list or tengen dataset remove ID");
    return tell_usage(&problem);
}

int run_checkpoint(const struct invocation *invocation) {
    static const char *const titles[] = {"SHA256", "NAME", "STEP", "JOB", "SIZE", "CREATED", NULL};
    const char *action = invocation_word(invocation, 0);
    bool has_word = json_array_size(invocation->words) == 2;
    char path[64] = "/checkpoints";
    long long job;
    if (strcmp(action, "list") == 0) {
        if (has_word && !invocation_id(invocation, 1, &job))
            return EXIT_USAGE;
        if (has_word)
            snprintf(path, sizeof path, "/jobs/%lld/checkpoints", job);
        return list(invocation, path, titles, add_checkpoint, "no checkpoints yet");
    }
    if (strcmp(action, "fetch") == 0 && has_word)
        return fetch(invocation);
    if (strcmp(action, "add") == 0 && has_word)
        return add_network(invocation);
    struct problem problem;
    problem_set(
        &problem, TG_EINVALID, NULL,
        "usage: tengen checkpoint list [JOB], tengen checkpoint fetch SHA256|JOB [--output FILE] or tengen "
        "checkpoint add FILE");
    return tell_usage(&problem);
}
