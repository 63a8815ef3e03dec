/* rules.c - names of the rules. */
#include <string.h>
#include "proto/base/error.h"
#include "workers/go/rules.h"

static const char *const ko_names[] = {"simple", "positional", "situational"};

int rules_suicide_parse(const char *name, bool *suicide) {
    if (strcmp(name, "chinese") != 0 && strcmp(name, "tromp-taylor") != 0)
        return TG_EINVALID;
    *suicide = strcmp(name, "tromp-taylor") == 0;
    return 0;
}

int rules_ko_parse(const char *name, enum ko_rule *ko) {
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, ko_names[i]) == 0) {
            *ko = (enum ko_rule)i;
            return 0;
        }
    }
    return TG_EINVALID;
}

const char *rules_name(const struct go_rules *rules) {
    return rules->suicide ? "tromp-taylor" : "chinese";
}

const char *rules_ko_name(enum ko_rule ko) {
    return ko_names[ko];
}
