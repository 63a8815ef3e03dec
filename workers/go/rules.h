/* rules.h - what the players have agreed on. */
#ifndef TENGEN_GO_RULES_H
#define TENGEN_GO_RULES_H

#include <stdbool.h>
#include "workers/go/history.h"

struct go_rules {
    int size;     /* 2..19 */
    int komi2;    /* komi in half points: 15 is 7.5 */
    bool suicide; /* of two or more stones: tromp-taylor yes, chinese no */
    enum ko_rule ko;
};

/* The names of the options of proto/kinds/player.h. 0 or TG_EINVALID. */
int rules_suicide_parse(const char *name, bool *suicide); /* "chinese", "tromp-taylor" */
int rules_ko_parse(const char *name, enum ko_rule *ko);   /* "simple", "positional", "situational" */
const char *rules_name(const struct go_rules *rules);
const char *rules_ko_name(enum ko_rule ko);

#endif
