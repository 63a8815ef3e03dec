/* gather.h - a SQLite VFS that writes the pages of a commit to the log in one piece. See gather.c. */
#ifndef TENGEN_STORE_GATHER_H
#define TENGEN_STORE_GATHER_H

/* The name to open a connection with (sqlite3_open_v2's last argument), or NULL, the default, when it could
 * not be made known to SQLite. Only for connections with synchronous = FULL or for reading: what is gathered
 * reaches the file when SQLite syncs it. From any thread. */
const char *gather_vfs(void);

#endif
