#include "proto/base/signals.h"

#include <signal.h>

static void change(int how) {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    pthread_sigmask(how, &both, NULL);
}

void signals_hold(void) {
    change(SIG_BLOCK);
}

void signals_release(void) {
    change(SIG_UNBLOCK);
}
