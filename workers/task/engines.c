#include "workers/task/engines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/kinds/player.h"

#define GNUGO_OPTIONS "--mode gtp --chinese-rules --capture-all-dead --positional-superko --level 10"

enum { PLACE_MAX = 256 };

/* After the PATH's. */
static const char *const usual_places[] = {"/usr/games", "/usr/local/games", "/usr/local/bin", "/usr/bin",
                                           NULL};

/* Whether `folder`/gnugo is a program that a shell will run by just this name: the command is given to one.
 */
static bool is_in(const char *folder, size_t length, char program[PLACE_MAX]) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-";
    struct stat status;
    int n = snprintf(program, PLACE_MAX, "%.*s/gnugo", (int)length, folder);
    return folder[0] == '/' && n > 0 && n < PLACE_MAX && strspn(program, plain) == (size_t)n &&
           stat(program, &status) == 0 && S_ISREG(status.st_mode) && access(program, X_OK) == 0;
}

static bool find_gnugo(char program[PLACE_MAX]) {
    const char *at = getenv("PATH");
    for (size_t length; at; at = at[length] ? at + length + 1 : NULL) {
        length = strcspn(at, ":");
        if (is_in(at, length, program))
            return true;
    }
    for (size_t i = 0; usual_places[i]; i++)
        if (is_in(usual_places[i], strlen(usual_places[i]), program))
            return true;
    return false;
}

json_t *engines_known(void) {
    char program[PLACE_MAX];
    json_t *engines = json_object();
    if (engines && find_gnugo(program))
        json_object_set_new(engines, "gnugo", json_sprintf("%s " GNUGO_OPTIONS, program));
    return engines;
}

int engines_add(json_t *engines, const char *text, struct problem *problem) {
    const char *equals = strchr(text, '=');
    if (!equals || !equals[1])
        return problem_set(problem, TG_EINVALID, "engine", "must be NAME=COMMAND, is \"%.80s\"", text);
    if (equals - text > ENGINE_NAME_MAX)
        return problem_set(problem, TG_EOUT_OF_RANGE, "engine",
                           "a name may have %d bytes, \"%.80s\" has more", ENGINE_NAME_MAX, text);
    char name[ENGINE_NAME_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    int error = engine_name_check("engine", name, problem);
    if (!error && json_object_set_new(engines, name, json_string(equals + 1)))
        error = problem_set(problem, TG_EINVALID, "engine", "the command is not UTF-8");
    return error;
}

int engines_add_all(json_t *engines, const json_t *texts, struct problem *problem) {
    int error = 0;
    for (size_t i = 0; i < json_array_size(texts) && !error; i++)
        error = engines_add(engines, json_string_value(json_array_get(texts, i)), problem);
    return error;
}
