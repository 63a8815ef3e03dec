#include <string.h>
#include <unistd.h>
#include "proto/kinds/player.h"
#include "workers/run/run.h"

/* The flags make GNU Go take dead stones off before it passes, so that counting the board is right. */
#define GNUGO_FLAGS " --mode gtp --chinese-rules --capture-all-dead --level 10"
static const char *const gnugo_places[] = {"/usr/games/gnugo", "/usr/bin/gnugo", "/usr/local/bin/gnugo",
                                           NULL};

json_t *engines_known(void) {
    json_t *engines = json_object();
    for (int i = 0; engines && gnugo_places[i]; i++)
        if (access(gnugo_places[i], X_OK) == 0) {
            json_object_set_new(engines, "gnugo", json_sprintf("%s" GNUGO_FLAGS, gnugo_places[i]));
            break;
        }
    return engines;
}

int engines_add(json_t *engines, const char *text, struct problem *problem) {
    const char *equals = strchr(text, '=');
    if (!equals || !equals[1])
        return problem_set(problem, TG_EINVALID, "engine", "must be NAME=COMMAND, is \"%.80s\"", text);
    json_t *name = json_stringn(text, (size_t)(equals - text));
    int error = name ? engine_name_check("engine", json_string_value(name), problem)
                     : problem_set(problem, TG_EINVALID, "engine", "the name is not UTF-8");
    if (!error && json_object_set_new(engines, json_string_value(name), json_string(equals + 1)))
        error = problem_set(problem, TG_EINVALID, "engine", "the command is not UTF-8");
    json_decref(name);
    return error;
}
