/* options.h - from a job's options (proto/kinds/training.h) to the trainer's. */
#ifndef TENGEN_TRAIN_OPTIONS_H
#define TENGEN_TRAIN_OPTIONS_H

#include "workers/task/task.h"
#include "workers/train/train.h"

/* What every random choice of a run follows from: the config's seed (the coordinator picks one where it is
 * 0), so that a run by hand and a job give the same; the task's where the config has none. */
uint64_t train_seed(const struct task *task);
/* Reads what TRAINING_OPTIONS declares, the seed and what it resumes from. What depends on the data
 * (epoch_samples, validation, metadata) is left 0. The task must outlive the options. */
void train_options_read(const struct task *task, struct train_options *out);

#endif
