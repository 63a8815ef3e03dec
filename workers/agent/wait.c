#include "workers/agent/wait.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/log.h"

bool wait_set(struct wait *wait, int64_t now_ms, const char *format, ...) {
    char reason[sizeof wait->reason];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    if (strcmp(reason, wait->reason) == 0)
        return false;
    if (!wait->reason[0])
        wait->since_ms = now_ms;
    memcpy(wait->reason, reason, sizeof reason);
    log_info("agent", "%s: waiting, %s", wait->what, reason);
    return true;
}

void wait_over(struct wait *wait, int64_t now_ms) {
    if (!wait->reason[0])
        return;
    log_info("agent", "%s: goes on after %lld s", wait->what, (long long)((now_ms - wait->since_ms) / 1000));
    wait->reason[0] = 0;
}
