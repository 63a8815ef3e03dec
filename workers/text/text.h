/* text.h - the run functions of the kinds about sequences of tokens. */
#ifndef TENGEN_TEXT_TEXT_H
#define TENGEN_TEXT_TEXT_H

#include "workers/task/port.h"
#include "workers/task/task.h"

/* 0, or the error that the task fails with. */
int seq2seq_run(const struct task *task, struct port *port, struct problem *problem);

#endif
