/* pack.h - a folder as one tar file, the same bytes for the same files: sorted by name, without times and
 * owners.
 */
#ifndef TENGEN_CLI_PACK_H
#define TENGEN_CLI_PACK_H

#include <stdint.h>
#include <stdio.h>
#include "proto/base/error.h"

/* Regular files alone, in all subfolders; links are not followed, and names that begin with a dot are left
 * out. *out is an unnamed file of *size bytes. TG_EIO naming the file at fault; TG_ENOT_FOUND: there is no
 * file. */
int pack_folder(const char *folder, FILE **out, int64_t *size, struct problem *problem);

#endif
