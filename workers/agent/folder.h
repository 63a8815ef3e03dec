/* folder.h - the agent's own folder: one agent at a time, and an identity for ever. */
#ifndef TENGEN_AGENT_FOLDER_H
#define TENGEN_AGENT_FOLDER_H

#include "proto/base/error.h"

enum { INSTANCE_HEX = 33 }; /* 32 digits and the closing 0 */

/* Makes the folder when missing and locks it until the process ends or *lock is closed. */
int folder_open(const char *path, int *lock, struct problem *problem);
/* Reads the instance id, or makes one, durably. */
int folder_instance(const char *path, char instance[INSTANCE_HEX], struct problem *problem);

#endif
