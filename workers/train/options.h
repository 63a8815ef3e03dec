/* options.h - from a job's options (proto/kinds/training.h) to the trainer's. */
#ifndef TENGEN_TRAIN_OPTIONS_H
#define TENGEN_TRAIN_OPTIONS_H

#include "workers/task/task.h"
#include "workers/train/train.h"

/* Reads what TRAINING_OPTIONS declares, the task's seed and what it resumes from. What depends on the data
 * (epoch_samples, validation, metadata) is left 0. The task must outlive the options. */
void train_options_read(const struct task *task, struct train_options *out);

#endif
